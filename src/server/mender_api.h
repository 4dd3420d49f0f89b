/* Mender's device API (docs/wire/mender.md): translation between wire/mender_host.h and the stories
 * of app/mender.h and app/foreign.h. */
#pragma once

#include "server/foreign_api.h"

extern const struct foreign_api foreign_mender;
