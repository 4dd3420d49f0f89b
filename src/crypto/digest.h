/* Digests on hosts, with whatever speed the processor offers (OpenSSL's EVP). Long inputs go
 * through it piece by piece. Failing here means no memory or a broken library: it CHECKs. */
#pragma once

#include "base/limits.h"
#include "base/span.h"

enum digest_kind {
    DIGEST_SHA256,
    DIGEST_SHA512
};

#define SHA512_SIZE     64u         /* bytes */
#define DIGEST_SIZE_MAX SHA512_SIZE /* bytes of the longest kind */

struct digest;

/* Never NULL. */
struct digest *digest_open(enum digest_kind kind);
void digest_update(struct digest *digest, struct span bytes);

/* The digest of all that was taken in (32 or 64 bytes to `out`); `digest` starts anew. */
void digest_done(struct digest *digest, uint8_t *out);
void digest_close(struct digest *digest); /* NULL-safe */

/* Bytes a digest of this kind has. */
size_t digest_size(enum digest_kind kind);

/* All of it for bytes that are at hand. */
void digest_of(enum digest_kind kind, struct span bytes, uint8_t *out);
