/* Devices and rollouts told as stories, from enrolment to rollback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/stage.h"
#include "base/check.h"

static const uint16_t everybody[] = {1000, 0};
static const uint16_t half_then_all[] = {500, 1000, 0};

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

static void make_devices(struct stage *stage, struct stage_device *devices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "gw-%u", i);
        stage_device(stage, name, i % 2 == 0 ? "a" : "b", "1.0", &devices[i]);
    }
}

static enum native_verdict_kind report(struct stage *stage, struct stage_device *device,
                                       enum native_phase phase)
{
    struct native_verdict verdict;

    stage->now.ms += 1000;
    assert_int_equal(stage_report(stage, device, phase, &verdict), ERR_OK);
    return verdict.kind;
}

static enum native_answer_kind poll(struct stage *stage, struct stage_device *device)
{
    struct native_answer answer;

    stage->now.ms += 1000;
    assert_int_equal(stage_poll(stage, device, &answer), ERR_OK);
    return answer.kind;
}

static void update_well(struct stage *stage, struct stage_device *device, const char *version)
{
    assert_int_equal(poll(stage, device), NATIVE_INSTALL);
    assert_int_equal(report(stage, device, PHASE_DOWNLOADING), NATIVE_NOTED);
    assert_int_equal(report(stage, device, PHASE_STAGED), NATIVE_PROCEED);
    assert_int_equal(report(stage, device, PHASE_SWITCHING), NATIVE_NOTED);
    stage_boot(device, version);
    assert_int_equal(report(stage, device, PHASE_TRIAL), NATIVE_NOTED);
    assert_int_equal(report(stage, device, PHASE_SUCCEEDED), NATIVE_NOTED);
    device->assignment = 0;
}

static void update_badly(struct stage *stage, struct stage_device *device)
{
    assert_int_equal(poll(stage, device), NATIVE_INSTALL);
    assert_int_equal(report(stage, device, PHASE_STAGED), NATIVE_PROCEED);
    (void)report(stage, device, PHASE_REVERTED);
    device->assignment = 0;
}

/* ---- enrolment ---- */

static void test_a_claim_lets_one_device_in_once(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    bool pending;

    stage_claim(stage, "secret", "", 60000);
    assert_int_equal(stage_enroll(stage, "gw-1", "key-1", "secret", &pending, &device), ERR_OK);
    assert_false(pending);
    assert_int_equal(stage_enroll(stage, "gw-2", "key-2", "secret", &pending, NULL), ERR_DENIED);
    assert_string_equal(stage->why.text, "the claim token has been used already");
    /* The reply got lost: the same device with the same key asks again. */
    assert_int_equal(stage_enroll(stage, "gw-1", "key-1", "secret", &pending, &device), ERR_OK);
    assert_int_equal(poll(stage, &device), NATIVE_NOTHING);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM device"), 1);
    assert_int_equal(
        stage_number(stage, "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE '%refused%'"),
        1);
}

static void test_bad_claims_are_refused(void **state)
{
    struct stage *stage = *state;
    bool pending;

    stage_claim(stage, "short", "", 1000);
    stage_claim(stage, "named", "gw-9", 60000);
    stage->now.ms += 1000;
    assert_int_equal(stage_enroll(stage, "gw-1", "k", "short", &pending, NULL), ERR_DENIED);
    assert_int_equal(stage_enroll(stage, "gw-1", "k", "named", &pending, NULL), ERR_DENIED);
    assert_int_equal(stage_enroll(stage, "gw-1", "k", "guessed", &pending, NULL), ERR_DENIED);
    assert_int_equal(stage_enroll(stage, "../etc", "k", NULL, &pending, NULL), ERR_INVALID);
    assert_int_equal(stage_enroll(stage, "gw-1", "", NULL, &pending, NULL), ERR_CORRUPT);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM device"), 0);
}

struct standing_order {
    enum err (*change)(struct app *, int64_t, struct span, const char *, struct utc, struct why *);
    const char *name;
};

static enum err change_standing(struct stage *stage, void *self)
{
    const struct standing_order *order = self;

    return order->change(&stage->app, 1, span_of(order->name), "token:ada", stage->now,
                         &stage->why);
}

static enum err change(struct stage *stage, const char *name,
                       enum err (*how)(struct app *, int64_t, struct span, const char *, struct utc,
                                       struct why *))
{
    struct standing_order order = {how, name};

    return stage_run(stage, change_standing, &order);
}

