#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>
#include <unistd.h>

#include "crypto/public_key.h"

#define MESSAGE SPAN_LITERAL("what was signed")

static const struct {
    enum public_key_scheme scheme;
    const char *type, *group;
    size_t bits;
    const char *digest;
    int padding;
} cases[] = {
    {PUBLIC_KEY_ED25519, "ED25519", NULL, 0, NULL, 0},
    {PUBLIC_KEY_ECDSA_P256_SHA256, "EC", "P-256", 0, "SHA256", 0},
    {PUBLIC_KEY_ECDSA_P384_SHA384, "EC", "P-384", 0, "SHA384", 0},
    {PUBLIC_KEY_ECDSA_P521_SHA512, "EC", "P-521", 0, "SHA512", 0},
    {PUBLIC_KEY_RSA_PSS_SHA256, "RSA", NULL, 2048, "SHA256", RSA_PKCS1_PSS_PADDING},
    {PUBLIC_KEY_RSA_PSS_SHA384, "RSA", NULL, 2048, "SHA384", RSA_PKCS1_PSS_PADDING},
    {PUBLIC_KEY_RSA_PSS_SHA512, "RSA", NULL, 3072, "SHA512", RSA_PKCS1_PSS_PADDING},
    {PUBLIC_KEY_RSA_PKCS1_SHA256, "RSA", NULL, 2048, "SHA256", RSA_PKCS1_PADDING},
    {PUBLIC_KEY_RSA_PKCS1_SHA384, "RSA", NULL, 2048, "SHA384", RSA_PKCS1_PADDING},
    {PUBLIC_KEY_RSA_PKCS1_SHA512, "RSA", NULL, 2048, "SHA512", RSA_PKCS1_PADDING},
};

static EVP_PKEY *generate(const char *type, const char *group, size_t bits)
{
    EVP_PKEY *pkey = group  ? EVP_PKEY_Q_keygen(NULL, NULL, type, group)
                     : bits ? EVP_PKEY_Q_keygen(NULL, NULL, type, bits)
                            : EVP_PKEY_Q_keygen(NULL, NULL, type);

    assert_non_null(pkey);
    return pkey;
}

static struct span pem_of(EVP_PKEY *pkey, uint8_t *room, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int got;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    got = BIO_read(bio, room, (int)size);
    assert_true(got > 0);
    BIO_free(bio);
    return (struct span){room, (size_t)got};
}

static struct span raw_of(EVP_PKEY *pkey, uint8_t *room, size_t size)
{
    if (EVP_PKEY_get_id(pkey) == EVP_PKEY_ED25519)
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, room, &size), 1);
    else
        assert_int_equal(
            EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, room, size, &size), 1);
    return (struct span){room, size};
}

static enum err read_key(enum public_key_scheme scheme, EVP_PKEY *pkey, struct public_key **out)
{
    uint8_t room[2048];

    if (scheme == PUBLIC_KEY_ED25519)
        return public_key_from_raw(scheme, raw_of(pkey, room, sizeof room), out, NULL);
    return public_key_from_pem(scheme, pem_of(pkey, room, sizeof room), out, NULL);
}

static struct span sign(EVP_PKEY *pkey, const char *digest, int padding, int salt, uint8_t *room,
                        size_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;

    assert_int_equal(EVP_DigestSignInit_ex(context, &options, digest, NULL, NULL, pkey, NULL), 1);
    if (padding)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(options, padding), 1);
    if (padding == RSA_PKCS1_PSS_PADDING)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt), 1);
    assert_int_equal(EVP_DigestSign(context, room, &size, MESSAGE.at, MESSAGE.size), 1);
    EVP_MD_CTX_free(context);
    return (struct span){room, size};
}

