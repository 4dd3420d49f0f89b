/* The key schedule of HPKE (RFC 9180) in base mode, for DHKEM with HKDF-SHA256, KDF HKDF-SHA256
 * and AEAD ChaCha20-Poly1305, one message. Key agreement and cipher are the caller's. */
#pragma once

#include "base/limits.h"
#include "base/span.h"

#define HPKE_NONCE_SIZE 12u
#define HPKE_CONTEXT_MAX \
    130u /* bytes of encapsulated and recipient's public key: two points of P-256 */

enum hpke_kem { /* RFC 9180, table 2 */
    HPKE_P256 = 0x0010,
    HPKE_X25519 = 0x0020,
};

struct hpke_input {
    enum hpke_kem kem;
    struct span agreed;    /* Diffie-Hellman's result; for P-256 the x coordinate */
    struct span enc;       /* encapsulated key: the sender's ephemeral public key */
    struct span recipient; /* public key */
    struct span info;      /* what the message is bound to */
};

struct hpke_keys {
    uint8_t key[DIGEST_SIZE];
    uint8_t nonce[HPKE_NONCE_SIZE]; /* of message 0 */
};

void hpke_schedule(const struct hpke_input *input, struct hpke_keys *out);