static void test_an_unknown_device_waits_for_an_operator(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    bool pending;

    assert_int_equal(stage_enroll(stage, "gw-1", "key", NULL, &pending, NULL), ERR_OK);
    assert_true(pending);
    assert_int_equal(stage_seen(stage, "gw-1")->status, DEVICE_PENDING);
    assert_int_equal(stage_enroll(stage, "gw-1", "other key", NULL, &pending, NULL), ERR_CONFLICT);
    assert_int_equal(change(stage, "gw-1", device_accept), ERR_OK);
    assert_int_equal(change(stage, "gw-1", device_accept), ERR_INVALID);
    assert_int_equal(change(stage, "gw-2", device_accept), ERR_NOT_FOUND);
    assert_int_equal(stage_enroll(stage, "gw-1", "key", NULL, &pending, &device), ERR_OK);
    assert_false(pending);
    assert_int_equal(poll(stage, &device), NATIVE_NOTHING);
}

static void test_rejected_and_revoked_devices_stay_out(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct native_answer answer;
    bool pending;

    assert_int_equal(stage_enroll(stage, "gw-1", "key", NULL, &pending, NULL), ERR_OK);
    assert_int_equal(change(stage, "gw-1", device_reject), ERR_OK);
    assert_int_equal(stage_enroll(stage, "gw-1", "key", NULL, &pending, NULL), ERR_DENIED);

    stage_device(stage, "gw-2", "a", "1.0", &device);
    assert_int_equal(change(stage, "gw-2", device_revoke), ERR_OK);
    assert_int_equal(stage_poll(stage, &device, &answer), ERR_DENIED);
    assert_int_equal(stage_enroll(stage, "gw-2", "gw-2", NULL, &pending, NULL), ERR_DENIED);
    assert_int_equal(change(stage, "gw-2", device_delete), ERR_OK);
    assert_null(stage_seen(stage, "gw-2"));
    assert_int_equal(stage_poll(stage, &device, &answer), ERR_UNTRUSTED);
}

static void test_a_claim_for_a_name_replaces_its_key(void **state)
{
    struct stage *stage = *state;
    struct stage_device old, new;
    struct native_answer answer;
    bool pending;

    stage_device(stage, "gw-1", "a", "1.0", &old);
    stage_claim(stage, "any", "", 60000);
    stage_claim(stage, "mine", "gw-1", 60000);
    assert_int_equal(stage_enroll(stage, "gw-1", "new key", "any", &pending, NULL), ERR_CONFLICT);
    assert_int_equal(stage_enroll(stage, "gw-1", "new key", "mine", &pending, &new), ERR_OK);
    assert_int_equal(stage_poll(stage, &old, &answer), ERR_DENIED);
    assert_int_equal(stage_poll(stage, &new, &answer), ERR_OK);
}

static enum err renew(struct stage *stage, void *self)
{
    struct stage_device *device = self;
    const struct device_credential credential = {.tenant = SPAN_LITERAL("default"),
                                                 .device = span_of(device->name),
                                                 .fingerprint = device->fingerprint,
                                                 .expired = true};
    const struct native_renew message = {.csr = SPAN_LITERAL("fresh key")};
    struct device_call call;

    TRY(device_enter(&stage->app, &credential, true, stage->now, &call, &stage->why));
    TRY(device_renew(&stage->app, &call, &message, &stage->why));
    memcpy(device->fingerprint, call.certificate.fingerprint, DIGEST_SIZE);
    return ERR_OK;
}

static void test_an_expired_certificate_reaches_only_renewal(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct native_answer answer;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    stage->now.ms += INT64_C(70) * 24 * 3600 * 1000; /* of 90 days: asked to renew */
    assert_int_equal(stage_tick(stage), ERR_OK);
    assert_int_equal(stage_poll(stage, &device, &answer), ERR_OK);
    assert_true(answer.flags & NATIVE_WANT_RENEWAL);
    stage->now.ms += INT64_C(30) * 24 * 3600 * 1000;
    assert_int_equal(stage_poll(stage, &device, &answer), ERR_DENIED);
    assert_int_equal(stage_run(stage, renew, &device), ERR_OK);
    assert_int_equal(stage_poll(stage, &device, &answer), ERR_OK);
    assert_false(answer.flags & NATIVE_WANT_RENEWAL);
    assert_int_equal(change(stage, "gw-1", device_revoke), ERR_OK);
    assert_int_equal(stage_run(stage, renew, &device), ERR_DENIED);
}

