/* The risk window: growth by evidence, refusal without it, late and missing devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fleet/exposure.h"
#include "fleet/limit.h"

#define LAST (EXPOSURE_RUNGS - 1)

static struct exposure_rule rule_of(uint32_t harmed_max)
{
    struct exposure_rule rule = {
        .harmed_max = harmed_max,
        .first_max = 100000,
        .mean = limit_mean(harmed_max, fixed_ln(200 * FIXED_ONE)),
        .refute = fixed_ln(600 * FIXED_ONE),
        .floor = fixed_ratio(3, 100),
        .sound = FIXED_ONE,
    };

    exposure_tabulate(&rule);
    return rule;
}

/* Exposes as many as it may. */
static uint32_t fill(struct exposure *exposure, const struct exposure_rule *rule)
{
    while (exposure->exposed < exposure->size &&
           exposure_look(exposure, rule).finding < EXPOSURE_UNHEARD)
        exposure_grant(exposure);
    return exposure->exposed;
}

static void all_pass(struct exposure *exposure, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++)
            exposure_pass(exposure, rung, 0);
    }
}

static void test_grows_by_evidence(void **state)
{
    struct exposure exposure = {.size = 20000};
    const struct exposure_rule rule = rule_of(50);
    uint32_t before = 0, rounds = 0;

    (void)state;
    assert_int_equal(fill(&exposure, &rule), 34); /* P(Poisson(34.4) > 50) = 0.5 % */
    while (exposure.exposed < exposure.size && rounds < 20) {
        all_pass(&exposure, exposure.exposed - before);
        before = exposure.exposed;
        assert_true(fill(&exposure, &rule) > before);
        rounds++;
    }
    assert_int_equal(exposure.exposed, 20000);
    assert_true(rounds <= 8);
    assert_int_equal(exposure_look(&exposure, &rule).finding, EXPOSURE_CLEARED);
}

/* Before the first ones are heard of, only so many; then half as many again as are well. */
static void test_first_ones_must_be_heard_of(void **state)
{
    struct exposure exposure = {.size = 20000};
    struct exposure_rule rule = rule_of(400);

    (void)state;
    rule.first_max = 32;
    assert_int_equal(fill(&exposure, &rule), 32);
    assert_int_equal(exposure_look(&exposure, &rule).finding, EXPOSURE_UNHEARD);
    exposure.well = 20;
    assert_int_equal(fill(&exposure, &rule), 62);
    exposure.size = 300; /* no more than K, and still */
    assert_int_equal(exposure_look(&exposure, &rule).finding, EXPOSURE_UNHEARD);
    exposure.well = 62;
    assert_int_equal(exposure_look(&exposure, &rule).finding, EXPOSURE_SMALL);
}

static void test_small_cohort_needs_nothing(void **state)
{
    struct exposure exposure = {.size = 50};
    const struct exposure_rule rule = rule_of(50);

    (void)state;
    assert_int_equal(fill(&exposure, &rule), 50);
    assert_int_equal(exposure_look(&exposure, &rule).finding, EXPOSURE_SMALL);
}

static void test_harm_shuts_it(void **state)
{
    struct exposure exposure = {.size = 20000};
    const struct exposure_rule rule = rule_of(50);

    (void)state;
    (void)fill(&exposure, &rule);
    for (uint32_t i = 0; i < 34; i++) {
        for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++)
            exposure_miss(&exposure, rung, FIXED_ONE);
    }
    assert_int_equal(fill(&exposure, &rule), 34);
    assert_int_equal(exposure_look(&exposure, &rule).price, FIXED_ONE);
    for (uint32_t i = 0; i < 34; i++) { /* an outage: all come back */
        for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++)
            exposure_forgive(&exposure, rung, FIXED_ONE, 0);
    }
    assert_true(fill(&exposure, &rule) > 100);
}

static void test_price_falls_with_evidence_and_rises_with_harm(void **state)
{
    struct exposure exposure = {.size = 20000, .exposed = 5000};
    const struct exposure_rule rule = rule_of(50);
    int64_t before = FIXED_ONE;

    (void)state;
    for (int i = 0; i < 300; i++) {
        int64_t price;

        all_pass(&exposure, 5);
        price = exposure_look(&exposure, &rule).price;
        assert_true(price <= before);
        before = price;
    }
    for (int i = 0; i < 30; i++) {
        int64_t price;

        exposure_turn(&exposure, 0, 0);
        exposure_turn(&exposure, 1, 0);
        exposure_turn(&exposure, LAST, 0);
        price = exposure_look(&exposure, &rule).price;
        assert_true(price > before);
        before = price;
    }
}

/* What is young reveals little of failures that come late; age alone reveals the rest. */
static void test_late_failures(void **state)
{
    struct exposure exposure = {.size = 20000, .exposed = 34};
    int64_t factor = fixed_exp(-FIXED_ONE / 48);

    (void)state;
    for (int i = 0; i < 34; i++)
        exposure_pass(&exposure, LAST, fixed_exp(-FIXED_ONE / 12));
    assert_true(exposure_revealed(&exposure, LAST) < 3 * FIXED_ONE);
    for (int i = 0; i < 48 * 5; i++) {
        int64_t before = exposure_revealed(&exposure, LAST);

        exposure_age(&exposure, factor);
        assert_true(exposure_revealed(&exposure, LAST) > before);
    }
    assert_true(exposure_revealed(&exposure, LAST) > 33 * FIXED_ONE);
    assert_true(exposure_revealed(&exposure, LAST) < 34 * FIXED_ONE);
}

static void test_background_is_subtracted(void **state)
{
    struct exposure exposure = {.size = 20000, .exposed = 1000}, other = exposure;
    const struct exposure_rule rule = rule_of(50);

    (void)state;
    all_pass(&exposure, 1000);
    all_pass(&other, 1000);
    for (int i = 0; i < 12; i++) {
        exposure_turn(&exposure, LAST, 0);
        exposure_turn(&other, LAST, 0);
    }
    for (int i = 0; i < 40; i++) {
        for (uint32_t rung = 0; rung < LAST; rung++) {
            exposure_turn(&exposure, rung, 0);
            exposure_turn(&other, rung, 0);
        }
    }
    exposure_expect(&other, LAST, 12 * FIXED_ONE);
    assert_true(exposure_look(&other, &rule).price <
                exposure_look(&exposure, &rule).price - fixed_ratio(11, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_by_evidence),
        cmocka_unit_test(test_first_ones_must_be_heard_of),
        cmocka_unit_test(test_small_cohort_needs_nothing),
        cmocka_unit_test(test_harm_shuts_it),
        cmocka_unit_test(test_price_falls_with_evidence_and_rises_with_harm),
        cmocka_unit_test(test_late_failures),
        cmocka_unit_test(test_background_is_subtracted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
