/* Two tenants in one server: neither sees, moves or counts what is the other's, and time passes
 * for both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/inspect.h"
#include "app/stage.h"
#include "app/survey.h"

static const uint16_t everybody[] = {1000, 0};

/* Two tenants with a device, a release and a rollout of the same names. */
struct world {
    struct stage stage;
    struct stage_device devices[2];
    int64_t rollouts[2];
};

static const char *const names[] = {"default", "other"};

static int open_world(void **state)
{
    static struct world world;

    stage_open(&world.stage, true);
    for (int i = 0; i < 2; i++) {
        stage_tenant(&world.stage, names[i]);
        stage_device(&world.stage, "gw-1", "a", "1.0", &world.devices[i]);
    }
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 2; i++) {
        stage_tenant(&world->stage, names[i]);
        stage_check(&world->stage);
    }
    stage_close(&world->stage);
    return 0;
}

static enum native_answer_kind poll(struct world *world, int i)
{
    struct native_answer answer;

    stage_tenant(&world->stage, names[i]);
    world->stage.now.ms += 1000;
    assert_int_equal(stage_poll(&world->stage, &world->devices[i], &answer), ERR_OK);
    return answer.kind;
}

static void start(struct world *world, int i)
{
    stage_tenant(&world->stage, names[i]);
    world->rollouts[i] =
        stage_rollout(&world->stage, "spring", stage_release(&world->stage, "2.0"), everybody);
}

static void test_a_rollout_reaches_its_own_tenant_only(void **state)
{
    struct world *world = *state;
    struct rollout_row row;

    start(world, 1);
    stage_rollout_read(&world->stage, world->rollouts[1], &row);
    assert_int_equal(row.rollout.selected, 1);
    assert_int_equal(poll(world, 0), NATIVE_NOTHING);
    assert_int_equal(poll(world, 1), NATIVE_INSTALL);
    start(world, 0);
    assert_int_equal(poll(world, 0), NATIVE_INSTALL);
}

static void test_certificates_of_one_are_nothing_to_the_other(void **state)
{
    struct world *world = *state;
    struct native_answer answer;

    stage_tenant(&world->stage, "default");
    assert_int_equal(stage_poll(&world->stage, &world->devices[1], &answer), ERR_UNTRUSTED);
    stage_tenant(&world->stage, "other");
    assert_int_equal(stage_poll(&world->stage, &world->devices[0], &answer), ERR_UNTRUSTED);
}

/* Ids count per tenant, so that of the one names something of the other, too. */
static void test_ids_name_what_is_ones_own(void **state)
{
    struct world *world = *state;
    struct native_verdict verdict;
    uint64_t id;

    start(world, 1);
    assert_int_equal(poll(world, 1), NATIVE_INSTALL);
    id = world->devices[1].assignment;
    stage_tenant(&world->stage, "default");
    world->devices[0].assignment = id;
    assert_int_equal(stage_report(&world->stage, &world->devices[0], PHASE_STAGED, &verdict),
                     ERR_NOT_FOUND);
    world->devices[0].assignment = 0;
    assert_int_equal(stage_number(&world->stage, "SELECT count(*) FROM report"), 0);
}

/* Silence, presence after a restart, and deletion. */
static void test_time_passes_for_both(void **state)
{
    struct world *world = *state;

    start(world, 0);
    start(world, 1);
    for (int i = 0; i < 2; i++) {
        struct native_verdict verdict;

        assert_int_equal(poll(world, i), NATIVE_INSTALL);
        assert_int_equal(stage_report(&world->stage, &world->devices[i], PHASE_STAGED, &verdict),
                         ERR_OK);
        assert_int_equal(verdict.kind, NATIVE_PROCEED);
    }
    stage_restart(&world->stage);
    for (int i = 0; i < 2; i++) {
        stage_tenant(&world->stage, names[i]);
        assert_true(stage_seen(&world->stage, "gw-1")->has_work);
    }
    world->stage.now.ms += 4000000;
    assert_int_equal(stage_tick(&world->stage), ERR_OK);
    for (int i = 0; i < 2; i++) {
        struct rollout_row row;

        stage_tenant(&world->stage, names[i]);
        stage_rollout_read(&world->stage, world->rollouts[i], &row);
        assert_int_equal(rollout_standing(&row.rollout, STANDING_SILENT), 1);
    }
}

static void test_explanations_and_counts_are_ones_own(void **state)
{
    struct world *world = *state;
    struct explanation explanation;
    struct survey_result found;

    start(world, 1);
    assert_int_equal(inspect_explain(&world->stage.app, 1, SPAN_LITERAL("gw-1"), world->stage.now,
                                     &explanation, NULL),
                     ERR_OK);
    assert_int_equal(explanation.reason, REASON_NO_ROLLOUT);
    for (int64_t tenant = 1; tenant <= 2; tenant++) {
        const struct survey_question question = {.tenant = tenant};

        world->stage.app.walk_left = SURVEY_SLICE; /* as in a transaction */
        assert_int_equal(survey_count(&world->stage.app, &question, world->stage.now, &found, NULL),
                         ERR_OK);
        assert_int_equal(found.meant.count, 1);
    }
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(test_a_rollout_reaches_its_own_tenant_only),
        WORLD(test_certificates_of_one_are_nothing_to_the_other),
        WORLD(test_ids_name_what_is_ones_own),
        WORLD(test_time_passes_for_both),
        WORLD(test_explanations_and_counts_are_ones_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
