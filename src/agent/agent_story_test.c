/* Stories of the device core, each with the whole trace that it must leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_case_host.h"

/* A device that is idle on version 1. */
static struct agent_case *start(struct agent_case *bench)
{
    case_begin(bench);
    case_boot(bench);
    case_work(bench, 9);
    assert_int_equal(agent_state(&bench->agent), AGENT_IDLE);
    case_forget_trace(bench);
    return bench;
}

static void assert_trace(const struct agent_case *bench, const char *expected)
{
    if (strcmp(bench->trace, expected) == 0)
        return;
    printf("what happened:\n%s---\nwhat was expected:\n%s---\n", bench->trace, expected);
    fail_msg("another story");
}

/* The whole of it: offered, downloaded, verified, asked, flipped, tried, confirmed, reported. */
static void test_installs_in_one_go(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_REPORTING);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(bench->confirms, 1);
    assert_int_equal(bench->agent.record.security_floor, 1); /* version 1 could still be booted */
    assert_int_equal(bench->agent.record.floor_wanted, 2);
    assert_int_equal(bench->floor_kept, 1);
    assert_true(bench->agent.record.banks[1].known && bench->agent.record.banks[0].known);
    assert_trace(bench, "answer install -> resolving: resolve(pump/fw)\n"
                        "facts -> checking: check(erase)\n"
                        "ready -> listing: fetch(list 0)\n"
                        "list -> scanning:\n"
                        "work -> erasing:\n"
                        "work -> fetching: fetch(image 0) report(downloading ok)\n"
                        "bytes -> verifying:\n"
                        "work -> staged:\n"
                        "wake -> staged: check(flip)\n"
                        "ready -> asking: report(staged ok)\n"
                        "proceed -> switching:\n"
                        "wake -> switching: reset\n"
                        "boot -> trial: health report(trial ok)\n"
                        "wake -> trial: poll\n"
                        "healthy -> trial:\n"
                        "answer nothing -> reporting: report(succeeded ok)\n"
                        "noted -> idle:\n");
}

/* The new image does not pass the health check. */
static void test_sick_image_falls_back(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_TRIAL);
    case_forget_trace(bench);
    case_health(bench, ERR_UNHEALTHY);
    case_reset(bench);
    case_boot(bench);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(bench->agent.record.security_floor, 0);
    assert_int_equal(bench->view.verdict, BOOT_NORMAL);
    assert_trace(bench, "sick -> reverting: reset\n"
                        "boot -> reporting: report(reverted unhealthy: the health check failed)\n"
                        "noted -> idle:\n");
}

/* The new image never comes up far enough to say anything. */
static void test_dead_image_falls_back(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_SWITCHING);
    case_forget_trace(bench);
    case_wake(bench);
    case_reset(bench);
    case_reset(bench);
    case_boot(bench);
    assert_trace(bench, "wake -> switching: reset\n"
                        "boot -> reporting: report(reverted unsuitable: the new image did not stay "
                        "up; the boot loader fell back)\n");
}

/* Healthy, but the server is out of reach until the trial ends. */
static void test_no_way_to_the_server_falls_back(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_TRIAL);
    case_forget_trace(bench);
    case_wake(bench);
    case_health(bench, ERR_OK);
    case_failed(bench, AGENT_DO_REPORT, ERR_LINK, 0);
    case_failed(bench, AGENT_DO_POLL, ERR_LINK, 0);
    bench->now = bench->agent.trial_due;
    case_wake(bench);
    assert_trace(bench, "wake -> trial: poll\n"
                        "healthy -> trial:\n"
                        "failed(link) -> trial:\n"
                        "failed(link) -> trial:\n"
                        "wake -> reverting: poll reset\n");
}

/* What runs is not what was verified. */
static void test_trial_measures_the_running_bank(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_SWITCHING);
    case_forget_trace(bench);
    case_wake(bench);
    bench->banks[1].cells[700] ^= 4;
    case_reset(bench);
    case_boot(bench);
    case_health(bench, ERR_OK);
    case_answer(bench, NATIVE_NOTHING, 0, 0, 0);
    case_wake(bench);
    assert_int_equal(bench->confirms, 0);
    assert_trace(bench, "wake -> switching: reset\n"
                        "boot -> trial: health report(trial ok)\n"
                        "healthy -> trial:\n"
                        "answer nothing -> trial:\n"
                        "wake -> reverting: reset\n");
}

