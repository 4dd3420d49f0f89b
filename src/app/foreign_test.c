/* Devices of other protocols, told as traces: what they are offered, what they claim, and what that
 * proves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/foreign_tale.h"
#include "app/inspect.h"

static const uint16_t everybody[] = {1000, 0};

/* ---- claims ---- */

static void test_hawkbit_claim_then_return(void **state)
{
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_fetch(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_NOTE);
    tale_leave(tale, "cam", tale->offer.id);
    tale_leave(tale, "cam", tale->offer.id);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_DOWNLOADING);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    tale_wait(tale, 1, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    assert_true(tale->offer.wants_attributes);
    assert_int_equal(tale->offer.installed, 2); /* assignment 1, the way there */
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.installed, FOREIGN_CLAIMED);
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam fetches: ok; downloading waiting none\n"
                    "cam notes: noted; downloading waiting none\n"
                    "cam reads all: ok; switching exposed none\n"
                    "cam reads all: ok; switching exposed none\n"
                    "cam downloads: noted; switching exposed none\n"
                    "cam claims: noted; trial exposed claimed\n"
                    "after 1 s: trial exposed claimed\n"
                    "cam polls : nothing -; succeeded good returned\n"
                    "cam claims: over; succeeded good returned\n");
}

static void test_claim_then_soak(void **state)
{
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_leave(tale, "cam", tale->offer.id);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    tale_wait(tale, ROLLOUT_CLAIM_SOAK_MIN_S - 1, "cam");
    tale_wait(tale, 2, "cam");
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam reads all: ok; switching exposed none\n"
                    "cam claims: noted; trial exposed claimed\n"
                    "after 299 s: trial exposed claimed\n"
                    "after 2 s: succeeded good soaked\n");
    assert_int_equal(stage_number(&tale->stage,
                                  "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE"
                                  " '%assignment.proven%'"),
                     1);
}

static void test_mender_claim_then_new_name(void **state)
{
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_MENDER, "box-7");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_DOWNLOADING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_REBOOTING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_CLAIMED);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    tale_told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
                    "box-7 downloads: noted; downloading waiting none\n"
                    "box-7 asks: proceed; switching exposed none\n"
                    "box-7 reboots: noted; switching exposed none\n"
                    "box-7 asks: proceed; trial exposed none\n"
                    "box-7 claims: noted; trial exposed claimed\n"
                    "box-7 polls release-2.0: nothing -; succeeded good running\n");
}

static void test_mender_claim_then_old_name(void **state)
{
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_MENDER, "box-7");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_CLAIMED);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
                    "box-7 asks: proceed; switching exposed none\n"
                    "box-7 claims: noted; trial exposed claimed\n"
                    "box-7 polls release-1.0: nothing -; reverted failed claimed\n");
}

/* What a person reads of it. */
static void test_a_report_tells_claims_from_proof(void **state)
{
    struct rollout_report *report = calloc(1, sizeof *report);
    struct tale *tale = *state;
    struct rollout_row row;

    assert_non_null(report);
    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_leave(tale, "cam", tale->offer.id);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    stage_rollout_read(&tale->stage, tale->rollout, &row);
    assert_int_equal(inspect_report(&tale->stage.app, &row, tale->stage.now, report), ERR_OK);
    assert_int_equal(report->proofs[PROOF_CLAIM], 1);
    assert_non_null(strstr(report->sentence, "0 succeeded"));
    assert_non_null(strstr(report->sentence, "1 claim success and have not proven it"));
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    stage_rollout_read(&tale->stage, tale->rollout, &row);
    assert_int_equal(inspect_report(&tale->stage.app, &row, tale->stage.now, report), ERR_OK);
    assert_int_equal(report->proofs[PROOF_CLAIM], 0);
    assert_int_equal(report->proofs[PROOF_RETURN], 1);
    assert_non_null(strstr(report->sentence, "1 succeeded"));
    free(report);
}

