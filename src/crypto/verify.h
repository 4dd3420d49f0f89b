/* Signature checking as the freestanding core sees it: raw public keys, 64-byte signatures and
 * one function that a port supplies (a library on hosts, portable C, an accelerator or a secure
 * element on a microcontroller).
 *
 * What makes a signature or key acceptable must not depend on the port. verify_good() therefore
 * refuses here, before the port is asked, all that libraries treat differently: Ed25519 keys of
 * small order and such that are not written canonically, S not below the group order (RFC 8032
 * 5.1.7), ECDSA r or s that is zero or not below it (FIPS 186-5 6.4.2), any other size. */
#pragma once

#include "base/span.h"

#define VERIFY_KID_SIZE       8u  /* bytes of a key id */
#define VERIFY_KEY_SIZE_MAX   65u /* bytes: P-256 uncompressed; Ed25519 has 32 */
#define VERIFY_SIGNATURE_SIZE 64u /* bytes: Ed25519 R and S, ES256 r and s */
#define VERIFY_ED25519_SIZE   32u /* bytes of an Ed25519 public key */
#define VERIFY_ES256_SIZE     65u /* bytes of a P-256 public key: 4, x, y */

enum verify_alg {
    VERIFY_ED25519, /* pure Ed25519 (RFC 8032) */
    VERIFY_ES256,   /* ECDSA over P-256 with SHA-256 */
    VERIFY_ALG_COUNT
};

struct verify_key {
    enum verify_alg alg;
    uint8_t public[VERIFY_KEY_SIZE_MAX]; /* `size` bytes of it */
    uint8_t size;
    uint8_t kid[VERIFY_KID_SIZE]; /* first bytes of SHA-256 over the public key */
};

/* What a port supplies. */
struct verify {
    void *self;
    /* Whether `signature` (64 bytes) is by `key` over `message`. False for a key that is no
     * point on its curve. Called through verify_good() only. */
    bool (*good)(void *self, const struct verify_key *key, struct span message,
                 struct span signature);
};

/* A key from its raw bytes, with its id. False, and `out` untouched, for a wrong size, a point
 * that is compressed or infinite, an Ed25519 key of small order or not in canonical form. That
 * a P-256 point lies on its curve is for the port to find. */
bool verify_key_init(struct verify_key *out, enum verify_alg alg, struct span public) MUST_USE;

/* Whether both are the same key. */
bool verify_key_same(const struct verify_key *a, const struct verify_key *b);

/* Whether `signature` is by `key` over `message`; whatever is malformed is simply false. */
bool verify_good(const struct verify *verify, const struct verify_key *key, struct span message,
                 struct span signature) MUST_USE;
