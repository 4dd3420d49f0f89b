/* Keys of other people's metadata: verify only, of more kinds than we sign with (OpenSSL 3).
 *
 * What one of them verifies is fixed by its scheme, which names curve or padding and digest; a key
 * of another type under that scheme is refused when it is read. crypto/key.h has the keys that we
 * make and sign with. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "base/why.h"

enum public_key_scheme {
    PUBLIC_KEY_ED25519,
    PUBLIC_KEY_ECDSA_P256_SHA256,
    PUBLIC_KEY_ECDSA_P384_SHA384,
    PUBLIC_KEY_ECDSA_P521_SHA512,
    PUBLIC_KEY_RSA_PSS_SHA256, /* salt of any length, MGF1 with the same digest */
    PUBLIC_KEY_RSA_PSS_SHA384,
    PUBLIC_KEY_RSA_PSS_SHA512,
    PUBLIC_KEY_RSA_PKCS1_SHA256,
    PUBLIC_KEY_RSA_PKCS1_SHA384,
    PUBLIC_KEY_RSA_PKCS1_SHA512,
    PUBLIC_KEY_SCHEME_COUNT
};

#define PUBLIC_KEY_RSA_BITS_MIN       2048u /* shorter ones are no signature any more */
#define PUBLIC_KEY_RSA_BITS_MAX       8192u /* longer ones only take time */
#define PUBLIC_KEY_SIGNATURE_SIZE_MAX 1024u /* bytes: RSA of 8192 bits */
#define PUBLIC_KEY_PEM_SIZE_MAX       8192u /* bytes */
#define PUBLIC_KEY_RAW_SIZE_MAX       133u  /* bytes of an uncompressed point of P-521 */

struct public_key;

/* From bytes: 32 of an Ed25519 key or those of an ECDSA point (RFC 8032, SEC 1 2.3.3), or PEM
 * (SPKI) of an ECDSA or RSA key. ERR_CORRUPT: no key of that scheme. */
enum err public_key_from_raw(enum public_key_scheme scheme, struct span raw,
                             struct public_key **out, struct why *why) MUST_USE;
enum err public_key_from_pem(enum public_key_scheme scheme, struct span pem,
                             struct public_key **out, struct why *why) MUST_USE;
/* PEM (SPKI) of whatever Mender's clients sign with, where the key itself names the scheme:
 * Ed25519, ECDSA over P-256 with SHA-256, RSA PKCS #1 v1.5 with SHA-256. */
enum err public_key_from_any_pem(struct span pem, struct public_key **out,
                                 struct why *why) MUST_USE;

/* Its SubjectPublicKeyInfo in DER, the same bytes however the PEM was written. */
void public_key_der(const struct public_key *key, struct buf *out);

/* The same from DER, and back to PEM. */
enum err public_key_from_any_der(struct span der, struct public_key **out,
                                 struct why *why) MUST_USE;
void public_key_pem(const struct public_key *key, struct buf *out);
void public_key_close(struct public_key *key); /* NULL-safe */

/* Whether both are the same key, whatever their schemes. */
bool public_key_same(const struct public_key *a, const struct public_key *b);

/* Whether `signature` is by `key` over `message`; any malformed signature is simply false. */
bool public_key_verify(const struct public_key *key, struct span message,
                       struct span signature) MUST_USE;
