#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "codec/hex.h"
#include "crypto/cose_key.h"
#include "crypto/digest.h"
#include "crypto/sha512.h"
#include "crypto/verify_openssl.h"
#include "crypto/verify_portable.h"

#define ROUNDS 500 /* random keys of each kind */

/* One signature that is good, to be spoilt. */
struct signed_message {
    struct verify_key key;
    uint8_t message[64];
    size_t size;
    uint8_t signature[VERIFY_SIGNATURE_SIZE];
};

static bool agreed(const struct verify_key *key, struct span message, struct span signature)
{
    struct verify library = verify_openssl(), portable = verify_portable();
    bool good = verify_good(&library, key, message, signature);

    assert_int_equal(verify_good(&portable, key, message, signature), good);
    return good;
}

static bool is_good(const struct signed_message *it)
{
    return agreed(&it->key, (struct span){it->message, it->size},
                  (struct span){it->signature, sizeof it->signature});
}

static void sign(struct signed_message *out, enum key_kind kind, struct prng *prng)
{
    struct key *key = NULL;
    struct why why = {0};

    assert_int_equal(key_generate(kind, &key, &why), ERR_OK);
    out->size = prng_below(prng, sizeof out->message + 1);
    for (size_t i = 0; i < out->size; i++)
        out->message[i] = (uint8_t)prng_next(prng);
    assert_int_equal(key_to_verify(key, &out->key, &why), ERR_OK);
    assert_int_equal(
        key_sign_raw(key, (struct span){out->message, out->size}, out->signature, &why), ERR_OK);
    key_close(key);
}

static void from_hex(const char *text, uint8_t *out, size_t size)
{
    assert_int_equal(strlen(text), 2 * size);
    assert_true(hex_parse(span_of(text), out, size));
}

