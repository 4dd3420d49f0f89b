/* A storm: devices, operators, time and faults act at random, from a seed that is printed. After
 * each stretch every invariant of stage_check() holds; at the end the fleet comes to rest.
 *   usage: storm_test [SEED [STEPS]] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/stage.h"
#include "base/prng.h"

#define DEVICES      12u
#define REPLACED_MAX 40u /* devices, as far as the stage has room */

static uint64_t seed_first = 1, seed_count = 12, steps = 400;

struct storm {
    struct stage stage;
    struct prng prng;
    struct stage_device devices[DEVICES];
    char version[DEVICES][VERSION_SIZE_MAX + 1]; /* it had before the flip */
    bool staged[DEVICES];                        /* it has leave to flip */
    int64_t rollouts[2];
    uint32_t replaced; /* devices */
};

static uint64_t below(struct storm *storm, uint64_t bound)
{
    return prng_below(&storm->prng, bound);
}

static void poll(struct storm *storm, uint32_t i)
{
    struct native_answer answer;
    enum err err = stage_poll(&storm->stage, &storm->devices[i], &answer);

    assert_true(err == ERR_OK || err == ERR_STORAGE);
    if (err == ERR_OK && answer.kind == NATIVE_ROLLBACK && below(storm, 2) == 0 &&
        memcmp(answer.sha256.at, storm->devices[i].other, DIGEST_SIZE) == 0)
        stage_boot(&storm->devices[i], "1.0");
}

/* Any phase at any time: agents may be buggy, and must not hurt the books. */
static void report(struct storm *storm, uint32_t i)
{
    struct stage_device *device = &storm->devices[i];
    enum native_phase phase = (enum native_phase)below(storm, PHASE_COUNT);
    bool repeat = device->report_id > 0 && below(storm, 4) == 0;
    struct native_verdict verdict;
    enum err err;

    if (below(storm, 3) == 0)
        phase = PHASE_STAGED;
    if (phase == PHASE_SUCCEEDED && below(storm, 3) > 0)
        stage_boot(device, "2.0");
    if (repeat && below(storm, 2) == 0) /* one that was overtaken */
        err =
            stage_late(&storm->stage, device, 1 + below(storm, device->report_id), phase, &verdict);
    else
        err = repeat ? stage_repeat(&storm->stage, device, phase, &verdict)
                     : stage_report(&storm->stage, device, phase, &verdict);
    assert_true(err == ERR_OK || err == ERR_STORAGE || err == ERR_NOT_FOUND);
    if (err == ERR_OK && native_phase_final(phase) && below(storm, 2) == 0)
        device->assignment = 0;
}

static void steer(struct storm *storm)
{
    static const enum rollout_event_kind kinds[] = {
        ROLLOUT_EV_PAUSE, ROLLOUT_EV_RESUME, ROLLOUT_EV_ADVANCE, ROLLOUT_EV_RESUME,
        ROLLOUT_EV_HALT,  ROLLOUT_EV_RESUME, ROLLOUT_EV_ABORT,   ROLLOUT_EV_ROLLBACK,
    };
    uint64_t kind = below(storm, 64);
    enum err err;

    if (kind >= COUNT_OF(kinds))
        return;
    err = stage_steer(&storm->stage, storm->rollouts[below(storm, 2)], kinds[kind]);
    assert_true(err == ERR_OK || err == ERR_INVALID || err == ERR_STORAGE);
}

/* A device leaves for good, and another one of the same make comes in its place. */
static enum err leave(struct stage *stage, void *self)
{
    const struct stage_device *device = self;

    return device_delete(&stage->app, 1, span_of(device->name), "token:ada", stage->now,
                         &stage->why);
}