static void test_one_device_cannot_speak_for_another(void **state)
{
    struct stage *stage = *state;
    struct stage_device a, b;
    struct native_answer answer;

    stage_device(stage, "gw-a", "a", "1.0", &a);
    stage_device(stage, "gw-b", "a", "1.0", &b);
    memcpy(b.name, a.name, sizeof b.name);
    assert_int_equal(stage_poll(stage, &b, &answer), ERR_UNTRUSTED);
}

/* ---- updates ---- */

static void test_a_good_release_reaches_everybody_in_stages(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[4];
    struct rollout_row row;
    uint32_t installs = 0;
    int64_t id;

    make_devices(stage, devices, 4);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), half_then_all);
    for (int i = 0; i < 4; i++)
        installs += stage_seen(stage, devices[i].name)->has_work ? 1 : 0;
    assert_int_equal(installs, 2);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++) {
            if (stage_seen(stage, devices[i].name)->has_work)
                update_well(stage, &devices[i], "2.0");
        }
        assert_int_equal(stage_tick(stage), ERR_OK); /* settled */
        assert_int_equal(stage_tick(stage), ERR_OK);
    }
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_DONE);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_GOOD), 4);
    assert_true(stage->published > 0);
}

static void test_a_bad_release_halts_and_recalls_in_one_transaction(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[4];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 4);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[3]), NATIVE_INSTALL);
    assert_int_equal(report(stage, &devices[3], PHASE_DOWNLOADING), NATIVE_NOTED);
    update_badly(stage, &devices[0]);
    update_badly(stage, &devices[1]); /* two of two: breach */
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_HALTED);
    assert_non_null(strstr(row.reason, "2 of 2 outcomes are bad"));
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 0);
    /* The one that was downloading is told so, whichever way it asks. */
    assert_true(stage_seen(stage, devices[3].name)->has_work);
    assert_int_equal(report(stage, &devices[3], PHASE_STAGED), NATIVE_DROP);
    assert_int_equal(poll(stage, &devices[3]), NATIVE_CANCEL);
    /* The one that never heard of it gets nothing and is quiet again. */
    assert_int_equal(poll(stage, &devices[2]), NATIVE_NOTHING);
    assert_false(stage_seen(stage, devices[2].name)->has_work);
    assert_int_equal(poll(stage, &devices[3]), NATIVE_NOTHING);
    assert_false(stage_seen(stage, devices[3].name)->has_work);
}

static void test_success_is_what_runs_not_what_is_said(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 1);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    assert_int_equal(report(stage, &devices[0], PHASE_STAGED), NATIVE_PROCEED);
    (void)report(stage, &devices[0], PHASE_SUCCEEDED); /* still runs 1.0 */
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_FAILED), 1);
}

static void test_a_repeated_report_counts_once(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[3];
    struct native_verdict first, second;
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 3);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    assert_int_equal(stage_report(stage, &devices[0], PHASE_STAGED, &first), ERR_OK);
    assert_int_equal(stage_repeat(stage, &devices[0], PHASE_STAGED, &second), ERR_OK);
    assert_int_equal(first.kind, NATIVE_PROCEED);
    assert_int_equal(second.kind, NATIVE_PROCEED);
    assert_int_equal(stage_report(stage, &devices[0], PHASE_REVERTED, &first), ERR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(stage_repeat(stage, &devices[0], PHASE_REVERTED, &second), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_FAILED), 1);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM report"), 2);
}

static void test_foreign_assignments_are_refused(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[2];
    struct native_verdict verdict;
    struct native_answer answer;

    make_devices(stage, devices, 2);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    devices[1].assignment = devices[0].assignment;
    assert_int_equal(stage_report(stage, &devices[1], PHASE_STAGED, &verdict), ERR_NOT_FOUND);
    devices[1].assignment = 4711;
    assert_int_equal(stage_report(stage, &devices[1], PHASE_STAGED, &verdict), ERR_NOT_FOUND);
    assert_int_equal(stage_poll(stage, &devices[1], &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_CANCEL);
    assert_int_equal(answer.assignment, 4711);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM report"), 0);
}

static void test_a_window_holds_the_flip(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];
    struct native_verdict verdict;
    int64_t release;

    make_devices(stage, devices, 1);
    release = stage_release(stage, "2.0");
    (void)stage_rollout(stage, "r", release, everybody);
    /* Now is Wednesday 10:02; the window is Thursday 02:00 for an hour. */
    assert_int_equal(db_script(stage->db, "UPDATE rollout SET window_days = 8,"
                                          " window_start_min = 120, window_duration_s = 3600"),
                     ERR_OK);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    assert_int_equal(stage_report(stage, &devices[0], PHASE_STAGED, &verdict), ERR_OK);
    assert_int_equal(verdict.kind, NATIVE_HOLD);
    assert_true(verdict.retry_s > 0);
    stage->now.ms += INT64_C(16) * 3600 * 1000;
    assert_int_equal(stage_report(stage, &devices[0], PHASE_STAGED, &verdict), ERR_OK);
    assert_int_equal(verdict.kind, NATIVE_PROCEED);
}