/* It had proven itself, and then names something else. */
static void test_mender_strays(void **state)
{
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_MENDER, "box-7");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_CLAIMED);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-0.9");
    tale_told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
                    "box-7 asks: proceed; switching exposed none\n"
                    "box-7 claims: noted; trial exposed claimed\n"
                    "box-7 polls release-2.0: nothing -; succeeded good running\n"
                    "box-7 polls release-2.0: nothing -; succeeded good running\n"
                    "box-7 polls release-0.9: nothing -; reverted failed running\n");
}

static void test_hawkbit_version_attribute(void **state)
{
    const struct foreign_attribute old[] = {{SPAN_LITERAL("version"), SPAN_LITERAL("1.0")}};
    struct tale_order order = tale_order(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_leave(tale, "cam", tale->offer.id);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    order.attributes = old;
    order.count = 1;
    assert_int_equal(stage_run(&tale->stage, tale_attributes_story, &order), ERR_OK);
    tale_say(tale, "says 1.0: %s", tale_standing(tale, "cam"));
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam reads all: ok; switching exposed none\n"
                    "cam claims: noted; trial exposed claimed\n"
                    "says 1.0: reverted failed claimed\n");
}

/* Its offer is the leave, so it is the judge's. */
static void test_hawkbit_and_a_judge(void **state)
{
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(db_script(tale->stage.db,
                               "UPDATE rollout SET strategy = 1, harmed_max = 12,"
                               " doubt_ppm = 100000, floor_ppm = 500000, background_ppm = 1000,"
                               " observe_s = 3000"),
                     ERR_OK);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", ""); /* devices have not been sorted yet */
    tale->stage.now.ms += 1000;
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    assert_int_equal(stage_number(&tale->stage, "SELECT entries FROM risk"), 0);
    tale_leave(tale, "cam", tale->offer.id);
    tale_told(tale, "cam polls : nothing -; assigned waiting none\n"
                    "cam polls : install box.swu; assigned waiting none\n"
                    "cam reads all: ok; switching exposed none\n");
    assert_int_equal(stage_number(&tale->stage, "SELECT entries FROM risk"), 1);
}

static void test_failures_before_and_after_leave(void **state)
{
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_fetch(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_FAILED);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_leave(tale, "cam", tale->offer.id);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_FAILED);
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam fetches: ok; downloading waiting none\n"
                    "cam fails: noted; assigned waiting none\n" /* a second try */
                    "cam polls : install box.swu; assigned waiting none\n"
                    "cam reads all: ok; switching exposed none\n"
                    "cam fails: noted; reverted failed none\n");
}

/* ---- recalls, windows, holds ---- */

static void test_recall_before_leave(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    id = tale->offer.id;
    tale_fetch(tale, PROTOCOL_HAWKBIT, "cam", id);
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_HALT), ERR_OK);
    tale_fetch(tale, PROTOCOL_HAWKBIT, "cam", id);
    tale_leave(tale, "cam", id);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", id, FOREIGN_DROPPED);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam fetches: ok; downloading waiting none\n"
                    "cam fetches: not-found; recalled out none\n"
                    "cam reads all: denied; recalled out none\n"
                    "cam polls : cancel -; recalled out none\n"
                    "cam drops: noted; recalled out none\n"
                    "cam polls : nothing -; recalled out none\n");
}

/* Nobody can be sure any more; the cancel is sent all the same, and may come in time. */
static void test_recall_after_leave(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    id = tale->offer.id;
    tale_leave(tale, "cam", id);
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_HALT), ERR_OK);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", id, FOREIGN_KEEPS);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", id, FOREIGN_DROPPED);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam reads all: ok; switching exposed none\n"
                    "cam polls : cancel -; switching exposed none\n"
                    "cam keeps: noted; switching exposed none\n"
                    "cam drops: noted; recalled out none\n"
                    "cam polls : nothing -; recalled out none\n");
}

static void test_mender_is_told_no(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    tale_furnish(tale, PROTOCOL_MENDER, "box-7");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    id = tale->offer.id;
    tale_report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_DOWNLOADING);
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_PAUSE), ERR_OK);
    tale_report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_INSTALLING);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_RESUME), ERR_OK);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_HALT), ERR_OK);
    tale_report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_DOWNLOADING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_INSTALLING);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
                    "box-7 downloads: noted; downloading waiting none\n"
                    "box-7 asks: drop; assigned waiting none\n"
                    "box-7 polls release-1.0: nothing -; assigned waiting none\n"
                    "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
                    "box-7 downloads: drop; recalled out none\n"
                    "box-7 asks: drop; recalled out none\n"
                    "box-7 polls release-1.0: nothing -; recalled out none\n");
}