/* After the flip the way back is the trial, not the server. */
static void test_cancel_does_not_stop_a_trial(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_TRIAL);
    case_forget_trace(bench);
    case_answer(bench, NATIVE_CANCEL, 7, 0, 0);
    case_health(bench, ERR_OK);
    case_wake(bench);
    assert_trace(bench, "answer cancel -> trial:\n"
                        "healthy -> trial:\n"
                        "wake -> reporting: report(succeeded ok)\n");
}

static void test_recalled_while_fetching(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    case_bytes(bench, 2, 0, 1100);
    case_forget_trace(bench);
    case_answer(bench, NATIVE_CANCEL, 7, 0, 0);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_trace(bench, "answer cancel -> reporting: stop report(recalled ok: recalled by the "
                        "server before the flip)\n"
                        "noted -> idle:\n");
}

static void test_recalled_by_the_verdict_on_staged(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_ASKING);
    case_forget_trace(bench);
    case_verdict(bench, bench->agent.asked_id, NATIVE_DROP, 0);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_int_equal(bench->armed, 0xFF);
    assert_trace(bench,
                 "drop -> reporting: report(recalled ok: recalled by the server before the flip)\n"
                 "noted -> idle:\n");
}

static void test_recalled_by_the_verdict_on_progress(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    case_forget_trace(bench);
    case_verdict(bench, bench->agent.told_id, NATIVE_DROP, 0);
    assert_trace(
        bench,
        "drop -> reporting: stop report(recalled ok: recalled by the server before the flip)\n");
}

static void test_another_assignment_replaces_the_present_one(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_STAGED);
    case_forget_trace(bench);
    case_answer(bench, NATIVE_INSTALL, 8, 2, 0);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    case_answer(bench, NATIVE_INSTALL, 8, 2, 0);
    assert_trace(
        bench,
        "answer install -> reporting: report(recalled ok: recalled by the server before the flip)\n"
        "noted -> idle:\n"
        "answer install -> resolving: resolve(pump/fw)\n");
}

static void test_busy_device_waits(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_CHECKING);
    case_forget_trace(bench);
    case_ready(bench, ERR_AGAIN);
    case_wake(bench);
    case_ready(bench, ERR_AGAIN);
    case_wake(bench);
    case_ready(bench, ERR_OK);
    assert_trace(bench, "busy -> checking: report(downloading ok: the device is busy)\n"
                        "wake -> checking: check(erase)\n"
                        "busy -> checking:\n"
                        "wake -> checking: check(erase)\n"
                        "ready -> listing: fetch(list 0)\n");
}

static void test_no_room_is_refused_before_anything_is_erased(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_CHECKING);
    case_forget_trace(bench);
    case_ready(bench, ERR_TOO_BIG);
    assert_int_equal(bench->banks[1].erases, 0);
    assert_trace(bench,
                 "no room -> reporting: report(refused too-big: there is no room for the image)\n");
}

/* The server wants it later; so does the user of the device. */
static void test_hold_then_proceed(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_ASKING);
    case_forget_trace(bench);
    case_verdict(bench, bench->agent.asked_id, NATIVE_HOLD, 30);
    assert_true(case_order(bench, AGENT_DO_WAKE)->due.ms == bench->now.ms + 30000);
    case_wake(bench);
    case_ready(bench, ERR_AGAIN);
    case_wake(bench);
    case_ready(bench, ERR_OK);
    case_verdict(bench, bench->agent.asked_id, NATIVE_PROCEED, 0);
    assert_trace(bench, "hold -> staged:\n"
                        "wake -> staged: check(flip)\n"
                        "busy -> staged:\n"
                        "wake -> staged: check(flip)\n"
                        "ready -> asking: report(staged ok)\n"
                        "proceed -> switching:\n");
}

