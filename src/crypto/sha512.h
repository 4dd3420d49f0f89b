/* SHA-512 in portable C, for cores that have no library for it and check Ed25519 signatures.
 * Hosts use crypto/digest.h.
 *
 * Source: FIPS 180-4, chapters 5 and 6.4. */
#pragma once

#include "base/span.h"

#define SHA512_BLOCK_SIZE 128u /* bytes */
#define SHA512_OUT_SIZE   64u  /* bytes of a digest */

struct sha512 {
    uint64_t state[8];
    uint64_t size;                    /* bytes taken in so far */
    uint8_t block[SHA512_BLOCK_SIZE]; /* the unfinished block: size % 128 bytes of it */
};

void sha512_init(struct sha512 *sha);
void sha512_update(struct sha512 *sha, struct span bytes);

/* The digest; `sha` must be initialised again before further use. */
void sha512_done(struct sha512 *sha, uint8_t out[SHA512_OUT_SIZE]);