static enum err shut_story(struct stage *stage, void *self)
{
    (void)self;
    return db_script(stage->db, "UPDATE rollout SET window_days = 127, window_start_min = 120,"
                                " window_duration_s = 3600");
}

static void test_a_closed_window_offers_nothing(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    id = tale->offer.id;
    assert_int_equal(stage_run(&tale->stage, shut_story, NULL), ERR_OK);
    tale->stage.now.ms = INT64_C(1795600800000); /* 10:00, and the window is 02:00 for 1 h */
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_fetch(tale, PROTOCOL_HAWKBIT, "cam", id);
    tale_leave(tale, "cam", id);
    tale->stage.now.ms += INT64_C(16) * 3600 * 1000 + 60000;
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam polls : nothing -; assigned waiting none\n"
                    "cam fetches: not-found; assigned waiting none\n"
                    "cam reads all: denied; assigned waiting none\n"
                    "cam polls : install box.swu; assigned waiting none\n");
}

/* A rollback of the rollout is another deployment, with a number of its own. */
static void test_going_back(void **state)
{
    struct tale *tale = *state;
    uint32_t there;

    tale_furnish(tale, PROTOCOL_MENDER, "box-7");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    there = tale->offer.id;
    tale_report(tale, PROTOCOL_MENDER, "box-7", there, FOREIGN_INSTALLING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", there, FOREIGN_CLAIMED);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_ROLLBACK), ERR_OK);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    assert_int_equal(tale->offer.id, there + 1);
    assert_string_equal(tale->offer.artifacts[0].target, "box/1.0/box.mender");
    tale_report(tale, PROTOCOL_MENDER, "box-7", there, FOREIGN_CLAIMED);
    tale_report(tale, PROTOCOL_MENDER, "box-7", there + 1, FOREIGN_INSTALLING);
    tale_report(tale, PROTOCOL_MENDER, "box-7", there + 1, FOREIGN_CLAIMED);
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
                    "box-7 asks: proceed; switching exposed none\n"
                    "box-7 claims: noted; trial exposed claimed\n"
                    "box-7 polls release-2.0: nothing -; succeeded good running\n"
                    "box-7 polls release-2.0: install box.mender; reverting good none\n"
                    "box-7 claims: over; reverting good none\n"
                    "box-7 asks: proceed; reverting good none\n"
                    "box-7 claims: noted; reverting good claimed\n"
                    "box-7 polls release-1.0: nothing -; rolled-back good running\n");
}

static void test_silence_and_a_second_offer(void **state)
{
    struct tale *tale = *state;

    for (char name[] = "other-0"; name[6] < '6'; name[6]++) { /* or one silence would halt it */
        tale_device(tale, PROTOCOL_HAWKBIT, name);
        tale_poll(tale, PROTOCOL_HAWKBIT, name, "");
    }
    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_leave(tale, "cam", tale->offer.id);
    tale_wait(tale, 1001, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "cam reads all: ok; switching exposed none\n"
                    "after 1001 s: silent silent none\n"
                    "cam polls : install box.swu; silent silent none\n"
                    "cam claims: noted; trial exposed claimed\n"
                    "cam polls : nothing -; succeeded good returned\n");
}

/* ---- who gets what ---- */

static void check_reason(struct tale *tale, const char *name, enum decide_reason reason)
{
    struct explanation found;

    assert_int_equal(inspect_explain(&tale->stage.app, tale->stage.tenant, span_of(name),
                                     tale->stage.now, &found, &tale->stage.why),
                     ERR_OK);
    assert_string_equal(decide_reason_name(found.reason), decide_reason_name(reason));
}