/* Verified at once, and the server knows of it; flipped when the maintenance window opens. */
static void test_window_opens_later(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_VERIFYING);
    case_answer(bench, NATIVE_INSTALL, 7, 2, 1800);
    case_forget_trace(bench);
    case_work(bench, 9);
    case_wake(bench);
    case_ready(bench, ERR_OK);
    case_verdict(bench, bench->agent.asked_id, NATIVE_HOLD, 1800);
    assert_true(bench->now.ms < 60000);
    while (bench->now.ms < 1800000 && agent_state(&bench->agent) == AGENT_STAGED)
        case_wake(bench);
    case_ready(bench, ERR_OK);
    case_verdict(bench, bench->agent.asked_id, NATIVE_PROCEED, 0);
    assert_trace(bench, "work -> staged:\n"
                        "wake -> staged: check(flip)\n"
                        "ready -> asking: report(staged ok)\n"
                        "hold -> staged:\n"
                        "wake -> staged: check(flip)\n"
                        "ready -> asking: report(staged ok)\n"
                        "proceed -> switching:\n");
}

/* An operator opens the window at once; the next poll says so. */
static void test_window_is_opened_early(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_VERIFYING);
    case_answer(bench, NATIVE_INSTALL, 7, 2, 1800);
    case_work(bench, 9);
    case_wake(bench);
    case_ready(bench, ERR_OK);
    case_verdict(bench, bench->agent.asked_id, NATIVE_HOLD, 1800);
    case_forget_trace(bench);
    case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
    case_wake(bench);
    assert_true(bench->now.ms < 60000);
    assert_trace(bench, "answer install -> staged:\n"
                        "wake -> staged: check(flip)\n");
}

/* Only the server knows the window; the bank is read back once more. */
static void test_staged_and_power_lost(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_ASKING);
    case_forget_trace(bench);
    case_boot(bench);
    case_work(bench, 9);
    case_wake(bench);
    case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
    case_wake(bench);
    assert_trace(bench, "boot -> verifying:\n"
                        "work -> staged: poll\n"
                        "wake -> staged:\n"
                        "answer install -> staged:\n"
                        "wake -> staged: check(flip)\n");
}

/* Leave that was given to an earlier report. */
static void test_stale_verdict_does_not_flip(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    uint64_t earlier;

    (void)state;
    case_go_to(bench, AGENT_ASKING);
    earlier = bench->agent.asked_id;
    case_verdict(bench, earlier, NATIVE_HOLD, 30);
    case_forget_trace(bench);
    case_verdict(bench, earlier, NATIVE_PROCEED, 0);
    case_wake(bench);
    case_ready(bench, ERR_OK);
    case_verdict(bench, earlier, NATIVE_PROCEED, 0);
    assert_trace(bench, "proceed refused -> staged:\n"
                        "wake -> staged:\n"
                        "ready -> asking: report(staged ok)\n"
                        "proceed refused -> asking:\n");
}

/* Version 1 is still in the other bank. */
static void test_rollback_without_a_download(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_REPORTING);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    case_forget_trace(bench);
    case_answer(bench, NATIVE_ROLLBACK, 8, 1, 0);
    case_facts(bench, &bench->firmware[0].facts);
    case_work(bench, 9);
    case_wake(bench);
    case_ready(bench, ERR_OK);
    case_verdict(bench, bench->agent.asked_id, NATIVE_PROCEED, 0);
    case_wake(bench);
    assert_int_equal(bench->armed, 0);
    assert_int_equal(bench->banks[0].erases, 0);
    assert_trace(bench, "answer rollback -> resolving: resolve(pump/fw)\n"
                        "facts -> verifying:\n"
                        "work -> staged:\n"
                        "wake -> staged: check(flip)\n"
                        "ready -> asking: report(staged ok)\n"
                        "proceed -> switching:\n"
                        "wake -> switching: reset\n");
}

static void test_rollback_below_the_floor_is_refused(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_REPORTING);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    bench->agent.record.security_floor = 2;
    case_forget_trace(bench);
    case_answer(bench, NATIVE_ROLLBACK, 8, 1, 0);
    case_facts(bench, &bench->firmware[0].facts);
    assert_trace(bench, "answer rollback -> resolving: resolve(pump/fw)\n"
                        "facts -> reporting: report(refused unsuitable: the release is below the "
                        "security floor of this device)\n");
}

