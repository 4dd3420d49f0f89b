/* Enrol the devices of a load: one claim token each, identities as files. */
#pragma once

#include "base/err.h"
#include "base/why.h"

/* Read claim tokens, one a line, from `claims_file`, enrol a device "load-N" with each at the
 * server `url`, and leave load-N.key and load-N.crt in `identities` (made if missing). */
enum err load_enroll(const char *url, const char *ca_file, const char *claims_file,
                     const char *identities, uint32_t *enrolled, struct why *why) MUST_USE;
