/* Orders to devices and what they answer: mandates, the order of reports, refusals, the way back,
 * the block list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/facts.h"
#include "app/inspect.h"
#include "app/rules.h"
#include "app/stage.h"
#include "app/steer.h"
#include "crypto/cose_key.h"
#include "crypto/verify_openssl.h"
#include "format/cose.h"
#include "format/mandate.h"

static const uint16_t everybody[] = {1000, 0};

static int open_stage(void **state)
{
    static struct stage stage;

    stage_open(&stage, false);
    *state = &stage;
    return 0;
}

static int close_stage(void **state)
{
    stage_check(*state);
    stage_close(*state);
    return 0;
}

static enum native_verdict_kind report(struct stage *stage, struct stage_device *device,
                                       enum native_phase phase)
{
    struct native_verdict verdict;

    stage->now.ms += 1000;
    assert_int_equal(stage_report(stage, device, phase, &verdict), ERR_OK);
    return verdict.kind;
}

static enum native_verdict_kind late(struct stage *stage, struct stage_device *device, uint64_t id,
                                     enum native_phase phase)
{
    struct native_verdict verdict;

    assert_int_equal(stage_late(stage, device, id, phase, &verdict), ERR_OK);
    return verdict.kind;
}

static enum native_answer_kind poll(struct stage *stage, struct stage_device *device)
{
    struct native_answer answer;

    stage->now.ms += 1000;
    assert_int_equal(stage_poll(stage, device, &answer), ERR_OK);
    return answer.kind;
}

static void update(struct stage *stage, struct stage_device *device, const char *version)
{
    assert_int_equal(poll(stage, device), NATIVE_INSTALL);
    assert_int_equal(report(stage, device, PHASE_STAGED), NATIVE_PROCEED);
    stage_boot(device, version);
    assert_int_equal(report(stage, device, PHASE_SUCCEEDED), NATIVE_NOTED);
    device->assignment = 0;
}

static enum assignment_state state_of(struct stage *stage)
{
    return (enum assignment_state)stage_number(stage,
                                               "SELECT state FROM assignment ORDER BY id LIMIT 1");
}

/* Entries of the audit that hold `part`; a literal, for the statement cache. */
#define ENTRIES(stage, part) \
    stage_number(stage, "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE '%" part "%'")

/* ---- mandates ---- */

/* The mandate of the last answer, when the assignment key has signed it. */
static struct mandate mandate_of(struct stage *stage, struct stage_device *device)
{
    const struct verify verify = verify_openssl();
    uint8_t room[2048];
    const struct cose_check check = {&verify, SPAN_LITERAL(MANDATE_AAD), room, sizeof room};
    struct verify_key key;
    struct cose_sign1 message;
    struct mandate mandate;

    assert_true(device->mandate_size > 0);
    assert_int_equal(
        cose_sign1_read((struct span){device->mandate, device->mandate_size}, &message), ERR_OK);
    assert_int_equal(key_to_verify(stage->assignment_key, &key, NULL), ERR_OK);
    assert_true(cose_sign1_good(&message, &key, &check));
    assert_int_equal(mandate_read(message.payload, &mandate), ERR_OK);
    assert_true(span_is(mandate.device, device->name));
    assert_true(mandate.nonce_known);
    assert_memory_equal(mandate.nonce, device->nonce, sizeof device->nonce);
    assert_int_equal(mandate.issued_s, stage->now.ms / 1000);
    return mandate;
}

static void test_an_order_is_signed(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct mandate first, again;
    uint8_t image[DIGEST_SIZE];

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    first = mandate_of(stage, &device);
    stage_image("2.0", image);
    assert_memory_equal(first.sha256, image, DIGEST_SIZE);
    assert_int_equal(first.action, MANDATE_INSTALL);
    assert_int_equal(first.id, device.assignment);
    assert_true(span_is(first.target, "box/2.0/image"));
    assert_true(first.sequence >= (uint64_t)stage->now.ms / 1000 - 2);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL); /* the same order keeps its number */
    again = mandate_of(stage, &device);
    assert_int_equal(again.sequence, first.sequence);
}

static void test_what_changes_nothing_is_not_signed(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    assert_int_equal(poll(stage, &device), NATIVE_NOTHING);
    assert_int_equal(device.mandate_size, 0);
    device.assignment = 77; /* whatever that is */
    assert_int_equal(poll(stage, &device), NATIVE_CANCEL);
    assert_int_equal(device.mandate_size, 0);
}