/* One rollout, one release, one file for each kind of device. */
static void test_a_mixed_fleet(void **state)
{
    struct tale *tale = *state;
    struct native_answer answer;
    struct stage_device gateway;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    tale_device(tale, PROTOCOL_MENDER, "box-7");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    tale_told(tale, "cam polls : install box.swu; assigned waiting none\n"
                    "box-7 polls release-1.0: install box.mender; assigned waiting none\n");
    assert_int_equal(stage_poll(&tale->stage, &gateway, &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_INSTALL);
}

/* A release with an image only is nothing for others, and one without is nothing for ours. */
static void test_no_artifact_no_admission(void **state)
{
    struct tale_artifact swu = {.version = "3.0", .format = ARTIFACT_SWU, .file = "box.swu"};
    struct tale *tale = *state;
    struct native_answer answer;
    struct stage_device gateway;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    (void)stage_rollout(&tale->stage, "image", stage_release(&tale->stage, "2.0"), everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    check_reason(tale, "cam", REASON_ARTIFACT);
    assert_int_equal(stage_poll(&tale->stage, &gateway, &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_INSTALL);

    swu.release = stage_release(&tale->stage, "3.0");
    assert_int_equal(stage_number(&tale->stage, "SELECT count(*) FROM release"), 2);
    assert_int_equal(stage_run(&tale->stage, tale_add_artifact, &swu), ERR_OK);
    (void)stage_rollout(&tale->stage, "both", swu.release, everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_told(tale, "cam polls : nothing -; none\n"
                    "cam polls : nothing -; none\n"
                    "cam polls : install box.swu; assigned waiting none\n");
}

static void test_selectors_know_protocols(void **state)
{
    struct tale *tale = *state;
    struct device_facts *facts = malloc(sizeof *facts);
    struct selector *selector = malloc(sizeof *selector);
    struct device_row row;

    assert_non_null(facts);
    assert_non_null(selector);
    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(store_device_find(tale->stage.db, 1, span_of("cam"), &row), ERR_OK);
    assert_int_equal(store_device_facts(tale->stage.db, 1, row.id, facts), ERR_OK);
    assert_int_equal(selector_parse(span_of("protocol = hawkbit and hw = a"), selector, NULL, NULL),
                     ERR_OK);
    assert_true(facts_match(selector, facts));
    assert_int_equal(selector_parse(span_of("protocol = native"), selector, NULL, NULL), ERR_OK);
    assert_false(facts_match(selector, facts));
    free(facts);
    free(selector);
}

static void test_files_are_for_whom_they_are_offered(void **state)
{
    struct tale_order order = tale_order(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    order.id = tale->offer.id;
    order.file = "box.swu";
    assert_int_equal(stage_run(&tale->stage, tale_artifact_story, &order), ERR_OK);
    order.file = "box.mender";
    assert_int_equal(stage_run(&tale->stage, tale_artifact_story, &order), ERR_NOT_FOUND);
    order.file = "";
    order.id += 2;
    assert_int_equal(stage_run(&tale->stage, tale_artifact_story, &order), ERR_NOT_FOUND);
    order.id -= 1; /* the way back, which nobody has ordered */
    assert_int_equal(stage_run(&tale->stage, tale_artifact_story, &order), ERR_NOT_FOUND);
}

int main(void)
{
#define TALE(test) cmocka_unit_test_setup_teardown(test, tale_open, tale_close)
    const struct CMUnitTest tests[] = {
        TALE(test_hawkbit_claim_then_return),
        TALE(test_claim_then_soak),
        TALE(test_mender_claim_then_new_name),
        TALE(test_mender_claim_then_old_name),
        TALE(test_a_report_tells_claims_from_proof),
        TALE(test_mender_strays),
        TALE(test_hawkbit_version_attribute),
        TALE(test_hawkbit_and_a_judge),
        TALE(test_failures_before_and_after_leave),
        TALE(test_recall_before_leave),
        TALE(test_recall_after_leave),
        TALE(test_mender_is_told_no),
        TALE(test_a_closed_window_offers_nothing),
        TALE(test_going_back),
        TALE(test_silence_and_a_second_offer),
        TALE(test_a_mixed_fleet),
        TALE(test_no_artifact_no_admission),
        TALE(test_selectors_know_protocols),
        TALE(test_files_are_for_whom_they_are_offered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
