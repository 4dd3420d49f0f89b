/* Every state against every input: pairs of the table go where it says, all others are refused
 * and change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_case_host.h"
#include "agent/table.h"
#include "base/check.h"

/* What is handled, as a picture: rows are states, columns inputs, '.' is refused. Kept by hand,
 * so that a row that appears or disappears has to be meant. */
/* clang-format off */
static const char *const handled[AGENT_STATE_COUNT] = {
    /* booted, trial, reverted | work | offer cancel reached | facts ready bytes |
     * proceed hold noted | health failed */
    [AGENT_IDLE]      = "xxx . xxx ... ... ..",
    [AGENT_RESOLVING] = "xxx x .xx x.. ... .x",
    [AGENT_CHECKING]  = "xxx x .xx .x. ... .x",
    [AGENT_LISTING]   = "xxx x .xx ..x ... .x",
    [AGENT_SCANNING]  = "xxx x .xx ... ... ..",
    [AGENT_ERASING]   = "xxx x .xx ... ... ..",
    [AGENT_FETCHING]  = "xxx x .xx ..x ... .x",
    [AGENT_VERIFYING] = "xxx x .xx ... ... ..",
    [AGENT_STAGED]    = "xxx x .xx .x. ... .x",
    [AGENT_ASKING]    = "xxx . .xx ... xxx .x",
    [AGENT_SWITCHING] = "xxx x .xx ... ... ..",
    [AGENT_TRIAL]     = "xxx x .xx ... ... xx",
    [AGENT_REVERTING] = "xxx x .xx ... ... ..",
    [AGENT_REPORTING] = "xxx x .xx ... ..x .x",
    [AGENT_MEASURING] = "xxx x xxx ... ... ..",
};
/* clang-format on */

static bool listed(enum agent_state state, enum agent_input input)
{
    const char *at = handled[state];

    for (int column = 0;; at++) {
        if (*at == ' ')
            continue;
        CHECK(*at != '\0');
        if (column++ == (int)input)
            return *at == 'x';
    }
}

static void test_table_is_the_picture(void **state)
{
    (void)state;
    for (int from = 0; from < AGENT_STATE_COUNT; from++) {
        assert_true(agent_state_name((enum agent_state)from)[0] != '\0');
        for (int on = 0; on < INPUT_COUNT; on++) {
            bool row = agent_row_find((enum agent_state)from, (enum agent_input)on) != NULL;

            if (row != listed((enum agent_state)from, (enum agent_input)on))
                fail_msg("%s, input %d: the table and the picture differ",
                         agent_state_name((enum agent_state)from), on);
        }
    }
}

/* A device in `state`, with everything in hand that the state may need. */
static void put_into(struct agent_case *bench, enum agent_state state)
{
    case_begin(bench);
    case_boot(bench);
    case_go_to(bench, AGENT_IDLE);
    if (state == AGENT_MEASURING) {
        bench->agent.record.state = AGENT_MEASURING;
        bench->agent.work_due = bench->now;
    } else if (state == AGENT_REVERTING) {
        case_go_to(bench, AGENT_TRIAL);
        case_health(bench, ERR_CORRUPT);
    } else {
        case_go_to(bench, state);
    }
    CHECK(agent_state(&bench->agent) == state);
}

/* The event that is `input` in the present state. False when there is no such event. */
static bool event_of(struct agent_case *bench, enum agent_input input, struct native_answer *answer,
                     struct agent_event *event)
{
    const struct agent *agent = &bench->agent;
    bool in_hand = agent->record.work.assignment != 0;

