/* Rollouts told as stories: the test's expectation is the log a person would read. The fleet in
 * the story is a handful of real assignments, so the tallies are those of assignment_step(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "fleet/rollout.h"

#define DEVICES 40

struct story {
    struct rollout rollout;
    struct assignment devices[DEVICES];
    unsigned in_reach; /* devices 0..in_reach-1 can be admitted */
    struct utc now;
    char trace[8192];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void say(struct story *story, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    story->size += (size_t)vsnprintf(story->trace + story->size, sizeof story->trace - story->size,
                                     format, args);
    va_end(args);
    CHECK(story->size < sizeof story->trace);
}

static void carry_out(struct story *story, const struct rollout_effects *effects);

static void give(struct story *story, struct rollout_event event)
{
    struct rollout_effects effects;
    struct why why = {0};
    enum err err;

    event.now = story->now;
    err = rollout_step(&story->rollout, &event, &effects, &why);
    if (err != ERR_OK)
        say(story, " refused: %s", why.text);
    for (int i = 0; i < effects.count; i++) {
        const struct rollout_effect *effect = &effects.list[i];

        say(story, " -> %s", rollout_effect_name(effect->kind));
        if (effect->kind != ROLLOUT_NOTIFY)
            say(story, " %u", effect->count);
    }
    if (err == ERR_OK)
        carry_out(story, &effects);
}

/* Step one assignment and tell the rollout what it must hear. */
static void step(struct story *story, unsigned device, enum assignment_event_kind kind,
                 bool *matters, struct assignment_change *change)
{
    struct assignment_policy policy = rollout_policy(&story->rollout);
    struct assignment_event event = {.kind = kind,
                                     .now = story->now,
                                     .running_target = true,
                                     .err = ERR_CORRUPT,
                                     .stage = story->rollout.stage};

    *matters = assignment_step(&story->devices[device], &event, &policy, change) == ERR_OK &&
               assignment_change_matters(change);
}

static void admit(struct story *story, uint32_t count)
{
    struct assignment_change change;
    uint32_t done = 0;
    bool matters;

    for (unsigned i = 0; i < story->in_reach && done < count; i++) {
        if (!assignment_admissible(&story->devices[i], story->now))
            continue;
        step(story, i, ASSIGNMENT_EV_ADMIT, &matters, &change);
        done++;
    }
    say(story, "; admitted %u", done);
    give(story, (struct rollout_event){.kind = ROLLOUT_EV_ADMITTED, .count = done});
}

static void recall(struct story *story)
{
    uint32_t counts[ROLLOUT_STAGES_MAX] = {0};
    struct assignment_change change;
    bool matters;

    for (unsigned i = 0; i < DEVICES; i++) {
        if (story->devices[i].standing != STANDING_WAITING)
            continue;
        step(story, i, ASSIGNMENT_EV_RECALL, &matters, &change);
        counts[change.stage]++;
    }
    for (uint8_t i = 0; i < story->rollout.plan.stage_count; i++)
        if (counts[i] != 0)
            give(story, (struct rollout_event){
                            .kind = ROLLOUT_EV_RECALLED, .stage = i, .count = counts[i]});
}

static void revert(struct story *story)
{
    struct assignment_change change;
    bool matters;

    for (unsigned i = 0; i < DEVICES; i++) {
        step(story, i, ASSIGNMENT_EV_REVERT, &matters, &change);
        if (matters)
            give(story, (struct rollout_event){.kind = ROLLOUT_EV_MOVED, .change = &change});
    }
}

static void carry_out(struct story *story, const struct rollout_effects *effects)
{
    for (int i = 0; i < effects->count; i++) {
        if (effects->list[i].kind == ROLLOUT_ADMIT)
            admit(story, effects->list[i].count);
        else if (effects->list[i].kind == ROLLOUT_RECALL)
            recall(story);
        else if (effects->list[i].kind == ROLLOUT_REVERT)
            revert(story);
    }
}

static void at(struct story *story, int64_t second, struct rollout_event event)
{
    story->now.ms = second * 1000;
    say(story, "[%4lld] %s", (long long)second, rollout_event_name(event.kind));
    if (event.kind == ROLLOUT_EV_START)
        say(story, " %u", event.count);
    give(story, event);
    say(story, " (%s)\n", rollout_state_name(story->rollout.state));
}

