/* Two arms beside each other: an outage cancels, harm shows through it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "fleet/control.h"

#define Q32  0x1p32
#define RUNS 4000

static double uniform(struct prng *prng)
{
    return ((double)(prng_next(prng) >> 11) + 0.5) * 0x1p-53;
}

struct stretch {
    double befalls; /* anybody */
    double harm;
    int treated, others;
};

static uint32_t draw(struct prng *prng, int count, double rate)
{
    uint32_t hits = 0;

    for (int i = 0; i < count; i++)
        hits += uniform(prng) < rate;
    return hits;
}

static bool accused_beside(struct prng *prng, const struct stretch *stretch)
{
    struct evidence evidence;

    evidence_start(&evidence);
    for (int i = 0; i < 60; i++) {
        double outage = i >= 20 && i < 28 ? stretch->befalls : 0;
        struct control_arm treated = {.due = (uint32_t)stretch->treated},
                           others = {.due = (uint32_t)stretch->others};

        treated.silent = draw(prng, stretch->treated, fmin(1, 0.01 + outage + stretch->harm));
        others.silent = draw(prng, stretch->others, fmin(1, 0.01 + outage));
        treated.background = (int64_t)(0.01 * stretch->treated * Q32) + 1;
        others.background = (int64_t)(0.01 * stretch->others * Q32);
        control_judge(&evidence, &treated, &others, true, FIXED_ONE);
        assert_int_equal(treated.due, 0);
        if (evidence_log(&evidence) >= fixed_ln(100 * FIXED_ONE))
            return true;
    }
    return false;
}

static void test_outage_cancels(void **state)
{
    static const struct stretch rows[] = {{0, 0, 20, 60},    {0.25, 0, 20, 60}, {0.9, 0, 20, 60},
                                          {0.25, 0, 60, 20}, {0.25, 0, 5, 200}, {0.5, 0, 200, 5}};
    struct prng prng = prng_seeded(3);

    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        int accusations = 0;

        for (int i = 0; i < RUNS / 2; i++)
            accusations += accused_beside(&prng, &rows[row]);
        assert_true(accusations <= 0.01 * RUNS / 2 + 3 * sqrt(0.01 * RUNS / 2));
    }
}

static void test_harm_shows_through_outage(void **state)
{
    static const struct stretch row = {0.25, 0.05, 20, 60};
    struct prng prng = prng_seeded(4);
    int accusations = 0;

    (void)state;
    for (int i = 0; i < 200; i++)
        accusations += accused_beside(&prng, &row);
    assert_true(accusations >= 190);
}

static void test_nobody_to_compare(void **state)
{
    struct evidence evidence;
    struct control_arm treated = {10, 10, FIXED_ONE / 10};
    const struct control_arm nobody = {0};

    (void)state;
    evidence_start(&evidence);
    control_judge(&evidence, &treated, &nobody, true, FIXED_ONE);
    assert_true(evidence_log(&evidence) < 20); /* says nothing */
    treated = (struct control_arm){10, 10, FIXED_ONE / 10};
    control_judge(&evidence, &treated, &nobody, false, FIXED_ONE);
    assert_true(evidence_log(&evidence) > 10 * FIXED_ONE); /* goes by the background */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outage_cancels),
        cmocka_unit_test(test_harm_shows_through_outage),
        cmocka_unit_test(test_nobody_to_compare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
