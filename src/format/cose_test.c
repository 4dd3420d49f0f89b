#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/test_key_host.h"
#include "crypto/verify_openssl.h"
#include "crypto/verify_portable.h"
#include "format/cose_sign_host.h"
#include "format/golden_host.h"

#define DOMAIN  SPAN_LITERAL("slipway test 1")
#define PAYLOAD SPAN_LITERAL("\xA1\x01\x64test")
#define ROOM    1024u

/* Of the test's message; three bytes fewer than at most, as domain and payload are short. */
#define TBS_SIZE (COSE_TBS_OVERHEAD - 4 + 14 + 7)

static const char *golden_dir;

struct bytes {
    uint8_t at[ROOM];
    size_t size;
};

static struct verify_key public_of(const struct key *key)
{
    struct verify_key public;
    struct why why = {0};

    assert_int_equal(key_to_verify(key, &public, &why), ERR_OK);
    return public;
}

static struct bytes make_sign1(const struct key *key)
{
    struct bytes out;
    struct buf buf = buf_over(out.at, sizeof out.at);
    struct why why = {0};

    assert_int_equal(cose_sign1_make(key, DOMAIN, PAYLOAD, &buf, &why), ERR_OK);
    out.size = buf.size;
    return out;
}

/* Signed by test keys 1 to `count`. */
static struct bytes make_sign(uint8_t count)
{
    struct cose_sign message = {.payload = PAYLOAD};
    struct bytes out;
    struct buf buf = buf_over(out.at, sizeof out.at);
    struct why why = {0};

    for (uint8_t i = 1; i <= count; i++) {
        struct key *key = test_key(i);

        assert_int_equal(cose_sign_with(key, DOMAIN, &message, &why), ERR_OK);
        key_close(key);
    }
    cose_sign_write(&message, &buf);
    out.size = buf.size;
    return out;
}

static struct span span_over(const struct bytes *bytes)
{
    return (struct span){bytes->at, bytes->size};
}

static bool good_sign1(struct span in, const struct verify_key *key, struct span domain)
{
    uint8_t room[ROOM];
    struct verify verify = verify_openssl(), portable = verify_portable();
    struct cose_check check = {&verify, domain, room, sizeof room};
    struct cose_sign1 message;
    bool good;

    assert_int_equal(cose_sign1_read(in, &message), ERR_OK);
    good = cose_sign1_good(&message, key, &check);
    check.verify = &portable;
    assert_int_equal(cose_sign1_good(&message, key, &check), good);
    return good;
}

static uint32_t count_sign(struct span in, const struct verify_key *keys, uint32_t count)
{
    uint8_t room[ROOM];
    struct verify verify = verify_openssl();
    struct cose_check check = {&verify, DOMAIN, room, sizeof room};
    struct cose_sign message;

    assert_int_equal(cose_sign_read(in, &message), ERR_OK);
    return cose_sign_count(&message, keys, count, &check);
}

static void assert_golden(const char *name, const struct bytes *made)
{
    uint8_t golden[ROOM];

    assert_int_equal(golden_load(golden_dir, name, golden, sizeof golden), made->size);
    assert_memory_equal(golden, made->at, made->size);
}

static void test_golden_bytes(void **state)
{
    struct key *key = test_key(1);
    struct bytes made = make_sign1(key);

    (void)state;
    assert_golden("cose-sign1", &made);
    made = make_sign(2);
    assert_golden("cose-sign", &made);
    key_close(key);
}

/* ECDSA signatures are different every time, so this one is only read. */
static void test_golden_es256(void **state)
{
    struct bytes golden;
    struct verify_key key;
    uint8_t public[VERIFY_ES256_SIZE];

    (void)state;
    golden.size = golden_load(golden_dir, "cose-sign1-es256", golden.at, sizeof golden.at);
    assert_int_equal(golden_load(golden_dir, "cose-key-es256", public, sizeof public), 65);
    assert_true(verify_key_init(&key, VERIFY_ES256, (struct span){public, sizeof public}));
    assert_true(good_sign1(span_over(&golden), &key, DOMAIN));
}