/* RFC 8032 7.1: tests 1, 2, 3 and SHA(abc). */
static void test_vectors_of_the_standard(void **state)
{
    static const struct {
        const char *key, *message, *signature;
    } vectors[] = {
        {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "cf9b"
         "46bd25bf5f0595bbe24655141438e7a100b"},
        {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
         "0f11"
         "d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
         "84dc"
         "6594a7c15e9716ed28dc027beceea1ec40a"},
        {"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a"
         "3fee"
         "bbd454d4423643ce80e2a9ac94fa54ca49f",
         "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66"
         "431e"
         "0303dca179c138ac17ad9bef1177331a704"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct signed_message it = {.size = strlen(vectors[i].message) / 2};
        uint8_t public[VERIFY_ED25519_SIZE];

        from_hex(vectors[i].key, public, sizeof public);
        assert_true(verify_key_init(&it.key, VERIFY_ED25519, (struct span){public, sizeof public}));
        from_hex(vectors[i].message, it.message, it.size);
        from_hex(vectors[i].signature, it.signature, sizeof it.signature);
        assert_true(is_good(&it));
        it.signature[i] ^= 1;
        assert_false(is_good(&it));
    }
}

/* Good ones are good; with one bit of message, signature or key flipped they are not. */
static void test_random_signatures(void **state)
{
    struct prng prng = prng_seeded(8032);

    (void)state;
    for (uint32_t round = 0; round < 2 * ROUNDS; round++) {
        struct signed_message it = {0}, spoilt;
        uint32_t bit;

        sign(&it, round % 2 ? KEY_ED25519 : KEY_ECDSA_P256, &prng);
        assert_true(is_good(&it));
        spoilt = it;
        bit = (uint32_t)prng_below(&prng, 8 * sizeof it.signature);
        spoilt.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(is_good(&spoilt));
        spoilt = it;
        bit = (uint32_t)prng_below(&prng, 8u * it.key.size);
        spoilt.key.public[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(is_good(&spoilt));
        if (it.size > 0) {
            spoilt = it;
            spoilt.message[prng_below(&prng, it.size)] ^= 0x10;
            assert_false(is_good(&spoilt));
            spoilt = it;
            spoilt.size--;
            assert_false(is_good(&spoilt));
        }
    }
}

#define L_HEX       "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
#define N_HEX       "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define N_MINUS_HEX "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"
#define ZERO_HEX    "0000000000000000000000000000000000000000000000000000000000000000"
#define ONE_HEX     "0100000000000000000000000000000000000000000000000000000000000000"
#define FULL_HEX    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* Halves of signatures in place of the good ones; NULL keeps the good one. */
static void test_bad_halves(void **state)
{
    static const struct {
        enum key_kind kind;
        const char *first, *second, *what;
    } bad[] = {
        {KEY_ED25519, NULL, L_HEX, "S is the group order"},
        {KEY_ED25519, NULL, ZERO_HEX, "S is zero"},
        {KEY_ED25519, NULL, FULL_HEX, "S is as large as can be"},
        {KEY_ED25519, ONE_HEX, ZERO_HEX, "R is the neutral point, S is zero"},
        {KEY_ED25519, ONE_HEX, NULL, "R is the neutral point"},
        {KEY_ED25519, ZERO_HEX, NULL, "R has order 4"},
        {KEY_ED25519, FULL_HEX, NULL, "R is no field element"},
        {KEY_ED25519, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", ZERO_HEX,
         "R is p + 1, the neutral point in another way"},
        {KEY_ECDSA_P256, ZERO_HEX, NULL, "r is zero"},
        {KEY_ECDSA_P256, NULL, ZERO_HEX, "s is zero"},
        {KEY_ECDSA_P256, ZERO_HEX, ZERO_HEX, "both are zero"},
        {KEY_ECDSA_P256, N_HEX, NULL, "r is the order"},
        {KEY_ECDSA_P256, NULL, N_HEX, "s is the order"},
        {KEY_ECDSA_P256, N_MINUS_HEX, NULL, "r is the largest there is"},
        {KEY_ECDSA_P256, NULL, N_MINUS_HEX, "s is the largest there is"},
        {KEY_ECDSA_P256, FULL_HEX, NULL, "r is past the order"},
        {KEY_ECDSA_P256, NULL, FULL_HEX, "s is past the order"},
        {KEY_ECDSA_P256, N_HEX, ZERO_HEX, "order and zero"},
    };
    struct prng prng = prng_seeded(1);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct signed_message it = {0};

        sign(&it, bad[i].kind, &prng);
        if (bad[i].first)
            from_hex(bad[i].first, it.signature, 32);
        if (bad[i].second)
            from_hex(bad[i].second, it.signature + 32, 32);
        if (is_good(&it))
            fail_msg("accepted though %s", bad[i].what);
    }
}

/* The same signature in another way: S + L is the same scalar and must still be refused. */
static void test_s_plus_order(void **state)
{
    struct prng prng = prng_seeded(2);
    struct signed_message it = {0};
    uint8_t order[32];
    uint32_t carry = 0;

    (void)state;
    sign(&it, KEY_ED25519, &prng);
    from_hex(L_HEX, order, sizeof order);
    for (size_t i = 0; i < sizeof order; i++) {
        carry += (uint32_t)it.signature[32 + i] + order[i];
        it.signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(is_good(&it));
}

static void test_wrong_sizes(void **state)
{
    enum key_kind kinds[] = {KEY_ED25519, KEY_ECDSA_P256};
    struct prng prng = prng_seeded(3);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        uint8_t longer[VERIFY_SIGNATURE_SIZE + 8] = {0};
        struct signed_message it = {0};

        sign(&it, kinds[i], &prng);
        memcpy(longer, it.signature, sizeof it.signature);
        for (size_t size = 0; size <= sizeof longer; size++)
            assert_int_equal(
                agreed(&it.key, (struct span){it.message, it.size}, (struct span){longer, size}),
                size == VERIFY_SIGNATURE_SIZE);
    }
}

/* ECDSA in DER, as TLS and TUF write it, is not what this interface takes. */
static void test_der_is_refused(void **state)
{
    struct key *key = NULL;
    struct verify_key public;
    struct why why = {0};
    uint8_t room[KEY_SIGNATURE_SIZE_MAX];
    struct buf der = buf_over(room, sizeof room);

    (void)state;
    assert_int_equal(key_generate(KEY_ECDSA_P256, &key, &why), ERR_OK);
    assert_int_equal(key_to_verify(key, &public, &why), ERR_OK);
    assert_int_equal(key_sign(key, SPAN_LITERAL("m"), &der, &why), ERR_OK);
    assert_false(agreed(&public, SPAN_LITERAL("m"), buf_written(&der)));
    key_close(key);
}

static void test_a_key_of_the_other_kind(void **state)
{
    struct prng prng = prng_seeded(4);
    struct signed_message it = {0}, other = {0};

    (void)state;
    sign(&it, KEY_ED25519, &prng);
    sign(&other, KEY_ECDSA_P256, &prng);
    it.key.alg = VERIFY_ES256;
    assert_false(is_good(&it));
    other.key.alg = VERIFY_ED25519;
    assert_false(is_good(&other));
    it.key.alg = VERIFY_ALG_COUNT;
    assert_false(is_good(&it));
}

/* All encodings of the eight points whose order divides 8, and numbers that are no coordinate. */
static void test_bad_ed25519_keys(void **state)
{
    static const char *const bad[] = {
        ZERO_HEX,
        ONE_HEX,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p - 1 */
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p */
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 1 */
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 3 */
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct verify_key key = {.size = 77};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint8_t public[VERIFY_ED25519_SIZE];

        for (int sign_bit = 0; sign_bit < 2; sign_bit++) {
            from_hex(bad[i], public, sizeof public);
            public[31] |= (uint8_t)(sign_bit << 7);
            assert_false(
                verify_key_init(&key, VERIFY_ED25519, (struct span){public, sizeof public}));
        }
        assert_int_equal(key.size, 77);
    }
}

/* A key of small order would make this signature good for any message. */
static void test_a_small_key_signs_nothing(void **state)
{
    struct signed_message it = {.key = {.alg = VERIFY_ED25519, .size = VERIFY_ED25519_SIZE}};

    (void)state;
    from_hex(ONE_HEX, it.key.public, 32);
    from_hex(ONE_HEX, it.signature, 32);
    assert_false(is_good(&it));
}

static void test_a_key_off_the_curve(void **state)
{
    struct prng prng = prng_seeded(5);
    struct signed_message it = {0};
    uint32_t refused = 0;

    (void)state;
    /* About half of all numbers are the y of no point. */
    sign(&it, KEY_ED25519, &prng);
    for (uint8_t y = 2; y < 34; y++) {
        memset(it.key.public, 0, sizeof it.key.public);
        it.key.public[0] = y;
        refused += !is_good(&it);
    }
    assert_int_equal(refused, 32);

    sign(&it, KEY_ECDSA_P256, &prng);
    it.key.public[64] ^= 1;
    assert_false(is_good(&it));
    memset(it.key.public + 1, 0, 64);
    assert_false(is_good(&it));
    memset(it.key.public + 1, 0xFF, 64);
    assert_false(is_good(&it));
}

static void test_p256_key_forms(void **state)
{
    struct prng prng = prng_seeded(6);
    struct signed_message it = {0};
    struct verify_key key;
    struct span public = {it.key.public, VERIFY_ES256_SIZE};

    (void)state;
    sign(&it, KEY_ECDSA_P256, &prng);
    assert_true(verify_key_init(&key, VERIFY_ES256, public));
    assert_true(verify_key_same(&key, &it.key));
    it.key.public[0] = 2;
    assert_false(verify_key_init(&key, VERIFY_ES256, public));
    assert_false(verify_key_init(&key, VERIFY_ES256, (struct span){public.at, 33}));
    it.key.public[0] = 0;
    assert_false(verify_key_init(&key, VERIFY_ES256, (struct span){public.at, 1}));
    assert_false(verify_key_init(&key, VERIFY_ES256, (struct span){public.at, 0}));
    it.key.public[0] = 6; /* hybrid form */
    assert_false(verify_key_init(&key, VERIFY_ES256, public));
    it.key.public[0] = 4;
    assert_false(verify_key_init(&key, VERIFY_ED25519, public));
}

static void test_key_ids(void **state)
{
    struct prng prng = prng_seeded(7);
    struct signed_message it = {0};
    uint8_t digest[DIGEST_SIZE];

    (void)state;
    sign(&it, KEY_ED25519, &prng);
    digest_of(DIGEST_SHA256, (struct span){it.key.public, it.key.size}, digest);
    assert_memory_equal(digest, it.key.kid, VERIFY_KID_SIZE);
}

/* A signature that is good for a message and key made up around it: u1 * G + u2 * Q is reached by
 * way of a doubling when Q is G, and by a sum that is infinite when Q is -G. */
static void test_the_generator_as_a_key(void **state)
{
    struct verify_key key;
    uint8_t public[VERIFY_ES256_SIZE], signature[VERIFY_SIGNATURE_SIZE] = {[31] = 1, [63] = 1};

    (void)state;
    from_hex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
             "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
             public, sizeof public);
    assert_true(verify_key_init(&key, VERIFY_ES256, (struct span){public, sizeof public}));
    for (uint8_t i = 0; i < 64; i++) {
        signature[31] = i;
        signature[63] = (uint8_t)(i + 1);
        assert_false(
            agreed(&key, (struct span){&i, 1}, (struct span){signature, sizeof signature}));
    }
    from_hex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
             "b01cbd1c01e58065711814b583f061e9d431cca994cea1313449bf97c840ae0a",
             public, sizeof public);
    assert_true(verify_key_init(&key, VERIFY_ES256, (struct span){public, sizeof public}));
    digest_of(DIGEST_SHA256, SPAN_LITERAL("m"), signature);
    signature[63] = 1; /* s = 1 and r = e: e * G + e * -G */
    assert_false(agreed(&key, SPAN_LITERAL("m"), (struct span){signature, sizeof signature}));
}

