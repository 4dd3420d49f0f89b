/* Enrolment under attack: what strangers do must neither fill the log nor keep devices out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/stage.h"

#define REFUSED "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE '%refused%'"
#define UNTOLD  "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE '%more went unrecorded%'"

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

static void test_a_flood_of_bad_claims_leaves_few_entries(void **state)
{
    struct stage *stage = *state;
    bool pending;

    for (int i = 0; i < 500; i++)
        assert_int_equal(stage_enroll(stage, "gw-1", "k", "guessed", &pending, NULL), ERR_DENIED);
    assert_int_equal(stage_number(stage, REFUSED), 20);
    assert_int_equal(stage_number(stage, UNTOLD), 0);
    stage->now.ms += 10000;
    assert_int_equal(stage_enroll(stage, "gw-1", "k", "guessed", &pending, NULL), ERR_DENIED);
    assert_int_equal(stage_number(stage, REFUSED), 21);
    assert_int_equal(stage_number(stage, UNTOLD), 1);
}

static void test_who_waits_keeps_nobody_out(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    bool pending;

    assert_int_equal(stage_enroll(stage, "gw-1", "squatter", NULL, &pending, NULL), ERR_OK);
    assert_true(pending);
    assert_int_equal(stage_enroll(stage, "gw-1", "another", NULL, &pending, NULL), ERR_CONFLICT);
    stage_claim(stage, "secret", "", 60000);
    assert_int_equal(stage_enroll(stage, "gw-1", "mine", "secret", &pending, &device), ERR_OK);
    assert_false(pending);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM device"), 1);
    assert_int_equal(stage_enroll(stage, "gw-1", "squatter", NULL, &pending, NULL), ERR_CONFLICT);
}

static void test_a_lost_reply_outlives_the_claim(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    bool pending;

    stage_claim(stage, "secret", "", 60000);
    assert_int_equal(stage_enroll(stage, "gw-1", "k", "secret", &pending, &device), ERR_OK);
    stage->now.ms += 60000;
    assert_int_equal(stage_enroll(stage, "gw-2", "k2", "secret", &pending, NULL), ERR_DENIED);
    assert_int_equal(stage_enroll(stage, "gw-1", "k", "secret", &pending, &device), ERR_OK);
    assert_false(pending);
}

struct renewal {
    struct stage_device *device;
    const char *key;
};

static enum err renew(struct stage *stage, void *self)
{
    const struct renewal *renewal = self;
    const struct device_credential credential = {.tenant = SPAN_LITERAL("default"),
                                                 .device = span_of(renewal->device->name),
                                                 .fingerprint = renewal->device->fingerprint};
    const struct native_renew message = {.csr = span_of(renewal->key)};
    struct device_call call;

    TRY(device_enter(&stage->app, &credential, true, stage->now, &call, &stage->why));
    return device_renew(&stage->app, &call, &message, &stage->why);
}

static void test_a_device_that_always_renews_is_told_to_wait(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct renewal renewal = {&device, "gw-1"};
    int64_t given = 1, refused = 0;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    for (int i = 0; i < 60; i++) {
        enum err err = stage_run(stage, renew, &renewal);

        given += err == ERR_OK;
        refused += err == ERR_AGAIN;
        stage->now.ms += 1000;
    }
    assert_int_equal(given, CERTIFICATES_PER_HOUR);
    assert_int_equal(refused, 60 - CERTIFICATES_PER_HOUR + 1);
    for (int i = 0; i < 3; i++) {
        stage->now.ms += 3600000;
        assert_int_equal(stage_run(stage, renew, &renewal), ERR_OK);
    }
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM certificate"), CERTIFICATES_KEPT);
    stage->now.ms += 3600000; /* it still shows its first one, which is forgotten by now */
    assert_int_equal(stage_run(stage, renew, &renewal), ERR_UNTRUSTED);
}

static void test_a_device_that_always_enrolls_is_told_to_wait(void **state)
{
    struct stage *stage = *state;
    int64_t given = 0;
    bool pending;

    stage_claim(stage, "secret", "", 3600000);
    for (int i = 0; i < 60; i++)
        given += stage_enroll(stage, "gw-1", "k", "secret", &pending, NULL) == ERR_OK;
    assert_int_equal(given, CERTIFICATES_PER_HOUR);
    assert_int_equal(stage_number(stage, REFUSED), 20); /* the bound of strangers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_flood_of_bad_claims_leaves_few_entries, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(test_who_waits_keeps_nobody_out, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_a_lost_reply_outlives_the_claim, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(test_a_device_that_always_renews_is_told_to_wait,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_a_device_that_always_enrolls_is_told_to_wait,
                                        open_stage, close_stage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
