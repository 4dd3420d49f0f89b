/* The leave to flip and the trial must end, whatever happens to the device and to the agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_case_host.h"

#define NOT_ARMED 0xFF

static void assert_trace(const struct agent_case *bench, const char *expected)
{
    if (strcmp(bench->trace, expected) == 0)
        return;
    printf("what happened:\n%s---\nwhat was expected:\n%s---\n", bench->trace, expected);
    fail_msg("another story");
}

/* Version 1 runs, version 2 is verified, the server has given leave. */
static struct agent_case *switching(struct agent_case *bench)
{
    case_begin(bench);
    case_boot(bench);
    case_work(bench, 9);
    case_go_to(bench, AGENT_SWITCHING);
    case_forget_trace(bench);
    return bench;
}

/* The agent starts over between arming the trial and the reset, and its leave is void: a device
 * that is told to drop the update now must not flip when it is reset some day. */
static void test_void_leave_disarms_the_trial(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = switching(&place);

    (void)state;
    case_wake(bench);
    assert_int_equal(bench->armed, 1);
    case_forget_trace(bench);
    case_boot(bench);
    assert_int_equal(bench->armed, NOT_ARMED);
    case_answer(bench, NATIVE_CANCEL, 7, 0, 0);
    case_reset(bench);
    case_boot(bench);
    assert_int_equal(bench->view.running, 0);
    assert_trace(bench, "boot -> verifying:\n"
                        "answer cancel -> reporting: report(recalled ok: recalled by the server "
                        "before the flip)\n"
                        "boot -> reporting: report(recalled ok: recalled by the server before the "
                        "flip)\n");
}

/* The boot loader says that it could not be armed; it may be all the same. */
static void test_failed_arming_is_undone(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = switching(&place);

    (void)state;
    bench->boot_broken = true;
    case_wake(bench);
    assert_int_equal(bench->armed, NOT_ARMED);
    assert_trace(bench, "wake -> reporting: report(failed storage: the bank or the boot loader "
                        "refused)\n");
}

/* The order to reset is never carried out: a leave is not kept for ever. */
static void test_reset_that_never_comes_ends_it(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = switching(&place);

    (void)state;
    for (int resets = 0; resets < 10;) {
        case_forget_trace(bench);
        case_wake(bench); /* for a poll, now and then */
        resets += case_order(bench, AGENT_DO_RESET) ? 1 : 0;
        assert_int_equal(agent_state(&bench->agent), AGENT_SWITCHING);
        assert_int_equal(bench->armed, 1);
    }
    case_forget_trace(bench);
    case_wake(bench);
    assert_int_equal(bench->armed, NOT_ARMED);
    assert_trace(bench, "wake -> reporting: report(failed storage: the device did not reset when "
                        "told to)\n");
}

/* The trial is given up, and the order to reset is not carried out at first. */
static void test_reset_out_of_a_trial_is_repeated(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = switching(&place);
    int resets = 0;

    (void)state;
    case_wake(bench);
    case_reset(bench);
    case_boot(bench);
    case_health(bench, ERR_CORRUPT);
    assert_int_equal(agent_state(&bench->agent), AGENT_REVERTING);
    for (int i = 0; i < 20 && resets < 3; i++) {
        case_wake(bench);
        resets += case_order(bench, AGENT_DO_RESET) ? 1 : 0;
    }
    assert_int_equal(resets, 3);
    assert_true(bench->now.ms >= 3 * 60000);
}

/* The agent of the new image dies and is started again and again, without a reset. */
static void test_agent_that_keeps_dying_ends_the_trial(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = switching(&place);

    (void)state;
    case_wake(bench);
    case_reset(bench);
    case_forget_trace(bench);
    for (int i = 0; i < 5; i++)
        case_boot(bench);
    case_reset(bench);
    case_boot(bench);
    assert_int_equal(bench->view.running, 0);
    assert_int_equal(bench->confirms, 0);
    assert_trace(bench, "boot -> trial: health report(trial ok)\n"
                        "boot -> trial: health report(trial ok)\n"
                        "boot -> trial: health report(trial ok)\n"
                        "boot -> trial: health report(trial ok)\n"
                        "boot -> reverting: reset\n"
                        "boot -> reporting: report(reverted unsuitable: the agent of the new image "
                        "did not stay up)\n");
}

/* Nothing is begun on an image that must not stay: its spare bank holds the good one. */
static void test_refused_trial_only_waits_for_its_reset(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = &place;
    int resets = 0;

    (void)state;
    case_begin(bench);
    bench->view = (struct boot_view){BOOT_TRIAL, 1};
    case_boot(bench);
    assert_non_null(case_order(bench, AGENT_DO_RESET));
    case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
    assert_int_equal(bench->err, ERR_INVALID);
    assert_int_equal(agent_state(&bench->agent), AGENT_IDLE);
    bench->orders = (struct agent_orders){
        .count = 1, .list = {{.kind = AGENT_DO_WAKE, .due = bench->agent.work_due}}};
    for (int i = 0; i < 3; i++) {
        case_wake(bench);
        assert_null(case_order(bench, AGENT_DO_POLL));
        resets += case_order(bench, AGENT_DO_RESET) ? 1 : 0;
    }
    assert_int_equal(resets, 3);
    assert_int_equal(bench->confirms, 0);
    assert_int_equal(bench->banks[0].erases, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_void_leave_disarms_the_trial),
        cmocka_unit_test(test_failed_arming_is_undone),
        cmocka_unit_test(test_reset_that_never_comes_ends_it),
        cmocka_unit_test(test_reset_out_of_a_trial_is_repeated),
        cmocka_unit_test(test_agent_that_keeps_dying_ends_the_trial),
        cmocka_unit_test(test_refused_trial_only_waits_for_its_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
