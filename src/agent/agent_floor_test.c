/* The security floor and the memory of mandates in the device core: how they rise, what they
 * survive. Version n has security version n and asks for floor n. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_case_host.h"

static struct agent_case *start(struct agent_case *bench)
{
    case_begin(bench);
    case_boot(bench);
    case_work(bench, 9);
    assert_int_equal(agent_state(&bench->agent), AGENT_IDLE);
    case_forget_trace(bench);
    return bench;
}

/* Version 2 is confirmed and reported; version 1 is in the other bank. */
static struct agent_case *start_on_version_2(struct agent_case *bench)
{
    start(bench);
    case_go_to(bench, AGENT_REPORTING);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(agent_state(&bench->agent), AGENT_IDLE);
    case_forget_trace(bench);
    return bench;
}

static void lose_record(struct agent_case *bench)
{
    bench->slot_written[0] = bench->slot_written[1] = false;
}

static void test_nothing_rises_before_the_confirmation(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_TRIAL);
    assert_int_equal(bench->agent.record.security_floor, 0);
    assert_int_equal(bench->agent.record.floor_wanted, 0);
    case_health(bench, ERR_UNHEALTHY);
    case_reset(bench);
    case_boot(bench);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(agent_state(&bench->agent), AGENT_IDLE);
    assert_int_equal(bench->agent.record.security_floor, 0);
    assert_int_equal(bench->agent.record.floor_wanted, 0);
    assert_int_equal(bench->floor_kept, 0);
}

static void test_the_floor_waits_for_the_other_bank(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start_on_version_2(&place);

    (void)state;
    assert_int_equal(bench->agent.record.security_floor, 1);
    case_boot(bench);
    assert_int_equal(bench->agent.record.security_floor, 1); /* version 1 can still be booted */
    bench->agent.record.banks[0].known = false;
    bench->agent.dirty = true;
    case_answer(bench, NATIVE_NOTHING, 0, 0, 0); /* saves */
    case_boot(bench);
    assert_int_equal(bench->agent.record.security_floor, 2);
    assert_int_equal(bench->floor_kept, 2);
}

/* Going back to version 1 keeps the floor where both banks are. */
static void test_rolling_back_does_not_raise_the_floor(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start_on_version_2(&place);

    (void)state;
    case_answer(bench, NATIVE_ROLLBACK, 8, 1, 0);
    case_facts(bench, &bench->firmware[0].facts);
    case_work(bench, 9);
    case_wake(bench);
    case_ready(bench, ERR_OK);
    case_verdict(bench, bench->agent.asked_id, NATIVE_PROCEED, 0);
    case_wake(bench);
    case_reset(bench);
    case_boot(bench);
    case_wake(bench);
    case_health(bench, ERR_OK);
    case_answer(bench, NATIVE_NOTHING, 0, 0, 0);
    assert_int_equal(agent_state(&bench->agent), AGENT_REPORTING);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(bench->agent.boot.running, 0);
    assert_int_equal(bench->agent.record.security_floor, 1);
    assert_int_equal(bench->agent.record.floor_wanted, 2);
}

static void test_a_lost_record_does_not_lower_the_floor(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start_on_version_2(&place);
    uint32_t epoch = bench->agent.record.epoch;

    (void)state;
    lose_record(bench);
    bench->config.seed = 6; /* no boot has the same */
    case_boot(bench);
    assert_int_equal(bench->agent.record.security_floor, 1);
    assert_int_not_equal(bench->agent.record.epoch, epoch);
    assert_int_not_equal(bench->agent.record.epoch, 0);
}

static void test_without_a_keep_what_is_proved_counts(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start_on_version_2(&place);

    (void)state;
    lose_record(bench);
    bench->world.keep = NULL;
    bench->config.security_floor = 1;
    case_boot(bench);
    assert_int_equal(bench->agent.record.security_floor, 1);
    bench->config.security_floor = 0; /* from then on the record remembers */
    case_boot(bench);
    assert_int_equal(bench->agent.record.security_floor, 1);
}

/* The keep refuses: the record has the floor, and the keep gets it with the next save. */
static void test_a_broken_keep_is_tried_again(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    bench->keep_broken = true;
    case_go_to(bench, AGENT_REPORTING);
    assert_int_equal(bench->agent.record.security_floor, 1);
    assert_int_equal(bench->floor_kept, 0);
    bench->keep_broken = false;
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(bench->floor_kept, 1);
}

/* The floor is judged by; it is not the record's alone. */
static void test_a_kept_floor_refuses(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = &place;

    (void)state;
    case_begin(bench);
    bench->floor_kept = 3;
    case_boot(bench);
    case_work(bench, 9);
    case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
    case_facts(bench, &bench->firmware[1].facts);
    assert_int_equal(bench->agent.record.report.reason, AGENT_REASON_FLOOR);
}