    *event = (struct agent_event){.kind = AGENT_EV_ANSWER, .now = bench->now, .answer = answer};
    *answer = (struct native_answer){.next_poll_s = 60, .target = SPAN_LITERAL("pump/fw")};
    switch (input) {
    case INPUT_WORK:
        event->kind = AGENT_EV_WAKE;
        return true;
    case INPUT_OFFER:
        answer->kind = NATIVE_INSTALL;
        answer->assignment = 9;
        return !in_hand;
    case INPUT_CANCEL:
        answer->kind = NATIVE_CANCEL;
        answer->assignment = in_hand ? agent->record.work.assignment : 9;
        return true;
    case INPUT_REACHED:
        return true;
    case INPUT_FACTS:
        event->kind = AGENT_EV_FACTS;
        event->evidence = case_evidence(bench, &bench->firmware[1].facts);
        return true;
    case INPUT_READY:
        event->kind = AGENT_EV_READY;
        event->ready = ERR_OK;
        return true;
    case INPUT_BYTES:
        event->kind = AGENT_EV_BYTES;
        event->bytes.piece = (struct span){bench->firmware[1].list, 1};
        return true;
    case INPUT_PROCEED:
    case INPUT_HOLD:
    case INPUT_NOTED:
        event->kind = AGENT_EV_VERDICT;
        event->verdict.report_id = agent->asked_id ? agent->asked_id : 1;
        event->verdict.is.kind = input == INPUT_PROCEED ? NATIVE_PROCEED
                                 : input == INPUT_HOLD  ? NATIVE_HOLD
                                                        : NATIVE_NOTED;
        return agent_state(agent) != AGENT_REPORTING || input == INPUT_NOTED;
    case INPUT_HEALTH:
        event->kind = AGENT_EV_HEALTH;
        return true;
    case INPUT_FAILED:
        event->kind = AGENT_EV_FAILED;
        event->failed.order = agent_state_info(agent_state(agent))->awaits;
        event->failed.err = ERR_LINK;
        return true;
    case INPUT_BOOTED:
    case INPUT_BOOTED_TRIAL:
    case INPUT_BOOTED_REVERTED:
    case INPUT_COUNT:
        break;
    }
    return false;
}

static void assert_on_the_table(const struct agent_row *row, const struct agent_case *bench)
{
    enum agent_state now = agent_state(&bench->agent);

    assert_true(now == row->ok || now == row->again || now == row->ends);
}

static void test_product_of_states_and_events(void **state)
{
    static struct agent_case bench;
    static struct agent before;
    int taken = 0, refused = 0;

    (void)state;
    for (int from = 0; from < AGENT_STATE_COUNT; from++) {
        for (int input = INPUT_WORK; input < INPUT_COUNT; input++) {
            const struct agent_row *row;
            struct native_answer answer;
            struct agent_event event;
            struct agent_orders orders;
            enum err err;

            put_into(&bench, (enum agent_state)from);
            if (input == INPUT_WORK)
                bench.agent.work_due = bench.now;
            if (!event_of(&bench, (enum agent_input)input, &answer, &event))
                continue;
            before = bench.agent;
            row = agent_row_find((enum agent_state)from, (enum agent_input)input);
            err = agent_step(&bench.agent, &event, &orders);
            if (row) {
                assert_int_equal(err, ERR_OK);
                assert_on_the_table(row, &bench);
                taken++;
            } else if (input == INPUT_WORK) { /* a wake is never wrong */
                assert_int_equal(err, ERR_OK);
                assert_int_equal(agent_state(&bench.agent), from);
            } else {
                assert_int_equal(err, ERR_INVALID);
                assert_memory_equal(&before, &bench.agent, sizeof before);
                assert_int_equal(orders.count, 0);
                refused++;
            }
        }
    }
    print_message("%d pairs taken, %d refused\n", taken, refused);
}

