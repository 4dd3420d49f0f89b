/* Rollouts that are judged by evidence, told as stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/inspect.h"
#include "app/judge.h"
#include "app/stage.h"
#include "base/check.h"

#define DEVICES 18u

/* With 90 % confidence at most 12 are harmed by whatever harms half of them or more. */
static const struct risk_plan twelve = {.harmed_max = 12,
                                        .doubt_ppm = 100000,
                                        .floor_ppm = 500000,
                                        .background_ppm = 1000,
                                        .observe_s = 3000};

struct scene {
    struct stage stage;
    struct stage_device devices[DEVICES];
    bool updated[DEVICES];
    int64_t rollout;
    bool restarts; /* the server starts anew after every event */
};

static void open_scene(struct scene *scene, uint32_t devices, bool durable)
{
    memset(scene, 0, sizeof *scene);
    stage_open(&scene->stage, durable);
    for (uint32_t i = 0; i < devices; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "gw-%u", i);
        stage_device(&scene->stage, name, i % 2 == 0 ? "a" : "b", "1.0", &scene->devices[i]);
    }
    scene->rollout =
        stage_judged(&scene->stage, "spring", stage_release(&scene->stage, "2.0"), &twelve);
}

static void close_scene(struct scene *scene)
{
    stage_check(&scene->stage);
    stage_close(&scene->stage);
}

static void after(struct scene *scene)
{
    if (scene->restarts)
        stage_restart(&scene->stage);
}

static void pass(struct scene *scene, int64_t seconds)
{
    scene->stage.now.ms += seconds * 1000;
    assert_int_equal(stage_tick(&scene->stage), ERR_OK);
    after(scene);
}

static enum native_verdict_kind report(struct scene *scene, uint32_t device,
                                       enum native_phase phase)
{
    struct native_verdict verdict;

    scene->stage.now.ms += 1000;
    assert_int_equal(stage_report(&scene->stage, &scene->devices[device], phase, &verdict), ERR_OK);
    after(scene);
    return verdict.kind;
}

static void poll(struct scene *scene, uint32_t device)
{
    struct native_answer answer;

    scene->stage.now.ms += 1000;
    assert_int_equal(stage_poll(&scene->stage, &scene->devices[device], &answer), ERR_OK);
    after(scene);
}

/* Fetch it and ask; whether it got leave. */
static bool asks(struct scene *scene, uint32_t device)
{
    poll(scene, device);
    if (scene->devices[device].assignment == 0)
        return false;
    return report(scene, device, PHASE_STAGED) == NATIVE_PROCEED;
}

static void succeeds(struct scene *scene, uint32_t device)
{
    stage_boot(&scene->devices[device], "2.0");
    assert_int_equal(report(scene, device, PHASE_SUCCEEDED), NATIVE_NOTED);
    scene->updated[device] = true;
}

static enum rollout_state state_of(struct scene *scene, enum rollout_cause *cause)
{
    struct rollout_row *row = calloc(1, sizeof *row);
    enum rollout_state state;

    assert_non_null(row);
    stage_rollout_read(&scene->stage, scene->rollout, row);
    state = row->rollout.state;
    if (cause)
        *cause = row->rollout.cause;
    free(row);
    return state;
}

static int64_t number(struct scene *scene, const char *sql)
{
    return stage_number(&scene->stage, sql);
}

/* ---- stories ---- */

static void tell_bad_release(struct scene *scene)
{
    uint32_t given = 0;

    pass(scene, 1);
    for (uint32_t i = 0; i < DEVICES; i++)
        given += asks(scene, i);
    assert_true(given >= 4 && given <= twelve.harmed_max);
    for (uint32_t i = 0; i < DEVICES && state_of(scene, NULL) == ROLLOUT_RUNNING; i++) {
        if (scene->devices[i].assignment != 0)
            (void)report(scene, i, PHASE_REVERTED);
    }
    pass(scene, 1);
}

static void test_a_bad_release_stops_within_the_limit(void **state)
{
    struct scene *scene = *state;
    enum rollout_cause cause;

    open_scene(scene, DEVICES, false);
    tell_bad_release(scene);
    assert_int_equal(state_of(scene, &cause), ROLLOUT_HALTED);
    assert_int_equal(cause, ROLLOUT_BY_JUDGE);
    assert_int_equal(number(scene, "SELECT count(*) FROM assignment WHERE standing = 1"), 0);
    assert_true(number(scene, "SELECT count(*) FROM assignment WHERE flipped_ms <> 0") <= 12);
    assert_int_equal(number(scene, "SELECT count(*) FROM rollout WHERE reason LIKE '%halted: % "
                                   "reported where %'"),
                     1);
    close_scene(scene);
}