static void test_rollback_to_an_image_that_is_not_there(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_answer(bench, NATIVE_ROLLBACK, 8, 2, 0);
    case_facts(bench, &bench->firmware[1].facts);
    assert_int_equal(bench->banks[1].erases, 0);
    assert_trace(bench, "answer rollback -> resolving: resolve(pump/fw)\n"
                        "facts -> reporting: report(refused not-found: the other bank does not "
                        "hold the wanted image)\n");
}

static void test_wanted_image_runs_already(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_answer(bench, NATIVE_INSTALL, 7, 1, 0);
    case_facts(bench, &bench->firmware[0].facts);
    assert_trace(bench,
                 "answer install -> resolving: resolve(pump/fw)\n"
                 "facts -> reporting: report(succeeded ok: the wanted image is running already)\n");
}

/* The server names one digest, the signed metadata another. */
static void test_facts_are_not_of_the_assigned_image(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_answer(bench, NATIVE_INSTALL, 7, 1, 0);
    case_facts(bench, &bench->firmware[1].facts);
    assert_trace(bench, "answer install -> resolving: resolve(pump/fw)\n"
                        "facts -> reporting: report(refused untrusted: the assignment is for "
                        "another image than the one released)\n");
}

static void test_metadata_cannot_be_verified(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_RESOLVING);
    case_forget_trace(bench);
    case_failed(bench, AGENT_DO_RESOLVE, ERR_LINK, 0);
    case_wake(bench);
    case_failed(bench, AGENT_DO_RESOLVE, ERR_UNTRUSTED, 0);
    assert_trace(bench, "failed(link) -> resolving:\n"
                        "wake -> resolving: resolve(pump/fw)\n"
                        "failed(untrusted) -> reporting: report(refused untrusted: the release "
                        "cannot be verified)\n");
}

static void test_spoiled_chunk_is_fetched_again(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    case_bytes(bench, 2, 0, 1024);
    case_forget_trace(bench);
    case_bytes(bench, 1, 1024, 1024);
    case_wake(bench);
    case_bytes(bench, 2, 1024, 1476);
    assert_memory_equal(bench->banks[1].cells, bench->firmware[1].bytes, CASE_IMAGE_SIZE);
    assert_trace(bench, "bytes -> fetching: stop\n"
                        "wake -> fetching: fetch(image 1024)\n"
                        "bytes -> verifying:\n");
}

static void test_too_many_spoiled_chunks(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    case_forget_trace(bench);
    for (int i = 0; i < 2; i++) {
        case_bytes(bench, 1, 0, 1024);
        case_wake(bench);
    }
    case_bytes(bench, 1, 0, 1024);
    assert_int_equal(bench->banks[1].writes, 0);
    assert_trace(
        bench,
        "bytes -> fetching: stop\n"
        "wake -> fetching: fetch(image 0)\n"
        "bytes -> fetching: stop\n"
        "wake -> fetching: fetch(image 0)\n"
        "bytes -> reporting: stop report(failed corrupt: a chunk does not match its digest)\n");
}

static void test_spoiled_chunk_list(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_LISTING);
    case_forget_trace(bench);
    for (int i = 0; i < 2; i++) {
        case_list(bench, 1);
        case_wake(bench);
    }
    case_list(bench, 1);
    assert_int_equal(bench->banks[1].erases, 0);
    assert_trace(bench, "list -> listing: stop\n"
                        "wake -> listing: fetch(list 0)\n"
                        "list -> listing: stop\n"
                        "wake -> listing: fetch(list 0)\n"
                        "list -> reporting: stop report(failed corrupt: the chunk list does not "
                        "match its signed digest)\n");
}

