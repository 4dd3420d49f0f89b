/* Assignments: the full product of states and events, and the stories that need more than a
 * table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fleet/assignment.h"

static const struct assignment_policy policy = {.deadline_s = 100, .retry_limit = 1};

static struct assignment_event event_of(enum assignment_event_kind kind, int64_t second)
{
    return (struct assignment_event){.kind = kind,
                                     .now = {second * 1000},
                                     .running_target = kind != ASSIGNMENT_EV_REVERTED,
                                     .err = ERR_CORRUPT};
}

static struct assignment_change step_at(struct assignment *assignment,
                                        enum assignment_event_kind kind, int64_t second)
{
    struct assignment_event event = event_of(kind, second);
    struct assignment_change change;

    assert_int_equal(assignment_step(assignment, &event, &policy, &change), ERR_OK);
    return change;
}

/* Walk `events` from a candidate, one second apart, beginning at second 1. */
static struct assignment after(const enum assignment_event_kind *events, size_t count)
{
    struct assignment assignment = {0};

    for (size_t i = 0; i < count; i++)
        (void)step_at(&assignment, events[i], (int64_t)i + 1);
    return assignment;
}

#define AFTER(...)                                                    \
    after((const enum assignment_event_kind[]){__VA_ARGS__},          \
          sizeof((const enum assignment_event_kind[]){__VA_ARGS__}) / \
              sizeof(enum assignment_event_kind))

/* An honest assignment in every state, reached by events only. */
static struct assignment in_state(enum assignment_state state)
{
    switch (state) {
    case ASSIGNMENT_ASSIGNED:
        return AFTER(ASSIGNMENT_EV_ADMIT);
    case ASSIGNMENT_DOWNLOADING:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_DOWNLOADING);
    case ASSIGNMENT_STAGED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED);
    case ASSIGNMENT_SWITCHING:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT);
    case ASSIGNMENT_TRIAL:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_TRIAL);
    case ASSIGNMENT_SUCCEEDED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_SUCCEEDED);
    case ASSIGNMENT_FAILED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_FAILED);
    case ASSIGNMENT_REVERTED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_REVERTED);
    case ASSIGNMENT_SILENT:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_OVERDUE);
    case ASSIGNMENT_RECALLED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_RECALL);
    case ASSIGNMENT_WITHDRAWN:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_OVERDUE);
    case ASSIGNMENT_SUPERSEDED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_SUPERSEDE);
    case ASSIGNMENT_REFUSED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_REFUSED);
    case ASSIGNMENT_REVERTING:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_TRIAL, ASSIGNMENT_EV_REVERT);
    case ASSIGNMENT_ROLLED_BACK:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_TRIAL, ASSIGNMENT_EV_REVERT, ASSIGNMENT_EV_BACK);
    case ASSIGNMENT_STRANDED:
        return AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT,
                     ASSIGNMENT_EV_TRIAL, ASSIGNMENT_EV_REVERT, ASSIGNMENT_EV_FAILED);
    case ASSIGNMENT_CANDIDATE:
    case ASSIGNMENT_STATE_COUNT:
        break;
    }
    return (struct assignment){0};
}

/* For each state, one letter per event in the order of enum assignment_event_kind; "." is
 * refused. The letters name states:
 *   A assigned  D downloading  G staged  S switching  T trial  + succeeded  F failed  R reverted
 *   Q silent  C recalled  W withdrawn  U superseded  X refused  r reverting  b rolled back
 *   ! stranded  = itself */