static void check_signature(const struct public_key *key, struct span signature, uint8_t *bytes)
{
    assert_true(public_key_verify(key, MESSAGE, signature));
    assert_false(public_key_verify(key, SPAN_LITERAL("what was not"), signature));
    assert_false(public_key_verify(key, MESSAGE, (struct span){bytes, signature.size - 1}));
    assert_false(public_key_verify(key, MESSAGE, (struct span){bytes, signature.size + 1}));
    assert_false(public_key_verify(key, MESSAGE, (struct span){bytes, 0}));
    bytes[signature.size / 2] ^= 1;
    assert_false(public_key_verify(key, MESSAGE, signature));
}

static void test_every_scheme(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        EVP_PKEY *pkey = generate(cases[i].type, cases[i].group, cases[i].bits);
        uint8_t bytes[PUBLIC_KEY_SIGNATURE_SIZE_MAX] = {0};
        struct public_key *key = NULL;

        assert_int_equal(read_key(cases[i].scheme, pkey, &key), ERR_OK);
        check_signature(key,
                        sign(pkey, cases[i].digest, cases[i].padding, RSA_PSS_SALTLEN_DIGEST, bytes,
                             sizeof bytes),
                        bytes);
        public_key_close(key);
        EVP_PKEY_free(pkey);
    }
    public_key_close(NULL);
}

/* A signature counts under its own scheme only. */
static void test_schemes_are_kept_apart(void **state)
{
    EVP_PKEY *pkey = generate("RSA", NULL, 2048);

    (void)state;
    for (size_t i = 4; i < COUNT_OF(cases); i++) {
        uint8_t bytes[PUBLIC_KEY_SIGNATURE_SIZE_MAX] = {0};
        struct span signature = sign(pkey, cases[i].digest, cases[i].padding,
                                     RSA_PSS_SALTLEN_DIGEST, bytes, sizeof bytes);

        for (size_t j = 4; j < COUNT_OF(cases); j++) {
            struct public_key *key = NULL;

            assert_int_equal(read_key(cases[j].scheme, pkey, &key), ERR_OK);
            assert_int_equal(public_key_verify(key, MESSAGE, signature), i == j);
            public_key_close(key);
        }
    }
    EVP_PKEY_free(pkey);
}

static void test_any_salt(void **state)
{
    static const int salts[] = {0, 1, 20, 32, 64, RSA_PSS_SALTLEN_MAX_SIGN};
    EVP_PKEY *pkey = generate("RSA", NULL, 2048);
    struct public_key *key = NULL;

    (void)state;
    assert_int_equal(read_key(PUBLIC_KEY_RSA_PSS_SHA256, pkey, &key), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(salts); i++) {
        uint8_t bytes[PUBLIC_KEY_SIGNATURE_SIZE_MAX];

        assert_true(public_key_verify(
            key, MESSAGE,
            sign(pkey, "SHA256", RSA_PKCS1_PSS_PADDING, salts[i], bytes, sizeof bytes)));
    }
    public_key_close(key);
    EVP_PKEY_free(pkey);
}

static void test_keys_of_another_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        EVP_PKEY *pkey = generate(cases[i].type, cases[i].group, cases[i].bits);

        for (size_t j = 0; j < 5; j++) {
            struct public_key *key = NULL;
            uint8_t room[2048];

            if (i == j || i == 0)
                continue;
            assert_int_equal(
                public_key_from_pem(cases[j].scheme, pem_of(pkey, room, sizeof room), &key, NULL),
                ERR_CORRUPT);
            assert_null(key);
        }
        EVP_PKEY_free(pkey);
    }
}

