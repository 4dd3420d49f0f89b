/* The signature on an assignment: the golden message, and every way to spoil it.
 *   usage: accept_mandate_test DIR, with DIR/mandate-signed.hex */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/accept.h"
#include "codec/hex.h"
#include "crypto/verify_openssl.h"
#include "format/golden_host.h"

/* RFC 8032 7.1, tests 1 and 2: public keys. */
#define SIGNER "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define OTHER  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static const char *golden_dir;

struct bench {
    struct verify verify;
    struct verify_key keys[2];
    struct accept_keys trusted;
    uint8_t room[MANDATE_SIZE_MAX];
    uint8_t message[MANDATE_SIZE_MAX + 1];
    size_t size;
    struct accept_evidence evidence;
};

static struct verify_key key_from(const char *hex)
{
    uint8_t bytes[VERIFY_ED25519_SIZE];
    struct verify_key key;

    assert_true(hex_parse(span_of(hex), bytes, sizeof bytes));
    assert_true(verify_key_init(&key, VERIFY_ED25519, (struct span){bytes, VERIFY_ED25519_SIZE}));
    return key;
}

static struct bench *begin(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    bench->verify = verify_openssl();
    bench->keys[0] = key_from(OTHER);
    bench->keys[1] = key_from(SIGNER);
    bench->trusted =
        (struct accept_keys){bench->keys, 2, &bench->verify, bench->room, sizeof bench->room};
    bench->size = golden_load(golden_dir, "mandate-signed", bench->message, sizeof bench->message);
    assert_true(bench->size > 0);
    return bench;
}

static enum accept_signature judged(struct bench *bench)
{
    memset(&bench->evidence, 0, sizeof bench->evidence);
    accept_read_mandate((struct span){bench->message, bench->size}, &bench->trusted,
                        &bench->evidence);
    return bench->evidence.signature;
}

static void test_the_golden_message_is_signed(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(judged(begin(&bench)), ACCEPT_SIGNED);
    assert_true(span_is(bench.evidence.mandate.device, "pump-17"));
    assert_int_equal(bench.evidence.mandate.id, 4711);
    assert_memory_equal(bench.evidence.key_id, bench.keys[1].kid, VERIFY_KID_SIZE);
}

static void test_no_bit_may_differ(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench);
    for (size_t bit = 0; bit < bench.size * 8; bit++) {
        bench.message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(judged(&bench), ACCEPT_SIGNED);
        bench.message[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(judged(&bench), ACCEPT_SIGNED);
}

static void test_no_byte_more_or_less(void **state)
{
    struct bench bench;
    size_t whole = begin(&bench)->size;

    (void)state;
    for (bench.size = 0; bench.size < whole; bench.size++)
        assert_int_equal(judged(&bench), ACCEPT_UNSIGNED);
    bench.size = whole + 1;
    assert_int_equal(judged(&bench), ACCEPT_UNSIGNED);
    bench.size = MANDATE_SIZE_MAX + 1;
    assert_int_equal(judged(&bench), ACCEPT_UNSIGNED);
}

static void test_only_named_keys_count(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench)->trusted.count = 1; /* the other one only */
    assert_int_equal(judged(&bench), ACCEPT_NO_KEY);
    bench.trusted.count = 0;
    assert_int_equal(judged(&bench), ACCEPT_NO_KEY);
    bench.size = 0; /* nobody is named: that is what is wrong */
    assert_int_equal(judged(&bench), ACCEPT_NO_KEY);
}

/* A key under another one's id: the signature tells. */
static void test_an_id_is_no_key(void **state)
{
    struct bench bench;

    (void)state;
    memcpy(begin(&bench)->keys[0].kid, bench.keys[1].kid, VERIFY_KID_SIZE);
    assert_int_equal(judged(&bench), ACCEPT_FORGED);
}

static void test_without_room_nothing_is_signed(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench)->trusted.room_size = 64;
    assert_int_equal(judged(&bench), ACCEPT_FORGED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_golden_message_is_signed),
        cmocka_unit_test(test_no_bit_may_differ),
        cmocka_unit_test(test_no_byte_more_or_less),
        cmocka_unit_test(test_only_named_keys_count),
        cmocka_unit_test(test_an_id_is_no_key),
        cmocka_unit_test(test_without_room_nothing_is_signed),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