static void test_broken_link_goes_on_at_the_byte(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    case_forget_trace(bench);
    case_bytes(bench, 2, 0, 1500);
    case_failed(bench, AGENT_DO_FETCH, ERR_LINK, 0);
    case_wake(bench);
    case_bytes(bench, 2, 0, 1500);
    case_bytes(bench, 2, 1500, 1000);
    assert_trace(bench, "bytes -> fetching: report(downloading ok)\n"
                        "failed(link) -> fetching:\n"
                        "wake -> fetching: fetch(image 1500)\n"
                        "bytes -> fetching:\n"
                        "bytes -> verifying:\n");
}

static void test_power_loss_goes_on_at_the_chunk(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    case_bytes(bench, 2, 0, 2100);
    case_forget_trace(bench);
    case_boot(bench);
    case_list(bench, 2);
    case_work(bench, 9);
    case_work(bench, 9);
    case_bytes(bench, 2, 2048, 452);
    assert_trace(bench, "boot -> listing: fetch(list 0)\n"
                        "list -> scanning:\n"
                        "work -> erasing:\n"
                        "work -> fetching: fetch(image 2048) report(downloading ok)\n"
                        "bytes -> verifying:\n");
}

static void test_blob_is_gone(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    case_forget_trace(bench);
    case_failed(bench, AGENT_DO_FETCH, ERR_NOT_FOUND, 0);
    assert_trace(bench, "failed(not-found) -> reporting: report(failed not-found)\n");
}

static void test_bank_refuses_a_write(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_FETCHING);
    bench->banks[1].broken = true;
    case_forget_trace(bench);
    case_bytes(bench, 2, 0, 1024);
    assert_trace(
        bench, "bytes -> reporting: report(failed storage: the bank or the boot loader refused)\n");
}

static void test_bank_loses_what_was_written(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_VERIFYING);
    bench->banks[1].cells[2000] ^= 1;
    case_forget_trace(bench);
    case_work(bench, 9);
    assert_false(bench->agent.record.banks[1].known);
    assert_trace(bench, "work -> reporting: report(failed corrupt: the bank does not hold what was "
                        "written to it)\n");
}

/* Through lost links and lost power, and always with the same id. */
static void test_final_report_is_repeated_until_it_is_heard(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    uint64_t id;

    (void)state;
    case_go_to(bench, AGENT_ASKING);
    case_verdict(bench, bench->agent.asked_id, NATIVE_DROP, 0);
    id = bench->agent.asked_id;
    case_forget_trace(bench);
    case_failed(bench, AGENT_DO_REPORT, ERR_LINK, 0);
    case_wake(bench);
    assert_true(case_order(bench, AGENT_DO_REPORT)->report.id == id);
    case_boot(bench);
    case_wake(bench);
    case_work(bench, 1);
    assert_true(bench->agent.asked_id == id);
    case_verdict(bench, id + 1, NATIVE_NOTED, 0);
    case_verdict(bench, id, NATIVE_NOTED, 0);
    case_boot(bench);
    assert_trace(bench,
                 "failed(link) -> reporting:\n"
                 "wake -> reporting: report(recalled ok: recalled by the server before the flip)\n"
                 "boot -> reporting:\n"
                 "wake -> reporting: poll\n"
                 "work -> reporting: report(recalled ok: recalled by the server before the flip)\n"
                 "noted refused -> reporting:\n"
                 "noted -> idle:\n"
                 "boot -> idle:\n");
}

/* The server does not know the assignment: repeating it would never help. */
static void test_final_report_that_nobody_wants(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_ASKING);
    case_forget_trace(bench);
    case_failed(bench, AGENT_DO_REPORT, ERR_NOT_FOUND, 0);
    case_failed(bench, AGENT_DO_REPORT, ERR_NOT_FOUND, 0);
    assert_trace(bench, "failed(not-found) -> reporting: report(recalled not-found: recalled by "
                        "the server before the flip)\n"
                        "failed(not-found) -> idle:\n");
}

/* Nothing goes on before the record is durable, and nothing is erased meanwhile. */
static void test_record_cannot_be_saved(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_SCANNING);
    case_forget_trace(bench);
    bench->slots_broken = true;
    case_wake(bench);
    case_answer(bench, NATIVE_NOTHING, 0, 0, 0);
    case_wake(bench);
    assert_int_equal(bench->banks[1].erases, 0);
    bench->slots_broken = false;
    case_wake(bench);
    case_work(bench, 9);
    assert_trace(bench, "wake not saved -> erasing:\n"
                        "answer nothing not saved -> erasing:\n"
                        "wake not saved -> erasing:\n"
                        "wake -> erasing:\n"
                        "work -> fetching: poll fetch(image 0) report(downloading ok)\n");
}

