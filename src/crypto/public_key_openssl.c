#include "crypto/public_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "crypto/pem_openssl.h"

struct public_key {
    EVP_PKEY *pkey;
    enum public_key_scheme scheme;
};

/* clang-format off */
static const struct {
    int type;            /* EVP_PKEY_... */
    const char *group;   /* of ECDSA */
    int padding;         /* of RSA */
    const char *digest;  /* NULL: the scheme hashes by itself */
} schemes[PUBLIC_KEY_SCHEME_COUNT] = {
    [PUBLIC_KEY_ED25519]           = {EVP_PKEY_ED25519, NULL, 0, NULL},
    [PUBLIC_KEY_ECDSA_P256_SHA256] = {EVP_PKEY_EC, SN_X9_62_prime256v1, 0, "SHA256"},
    [PUBLIC_KEY_ECDSA_P384_SHA384] = {EVP_PKEY_EC, SN_secp384r1, 0, "SHA384"},
    [PUBLIC_KEY_ECDSA_P521_SHA512] = {EVP_PKEY_EC, SN_secp521r1, 0, "SHA512"},
    [PUBLIC_KEY_RSA_PSS_SHA256]    = {EVP_PKEY_RSA, NULL, RSA_PKCS1_PSS_PADDING, "SHA256"},
    [PUBLIC_KEY_RSA_PSS_SHA384]    = {EVP_PKEY_RSA, NULL, RSA_PKCS1_PSS_PADDING, "SHA384"},
    [PUBLIC_KEY_RSA_PSS_SHA512]    = {EVP_PKEY_RSA, NULL, RSA_PKCS1_PSS_PADDING, "SHA512"},
    [PUBLIC_KEY_RSA_PKCS1_SHA256]  = {EVP_PKEY_RSA, NULL, RSA_PKCS1_PADDING, "SHA256"},
    [PUBLIC_KEY_RSA_PKCS1_SHA384]  = {EVP_PKEY_RSA, NULL, RSA_PKCS1_PADDING, "SHA384"},
    [PUBLIC_KEY_RSA_PKCS1_SHA512]  = {EVP_PKEY_RSA, NULL, RSA_PKCS1_PADDING, "SHA512"},
};
/* clang-format on */

static EVP_PKEY *read_pem(struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.size);
    EVP_PKEY *pkey;

    CHECK(bio);
    pkey = PEM_read_bio_PUBKEY(bio, NULL, pem_ask_nobody, NULL);
    BIO_free(bio);
    return pkey;
}

static EVP_PKEY *from_point(const char *group, struct span point)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.at,
                                          point.size),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *pkey = NULL;

    CHECK(context);
    CHECK(EVP_PKEY_fromdata_init(context) == 1);
    if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    return pkey;
}

/* The point at infinity is one byte; everybody can sign for it. */
static bool is_point(const EVP_PKEY *pkey)
{
    size_t size = 0;

    return EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, NULL, 0, &size) == 1 &&
           size > 1;
}

static bool fits(enum public_key_scheme scheme, const EVP_PKEY *pkey)
{
    int bits = EVP_PKEY_get_bits(pkey);
    char group[32];

    if (EVP_PKEY_get_id(pkey) != schemes[scheme].type)
        return false;
    if (schemes[scheme].type == EVP_PKEY_RSA)
        return bits >= (int)PUBLIC_KEY_RSA_BITS_MIN && bits <= (int)PUBLIC_KEY_RSA_BITS_MAX;
    if (schemes[scheme].type == EVP_PKEY_EC)
        return EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
               strcmp(group, schemes[scheme].group) == 0 && is_point(pkey);
    return true;
}

/* Takes `pkey`, which may be NULL, whatever comes of it. */
static enum err wrap(enum public_key_scheme scheme, EVP_PKEY *pkey, struct public_key **out,
                     struct why *why)
{
    struct public_key *key;

    if (!pkey || !fits(scheme, pkey)) {
        EVP_PKEY_free(pkey);
        why_say(why, NULL, "is no public key of its scheme");
        return ERR_CORRUPT;
    }
    key = calloc(1, sizeof *key);
    CHECK(key);
    *key = (struct public_key){.pkey = pkey, .scheme = scheme};
    *out = key;
    return ERR_OK;
}