/* ---- mandates ---- */

static void judge_sequence(struct agent_case *bench, uint64_t assignment, uint64_t sequence)
{
    case_answer(bench, NATIVE_INSTALL, assignment, 2, 0);
    case_evidence(bench, &bench->firmware[1].facts)->mandate.sequence = sequence;
    case_judge(bench);
}

static void test_the_same_mandate_is_taken_again_after_power_loss(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    judge_sequence(bench, 7, 50);
    assert_int_equal(agent_state(&bench->agent), AGENT_CHECKING);
    case_boot(bench); /* nothing was begun: the work is forgotten, its mandate is not */
    assert_int_equal(agent_state(&bench->agent), AGENT_IDLE);
    judge_sequence(bench, 7, 50);
    assert_int_equal(agent_state(&bench->agent), AGENT_CHECKING);
}

static void test_another_assignment_needs_a_number_of_its_own(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    judge_sequence(bench, 7, 50);
    case_boot(bench);
    judge_sequence(bench, 8, 50);
    assert_int_equal(bench->agent.record.report.reason, AGENT_REASON_REPLAYED);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    judge_sequence(bench, 9, 51);
    assert_int_equal(agent_state(&bench->agent), AGENT_CHECKING);
}

static void test_what_is_over_is_not_obeyed_again(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    judge_sequence(bench, 7, 50);
    case_answer(bench, NATIVE_CANCEL, 7, 0, 0);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(agent_state(&bench->agent), AGENT_IDLE);
    judge_sequence(bench, 7, 50);
    assert_int_equal(bench->agent.record.report.reason, AGENT_REASON_REPLAYED);
}

/* What is refused costs no number: a thief without the key cannot burn them. */
static void test_a_refused_mandate_is_not_remembered(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
    case_evidence(bench, &bench->firmware[1].facts)->mandate.sequence = UINT64_MAX;
    bench->evidence.signature = ACCEPT_FORGED;
    case_judge(bench);
    assert_int_equal(bench->agent.record.report.reason, AGENT_REASON_ASSIGNMENT_SIGNATURE);
    assert_int_equal(bench->agent.record.last.sequence, 0);
}

/* An older image that is not in the other bank is downloaded like any other. */
static void test_rolling_back_may_download(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start_on_version_2(&place);

    (void)state;
    bench->agent.record.banks[0].known = false;
    case_answer(bench, NATIVE_INSTALL, 8, 1, 0);
    case_evidence(bench, &bench->firmware[0].facts)->mandate.action = MANDATE_ROLLBACK;
    case_judge(bench);
    assert_int_equal(agent_state(&bench->agent), AGENT_CHECKING);

    bench = start_on_version_2(&place);
    bench->agent.record.banks[0].known = false;
    case_answer(bench, NATIVE_INSTALL, 8, 1, 0);
    case_facts(bench, &bench->firmware[0].facts); /* the same as an install */
    assert_int_equal(bench->agent.record.report.reason, AGENT_REASON_NOT_NEWER);
}

static void test_a_reason_is_told_for_waiting(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    struct agent_event event = {
        .kind = AGENT_EV_READY, .ready = ERR_AGAIN, .hindrance = AGENT_REASON_POWER};

    (void)state;
    case_go_to(bench, AGENT_CHECKING);
    event.now = bench->now;
    assert_int_equal(agent_step(&bench->agent, &event, &bench->orders), ERR_OK);
    assert_int_equal(case_order(bench, AGENT_DO_REPORT)->report.reason, AGENT_REASON_POWER);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_rises_before_the_confirmation),
        cmocka_unit_test(test_the_floor_waits_for_the_other_bank),
        cmocka_unit_test(test_rolling_back_does_not_raise_the_floor),
        cmocka_unit_test(test_a_lost_record_does_not_lower_the_floor),
        cmocka_unit_test(test_without_a_keep_what_is_proved_counts),
        cmocka_unit_test(test_a_broken_keep_is_tried_again),
        cmocka_unit_test(test_a_kept_floor_refuses),
        cmocka_unit_test(test_the_same_mandate_is_taken_again_after_power_loss),
        cmocka_unit_test(test_another_assignment_needs_a_number_of_its_own),
        cmocka_unit_test(test_what_is_over_is_not_obeyed_again),
        cmocka_unit_test(test_a_refused_mandate_is_not_remembered),
        cmocka_unit_test(test_rolling_back_may_download),
        cmocka_unit_test(test_a_reason_is_told_for_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