static void tick(struct story *story, int64_t second)
{
    at(story, second, (struct rollout_event){.kind = ROLLOUT_EV_TICK});
}

static void by_hand(struct story *story, int64_t second, enum rollout_event_kind kind)
{
    at(story, second, (struct rollout_event){.kind = kind});
}

static void start(struct story *story, int64_t second, uint32_t selected)
{
    at(story, second, (struct rollout_event){.kind = ROLLOUT_EV_START, .count = selected});
}

static void device(struct story *story, int64_t second, unsigned device,
                   enum assignment_event_kind kind)
{
    struct assignment_change change;
    bool matters;

    story->now.ms = second * 1000;
    say(story, "[%4lld] device %u %s", (long long)second, device, assignment_event_name(kind));
    step(story, device, kind, &matters, &change);
    say(story, ": %s", assignment_state_name(story->devices[device].state));
    if (matters)
        give(story, (struct rollout_event){.kind = ROLLOUT_EV_MOVED, .change = &change});
    say(story, " (%s)\n", rollout_state_name(story->rollout.state));
}

/* The whole way to the flip, without lines in the log. */
static void flip(struct story *story, int64_t second, unsigned first, unsigned count)
{
    static const enum assignment_event_kind way[] = {ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT};
    struct assignment_change change;
    size_t size = story->size;
    bool matters;

    story->now.ms = second * 1000;
    for (unsigned i = first; i < first + count; i++) {
        for (size_t j = 0; j < COUNT_OF(way); j++) {
            step(story, i, way[j], &matters, &change);
            if (matters)
                give(story, (struct rollout_event){.kind = ROLLOUT_EV_MOVED, .change = &change});
        }
    }
    CHECK(story->size == size); /* nothing came of it */
    say(story, "[%4lld] devices %u..%u flip\n", (long long)second, first, first + count - 1);
}

static void devices(struct story *story, int64_t second, unsigned first, unsigned count,
                    enum assignment_event_kind kind)
{
    for (unsigned i = first; i < first + count; i++)
        device(story, second, i, kind);
}

static void explain(struct story *story)
{
    char text[512];
    struct buf buf = buf_over(text, sizeof text);

    rollout_explain(&story->rollout, story->now, &buf);
    say(story, "       = %s\n", buf_finish_text(&buf));
}

static struct story *tell(void)
{
    static struct story story;

    story = (struct story){.in_reach = DEVICES};
    story.rollout.plan = (struct rollout_plan){
        .stage_count = 2,
        .deadline_s = 100,
        .stages = {{.permille = 100,
                    .soak_s = 60,
                    .gate = {.failures_permille = 0, .failures_count = 0, .sample_min = 1}},
                   {.permille = 1000,
                    .soak_s = 10,
                    .gate = {.failures_permille = 200, .sample_min = 5}}},
    };
    return &story;
}

static void test_good_release(void **state)
{
    struct story *story = tell();

    (void)state;
    tick(story, 0);
    start(story, 1, 10);
    explain(story);
    flip(story, 2, 0, 1);
    tick(story, 3);
    device(story, 5, 0, ASSIGNMENT_EV_TRIAL);
    device(story, 9, 0, ASSIGNMENT_EV_SUCCEEDED);
    tick(story, 10);
    explain(story);
    tick(story, 68);
    tick(story, 69);
    flip(story, 70, 1, 9);
    devices(story, 71, 1, 9, ASSIGNMENT_EV_SUCCEEDED);
    tick(story, 80);
    tick(story, 81);
    explain(story);
    by_hand(story, 90, ROLLOUT_EV_PAUSE);
    assert_string_equal(
        story->trace,
        "[   0] tick refused: the rollout is draft, which excludes \"tick\" (draft)\n"
        "[   1] start 10 -> admit 1 -> notify; admitted 1 (running)\n"
        "       = stage 1 of 2: 1 device on the way, 0 flipped without an outcome yet\n"
        "[   2] devices 0..0 flip\n"
        "[   3] tick (running)\n"
        "[   5] device 0 trial: trial (running)\n"
        "[   9] device 0 succeeded: succeeded (running)\n"
        "[  10] tick (running)\n"
        "       = stage 1 of 2 soaks until 1970-01-01T00:01:09Z\n"
        "[  68] tick (running)\n"
        "[  69] tick -> admit 9 -> notify; admitted 9 (running)\n"
        "[  70] devices 1..9 flip\n"
        "[  71] device 1 succeeded: succeeded (running)\n"
        "[  71] device 2 succeeded: succeeded (running)\n"
        "[  71] device 3 succeeded: succeeded (running)\n"
        "[  71] device 4 succeeded: succeeded (running)\n"
        "[  71] device 5 succeeded: succeeded (running)\n"
        "[  71] device 6 succeeded: succeeded (running)\n"
        "[  71] device 7 succeeded: succeeded (running)\n"
        "[  71] device 8 succeeded: succeeded (running)\n"
        "[  71] device 9 succeeded: succeeded (running)\n"
        "[  80] tick (running)\n"
        "[  81] tick -> notify (done)\n"
        "       = 10 devices run the release\n"
        "[  90] pause refused: the rollout is done, which excludes \"pause\" (done)\n");
}

