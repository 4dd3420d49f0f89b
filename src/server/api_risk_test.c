/* Rollouts that are judged by evidence, as a client of the management API meets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/api_world.h"

#define API "/api/v1"

static const json_t *member(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);

    if (!value)
        fail_msg("no %s", name);
    return value;
}

static void check_text(const struct world *world, const char *name, const char *want)
{
    json_t *json = world_json(world);

    assert_string_equal(json_string_value(member(json, name)), want);
    json_decref(json);
}

static void check_number(const struct world *world, const char *name, int64_t want)
{
    json_t *json = world_json(world);

    assert_int_equal(json_integer_value(member(json, name)), want);
    json_decref(json);
}

static unsigned draft(struct world *world, const char *more)
{
    char body[512];

    (void)snprintf(body, sizeof body,
                   "{\"name\":\"june\",\"release\":\"pump@1.1.0\",\"selector\":\"all\",%s}", more);
    return ask_as(world, ROLE_OPERATOR, METHOD_POST, API "/rollouts", body);
}

static void tick(struct world *world)
{
    assert_int_equal(app_begin(&world->app, NULL), ERR_OK);
    assert_int_equal(app_tick(&world->app, world->now), ERR_OK);
    assert_int_equal(app_commit(&world->app, NULL), ERR_OK);
    app_settled(&world->app, true);
}

static void a_wrong_wish_says_what_to_change(void **state)
{
    static const struct {
        const char *more, *field;
    } rows[] = {
        {"\"strategy\":\"luck\",\"stages\":[{\"percent\":100}]", "strategy"},
        {"\"strategy\":\"risk\",\"stages\":[{\"percent\":100}]", "stages"},
        {"\"strategy\":\"both\"", "stages"},
        {"\"stages\":[{\"percent\":100}],\"max_harmed\":5", "strategy"},
        {"\"strategy\":\"risk\",\"max_harmed\":0", "max_harmed"},
        {"\"strategy\":\"risk\",\"max_harmed\":1048577", "max_harmed"},
        {"\"strategy\":\"risk\",\"max_harmed\":3", "max_harmed"},
        {"\"strategy\":\"risk\",\"confidence_percent\":100", "confidence_percent"},
        {"\"strategy\":\"risk\",\"confidence_percent\":49.9", "confidence_percent"},
        {"\"strategy\":\"risk\",\"floor_percent\":0", "floor_percent"},
        {"\"strategy\":\"risk\",\"floor_percent\":1,\"max_harmed\":5", "floor_percent"},
        {"\"strategy\":\"risk\",\"observe_s\":0", "observe_s"},
        {"\"strategy\":\"risk\",\"observe_s\":60", "observe_s"},
    };
    struct world *world = world_open();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(draft(world, rows[i].more), 400);
        check_text(world, "field", rows[i].field);
    }
    assert_int_equal(draft(world, "\"strategy\":\"risk\",\"max_harmed\":3"), 400);
    assert_true(strstr(world->body, "must be at least ") != NULL);
    world_close(world);
}

static void limits_are_read_back(void **state)
{
    struct world *world = world_open();
    json_t *json;

    (void)state;
    assert_int_equal(draft(world, "\"strategy\":\"both\",\"stages\":[{\"percent\":10},{\"percent\":"
                                  "100}],\"confidence_percent\":99.5,\"floor_percent\":2.5"),
                     201);
    check_text(world, "strategy", "both");
    json = world_json(world);
    assert_int_equal(json_integer_value(member(member(json, "risk"), "max_harmed")), 50);
    assert_float_equal(json_number_value(member(member(json, "risk"), "confidence_percent")), 99.5,
                       0.0001);
    assert_float_equal(json_number_value(member(member(json, "risk"), "floor_percent")), 2.5,
                       0.0001);
    assert_int_equal(json_integer_value(member(member(json, "risk"), "observe_s")), 86400);
    json_decref(json);
    world_close(world);
}

static void what_the_judge_knows_is_shown(void **state)
{
    struct world *world = world_open();
    json_t *json;

    (void)state;
    assert_int_equal(draft(world, "\"strategy\":\"risk\",\"max_harmed\":30"), 201);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/risk", NULL), 200);
    json = world_json(world);
    assert_true(json_is_false(member(json, "sorted")));
    json_decref(json);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/cohorts", NULL), 200);
    assert_int_equal(ask(world, METHOD_POST, API "/rollouts/june/start", "{}"), 200);
    tick(world);
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, API "/rollouts/june/risk", NULL), 200);
    json = world_json(world);
    assert_true(json_is_true(member(json, "sorted")));
    assert_int_equal(json_integer_value(member(member(json, "whole"), "size")), 20);
    assert_int_equal(json_integer_value(member(member(json, "terms"), "harmed_max")), 30);
    json_decref(json);
    check_number(world, "sites", 2);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/cohorts?limit=1", NULL), 200);
    json = world_json(world);
    assert_int_equal(json_array_size(member(json, "items")), 1);
    assert_true(json_is_string(member(json, "next")));
    json_decref(json);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/journal", NULL), 200);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/report", NULL), 200);
    world_close(world);
}

static void holds_are_lifted_with_a_reason(void **state)
{
    static const char path[] = API "/rollouts/june/lift-hold";
    struct world *world = world_open();

    (void)state;
    assert_int_equal(draft(world, "\"strategy\":\"risk\""), 201);
    assert_int_equal(ask(world, METHOD_POST, API "/rollouts/june/start", "{}"), 200);
    tick(world);
    assert_int_equal(ask(world, METHOD_POST, path, "{\"cohort\":\"hw=a\"}"), 400);
    check_text(world, "field", "reason");
    assert_int_equal(ask(world, METHOD_POST, path, "{\"cohort\":\"hw=a\",\"reason\":\"\"}"), 400);
    assert_int_equal(ask(world, METHOD_POST, path, "{\"cohort\":\"hw=z\",\"reason\":\"so\"}"), 404);
    assert_int_equal(ask(world, METHOD_POST, path, "{\"cohort\":\"hw=a\",\"reason\":\"so\"}"), 400);
    assert_true(strstr(world->body, "hw=a is not held") != NULL);
    assert_int_equal(ask(world, METHOD_POST, path, "{\"cohort\":\"everything\",\"reason\":\"so\"}"),
                     400);
    assert_true(strstr(world->body, "resume it instead") != NULL);
    assert_int_equal(
        ask_as(world, ROLE_VIEWER, METHOD_POST, path, "{\"cohort\":\"hw=a\",\"reason\":\"so\"}"),
        403);
    world_close(world);
}

static void rollouts_by_stages_have_no_judge(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(draft(world, "\"stages\":[{\"percent\":100}]"), 201);
    check_text(world, "strategy", "stages");
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/risk", NULL), 409);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/cohorts", NULL), 409);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/journal", NULL), 409);
    assert_int_equal(ask(world, METHOD_POST, API "/rollouts/june/lift-hold",
                         "{\"cohort\":\"hw=a\",\"reason\":\"so\"}"),
                     409);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/nope/risk", NULL), 404);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_wish_says_what_to_change),
        cmocka_unit_test(limits_are_read_back),
        cmocka_unit_test(what_the_judge_knows_is_shown),
        cmocka_unit_test(holds_are_lifted_with_a_reason),
        cmocka_unit_test(rollouts_by_stages_have_no_judge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