/* Marks: what fails in here has nothing to say to TLS, which reads the same list of errors. */
enum err public_key_from_raw(enum public_key_scheme scheme, struct span raw,
                             struct public_key **out, struct why *why)
{
    EVP_PKEY *pkey = NULL;

    CHECK((size_t)scheme < PUBLIC_KEY_SCHEME_COUNT);
    (void)ERR_set_mark();
    if (schemes[scheme].type == EVP_PKEY_ED25519)
        pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.at, raw.size);
    else if (schemes[scheme].type == EVP_PKEY_EC && raw.size <= PUBLIC_KEY_RAW_SIZE_MAX)
        pkey = from_point(schemes[scheme].group, raw);
    (void)ERR_pop_to_mark();
    return wrap(scheme, pkey, out, why);
}

enum err public_key_from_pem(enum public_key_scheme scheme, struct span pem,
                             struct public_key **out, struct why *why)
{
    EVP_PKEY *pkey = NULL;

    CHECK((size_t)scheme < PUBLIC_KEY_SCHEME_COUNT);
    (void)ERR_set_mark();
    if (schemes[scheme].type != EVP_PKEY_ED25519 && pem.size <= PUBLIC_KEY_PEM_SIZE_MAX)
        pkey = read_pem(pem);
    (void)ERR_pop_to_mark();
    return wrap(scheme, pkey, out, why);
}

static enum public_key_scheme scheme_of(const EVP_PKEY *pkey)
{
    switch (pkey ? EVP_PKEY_get_id(pkey) : 0) {
    case EVP_PKEY_ED25519:
        return PUBLIC_KEY_ED25519;
    case EVP_PKEY_EC:
        return PUBLIC_KEY_ECDSA_P256_SHA256;
    default:
        return PUBLIC_KEY_RSA_PKCS1_SHA256;
    }
}

enum err public_key_from_any_pem(struct span pem, struct public_key **out, struct why *why)
{
    EVP_PKEY *pkey = NULL;

    (void)ERR_set_mark();
    if (pem.size <= PUBLIC_KEY_PEM_SIZE_MAX)
        pkey = read_pem(pem);
    (void)ERR_pop_to_mark();
    return wrap(scheme_of(pkey), pkey, out, why);
}

enum err public_key_from_any_der(struct span der, struct public_key **out, struct why *why)
{
    const unsigned char *at = der.at;
    EVP_PKEY *pkey = NULL;

    (void)ERR_set_mark();
    if (der.size <= PUBLIC_KEY_PEM_SIZE_MAX)
        pkey = d2i_PUBKEY(NULL, &at, (long)der.size);
    (void)ERR_pop_to_mark();
    return wrap(scheme_of(pkey), pkey, out, why);
}

void public_key_der(const struct public_key *key, struct buf *out)
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key->pkey, &der);

    CHECK(size > 0);
    buf_put(out, der, (size_t)size);
    OPENSSL_free(der);
}

void public_key_pem(const struct public_key *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long size;

    CHECK(bio && PEM_write_bio_PUBKEY(bio, key->pkey) == 1);
    size = BIO_get_mem_data(bio, &text);
    CHECK(size > 0);
    buf_put(out, text, (size_t)size);
    BIO_free(bio);
}

void public_key_close(struct public_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

bool public_key_same(const struct public_key *a, const struct public_key *b)
{
    bool same;

    (void)ERR_set_mark();
    same = EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    (void)ERR_pop_to_mark();
    return same;
}

static bool set_padding(EVP_PKEY_CTX *context, int padding)
{
    return padding == 0 || (EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1 &&
                            (padding != RSA_PKCS1_PSS_PADDING ||
                             EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_AUTO) == 1));
}

bool public_key_verify(const struct public_key *key, struct span message, struct span signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options; /* belongs to `context` */
    bool good;

    CHECK(context);
    (void)ERR_set_mark();
    good = EVP_DigestVerifyInit_ex(context, &options, schemes[key->scheme].digest, NULL, NULL,
                                   key->pkey, NULL) == 1 &&
           set_padding(options, schemes[key->scheme].padding) &&
           EVP_DigestVerify(context, signature.at, signature.size, message.at, message.size) == 1;
    (void)ERR_pop_to_mark();
    EVP_MD_CTX_free(context);
    return good;
}
