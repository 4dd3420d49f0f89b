/* HMAC and HKDF with SHA-256, in portable C: keys from a secret, each for one purpose only.
 * Outputs are one digest or shorter, which is all that our formats need.
 *
 * Sources: RFC 2104 (HMAC), RFC 5869 (HKDF). */
#pragma once

#include "base/limits.h"
#include "base/span.h"
#include "crypto/sha256.h"

struct hmac {
    struct sha256 inner;
    uint8_t outer_pad[SHA256_BLOCK_SIZE];
};

void hmac_init(struct hmac *hmac, struct span key);
void hmac_update(struct hmac *hmac, struct span bytes);
void hmac_done(struct hmac *hmac, uint8_t out[DIGEST_SIZE]); /* and forgets the key */

/* A pseudo-random key out of `secret`. `salt` may be empty. */
void hkdf_extract(struct span salt, struct span secret, uint8_t out[DIGEST_SIZE]);

/* `size` bytes, at most DIGEST_SIZE, for the purpose `info`. */
void hkdf_expand(const uint8_t key[DIGEST_SIZE], struct span info, uint8_t *out, size_t size);
