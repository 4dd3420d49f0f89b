/* decide() as a table: for every reason the facts, the answer and the sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/decide.h"

#define NOW_MS 1795600800000 /* 2026-11-25T10:00:00Z, a Wednesday */

/* Facts with room for what they point to. */
struct scene {
    struct decide_facts facts;
    struct decide_device device;
    struct rollout rollout;
    struct decide_release release;
    struct assignment assignment;
    struct window window;
    struct span hardware[2], bases[2];
};

/* A rollout in full swing with room for one, and a device that it may admit at once. */
static void set(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    scene->rollout = (struct rollout){
        .plan = {.stage_count = 2,
                 .stages = {{.permille = 100, .soak_s = 60}, {.permille = 1000}},
                 .deadline_s = 3600},
        .state = ROLLOUT_RUNNING,
        .selected = 10,
        .quiet_since = {NOW_MS},
    };
    scene->device = (struct decide_device){
        .status = DEVICE_ACTIVE,
        .product = SPAN_LITERAL("gateway"),
        .hardware = SPAN_LITERAL("rev-b"),
        .version = SPAN_LITERAL("1.0"),
        .running = {1},
        .heard_at = {NOW_MS},
    };
    scene->hardware[0] = SPAN_LITERAL("rev-a");
    scene->hardware[1] = SPAN_LITERAL("rev-b");
    scene->bases[0] = SPAN_LITERAL("0.9");
    scene->bases[1] = SPAN_LITERAL("1.0.0");
    scene->release = (struct decide_release){
        .product = SPAN_LITERAL("gateway"),
        .version = SPAN_LITERAL("2.0"),
        .hardware = scene->hardware,
        .hardware_count = 2,
        .bases = scene->bases,
        .base_count = 2,
        .security_version = 3,
        .sha256 = {2},
    };
    scene->facts = (struct decide_facts){
        .now = {NOW_MS},
        .device = &scene->device,
        .rollout = &scene->rollout,
        .rollout_name = SPAN_LITERAL("spring"),
        .release = &scene->release,
        .selected = true,
    };
}

/* Give the device an assignment in a state, with all that belongs to it. */
static void assign(struct scene *scene, enum assignment_state state, enum standing standing,
                   enum whereabouts whereabouts)
{
    scene->assignment = (struct assignment){
        .state = state,
        .standing = standing,
        .whereabouts = whereabouts,
        .admitted_at = {NOW_MS},
        .heard_at = {NOW_MS},
        .moved_at = {NOW_MS},
        .flipped_at = {whereabouts == WHEREABOUTS_HOME ? 0 : NOW_MS},
    };
    scene->facts.assignment = &scene->assignment;
}

static void waiting(struct scene *scene, enum assignment_state state)
{
    assign(scene, state, STANDING_WAITING, WHEREABOUTS_HOME);
}