/* Power loss in every state, with every answer of the boot loader. */
static void test_product_of_states_and_boots(void **state)
{
    static const enum boot_verdict verdicts[] = {BOOT_NORMAL, BOOT_TRIAL, BOOT_REVERTED};
    static struct agent_case bench;

    (void)state;
    for (int from = 0; from < AGENT_STATE_COUNT; from++) {
        for (int verdict = 0; verdict < 3; verdict++) {
            const struct agent_row *row;

            put_into(&bench, (enum agent_state)from);
            if (from == AGENT_MEASURING) /* this one is not reached by steps, hence not saved */
                assert_int_equal(
                    record_save(&bench.slot_port, &bench.agent.record, &bench.agent.sequence),
                    ERR_OK);
            bench.view.verdict = verdicts[verdict];
            row =
                agent_row_find((enum agent_state)from, (enum agent_input)(INPUT_BOOTED + verdict));
            assert_non_null(row);
            case_boot(&bench);
            assert_int_equal(bench.err, ERR_OK);
            assert_on_the_table(row, &bench);
        }
    }
}

/* No order is given and nothing is erased on the word of a boot loader that makes no sense. */
static void test_senseless_world_is_refused(void **state)
{
    static struct agent_case bench;

    (void)state;
    case_begin(&bench);
    bench.view.running = 2;
    case_boot(&bench);
    assert_int_equal(bench.err, ERR_STORAGE);

    case_begin(&bench);
    bench.bank_ports[1].erase_size = 1000;
    case_boot(&bench);
    assert_int_equal(bench.err, ERR_INVALID);

    case_begin(&bench);
    bench.world.room.chunk_size = CHUNK_SIZE_MIN - 1;
    case_boot(&bench);
    assert_int_equal(bench.err, ERR_INVALID);

    case_begin(&bench);
    bench.config.slice_size = 512; /* less than an erase block: no step could erase */
    case_boot(&bench);
    assert_int_equal(bench.err, ERR_INVALID);
}

/* Records that another agent version may have left. */
static void test_strange_records_are_tamed(void **state)
{
    static struct agent_case bench;
    struct record record = {.state = 99, .report_next = 500};
    uint32_t sequence = 0;

    (void)state;
    case_begin(&bench);
    assert_int_equal(record_save(&bench.slot_port, &record, &sequence), ERR_OK);
    case_boot(&bench);
    assert_int_equal(agent_state(&bench.agent), AGENT_MEASURING); /* as if idle */

    record.work.assignment = 7; /* a final report comes through, whatever the state */
    record.report = (struct record_report){.id = 4, .phase = PHASE_FAILED, .err = ERR_STORAGE};
    assert_int_equal(record_save(&bench.slot_port, &record, &sequence), ERR_OK);
    case_boot(&bench);
    assert_int_equal(agent_state(&bench.agent), AGENT_REPORTING);
    assert_int_equal(case_order(&bench, AGENT_DO_REPORT)->report.id, 4);

    record.state = AGENT_REPORTING; /* without a report that makes sense there is none */
    record.report.phase = 77;
    assert_int_equal(record_save(&bench.slot_port, &record, &sequence), ERR_OK);
    case_boot(&bench);
    assert_int_equal(agent_state(&bench.agent), AGENT_MEASURING);

    record.state = AGENT_FETCHING; /* chunks that this agent has no room for */
    record.report = (struct record_report){0};
    record.work.image = (struct record_image){.known = true, .length = 4000};
    record.work.chunk_size = 2 * CASE_CHUNK_SIZE;
    assert_int_equal(record_save(&bench.slot_port, &record, &sequence), ERR_OK);
    case_boot(&bench);
    assert_int_equal(agent_state(&bench.agent), AGENT_MEASURING);
    assert_int_equal(bench.agent.record.work.assignment, 0);
}

static void test_reasons_have_sentences(void **state)
{
    (void)state;
    for (int reason = 1; reason < AGENT_REASON_COUNT; reason++) {
        size_t size = strlen(agent_reason_text((enum agent_reason)reason));

        assert_true(size > 0 && size <= DETAIL_SIZE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_the_picture),
        cmocka_unit_test(test_product_of_states_and_events),
        cmocka_unit_test(test_product_of_states_and_boots),
        cmocka_unit_test(test_senseless_world_is_refused),
        cmocka_unit_test(test_strange_records_are_tamed),
        cmocka_unit_test(test_reasons_have_sentences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