static void tell_good_release(struct scene *scene)
{
    for (uint32_t round = 0; round < 60 && state_of(scene, NULL) == ROLLOUT_RUNNING; round++) {
        pass(scene, 300);
        for (uint32_t i = 0; i < DEVICES; i++) {
            if (scene->updated[i])
                poll(scene, i);
            else if (asks(scene, i))
                succeeds(scene, i);
        }
    }
    for (uint32_t i = 0; i < 4; i++)
        pass(scene, 400); /* all are seen within twice their deadline */
}

static void test_a_good_release_reaches_everybody(void **state)
{
    struct scene *scene = *state;

    open_scene(scene, DEVICES, false);
    tell_good_release(scene);
    assert_int_equal(state_of(scene, NULL), ROLLOUT_DONE);
    assert_int_equal(number(scene, "SELECT count(*) FROM assignment WHERE standing = 3"), DEVICES);
    close_scene(scene);
}

static void test_silence_after_the_flip_stops_it(void **state)
{
    struct scene *scene = *state;
    enum rollout_cause cause;

    open_scene(scene, DEVICES, false);
    pass(scene, 1);
    for (uint32_t i = 0; i < DEVICES; i++)
        (void)asks(scene, i);
    for (uint32_t i = 0; i < 40 && state_of(scene, NULL) == ROLLOUT_RUNNING; i++) {
        pass(scene, 100);
        for (uint32_t k = 0; k < DEVICES; k++) { /* the others go on talking */
            if (number(scene, "SELECT 1") == 1 && scene->devices[k].assignment != 0 && k >= 12)
                (void)asks(scene, k);
        }
    }
    assert_int_equal(state_of(scene, &cause), ROLLOUT_HALTED);
    assert_int_equal(cause, ROLLOUT_BY_JUDGE);
    assert_true(number(scene, "SELECT count(*) FROM assignment WHERE flipped_ms <> 0") <= 12);
    close_scene(scene);
}

static void test_the_same_answer_is_written_once(void **state)
{
    struct scene *scene = *state;
    struct explanation *why = calloc(1, sizeof *why);
    uint32_t last = DEVICES;
    int64_t entries;

    assert_non_null(why);
    open_scene(scene, DEVICES, false);
    pass(scene, 1);
    for (uint32_t i = 0; i < DEVICES; i++)
        last = asks(scene, i) ? last : i;
    assert_int_not_equal(last, DEVICES);
    entries = number(scene, "SELECT entries FROM risk");
    assert_int_equal(report(scene, last, PHASE_STAGED), NATIVE_HOLD);
    assert_int_equal(number(scene, "SELECT entries FROM risk"), entries);
    assert_int_equal(number(scene, "SELECT count(*) FROM risk_journal"), entries);
    assert_int_equal(inspect_explain(&scene->stage.app, 1, span_of(scene->devices[last].name),
                                     scene->stage.now, why, NULL),
                     ERR_OK);
    assert_int_equal(why->reason, REASON_RISK);
    assert_non_null(strstr(why->sentence, "waits for evidence: "));
    assert_non_null(strstr(why->sentence, "of everything have it"));
    close_scene(scene);
    free(why);
}

/* ---- one cohort ---- */

#define MANY 400u

static const struct risk_plan fifty = {.harmed_max = 50,
                                       .doubt_ppm = 10000,
                                       .floor_ppm = 100000,
                                       .background_ppm = 10000,
                                       .observe_s = 3000};

static enum err lift(struct stage *stage, void *self)
{
    struct rollout_row *row = calloc(1, sizeof *row);
    const char *cohort = self;
    enum err err;

    assert_non_null(row);
    stage_rollout_read(stage, 1, row);
    err = judge_lift(&stage->app, row, span_of(cohort), "token:ada", "a loose cable", stage->now,
                     &stage->why);
    free(row);
    return err;
}

