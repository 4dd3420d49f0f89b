/* Durations, sizes and shares: what is understood, what is refused, what people see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/quantity.h"

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {{"0", 0},
                {"90", 90},
                {"90s", 90},
                {"10m", 600},
                {"2h", 7200},
                {"1h30m", 5400},
                {"1d", 86400},
                {"1w", 604800},
                {"1d1s", 86401},
                {"1w2d3h4m5s", 788645},
                {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"m",
                                      "10 m",
                                      "-5s",
                                      "1.5h",
                                      "10M",
                                      "1m1h",
                                      "1m1m",
                                      "1h30",
                                      "1e3",
                                      "s1",
                                      "9223372036854775808",
                                      "15250284452472w",
                                      "9223372036854775807s1"};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(quantity_duration_s(good[i].text, &seconds), ERR_OK);
        assert_int_equal(seconds, good[i].seconds);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        seconds = 77;
        assert_int_equal(quantity_duration_s(bad[i], &seconds), ERR_INVALID);
        assert_int_equal(seconds, 77);
    }
    assert_int_equal(quantity_duration_s("", &seconds), ERR_INVALID);
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},         {"65536", 65536},   {"64K", 65536},
                {"1M", 1u << 20}, {"2G", 2ull << 30}, {"1T", 1ull << 40},
                {"4KiB", 4096},   {"4KB", 4096},      {"12B", 12}};
    static const char *const bad[] = {"",
                                      "K",
                                      "-1",
                                      "1k",
                                      "1 K",
                                      "1.5M",
                                      "1KiBB",
                                      "1BB",
                                      "1KK",
                                      "8388608T",
                                      "9223372036854775808",
                                      "1Ki",
                                      "1iB"};
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(quantity_size(good[i].text, &bytes), ERR_OK);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(quantity_size(bad[i], &bytes), ERR_INVALID);
}

static void test_shares(void **state)
{
    static const struct {
        const char *text;
        uint32_t permille;
    } good[] = {{"0", 0},    {"0%", 0},     {"5", 50},     {"10%", 100},
                {"0.5%", 5}, {"99.9", 999}, {"100%", 1000}};
    static const char *const bad[] = {"",    "%",   "100.1%", "101", "-1%", "1.25%",
                                      "1.%", ".5%", "10%%",   "1e1", " 1%", "0.05%"};
    uint32_t permille;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(quantity_permille(good[i].text, &permille), ERR_OK);
        assert_int_equal(permille, good[i].permille);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(quantity_permille(bad[i], &permille), ERR_INVALID);
}

static void test_integers(void **state)
{
    int64_t number;

    (void)state;
    assert_int_equal(quantity_int("-12", &number), ERR_OK);
    assert_int_equal(number, -12);
    assert_int_equal(quantity_int("+7", &number), ERR_OK);
    assert_int_equal(number, 7);
    assert_int_equal(quantity_int("", &number), ERR_INVALID);
    assert_int_equal(quantity_int("-", &number), ERR_INVALID);
    assert_int_equal(quantity_int("0x10", &number), ERR_INVALID);
    assert_int_equal(quantity_int("1 ", &number), ERR_INVALID);
}

static void test_printing(void **state)
{
    char text[QUANTITY_TEXT_SIZE];

    (void)state;
    assert_string_equal(quantity_print_duration(0, text), "0s");
    assert_string_equal(quantity_print_duration(5400, text), "1h30m");
    assert_string_equal(quantity_print_duration(-61, text), "-1m1s");
    assert_string_equal(quantity_print_duration(2 * 604800, text), "2w");
    assert_string_equal(quantity_print_duration(30 * 86400, text), "30d");
    assert_string_equal(quantity_print_duration(INT64_MIN, text), "-106751991167300d15h30m8s");
    assert_string_equal(quantity_print_size(0, text), "0 B");
    assert_string_equal(quantity_print_size(1023, text), "1023 B");
    assert_string_equal(quantity_print_size(1536, text), "1.5 KiB");
    assert_string_equal(quantity_print_size(UINT64_MAX, text), "16.0 EiB");
    assert_string_equal(quantity_print_permille(100, text), "10%");
    assert_string_equal(quantity_print_permille(5, text), "0.5%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_shares),    cmocka_unit_test(test_integers),
        cmocka_unit_test(test_printing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