static void pending(struct scene *s)
{
    s->device.status = DEVICE_PENDING;
}
static void rejected(struct scene *s)
{
    s->device.status = DEVICE_REJECTED;
}
static void revoked(struct scene *s)
{
    s->device.status = DEVICE_REVOKED;
}
static void go_back(struct scene *s)
{
    assign(s, ASSIGNMENT_REVERTING, STANDING_GOOD, WHEREABOUTS_RETURNING);
}
static void go_back_again(struct scene *s)
{
    assign(s, ASSIGNMENT_STRANDED, STANDING_GOOD, WHEREABOUTS_STRANDED);
    s->assignment.err = ERR_LINK;
}
static void fetch_back(struct scene *s)
{
    go_back(s);
    s->facts.fetches_back = true;
}
static void gone_back(struct scene *s)
{
    assign(s, ASSIGNMENT_ROLLED_BACK, STANDING_GOOD, WHEREABOUTS_BACK);
}
static void stranded(struct scene *s)
{
    assign(s, ASSIGNMENT_STRANDED, STANDING_GOOD, WHEREABOUTS_STRANDED);
    s->assignment.err = ERR_UNSUITABLE;
}
static void no_rollout(struct scene *s)
{
    s->facts.rollout = NULL;
    s->facts.release = NULL;
}
static void not_selected(struct scene *s)
{
    s->facts.selected = false;
}
static void current(struct scene *s)
{
    s->device.running[0] = 2;
}
static void product(struct scene *s)
{
    s->device.product = SPAN_LITERAL("camera");
}
static void product_unknown(struct scene *s)
{
    s->device.product = (struct span){0};
}
static void hardware(struct scene *s)
{
    s->device.hardware = SPAN_LITERAL("rev-c");
}
static void floor_above(struct scene *s)
{
    s->device.security_floor = 4;
}
static void blocked(struct scene *s)
{
    s->release.blocked = true;
}
static void base(struct scene *s)
{
    s->device.version = SPAN_LITERAL("1.1");
}
static void blocked_in_hand(struct scene *s)
{
    blocked(s);
    assign(s, ASSIGNMENT_STAGED, STANDING_WAITING, WHEREABOUTS_HOME);
}
static void sealed(struct scene *s)
{
    s->release.sealed = true;
}
static void succeeded(struct scene *s)
{
    assign(s, ASSIGNMENT_SUCCEEDED, STANDING_GOOD, WHEREABOUTS_AWAY);
}
static void failed(struct scene *s)
{
    assign(s, ASSIGNMENT_FAILED, STANDING_FAILED, WHEREABOUTS_HOME);
    s->assignment.err = ERR_CORRUPT;
}
static void reverted(struct scene *s)
{
    assign(s, ASSIGNMENT_REVERTED, STANDING_FAILED, WHEREABOUTS_HOME);
}
static void silent(struct scene *s)
{
    assign(s, ASSIGNMENT_SILENT, STANDING_SILENT, WHEREABOUTS_AWAY);
}
static void refused(struct scene *s)
{
    assign(s, ASSIGNMENT_REFUSED, STANDING_FAILED, WHEREABOUTS_HOME);
}
static void refused_with_words(struct scene *s)
{
    refused(s);
    s->assignment.err = ERR_UNSUITABLE;
    s->facts.words.reason = SPAN_LITERAL("floor");
    s->facts.words.detail = SPAN_LITERAL("too\nold. ");
}
static void fell_back_with_words(struct scene *s)
{
    assign(s, ASSIGNMENT_REVERTED, STANDING_FAILED, WHEREABOUTS_HOME);
    s->facts.words.detail = SPAN_LITERAL("no heartbeat");
}
static void superseded(struct scene *s)
{
    assign(s, ASSIGNMENT_SUPERSEDED, STANDING_OUT, WHEREABOUTS_HOME);
}
static void superseded_in_hand(struct scene *s)
{
    superseded(s);
    s->facts.in_hand = true;
}
static void flipping(struct scene *s)
{
    assign(s, ASSIGNMENT_SWITCHING, STANDING_EXPOSED, WHEREABOUTS_AWAY);
}
static void flipping_in_halt(struct scene *s)
{
    flipping(s);
    s->rollout.state = ROLLOUT_HALTED;
}
static void on_trial(struct scene *s)
{
    assign(s, ASSIGNMENT_TRIAL, STANDING_EXPOSED, WHEREABOUTS_AWAY);
}
static void draft(struct scene *s)
{
    s->rollout.state = ROLLOUT_DRAFT;
}
static void approved(struct scene *s)
{
    s->rollout.state = ROLLOUT_APPROVED;
}
static void scheduled(struct scene *s)
{
    s->rollout.state = ROLLOUT_APPROVED;
    s->rollout.plan.start_at.ms = NOW_MS + 60000;
}
static void halted(struct scene *s)
{
    s->rollout.state = ROLLOUT_HALTED;
    s->rollout.cause = ROLLOUT_BY_OPERATOR;
    s->device.held = true;
}
static void halted_staged(struct scene *s)
{
    halted(s);
    waiting(s, ASSIGNMENT_STAGED);
}
static void halted_recalled(struct scene *s)
{
    halted(s);
    assign(s, ASSIGNMENT_RECALLED, STANDING_OUT, WHEREABOUTS_HOME);
    s->facts.in_hand = true;
}
static void aborted(struct scene *s)
{
    s->rollout.state = ROLLOUT_ABORTED;
    s->rollout.cause = ROLLOUT_BY_OPERATOR;
}
static void closed(struct scene *s)
{
    s->rollout.state = ROLLOUT_DONE;
    s->rollout.closed = true;
    s->rollout.stage = 1;
}
static void held(struct scene *s)
{
    s->device.held = true;
}
static void held_staged(struct scene *s)
{
    held(s);
    waiting(s, ASSIGNMENT_STAGED);
}
static void paused(struct scene *s)
{
    s->rollout.state = ROLLOUT_PAUSED;
}
static void paused_staged(struct scene *s)
{
    paused(s);
    waiting(s, ASSIGNMENT_STAGED);
}
static void busy_elsewhere(struct scene *s)
{
    s->device.other_rollout = true;
}
static void refused_lately(struct scene *s)
{
    assign(s, ASSIGNMENT_REFUSED, STANDING_OUT, WHEREABOUTS_HOME);
    s->assignment.err = ERR_AGAIN;
    s->assignment.retry_at.ms = NOW_MS + 1000;
}
static void dark(struct scene *s)
{
    s->device.heard_at.ms = NOW_MS - 3600001;
}
static void stage_full(struct scene *s)
{
    s->rollout.tally[0].at[STANDING_EXPOSED] = 1;
}
static void soaking(struct scene *s)
{
    s->rollout.tally[0].at[STANDING_GOOD] = 1;
    s->rollout.soaking = true;
}
static void next(struct scene *s)
{
    (void)s;
}
static void next_latecomer(struct scene *s)
{
    s->rollout.state = ROLLOUT_DONE;
    s->rollout.stage = 1;
    assign(s, ASSIGNMENT_WITHDRAWN, STANDING_OUT, WHEREABOUTS_HOME);
}
static void next_by_digest(struct scene *s)
{
    s->device.version = SPAN_LITERAL("?");
    s->bases[1] = SPAN_LITERAL("0100000000000000000000000000000000000000000000000000000000000000");
}
static void offered(struct scene *s)
{
    waiting(s, ASSIGNMENT_ASSIGNED);
}
static void fetching(struct scene *s)
{
    waiting(s, ASSIGNMENT_DOWNLOADING);
}
static void risk(struct scene *s)
{
    waiting(s, ASSIGNMENT_STAGED);
    s->facts.risk.held = true;
    s->facts.risk.sentence = "the window of cohort rev-b is full";
    s->facts.risk.retry_s = 30;
}
static void window(struct scene *s)
{
    waiting(s, ASSIGNMENT_STAGED);
    s->window = (struct window){WINDOW_EVERY_DAY, 120, 3600};
    s->facts.window = &s->window;
    s->device.utc_offset_min = 120; /* 12:00 there */
}
static void leave(struct scene *s)
{
    waiting(s, ASSIGNMENT_STAGED);
}

