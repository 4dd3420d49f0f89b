#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "crypto/equal.h"
#include "crypto/sha256.h"

static void assert_digest(const uint8_t *digest, size_t size, const char *expected)
{
    char text[2 * DIGEST_SIZE_MAX + 1];

    hex_print((struct span){digest, size}, text);
    assert_string_equal(text, expected);
}

/* NIST CAVP, SHA256ShortMsg.rsp and FIPS 180-4 examples. */
static void test_known_answers(void **state)
{
    static const struct {
        const char *message, *digest;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t digest[DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        sha256_of(span_of(known[i].message), digest);
        assert_digest(digest, sizeof digest, known[i].digest);
        digest_of(DIGEST_SHA256, span_of(known[i].message), digest);
        assert_digest(digest, sizeof digest, known[i].digest);
    }
}

static void test_a_million_letters(void **state)
{
    uint8_t letters[1000], digest[DIGEST_SIZE];
    struct sha256 sha;

    (void)state;
    memset(letters, 'a', sizeof letters);
    sha256_init(&sha);
    for (int i = 0; i < 1000; i++)
        sha256_update(&sha, (struct span){letters, sizeof letters});
    sha256_done(&sha, digest);
    assert_digest(digest, sizeof digest,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around the block's edges, in pieces of every kind, as the library has it. */
static void test_portable_and_library_agree(void **state)
{
    struct prng prng = prng_seeded(1);
    uint8_t bytes[300], portable[DIGEST_SIZE], library[DIGEST_SIZE];
    struct digest *digest = digest_open(DIGEST_SHA256);

    (void)state;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct sha256 sha;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)prng_next(&prng);
        sha256_init(&sha);
        for (size_t at = 0, piece; at < size; at += piece) {
            piece = 1 + (size_t)prng_below(&prng, size - at);
            sha256_update(&sha, (struct span){bytes + at, piece});
            digest_update(digest, (struct span){bytes + at, piece});
        }
        sha256_done(&sha, portable);
        digest_done(digest, library);
        assert_memory_equal(portable, library, DIGEST_SIZE);
    }
    digest_close(digest);
}

static void test_sha512(void **state)
{
    uint8_t digest[SHA512_SIZE];

    (void)state;
    assert_int_equal(digest_size(DIGEST_SHA512), SHA512_SIZE);
    digest_of(DIGEST_SHA512, span_of("abc"), digest);
    assert_digest(digest, sizeof digest,
                  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void test_equal_secret(void **state)
{
    (void)state;
    assert_true(equal_secret("same", "same", 4));
    assert_true(equal_secret("", "", 0));
    assert_false(equal_secret("same", "samE", 4));
    assert_false(equal_secret("same", "Same", 4));
    assert_false(equal_secret("\x00\x80", "\x00\x00", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_a_million_letters),
        cmocka_unit_test(test_portable_and_library_agree),
        cmocka_unit_test(test_sha512),
        cmocka_unit_test(test_equal_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
