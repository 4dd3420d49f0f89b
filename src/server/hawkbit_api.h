/* hawkBit's device API (docs/wire/hawkbit.md): translation between wire/hawkbit.h and the stories
 * of app/foreign.h. */
#pragma once

#include "server/foreign_api.h"

extern const struct foreign_api foreign_hawkbit;