/* The point's x lies between the order and p, so r is less than it: one in 2^128 by chance. The key
 * was computed from the signature. */
static void test_an_x_past_the_order(void **state)
{
    struct verify_key key;
    uint8_t public[VERIFY_ES256_SIZE], signature[VERIFY_SIGNATURE_SIZE];

    (void)state;
    from_hex("04cb02ca39366b084959e4478b1424a4ace29c7e2eca4dd30e7402a1aa66942ff1"
             "ec6c85837a0786d4289d6dc47f1d156c8ba961f9721925b7e37cb6720f91ddb0",
             public, sizeof public);
    from_hex("0000000000000000000000000000000000000000000000000000000000000003"
             "0000000000000000000000000000000000000000000000000000000000000005",
             signature, sizeof signature);
    assert_true(verify_key_init(&key, VERIFY_ES256, (struct span){public, sizeof public}));
    assert_true(agreed(&key, SPAN_LITERAL("m"), (struct span){signature, sizeof signature}));
    assert_false(agreed(&key, SPAN_LITERAL("n"), (struct span){signature, sizeof signature}));
}

static void test_public_keys_do_not_sign(void **state)
{
    struct key *key = NULL, *public = NULL;
    uint8_t signature[VERIFY_SIGNATURE_SIZE], pem[KEY_PEM_SIZE_MAX];
    struct buf text = buf_over(pem, sizeof pem);
    struct why why = {0};

    (void)state;
    assert_int_equal(key_generate(KEY_ED25519, &key, &why), ERR_OK);
    key_public_pem(key, &text);
    assert_int_equal(key_from_pem(buf_written(&text), &public, &why), ERR_OK);
    assert_int_equal(key_sign_raw(public, SPAN_LITERAL("m"), signature, &why), ERR_INVALID);
    key_close(public);
    key_close(key);
}