static void test_a_new_order_has_a_higher_number(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct mandate before, after;
    int64_t rollout;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_release(stage, "1.0");
    rollout = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    before = mandate_of(stage, &device);
    stage->now.ms -= 3600000; /* the clock is put back: numbers go on all the same */
    assert_int_equal(report(stage, &device, PHASE_FAILED), NATIVE_NOTED);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL); /* the second attempt */
    after = mandate_of(stage, &device);
    assert_int_equal(after.sequence, before.sequence + 1);
    update(stage, &device, "2.0");
    assert_int_equal(stage_steer(stage, rollout, ROLLOUT_EV_ROLLBACK), ERR_OK);
    assert_int_equal(poll(stage, &device), NATIVE_ROLLBACK);
    before = mandate_of(stage, &device);
    assert_int_equal(before.sequence, after.sequence + 1);
    assert_int_equal(before.action, MANDATE_ROLLBACK);
    assert_true(span_is(before.target, "box/1.0/image"));
}

static void test_an_older_release_is_a_step_back(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "2.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "1.5"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(mandate_of(stage, &device).action, MANDATE_ROLLBACK);
}

/* Versions may begin anew; where signers count, devices go by that. */
static void test_what_signers_count_lower_is_a_step_back(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    int64_t release;

    (void)stage_release(stage, "2.0");
    release = stage_release(stage, "3.0");
    stage_device(stage, "gw-1", "a", "2.0", &device);
    (void)stage_rollout(stage, "r", release, everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(mandate_of(stage, &device).action, MANDATE_INSTALL);
    assert_int_equal(
        db_script(stage->db, "UPDATE release SET release_counter = 8 - id * id WHERE id < 3"),
        ERR_OK);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(mandate_of(stage, &device).action, MANDATE_ROLLBACK);
    assert_int_equal(db_script(stage->db, "UPDATE release SET release_counter = id"), ERR_OK);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(mandate_of(stage, &device).action, MANDATE_INSTALL);
}

/* ---- the order of reports ---- */

static void test_a_late_report_undoes_nothing(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(report(stage, &device, PHASE_DOWNLOADING), NATIVE_NOTED);
    device.report_id++; /* number 2 is on its way */
    assert_int_equal(report(stage, &device, PHASE_STAGED), NATIVE_PROCEED);
    assert_int_equal(late(stage, &device, 2, PHASE_STAGED), NATIVE_NOTED);
    assert_int_equal(state_of(stage), ASSIGNMENT_SWITCHING);
    assert_int_equal(late(stage, &device, 2, PHASE_STAGED), NATIVE_NOTED); /* and again */
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM report"), 3);
    device.report_id++;
    stage_boot(&device, "2.0");
    assert_int_equal(report(stage, &device, PHASE_SUCCEEDED), NATIVE_NOTED);
    stage_boot(&device, "1.0"); /* what it said then, arriving now */
    device.boot_count = 1;
    assert_int_equal(late(stage, &device, 4, PHASE_SWITCHING), NATIVE_NOTED);
    assert_int_equal(state_of(stage), ASSIGNMENT_SUCCEEDED);
    assert_int_equal(stage_number(stage, "SELECT boot_count FROM device_state"), 2);
}

static void test_leave_that_was_taken_back_stays_so(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    int64_t rollout;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    rollout = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    device.report_id++; /* number 1, staged, is on its way */
    assert_int_equal(report(stage, &device, PHASE_DOWNLOADING), NATIVE_NOTED);
    assert_int_equal(stage_steer(stage, rollout, ROLLOUT_EV_HALT), ERR_OK);
    assert_int_equal(report(stage, &device, PHASE_RECALLED), NATIVE_NOTED);
    assert_int_equal(stage_steer(stage, rollout, ROLLOUT_EV_RESUME), ERR_OK);
    assert_int_equal(state_of(stage), ASSIGNMENT_ASSIGNED);
    assert_int_equal(late(stage, &device, 1, PHASE_STAGED), NATIVE_NOTED);
    assert_int_equal(state_of(stage), ASSIGNMENT_ASSIGNED);
}

static void test_a_lost_record_counts_anew(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    device.epoch = 11;
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(report(stage, &device, PHASE_STAGED), NATIVE_PROCEED);
    assert_int_equal(report(stage, &device, PHASE_SWITCHING), NATIVE_NOTED);
    device.epoch = 12;
    device.report_id = 0;
    assert_int_equal(report(stage, &device, PHASE_DOWNLOADING), NATIVE_NOTED); /* its first */
    assert_int_equal(report(stage, &device, PHASE_STAGED), NATIVE_PROCEED);
    assert_int_equal(stage_number(stage, "SELECT max(id) FROM report"), 4);
    device.epoch = 11; /* what was still on its way */
    assert_int_equal(late(stage, &device, 9, PHASE_FAILED), NATIVE_NOTED);
    assert_int_equal(state_of(stage), ASSIGNMENT_SWITCHING);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM report"), 4);
}

/* An agent without epochs: an id that it has used for something else gives it away. */
static void test_a_used_id_for_something_else_counts_anew(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(report(stage, &device, PHASE_DOWNLOADING), NATIVE_NOTED);
    assert_int_equal(report(stage, &device, PHASE_STAGED), NATIVE_PROCEED);
    device.report_id = 0;
    assert_int_equal(report(stage, &device, PHASE_STAGED), NATIVE_PROCEED); /* 1 was downloading */
    stage_boot(&device, "2.0");
    assert_int_equal(report(stage, &device, PHASE_SUCCEEDED), NATIVE_NOTED); /* 2 was staged */
    assert_int_equal(state_of(stage), ASSIGNMENT_SUCCEEDED);
}

/* ---- refusals ---- */

static void test_a_refusal_tells_its_reason(void **state)
{
    struct stage *stage = *state;
    struct explanation explanation;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    device.err = "untrusted";
    device.reason = "replayed";
    device.detail = "the assignment is not newer than the last one";
    assert_int_equal(report(stage, &device, PHASE_REFUSED), NATIVE_NOTED);
    assert_int_equal(stage->app.refusals.count[REFUSAL_REPLAYED], 1);
    assert_int_equal(ENTRIES(stage, "assignment.refused"), 1);
    assert_int_equal(ENTRIES(stage, "replayed: the assignment is not newer"), 1);
    assert_int_equal(
        inspect_explain(&stage->app, 1, SPAN_LITERAL("gw-1"), stage->now, &explanation, NULL),
        ERR_OK);
    assert_non_null(strstr(explanation.sentence, "(replayed: the assignment is not newer than"));
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM report WHERE reason = 'replayed'"),
                     1);
}

