/* Sealed images that were changed in every way we can think of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "codec/hex.h"
#include "crypto/sealing.h"

enum {
    CHUNK = 64,
    COUNT = 4,
    LENGTH = 3 * CHUNK + 10,
    SEALED = CHUNK + 16
};

static const struct sealing_image image = {
    .alg = AEAD_CHACHA20_POLY1305, .sha256 = {1, 2, 3}, .chunk_size = CHUNK};
static const uint8_t key[CONTENT_KEY_SIZE] = {9, 8, 7};

static uint8_t plain[LENGTH], sealed[COUNT * SEALED];

static uint32_t plain_size(uint32_t index)
{
    return index == COUNT - 1 ? LENGTH - (COUNT - 1) * CHUNK : CHUNK;
}

static struct span sealed_chunk(uint32_t index)
{
    return (struct span){sealed + index * SEALED, plain_size(index) + AEAD_TAG_SIZE};
}

static int seal_image(void **state)
{
    struct sealing *sealing = sealing_open(&image, key);

    (void)state;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 5 + 1);
    for (uint32_t i = 0; i < COUNT; i++)
        sealing_seal(sealing, i, i == COUNT - 1, (struct span){plain + i * CHUNK, plain_size(i)},
                     sealed + i * SEALED);
    sealing_close(sealing);
    return 0;
}

/* RFC 8439, 2.8.2; and the AES-256 case 16 of the GCM specification. */
static void test_aead_vectors(void **state)
{
    static const struct {
        enum aead_kind kind;
        const char *key, *nonce, *bound, *plain, *tag;
    } cases[] = {
        {AEAD_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
         "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
         "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966"
         "204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f72207468652066757475"
         "72652c2073756e73637265656e20776f756c642062652069742e",
         "1ae10b594f09e26a7e902ecbd0600691"},
        {AEAD_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
         "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
         "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
         "49a6b525b16aedf5aa0de657ba637b39",
         "76fc6ece0f4e1768cddf8853bb2d551b"},
    };
    uint8_t secret[32], nonce[12], bound[32], text[128], out[160], tag[16];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t size = strlen(cases[i].plain) / 2, bound_size = strlen(cases[i].bound) / 2;
        struct aead *aead;

        assert_true(hex_parse(span_of(cases[i].key), secret, sizeof secret));
        assert_true(hex_parse(span_of(cases[i].nonce), nonce, sizeof nonce));
        assert_true(hex_parse(span_of(cases[i].bound), bound, bound_size));
        assert_true(hex_parse(span_of(cases[i].plain), text, size));
        assert_true(hex_parse(span_of(cases[i].tag), tag, sizeof tag));
        aead = aead_open(cases[i].kind, secret);
        aead_seal(aead, nonce, (struct span){bound, bound_size}, (struct span){text, size}, out);
        assert_memory_equal(out + size, tag, sizeof tag);
        assert_true(aead_unseal(aead, nonce, (struct span){bound, bound_size},
                                (struct span){out, size + sizeof tag}, out));
        assert_memory_equal(out, text, size);
        assert_false(aead_unseal(aead, nonce, (struct span){0}, (struct span){out, 15}, out));
        aead_close(aead);
    }
}

