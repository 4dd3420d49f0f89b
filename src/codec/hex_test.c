#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/hex.h"

static void test_round_trip(void **state)
{
    uint8_t bytes[256], back[256] = {0};
    char text[2 * 256 + 1];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    hex_print((struct span){bytes, sizeof bytes}, text);
    assert_true(hex_parse(span_of(text), back, sizeof back));
    assert_memory_equal(bytes, back, sizeof bytes);
}

static void test_written_in_lower_case_read_in_either(void **state)
{
    static const uint8_t bytes[] = {0xde, 0xad, 0xbe, 0xef};
    char text[9];
    uint8_t back[4];

    (void)state;
    hex_print((struct span){bytes, 4}, text);
    assert_string_equal(text, "deadbeef");
    assert_true(hex_parse(span_of("DEADbeef"), back, 4));
    assert_memory_equal(back, bytes, 4);
}

static void test_empty(void **state)
{
    char text[1] = {'x'};

    (void)state;
    hex_print((struct span){NULL, 0}, text);
    assert_string_equal(text, "");
    assert_true(hex_parse(span_of(""), text, 0));
}

static void test_refuses(void **state)
{
    static const char *const bad[] = {"",    "0",    "000", "0g", "g0", "0x", " 0",      "0 ",
                                      "00 ", "0000", "/0",  ":0", "@0", "`0", "\xff\xff"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint8_t out = 0x5a;

        assert_false(hex_parse(span_of(bad[i]), &out, 1));
        assert_int_equal(out, 0x5a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_written_in_lower_case_read_in_either),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
