/* crypto/verify.h in portable C, for cores without a library or an accelerator. */
#pragma once

#include "crypto/verify.h"

/* Ed25519 by itself. ES256 is asked of `es256`, which stays the caller's (an accelerator, a
 * secure element, a vendor's library); NULL: every ES256 signature is bad. */
struct verify verify_portable(struct verify *es256);
