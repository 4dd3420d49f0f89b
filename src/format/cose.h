/* Signed messages in COSE (RFC 9052): COSE_Sign1 with one signature, COSE_Sign with several.
 *
 *     COSE_Sign1  18([ protected, {}, payload, signature ])
 *     COSE_Sign   98([ h'', {}, payload, [ [ protected, {}, signature ], ... ] ])
 *     protected   a byte string around { 1: algorithm, 4: key id }
 *
 * These shapes and no others are read: both tags present, everything in the header protected,
 * EdDSA (-8) or ES256 (-7), an 8-byte key id, a 64-byte signature, shortest numbers, definite
 * lengths, signatures in strictly ascending order of their key ids, nothing behind the end. One
 * message therefore has one encoding. There is no cryptography here; see crypto/verify.h.
 *
 * Each kind of message has a domain text, the external_aad of RFC 9052 4.3: what was signed as
 * one kind never passes as another. Bytes: docs/spec/cose.md. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "crypto/verify.h"

#define COSE_SIGNATURES_MAX 8u  /* signatures on one message: more than any sane threshold */
#define COSE_SIGN1_OVERHEAD 86u /* bytes around a payload of up to 65535 bytes */
#define COSE_SIGN_OVERHEAD  9u  /* bytes around it, plus for each signature: */
#define COSE_SIGN_EACH      82u
#define COSE_TBS_OVERHEAD   32u /* to-be-signed bytes beside payload and domain */

struct cose_signature {
    enum verify_alg alg;
    uint8_t kid[VERIFY_KID_SIZE];
    uint8_t bytes[VERIFY_SIGNATURE_SIZE];
};

/* Payloads borrow from the bytes that were read. */
struct cose_sign1 {
    struct span payload; /* not empty */
    struct cose_signature signature;
};

struct cose_sign {
    struct span payload; /* not empty */
    struct cose_signature signatures[COSE_SIGNATURES_MAX];
    uint32_t count; /* at least one */
};

/* ERR_CORRUPT: not exactly such a message; ERR_TOO_BIG: too many signatures. `out` is untouched
 * on failure. */
enum err cose_sign1_read(struct span in, struct cose_sign1 *out) MUST_USE;
enum err cose_sign_read(struct span in, struct cose_sign *out) MUST_USE;

/* cose_sign_write() wants the signatures in order; cose_sign_add() keeps them so. */
void cose_sign1_write(const struct cose_sign1 *in, struct buf *out);
void cose_sign_write(const struct cose_sign *in, struct buf *out);

/* Add a signature, or replace the one of the same key. ERR_TOO_BIG: there is no room. */
enum err cose_sign_add(struct cose_sign *sign, const struct cose_signature *signature) MUST_USE;

/* What a signer with `key` signs (Sig_structure, RFC 9052 4.4). */
void cose_sign1_tbs(const struct verify_key *key, struct span domain, struct span payload,
                    struct buf *out);
void cose_sign_tbs(const struct verify_key *key, struct span domain, struct span payload,
                   struct buf *out);

/* How to check: with which function, as which kind of message, in which memory. */
struct cose_check {
    const struct verify *verify;
    struct span domain;
    void *room; /* for the to-be-signed bytes; too small makes every signature bad */
    size_t room_size;
};

/* Whether the message is signed by `key`. */
bool cose_sign1_good(const struct cose_sign1 *in, const struct verify_key *key,
                     const struct cose_check *check) MUST_USE;

/* How many of `keys`, which are all different, have signed the message. A signature that is bad
 * or by nobody known counts nothing and does no harm (as in TUF). */
uint32_t cose_sign_count(const struct cose_sign *in, const struct verify_key *keys, uint32_t count,
                         const struct cose_check *check) MUST_USE;
