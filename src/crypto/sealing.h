/* Sealing: one image, encrypted chunk by chunk under one content key.
 *
 *     content key (32 random bytes, one per image)
 *          |  HKDF-SHA256, salt = SHA-256 of the plain image
 *          +--> payload key   info "slipway sealed payload 1", algorithm, chunk size
 *          +--> key check     info "slipway sealed check 1", likewise; signed with the release
 *
 *     chunk i of n   nonce = i in 11 bytes, big-endian | 01 if it is the last, else 00
 *                    sealed chunk = AEAD(payload key, nonce, plain chunk), 16 bytes longer
 *
 * This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar 2015): a chunk that is
 * altered, left out, repeated, moved or cut off does not open. Since the payload key depends on
 * the image, the algorithm and the chunk size, a content key that is used twice by mistake never
 * leads to one nonce for two plain texts, and a chunk of one release does not open in another.
 * For the same reason sealing is deterministic: sealing a plain chunk again gives the same bytes.
 *
 * Formats: docs/spec/sealed.md. For hosts; a device core gets it through agent/sealer.h. */
#pragma once

#include "base/limits.h"
#include "base/span.h"
#include "crypto/aead.h"

#define CONTENT_KEY_SIZE AEAD_KEY_SIZE /* bytes */

/* What a content key is bound to; all of it is signed. */
struct sealing_image {
    enum aead_kind alg;
    uint8_t sha256[DIGEST_SIZE]; /* of the plain image */
    uint32_t chunk_size;         /* bytes of a plain chunk */
};

struct sealing;

/* Never NULL. */
struct sealing *sealing_open(const struct sealing_image *image,
                             const uint8_t content_key[CONTENT_KEY_SIZE]);
void sealing_close(struct sealing *sealing); /* NULL-safe */

/* The sealed chunk, AEAD_TAG_SIZE longer than `plain`; `out` may be where `plain` is. */
void sealing_seal(struct sealing *sealing, uint32_t index, bool last, struct span plain,
                  uint8_t *out);

/* The plain chunk, AEAD_TAG_SIZE shorter; `out` may be where `sealed` is. False, with zeros in
 * `out`: it is not this chunk of this image under this content key. */
bool sealing_unseal(struct sealing *sealing, uint32_t index, bool last, struct span sealed,
                    uint8_t *out) MUST_USE;

/* What the signed facts say of the content key. It gives nothing of the key away, and tells
 * whoever has the key whether it is the right one. */
void sealing_check(const struct sealing_image *image, const uint8_t content_key[CONTENT_KEY_SIZE],
                   uint8_t out[DIGEST_SIZE]);