static void test_a_reason_of_tomorrow_counts_as_other(void **state)
{
    struct stage *stage = *state;
    struct native_verdict verdict;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    device.reason = "phase_of_the_moon";
    assert_int_equal(report(stage, &device, PHASE_REFUSED), NATIVE_NOTED);
    assert_int_equal(stage_repeat(stage, &device, PHASE_REFUSED, &verdict), ERR_OK);
    assert_int_equal(stage->app.refusals.count[REFUSAL_OTHER], 1);
}

/* ---- the way back ---- */

/* A device that has gone from 1.0 to 2.0, and a rollback of that. */
static int64_t rolled_out(struct stage *stage, struct stage_device *device)
{
    int64_t rollout;

    stage_device(stage, "gw-1", "a", "1.0", device);
    rollout = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    update(stage, device, "2.0");
    return rollout;
}

static void test_what_is_gone_from_the_other_bank_is_fetched(void **state)
{
    struct stage *stage = *state;
    struct explanation explanation;
    struct stage_device device;
    int64_t rollout = rolled_out(stage, &device);

    (void)stage_release(stage, "1.0");
    stage_image("0.9", device.other);
    assert_int_equal(stage_steer(stage, rollout, ROLLOUT_EV_ROLLBACK), ERR_OK);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(mandate_of(stage, &device).action, MANDATE_ROLLBACK);
    assert_true(span_is(mandate_of(stage, &device).target, "box/1.0/image"));
    assert_int_equal(
        inspect_explain(&stage->app, 1, SPAN_LITERAL("gw-1"), stage->now, &explanation, NULL),
        ERR_OK);
    assert_int_equal(explanation.reason, REASON_FETCH_BACK);
    assert_int_equal(report(stage, &device, PHASE_DOWNLOADING), NATIVE_NOTED);
    assert_int_equal(report(stage, &device, PHASE_STAGED), NATIVE_PROCEED);
    assert_int_equal(state_of(stage), ASSIGNMENT_REVERTING);
    stage_boot(&device, "1.0");
    assert_int_equal(report(stage, &device, PHASE_SUCCEEDED), NATIVE_NOTED);
    assert_int_equal(state_of(stage), ASSIGNMENT_ROLLED_BACK);
}

static void stranded(struct stage *stage, struct stage_device *device, int64_t rollout,
                     const char *words)
{
    struct explanation explanation;

    assert_int_equal(stage_steer(stage, rollout, ROLLOUT_EV_ROLLBACK), ERR_OK);
    assert_int_equal(poll(stage, device), NATIVE_NOTHING);
    assert_int_equal(state_of(stage), ASSIGNMENT_STRANDED);
    assert_int_equal(
        inspect_explain(&stage->app, 1, SPAN_LITERAL("gw-1"), stage->now, &explanation, NULL),
        ERR_OK);
    assert_non_null(strstr(explanation.sentence, words));
    assert_int_equal(ENTRIES(stage, "assignment.stranded"), 1);
}

static void test_what_was_never_signed_is_no_way_back(void **state)
{
    struct stage_device device;
    int64_t rollout = rolled_out(*state, &device);

    stranded(*state, &device, rollout, "(unsigned: what it ran before is no signed release)");
}

