/* Rules of the device core that hold across stories: waiting, suitability, ids, messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/acts.h"
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

/* Waiting times grow, stay below their bounds, differ, and outlive power loss. */
static void test_back_off(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    int64_t bound_ms = 2000, waited[12];
    bool differ = false;

    (void)state;
    for (int i = 0; i < 12; i++) {
        if (i > 0) { /* the first poll is on its way already */
            case_wake(bench);
            assert_non_null(case_order(bench, AGENT_DO_POLL));
        }
        case_failed(bench, AGENT_DO_POLL, ERR_LINK, 0);
        waited[i] = case_order(bench, AGENT_DO_WAKE)->due.ms - bench->now.ms;
        assert_true(waited[i] >= 0 && waited[i] <= bound_ms);
        differ = differ || (i > 0 && waited[i] != waited[0]);
        bound_ms = bound_ms < 64000 ? bound_ms * 2 : 64000;
        case_forget_trace(bench);
    }
    assert_true(differ);

    case_boot(bench);
    assert_int_equal(bench->agent.record.poll_failures, 12);
    assert_true(case_order(bench, AGENT_DO_WAKE)->due.ms > 0); /* not at once */
    assert_true(case_order(bench, AGENT_DO_WAKE)->due.ms <= 64000);
    case_answer(bench, NATIVE_NOTHING, 0, 0, 0);
    assert_int_equal(bench->agent.record.poll_failures, 0);
}

/* The record is not worn out by an endless outage. */
static void test_outage_spares_the_record(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    uint32_t saves = bench->saves;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        case_wake(bench);
        case_failed(bench, AGENT_DO_POLL, ERR_LINK, 0);
        case_forget_trace(bench);
    }
    assert_true(bench->saves - saves <= 24);
}

/* "Retry-After: 500" is obeyed by polls, downloads and reports alike. */
static void test_server_may_ask_for_patience(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);

    (void)state;
    case_wake(bench);
    case_failed(bench, AGENT_DO_POLL, ERR_AGAIN, 500);
    assert_true(bench->agent.poll_due.ms >= bench->now.ms + 500000);
    case_go_to(bench, AGENT_FETCHING);
    case_failed(bench, AGENT_DO_FETCH, ERR_AGAIN, 500);
    assert_true(bench->agent.work_due.ms >= bench->now.ms + 500000);
    case_answer(bench, NATIVE_CANCEL, 7, 0, 0);
    case_failed(bench, AGENT_DO_REPORT, ERR_AGAIN, 500);
    assert_true(bench->agent.work_due.ms >= bench->now.ms + 500000);
}

/* A server in the wrong hands may ask for years; a device must hear of the right one before. */
static void test_patience_has_an_end(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    const int64_t max_ms = (int64_t)AGENT_PATIENCE_MAX_S * 1000;
    int64_t waits_ms;

    (void)state;
    case_failed(bench, AGENT_DO_POLL, ERR_AGAIN, UINT32_MAX);
    waits_ms = case_order(bench, AGENT_DO_WAKE)->due.ms - bench->now.ms;
    assert_true(waits_ms >= max_ms && waits_ms <= max_ms + 64000);
    assert_int_equal(agent_patience_ms(&bench->agent, 60), 60000);

    case_go_to(bench, AGENT_TRIAL);
    assert_int_equal(agent_patience_ms(&bench->agent, UINT32_MAX), 30000); /* of 300 s */
}

/* Each way in which a release may not fit, and nothing is erased for any of them. */
static void test_unsuitable_releases(void **state)
{
    static struct agent_case place;

    (void)state;
    for (int what = 0; what < 9; what++) {
        struct agent_case *bench = start(&place);
        struct release_facts facts = bench->firmware[1].facts;
        enum agent_reason expected = AGENT_REASON_NONE;

        switch (what) {
        case 0:
            memcpy(facts.product, "fan", 4);
            expected = AGENT_REASON_PRODUCT;
            break;
        case 1:
            memcpy(facts.hardware[0], "rev-a", 6);
            expected = AGENT_REASON_HARDWARE;
            break;
        case 2:
            bench->agent.record.security_floor = 3;
            expected = AGENT_REASON_FLOOR;
            break;
        case 3:
            facts.bases_count = 1;
            memcpy(facts.bases[0].version, "0.9", 4);
            expected = AGENT_REASON_BASE;
            break;
        case 4:
            facts.length = CASE_BANK_SIZE + 1;
            expected = AGENT_REASON_SIZE;
            break;
        case 5:
            facts.chunk_size = 2 * CASE_CHUNK_SIZE; /* more than the room for one */
            expected = AGENT_REASON_SIZE;
            break;
        case 6:
            facts.length = CASE_BANK_SIZE; /* four chunks, room for three digests */
            expected = AGENT_REASON_SIZE;
            break;
        case 7:
            facts.hardware_count = 0;
            expected = AGENT_REASON_FACTS;
            break;
        default:
            facts.length = 0;
            expected = AGENT_REASON_FACTS;
        }
        case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
        case_facts(bench, &facts);
        assert_int_equal(agent_state(&bench->agent), AGENT_REPORTING);
        assert_int_equal(bench->agent.record.report.phase, PHASE_REFUSED);
        assert_int_equal(bench->agent.record.report.reason, expected);
        assert_int_equal(bench->banks[1].erases, 0);
    }
}

/* Report ids never repeat, whatever happens in between. */
static void test_report_ids_only_grow(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        const struct agent_order *order;

        case_go_to(bench, AGENT_ASKING);
        order = case_order(bench, AGENT_DO_REPORT);
        assert_non_null(order);
        assert_true(order->report.id > last);
        last = order->report.id;
        if (i % 3 == 0)
            case_boot(bench);
        else
            case_verdict(bench, last, NATIVE_HOLD, 1);
        case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
        case_forget_trace(bench);
    }
}

/* What the server is told fits the message, in every state. */
static void test_messages_encode(void **state)
{
    static struct agent_case place;
    struct agent_case *bench = start(&place);
    uint8_t room[MESSAGE_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct native_poll poll;
    struct native_report report;

    (void)state;
    case_go_to(bench, AGENT_TRIAL);
    agent_poll(&bench->agent, &poll);
    assert_true(poll.running.known && poll.other.known);
    assert_true(span_is(poll.version, "2"));
    assert_int_equal(poll.boot_count, 2);
    assert_int_equal(poll.assignment, 7);
    assert_int_equal(native_poll_encode(&poll, &out), ERR_OK);
    case_health(bench, ERR_UNHEALTHY);
    case_reset(bench);
    case_boot(bench);
    agent_report(&bench->agent, &case_order(bench, AGENT_DO_REPORT)->report, &report);
    assert_true(span_is(report.err, "unhealthy"));
    assert_true(span_is(report.reason, "health"));
    assert_int_equal(report.epoch, bench->agent.record.epoch);
    assert_true(span_is(report.detail, "the health check failed"));
    assert_memory_equal(report.running.at, bench->firmware[0].facts.sha256, DIGEST_SIZE);
    assert_int_equal(native_report_encode(&report, &out), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_outage_spares_the_record),
        cmocka_unit_test(test_server_may_ask_for_patience),
        cmocka_unit_test(test_patience_has_an_end),
        cmocka_unit_test(test_unsuitable_releases),
        cmocka_unit_test(test_report_ids_only_grow),
        cmocka_unit_test(test_messages_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
