/* The recommended K follows what is at stake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fleet/urgency.h"

static const struct urgency usual = {.devices = 20000,
                                     .round_trip_h = 12,
                                     .doubt_ppm = 10000,
                                     .defect_ppm = 150000,
                                     .harm_cost = 100,
                                     .exploit_cost = 100,
                                     .exploit_ppm_day = 10,
                                     .least_harmed_max = 50,
                                     .approved_max = 400};

static void test_exploited(void **state)
{
    struct urgency urgency = usual;
    uint32_t before = 0;

    (void)state;
    for (uint32_t rate = 1; rate < 1000000; rate *= 10) {
        struct urgency_advice advice;

        urgency.exploit_ppm_day = rate;
        advice = urgency_advise(&urgency);
        assert_true(advice.harmed_max >= before);
        assert_int_equal(advice.needs_approval, advice.harmed_max > 400);
        before = advice.harmed_max;
    }
    assert_true(before > 400);
    urgency.exploit_ppm_day = 0;
    assert_int_equal(urgency_advise(&urgency).harmed_max, 50);
}

static void test_hours(void **state)
{
    (void)state;
    for (uint32_t k = 8; k < 20000; k *= 2)
        assert_true(urgency_hours(&usual, 2 * k) <= urgency_hours(&usual, k));
    assert_int_equal(urgency_hours(&usual, 1), UINT32_MAX);
    assert_int_equal(urgency_hours(&usual, 100000), 12);
}

static void test_edges(void **state)
{
    struct urgency urgency = usual;

    (void)state;
    urgency.devices = 10; /* fewer than the least K */
    assert_int_equal(urgency_advise(&urgency).harmed_max, 50);
    urgency.devices = 1u << 30;
    urgency.exploit_cost = urgency.harm_cost = UINT32_MAX;
    urgency.exploit_ppm_day = urgency.defect_ppm = 1000000;
    assert_true(urgency_advise(&urgency).harmed_max >= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exploited),
        cmocka_unit_test(test_hours),
        cmocka_unit_test(test_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