static const char *const walk[ASSIGNMENT_STATE_COUNT] = {
    /*                           admit heard downloading staged grant switching trial succeeded
     *                           failed reverted refused obeyed overdue recall supersede strayed
     *                           revert back claimed returned soaked */
    [ASSIGNMENT_CANDIDATE] = "A=............U......",
    [ASSIGNMENT_ASSIGNED] = ".=DG.ST+ARXAWCU...T..", /* failed: another attempt */
    [ASSIGNMENT_DOWNLOADING] = ".=DG.ST+ARXAWCU...T..",
    [ASSIGNMENT_STAGED] = ".=DGSST+ARXAWCU...T..",
    [ASSIGNMENT_SWITCHING] = ".=.G.ST+FR.AQ.....T..",
    [ASSIGNMENT_TRIAL] = ".=....T+FR..Q...r.T..",
    [ASSIGNMENT_SUCCEEDED] = ".=.....+.......Rr.+..",
    [ASSIGNMENT_FAILED] = ".=..............r....",
    [ASSIGNMENT_REVERTED] = ".=...................",
    [ASSIGNMENT_SILENT] = ".=DG.QQ+FR.C....r.T..",
    [ASSIGNMENT_RECALLED] = "A=...ST+.R.C..U...T..",
    [ASSIGNMENT_WITHDRAWN] = "A=...ST+.R.W..U...T..",
    [ASSIGNMENT_SUPERSEDED] = ".=.........U.........",
    [ASSIGNMENT_REFUSED] = ".=...................", /* ERR_CORRUPT: it counted */
    [ASSIGNMENT_REVERTING] = ".=rr.rrr!b!.!....br..",
    [ASSIGNMENT_ROLLED_BACK] = ".=...............b...",
    [ASSIGNMENT_STRANDED] = ".=!!....!b!......b!..",
};

static enum assignment_state state_of(char letter, enum assignment_state itself)
{
    static const char letters[] = "?ADGST+FRQCWUXrb!";
    const char *at = strchr(letters, letter);

    if (letter == '=')
        return itself;
    assert_non_null(at);
    return (enum assignment_state)(at - letters);
}

static void test_every_pair(void **state)
{
    (void)state;
    for (enum assignment_state from = 0; from < ASSIGNMENT_STATE_COUNT; from++) {
        assert_int_equal(in_state(from).state, from);
        assert_int_equal(strlen(walk[from]), ASSIGNMENT_EVENT_COUNT);
        for (enum assignment_event_kind kind = 0; kind < ASSIGNMENT_EVENT_COUNT; kind++) {
            struct assignment assignment = in_state(from), before = assignment;
            struct assignment_event event = event_of(kind, 50);
            struct assignment_change change = {0};
            enum err err = assignment_step(&assignment, &event, &policy, &change);

            if (walk[from][kind] == '.') {
                assert_int_equal(err, ERR_INVALID);
                assert_memory_equal(&assignment, &before, sizeof before);
                continue;
            }
            assert_int_equal(err, ERR_OK);
            assert_string_equal(assignment_state_name(assignment.state),
                                assignment_state_name(state_of(walk[from][kind], from)));
            assert_int_equal(change.from, from);
            assert_int_equal(change.to, assignment.state);
            assert_int_equal(change.standing_from, before.standing);
            assert_int_equal(change.standing_to, assignment.standing);
            assert_int_equal(change.whereabouts_from, before.whereabouts);
            assert_int_equal(change.whereabouts_to, assignment.whereabouts);
        }
    }
}

static void test_attempts_before_the_flip_are_limited(void **state)
{
    struct assignment assignment = AFTER(ASSIGNMENT_EV_ADMIT, ASSIGNMENT_EV_DOWNLOADING);
    struct assignment_change change = step_at(&assignment, ASSIGNMENT_EV_FAILED, 5);

    (void)state;
    assert_true(change.retried);
    assert_false(assignment_change_matters(&change));
    assert_int_equal(assignment.state, ASSIGNMENT_ASSIGNED);
    assert_int_equal(assignment.attempt, 2);
    assert_int_equal(assignment.err, ERR_CORRUPT);
    change = step_at(&assignment, ASSIGNMENT_EV_FAILED, 6);
    assert_false(change.retried);
    assert_int_equal(assignment.state, ASSIGNMENT_FAILED);
    assert_int_equal(assignment.standing, STANDING_FAILED);
    assert_int_equal(assignment.whereabouts, WHEREABOUTS_HOME); /* nothing to roll back */
    assert_int_equal(assignment.counted_at.ms, 6000);
    assert_false(assignment_flipped(&assignment));
}

