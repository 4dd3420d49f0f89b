/* SHA-256 in portable C, for cores that have no library for it: nothing but integers, no
 * allocation, one pass. Hosts that hash whole images use crypto/digest.h, which is faster.
 *
 * Source: FIPS 180-4, chapters 5 and 6.2. */
#pragma once

#include "base/limits.h"
#include "base/span.h"

#define SHA256_BLOCK_SIZE 64u /* bytes */

struct sha256 {
    uint32_t state[8];
    uint64_t size;                    /* bytes taken in so far */
    uint8_t block[SHA256_BLOCK_SIZE]; /* the unfinished block: size % 64 bytes of it */
};

void sha256_init(struct sha256 *sha);
void sha256_update(struct sha256 *sha, struct span bytes);

/* The digest; `sha` must be initialised again before further use. */
void sha256_done(struct sha256 *sha, uint8_t out[DIGEST_SIZE]);

/* All three for bytes that are at hand. */
void sha256_of(struct span bytes, uint8_t out[DIGEST_SIZE]);