static void replace(struct storm *storm, uint32_t i)
{
    struct stage_device *device = &storm->devices[i];
    char name[32];
    enum err err = stage_run(&storm->stage, leave, device);

    assert_true(err == ERR_OK || err == ERR_STORAGE);
    if (err != ERR_OK)
        return;
    db_failing_arm(storm->stage.db, 0);
    (void)snprintf(name, sizeof name, "gw-%u-%u", i, ++storm->replaced);
    stage_device(&storm->stage, name, i % 3 == 0 ? "a" : "b", "1.0", device);
}

/* Its record is lost: it counts from 1 again, and says so or not. */
static void lose_record(struct storm *storm, uint32_t i)
{
    struct stage_device *device = &storm->devices[i];

    device->report_id = 0;
    device->assignment = 0;
    if (below(storm, 2) == 0)
        device->epoch = (uint32_t)below(storm, UINT32_MAX);
}

static void step(struct storm *storm)
{
    uint32_t i = (uint32_t)below(storm, DEVICES);
    uint64_t what = below(storm, 16);

    storm->stage.now.ms += (int64_t)below(storm, what == 0 ? 2000000 : 5000);
    db_failing_arm(storm->stage.db, below(storm, 8) == 0 ? 1 + below(storm, 40) : 0);
    if (what < 6)
        poll(storm, i);
    else if (what < 12)
        report(storm, i);
    else if (what < 14)
        (void)stage_tick(&storm->stage); /* fails when the database does */
    else if (below(storm, 8) > 0)
        steer(storm);
    else if (below(storm, 2) == 0 && storm->replaced < REPLACED_MAX)
        replace(storm, i);
    else
        lose_record(storm, i);
    db_failing_arm(storm->stage.db, 0);
}

static void begin(struct storm *storm, uint64_t seed)
{
    static const uint16_t stages[] = {300, 1000, 0};
    int64_t releases[2];

    *storm = (struct storm){.prng = prng_seeded(seed)};
    stage_open(&storm->stage, true);
    for (uint32_t i = 0; i < DEVICES; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "gw-%u", i);
        stage_device(&storm->stage, name, i % 3 == 0 ? "a" : "b", "1.0", &storm->devices[i]);
    }
    releases[0] = stage_release(&storm->stage, "2.0");
    releases[1] = stage_release(&storm->stage, "3.0");
    storm->rollouts[0] = stage_rollout(&storm->stage, "first", releases[0], stages);
    storm->rollouts[1] = stage_rollout(&storm->stage, "second", releases[1], stages);
}

/* Nobody fails any more and every device does as it is told: all must become quiet. */
static void come_to_rest(struct storm *storm)
{
    struct stage *stage = &storm->stage;

    (void)stage_steer(stage, storm->rollouts[0], ROLLOUT_EV_ABORT); /* whatever state it is in */
    (void)stage_steer(stage, storm->rollouts[1], ROLLOUT_EV_ABORT);
    for (int round = 0; round < 8; round++) {
        stage->now.ms += 4000000; /* past every deadline */
        assert_int_equal(stage_tick(stage), ERR_OK);
        for (uint32_t i = 0; i < DEVICES; i++)
            poll(storm, i);
    }
    assert_int_equal(
        stage_number(stage, "SELECT count(*) FROM assignment WHERE standing IN (1, 2)"), 0);
}

static void run(uint64_t seed)
{
    static struct storm storm;

    begin(&storm, seed);
    for (uint64_t i = 0; i < steps; i++) {
        step(&storm);
        if (i % 16 == 0)
            stage_check(&storm.stage);
        if (i % 128 == 127)
            stage_restart(&storm.stage);
    }
    come_to_rest(&storm);
    stage_check(&storm.stage);
    stage_close(&storm.stage);
}

static void test_storms(void **state)
{
    (void)state;
    for (uint64_t seed = seed_first; seed < seed_first + seed_count; seed++) {
        printf("storm with seed %llu, %llu steps\n", (unsigned long long)seed,
               (unsigned long long)steps);
        run(seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storms)};

    if (argc > 1) {
        seed_first = strtoull(argv[1], NULL, 10);
        seed_count = 1;
    }
    if (argc > 2)
        steps = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