/* A second try would hide from the rollout what it must see. */
static void test_failure_after_the_flip_counts_at_once(void **state)
{
    struct assignment assignment = in_state(ASSIGNMENT_TRIAL);
    struct assignment_change change = step_at(&assignment, ASSIGNMENT_EV_REVERTED, 9);

    (void)state;
    assert_int_equal(change.standing_from, STANDING_EXPOSED);
    assert_int_equal(change.standing_to, STANDING_FAILED);
    assert_int_equal(assignment.attempt, 1);
    assert_true(assignment_flipped(&assignment));
}

static void test_success_is_what_it_runs(void **state)
{
    struct assignment assignment = in_state(ASSIGNMENT_TRIAL);
    struct assignment_event event = event_of(ASSIGNMENT_EV_SUCCEEDED, 9);
    struct assignment_change change;

    (void)state;
    event.running_target = false;
    assert_int_equal(assignment_step(&assignment, &event, &policy, &change), ERR_OK);
    assert_int_equal(assignment.state, ASSIGNMENT_FAILED);
    assert_int_equal(assignment.err, ERR_CONFLICT);
}

static void test_going_back_is_what_it_runs(void **state)
{
    static const struct {
        enum assignment_event_kind kind;
        bool running_target;
        enum assignment_state then;
    } cases[] = {
        {ASSIGNMENT_EV_SUCCEEDED, false, ASSIGNMENT_ROLLED_BACK},
        {ASSIGNMENT_EV_SUCCEEDED, true, ASSIGNMENT_REVERTING}, /* of the update */
        {ASSIGNMENT_EV_REVERTED, false, ASSIGNMENT_ROLLED_BACK},
        {ASSIGNMENT_EV_REVERTED, true, ASSIGNMENT_STRANDED}, /* what it ran before does not run */
        {ASSIGNMENT_EV_FAILED, true, ASSIGNMENT_STRANDED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct assignment assignment = in_state(ASSIGNMENT_REVERTING);
        struct assignment_event event = event_of(cases[i].kind, 50);
        struct assignment_change change;

        event.running_target = cases[i].running_target;
        assert_int_equal(assignment_step(&assignment, &event, &policy, &change), ERR_OK);
        assert_int_equal(assignment.state, cases[i].then);
    }
}

static void test_late_good_corrects_the_tally(void **state)
{
    struct assignment assignment = in_state(ASSIGNMENT_SILENT);
    struct assignment_change change;

    (void)state;
    assert_int_equal(assignment.err, ERR_LINK);
    change = step_at(&assignment, ASSIGNMENT_EV_SUCCEEDED, 900);
    assert_int_equal(change.standing_from, STANDING_SILENT);
    assert_int_equal(change.standing_to, STANDING_GOOD);
    assert_int_equal(change.counted_at.ms, 4000); /* when the silence was counted */
    assert_int_equal(assignment.counted_at.ms, 900000);
    assert_int_equal(assignment.err, ERR_OK);
}

/* It had leave, went dark before using it, and asks again: it never flipped. */
static void test_unused_leave_comes_back(void **state)
{
    struct assignment assignment = in_state(ASSIGNMENT_SILENT);
    struct assignment_change change = step_at(&assignment, ASSIGNMENT_EV_STAGED, 900);

    (void)state;
    assert_int_equal(change.standing_to, STANDING_WAITING);
    assert_int_equal(change.whereabouts_to, WHEREABOUTS_HOME);
    assert_false(assignment_flipped(&assignment));
    change = step_at(&assignment, ASSIGNMENT_EV_GRANT, 901);
    assert_int_equal(assignment.flipped_at.ms, 901000);
}

static void test_refusals(void **state)
{
    static const enum err circumstances[] = {ERR_AGAIN, ERR_LINK, ERR_STORAGE, ERR_TOO_BIG,
                                             ERR_DENIED};
    struct assignment assignment;
    struct assignment_change change;
    struct assignment_event event = event_of(ASSIGNMENT_EV_REFUSED, 10);

    (void)state;
    for (enum err err = ERR_OK; err < ERR_COUNT; err++) {
        bool counts = true;

        for (size_t i = 0; i < COUNT_OF(circumstances); i++)
            counts = counts && err != circumstances[i];
        assert_int_equal(assignment_refusal_counts(err), counts);
        assignment = in_state(ASSIGNMENT_ASSIGNED);
        event.err = err;
        assert_int_equal(assignment_step(&assignment, &event, &policy, &change), ERR_OK);
        assert_int_equal(change.standing_to, counts ? STANDING_FAILED : STANDING_OUT);
    }
    event.err = ERR_AGAIN; /* busy: asked again, but not on every poll */
    assignment = in_state(ASSIGNMENT_DOWNLOADING);
    assert_int_equal(assignment_step(&assignment, &event, &policy, &change), ERR_OK);
    assert_false(assignment_admissible(&assignment, (struct utc){10000}));
    assert_true(
        assignment_admissible(&assignment, (struct utc){10000 + ASSIGNMENT_REFUSED_WAIT_S * 1000}));
    (void)step_at(&assignment, ASSIGNMENT_EV_ADMIT, 2000);
    assert_int_equal(assignment.attempt, 1);
    assert_int_equal(assignment.err, ERR_OK);
    assert_int_equal(assignment.retry_at.ms, 0);
}

static void test_flip_without_leave_is_recorded(void **state)
{
    struct assignment assignment = in_state(ASSIGNMENT_RECALLED);
    struct assignment_change change = step_at(&assignment, ASSIGNMENT_EV_TRIAL, 20);

    (void)state;
    assert_true(change.without_leave);
    assert_int_equal(change.standing_to, STANDING_EXPOSED);
    assert_int_equal(assignment.flipped_at.ms, 20000);
    change = step_at(&assignment, ASSIGNMENT_EV_SUCCEEDED, 21);
    assert_false(change.without_leave);

    assignment = in_state(ASSIGNMENT_STAGED);
    change = step_at(&assignment, ASSIGNMENT_EV_REVERTED, 30);
    assert_true(change.without_leave);
    assert_true(assignment_flipped(&assignment));
    assignment = in_state(ASSIGNMENT_STAGED);
    change = step_at(&assignment, ASSIGNMENT_EV_GRANT, 31);
    assert_false(change.without_leave);
}

static void test_deadlines(void **state)
{
    struct utc due = {0};
    struct assignment assignment = in_state(ASSIGNMENT_ASSIGNED); /* at second 1 */

    (void)state;
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 101000);
    (void)step_at(&assignment, ASSIGNMENT_EV_HEARD, 60);
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 160000);
    (void)step_at(&assignment, ASSIGNMENT_EV_HEARD, 290); /* talks, but nothing moves */
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 301000);
    (void)step_at(&assignment, ASSIGNMENT_EV_DOWNLOADING, 295); /* it does move */
    (void)step_at(&assignment, ASSIGNMENT_EV_DOWNLOADING, 299);
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 399000);
    (void)step_at(&assignment, ASSIGNMENT_EV_STAGED, 300);
    (void)step_at(&assignment, ASSIGNMENT_EV_HEARD, 9000); /* waits for its window */
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 9100000);
    (void)step_at(&assignment, ASSIGNMENT_EV_GRANT, 9050);
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 9150000);
    (void)step_at(&assignment, ASSIGNMENT_EV_HEARD, 9340); /* talks, but never finishes */
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 9350000);
    assert_false(assignment_due(&assignment, 0, &due));
    (void)step_at(&assignment, ASSIGNMENT_EV_SUCCEEDED, 9341);
    assert_false(assignment_due(&assignment, 100, &due));
    (void)step_at(&assignment, ASSIGNMENT_EV_REVERT, 20000);
    assert_true(assignment_due(&assignment, 100, &due));
    assert_int_equal(due.ms, 20100000);
}

