/* The example of docs/spec/sealed.md, byte for byte. tests/format/sealed_oracle.py says what the
 * bytes should be and shares no code with us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/sealing.h"
#include "crypto/sha256.h"
#include "crypto/wrap.h"
#include "format/golden_host.h"

#define IMAGE      "firmware of pump-17, release 2.1.0\n"
#define CHUNK_SIZE 16u

static const char *dir;

static uint8_t content_key[CONTENT_KEY_SIZE], digest[DIGEST_SIZE];

static int make_example(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof content_key; i++)
        content_key[i] = (uint8_t)i;
    sha256_of(SPAN_LITERAL(IMAGE), digest);
    return 0;
}

static struct sealing_image example(enum aead_kind alg)
{
    struct sealing_image image = {.alg = alg, .chunk_size = CHUNK_SIZE};

    memcpy(image.sha256, digest, sizeof image.sha256);
    return image;
}

static size_t seal_example(enum aead_kind alg, uint8_t *out)
{
    const struct span plain = SPAN_LITERAL(IMAGE);
    struct sealing_image image = example(alg);
    struct sealing *sealing = sealing_open(&image, content_key);
    size_t size = 0;

    for (uint32_t i = 0; i * CHUNK_SIZE < plain.size; i++) {
        size_t rest = plain.size - i * CHUNK_SIZE;
        struct span chunk = {plain.at + i * CHUNK_SIZE, rest < CHUNK_SIZE ? rest : CHUNK_SIZE};

        sealing_seal(sealing, i, rest <= CHUNK_SIZE, chunk, out + size);
        size += chunk.size + AEAD_TAG_SIZE;
    }
    sealing_close(sealing);
    return size;
}

static void test_image(void **state)
{
    static const char *const names[] = {"sealed-image", "sealed-image-gcm"};
    uint8_t golden[256], sealed[256];

    (void)state;
    for (size_t i = 0; i < AEAD_COUNT; i++) {
        size_t size = golden_load(dir, names[i], golden, sizeof golden);

        assert_int_equal(size, sizeof IMAGE - 1 + 3 * AEAD_TAG_SIZE);
        assert_int_equal(seal_example((enum aead_kind)i, sealed), size);
        assert_memory_equal(sealed, golden, size);
    }
}

/* Digest, content key, then payload key and key check of both algorithms. */
static void test_keys(void **state)
{
    uint8_t golden[6 * DIGEST_SIZE], check[DIGEST_SIZE];

    (void)state;
    assert_int_equal(golden_load(dir, "sealed-keys", golden, sizeof golden), sizeof golden);
    assert_memory_equal(golden, digest, sizeof digest);
    assert_memory_equal(golden + DIGEST_SIZE, content_key, sizeof content_key);
    for (size_t i = 0; i < AEAD_COUNT; i++) {
        struct sealing_image image = example((enum aead_kind)i);

        sealing_check(&image, content_key, check);
        assert_memory_equal(check, golden + (3 + 2 * i) * DIGEST_SIZE, sizeof check);
    }
}

/* The recipients' keys are those of RFC 9180, A.2.1 and A.5.1. */
static void test_wraps(void **state)
{
    static const struct {
        const char *name, *pem;
        size_t size;
    } cases[] = {
        {"sealed-wrap-x25519",
         "-----BEGIN PRIVATE KEY-----\n"
         "MC4CAQAwBQYDK2VuBCIEIIBXmR7vjx8a8Y9KlJHRahzjM/aV1NuOONp1l1xEeOD7\n"
         "-----END PRIVATE KEY-----\n",
         81},
        {"sealed-wrap-p256",
         "-----BEGIN PRIVATE KEY-----\n"
         "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpNHFWDaqMPmz+7as\n"
         "mNM4yHfChn3Tp3OW0T9o06sVDTuhRANCAASml7/96UBcmSiDxcQ51sw1gXC1Gvco\n"
         "EjM7AVYh3A9Autm7cm9opcATgGp5DscWq4Zp+E9raUWWwph881uroqAG\n"
         "-----END PRIVATE KEY-----\n",
         114},
    };
    const struct wrap_for to = {"pump-17", digest};
    uint8_t wrap[WRAP_SIZE_MAX], out[AEAD_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct wrap_key *key;

        assert_int_equal(golden_load(dir, cases[i].name, wrap, sizeof wrap), cases[i].size);
        assert_int_equal(wrap_key_from_pem(span_of(cases[i].pem), &key, NULL), ERR_OK);
        assert_int_equal(wrap_unseal(key, &to, (struct span){wrap, cases[i].size}, out, NULL),
                         ERR_OK);
        assert_memory_equal(out, content_key, sizeof out);
        wrap_key_close(key);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_wraps),
    };

    dir = argc > 1 ? argv[1] : "tests/format";
    return cmocka_run_group_tests(tests, make_example, NULL);
}
