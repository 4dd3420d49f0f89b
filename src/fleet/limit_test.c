/* Limits against their definitions, and their coverage at every moment at once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "fleet/limit.h"

#define Q32 0x1p32

static double uniform(struct prng *prng)
{
    return ((double)(prng_next(prng) >> 11) + 0.5) * 0x1p-53;
}

static void test_known_values(void **state)
{
    int64_t refute = fixed_ln(600 * FIXED_ONE);

    (void)state;
    /* Without events, at least ln(600) and not much more. */
    assert_true(limit_expected(0, refute) > refute);
    assert_true((double)limit_expected(0, refute) / Q32 < 7.7);
    for (uint32_t n = 0; n < 2000; n = n * 3 / 2 + 1) {
        double limit = (double)limit_expected(n, refute) / Q32, x = log(600);

        assert_true(limit > n);
        assert_true(limit < n + 1.25 * sqrt(2 * n * x) + 1.5 * x);
        assert_true(limit_expected(n + 1, refute) > limit_expected(n, refute));
    }
    assert_true((double)limit_expected(1000000, refute) / Q32 < 1.02e6);
}

static void test_table(void **state)
{
    static const double weights[LIMIT_RATES] = {8, 4, 4, 4, 4, 4, 4, 2, 1, 1};

    (void)state;
    for (uint32_t i = 0; i < LIMIT_RATES; i++) {
        const struct limit_rate *rate = &limit_rates[i];

        assert_true(fabs((double)rate->log_weight / Q32 - log(weights[i] / 36)) < 1e-9);
        if (i > 0)
            assert_true(fabs((double)rate->log / Q32 - log((double)rate->parts / 32)) < 1e-9);
    }
}

static double poisson_above(double mean, uint32_t count)
{
    double sum = 0, term = exp(-mean);

    for (uint32_t i = 0; i <= count; i++) {
        sum += term;
        term *= mean / (i + 1);
    }
    return 1 - sum;
}

static void test_mean(void **state)
{
    int64_t refute = fixed_ln(200 * FIXED_ONE);

    (void)state;
    for (uint32_t k = 1; k < 400; k = k * 3 / 2 + 1) {
        double mean = (double)limit_mean(k, refute) / Q32;

        assert_true(poisson_above(mean, k) <= 0.005 + 1e-9);
        assert_true(poisson_above(mean * 1.03 + 0.02, k) > 0.005); /* and no more cautious */
    }
    assert_true(limit_mean(1u << 20, refute) < (int64_t)(1u << 20) << 32);
}

/* A true rate is refuted at some moment, ever, in at most e^-refute of all runs. */
static void test_coverage(void **state)
{
    struct prng prng = prng_seeded(7);
    int64_t refute = fixed_ln(20 * FIXED_ONE), limits[400];
    int refuted = 0;

    (void)state;
    for (uint32_t n = 0; n < COUNT_OF(limits); n++)
        limits[n] = limit_expected(n, refute);
    for (int run = 0; run < 4000; run++) {
        uint32_t bad = 0;
        bool wrong = false;

        for (int i = 1; i <= 1000 && !wrong; i++) {
            bad += uniform(&prng) < 0.05;
            wrong = (double)limits[bad] / Q32 < 0.05 * i;
        }
        refuted += wrong;
    }
    assert_true(refuted <= 0.05 * 4000 + 3 * sqrt(0.05 * 4000));
    assert_true(refuted > 0); /* the test can fail */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_coverage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
