/* Wraps: a content key sealed for one device, to be opened by its sealing key only.
 *
 * A wrap is HPKE in base mode, one message (RFC 9180): DHKEM over X25519 or P-256 with
 * HKDF-SHA256, then ChaCha20-Poly1305. Device name and image are bound to it through HPKE's
 * `info`, so a wrap for one device or release opens for no other.
 *
 *     sealing key  | kind 1 | public key 32 or 65 |             (a device's public half)
 *     wrap         | kind 1 | encapsulated key 32 or 65 | 48 |  (81 or 114 bytes)
 *     info         "slipway content key 1" 00 device name 00 SHA-256 of the plain image
 *
 * The kind is 1 for X25519 and 2 for P-256, whose points are uncompressed (04 x y).
 * Whoever holds only public halves can make wraps: that they come from the server is said by the
 * signed assignment around them. For hosts. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/why.h"
#include "crypto/aead.h"

enum wrap_kind {
    WRAP_X25519 = 1,
    WRAP_P256 = 2,
};

#define WRAP_PUBLIC_SIZE_MAX 66u /* bytes: kind and the longer public key */
#define WRAP_SIZE_MAX        (WRAP_PUBLIC_SIZE_MAX + AEAD_KEY_SIZE + AEAD_TAG_SIZE)
#define WRAP_PEM_SIZE_MAX    512u

/* Whom and what for. */
struct wrap_for {
    const char *device;
    const uint8_t *sha256; /* of the plain image: DIGEST_SIZE bytes */
};

/* The private sealing key of a device, with its public half. */
struct wrap_key;

/* A fresh one from the system's random source. ERR_AGAIN: there is no randomness. */
enum err wrap_key_generate(enum wrap_kind kind, struct wrap_key **out, struct why *why) MUST_USE;

/* PKCS#8 in PEM, not encrypted. ERR_CORRUPT: it is no key of the two kinds. Whoever calls the
 * second one wipes what it wrote. */
enum err wrap_key_from_pem(struct span pem, struct wrap_key **out, struct why *why) MUST_USE;
void wrap_key_pem(const struct wrap_key *key, struct buf *out);
void wrap_key_close(struct wrap_key *key); /* NULL-safe */

/* Kind and public key, as they are sent to the server. */
void wrap_key_public(const struct wrap_key *key, struct buf *out);

/* Whether something can be wrapped for this sealing key: kind, length, a point of the curve and
 * not of small order. Costs one key agreement. */
bool wrap_public_ok(struct span public_key) MUST_USE;

/* The wrap of `content_key`, with a fresh ephemeral key. ERR_CORRUPT: `public_key` is not one. */
enum err wrap_seal(struct span public_key, const struct wrap_for *to,
                   const uint8_t content_key[AEAD_KEY_SIZE], struct buf *out,
                   struct why *why) MUST_USE;

/* The content key. ERR_CORRUPT: malformed, or of another kind than the key; ERR_UNTRUSTED: not
 * made for this key, device and image. `content_key` is touched on success only. */
enum err wrap_unseal(const struct wrap_key *key, const struct wrap_for *to, struct span wrap,
                     uint8_t content_key[AEAD_KEY_SIZE], struct why *why) MUST_USE;