static void test_trial_that_nobody_asked_for(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    bench->view = (struct boot_view){BOOT_TRIAL, 1};
    case_forget_trace(bench);
    case_boot(bench);
    case_reset(bench);
    case_boot(bench);
    assert_int_equal(bench->confirms, 1);
    assert_trace(bench, "boot -> idle: reset\n"
                        "boot -> idle:\n");
}

static void test_factory_image_is_measured_not_believed(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_begin(bench);
    bench->banks[0].cells[5] ^= 1;
    case_boot(bench);
    case_work(bench, 9);
    assert_false(bench->agent.record.banks[0].known);
    assert_trace(bench, "boot -> measuring:\n"
                        "work -> idle: poll\n");
}

/* Power was lost before anything durable came of the offer. */
static void test_recall_of_what_was_forgotten(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_go_to(bench, AGENT_CHECKING);
    case_forget_trace(bench);
    case_boot(bench);
    case_answer(bench, NATIVE_CANCEL, 7, 0, 0);
    case_verdict(bench, bench->agent.asked_id, NATIVE_NOTED, 0);
    assert_trace(
        bench,
        "boot -> idle:\n"
        "answer cancel -> reporting: report(recalled ok: recalled by the server before the flip)\n"
        "noted -> idle:\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_installs_in_one_go),
        cmocka_unit_test(test_sick_image_falls_back),
        cmocka_unit_test(test_dead_image_falls_back),
        cmocka_unit_test(test_no_way_to_the_server_falls_back),
        cmocka_unit_test(test_trial_measures_the_running_bank),
        cmocka_unit_test(test_cancel_does_not_stop_a_trial),
        cmocka_unit_test(test_recalled_while_fetching),
        cmocka_unit_test(test_recalled_by_the_verdict_on_staged),
        cmocka_unit_test(test_recalled_by_the_verdict_on_progress),
        cmocka_unit_test(test_another_assignment_replaces_the_present_one),
        cmocka_unit_test(test_busy_device_waits),
        cmocka_unit_test(test_no_room_is_refused_before_anything_is_erased),
        cmocka_unit_test(test_hold_then_proceed),
        cmocka_unit_test(test_window_opens_later),
        cmocka_unit_test(test_window_is_opened_early),
        cmocka_unit_test(test_staged_and_power_lost),
        cmocka_unit_test(test_stale_verdict_does_not_flip),
        cmocka_unit_test(test_rollback_without_a_download),
        cmocka_unit_test(test_rollback_below_the_floor_is_refused),
        cmocka_unit_test(test_rollback_to_an_image_that_is_not_there),
        cmocka_unit_test(test_wanted_image_runs_already),
        cmocka_unit_test(test_facts_are_not_of_the_assigned_image),
        cmocka_unit_test(test_metadata_cannot_be_verified),
        cmocka_unit_test(test_spoiled_chunk_is_fetched_again),
        cmocka_unit_test(test_too_many_spoiled_chunks),
        cmocka_unit_test(test_spoiled_chunk_list),
        cmocka_unit_test(test_broken_link_goes_on_at_the_byte),
        cmocka_unit_test(test_power_loss_goes_on_at_the_chunk),
        cmocka_unit_test(test_blob_is_gone),
        cmocka_unit_test(test_bank_refuses_a_write),
        cmocka_unit_test(test_bank_loses_what_was_written),
        cmocka_unit_test(test_final_report_is_repeated_until_it_is_heard),
        cmocka_unit_test(test_final_report_that_nobody_wants),
        cmocka_unit_test(test_record_cannot_be_saved),
        cmocka_unit_test(test_trial_that_nobody_asked_for),
        cmocka_unit_test(test_factory_image_is_measured_not_believed),
        cmocka_unit_test(test_recall_of_what_was_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