static void foreign(struct scene *s)
{
    s->device.protocol = PROTOCOL_HAWKBIT;
}
static void no_artifact(struct scene *s)
{
    foreign(s);
    s->release.no_artifact = true;
}
static void no_image(struct scene *s)
{
    s->release.no_artifact = true;
}
static void any_product(struct scene *s)
{
    foreign(s);
    s->device.product = (struct span){0};
    s->release.of_any_product = true;
}
static void claimed(struct scene *s)
{
    foreign(s);
    on_trial(s);
    s->assignment.claimed_at.ms = NOW_MS;
    s->assignment.proof = PROOF_CLAIM;
}
static void proven(struct scene *s)
{
    foreign(s);
    succeeded(s);
    s->assignment.proof = PROOF_RETURN;
}
static void foreign_offered(struct scene *s)
{
    foreign(s);
    offered(s);
}
static void foreign_fetching(struct scene *s)
{
    foreign(s);
    fetching(s);
}
static void foreign_window(struct scene *s)
{
    window(s);
    foreign(s);
    waiting(s, ASSIGNMENT_ASSIGNED);
}
static void foreign_risk(struct scene *s)
{
    risk(s);
    foreign(s);
    waiting(s, ASSIGNMENT_DOWNLOADING);
}
static void foreign_silent(struct scene *s)
{
    foreign(s);
    silent(s);
}
static void foreign_silent_paused(struct scene *s)
{
    foreign_silent(s);
    paused(s);
}
static void foreign_flipping(struct scene *s)
{
    foreign(s);
    flipping(s);
}
static void foreign_flipping_in_halt(struct scene *s)
{
    foreign(s);
    flipping_in_halt(s);
}

struct row {
    void (*set)(struct scene *);
    enum decide_reason reason;
    enum decide_answer answer;
    enum decide_verdict verdict;
    const char *sentence;
};