static void test_a_withdrawn_release_gets_no_leave(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];

    make_devices(stage, devices, 1);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    assert_int_equal(db_script(stage->db, "UPDATE release SET withdrawn = 1"), ERR_OK);
    assert_int_equal(report(stage, &devices[0], PHASE_STAGED), NATIVE_HOLD);
}

static void test_a_paused_rollout_holds_and_goes_on(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];
    int64_t id;

    make_devices(stage, devices, 1);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_PAUSE), ERR_OK);
    assert_int_equal(report(stage, &devices[0], PHASE_STAGED), NATIVE_HOLD);
    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_RESUME), ERR_OK);
    assert_int_equal(report(stage, &devices[0], PHASE_STAGED), NATIVE_PROCEED);
    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_APPROVE), ERR_INVALID);
}

static void test_silence_after_the_flip_is_a_failure_until_corrected(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 1);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    assert_int_equal(report(stage, &devices[0], PHASE_STAGED), NATIVE_PROCEED);
    stage->now.ms += 999000;
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_EXPOSED), 1);
    stage->now.ms += 2000;
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_SILENT), 1);
    stage_boot(&devices[0], "2.0");
    assert_int_equal(report(stage, &devices[0], PHASE_SUCCEEDED), NATIVE_NOTED);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_GOOD), 1);
}

static void test_dark_before_the_flip_gives_the_slot_back(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[2];
    struct rollout_row row;
    int64_t id;
    int dark;

    make_devices(stage, devices, 2);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), half_then_all);
    dark = stage_seen(stage, devices[0].name)->has_work ? 0 : 1;
    stage->now.ms += 600000;
    assert_int_equal(poll(stage, &devices[1 - dark]), NATIVE_NOTHING);
    stage->now.ms += 402000; /* the other one was not heard of for its deadline */
    assert_int_equal(stage_tick(stage), ERR_OK);
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 1);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_SILENT), 0);
    assert_int_equal(poll(stage, &devices[1 - dark]), NATIVE_INSTALL);
    assert_int_equal(poll(stage, &devices[dark]), NATIVE_NOTHING);
}

static void test_everything_that_flipped_goes_back(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[2];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 2);
    (void)stage_release(stage, "1.0");
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    update_well(stage, &devices[0], "2.0");
    assert_int_equal(poll(stage, &devices[1]), NATIVE_INSTALL);
    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_ROLLBACK), ERR_OK);
    assert_true(stage_seen(stage, devices[0].name)->has_work);
    for (int i = 0; i < 2; i++) {
        struct native_answer answer;

        stage->now.ms += 1000;
        assert_int_equal(stage_poll(stage, &devices[0], &answer), ERR_OK);
        assert_int_equal(answer.kind, NATIVE_ROLLBACK);
        assert_memory_equal(answer.sha256.at, devices[0].other, DIGEST_SIZE);
        devices[0].assignment = answer.assignment;
    }
    assert_int_equal(report(stage, &devices[0], PHASE_STAGED), NATIVE_PROCEED);
    stage_boot(&devices[0], "1.0");
    assert_int_equal(report(stage, &devices[0], PHASE_TRIAL), NATIVE_NOTED);
    assert_int_equal(report(stage, &devices[0], PHASE_SUCCEEDED), NATIVE_NOTED);
    devices[0].assignment = 0;
    assert_int_equal(poll(stage, &devices[0]), NATIVE_NOTHING);
    assert_int_equal(poll(stage, &devices[1]), NATIVE_CANCEL);
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_ROLLED_BACK);
    assert_int_equal(row.rollout.whereabouts[WHEREABOUTS_BACK], 1);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_NOTHING);
    assert_false(stage_seen(stage, devices[0].name)->has_work);
}

/* What it ran came from elsewhere: there are no signed facts to go back by. */
static void test_without_signed_facts_there_is_no_way_back(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct rollout_row row;
    int64_t id;

    make_devices(stage, &device, 1);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    update_well(stage, &device, "2.0");
    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_ROLLBACK), ERR_OK);
    assert_int_equal(poll(stage, &device), NATIVE_NOTHING);
    assert_int_equal(poll(stage, &device), NATIVE_NOTHING);
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_ROLLED_BACK);
    assert_int_equal(row.rollout.whereabouts[WHEREABOUTS_STRANDED], 1);
}