static void test_bad_release_halts_and_recalls(void **state)
{
    struct story *story = tell();

    (void)state;
    story->rollout.plan.stages[0].permille = 500;
    story->rollout.plan.stages[0].gate =
        (struct gate_rule){.failures_permille = 300, .sample_min = 3};
    start(story, 1, 10);
    flip(story, 2, 0, 4);
    device(story, 3, 0, ASSIGNMENT_EV_REVERTED);
    device(story, 4, 1, ASSIGNMENT_EV_SUCCEEDED);
    device(story, 5, 2, ASSIGNMENT_EV_SUCCEEDED);
    explain(story);
    device(story, 6, 4, ASSIGNMENT_EV_STAGED);
    tick(story, 7);
    device(story, 8, 3, ASSIGNMENT_EV_SUCCEEDED); /* had flipped: runs its course */
    device(story, 9, 4, ASSIGNMENT_EV_OBEYED);
    by_hand(story, 20, ROLLOUT_EV_ADVANCE);
    by_hand(story, 21, ROLLOUT_EV_RESUME);
    flip(story, 22, 4, 1);
    device(story, 23, 4, ASSIGNMENT_EV_SUCCEEDED);
    tick(story, 24);
    tick(story, 83);
    by_hand(story, 84, ROLLOUT_EV_ABORT);
    explain(story);
    assert_string_equal(
        story->trace,
        "[   1] start 10 -> admit 5 -> notify; admitted 5 (running)\n"
        "[   2] devices 0..3 flip\n"
        "[   3] device 0 reverted: reverted (running)\n"
        "[   4] device 1 succeeded: succeeded (running)\n"
        "[   5] device 2 succeeded: succeeded -> recall 1 -> notify (halted)\n"
        "       = halted by the gate of stage 1: 1 of 3 outcomes is bad (1 reported, 0 silent): "
        "33.3 %, the limit is 30.0 %\n"
        "[   6] device 4 staged: recalled (halted)\n"
        "[   7] tick (halted)\n"
        "[   8] device 3 succeeded: succeeded (halted)\n"
        "[   9] device 4 obeyed: recalled (halted)\n"
        "[  20] advance refused: the rollout is halted, which excludes \"advance\" (halted)\n"
        "[  21] resume -> admit 1 -> notify; admitted 1 (running)\n"
        "[  22] devices 4..4 flip\n"
        "[  23] device 4 succeeded: succeeded (running)\n"
        "[  24] tick (running)\n"
        "[  83] tick -> admit 5 -> notify; admitted 5 (running)\n"
        "[  84] abort -> recall 5 -> notify (aborted)\n"
        "       = aborted by an operator in stage 2 of 2\n");
}

