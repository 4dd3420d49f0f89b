/* What a rollout's plan may say, and the words and goals that come from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "fleet/rollout.h"

struct plan_case {
    const char *field;
    struct rollout_plan plan;
};

static struct rollout_plan sound_plan(void)
{
    return (struct rollout_plan){
        .stage_count = 2,
        .deadline_s = 100,
        .stages = {{.permille = 100, .gate = {.sample_min = 1}},
                   {.permille = 1000, .gate = {.failures_permille = 200, .sample_min = 5}}},
    };
}

static void test_plan_check_names_the_field(void **state)
{
    const struct rollout_stage all = {.permille = 1000};
    const struct plan_case cases[] = {
        {"stages", {.deadline_s = 1}},
        {"stages", {.deadline_s = 1, .stage_count = 17}},
        {"stages[0].percent", {.deadline_s = 1, .stage_count = 1}},
        {"stages[0].percent", {.deadline_s = 1, .stage_count = 1, .stages = {{.permille = 1001}}}},
        {"stages[0].percent",
         {.deadline_s = 1, .stage_count = 1, .stages = {{.permille = 10, .count = 1}}}},
        {"stages[1].percent", {.deadline_s = 1, .stage_count = 2, .stages = {all, all}}},
        {"stages[1].count",
         {.deadline_s = 1, .stage_count = 2, .stages = {{.count = 5}, {.count = 5}}}},
        {"stages[0].soak_s",
         {.deadline_s = 1,
          .stage_count = 1,
          .stages = {{.permille = 1000, .soak_s = ROLLOUT_SOAK_MAX_S + 1}}}},
        {"stages[0].failure_percent",
         {.deadline_s = 1,
          .stage_count = 1,
          .stages = {{.permille = 1000, .gate = {.failures_permille = 1001}}}}},
        {"deadline_s", {.stage_count = 1, .stages = {all}}},
        {"deadline_s",
         {.deadline_s = ROLLOUT_DEADLINE_MAX_S + 1, .stage_count = 1, .stages = {all}}},
        {"retry_limit", {.deadline_s = 1, .retry_limit = 11, .stage_count = 1, .stages = {all}}},
        {"end_at",
         {.deadline_s = 1,
          .stage_count = 1,
          .stages = {all},
          .start_at = {5000},
          .end_at = {5000}}},
    };
    struct rollout_plan good = sound_plan();
    struct why why = {0};

    (void)state;
    assert_int_equal(rollout_plan_check(&good, &why), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        why_clear(&why);
        assert_int_equal(rollout_plan_check(&cases[i].plan, &why), ERR_INVALID);
        assert_string_equal(why.field, cases[i].field);
        assert_true(why.text[0] != '\0');
    }
}

static void test_names(void **state)
{
    enum rollout_state found;

    (void)state;
    for (enum rollout_state i = 0; i < ROLLOUT_STATE_COUNT; i++) {
        assert_int_equal(rollout_state_parse(span_of(rollout_state_name(i)), &found), ERR_OK);
        assert_int_equal(found, i);
    }
    assert_int_equal(rollout_state_parse(span_of("stopped"), &found), ERR_NOT_FOUND);
    for (enum rollout_cause i = 0; i < ROLLOUT_CAUSE_COUNT; i++)
        assert_non_null(rollout_cause_name(i));
}

static void test_goals(void **state)
{
    struct rollout rollout = {.plan = sound_plan()};

    (void)state;
    rollout.selected = 3;
    assert_int_equal(rollout_goal(&rollout, 0), 1); /* 10 % of 3 is somebody */
    rollout.plan.stages[0] = (struct rollout_stage){.count = 5};
    assert_int_equal(rollout_goal(&rollout, 0), 3); /* not more than there are */
    rollout.selected = UINT32_MAX;
    assert_int_equal(rollout_goal(&rollout, 1), UINT32_MAX);
    rollout.selected = 0;
    assert_int_equal(rollout_goal(&rollout, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_check_names_the_field),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_goals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
