/* Fixed point against the C library, and its edges. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/prng.h"
#include "fleet/fixed.h"

#define Q32 0x1p32

__extension__ typedef unsigned __int128 wide; /* the test may use what the code may not */

static void test_logarithm(void **state)
{
    (void)state;
    for (double x = 1e-9; x < 2e9; x *= 1.003) {
        int64_t q = (int64_t)(x * Q32);

        assert_true(fabs((double)fixed_ln(q) / Q32 - log((double)q / Q32)) < 5e-9);
    }
    assert_int_equal(fixed_ln(FIXED_ONE), 0);
}

static void test_exponential(void **state)
{
    (void)state;
    for (double x = 0; x < 40; x += 0.0037)
        assert_true(fabs((double)fixed_exp(-(int64_t)(x * Q32)) / Q32 - exp(-x)) < 1e-9);
    assert_int_equal(fixed_exp(0), FIXED_ONE);
    assert_int_equal(fixed_exp(INT64_MIN / 2), 0);
}

static void test_products(void **state)
{
    struct prng prng = prng_seeded(1);

    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t a = (int64_t)(prng_next(&prng) >> (1 + prng_below(&prng, 62)));
        int64_t b = (int64_t)(prng_next(&prng) >> (1 + prng_below(&prng, 62)));
        wide exact = ((wide)(uint64_t)a * (uint64_t)b) >> 32;

        assert_int_equal(fixed_mul(a, b), exact > INT64_MAX ? FIXED_MAX : (int64_t)exact);
        assert_true(fixed_product_at_most(a, b, b, a));
        if (a != 0 && b != 0) {
            wide quotient = ((wide)(uint64_t)a << 32) / (uint64_t)b;

            assert_int_equal(fixed_div(a, b), quotient > INT64_MAX ? FIXED_MAX : (int64_t)quotient);
            assert_false(fixed_product_at_most(a, b, a - 1, b));
        }
    }
    assert_int_equal(fixed_ratio(1, 2), FIXED_ONE / 2);
    assert_int_equal(fixed_ratio(3, 1), 3 * FIXED_ONE);
}

static void test_sum(void **state)
{
    const int64_t logs[] = {0, 0, -100 * FIXED_ONE};

    (void)state;
    assert_true(fabs((double)fixed_ln_sum(logs, 3) / Q32 - log(2)) < 1e-8);
    assert_int_equal(fixed_ln_sum(&logs[2], 1), -100 * FIXED_ONE);
}

static void expect_text(int64_t value, unsigned digits, const char *text)
{
    char room[40];
    struct buf buf = buf_over(room, sizeof room);

    fixed_put(&buf, value, digits);
    assert_string_equal(buf_finish_text(&buf), text);
}

static void test_text(void **state)
{
    (void)state;
    expect_text(FIXED_ONE / 2, 2, "0.50");
    expect_text(-3 * FIXED_ONE / 2, 1, "-1.5");
    expect_text(FIXED_ONE * 999999 / 1000000, 4, "1.0000");
    expect_text(7 * FIXED_ONE, 0, "7");
    expect_text(-1, 2, "0.00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logarithm), cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_products),  cmocka_unit_test(test_sum),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