static void test_silence_counts_and_is_corrected(void **state)
{
    struct story *story = tell();

    (void)state;
    story->rollout.plan.stages[0].gate =
        (struct gate_rule){.failures_permille = GATE_PERMILLE_OFF, .failures_count = 2};
    story->rollout.plan.stages[0].permille = 0;
    story->rollout.plan.stages[0].count = 3;
    start(story, 1, 10);
    flip(story, 2, 0, 3);
    device(story, 102, 0, ASSIGNMENT_EV_OVERDUE);
    device(story, 110, 0, ASSIGNMENT_EV_SUCCEEDED); /* late, and good after all */
    device(story, 111, 1, ASSIGNMENT_EV_OVERDUE);
    device(story, 112, 2, ASSIGNMENT_EV_OVERDUE);
    explain(story);
    by_hand(story, 120, ROLLOUT_EV_RESUME);
    device(story, 121, 1, ASSIGNMENT_EV_SUCCEEDED); /* was forgiven: old news */
    tick(story, 122);
    tick(story, 180);
    flip(story, 181, 3, 7);
    device(story, 182, 0, ASSIGNMENT_EV_STRAYED); /* forgiven good turns bad: new evidence */
    explain(story);
    assert_string_equal(
        story->trace,
        "[   1] start 10 -> admit 3 -> notify; admitted 3 (running)\n"
        "[   2] devices 0..2 flip\n"
        "[ 102] device 0 overdue: silent (running)\n"
        "[ 110] device 0 succeeded: succeeded (running)\n"
        "[ 111] device 1 overdue: silent (running)\n"
        "[ 112] device 2 overdue: silent -> notify (halted)\n"
        "       = halted by the gate of stage 1: 2 of 3 outcomes are bad (0 reported, 2 silent), "
        "the limit is 2\n"
        "[ 120] resume -> notify (running)\n"
        "[ 121] device 1 succeeded: succeeded (running)\n"
        "[ 122] tick (running)\n"
        "[ 180] tick (running)\n"
        "[ 181] devices 3..9 flip\n"
        "[ 182] device 0 strayed: reverted (running)\n"
        "       = stage 1 of 2 soaks until 1970-01-01T00:03:01Z\n");
    assert_int_equal(rollout_verdict(&story->rollout, 0).evidence.reported, 1);
    assert_int_equal(rollout_verdict(&story->rollout, 0).evidence.good, 0);
    assert_int_equal(rollout_verdict(&story->rollout, 0).evidence.silent, 0);
}

/* Offline devices neither block a stage for ever nor dilute its rate. */
static void test_offline_devices_give_their_slot_back(void **state)
{
    struct story *story = tell();

    (void)state;
    story->rollout.plan.stages[0].permille = 300;
    start(story, 1, 10);
    flip(story, 2, 0, 2);
    devices(story, 3, 0, 2, ASSIGNMENT_EV_SUCCEEDED);
    device(story, 101, 2, ASSIGNMENT_EV_OVERDUE); /* dark before the flip: neither good nor bad */
    story->in_reach = 2;
    tick(story, 102);
    explain(story);
    tick(story, 103);
    tick(story, 112);
    tick(story, 113);
    story->in_reach = 8; /* 2 of 10 stay away */
    tick(story, 123);
    flip(story, 124, 2, 6);
    devices(story, 125, 2, 6, ASSIGNMENT_EV_SUCCEEDED);
    tick(story, 134);
    tick(story, 135);
    explain(story);
    story->in_reach = 9; /* one comes back */
    tick(story, 200);
    flip(story, 201, 8, 1);
    device(story, 202, 8, ASSIGNMENT_EV_SUCCEEDED);
    by_hand(story, 300, ROLLOUT_EV_ABORT);
    explain(story);
    by_hand(story, 301, ROLLOUT_EV_ABORT);
    tick(story, 302);
    assert_string_equal(
        story->trace,
        "[   1] start 10 -> admit 3 -> notify; admitted 3 (running)\n"
        "[   2] devices 0..1 flip\n"
        "[   3] device 0 succeeded: succeeded (running)\n"
        "[   3] device 1 succeeded: succeeded (running)\n"
        "[ 101] device 2 overdue: withdrawn (running)\n"
        "[ 102] tick -> admit 1; admitted 0 (running)\n"
        "       = stage 1 of 2: 0 devices on the way, 0 flipped without an outcome yet, room for "
        "1 device more, of whom none is in reach\n"
        "[ 103] tick -> admit 8 -> notify; admitted 0 (running)\n"
        "[ 112] tick (running)\n"
        "[ 113] tick -> admit 8; admitted 0 (running)\n"
        "[ 123] tick -> admit 8; admitted 6 (running)\n"
        "[ 124] devices 2..7 flip\n"
        "[ 125] device 2 succeeded: succeeded (running)\n"
        "[ 125] device 3 succeeded: succeeded (running)\n"
        "[ 125] device 4 succeeded: succeeded (running)\n"
        "[ 125] device 5 succeeded: succeeded (running)\n"
        "[ 125] device 6 succeeded: succeeded (running)\n"
        "[ 125] device 7 succeeded: succeeded (running)\n"
        "[ 134] tick (running)\n"
        "[ 135] tick -> notify (done)\n"
        "       = 8 devices run the release, 2 devices still to come back\n"
        "[ 200] tick -> admit 2; admitted 1 (done)\n"
        "[ 201] devices 8..8 flip\n"
        "[ 202] device 8 succeeded: succeeded (done)\n"
        "[ 300] abort -> notify (done)\n"
        "       = 9 devices run the release, 1 device not reached\n"
        "[ 301] abort refused: the rollout is done and closed (done)\n"
        "[ 302] tick (done)\n");
}