static void test_rollback_keeps_the_outcome(void **state)
{
    struct assignment assignment = in_state(ASSIGNMENT_SUCCEEDED);
    struct assignment_change change = step_at(&assignment, ASSIGNMENT_EV_REVERT, 9);

    (void)state;
    assert_int_equal(change.standing_to, STANDING_GOOD);
    assert_int_equal(change.whereabouts_to, WHEREABOUTS_RETURNING);
    assert_int_equal(assignment_event_of_poll(&assignment, true), ASSIGNMENT_EV_HEARD);
    assert_int_equal(assignment_event_of_poll(&assignment, false), ASSIGNMENT_EV_BACK);
    change = step_at(&assignment, ASSIGNMENT_EV_BACK, 10);
    assert_int_equal(change.standing_to, STANDING_GOOD);
    assert_int_equal(change.whereabouts_to, WHEREABOUTS_BACK);

    assignment = in_state(ASSIGNMENT_TRIAL); /* no outcome yet, and none will come */
    change = step_at(&assignment, ASSIGNMENT_EV_REVERT, 9);
    assert_int_equal(change.standing_to, STANDING_OUT);
}

static void test_poll_tells_who_strayed(void **state)
{
    struct assignment assignment = in_state(ASSIGNMENT_SUCCEEDED);

    (void)state;
    assert_int_equal(assignment_event_of_poll(&assignment, true), ASSIGNMENT_EV_HEARD);
    assert_int_equal(assignment_event_of_poll(&assignment, false), ASSIGNMENT_EV_STRAYED);
    assignment = in_state(ASSIGNMENT_SWITCHING);
    assert_int_equal(assignment_event_of_poll(&assignment, false), ASSIGNMENT_EV_HEARD);
}

