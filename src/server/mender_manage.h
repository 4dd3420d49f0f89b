/* The part of Mender's management API that its own tools and scripts use (docs/wire/mender.md),
 * over our devices, releases and rollouts. Translation; what may be done is decided by the same
 * stories and roles as in our own API.
 *
 * Who asks shows one of our API tokens. `login` takes it as the password and gives it back as the
 * session, so that tools which insist on logging in can be used. */
#pragma once

#include "server/foreign_api.h"

extern const struct foreign_api foreign_mender_manage;
