#include "crypto/verify_openssl.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include "base/check.h"

#define DER_SIZE_MAX 72 /* bytes of an ECDSA signature over P-256 */

/* NULL when the key is no point on the curve. */
static EVP_PKEY *open_p256(const struct verify_key *key)
{
    char group[] = SN_X9_62_prime256v1;
    uint8_t point[VERIFY_ES256_SIZE];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_END,
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;

    CHECK(context);
    memcpy(point, key->public, sizeof point);
    CHECK(EVP_PKEY_fromdata_init(context) == 1);
    if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    return pkey;
}

/* r and s as OpenSSL wants them: a DER sequence of two integers. */
static int der_of(struct span raw, uint8_t out[DER_SIZE_MAX])
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.at, 32, NULL), *s = BN_bin2bn(raw.at + 32, 32, NULL);
    int size;

    CHECK(sig && r && s);
    CHECK(ECDSA_SIG_set0(sig, r, s) == 1);
    size = i2d_ECDSA_SIG(sig, &out);
    ECDSA_SIG_free(sig);
    CHECK(size > 0);
    return size;
}

static bool check(EVP_PKEY *pkey, const EVP_MD *digest, struct span message, struct span signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good;

    CHECK(context);
    good = EVP_DigestVerifyInit(context, NULL, digest, NULL, pkey) == 1 &&
           EVP_DigestVerify(context, signature.at, signature.size, message.at, message.size) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static bool good_p256(const struct verify_key *key, struct span message, struct span signature)
{
    uint8_t der[DER_SIZE_MAX];
    EVP_PKEY *pkey = open_p256(key);
    bool good;

    if (!pkey)
        return false;
    good = check(pkey, EVP_sha256(), message, (struct span){der, (size_t)der_of(signature, der)});
    EVP_PKEY_free(pkey);
    return good;
}

static bool good_ed25519(const struct verify_key *key, struct span message, struct span signature)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public, key->size);
    bool good;

    CHECK(pkey);
    good = check(pkey, NULL, message, signature);
    EVP_PKEY_free(pkey);
    return good;
}

/* What fails leaves nothing in OpenSSL's list of errors, which its TLS code reads, too. */
static bool good(void *self, const struct verify_key *key, struct span message,
                 struct span signature)
{
    bool result;

    (void)self;
    (void)ERR_set_mark();
    result = key->alg == VERIFY_ES256 ? good_p256(key, message, signature)
                                      : good_ed25519(key, message, signature);
    (void)ERR_pop_to_mark();
    return result;
}

struct verify verify_openssl(void)
{
    return (struct verify){.good = good};
}