/* A claim and what becomes of it, told as lines. */
struct tale {
    struct assignment assignment;
    char text[1024];
    struct buf buf;
};

static void tell(struct tale *tale, enum assignment_event_kind kind, int64_t second)
{
    struct assignment_event event = event_of(kind, second);
    struct assignment_change change;
    enum err err = assignment_step(&tale->assignment, &event, &policy, &change);

    buf_uint(&tale->buf, (uint64_t)second);
    buf_byte(&tale->buf, ' ');
    buf_text(&tale->buf, assignment_event_name(kind));
    buf_text(&tale->buf, ": ");
    if (err != ERR_OK) {
        buf_text(&tale->buf, "refused\n");
        return;
    }
    buf_text(&tale->buf, assignment_state_name(tale->assignment.state));
    buf_byte(&tale->buf, ' ');
    buf_text(&tale->buf, standing_name(tale->assignment.standing));
    buf_byte(&tale->buf, ' ');
    buf_text(&tale->buf, assignment_proof_name(tale->assignment.proof));
    buf_byte(&tale->buf, '\n');
}

static void begin(struct tale *tale)
{
    memset(tale, 0, sizeof *tale);
    tale->buf = buf_over(tale->text, sizeof tale->text);
    tale->assignment = in_state(ASSIGNMENT_SWITCHING);
}

static const char *told(struct tale *tale)
{
    return buf_finish_text(&tale->buf);
}

static void test_claim_then_return(void **state)
{
    struct tale tale;

    (void)state;
    begin(&tale);
    tell(&tale, ASSIGNMENT_EV_RETURNED, 9);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 10);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 11);
    tell(&tale, ASSIGNMENT_EV_HEARD, 12);
    tell(&tale, ASSIGNMENT_EV_RETURNED, 13);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 14);
    assert_string_equal(told(&tale), "9 returned: refused\n"
                                     "10 claimed: trial exposed claimed\n"
                                     "11 claimed: trial exposed claimed\n"
                                     "12 heard: trial exposed claimed\n"
                                     "13 returned: succeeded good returned\n"
                                     "14 claimed: succeeded good returned\n");
    assert_int_equal(tale.assignment.claimed_at.ms, 10000);
}

static void test_claim_then_soak(void **state)
{
    struct utc due = {0};
    struct tale tale;

    (void)state;
    begin(&tale);
    assert_false(assignment_soaked(&tale.assignment, 60, &due));
    tell(&tale, ASSIGNMENT_EV_SOAKED, 9);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 10);
    assert_true(assignment_soaked(&tale.assignment, 60, &due));
    assert_int_equal(due.ms, 70000);
    tell(&tale, ASSIGNMENT_EV_SOAKED, 70);
    assert_false(assignment_soaked(&tale.assignment, 60, &due));
    assert_string_equal(told(&tale), "9 soaked: refused\n"
                                     "10 claimed: trial exposed claimed\n"
                                     "70 soaked: succeeded good soaked\n");
}