static void test_sha512_as_the_library_has_it(void **state)
{
    struct prng prng = prng_seeded(10);
    uint8_t bytes[600], portable[SHA512_OUT_SIZE], library[SHA512_OUT_SIZE];

    (void)state;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct sha512 sha;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)prng_next(&prng);
        sha512_init(&sha);
        for (size_t at = 0, piece; at < size; at += piece) {
            piece = 1 + (size_t)prng_below(&prng, size - at);
            sha512_update(&sha, (struct span){bytes + at, piece});
        }
        sha512_done(&sha, portable);
        digest_of(DIGEST_SHA512, (struct span){bytes, size}, library);
        assert_memory_equal(portable, library, sizeof library);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_the_standard),
        cmocka_unit_test(test_random_signatures),
        cmocka_unit_test(test_bad_halves),
        cmocka_unit_test(test_s_plus_order),
        cmocka_unit_test(test_wrong_sizes),
        cmocka_unit_test(test_der_is_refused),
        cmocka_unit_test(test_a_key_of_the_other_kind),
        cmocka_unit_test(test_bad_ed25519_keys),
        cmocka_unit_test(test_a_small_key_signs_nothing),
        cmocka_unit_test(test_a_key_off_the_curve),
        cmocka_unit_test(test_p256_key_forms),
        cmocka_unit_test(test_key_ids),
        cmocka_unit_test(test_the_generator_as_a_key),
        cmocka_unit_test(test_an_x_past_the_order),
        cmocka_unit_test(test_public_keys_do_not_sign),
        cmocka_unit_test(test_sha512_as_the_library_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
