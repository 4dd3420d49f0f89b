/* Evidence: what it is worth, and that a harmless release is rarely accused however often one
 * looks (Ville). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "fleet/evidence.h"

#define Q32  0x1p32
#define RUNS 4000

static double uniform(struct prng *prng)
{
    return ((double)(prng_next(prng) >> 11) + 0.5) * 0x1p-53;
}

static void test_starts_at_one(void **state)
{
    struct evidence evidence;

    (void)state;
    evidence_start(&evidence);
    assert_true(fabs((double)evidence_log(&evidence)) < 20);
    evidence_event(&evidence);
    /* The mean of the effects: (2 + 2.5 + 3 + 4 + 6 + 12 + 40) / 7. */
    assert_true(fabs((double)evidence_log(&evidence) / Q32 - log(69.5 / 7)) < 1e-8);
    assert_int_equal(evidence.events, 1);
}

static void test_formula(void **state)
{
    struct evidence evidence;
    double expected = 0;

    (void)state;
    evidence_start(&evidence);
    for (int i = 0; i < 12; i++)
        evidence_event(&evidence);
    evidence_charge(&evidence, 3 * FIXED_ONE);
    for (uint32_t i = 0; i < EVIDENCE_EFFECTS; i++) {
        double r = evidence_effects[i] / 2.0;

        expected += pow(r, 12) * exp(-(r - 1) * 3) / EVIDENCE_EFFECTS;
    }
    assert_true(fabs((double)evidence_log(&evidence) / Q32 - log(expected)) < 1e-7);
}

/* Whether a stream of devices with that rate of bad ones is ever accused at 1/alpha = 100. */
static bool accused(struct prng *prng, double rate, double background, int devices)
{
    struct evidence evidence;

    evidence_start(&evidence);
    for (int i = 0; i < devices; i++) {
        evidence_charge(&evidence, (int64_t)(background * Q32) + 1);
        if (uniform(prng) < rate)
            evidence_event(&evidence);
        if (evidence_log(&evidence) >= fixed_ln(100 * FIXED_ONE))
            return true;
    }
    return false;
}

static int ascending(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* 5 % more failures than a background of 1 % are found within 550 devices, 99 times of 100, with
 * the tolerance of 1.5 and the share of false alarms that fleet/risk.c gives to this channel. */
static void test_power(void **state)
{
    static int stops[RUNS];
    struct prng prng = prng_seeded(550);
    int64_t goal = fixed_ln((int64_t)(1 / (0.01 * 0.70 * 0.35) * Q32));

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        struct evidence evidence;
        bool bad = false;

        evidence_start(&evidence);
        for (int i = 1; !bad || evidence_log(&evidence) < goal; i++) {
            evidence_charge(&evidence, (int64_t)(1.5 * 0.01 / 0.99 * Q32) + 1);
            bad = uniform(&prng) < 0.06;
            if (bad)
                evidence_event(&evidence);
            stops[run] = i;
        }
    }
    qsort(stops, RUNS, sizeof *stops, ascending);
    assert_in_range(stops[RUNS / 2], 100, 200);
    assert_in_range(stops[RUNS * 99 / 100], 300, 550);
}

static void test_ville(void **state)
{
    struct prng prng = prng_seeded(20260101);
    int harmless = 0, harmful = 0;

    (void)state;
    for (int i = 0; i < RUNS; i++)
        harmless += accused(&prng, 0.015, 0.015, 600);
    for (int i = 0; i < 400; i++)
        harmful += accused(&prng, 0.06, 0.015, 600);
    assert_true(harmless <= 0.01 * RUNS + 3 * sqrt(0.01 * RUNS));
    assert_true(harmful >= 390);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_at_one),
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_ville),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
