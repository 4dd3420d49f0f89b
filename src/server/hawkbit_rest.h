/* The part of hawkBit's management API that is here (docs/wire/hawkbit.md has the list): targets
 * and the tokens of gateways. A route that is not in the list does not exist; none is half there.
 */
#pragma once

#include "server/foreign_api.h"

extern const struct foreign_api foreign_hawkbit_rest;