/* clang-format off */
static const struct row rows[] = {
    {pending, REASON_PENDING, DECIDE_NOTHING, DECIDE_DROP,
     "It has not been accepted yet; an operator has to accept or reject it."},
    {rejected, REASON_REJECTED, DECIDE_NOTHING, DECIDE_DROP,
     "It was rejected at enrolment and gets nothing."},
    {revoked, REASON_REVOKED, DECIDE_NOTHING, DECIDE_DROP,
     "It was revoked and gets nothing until it is enrolled anew."},
    {go_back, REASON_GO_BACK, DECIDE_ROLLBACK, DECIDE_PROCEED,
     "Rollout \"spring\" is rolled back: it is told to boot its other bank."},
    {go_back_again, REASON_GO_BACK, DECIDE_ROLLBACK, DECIDE_PROCEED,
     "Rollout \"spring\" is rolled back: it is told to boot its other bank."},
    {fetch_back, REASON_FETCH_BACK, DECIDE_FETCH_BACK, DECIDE_PROCEED,
     "Rollout \"spring\" is rolled back: it is told to fetch what it ran before."},
    {gone_back, REASON_GONE_BACK, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" was rolled back, and it went back to what it ran before."},
    {stranded, REASON_STRANDED, DECIDE_NOTHING, DECIDE_NOTED,
     "Rollout \"spring\" was rolled back, but it could not go back: "
     "the update is not meant for this device."},
    {no_artifact, REASON_ARTIFACT, DECIDE_NOTHING, DECIDE_DROP,
     "The release of rollout \"spring\" has no artifact that a hawkbit client can use."},
    {no_image, REASON_ARTIFACT, DECIDE_NOTHING, DECIDE_DROP,
     "The release of rollout \"spring\" has no artifact that a native client can use."},
    {any_product, REASON_NEXT, DECIDE_NOTHING, DECIDE_DROP,
     "It may be admitted by rollout \"spring\" at any moment."},
    {claimed, REASON_CLAIMED, DECIDE_NOTHING, DECIDE_NOTED,
     "It claims to run 2.0 of rollout \"spring\"; that counts as good when it comes back, or at "
     "2026-11-25T10:05:00Z."},
    {proven, REASON_SUCCEEDED, DECIDE_NOTHING, DECIDE_NOTED,
     "It runs 2.0 since rollout \"spring\": it has proven its claim by coming back."},
    {foreign_offered, REASON_OFFERED, DECIDE_INSTALL, DECIDE_PROCEED,
     "Rollout \"spring\" has admitted it; it gets 2.0 at its next poll."},
    {foreign_fetching, REASON_FETCHING, DECIDE_INSTALL, DECIDE_PROCEED,
     "It is downloading 2.0 of rollout \"spring\"."},
    {foreign_window, REASON_WINDOW, DECIDE_NOTHING, DECIDE_HOLD,
     "It is to get 2.0 and may switch at 2026-11-26T00:00:00Z "
     "(window: every day from 02:00 for 1 h)."},
    {foreign_risk, REASON_RISK, DECIDE_NOTHING, DECIDE_HOLD,
     "It is to get 2.0, but rollout \"spring\" grants no leave to switch: "
     "the window of cohort rev-b is full."},
    {foreign_silent, REASON_SILENT, DECIDE_INSTALL, DECIDE_NOTED,
     "It was given leave to switch to 2.0 by rollout \"spring\", and no outcome came in time."},
    {foreign_silent_paused, REASON_SILENT, DECIDE_NOTHING, DECIDE_NOTED,
     "It was given leave to switch to 2.0 by rollout \"spring\", and no outcome came in time."},
    {foreign_flipping, REASON_FLIPPING, DECIDE_INSTALL, DECIDE_NOTED,
     "It has leave to switch to 2.0; it counts as silent if nothing comes before "
     "2026-11-25T11:00:00Z."},
    {foreign_flipping_in_halt, REASON_FLIPPING, DECIDE_CANCEL, DECIDE_NOTED,
     "It has leave to switch to 2.0; it counts as silent if nothing comes before "
     "2026-11-25T11:00:00Z."},
    {no_rollout, REASON_NO_ROLLOUT, DECIDE_NOTHING, DECIDE_DROP, "No rollout concerns it."},
    {not_selected, REASON_NOT_SELECTED, DECIDE_NOTHING, DECIDE_DROP,
     "The selector of rollout \"spring\" does not match it."},
    {current, REASON_CURRENT, DECIDE_NOTHING, DECIDE_DROP,
     "It already runs 2.0, the release of rollout \"spring\"."},
    {product, REASON_PRODUCT, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" brings a release for product gateway, and this device is camera."},
    {product_unknown, REASON_PRODUCT, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" brings a release for product gateway, and this device is unknown."},
    {hardware, REASON_HARDWARE, DECIDE_NOTHING, DECIDE_DROP,
     "The release of rollout \"spring\" is not made for its hardware, rev-c."},
    {blocked, REASON_BLOCKED, DECIDE_NOTHING, DECIDE_DROP,
     "The signers have blocked 2.0, the release of rollout \"spring\"."},
    {blocked_in_hand, REASON_BLOCKED, DECIDE_CANCEL, DECIDE_DROP,
     "The signers have blocked 2.0, the release of rollout \"spring\"."},
    {floor_above, REASON_FLOOR, DECIDE_NOTHING, DECIDE_DROP,
     "The release of rollout \"spring\" is below the security version it accepts."},
    {sealed, REASON_SEALING, DECIDE_NOTHING, DECIDE_DROP,
     "The release of rollout \"spring\" is encrypted, and the device has sent no sealing key."},
    {base, REASON_BASE, DECIDE_NOTHING, DECIDE_DROP,
     "The release of rollout \"spring\" cannot be applied on 1.1, which it runs."},
    {succeeded, REASON_SUCCEEDED, DECIDE_NOTHING, DECIDE_NOTED,
     "It runs 2.0 since rollout \"spring\", is healthy and has confirmed it."},
    {failed, REASON_FAILED, DECIDE_NOTHING, DECIDE_DROP,
     "It failed to install 2.0 of rollout \"spring\": "
     "data does not match its checksum or format."},
    {reverted, REASON_REVERTED, DECIDE_NOTHING, DECIDE_DROP,
     "It tried 2.0 of rollout \"spring\" and fell back to what it ran before."},
    {silent, REASON_SILENT, DECIDE_NOTHING, DECIDE_NOTED,
     "It was given leave to switch to 2.0 by rollout \"spring\", and no outcome came in time."},
    {refused, REASON_REFUSED, DECIDE_NOTHING, DECIDE_DROP,
     "It refused 2.0 of rollout \"spring\": the device gave no reason."},
    {refused_with_words, REASON_REFUSED, DECIDE_NOTHING, DECIDE_DROP,
     "It refused 2.0 of rollout \"spring\": the update is not meant for this device "
     "(floor: too old)."},
    {fell_back_with_words, REASON_REVERTED, DECIDE_NOTHING, DECIDE_DROP,
     "It tried 2.0 of rollout \"spring\" and fell back to what it ran before: no heartbeat."},
    {superseded, REASON_SUPERSEDED, DECIDE_NOTHING, DECIDE_DROP,
     "Another rollout has taken it over from rollout \"spring\"."},
    {superseded_in_hand, REASON_SUPERSEDED, DECIDE_CANCEL, DECIDE_DROP,
     "Another rollout has taken it over from rollout \"spring\"."},
    {flipping, REASON_FLIPPING, DECIDE_INSTALL, DECIDE_NOTED,
     "It has leave to switch to 2.0; it counts as silent if nothing comes before "
     "2026-11-25T11:00:00Z."},
    {flipping_in_halt, REASON_FLIPPING, DECIDE_INSTALL, DECIDE_NOTED,
     "It has leave to switch to 2.0; it counts as silent if nothing comes before "
     "2026-11-25T11:00:00Z."},
    {on_trial, REASON_ON_TRIAL, DECIDE_NOTHING, DECIDE_NOTED,
     "It runs 2.0 on trial; it counts as silent if nothing comes before 2026-11-25T11:00:00Z."},
    {draft, REASON_ROLLOUT_DRAFT, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\", which would bring 2.0, has not started: "
     "a draft that waits for its start."},
    {approved, REASON_ROLLOUT_DRAFT, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\", which would bring 2.0, has not started: "
     "approved, waits for its start."},
    {scheduled, REASON_ROLLOUT_SCHEDULED, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\", which brings 2.0, starts at 2026-11-25T10:01:00Z."},
    {halted, REASON_ROLLOUT_HALTED, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" gives 2.0 to nobody any more: halted by an operator."},
    {halted_staged, REASON_ROLLOUT_HALTED, DECIDE_CANCEL, DECIDE_DROP,
     "Rollout \"spring\" gives 2.0 to nobody any more: halted by an operator."},
    {halted_recalled, REASON_ROLLOUT_HALTED, DECIDE_CANCEL, DECIDE_DROP,
     "Rollout \"spring\" gives 2.0 to nobody any more: halted by an operator."},
    {aborted, REASON_ROLLOUT_ENDED, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" is over, and it did not get 2.0: "
     "aborted by an operator in stage 1 of 2."},
    {closed, REASON_ROLLOUT_ENDED, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" is over, and it did not get 2.0: "
     "0 devices run the release, 10 devices not reached."},
    {held, REASON_DEVICE_HELD, DECIDE_NOTHING, DECIDE_DROP,
     "An operator holds it back, so rollout \"spring\" waits."},
    {held_staged, REASON_DEVICE_HELD, DECIDE_NOTHING, DECIDE_HOLD,
     "An operator holds it back, so rollout \"spring\" waits."},
    {paused, REASON_ROLLOUT_PAUSED, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\", which brings 2.0, is paused by an operator."},
    {paused_staged, REASON_ROLLOUT_PAUSED, DECIDE_NOTHING, DECIDE_HOLD,
     "Rollout \"spring\", which brings 2.0, is paused by an operator."},
    {busy_elsewhere, REASON_BUSY_ELSEWHERE, DECIDE_NOTHING, DECIDE_DROP,
     "Another rollout is at work on it; rollout \"spring\" waits for that."},
    {refused_lately, REASON_REFUSED_LATELY, DECIDE_NOTHING, DECIDE_DROP,
     "It could not take 2.0 (cannot be done yet; try again later) and is asked again after "
     "2026-11-25T10:00:01Z."},
    {dark, REASON_DARK, DECIDE_NOTHING, DECIDE_DROP,
     "It has not been heard of lately; rollout \"spring\" takes it in when it is back."},
    {stage_full, REASON_STAGE_FULL, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" has admitted as many devices as stage 1 of 2 allows; "
     "it waits for a later one."},
    {soaking, REASON_SOAKING, DECIDE_NOTHING, DECIDE_DROP,
     "Rollout \"spring\" lets stage 1 of 2 soak until 2026-11-25T10:01:00Z "
     "before it admits more devices."},
    {next, REASON_NEXT, DECIDE_NOTHING, DECIDE_DROP,
     "It may be admitted by rollout \"spring\" at any moment."},
    {next_latecomer, REASON_NEXT, DECIDE_NOTHING, DECIDE_DROP,
     "It may be admitted by rollout \"spring\" at any moment."},
    {next_by_digest, REASON_NEXT, DECIDE_NOTHING, DECIDE_DROP,
     "It may be admitted by rollout \"spring\" at any moment."},
    {offered, REASON_OFFERED, DECIDE_INSTALL, DECIDE_NOTED,
     "Rollout \"spring\" has admitted it; it gets 2.0 at its next poll."},
    {fetching, REASON_FETCHING, DECIDE_INSTALL, DECIDE_NOTED,
     "It is downloading 2.0 of rollout \"spring\"."},
    {risk, REASON_RISK, DECIDE_INSTALL, DECIDE_HOLD,
     "It holds 2.0 ready, but rollout \"spring\" grants no leave to switch: "
     "the window of cohort rev-b is full."},
    {window, REASON_WINDOW, DECIDE_INSTALL, DECIDE_HOLD,
     "It holds 2.0 ready and may switch at 2026-11-26T00:00:00Z "
     "(window: every day from 02:00 for 1 h)."},
    {leave, REASON_LEAVE, DECIDE_INSTALL, DECIDE_PROCEED,
     "It holds 2.0 ready and gets leave to switch when it asks next."},
};
/* clang-format on */