static void test_nobody_in_reach_proves_nothing(void **state)
{
    struct story *story = tell();

    (void)state;
    story->in_reach = 0;
    start(story, 1, 10);
    tick(story, 500);
    by_hand(story, 501, ROLLOUT_EV_ADVANCE);
    by_hand(story, 502, ROLLOUT_EV_ADVANCE);
    assert_string_equal(story->trace,
                        "[   1] start 10 -> admit 1 -> notify; admitted 0 (running)\n"
                        "[ 500] tick -> admit 1; admitted 0 (running)\n"
                        "[ 501] advance -> admit 10 -> notify; admitted 0 (running)\n"
                        "[ 502] advance refused: the rollout is in its last stage (running)\n");
}

/* Each ask is a look at the whole selection: they become rarer while nothing happens. */
static void test_asks_become_rarer(void **state)
{
    struct story *story = tell();
    unsigned asks = 0;

    (void)state;
    story->in_reach = 0;
    start(story, 0, 10);
    for (int64_t second = 1; second <= 7200; second++) {
        story->size = 0;
        tick(story, second);
        asks += strstr(story->trace, "admit 1;") != NULL;
    }
    assert_in_range(asks, 30, 50);
}

/* An outcome is stamped ten years ahead, then the clock is put right: the soak is not ten years. */
static void test_clock_that_was_ahead(void **state)
{
    const int64_t ahead = 315360000;
    struct story *story = tell();

    (void)state;
    start(story, 1, 10);
    flip(story, ahead, 0, 1);
    device(story, ahead, 0, ASSIGNMENT_EV_SUCCEEDED);
    story->size = 0;
    tick(story, 10);
    tick(story, 69);
    tick(story, 70);
    assert_string_equal(story->trace, "[  10] tick (running)\n"
                                      "[  69] tick (running)\n"
                                      "[  70] tick -> admit 9 -> notify; admitted 9 (running)\n");
}

static void test_approval_and_calendar(void **state)
{
    struct story *story = tell();

    (void)state;
    story->rollout.plan.needs_approval = true;
    story->rollout.plan.start_at.ms = 100000;
    story->rollout.plan.end_at.ms = 200000;
    explain(story);
    start(story, 1, 10);
    by_hand(story, 2, ROLLOUT_EV_APPROVE);
    start(story, 3, 0);
    tick(story, 100); /* nobody selected yet */
    at(story, 101, (struct rollout_event){.kind = ROLLOUT_EV_SELECTED, .count = 10});
    explain(story);
    tick(story, 102);
    by_hand(story, 103, ROLLOUT_EV_PAUSE);
    explain(story);
    device(story, 104, 0, ASSIGNMENT_EV_STAGED);
    tick(story, 105);
    by_hand(story, 106, ROLLOUT_EV_RESUME);
    flip(story, 107, 0, 1);
    tick(story, 200);
    device(story, 201, 0, ASSIGNMENT_EV_SUCCEEDED); /* flipped: still counts */
    explain(story);
    by_hand(story, 202, ROLLOUT_EV_RESUME);
    assert_string_equal(
        story->trace,
        "       = a draft that waits for approval\n"
        "[   1] start 10 refused: the rollout needs an approval before it may start (draft)\n"
        "[   2] approve -> notify (approved)\n"
        "[   3] start 0 refused: the selector matches no device that needs the release (approved)\n"
        "[ 100] tick (approved)\n"
        "[ 101] selected (approved)\n"
        "       = starts at 1970-01-01T00:01:40Z\n"
        "[ 102] tick -> admit 1 -> notify; admitted 1 (running)\n"
        "[ 103] pause -> notify (paused)\n"
        "       = paused by an operator in stage 1 of 2\n"
        "[ 104] device 0 staged: staged (paused)\n"
        "[ 105] tick (paused)\n"
        "[ 106] resume -> notify (running)\n"
        "[ 107] devices 0..0 flip\n"
        "[ 200] tick -> notify (aborted)\n"
        "[ 201] device 0 succeeded: succeeded (aborted)\n"
        "       = ended on schedule in stage 1 of 2\n"
        "[ 202] resume refused: the rollout is aborted, which excludes \"resume\" (aborted)\n");
}

