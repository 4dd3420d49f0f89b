/* The database fails at every operation of every story, once: nothing may be half written, and
 * what was accepted survives a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/stage.h"
#include "store/report.h"

static const uint16_t everybody[] = {1000, 0};

static int open_stage(void **state)
{
    static struct stage stage;

    stage_open(&stage, true);
    *state = &stage;
    return 0;
}

static int close_stage(void **state)
{
    stage_check(*state);
    stage_close(*state);
    return 0;
}

/* Try `deed` with a fault at its 1st, 2nd, ... operation until it gets through without one.
 * Returns the number of operations it has. */
typedef enum err deed_function(struct stage *stage, void *self);

static uint64_t at_every_operation(struct stage *stage, deed_function *deed, void *self)
{
    uint8_t before[DIGEST_SIZE], after[DIGEST_SIZE];

    stage_digest(stage, before);
    for (uint64_t k = 1;; k++) {
        enum err err;
        bool happened;

        db_failing_arm(stage->db, k);
        err = deed(stage, self);
        happened = db_failing_happened(stage->db);

        db_failing_arm(stage->db, 0);
        if (!happened) {
            assert_int_equal(err, ERR_OK);
            return k - 1;
        }
        assert_int_equal(err, ERR_STORAGE);
        stage_digest(stage, after);
        assert_memory_equal(before, after, DIGEST_SIZE);
        stage_check(stage);
    }
}

static enum err enroll(struct stage *stage, void *self)
{
    bool pending;

    return stage_enroll(stage, "gw-9", "key", "claim", &pending, self);
}

static void test_enrolment(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct native_answer answer;

    stage_claim(stage, "claim", "", 60000);
    assert_true(at_every_operation(stage, enroll, &device) > 10);
    stage_restart(stage);
    assert_int_equal(stage_poll(stage, &device, &answer), ERR_OK);
}

struct reporting {
    struct stage_device *device;
    enum native_phase phase;
    struct native_verdict verdict;
};

static enum err report(struct stage *stage, void *self)
{
    struct reporting *reporting = self;

    return stage_repeat(stage, reporting->device, reporting->phase, &reporting->verdict);
}

static enum err poll(struct stage *stage, void *self)
{
    struct native_answer answer;

    return stage_poll(stage, self, &answer);
}

static enum err tick(struct stage *stage, void *self)
{
    (void)self;
    return stage_tick(stage);
}

static enum err steer(struct stage *stage, void *self)
{
    const enum rollout_event_kind *kind = self;

    return stage_steer(stage, 1, *kind);
}

/* Through poll, lease, trial, the failure that halts, resume and rollback. */
static void test_a_rollout(void **state)
{
    struct stage *stage = *state;
    enum rollout_event_kind kind;
    struct stage_device devices[4];
    struct reporting reporting;
    struct rollout_row row;
    int64_t id;

    for (int i = 0; i < 4; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "gw-%d", i);
        stage_device(stage, name, "a", "1.0", &devices[i]);
    }
    id = stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    for (int i = 0; i < 2; i++) {
        (void)at_every_operation(stage, poll, &devices[i]);
        devices[i].report_id++;
        reporting = (struct reporting){.device = &devices[i], .phase = PHASE_STAGED};
        assert_true(at_every_operation(stage, report, &reporting) > 10);
        assert_int_equal(reporting.verdict.kind, NATIVE_PROCEED);
        devices[i].report_id++;
        reporting.phase = i == 0 ? PHASE_TRIAL : PHASE_REVERTED;
        (void)at_every_operation(stage, report, &reporting);
    }
    devices[0].report_id++;
    reporting = (struct reporting){.device = &devices[0], .phase = PHASE_FAILED};
    (void)at_every_operation(stage, report, &reporting);
    stage_rollout_read(stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_HALTED);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_FAILED), 2);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 0);
    stage_restart(stage);
    for (kind = ROLLOUT_EV_RESUME; kind != ROLLOUT_EVENT_COUNT;
         kind = kind == ROLLOUT_EV_RESUME ? ROLLOUT_EV_ROLLBACK : ROLLOUT_EVENT_COUNT)
        (void)at_every_operation(stage, steer, &kind);
    stage->now.ms += 3600000;
    (void)at_every_operation(stage, tick, NULL);
    stage_restart(stage);
}

static void test_an_accepted_report_is_durable(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct native_answer answer;
    struct native_verdict verdict, again;
    struct report_row row;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    (void)stage_rollout(stage, "r", stage_release(stage, "2.0"), everybody);
    assert_int_equal(stage_poll(stage, &device, &answer), ERR_OK);
    assert_int_equal(stage_report(stage, &device, PHASE_STAGED, &verdict), ERR_OK);
    stage_restart(stage);
    assert_int_equal(store_report_find(stage->db, 1, 1, (int64_t)device.report_id, &row), ERR_OK);
    assert_int_equal(row.verdict, verdict.kind);
    assert_int_equal(stage_repeat(stage, &device, PHASE_STAGED, &again), ERR_OK);
    assert_int_equal(again.kind, verdict.kind);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM report"), 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_enrolment),
        STORY(test_a_rollout),
        STORY(test_an_accepted_report_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