static void test_either_algorithm(void **state)
{
    enum key_kind kinds[] = {KEY_ED25519, KEY_ECDSA_P256};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct key *key = NULL;
        struct verify_key public;
        struct why why = {0};
        struct bytes made;

        assert_int_equal(key_generate(kinds[i], &key, &why), ERR_OK);
        public = public_of(key);
        made = make_sign1(key);
        assert_true(good_sign1(span_over(&made), &public, DOMAIN));
        assert_int_equal(made.size, PAYLOAD.size + COSE_SIGN1_OVERHEAD - 2);
        key_close(key);
    }
}

static void test_a_domain_is_no_other(void **state)
{
    struct key *key = test_key(1);
    struct verify_key public = public_of(key);
    struct bytes made = make_sign1(key);

    (void)state;
    assert_true(good_sign1(span_over(&made), &public, DOMAIN));
    assert_false(good_sign1(span_over(&made), &public, SPAN_LITERAL("slipway test 2")));
    assert_false(good_sign1(span_over(&made), &public, SPAN_LITERAL("")));
    key_close(key);
}

/* The same bytes signed as one of several are no message with a single signature. */
static void test_one_shape_is_not_the_other(void **state)
{
    struct key *key = test_key(1);
    struct verify_key public = public_of(key);
    struct bytes several = make_sign(1), single = make_sign1(key);
    struct cose_sign sign;
    struct cose_sign1 sign1;
    struct bytes moved;
    struct buf out = buf_over(moved.at, sizeof moved.at);

    (void)state;
    assert_int_equal(cose_sign1_read(span_over(&several), &sign1), ERR_CORRUPT);
    assert_int_equal(cose_sign_read(span_over(&single), &sign), ERR_CORRUPT);
    assert_int_equal(cose_sign_read(span_over(&several), &sign), ERR_OK);
    sign1 = (struct cose_sign1){.payload = sign.payload, .signature = sign.signatures[0]};
    cose_sign1_write(&sign1, &out);
    moved.size = out.size;
    assert_false(good_sign1(span_over(&moved), &public, DOMAIN));
    key_close(key);
}

static void test_signatures_are_counted_by_key(void **state)
{
    struct bytes made = make_sign(3);
    struct verify_key keys[4];

    (void)state;
    for (uint8_t i = 0; i < 4; i++) {
        struct key *key = test_key((uint8_t)(i + 1));

        keys[i] = public_of(key);
        key_close(key);
    }
    assert_int_equal(count_sign(span_over(&made), keys, 4), 3);
    assert_int_equal(count_sign(span_over(&made), keys + 2, 2), 1);
    assert_int_equal(count_sign(span_over(&made), keys + 3, 1), 0);
    made.at[made.size - 1] ^= 1; /* the last signature's */
    assert_int_equal(count_sign(span_over(&made), keys, 4), 2);
}

static void test_a_key_signs_once(void **state)
{
    struct cose_sign message = {.payload = PAYLOAD};
    struct key *key = test_key(1);
    struct why why = {0};

    (void)state;
    for (uint8_t i = 1; i <= COSE_SIGNATURES_MAX; i++) {
        struct key *each = test_key(i);

        assert_int_equal(cose_sign_with(each, DOMAIN, &message, &why), ERR_OK);
        assert_int_equal(cose_sign_with(each, DOMAIN, &message, &why), ERR_OK);
        assert_int_equal(message.count, i);
        key_close(each);
    }
    key_close(key);
    key = test_key(COSE_SIGNATURES_MAX + 1);
    assert_int_equal(cose_sign_with(key, DOMAIN, &message, &why), ERR_TOO_BIG);
    assert_int_equal(message.count, COSE_SIGNATURES_MAX);
    key_close(key);
}