static void test_rollback_of_all_that_flipped(void **state)
{
    struct story *story = tell();

    (void)state;
    story->rollout.plan.stages[0].permille = 500;
    start(story, 1, 10);
    by_hand(story, 2, ROLLOUT_EV_ROLLBACK);
    flip(story, 3, 0, 4);
    device(story, 4, 0, ASSIGNMENT_EV_SUCCEEDED);
    device(story, 5, 1, ASSIGNMENT_EV_TRIAL);
    device(story, 6, 2, ASSIGNMENT_EV_OVERDUE);
    by_hand(story, 7, ROLLOUT_EV_ROLLBACK); /* halted by the silent one; device 3 is switching */
    explain(story);
    device(story, 8, 0, ASSIGNMENT_EV_BACK);
    device(story, 9, 1, ASSIGNMENT_EV_FAILED);
    tick(story, 10);
    device(story, 11, 3, ASSIGNMENT_EV_TRIAL);
    tick(story, 12);
    device(story, 13, 3, ASSIGNMENT_EV_BACK);
    tick(story, 14);
    device(story, 15, 2, ASSIGNMENT_EV_OVERDUE);
    tick(story, 16);
    explain(story);
    device(story, 17, 2, ASSIGNMENT_EV_BACK); /* later still */
    explain(story);
    assert_string_equal(
        story->trace,
        "[   1] start 10 -> admit 5 -> notify; admitted 5 (running)\n"
        "[   2] rollback refused: no device runs this release because of the rollout (running)\n"
        "[   3] devices 0..3 flip\n"
        "[   4] device 0 succeeded: succeeded (running)\n"
        "[   5] device 1 trial: trial (running)\n"
        "[   6] device 2 overdue: silent -> recall 1 -> notify (halted)\n"
        "[   7] rollback -> revert 4 -> notify (rolling-back)\n"
        "       = 0 devices went back, 3 told to, 1 not told yet, 0 could not or do not answer\n"
        "[   8] device 0 back: rolled-back (rolling-back)\n"
        "[   9] device 1 failed: stranded (rolling-back)\n"
        "[  10] tick -> revert 1 (rolling-back)\n"
        "[  11] device 3 trial: trial (rolling-back)\n"
        "[  12] tick -> revert 1 (rolling-back)\n"
        "[  13] device 3 back: rolled-back (rolling-back)\n"
        "[  14] tick (rolling-back)\n"
        "[  15] device 2 overdue: stranded (rolling-back)\n"
        "[  16] tick -> notify (rolled-back)\n"
        "       = 2 devices went back, 0 told to, 0 not told yet, 2 could not or do not answer\n"
        "[  17] device 2 back: rolled-back (rolled-back)\n"
        "       = 3 devices went back, 0 told to, 0 not told yet, 1 could not or do not answer\n");
}

/* A sample larger than the stage must not let a stage of failures pass unjudged. */
static void test_small_stage_is_judged_whole(void **state)
{
    struct story *story = tell();

    (void)state;
    story->rollout.plan.stages[0].gate =
        (struct gate_rule){.failures_permille = 200, .sample_min = 50};
    start(story, 1, 30);
    flip(story, 2, 0, 3);
    device(story, 3, 0, ASSIGNMENT_EV_REVERTED);
    device(story, 4, 1, ASSIGNMENT_EV_REVERTED);
    device(story, 5, 2, ASSIGNMENT_EV_REVERTED);
    assert_int_equal(story->rollout.state, ROLLOUT_HALTED);
}

