/* A cohort: background comes when it may, holds stick until a person lifts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fleet/cohort.h"

static struct cohort_rule rule_of(void)
{
    struct cohort_rule rule = {.tolerance = FIXED_ONE, .fade = FIXED_ONE / 2};

    for (uint32_t i = 0; i < COHORT_CURVE_TICKS; i++)
        rule.curve_permille[i] = (uint16_t)(i < 4 ? 250 * (i + 1) : 1000);
    for (uint32_t i = 0; i < COHORT_CHANNEL_COUNT; i++) {
        rule.hold_log[i] = 6 * FIXED_ONE;
        rule.halt_log[i] = 5 * FIXED_ONE;
    }
    return rule;
}

/* A quarter of what a device may report is charged at once, the rest tick by tick, never more. */
static void test_background_by_tick(void **state)
{
    const struct cohort_rule rule = rule_of();
    struct cohort cohort;

    (void)state;
    cohort_start(&cohort, 100);
    cohort_expose(&cohort, &rule, FIXED_ONE / 100, 0);
    for (int64_t i = 1; i < 40; i++) {
        int64_t due = FIXED_ONE / 400 * (i < 4 ? i : 4);
        int64_t charged = cohort.evidence[COHORT_REPORTED].background;

        assert_true(charged >= due && charged < due + 40);
        cohort_tick(&cohort, &rule);
    }
}

static void test_health_while_baking(void **state)
{
    const struct cohort_rule rule = rule_of();
    struct cohort cohort;
    int64_t charged;

    (void)state;
    cohort_start(&cohort, 100);
    cohort_expose(&cohort, &rule, 0, 1000);
    for (int i = 0; i < 9; i++)
        cohort_tick(&cohort, &rule);
    charged = cohort.evidence[COHORT_HEALTH].background;
    assert_int_equal(charged, 10 * 1000);
    cohort_baked(&cohort, 1000);
    cohort_tick(&cohort, &rule);
    assert_int_equal(cohort.evidence[COHORT_HEALTH].background, charged);
}

static void test_hold_and_lift(void **state)
{
    const struct cohort_rule rule = rule_of();
    enum cohort_channel channel = COHORT_CHANNEL_COUNT;
    struct cohort cohort;

    (void)state;
    cohort_start(&cohort, 100);
    assert_false(cohort_convicted(&cohort, &rule, true, &channel));
    while (!cohort_convicted(&cohort, &rule, true, &channel))
        evidence_event(&cohort.evidence[COHORT_HEALTH]);
    assert_int_equal(channel, COHORT_HEALTH);
    assert_false(cohort_convicted(&cohort, &rule, false, &channel)); /* asks for more */
    cohort_hold(&cohort, channel);
    assert_true(cohort.held);
    assert_false(cohort_convicted(&cohort, &rule, true, &channel)); /* once */
    cohort.exposure.exposed = 7;
    cohort_lift(&cohort);
    assert_false(cohort.held);
    assert_false(cohort_convicted(&cohort, &rule, true, &channel));
    assert_int_equal(cohort.exposure.exposed, 7);
    for (int i = 0; i < COHORT_CHANNEL_COUNT; i++)
        assert_non_null(cohort_channel_name((enum cohort_channel)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_background_by_tick),
        cmocka_unit_test(test_health_while_baking),
        cmocka_unit_test(test_hold_and_lift),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
