/* Signing in COSE with a host's key (crypto/key.h). Devices only check. */
#pragma once

#include "crypto/cose_key.h"
#include "format/cose.h"

/* A whole COSE_Sign1 of `payload` to `out`, as the kind of message that `domain` says.
 * ERR_INVALID: no key that signs so; ERR_TOO_BIG: `out` is too small; else as key_sign(). */
enum err cose_sign1_make(const struct key *key, struct span domain, struct span payload,
                         struct buf *out, struct why *why) MUST_USE;

/* Add the key's signature over `sign->payload` to the others, in place of an older one of the
 * same key. ERR_TOO_BIG: there are too many; else as above. */
enum err cose_sign_with(const struct key *key, struct span domain, struct cose_sign *sign,
                        struct why *why) MUST_USE;