/* Hardware "a" takes the release well; of "b", which is rare, every device falls back. */
static void test_one_cohort_is_held_and_let_go(void **state)
{
    struct stage_device *devices = calloc(MANY, sizeof *devices);
    struct stage *stage = &((struct scene *)*state)->stage;
    struct native_verdict verdict;
    struct native_answer answer;
    uint32_t bad = 0, held = 0;

    assert_non_null(devices);
    stage_open(stage, false);
    for (uint32_t i = 0; i < MANY; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "gw-%u", i);
        stage_device(stage, name, i % 40 == 39 ? "b" : "a", "1.0", &devices[i]);
    }
    (void)stage_judged(stage, "spring", stage_release(stage, "2.0"), &fifty);
    for (uint32_t round = 0; round < 40 && held == 0; round++) {
        stage->now.ms += 250000;
        assert_int_equal(stage_tick(stage), ERR_OK);
        for (uint32_t i = 0; i < MANY && held == 0; i++) {
            struct stage_device *device = &devices[i];

            assert_int_equal(stage_poll(stage, device, &answer), ERR_OK);
            if (device->assignment == 0 || device->boot_count > 1)
                continue;
            if (strcmp(device->hw, "b") == 0 && round < 8)
                continue; /* they fetch slowly */
            assert_int_equal(stage_report(stage, device, PHASE_STAGED, &verdict), ERR_OK);
            if (verdict.kind != NATIVE_PROCEED)
                continue;
            if (strcmp(device->hw, "b") == 0) {
                bad++;
                assert_int_equal(stage_report(stage, device, PHASE_REVERTED, &verdict), ERR_OK);
            } else {
                stage_boot(device, "2.0");
                assert_int_equal(stage_report(stage, device, PHASE_SUCCEEDED, &verdict), ERR_OK);
            }
            device->boot_count = 2;
            held = (uint32_t)stage_number(
                stage, "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE '%rollout.hold%'");
        }
    }
    assert_true(held >= 1);
    assert_true(bad >= 3 && bad < 10);
    assert_true(stage_number(stage, "SELECT state FROM rollout") != ROLLOUT_HALTED);
    for (uint32_t i = 0; i < MANY; i++) { /* who is left of "b" hears why */
        if (strcmp(devices[i].hw, "b") != 0 || devices[i].boot_count > 1)
            continue;
        assert_int_equal(stage_poll(stage, &devices[i], &answer), ERR_OK);
        assert_int_equal(stage_report(stage, &devices[i], PHASE_STAGED, &verdict), ERR_OK);
        assert_int_equal(verdict.kind, NATIVE_HOLD);
    }
    assert_int_equal(stage_run(stage, lift, (char[]){"hw=c"}), ERR_NOT_FOUND);
    assert_int_equal(stage_run(stage, lift, (char[]){"hw=a"}), ERR_INVALID);
    assert_int_equal(stage_run(stage, lift, (char[]){JUDGE_COHORT_OF_ALL}), ERR_INVALID);
    assert_int_equal(stage_run(stage, lift, (char[]){"hw=b"}), ERR_OK);
    assert_int_equal(stage_run(stage, lift, (char[]){"hw=b"}), ERR_INVALID);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE"
                                         " '%token:ada%rollout.lift%hw=b: a loose cable%'"),
                     1);
    stage_check(stage);
    stage_close(stage);
    free(devices);
}

/* ---- restarts ---- */

static void copy_journal(struct scene *scene, struct risk_entry_row **out, uint32_t *count)
{
    const uint32_t max = 4096;

    *out = calloc(max, sizeof **out);
    assert_non_null(*out);
    assert_int_equal(store_risk_entries(scene->stage.db, 1, scene->rollout, 0, max, *out, count),
                     ERR_OK);
    assert_true(*count > 20 && *count < max);
}

/* Whatever a restart may lose, it changes no decision. */
static void compare_with_restarts(struct scene *scene, void (*story)(struct scene *))
{
    struct risk_entry_row *straight, *restarted;
    uint32_t straight_count, restarted_count;

    open_scene(scene, DEVICES, true);
    story(scene);
    copy_journal(scene, &straight, &straight_count);
    close_scene(scene);
    open_scene(scene, DEVICES, true);
    scene->restarts = true;
    story(scene);
    copy_journal(scene, &restarted, &restarted_count);
    close_scene(scene);
    assert_int_equal(straight_count, restarted_count);
    for (uint32_t i = 0; i < straight_count; i++) {
        assert_int_equal(straight[i].size, restarted[i].size);
        assert_memory_equal(straight[i].bytes, restarted[i].bytes, straight[i].size);
    }
    free(straight);
    free(restarted);
}