static void test_names(void **state)
{
    enum aead_kind kind;

    (void)state;
    for (size_t i = 0; i < AEAD_COUNT; i++) {
        assert_true(aead_kind_parse(span_of(aead_kind_name((enum aead_kind)i)), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(aead_kind_parse(span_of("aes-128-gcm"), &kind));
    assert_false(aead_kind_parse(span_of(""), &kind));
}

static void test_there_and_back(void **state)
{
    static const enum aead_kind kinds[] = {AEAD_CHACHA20_POLY1305, AEAD_AES_256_GCM};
    uint8_t room[SEALED];

    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct sealing_image of = image;
        struct sealing *sealing;

        of.alg = kinds[k];
        sealing = sealing_open(&of, key);
        for (uint32_t i = 0; i < COUNT; i++) { /* in place, as devices do */
            memcpy(room, plain + i * CHUNK, plain_size(i));
            sealing_seal(sealing, i, i == COUNT - 1, (struct span){room, plain_size(i)}, room);
            if (of.alg == image.alg) /* sealing again gives the same bytes */
                assert_memory_equal(room, sealed_chunk(i).at, sealed_chunk(i).size);
            assert_true(sealing_unseal(sealing, i, i == COUNT - 1,
                                       (struct span){room, plain_size(i) + 16}, room));
            assert_memory_equal(room, plain + i * CHUNK, plain_size(i));
        }
        sealing_close(sealing);
    }
}

static bool opens(struct sealing *sealing, uint32_t index, bool last, struct span bytes)
{
    static const uint8_t zeros[SEALED];
    uint8_t out[SEALED] = {0};
    bool good;

    CHECK(bytes.size <= sizeof out);
    good = sealing_unseal(sealing, index, last, bytes, out);
    if (!good) /* nothing of the plain text is left behind */
        assert_memory_equal(out, zeros, sizeof out);
    return good;
}

static void test_moved_chunks(void **state)
{
    struct sealing *sealing = sealing_open(&image, key);

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        for (uint32_t at = 0; at < COUNT + 2; at++) {
            assert_int_equal(opens(sealing, at, false, sealed_chunk(i)), at == i && i < COUNT - 1);
            assert_int_equal(opens(sealing, at, true, sealed_chunk(i)), at == i && i == COUNT - 1);
        }
    }
    assert_false(opens(sealing, 1u << 8, false, sealed_chunk(1)));
    assert_false(opens(sealing, 1u << 31, false, sealed_chunk(0)));
    sealing_close(sealing);
}

static void test_cut_chunks(void **state)
{
    struct sealing *sealing = sealing_open(&image, key);

    (void)state;
    for (size_t size = 0; size < SEALED; size++)
        assert_false(opens(sealing, 0, false, (struct span){sealed, size}));
    sealing_close(sealing);
}

static void test_every_bit(void **state)
{
    struct sealing *sealing = sealing_open(&image, key);

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct span chunk = sealed_chunk(i);
        uint8_t bytes[SEALED];

        memcpy(bytes, chunk.at, chunk.size);
        for (size_t bit = 0; bit < chunk.size * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(opens(sealing, i, i == COUNT - 1, (struct span){bytes, chunk.size}));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_true(opens(sealing, i, i == COUNT - 1, (struct span){bytes, chunk.size}));
    }
    sealing_close(sealing);
}

static void assert_other(const struct sealing_image *of, const uint8_t *with)
{
    struct sealing *sealing = sealing_open(of, with);
    uint8_t mine[DIGEST_SIZE], other[DIGEST_SIZE];

    assert_false(opens(sealing, 0, false, sealed_chunk(0)));
    sealing_close(sealing);
    sealing_check(&image, key, mine);
    sealing_check(of, with, other);
    assert_memory_not_equal(mine, other, sizeof mine);
}

static void test_bound_to_all_of_it(void **state)
{
    struct sealing_image other = image;
    uint8_t other_key[CONTENT_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < CONTENT_KEY_SIZE; i++) {
        memcpy(other_key, key, sizeof other_key);
        other_key[i] ^= 0x80;
        assert_other(&image, other_key);
    }
    other.sha256[31] ^= 1;
    assert_other(&other, key);
    other = image;
    other.alg = AEAD_AES_256_GCM;
    assert_other(&other, key);
    other = image;
    other.chunk_size = CHUNK * 2;
    assert_other(&other, key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aead_vectors),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_there_and_back),     cmocka_unit_test(test_moved_chunks),
        cmocka_unit_test(test_cut_chunks),         cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_bound_to_all_of_it),
    };

    return cmocka_run_group_tests(tests, seal_image, NULL);
}