static void test_claim_then_old_version(void **state)
{
    struct tale tale;

    (void)state;
    begin(&tale);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 10);
    tell(&tale, ASSIGNMENT_EV_REVERTED, 20);
    tell(&tale, ASSIGNMENT_EV_RETURNED, 21);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 22);
    assert_string_equal(told(&tale), "10 claimed: trial exposed claimed\n"
                                     "20 reverted: reverted failed claimed\n"
                                     "21 returned: refused\n"
                                     "22 claimed: refused\n");
}

/* Leave was given, nothing came, and then a claim: it talks again, and has a deadline again. */
static void test_claim_of_a_silent_device(void **state)
{
    struct utc due = {0};
    struct tale tale;

    (void)state;
    begin(&tale);
    tell(&tale, ASSIGNMENT_EV_OVERDUE, 500);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 900);
    assert_true(assignment_due(&tale.assignment, 100, &due));
    assert_int_equal(due.ms, 1000000);
    tell(&tale, ASSIGNMENT_EV_OVERDUE, 1000);
    assert_string_equal(told(&tale), "500 overdue: silent silent none\n"
                                     "900 claimed: trial exposed claimed\n"
                                     "1000 overdue: silent silent claimed\n");
}

/* What was claimed of the way there says nothing about the way back. */
static void test_claim_of_the_way_back(void **state)
{
    struct tale tale;

    (void)state;
    begin(&tale);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 10);
    tell(&tale, ASSIGNMENT_EV_REVERT, 11);
    tell(&tale, ASSIGNMENT_EV_RETURNED, 12);
    tell(&tale, ASSIGNMENT_EV_CLAIMED, 13);
    tell(&tale, ASSIGNMENT_EV_RETURNED, 14);
    assert_string_equal(told(&tale), "10 claimed: trial exposed claimed\n"
                                     "11 revert: reverting out none\n"
                                     "12 returned: refused\n"
                                     "13 claimed: reverting out claimed\n"
                                     "14 returned: rolled-back out returned\n");
}

static void test_names(void **state)
{
    enum assignment_state found;

    (void)state;
    for (enum assignment_state i = 0; i < ASSIGNMENT_STATE_COUNT; i++) {
        assert_int_equal(assignment_state_parse(span_of(assignment_state_name(i)), &found), ERR_OK);
        assert_int_equal(found, i);
        assert_true(assignment_state_text(i)[0] != '\0');
    }
    assert_int_equal(assignment_state_parse(span_of("lost"), &found), ERR_NOT_FOUND);
    for (enum assignment_event_kind i = 0; i < ASSIGNMENT_EVENT_COUNT; i++)
        assert_true(assignment_event_name(i)[0] != '\0');
    for (enum assignment_proof i = 0; i < PROOF_COUNT; i++) {
        assert_true(assignment_proof_name(i)[0] != '\0');
        assert_true(assignment_proof_text(i)[0] != '\0');
    }
    for (enum standing i = 0; i < STANDING_COUNT; i++)
        assert_true(standing_name(i)[0] != '\0');
    for (enum whereabouts i = 0; i < WHEREABOUTS_COUNT; i++)
        assert_true(whereabouts_name(i)[0] != '\0');
    assert_true(assignment_active(ASSIGNMENT_REVERTING));
    assert_true(assignment_active(ASSIGNMENT_TRIAL));
    assert_false(assignment_active(ASSIGNMENT_SILENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_attempts_before_the_flip_are_limited),
        cmocka_unit_test(test_failure_after_the_flip_counts_at_once),
        cmocka_unit_test(test_success_is_what_it_runs),
        cmocka_unit_test(test_going_back_is_what_it_runs),
        cmocka_unit_test(test_late_good_corrects_the_tally),
        cmocka_unit_test(test_unused_leave_comes_back),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_flip_without_leave_is_recorded),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_rollback_keeps_the_outcome),
        cmocka_unit_test(test_poll_tells_who_strayed),
        cmocka_unit_test(test_claim_then_return),
        cmocka_unit_test(test_claim_then_soak),
        cmocka_unit_test(test_claim_then_old_version),
        cmocka_unit_test(test_claim_of_a_silent_device),
        cmocka_unit_test(test_claim_of_the_way_back),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