static void test_restarts_change_nothing_of_a_good_story(void **state)
{
    compare_with_restarts(*state, tell_good_release);
}

static void test_restarts_change_nothing_of_a_bad_story(void **state)
{
    compare_with_restarts(*state, tell_bad_release);
}

/* ---- trouble ---- */

static void test_a_journal_that_does_not_compute_stops_the_rollout(void **state)
{
    struct scene *scene = *state;
    enum rollout_cause cause;

    open_scene(scene, DEVICES, true);
    pass(scene, 1);
    for (uint32_t i = 0; i < 12; i++)
        (void)asks(scene, i);
    assert_int_equal(db_script(scene->stage.db, "DELETE FROM risk_journal WHERE number = 2"),
                     ERR_OK);
    stage_restart(&scene->stage);
    assert_false(asks(scene, 13));
    pass(scene, 1);
    assert_int_equal(state_of(scene, &cause), ROLLOUT_HALTED);
    assert_int_equal(cause, ROLLOUT_BY_JUDGE);
    assert_int_equal(
        number(scene, "SELECT count(*) FROM rollout WHERE reason LIKE '%does not compute%'"), 1);
    close_scene(scene);
}

/* A transaction that is lost takes what the judge has learnt in it along. */
static void test_what_is_lost_was_not_learnt(void **state)
{
    struct scene *scene = *state;
    struct native_verdict verdict;
    struct native_answer answer;
    int64_t entries;

    open_scene(scene, DEVICES, true);
    pass(scene, 1);
    assert_true(asks(scene, 0));
    entries = number(scene, "SELECT entries FROM risk");
    assert_int_equal(stage_poll(&scene->stage, &scene->devices[1], &answer), ERR_OK);
    for (uint32_t at = 1; at < 600; at++) {
        db_failing_arm(scene->stage.db, at);
        if (stage_report(&scene->stage, &scene->devices[1], PHASE_STAGED, &verdict) == ERR_OK)
            break;
        db_failing_arm(scene->stage.db, 0);
        assert_int_equal(number(scene, "SELECT entries FROM risk"), entries);
    }
    db_failing_arm(scene->stage.db, 0);
    assert_int_equal(verdict.kind, NATIVE_PROCEED);
    assert_int_equal(number(scene, "SELECT count(*) FROM risk_journal"),
                     number(scene, "SELECT entries FROM risk"));
    stage_restart(&scene->stage);
    assert_true(asks(scene, 2));
    close_scene(scene);
}

static void test_impossible_wishes(void **state)
{
    const struct rollout_plan plan = {.deadline_s = 1000};
    struct risk_plan wish = twelve;
    struct why why = {0};

    (void)state;
    assert_int_equal(judge_check(&wish, &plan, 50, &why), ERR_OK);
    wish.harmed_max = 2;
    assert_int_equal(judge_check(&wish, &plan, 1000, &why), ERR_INVALID);
    assert_string_equal(why.field, "max_harmed");
    assert_int_equal(judge_check(&wish, &plan, 2, &why), ERR_OK);
    wish = twelve;
    wish.background_ppm = wish.floor_ppm;
    assert_int_equal(judge_check(&wish, &plan, 1000, &why), ERR_INVALID);
    assert_string_equal(why.field, "floor_percent");
    wish = twelve;
    wish.observe_s = 10;
    assert_int_equal(judge_check(&wish, &plan, 1000, &why), ERR_INVALID);
    assert_string_equal(why.field, "observe_s");
}

static int prepare(void **state)
{
    static struct scene scene;

    *state = &scene;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bad_release_stops_within_the_limit),
        cmocka_unit_test(test_a_good_release_reaches_everybody),
        cmocka_unit_test(test_silence_after_the_flip_stops_it),
        cmocka_unit_test(test_the_same_answer_is_written_once),
        cmocka_unit_test(test_one_cohort_is_held_and_let_go),
        cmocka_unit_test(test_restarts_change_nothing_of_a_good_story),
        cmocka_unit_test(test_restarts_change_nothing_of_a_bad_story),
        cmocka_unit_test(test_a_journal_that_does_not_compute_stops_the_rollout),
        cmocka_unit_test(test_what_is_lost_was_not_learnt),
        cmocka_unit_test(test_impossible_wishes),
    };

    return cmocka_run_group_tests(tests, prepare, NULL);
}
