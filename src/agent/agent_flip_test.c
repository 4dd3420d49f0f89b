/* The leave to flip and the trial must end, whatever happens to the device and to the agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/agent_case_host.h"

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
        cmocka_unit_test(test_reset_out_of_a_trial_is_repeated),
        cmocka_unit_test(test_refused_trial_only_waits_for_its_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