static void test_bad_keys(void **state)
{
    EVP_PKEY *small = generate("RSA", NULL, 1024);
    struct public_key *key = NULL;
    struct why why = {0};
    uint8_t room[2048] = {4};

    (void)state;
    assert_int_equal(read_key(PUBLIC_KEY_RSA_PSS_SHA256, small, &key), ERR_CORRUPT);
    EVP_PKEY_free(small);
    assert_int_equal(
        public_key_from_pem(PUBLIC_KEY_ECDSA_P256_SHA256, SPAN_LITERAL("-----"), &key, &why),
        ERR_CORRUPT);
    assert_string_equal(why.text, "is no public key of its scheme");
    assert_int_equal(
        public_key_from_pem(PUBLIC_KEY_RSA_PSS_SHA256, (struct span){room, 0}, &key, NULL),
        ERR_CORRUPT);
    memset(room + 1, 0, 64); /* a point that is not on the curve */
    assert_int_equal(
        public_key_from_raw(PUBLIC_KEY_ECDSA_P256_SHA256, (struct span){room, 65}, &key, NULL),
        ERR_CORRUPT);
    room[0] = 0; /* the point at infinity */
    assert_int_equal(
        public_key_from_raw(PUBLIC_KEY_ECDSA_P256_SHA256, (struct span){room, 1}, &key, NULL),
        ERR_CORRUPT);
    assert_int_equal(public_key_from_raw(PUBLIC_KEY_ED25519, (struct span){room, 31}, &key, NULL),
                     ERR_CORRUPT);
    assert_int_equal(
        public_key_from_raw(PUBLIC_KEY_RSA_PSS_SHA256, (struct span){room, 32}, &key, NULL),
        ERR_CORRUPT);
    assert_null(key);
}

/* As repositories wrote ECDSA keys before TUF 1.0. */
static void test_points(void **state)
{
    (void)state;
    for (size_t i = 1; i < 4; i++) {
        EVP_PKEY *pkey = generate(cases[i].type, cases[i].group, 0);
        struct public_key *by_point = NULL, *by_pem = NULL;
        uint8_t room[PUBLIC_KEY_RAW_SIZE_MAX];

        assert_int_equal(
            public_key_from_raw(cases[i].scheme, raw_of(pkey, room, sizeof room), &by_point, NULL),
            ERR_OK);
        assert_int_equal(read_key(cases[i].scheme, pkey, &by_pem), ERR_OK);
        assert_true(public_key_same(by_point, by_pem));
        public_key_close(by_point);
        public_key_close(by_pem);
        EVP_PKEY_free(pkey);
    }
}

/* OpenSSL would ask for it and wait for ever, whoever the key came from. */
static void test_a_key_that_wants_a_passphrase(void **state)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\n"
                              "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfX0KqzbnZ3CkCqsd4oXwQ4XfE5cW\n"
                              "-----END PUBLIC KEY-----\n";
    int ends[2], input = dup(STDIN_FILENO);
    struct public_key *key = NULL;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(
        public_key_from_pem(PUBLIC_KEY_ECDSA_P256_SHA256, SPAN_LITERAL(pem), &key, NULL),
        ERR_CORRUPT);
    if (input >= 0)
        (void)dup2(input, STDIN_FILENO);
    (void)close(input);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_same(void **state)
{
    EVP_PKEY *one = generate("RSA", NULL, 2048), *other = generate("RSA", NULL, 2048);
    struct public_key *a = NULL, *b = NULL, *c = NULL;

    (void)state;
    assert_int_equal(read_key(PUBLIC_KEY_RSA_PSS_SHA256, one, &a), ERR_OK);
    assert_int_equal(read_key(PUBLIC_KEY_RSA_PKCS1_SHA512, one, &b), ERR_OK);
    assert_int_equal(read_key(PUBLIC_KEY_RSA_PSS_SHA256, other, &c), ERR_OK);
    assert_true(public_key_same(a, b));
    assert_false(public_key_same(a, c));
    public_key_close(a);
    public_key_close(b);
    public_key_close(c);
    EVP_PKEY_free(one);
    EVP_PKEY_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_scheme), cmocka_unit_test(test_schemes_are_kept_apart),
        cmocka_unit_test(test_any_salt),     cmocka_unit_test(test_keys_of_another_kind),
        cmocka_unit_test(test_bad_keys),     cmocka_unit_test(test_points),
        cmocka_unit_test(test_same),         cmocka_unit_test(test_a_key_that_wants_a_passphrase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