static void test_little_room_is_no_signature(void **state)
{
    struct key *key = test_key(1);
    struct verify_key public = public_of(key);
    struct bytes made = make_sign1(key);
    struct verify verify = verify_openssl();
    uint8_t room[TBS_SIZE + 10];
    struct cose_sign1 message;

    (void)state;
    assert_int_equal(cose_sign1_read(span_over(&made), &message), ERR_OK);
    for (size_t size = 0; size < sizeof room; size++) {
        struct cose_check check = {&verify, DOMAIN, room, size};

        assert_int_equal(cose_sign1_good(&message, &public, &check), size >= TBS_SIZE);
    }
    key_close(key);
}

/* Each byte that is not the payload's or the signature's has one right value. */
static void test_no_byte_is_free(void **state)
{
    struct key *key = test_key(1);
    struct verify_key public = public_of(key);
    struct bytes made = make_sign1(key);
    struct cose_sign1 message;

    (void)state;
    for (size_t i = 0; i < made.size; i++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            made.at[i] ^= (uint8_t)(1u << bit);
            if (cose_sign1_read(span_over(&made), &message) == ERR_OK)
                assert_false(good_sign1(span_over(&made), &public, DOMAIN));
            made.at[i] ^= (uint8_t)(1u << bit);
        }
    }
    key_close(key);
}

static void test_torn_and_trailing(void **state)
{
    struct bytes one = make_sign(1), two = make_sign(2);
    struct cose_sign message;

    (void)state;
    for (size_t size = 0; size < two.size; size++)
        assert_int_equal(cose_sign_read((struct span){two.at, size}, &message), ERR_CORRUPT);
    two.at[two.size] = 0;
    assert_int_equal(cose_sign_read((struct span){two.at, two.size + 1}, &message), ERR_CORRUPT);
    one.at[one.size] = 0xA0;
    assert_int_equal(cose_sign_read((struct span){one.at, one.size + 1}, &message), ERR_CORRUPT);
}

#define KID "\x48\x01\x02\x03\x04\x05\x06\x07\x08"
#define S64    \
    "\x58\x40" \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* COSE that is right by RFC 9052 and more than we take. */
static void test_other_shapes(void **state)
{
    const struct {
        struct span bytes;
        bool good;
        const char *what;
    } cases[] = {
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x41p" S64), true, "ours"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x26\x04" KID "\xA0\x41p" S64), true, "ours, ES256"},
        {SPAN_LITERAL("\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x41p" S64), false, "no tag"},
        {SPAN_LITERAL("\xD8\x12\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x41p" S64), false, "long tag"},
        {SPAN_LITERAL("\xD2\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x41p" S64), false, "two tags"},
        {SPAN_LITERAL("\xD2\x84\x43\xA1\x01\x27\xA1\x04" KID "\x41p" S64), false, "kid outside"},
        {SPAN_LITERAL("\xD2\x84\x43\xA1\x01\x27\xA0\x41p" S64), false, "no kid"},
        {SPAN_LITERAL("\xD2\x84\x4B\xA1\x04" KID "\xA0\x41p" S64), false, "no algorithm"},
        {SPAN_LITERAL("\xD2\x84\x4E\xA2\x01\x38\x22\x04" KID "\xA0\x41p" S64), false, "ES384"},
        {SPAN_LITERAL("\xD2\x84\x4E\xA2\x01\x38\x07\x04" KID "\xA0\x41p" S64), false, "long -8"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x04" KID "\x01\x27\xA0\x41p" S64), false, "other order"},
        {SPAN_LITERAL("\xD2\x84\x4F\xA3\x01\x27\x03\x00\x04" KID "\xA0\x41p" S64), false,
         "a content type"},
        {SPAN_LITERAL("\xD2\x84\x51\xA3\x01\x27\x02\x81\x04\x04" KID "\xA0\x41p" S64), false,
         "crit"},
        {SPAN_LITERAL("\xD2\x84\x4E\xA2\x01\x27\x04" KID "\x00\xA0\x41p" S64), false,
         "something behind the header"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA1\x05\x41i\x41p" S64), false,
         "an unprotected header"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA0\xF6" S64), false, "detached"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x40" S64), false, "empty payload"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x58\x01p" S64), false,
         "a long size"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x5F\x41p\xFF" S64), false,
         "an indefinite payload"},
        {SPAN_LITERAL("\xD2\x9F\x4D\xA2\x01\x27\x04" KID "\xA0\x41p" S64 "\xFF"), false,
         "an indefinite array"},
        {SPAN_LITERAL("\xD2\x85\x4D\xA2\x01\x27\x04" KID "\xA0\x41p" S64 "\x00"), false,
         "five items"},
        {SPAN_LITERAL("\xD2\x84\x4D\xA2\x01\x27\x04" KID "\xA0\x41p\x41s"), false,
         "a short signature"},
        {SPAN_LITERAL("\xD2\x84\x4C\xA2\x01\x27\x04\x47\x01\x02\x03\x04\x05\x06\x07\xA0\x41p" S64),
         false, "a short kid"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cose_sign1 message;

        if ((cose_sign1_read(cases[i].bytes, &message) == ERR_OK) != cases[i].good)
            fail_msg("case %zu: %s", i, cases[i].what);
    }
}

