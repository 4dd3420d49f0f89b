/* Gaps: codes, the conformal deadline's overdue rate on gaps it has not seen, Kaplan-Meier against
 * a worked example and against bias by those who are away. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "fleet/gap.h"

static double uniform(struct prng *prng)
{
    return ((double)(prng_next(prng) >> 11) + 0.5) * 0x1p-53;
}

static double gauss(struct prng *prng)
{
    double radius = sqrt(-2 * log(uniform(prng)));

    return radius * cos(6.283185307179586 * uniform(prng));
}

static void test_codes(void **state)
{
    (void)state;
    for (uint16_t code = 0; code < GAP_CODES - 1; code++) {
        assert_int_equal(gap_end_s(gap_code(gap_end_s(code))), gap_end_s(code));
        assert_true(gap_code(gap_end_s(code) + 1) > code);
        assert_true(gap_end_s((uint16_t)(code + 1)) <= gap_end_s(code) * 1.012 + 2);
    }
    assert_int_equal(gap_code(0), 0);
    assert_int_equal(gap_code(UINT32_MAX), GAP_CODES - 1);
}

static void test_too_short(void **state)
{
    struct gap_history history = {0};

    (void)state;
    assert_int_equal(gap_own_deadline_s(&history, 10000), GAP_NONE);
    for (uint32_t i = 0; i < 98; i++)
        gap_history_add(&history, 3600 + i);
    assert_int_equal(gap_own_deadline_s(&history, 10000), GAP_NONE); /* one gap short */
    gap_history_add(&history, 100);
    assert_int_equal(gap_own_deadline_s(&history, 10000), gap_end_s(gap_code(3697)));
    assert_int_equal(gap_own_deadline_s(&history, 0), GAP_NONE);
    assert_int_equal(gap_own_deadline_s(&history, 1000000), GAP_NONE);
    for (uint32_t i = 0; i < 300; i++) /* old ones are forgotten */
        gap_history_add(&history, 60);
    assert_int_equal(gap_own_deadline_s(&history, 10000), 60);
}

/* 1 % +- 0.3 of gaps not seen before are overdue, for light and heavy tails. */
static void test_overdue_rate(void **state)
{
    static const double sigmas[] = {0.1, 0.6, 0.8, 1.2};
    struct prng prng = prng_seeded(99);

    (void)state;
    for (size_t law = 0; law < COUNT_OF(sigmas); law++) {
        uint32_t overdue = 0, devices = 4000, gaps = 25;

        for (uint32_t i = 0; i < devices; i++) {
            double scale = 600 * exp(3 * uniform(&prng));
            struct gap_history history = {0};
            uint32_t deadline;

            for (uint32_t k = 0; k < GAP_KEPT; k++)
                gap_history_add(&history, (uint32_t)(scale * exp(sigmas[law] * gauss(&prng))));
            deadline = gap_own_deadline_s(&history, 10000);
            for (uint32_t k = 0; k < gaps; k++)
                overdue += scale * exp(sigmas[law] * gauss(&prng)) > deadline;
        }
        assert_true(overdue > 0.007 * devices * gaps && overdue < 0.013 * devices * gaps);
    }
}

static void test_kaplan_meier(void **state)
{
    static struct gap_curve curve;

    (void)state;
    /* 10 gaps: 4 end after 1 min, 3 are still away after 2 min, 2 end after 4, 1 after 8.
     * Survival: 0.6 after 1, 0.6 after 2, 0.6 * 1/3 = 0.2 after 4, 0 after 8. */
    for (int i = 0; i < 4; i++)
        gap_curve_ended(&curve, 60);
    for (int i = 0; i < 3; i++)
        gap_curve_absent(&curve, 120);
    gap_curve_ended(&curve, 240);
    gap_curve_ended(&curve, 240);
    gap_curve_ended(&curve, 480);
    assert_int_equal(gap_class_deadline_s(&curve, 600000), 60);
    assert_int_equal(gap_class_deadline_s(&curve, 590000), 240);
    assert_int_equal(gap_class_deadline_s(&curve, 200000), 240);
    assert_int_equal(gap_class_deadline_s(&curve, 190000), 480);
    for (int i = 0; i < 1000; i++) /* most of them never come back */
        gap_curve_absent(&curve, 100000);
    assert_int_equal(gap_class_deadline_s(&curve, 100000), GAP_NONE);
}

/* Gaps of one hour or nine hours, as many of each: nine of ten moments lie in a long one, and the
 * last contact is older than w hours at (9 - w) / 10 of all moments, for w from 1 on. */
static void test_inspection_paradox(void **state)
{
    static struct gap_curve curve;

    (void)state;
    assert_int_equal(gap_class_watch_s(&curve, 10000), GAP_NONE);
    for (int i = 0; i < 500; i++) {
        gap_curve_ended(&curve, 3600);
        gap_curve_ended(&curve, 9 * 3600);
    }
    assert_in_range(gap_class_watch_s(&curve, 400000), 5.0 * 3600 * 0.97, 5.0 * 3600 * 1.03);
    assert_in_range(gap_class_deadline_s(&curve, 500000), 3600, 3640);
    assert_true(gap_class_watch_s(&curve, 10000) > 8.8 * 3600);
    assert_int_equal(gap_class_watch_s(&curve, 1000000), gap_end_s(0));
}

static void test_order_of_preference(void **state)
{
    static struct gap_curve curve;
    struct gap_history history = {0};

    (void)state;
    assert_int_equal(gap_deadline_s(&history, &curve, 10000, 777), 777);
    for (int i = 0; i < 200; i++)
        gap_curve_ended(&curve, 240);
    assert_int_equal(gap_deadline_s(&history, &curve, 10000, 777), 240);
    for (int i = 0; i < 99; i++)
        gap_history_add(&history, 60);
    assert_int_equal(gap_deadline_s(&history, &curve, 10000, 777), 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_too_short),
        cmocka_unit_test(test_overdue_rate),
        cmocka_unit_test(test_kaplan_meier),
        cmocka_unit_test(test_inspection_paradox),
        cmocka_unit_test(test_order_of_preference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
