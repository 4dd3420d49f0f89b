/* Walks over a fleet that is larger than a slice: they end, find everybody, and no turn reads more
 * than it should or admits more than it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/stage.h"
#include "app/steer.h"
#include "app/survey.h"

#define FLEET     20000 /* devices, by SQL: enrolling them takes long */
#define TURNS_MAX 200

static const uint16_t everybody[] = {1000, 0};

/* Every other one is of hardware "a"; every hundredth has a floor of 9. */
static void furnish(struct stage *stage)
{
    assert_int_equal(
        db_script(stage->db,
                  "BEGIN;"
                  "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
                  " INSERT INTO device (tenant, id, name, status, key_sha256, utc_offset_min, hold,"
                  " note, created_ms, status_ms, product, hardware, security_floor)"
                  " SELECT 1, i, printf('gw-%05d', i), 1, x'', 0, 0, '', 1, 1, 'box',"
                  " iif(i % 2 = 0, 'a', 'b'), iif(i % 100 = 0, 9, 0) FROM n;"
                  "INSERT INTO device_state (tenant, device, running, other, version, inventory,"
                  " boot_count, agent_state, last_seen_ms, assignment, wanted)"
                  " SELECT 1, id, zeroblob(32), x'', '1.0', x'', 1, 0, 1795600954000, 0, 0"
                  " FROM device;"
                  "COMMIT"),
        ERR_OK);
}

static int open_stage(void **state)
{
    static struct stage stage;

    stage_open(&stage, true);
    furnish(&stage);
    *state = &stage;
    return 0;
}

static int close_stage(void **state)
{
    stage_close(*state);
    return 0;
}

struct order {
    struct survey_question question;
    struct survey_result found;
};

static enum err count(struct stage *stage, void *self)
{
    struct order *order = self;

    return survey_count(&stage->app, &order->question, stage->now, &order->found, &stage->why);
}

/* Told again as the engine does, until it is answered; returns the turns it took. */
static int turns(struct stage *stage, stage_story *story, void *self)
{
    for (int turn = 1; turn < TURNS_MAX; turn++) {
        enum err err = stage_run(stage, story, self);

        assert_true(stage->app.walk_left <= SURVEY_SLICE);
        if (err == ERR_OK)
            return turn;
        assert_int_equal(err, ERR_AGAIN);
        assert_true(stage->turn_wanted);
    }
    fail_msg("no end");
    return 0;
}

static void test_a_count_takes_turns(void **state)
{
    struct order order = {.question = {.tenant = 1, .selector = SPAN_LITERAL("hw = \"a\"")}};

    assert_int_equal(turns(*state, count, &order), 3);
    assert_int_equal(order.found.meant.count, FLEET / 2);
    assert_string_equal(order.found.meant.sample[0], "gw-00002");
    assert_int_equal(order.found.meant.sampled, SURVEY_SAMPLE_MAX);
}

/* Two that are under way at the same time do not disturb each other. */
static void test_counts_side_by_side(void **state)
{
    struct order orders[2] = {{.question = {.tenant = 1, .selector = SPAN_LITERAL("hw = \"a\"")}},
                              {.question = {.tenant = 1}}};
    struct stage *stage = *state;
    bool done[2] = {false};

    for (int turn = 0; turn < TURNS_MAX && !(done[0] && done[1]); turn++) {
        for (int i = 0; i < 2; i++)
            done[i] = done[i] || stage_run(stage, count, &orders[i]) == ERR_OK;
    }
    assert_int_equal(orders[0].found.meant.count, FLEET / 2);
    assert_int_equal(orders[1].found.meant.count, FLEET);
}

static void test_the_floor_is_told_apart(void **state)
{
    struct release_row release;
    struct order order = {
        .question = {.tenant = 1, .selector = SPAN_LITERAL("all"), .release = &release}};
    struct stage *stage = *state;

    assert_int_equal(store_release_get(stage->db, 1, stage_release(stage, "2.0"), &release),
                     ERR_OK);
    (void)turns(stage, count, &order);
    assert_int_equal(order.found.below_floor.count, FLEET / 100);
    assert_int_equal(order.found.meant.count, FLEET - FLEET / 100);
    assert_string_equal(order.found.below_floor.sample[0], "gw-00100");
}