#define EACH(kid) "\x83\x4D\xA2\x01\x27\x04\x48" kid "\xA0" S64

static void test_order_of_signatures(void **state)
{
    const struct span good =
        SPAN_LITERAL("\xD8\x62\x84\x40\xA0\x41p\x82" EACH("aaaaaaaa") EACH("aaaaaaab"));
    const struct span bad[] = {
        SPAN_LITERAL("\xD8\x62\x84\x40\xA0\x41p\x82" EACH("aaaaaaab") EACH("aaaaaaaa")),
        SPAN_LITERAL("\xD8\x62\x84\x40\xA0\x41p\x82" EACH("aaaaaaaa") EACH("aaaaaaaa")),
        SPAN_LITERAL("\xD8\x62\x84\x40\xA0\x41p\x81" EACH("aaaaaaaa") EACH("aaaaaaab")),
        SPAN_LITERAL("\xD8\x62\x84\x40\xA0\x41p\x80"),
        SPAN_LITERAL("\xD8\x62\x84\x41\xA0\xA0\x41p\x81" EACH("aaaaaaaa")),
    };
    const struct span many =
        SPAN_LITERAL("\xD8\x62\x84\x40\xA0\x41p\x89" EACH("aaaaaaaa") EACH("aaaaaaab")
                         EACH("aaaaaaac") EACH("aaaaaaad") EACH("aaaaaaae") EACH("aaaaaaaf")
                             EACH("aaaaaaag") EACH("aaaaaaah") EACH("aaaaaaai"));
    struct cose_sign message;

    (void)state;
    assert_int_equal(cose_sign_read(good, &message), ERR_OK);
    assert_int_equal(message.count, 2);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        message.count = 77;
        assert_int_equal(cose_sign_read(bad[i], &message), ERR_CORRUPT);
        assert_int_equal(message.count, 77);
    }
    assert_int_equal(cose_sign_read(many, &message), ERR_TOO_BIG);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_golden_es256),
        cmocka_unit_test(test_either_algorithm),
        cmocka_unit_test(test_a_domain_is_no_other),
        cmocka_unit_test(test_one_shape_is_not_the_other),
        cmocka_unit_test(test_signatures_are_counted_by_key),
        cmocka_unit_test(test_a_key_signs_once),
        cmocka_unit_test(test_little_room_is_no_signature),
        cmocka_unit_test(test_no_byte_is_free),
        cmocka_unit_test(test_torn_and_trailing),
        cmocka_unit_test(test_other_shapes),
        cmocka_unit_test(test_order_of_signatures),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
