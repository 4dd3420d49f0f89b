/* The order of versions, checked as one ascending list against itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/version.h"

/* Ascending; semver.org 11 has the middle part. */
static const char *const ascending[] = {
    "",
    "!",
    "1..2",
    "banana",
    "0-alpha",
    "0",
    "0.0.1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.0.1",
    "1.2",
    "1.10",
    "2.1",
    "6.1.158-1",
    "6.1.159-1",
    "2024.01",
    "99999999999999999999.1",
    "99999999999999999999.2",
};

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void test_order_is_total(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        for (size_t j = 0; j < COUNT_OF(ascending); j++)
            assert_int_equal(sign(version_compare(span_of(ascending[i]), span_of(ascending[j]))),
                             (i > j) - (i < j));
}

static void test_equal_spellings(void **state)
{
    static const char *const pairs[][2] = {
        {"2.1", "2.1.0"},
        {"v2.1", "2.1"},
        {"2024.01", "2024.1"},
        {"1+a", "1+b"},
        {"1.0-rc.01", "1.0.0-rc.1"},
        {"1-rc+x", "1.0-rc"},
        {"0", "0.0.0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        assert_int_equal(version_compare(span_of(pairs[i][0]), span_of(pairs[i][1])), 0);
}

static void test_what_is_a_version(void **state)
{
    static const char *const good[] = {"1", "v1", "1.2.3.4.5", "1-x", "1+b.7", "1.0-rc-2+z", "007"};
    static const char *const bad[] = {
        "",    "v",          ".1",
        "1.",  "1..2",       "1-",
        "1+",  "1-a..b",     "1 ",
        "1_2", "-1",         "a.1",
        "1.a", "1-a+",       "1+a+b",
        "vv1", "1-\xc3\xa9", "1.2.3.4.5.6.7.8.9.10.11.12.13.145", /* 33 bytes */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(version_valid(span_of(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(version_valid(span_of(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_total),
        cmocka_unit_test(test_equal_spellings),
        cmocka_unit_test(test_what_is_a_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