static void test_a_device_that_strays_later_is_noticed(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 1);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    update_well(stage, &devices[0], "2.0");
    assert_int_equal(poll(stage, &devices[0]), NATIVE_NOTHING);
    stage_boot(&devices[0], "1.0");
    assert_int_equal(poll(stage, &devices[0]), NATIVE_NOTHING);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_FAILED), 1);
}

static void test_a_lost_verdict_is_asked_for_again_after_a_halt(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[3];
    struct native_verdict verdict;

    make_devices(stage, devices, 3);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[2]), NATIVE_INSTALL);
    assert_int_equal(report(stage, &devices[2], PHASE_STAGED), NATIVE_PROCEED); /* gets lost */
    update_badly(stage, &devices[0]);
    update_badly(stage, &devices[1]);
    /* It has not flipped and asks anew: the halt holds for it too. */
    assert_int_equal(report(stage, &devices[2], PHASE_STAGED), NATIVE_DROP);
    /* But the very report that was granted keeps its verdict: it may have acted on it. */
    devices[2].report_id--;
    assert_int_equal(stage_repeat(stage, &devices[2], PHASE_STAGED, &verdict), ERR_OK);
    assert_int_equal(verdict.kind, NATIVE_PROCEED);
    assert_int_equal(stage_tick(stage), ERR_OK);
}

static void test_gaps_are_remembered(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];

    make_devices(stage, devices, 1);
    stage->now.ms += 100000; /* less than three intervals */
    (void)poll(stage, &devices[0]);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM gap"), 0);
    stage->now.ms += 3600000;
    (void)poll(stage, &devices[0]);
    assert_int_equal(stage_number(stage, "SELECT away_ms FROM gap"), 3601000);
}

static enum err upload_log(struct stage *stage, void *self)
{
    struct device_call call;
    struct stage_device *device = self;
    const struct device_credential credential = {.tenant = SPAN_LITERAL("default"),
                                                 .device = span_of(device->name),
                                                 .fingerprint = device->fingerprint};

    TRY(device_enter(&stage->app, &credential, false, stage->now, &call, &stage->why));
    return device_log(&stage->app, &call, 0, SPAN_LITERAL("it rains"), &stage->why);
}

static void test_a_log_is_asked_for_once(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[1];
    struct native_answer answer;

    make_devices(stage, devices, 1);
    assert_int_equal(change(stage, "gw-0", device_request_log), ERR_OK);
    assert_true(stage_seen(stage, "gw-0")->has_work);
    assert_int_equal(stage_poll(stage, &devices[0], &answer), ERR_OK);
    assert_true(answer.flags & NATIVE_WANT_LOG);
    assert_int_equal(stage_run(stage, upload_log, &devices[0]), ERR_OK);
    assert_int_equal(stage_poll(stage, &devices[0], &answer), ERR_OK);
    assert_false(answer.flags & NATIVE_WANT_LOG);
    assert_false(stage_seen(stage, "gw-0")->has_work);
}

static void test_a_scheduled_start_needs_nobody(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[2];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 2);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_ABORT), ERR_OK);
    assert_int_equal(db_script(stage->db, "UPDATE rollout SET state = 1, selected = 0,"
                                          " start_ms = 1795600999000"),
                     ERR_OK);
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_APPROVED);
    stage->now.ms = 1795601000000;
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_RUNNING);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 2);
}

static void test_who_runs_it_already_is_not_waited_for(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[4];
    struct rollout_row row;
    int64_t release, id;

    make_devices(stage, devices, 4);
    release = stage_release(stage, "2.0");
    stage_boot(&devices[3], "2.0"); /* by other means */
    (void)poll(stage, &devices[3]);
    id = stage_rollout(stage, "r", release, everybody);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.selected, 3);
    for (uint32_t i = 0; i < 2; i++)
        update_well(stage, &devices[i], "2.0");
    stage->now.ms += 120000;
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.selected, 3); /* those that we brought there stay in */
    assert_int_equal(row.rollout.state, ROLLOUT_RUNNING);
    update_well(stage, &devices[2], "2.0");
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_DONE);
}

