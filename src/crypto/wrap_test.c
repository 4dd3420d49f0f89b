/* Wraps of both kinds, and everything that must not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/hex.h"
#include "crypto/wrap.h"

static const enum wrap_kind kinds[] = {WRAP_X25519, WRAP_P256};
static const uint8_t content_key[AEAD_KEY_SIZE] = {1, 2, 3, 4};
static const uint8_t sha256[DIGEST_SIZE] = {5, 6, 7}, other_sha256[DIGEST_SIZE] = {5, 6, 8};
static const struct wrap_for to = {"pump-17", sha256};

struct party {
    struct wrap_key *key;
    uint8_t public_bytes[WRAP_PUBLIC_SIZE_MAX];
    struct span public_key;
};

static struct party party(enum wrap_kind kind)
{
    struct party party;
    struct buf out = buf_over(party.public_bytes, sizeof party.public_bytes);

    assert_int_equal(wrap_key_generate(kind, &party.key, NULL), ERR_OK);
    wrap_key_public(party.key, &out);
    party.public_key.size = buf_written(&out).size;
    return party;
}

static struct span public_of(const struct party *party)
{
    return (struct span){party->public_bytes, party->public_key.size};
}

static struct span wrap_to(const struct party *party, uint8_t bytes[WRAP_SIZE_MAX])
{
    struct buf out = buf_over(bytes, WRAP_SIZE_MAX);

    assert_int_equal(wrap_seal(public_of(party), &to, content_key, &out, NULL), ERR_OK);
    return buf_written(&out);
}

static void assert_closed(const struct wrap_key *key, const struct wrap_for *from, struct span wrap,
                          enum err err)
{
    uint8_t out[AEAD_KEY_SIZE], untouched[AEAD_KEY_SIZE];
    struct why why;

    memset(out, 0xEE, sizeof out);
    memset(untouched, 0xEE, sizeof untouched);
    why_clear(&why);
    assert_int_equal(wrap_unseal(key, from, wrap, out, &why), err);
    assert_memory_equal(out, untouched, sizeof out);
    assert_true(why.text[0] != '\0');
}

static void test_there_and_back(void **state)
{
    uint8_t bytes[WRAP_SIZE_MAX], again[WRAP_SIZE_MAX], out[AEAD_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct party device = party(kinds[i]);
        struct span wrap = wrap_to(&device, bytes);

        assert_true(wrap_public_ok(public_of(&device)));
        assert_int_equal(wrap.size, kinds[i] == WRAP_X25519 ? 81 : 114);
        assert_int_equal(wrap_unseal(device.key, &to, wrap, out, NULL), ERR_OK);
        assert_memory_equal(out, content_key, sizeof out);
        assert_int_equal(wrap_to(&device, again).size, wrap.size);
        assert_memory_not_equal(again, bytes, wrap.size); /* a fresh ephemeral key each time */
        wrap_key_close(device.key);
    }
}

static void test_pem(void **state)
{
    uint8_t pem[WRAP_PEM_SIZE_MAX], bytes[WRAP_SIZE_MAX], out[AEAD_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct party device = party(kinds[i]);
        struct buf text = buf_over(pem, sizeof pem);
        struct wrap_key *copy;

        wrap_key_pem(device.key, &text);
        assert_int_equal(wrap_key_from_pem(buf_written(&text), &copy, NULL), ERR_OK);
        assert_int_equal(wrap_unseal(copy, &to, wrap_to(&device, bytes), out, NULL), ERR_OK);
        wrap_key_close(copy);
        wrap_key_close(device.key);
    }
}

static void test_bad_pem(void **state)
{
    static const char ed25519[] =
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
        "-----END PRIVATE KEY-----\n";
    static uint8_t large[20000];
    const struct span cases[] = {
        {0}, SPAN_LITERAL("x"), SPAN_LITERAL(ed25519), {large, sizeof large}};
    struct wrap_key *key = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(wrap_key_from_pem(cases[i], &key, NULL), ERR_CORRUPT);
    assert_null(key);
}

static void test_for_somebody_else(void **state)
{
    uint8_t bytes[WRAP_SIZE_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct party device = party(kinds[i]), other = party(kinds[i]);
        struct span wrap = wrap_to(&device, bytes);

        assert_closed(other.key, &to, wrap, ERR_UNTRUSTED);
        assert_closed(device.key, &(struct wrap_for){"pump-18", sha256}, wrap, ERR_UNTRUSTED);
        assert_closed(device.key, &(struct wrap_for){"pump-1", sha256}, wrap, ERR_UNTRUSTED);
        assert_closed(device.key, &(struct wrap_for){"pump-17", other_sha256}, wrap, ERR_UNTRUSTED);
        wrap_key_close(device.key);
        wrap_key_close(other.key);
    }
}