static void test_rows(void **state)
{
    bool seen[REASON_COUNT] = {false};
    char room[512];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf buf = buf_over(room, sizeof room);
        struct decision decision;
        struct scene scene;

        set(&scene);
        rows[i].set(&scene);
        decision = decide(&scene.facts);
        decide_explain(&scene.facts, &decision, &buf);
        assert_string_equal(buf_finish_text(&buf), rows[i].sentence);
        assert_string_equal(decide_reason_name(decision.reason),
                            decide_reason_name(rows[i].reason));
        assert_string_equal(decide_answer_name(decision.answer),
                            decide_answer_name(rows[i].answer));
        assert_string_equal(decide_verdict_name(decision.verdict),
                            decide_verdict_name(rows[i].verdict));
        assert_int_equal(decision.retry_s != 0, decision.verdict == DECIDE_HOLD);
        seen[decision.reason] = true;
    }
    for (enum decide_reason i = 0; i < REASON_COUNT; i++)
        if (!seen[i])
            fail_msg("no row for %s", decide_reason_name(i));
}

/* Leave is granted for one reason only, whatever else may be the case. */
static void test_leave_needs_everything(void **state)
{
    static void (*const spoilers[])(struct scene *) = {
        pending, rejected, revoked, held, paused, halted, aborted, closed, draft, risk, window,
    };
    struct scene scene;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(spoilers); i++) {
        set(&scene);
        leave(&scene);
        spoilers[i](&scene);
        assert_int_not_equal(decide(&scene.facts).verdict, DECIDE_PROCEED);
    }
    set(&scene);
    window(&scene);
    scene.device.utc_offset_min = -450; /* 02:30 there: the window is open */
    assert_int_equal(decide(&scene.facts).verdict, DECIDE_PROCEED);
    scene.device.utc_offset_min = 120;
    assert_int_equal(decide(&scene.facts).flip_in_s, 14 * 3600);
    assert_int_equal(decide(&scene.facts).retry_s, 3600);
}