/* Two of five devices can be reached, and the gate would like to see five. */
static struct story *last_stage_in_part(enum assignment_event_kind second)
{
    struct story *story = tell();

    story->rollout.plan.stage_count = 1;
    story->rollout.plan.stages[0] = (struct rollout_stage){
        .permille = 1000, .gate = {.failures_permille = 200, .sample_min = 5}};
    story->in_reach = 2;
    start(story, 1, 5);
    flip(story, 2, 0, 2);
    device(story, 3, 0, ASSIGNMENT_EV_SUCCEEDED);
    device(story, 4, 1, second);
    tick(story, 5);
    return story;
}

static void test_devices_that_are_away_do_not_hold_up_the_end(void **state)
{
    struct story *story = last_stage_in_part(ASSIGNMENT_EV_SUCCEEDED);

    (void)state;
    story->in_reach = 5;
    tick(story, 20);
    flip(story, 21, 2, 1);
    device(story, 22, 2, ASSIGNMENT_EV_SUCCEEDED);
    assert_string_equal(story->trace, "[   1] start 5 -> admit 5 -> notify; admitted 2 (running)\n"
                                      "[   2] devices 0..1 flip\n"
                                      "[   3] device 0 succeeded: succeeded (running)\n"
                                      "[   4] device 1 succeeded: succeeded (running)\n"
                                      "[   5] tick -> notify (done)\n"
                                      "[  20] tick -> admit 3; admitted 3 (done)\n"
                                      "[  21] devices 2..2 flip\n"
                                      "[  22] device 2 succeeded: succeeded (done)\n");
}

static void test_few_outcomes_are_judged_at_the_end(void **state)
{
    struct story *story = last_stage_in_part(ASSIGNMENT_EV_REVERTED);

    (void)state;
    explain(story);
    by_hand(story, 6, ROLLOUT_EV_RESUME);
    tick(story, 7);
    assert_string_equal(
        story->trace,
        "[   1] start 5 -> admit 5 -> notify; admitted 2 (running)\n"
        "[   2] devices 0..1 flip\n"
        "[   3] device 0 succeeded: succeeded (running)\n"
        "[   4] device 1 reverted: reverted (running)\n"
        "[   5] tick -> notify (halted)\n"
        "       = halted by the gate of stage 1: 1 of 2 outcomes is bad (1 reported, 0 silent): "
        "50.0 %, the limit is 20.0 %\n"
        "[   6] resume -> admit 3 -> notify; admitted 0 (running)\n"
        "[   7] tick -> notify (done)\n");
}

static void test_latecomer_may_still_halt(void **state)
{
    struct story *story = tell();

    (void)state;
    story->rollout.plan.stage_count = 1;
    story->rollout.plan.stages[0] =
        (struct rollout_stage){.permille = 1000, .gate = {.failures_count = 1, .sample_min = 1}};
    story->in_reach = 1;
    start(story, 1, 3);
    flip(story, 2, 0, 1);
    device(story, 3, 0, ASSIGNMENT_EV_SUCCEEDED);
    tick(story, 4);
    story->in_reach = 3;
    tick(story, 20);
    flip(story, 21, 1, 1);
    device(story, 22, 1, ASSIGNMENT_EV_REVERTED);
    explain(story);
    at(story, 23, (struct rollout_event){.kind = ROLLOUT_EV_HALT, .by_judge = true});
    assert_string_equal(
        story->trace,
        "[   1] start 3 -> admit 3 -> notify; admitted 1 (running)\n"
        "[   2] devices 0..0 flip\n"
        "[   3] device 0 succeeded: succeeded (running)\n"
        "[   4] tick -> notify (done)\n"
        "[  20] tick -> admit 2; admitted 2 (done)\n"
        "[  21] devices 1..1 flip\n"
        "[  22] device 1 reverted: reverted -> recall 1 -> notify (halted)\n"
        "       = halted by the gate of stage 1: 1 of 2 outcomes is bad (1 reported, 0 silent), "
        "the limit is 1\n"
        "[  23] halt refused: the rollout is halted, which excludes \"halt\" (halted)\n");
}

