#include "crypto/cose_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/check.h"
#include "crypto/pem_openssl.h"

/* The uncompressed point, by way of the PEM form: what kind of thing holds the private half is
 * key.h's business. */
static void p256_point(const struct key *key, uint8_t out[VERIFY_ES256_SIZE])
{
    uint8_t pem[KEY_PEM_SIZE_MAX];
    struct buf text = buf_over(pem, sizeof pem);
    size_t size = 0;
    EVP_PKEY *pkey;
    BIO *bio;

    key_public_pem(key, &text);
    CHECK(!text.overflow);
    bio = BIO_new_mem_buf(pem, (int)text.size);
    CHECK(bio);
    pkey = PEM_read_bio_PUBKEY(bio, NULL, pem_ask_nobody, NULL);
    BIO_free(bio);
    CHECK(pkey);
    /* A key that was read in compressed form says its point so, unless told otherwise. */
    CHECK(EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                         OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED) == 1);
    CHECK(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, out, VERIFY_ES256_SIZE,
                                          &size) == 1);
    CHECK(size == VERIFY_ES256_SIZE);
    EVP_PKEY_free(pkey);
}

enum err key_to_verify(const struct key *key, struct verify_key *out, struct why *why)
{
    uint8_t public[VERIFY_KEY_SIZE_MAX];
    enum key_kind kind = key_kind(key);
    bool good = false;

    if (kind == KEY_ED25519) {
        key_public_raw(key, public);
        good = verify_key_init(out, VERIFY_ED25519, (struct span){public, VERIFY_ED25519_SIZE});
    } else if (kind == KEY_ECDSA_P256) {
        p256_point(key, public);
        good = verify_key_init(out, VERIFY_ES256, (struct span){public, VERIFY_ES256_SIZE});
    }
    if (good)
        return ERR_OK;
    why_say(why, NULL, "the key is not an Ed25519 or ECDSA P-256 key that devices accept");
    return ERR_INVALID;
}

static void raw_of(const uint8_t *der, size_t size, uint8_t out[VERIFY_SIGNATURE_SIZE])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)size);
    const BIGNUM *r, *s;

    CHECK(sig);
    ECDSA_SIG_get0(sig, &r, &s);
    CHECK(BN_bn2binpad(r, out, 32) == 32 && BN_bn2binpad(s, out + 32, 32) == 32);
    ECDSA_SIG_free(sig);
}

enum err key_sign_raw(const struct key *key, struct span message,
                      uint8_t out[VERIFY_SIGNATURE_SIZE], struct why *why)
{
    uint8_t room[KEY_SIGNATURE_SIZE_MAX];
    struct buf signature = buf_over(room, sizeof room);
    struct verify_key public;

    TRY(key_to_verify(key, &public, why));
    TRY(key_sign(key, message, &signature, why));
    CHECK(!signature.overflow);
    if (public.alg == VERIFY_ES256) {
        raw_of(room, signature.size, out);
        return ERR_OK;
    }
    CHECK(signature.size == VERIFY_SIGNATURE_SIZE);
    memcpy(out, room, VERIFY_SIGNATURE_SIZE);
    return ERR_OK;
}