static enum err start(struct stage *stage, void *self)
{
    const struct course_order order = {.actor = "token:ada", .now = stage->now};
    struct rollout_row row;

    TRY(store_rollout_get(stage->db, 1, *(int64_t *)self, &row));
    return course_event(&stage->app, &row, ROLLOUT_EV_START, &order, &stage->why);
}

static void test_an_admission_takes_turns(void **state)
{
    struct stage *stage = *state;
    int64_t rollout = stage_draft(stage, "r", stage_release(stage, "2.0"), everybody), before = 0;
    struct rollout_row row;
    int turn;

    (void)turns(stage, start, &rollout);
    for (turn = 0; turn < TURNS_MAX; turn++) {
        stage_rollout_read(stage, rollout, &row);
        assert_true(rollout_admitted(&row.rollout) - before <= ROLLOUT_ADMIT_MAX);
        before = rollout_admitted(&row.rollout);
        if (rollout_room(&row.rollout) == 0)
            break;
        assert_int_equal(stage_tick(stage), ERR_OK);
        assert_true(app_has_more(&stage->app) || turn > 0);
    }
    assert_int_equal(before, FLEET - FLEET / 100);
    assert_true(turn < TURNS_MAX);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM assignment a JOIN device d"
                                         " ON d.id = a.device WHERE d.security_floor > 1"),
                     0);
}

/* The first of every cohort comes before the second of any, however the walk was cut. */
static void test_the_order_is_that_of_the_whole_fleet(void **state)
{
    static const uint16_t few[] = {1, 1000, 0}; /* 20 of 19800 */
    struct stage *stage = *state;
    int64_t rollout;

    assert_int_equal(db_script(stage->db, "UPDATE device SET hardware = 'c' WHERE id = 19999"),
                     ERR_OK);
    rollout = stage_draft(stage, "r", stage_release(stage, "2.0"), few);
    (void)turns(stage, start, &rollout);
    for (int turn = 0; turn < 10; turn++)
        assert_int_equal(stage_tick(stage), ERR_OK);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM assignment"), 20);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM assignment WHERE device = 19999"),
                     1);
    assert_true(stage_number(stage, "SELECT count(*) FROM assignment WHERE device % 2 = 0") > 6);
}

static int64_t start_for(struct stage *stage, int device)
{
    char name[16], sql[128];
    int64_t rollout;

    (void)snprintf(name, sizeof name, "r%d", device);
    rollout =
        stage_draft(stage, name, stage_number(stage, "SELECT max(id) FROM release"), everybody);
    (void)snprintf(sql, sizeof sql,
                   "UPDATE rollout SET selector = 'name = \"gw-%05d\"' WHERE id = %lld", device,
                   (long long)rollout);
    assert_int_equal(db_script(stage->db, sql), ERR_OK);
    (void)turns(stage, start, &rollout);
    return rollout;
}

static void pass(struct stage *stage, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        stage->now.ms += 1000;
        assert_int_equal(stage_tick(stage), ERR_OK);
    }
}

/* Rollouts that find nobody look again and again; none of them keeps another from its turn. */
static void test_everybody_looks_in_turn(void **state)
{
    struct stage *stage = *state;

    assert_int_equal(db_script(stage->db, "DELETE FROM device WHERE id > 50;"
                                          "UPDATE device SET hold = 1"),
                     ERR_OK);
    (void)stage_release(stage, "2.0");
    for (int device = 1; device <= 5; device++)
        (void)start_for(stage, device);
    pass(stage, 30);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM assignment"), 0);
    assert_int_equal(db_script(stage->db, "UPDATE device SET hold = 0"), ERR_OK);
    pass(stage, 30);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM assignment"), 5);
}

#define SURVEY(test) cmocka_unit_test_setup_teardown(test, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SURVEY(test_a_count_takes_turns),
        SURVEY(test_counts_side_by_side),
        SURVEY(test_the_floor_is_told_apart),
        SURVEY(test_an_admission_takes_turns),
        SURVEY(test_the_order_is_that_of_the_whole_fleet),
        SURVEY(test_everybody_looks_in_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