static void test_other_kind(void **state)
{
    struct party x25519 = party(WRAP_X25519), p256 = party(WRAP_P256);
    uint8_t bytes[WRAP_SIZE_MAX];

    (void)state;
    assert_closed(x25519.key, &to, wrap_to(&p256, bytes), ERR_CORRUPT);
    assert_closed(p256.key, &to, wrap_to(&x25519, bytes), ERR_CORRUPT);
    wrap_key_close(x25519.key);
    wrap_key_close(p256.key);
}

static void test_every_size(void **state)
{
    uint8_t bytes[WRAP_SIZE_MAX + 1] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct party device = party(kinds[i]);
        struct span wrap = wrap_to(&device, bytes);

        for (size_t size = 0; size <= wrap.size + 1; size++) {
            if (size != wrap.size)
                assert_closed(device.key, &to, (struct span){wrap.at, size}, ERR_CORRUPT);
        }
        wrap_key_close(device.key);
    }
}

static void test_every_bit(void **state)
{
    uint8_t bytes[WRAP_SIZE_MAX], out[AEAD_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct party device = party(kinds[i]);
        struct span wrap = wrap_to(&device, bytes);

        for (size_t bit = 0; bit < wrap.size * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(wrap_unseal(device.key, &to, wrap, out, NULL), ERR_OK);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        wrap_key_close(device.key);
    }
}

/* RFC 7748, section 6.1: u coordinates of small order; the shared secret is zero with any key. */
static void test_small_order(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct party device = party(WRAP_X25519);
    uint8_t bytes[WRAP_SIZE_MAX], point[33] = {WRAP_X25519};
    struct span wrap = wrap_to(&device, bytes);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        uint8_t room[WRAP_SIZE_MAX];
        struct buf out = buf_over(room, sizeof room);

        assert_true(hex_parse(span_of(points[i]), point + 1, 32));
        assert_false(wrap_public_ok((struct span){point, sizeof point}));
        assert_int_equal(
            wrap_seal((struct span){point, sizeof point}, &to, content_key, &out, NULL),
            ERR_CORRUPT);
        assert_int_equal(out.size, 0);
        memcpy(bytes, point, sizeof point);
        assert_closed(device.key, &to, wrap, ERR_CORRUPT);
    }
    wrap_key_close(device.key);
}

static void test_no_points(void **state)
{
    struct party device = party(WRAP_P256);
    uint8_t bytes[WRAP_SIZE_MAX], good[WRAP_SIZE_MAX];
    struct span wrap = wrap_to(&device, bytes);
    static const uint8_t forms[] = {0x00, 0x02, 0x03, 0x05, 0x06, 0x07, 0x44};

    (void)state;
    memcpy(good, bytes, sizeof good);
    for (size_t i = 0; i < sizeof forms; i++) { /* compressed and hybrid forms, too */
        bytes[1] = forms[i];
        assert_closed(device.key, &to, wrap, ERR_CORRUPT);
        assert_false(wrap_public_ok((struct span){bytes, WRAP_PUBLIC_SIZE_MAX}));
    }
    memcpy(bytes, good, sizeof bytes);
    bytes[65] ^= 1; /* y: off the curve */
    assert_closed(device.key, &to, wrap, ERR_CORRUPT);
    memset(bytes + 2, 0, 64);
    assert_closed(device.key, &to, wrap, ERR_CORRUPT);
    memset(bytes + 2, 0xFF, 64); /* beyond the field */
    assert_closed(device.key, &to, wrap, ERR_CORRUPT);
    wrap_key_close(device.key);
}

static void test_no_sealing_keys(void **state)
{
    uint8_t bytes[WRAP_PUBLIC_SIZE_MAX + 1] = {WRAP_X25519, 9}, room[WRAP_SIZE_MAX];

    (void)state;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct buf out = buf_over(room, sizeof room);
        struct span key = {bytes, size};

        if (size == 33)
            continue; /* 9 is the base point */
        assert_false(wrap_public_ok(key));
        assert_int_equal(wrap_seal(key, &to, content_key, &out, NULL), ERR_CORRUPT);
    }
    assert_true(wrap_public_ok((struct span){bytes, 33}));
    bytes[0] = 0;
    assert_false(wrap_public_ok((struct span){bytes, 33}));
    bytes[0] = 3;
    assert_false(wrap_public_ok((struct span){bytes, 33}));
}

static void test_no_room(void **state)
{
    struct party device = party(WRAP_X25519);
    uint8_t bytes[80];
    struct buf out = buf_over(bytes, sizeof bytes);

    (void)state;
    assert_int_equal(wrap_seal(public_of(&device), &to, content_key, &out, NULL), ERR_TOO_BIG);
    wrap_key_close(device.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_pem),
        cmocka_unit_test(test_bad_pem),        cmocka_unit_test(test_for_somebody_else),
        cmocka_unit_test(test_other_kind),     cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_every_bit),      cmocka_unit_test(test_small_order),
        cmocka_unit_test(test_no_points),      cmocka_unit_test(test_no_sealing_keys),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