static void test_eligibility(void **state)
{
    static const struct {
        void (*set)(struct scene *);
        enum decide_reason reason;
    } cases[] = {
        {next, REASON_NEXT},
        {next_latecomer, REASON_NEXT},
        {stage_full, REASON_NEXT}, /* room is the rollout's business */
        {soaking, REASON_NEXT},
        {pending, REASON_PENDING},
        {no_rollout, REASON_NO_ROLLOUT},
        {not_selected, REASON_NOT_SELECTED},
        {current, REASON_CURRENT},
        {product, REASON_PRODUCT},
        {hardware, REASON_HARDWARE},
        {blocked, REASON_BLOCKED},
        {floor_above, REASON_FLOOR},
        {base, REASON_BASE},
        {sealed, REASON_SEALING},
        {held, REASON_DEVICE_HELD},
        {paused, REASON_ROLLOUT_PAUSED},
        {halted, REASON_ROLLOUT_HALTED},
        {busy_elsewhere, REASON_BUSY_ELSEWHERE},
        {refused_lately, REASON_REFUSED_LATELY},
        {dark, REASON_DARK},
    };
    enum decide_reason reason;
    struct scene scene;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        set(&scene);
        cases[i].set(&scene);
        assert_int_equal(decide_eligible(&scene.facts, &reason), cases[i].reason == REASON_NEXT);
        assert_string_equal(decide_reason_name(reason), decide_reason_name(cases[i].reason));
        assert_int_equal(decide_eligible(&scene.facts, NULL), cases[i].reason == REASON_NEXT);
    }
    set(&scene);
    scene.release.hardware_count = scene.release.base_count = 0; /* any */
    scene.device.hardware = scene.device.version = (struct span){0};
    assert_true(decide_eligible(&scene.facts, NULL));
}