static void test_the_floor_bars_the_way_back(void **state)
{
    struct stage_device device;
    int64_t rollout = rolled_out(*state, &device);

    (void)stage_release(*state, "1.0");
    stage_floor(*state, &device, 2);
    stranded(*state, &device, rollout, "(floor: what it ran before is below the security");
}

struct rollback {
    int64_t rollout;
    struct steer_order order;
};

static enum err roll_back(struct stage *stage, void *self)
{
    struct rollback *rollback = self;
    struct rollout_row row;

    TRY(store_rollout_get(stage->db, 1, rollback->rollout, &row));
    return steer_event(&stage->app, &row, ROLLOUT_EV_ROLLBACK, &rollback->order, &stage->why);
}

static void test_a_rollback_that_floors_bar_needs_a_word(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct rollback rollback = {.rollout = rolled_out(stage, &device),
                                .order = {.tenant = 1,
                                          .actor = "token:ada",
                                          .person = "ada",
                                          .reason = SPAN_LITERAL(""),
                                          .now = stage->now}};

    (void)stage_release(stage, "1.0");
    stage_floor(stage, &device, 2);
    assert_int_equal(stage_run(stage, roll_back, &rollback), ERR_CONFLICT);
    assert_int_equal(rollback.order.barred.count, 1);
    assert_string_equal(rollback.order.barred.sample[0], "gw-1");
    assert_string_equal(stage->why.field, "leave_behind");
    assert_int_equal(state_of(stage), ASSIGNMENT_SUCCEEDED); /* nothing has begun */
    rollback.order.leaves_behind = true;
    assert_int_equal(stage_run(stage, roll_back, &rollback), ERR_CONFLICT);
    rollback.order.leave_behind = 1;
    assert_int_equal(stage_run(stage, roll_back, &rollback), ERR_OK);
    assert_int_equal(poll(stage, &device), NATIVE_NOTHING);
    assert_int_equal(state_of(stage), ASSIGNMENT_STRANDED);
}

static void test_a_floor_keeps_a_release_away(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct rollout_row row;
    int64_t rollout;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    stage_floor(stage, &device, 2);
    stage_device(stage, "gw-2", "a", "1.0", &(struct stage_device){0});
    rollout = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    stage_rollout_read(stage, rollout, &row);
    assert_int_equal(row.rollout.selected, 1);
    assert_int_equal(poll(stage, &device), NATIVE_NOTHING);
}

/* ---- the block list ---- */

static enum err block(struct stage *stage, void *self)
{
    const char *version = self;
    const struct policy *policy;
    struct policy *stated;

    TRY(rules_of(&stage->app, 1, &policy));
    stated = app_tenant(&stage->app, 1)->policy; /* as if signers had stated it */
    stage_image(version, stated->blocked[stated->blocked_count++]);
    return rules_enforce(&stage->app, 1, stage->now);
}

static void test_a_blocked_release_halts_and_recalls(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct rollout_row row;
    char version[] = "2.0";
    int64_t rollout;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    rollout = stage_rollout(stage, "r", stage_release(stage, version), everybody);
    assert_int_equal(poll(stage, &device), NATIVE_INSTALL);
    assert_int_equal(stage_run(stage, block, version), ERR_OK);
    stage_rollout_read(stage, rollout, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_HALTED);
    assert_non_null(strstr(row.reason, "blocked"));
    assert_int_equal(state_of(stage), ASSIGNMENT_RECALLED);
    assert_int_equal(report(stage, &device, PHASE_STAGED), NATIVE_DROP);
    assert_int_equal(stage_steer(stage, rollout, ROLLOUT_EV_RESUME), ERR_OK);
    assert_int_equal(state_of(stage), ASSIGNMENT_RECALLED); /* nobody is admitted */
}

#define ORDER(test) cmocka_unit_test_setup_teardown(test, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ORDER(test_an_order_is_signed),
        ORDER(test_what_changes_nothing_is_not_signed),
        ORDER(test_a_new_order_has_a_higher_number),
        ORDER(test_an_older_release_is_a_step_back),
        ORDER(test_what_signers_count_lower_is_a_step_back),
        ORDER(test_a_late_report_undoes_nothing),
        ORDER(test_leave_that_was_taken_back_stays_so),
        ORDER(test_a_lost_record_counts_anew),
        ORDER(test_a_used_id_for_something_else_counts_anew),
        ORDER(test_a_refusal_tells_its_reason),
        ORDER(test_a_reason_of_tomorrow_counts_as_other),
        ORDER(test_what_is_gone_from_the_other_bank_is_fetched),
        ORDER(test_what_was_never_signed_is_no_way_back),
        ORDER(test_the_floor_bars_the_way_back),
        ORDER(test_a_rollback_that_floors_bar_needs_a_word),
        ORDER(test_a_floor_keeps_a_release_away),
        ORDER(test_a_blocked_release_halts_and_recalls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