/* The answer to an effect is lost with the process: the next tick asks again for the rest. */
static void test_effects_survive_a_crash(void **state)
{
    struct story *story = tell();
    struct rollout_event event = {.kind = ROLLOUT_EV_START, .count = 10, .now = {1000}};
    struct rollout_effects effects;

    (void)state;
    assert_int_equal(rollout_step(&story->rollout, &event, &effects, NULL), ERR_OK);
    assert_int_equal(effects.list[0].kind, ROLLOUT_ADMIT);
    tick(story, 2);
    tick(story, 3);
    event = (struct rollout_event){.kind = ROLLOUT_EV_HALT, .now = {4000}};
    assert_int_equal(rollout_step(&story->rollout, &event, &effects, NULL), ERR_OK);
    assert_int_equal(effects.list[0].kind, ROLLOUT_RECALL);
    tick(story, 5);
    tick(story, 6);
    assert_string_equal(story->trace, "[   2] tick -> admit 1; admitted 1 (running)\n"
                                      "[   3] tick (running)\n"
                                      "[   5] tick -> recall 1 (halted)\n"
                                      "[   6] tick (halted)\n");
}

/* All states times all events: what is not in the table is refused and changes nothing. */
static void test_every_pair(void **state)
{
    static const char expected[ROLLOUT_STATE_COUNT][ROLLOUT_EVENT_COUNT + 1] = {
        /* in the order of enum rollout_event_kind:
         * approve start pause resume advance abort rollback halt selected admitted recalled moved
         * tick */
        [ROLLOUT_DRAFT] = "xx...x..x....",       [ROLLOUT_APPROVED] = ".x...x..x...x",
        [ROLLOUT_RUNNING] = "..x.xxxxxx.xx",     [ROLLOUT_PAUSED] = "...x.xxxx..xx",
        [ROLLOUT_HALTED] = "...x.xx.x.xxx",      [ROLLOUT_ROLLING_BACK] = "..........xxx",
        [ROLLOUT_ROLLED_BACK] = "..........xxx", [ROLLOUT_DONE] = ".....xxxxxxxx",
        [ROLLOUT_ABORTED] = "......x...xxx",
    };
    const struct assignment_change change = {.standing_from = STANDING_OUT,
                                             .standing_to = STANDING_WAITING};

    (void)state;
    for (enum rollout_state from = 0; from < ROLLOUT_STATE_COUNT; from++) {
        for (enum rollout_event_kind kind = 0; kind < ROLLOUT_EVENT_COUNT; kind++) {
            struct rollout rollout = tell()->rollout, before;
            struct rollout_event event = {.kind = kind, .now = {5000}, .change = &change};
            struct rollout_effects effects;
            struct why why = {0};

            rollout.state = from;
            rollout.whereabouts[WHEREABOUTS_AWAY] = 1;
            if (kind == ROLLOUT_EV_START || kind == ROLLOUT_EV_SELECTED)
                event.count = 10;
            before = rollout;
            if (expected[from][kind] == 'x') {
                assert_int_equal(rollout_step(&rollout, &event, &effects, &why), ERR_OK);
            } else {
                assert_int_equal(rollout_step(&rollout, &event, &effects, &why), ERR_INVALID);
                assert_memory_equal(&rollout, &before, sizeof rollout);
                assert_int_equal(effects.count, 0);
                assert_true(why.text[0] != '\0');
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_release),
        cmocka_unit_test(test_bad_release_halts_and_recalls),
        cmocka_unit_test(test_silence_counts_and_is_corrected),
        cmocka_unit_test(test_offline_devices_give_their_slot_back),
        cmocka_unit_test(test_nobody_in_reach_proves_nothing),
        cmocka_unit_test(test_asks_become_rarer),
        cmocka_unit_test(test_clock_that_was_ahead),
        cmocka_unit_test(test_approval_and_calendar),
        cmocka_unit_test(test_rollback_of_all_that_flipped),
        cmocka_unit_test(test_small_stage_is_judged_whole),
        cmocka_unit_test(test_devices_that_are_away_do_not_hold_up_the_end),
        cmocka_unit_test(test_few_outcomes_are_judged_at_the_end),
        cmocka_unit_test(test_latecomer_may_still_halt),
        cmocka_unit_test(test_effects_survive_a_crash),
        cmocka_unit_test(test_every_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
