/* Authenticated encryption of short pieces (RFC 8439, NIST SP 800-38D). The names are pure; the
 * cipher itself is OpenSSL's, on hosts.
 *
 * A nonce must never be used twice with one key; whoever calls this has to see to it. */
#pragma once

#include "base/span.h"

enum aead_kind {
    AEAD_CHACHA20_POLY1305,
    AEAD_AES_256_GCM,
    AEAD_COUNT
};

#define AEAD_KEY_SIZE   32u /* bytes, of either kind */
#define AEAD_NONCE_SIZE 12u
#define AEAD_TAG_SIZE   16u /* bytes a sealed piece is longer than its plain text */

/* "chacha20-poly1305", "aes-256-gcm": as in signed metadata and on command lines. */
const char *aead_kind_name(enum aead_kind kind);
bool aead_kind_parse(struct span name, enum aead_kind *out) MUST_USE;

struct aead;

/* Never NULL. The key is copied, and wiped when it is closed. */
struct aead *aead_open(enum aead_kind kind, const uint8_t key[AEAD_KEY_SIZE]);
void aead_close(struct aead *aead); /* NULL-safe */

/* Ciphertext and tag to `out`, which has room for plain.size + AEAD_TAG_SIZE bytes and may be
 * where the plain text is. `bound` is authenticated with it, and not part of it. */
void aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct span bound,
               struct span plain, uint8_t *out);

/* The plain text, AEAD_TAG_SIZE shorter than `sealed`, to `out`, which may be where `sealed` is.
 * False: not what was sealed with this key, nonce and `bound`; then `out` holds zeros. */
bool aead_unseal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct span bound,
                 struct span sealed, uint8_t *out) MUST_USE;