/* Releases have security version 1; the first two devices may have it. */
static void test_a_floor_that_cannot_be_read_admits_nothing(void **state)
{
    static const char *const floors[] = {"0",          "1",          "2",           "",   "-1",
                                         "4294967295", "4294967296", "42949672961", "one"};
    struct stage *stage = *state;
    int64_t release = stage_release(stage, "2.0");

    assert_int_equal(db_script(stage->db, "UPDATE release SET security_version = 1"), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(floors); i++) {
        struct attribute attributes[3] = {{.name = "security_floor"},
                                          {.name = "product", .value = "box"},
                                          {.name = "hw", .value = "a"}};
        struct stage_device device;
        char name[16];

        (void)snprintf(name, sizeof name, "gw-%zu", i);
        stage_device(stage, name, "a", "1.0", &device);
        (void)snprintf(attributes[0].value, sizeof attributes[0].value, "%s", floors[i]);
        assert_int_equal(store_attributes_set(stage->db, 1, (int64_t)i + 1, attributes, 3), ERR_OK);
    }
    (void)stage_rollout(stage, "r", release, everybody);
    assert_int_equal(stage_number(stage, "SELECT sum(1 << device) FROM assignment"),
                     1 << 1 | 1 << 2);
}

static void test_a_rollout_does_not_wait_for_a_deleted_device(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[4];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 4);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    update_well(stage, &devices[0], "2.0");
    assert_int_equal(poll(stage, &devices[1]), NATIVE_INSTALL);
    assert_int_equal(report(stage, &devices[1], PHASE_STAGED), NATIVE_PROCEED);
    assert_int_equal(report(stage, &devices[1], PHASE_TRIAL), NATIVE_NOTED);
    assert_int_equal(poll(stage, &devices[2]), NATIVE_INSTALL);
    assert_int_equal(change(stage, devices[1].name, device_delete), ERR_OK);
    assert_int_equal(change(stage, devices[2].name, device_delete), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_RUNNING);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_GOOD), 1); /* evidence stays */
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 1);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_EXPOSED), 0);
    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_ROLLBACK), ERR_OK);
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_ROLLING_BACK);
    assert_int_equal(change(stage, devices[0].name, device_delete), ERR_OK);
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_ROLLED_BACK);
    assert_int_equal(row.rollout.whereabouts[WHEREABOUTS_STRANDED], 2);
}

static void test_a_revoked_device_loses_its_slot(void **state)
{
    struct stage *stage = *state;
    struct stage_device devices[2];
    struct rollout_row row;
    int64_t id;

    make_devices(stage, devices, 2);
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(poll(stage, &devices[0]), NATIVE_INSTALL);
    assert_int_equal(change(stage, devices[0].name, device_revoke), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 1);
    stage->now.ms += 60000;
    assert_int_equal(stage_tick(stage), ERR_OK);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 1); /* not admitted again */
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_a_claim_lets_one_device_in_once),
        STORY(test_bad_claims_are_refused),
        STORY(test_an_unknown_device_waits_for_an_operator),
        STORY(test_rejected_and_revoked_devices_stay_out),
        STORY(test_a_claim_for_a_name_replaces_its_key),
        STORY(test_an_expired_certificate_reaches_only_renewal),
        STORY(test_one_device_cannot_speak_for_another),
        STORY(test_a_good_release_reaches_everybody_in_stages),
        STORY(test_a_bad_release_halts_and_recalls_in_one_transaction),
        STORY(test_success_is_what_runs_not_what_is_said),
        STORY(test_a_repeated_report_counts_once),
        STORY(test_foreign_assignments_are_refused),
        STORY(test_a_window_holds_the_flip),
        STORY(test_a_withdrawn_release_gets_no_leave),
        STORY(test_a_paused_rollout_holds_and_goes_on),
        STORY(test_silence_after_the_flip_is_a_failure_until_corrected),
        STORY(test_dark_before_the_flip_gives_the_slot_back),
        STORY(test_everything_that_flipped_goes_back),
        STORY(test_without_signed_facts_there_is_no_way_back),
        STORY(test_a_device_that_strays_later_is_noticed),
        STORY(test_a_lost_verdict_is_asked_for_again_after_a_halt),
        STORY(test_gaps_are_remembered),
        STORY(test_a_log_is_asked_for_once),
        STORY(test_a_scheduled_start_needs_nobody),
        STORY(test_a_rollout_does_not_wait_for_a_deleted_device),
        STORY(test_a_revoked_device_loses_its_slot),
        STORY(test_who_runs_it_already_is_not_waited_for),
        STORY(test_a_floor_that_cannot_be_read_admits_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