static void test_next_poll(void **state)
{
    struct decision soon = {.next_at = {NOW_MS + 30000}}, never = {0};
    struct prng prng = prng_seeded(7);
    uint32_t least = UINT32_MAX, most = 0;

    (void)state;
    assert_int_equal(decide_next_poll_s(&never, (struct utc){NOW_MS}, 300, 0, &prng), 300);
    assert_int_equal(decide_next_poll_s(&soon, (struct utc){NOW_MS}, 300, 0, &prng), 30);
    assert_int_equal(decide_next_poll_s(&soon, (struct utc){NOW_MS + 60000}, 300, 0, &prng), 300);
    assert_int_equal(decide_next_poll_s(&never, (struct utc){NOW_MS}, 0, 20, &prng), 1);
    for (int i = 0; i < 1000; i++) {
        uint32_t wait = decide_next_poll_s(&never, (struct utc){NOW_MS}, 300, 20, &prng);

        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, 240, 245);
    assert_in_range(most, 355, 360);
}

static void test_names(void **state)
{
    enum device_status found;

    (void)state;
    for (enum device_status i = 0; i < DEVICE_STATUS_COUNT; i++) {
        assert_int_equal(device_status_parse(span_of(device_status_name(i)), &found), ERR_OK);
        assert_int_equal(found, i);
    }
    assert_int_equal(device_status_parse(span_of("gone"), &found), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_leave_needs_everything),
        cmocka_unit_test(test_eligibility), cmocka_unit_test(test_next_poll),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
