/* hawkBit's management API as whole requests, against the real stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/hawkbit_world.h"

/* ---- gateways ---- */

static void gateways_have_a_scope(void **state)
{
    static const char key[] = "/rest/v1/system/configs/authentication.gatewaytoken.key";
    static const char west[] = "/rest/v1/system/configs/authentication.gatewaytoken.key.west";
    struct asking gateway = {.path = "/DEFAULT/controller/v1/w-1",
                             .scheme = "GatewayToken",
                             .token = "gateway-secret-west"};
    struct world *world = *state;

    assert_int_equal(ask(world, gateway), 401);
    assert_int_equal(
        rest(world, METHOD_PUT, west,
             "{\"value\":\"gateway-secret-west\",\"selector\":\"name ~ \\\"w-*\\\"\"}"),
        204);
    assert_int_equal(ask(world, gateway), 200);
    gateway.path = DEV;
    assert_int_equal(ask(world, gateway), 401);
    assert_int_equal(rest(world, METHOD_PUT, key, "{\"value\":\"gateway-secret-all\"}"), 204);
    gateway.token = "gateway-secret-all";
    assert_int_equal(ask(world, gateway), 200);
    assert_int_equal(rest(world, METHOD_GET, key, NULL), 200);
    assert_null(strstr(world->body, "secret"));
    assert_int_equal(rest(world, METHOD_DELETE, key, NULL), 204);
    assert_int_equal(ask(world, gateway), 401);
    assert_int_equal(rest(world, METHOD_PUT, west, "{\"value\":\"short\"}"), 400);
    assert_int_equal(rest(world, METHOD_PUT, west, "{\"value\":5}"), 400);
    assert_int_equal(
        rest(world, METHOD_PUT, "/rest/v1/system/configs/pollingTime", "{\"value\":\"00:01:00\"}"),
        400);
}

/* ---- targets ---- */

static void targets_are_managed(void **state)
{
    struct world *world = *state;

    register_device(world, "dev1");
    register_device(world, "dev2");
    register_device(world, "urn:x");
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets", NULL), 200);
    assert_non_null(strstr(world->body, "\"total\":3,\"size\":3"));
    assert_int_equal(rest(world, METHOD_GET,
                          "/rest/v1/targets?q=id==dev*&limit=1&offset=1&sort=name:DESC", NULL),
                     200);
    assert_non_null(strstr(world->body, "\"controllerId\":\"dev1\""));
    assert_non_null(strstr(world->body, "\"total\":2,\"size\":1"));
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/urn:x", NULL), 200);
    assert_null(strstr(world->body, "securityToken"));
    assert_int_equal(
        rest(world, METHOD_PUT, "/rest/v1/targets/dev1",
             "{\"description\":\"in the cellar\",\"securityToken\":\"another-token-16\"}"),
        200);
    assert_non_null(strstr(world->body, "in the cellar"));
    assert_int_equal(get(world, DEV), 401);
    assert_int_equal(ask(world, (struct asking){.path = DEV, .token = "another-token-16"}), 200);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1/attributes", NULL), 200);
    assert_non_null(strstr(world->body, "\"product\":\"box\""));
    assert_int_equal(rest(world, METHOD_DELETE, "/rest/v1/targets/dev1", NULL), 204);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1", NULL), 404);
    assert_non_null(strstr(world->body, "repo.entityNotFound"));
    assert_int_equal(ask(world, (struct asking){.path = DEV, .token = "another-token-16"}), 401);
}

static void a_token_is_drawn_and_shown_once(void **state)
{
    struct world *world = *state;
    char *from, token[33];

    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/targets", "[{\"controllerId\":\"dev1\"}]"),
                     201);
    from = strstr(world->body, "\"securityToken\":\"");
    assert_non_null(from);
    (void)snprintf(token, sizeof token, "%s", from + strlen("\"securityToken\":\""));
    assert_int_equal(ask(world, (struct asking){.path = DEV, .token = token}), 200);
}

static void bad_management_is_refused(void **state)
{
    static const struct {
        enum exchange_method method;
        const char *path, *body;
        unsigned status;
        const char *code;
    } cases[] = {
        {METHOD_POST, "/rest/v1/targets", "{}", 400, "rest.body.notReadable"},
        {METHOD_POST, "/rest/v1/targets", "[]", 400, "rest.body.notReadable"},
        {METHOD_POST, "/rest/v1/targets", "[5]", 400, "rest.body.notReadable"},
        {METHOD_POST, "/rest/v1/targets", "[{}]", 400, "repo.constraintViolation"},
        {METHOD_POST, "/rest/v1/targets", "[{\"controllerId\":\"a b\"}]", 400, "repo."},
        {METHOD_POST, "/rest/v1/targets", "[{\"controllerId\":\"dev1\"}]", 409,
         "repo.entityAlreadyExists"},
        {METHOD_POST, "/rest/v1/targets", "[{\"controllerId\":\"n\",\"securityToken\":\"x\"}]", 400,
         "repo.constraintViolation"},
        {METHOD_GET, "/rest/v1/targets?q=id=", NULL, 400, "rest.param.rsqlParamSyntax"},
        {METHOD_GET, "/rest/v1/targets?q=updatestatus==error", NULL, 400,
         "rest.param.rsqlInvalidField"},
        {METHOD_GET, "/rest/v1/targets?q=attribute.a=lt=x", NULL, 400,
         "rest.param.rsqlParamSyntax"},
        {METHOD_GET, "/rest/v1/targets?sort=address:ASC", NULL, 400, "rest.param.sortParamSyntax"},
        {METHOD_GET, "/rest/v1/targets/nobody", NULL, 404, "repo.entityNotFound"},
        {METHOD_DELETE, "/rest/v1/targets/nobody", NULL, 404, "repo.entityNotFound"},
        {METHOD_GET, "/rest/v1/softwaremodules", NULL, 404, ""},
        {METHOD_PATCH, "/rest/v1/targets", NULL, 405, ""},
    };
    struct world *world = *state;

    register_device(world, "dev1");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned status = rest(world, cases[i].method, cases[i].path, cases[i].body);

        if (status != cases[i].status || !strstr(world->body, cases[i].code))
            fail_msg("%s: %u %s", cases[i].path, status, world->body);
    }
}

static void sets_are_releases(void **state)
{
    struct world *world = *state;

    (void)furnish(world);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/distributionsets?limit=1", NULL), 200);
    assert_non_null(strstr(world->body, "\"name\":\"box\",\"version\":\"2.0\""));
    assert_non_null(strstr(world->body, "\"total\":1,\"size\":1"));
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/distributionsets/1", NULL), 200);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/distributionsets/99", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/distributionsets/x", NULL), 404);
}

static void actions_tell_what_the_device_said(void **state)
{
    static const char feedback[] =
        "{\"status\":{\"execution\":\"%s\",\"result\":{\"finished\":\"%s\"},\"code\":7,"
        "\"details\":[\"its \\\"own\\\" words\"]}}";
    static const char action[] = "/rest/v1/targets/dev1/actions/2";
    struct world *world = *state;
    char body[256];

    (void)furnish(world);
    assert_int_equal(get(world, DEV "/deploymentBase/2"), 200);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1/actions", NULL), 200);
    assert_non_null(strstr(world->body, "\"id\":2,\"type\":\"update\",\"status\":\"retrieved\","
                                        "\"active\":true"));
    assert_non_null(strstr(world->body, "\"total\":1,\"size\":1"));
    (void)snprintf(body, sizeof body, feedback, "proceeding", "none");
    assert_int_equal(send_json(world, METHOD_POST, DEV "/deploymentBase/2/feedback", body), 200);
    (void)snprintf(body, sizeof body, feedback, "closed", "failure");
    assert_int_equal(send_json(world, METHOD_POST, DEV "/deploymentBase/2/feedback", body), 200);
    assert_int_equal(rest(world, METHOD_GET, action, NULL), 200);
    assert_non_null(strstr(world->body, "\"status\":\"running\",\"active\":true")); /* a retry */
    assert_int_equal(
        rest(world, METHOD_GET, "/rest/v1/targets/dev1/actions/2/status?limit=1", NULL), 200);
    assert_non_null(strstr(world->body, "\"type\":\"error\",\"messages\":[\"its \\\"own\\\" "
                                        "words\"]"));
    assert_non_null(strstr(world->body, "\"code\":7"));
    assert_non_null(strstr(world->body, "\"total\":2,\"size\":1"));
    for (size_t i = 0; i < 4; i++) {
        static const char *const none[] = {"0", "3", "4", "4294967298"};
        char path[96];

        (void)snprintf(path, sizeof path, "/rest/v1/targets/dev1/actions/%s", none[i]);
        assert_int_equal(rest(world, METHOD_GET, path, NULL), 404);
    }
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/nobody/actions", NULL), 404);
}

static void a_set_is_assigned_to_targets(void **state)
{
    static const char path[] = "/rest/v1/distributionsets/1/assignedTargets";
    struct world *world = *state;

    (void)furnish(world);
    register_device(world, "dev2");
    assert_int_equal(get(world, "/DEFAULT/controller/v1/dev2"), 200);
    assert_int_equal(rest(world, METHOD_POST, path,
                          "[{\"id\":\"dev2\",\"type\":\"forced\"},{\"id\":\"nobody\"}]"),
                     200);
    assert_non_null(strstr(world->body, "\"alreadyAssigned\":0,\"assigned\":1,\"total\":1"));
    assert_int_equal(stage_tick(&world->stage), ERR_OK);
    assert_int_equal(get(world, "/DEFAULT/controller/v1/dev2"), 200);
    assert_non_null(strstr(world->body, "deploymentBase"));
    assert_int_equal(rest(world, METHOD_POST, path, "[{\"id\":\"nobody\"}]"), 200);
    assert_non_null(strstr(world->body, "\"total\":0"));
    assert_int_equal(rest(world, METHOD_POST, path, "[]"), 400);
    assert_int_equal(rest(world, METHOD_POST, path, "[{}]"), 400);
    assert_int_equal(
        rest(world, METHOD_POST, path, "[{\"id\":\"dev2\",\"type\":\"downloadonly\"}]"), 400);
    assert_int_equal(
        rest(world, METHOD_POST, path,
             "[{\"id\":\"dev2\",\"maintenanceWindow\":{\"schedule\":\"0 0 3 * * ?\"}}]"),
        400);
    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/distributionsets/99/assignedTargets",
                          "[{\"id\":\"dev2\"}]"),
                     404);
}

#define ROLLOUT(members) \
    "{\"name\":\"r1\",\"targetFilterQuery\":\"id==dev*\",\"distributionSetId\":1" members "}"

static void rollouts_are_managed(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *after;
    } steps[] = {
        {"pause", 400, "ready"},  {"start", 204, "running"},  {"start", 400, "running"},
        {"pause", 204, "paused"}, {"resume", 204, "running"}, {"triggerNextGroup", 204, "running"},
        {"stop", 204, "stopped"}, {"resume", 400, "stopped"},
    };
    struct world *world = *state;
    char path[96], want[64];

    (void)furnish(world);
    register_device(world, "dev2");
    assert_int_equal(get(world, "/DEFAULT/controller/v1/dev2"), 200);
    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/rollouts",
                          ROLLOUT(",\"amountGroups\":4,\"errorCondition\":{\"condition\":"
                                  "\"THRESHOLD\",\"expression\":\"20\"}")),
                     201);
    assert_non_null(strstr(world->body, "\"id\":2,\"name\":\"r1\""));
    assert_non_null(strstr(world->body, "\"totalGroups\":4"));
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/rollouts/2/deploygroups", NULL), 200);
    assert_non_null(strstr(world->body, "\"expression\":\"20\""));
    assert_non_null(strstr(world->body, "\"total\":4"));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        (void)snprintf(path, sizeof path, "/rest/v1/rollouts/2/%s", steps[i].path);
        if (rest(world, METHOD_POST, path, NULL) != steps[i].status)
            fail_msg("%s: %u %s", steps[i].path, world->status, world->body);
        if (world->status == 400)
            assert_non_null(strstr(world->body, "rollout.illegalState"));
        assert_int_equal(rest(world, METHOD_GET, "/rest/v1/rollouts/2", NULL), 200);
        (void)snprintf(want, sizeof want, "\"status\":\"%s\"", steps[i].after);
        if (!strstr(world->body, want))
            fail_msg("after %s: %s", steps[i].path, world->body);
    }
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/rollouts?limit=1", NULL), 200);
    assert_non_null(strstr(world->body, "\"total\":2,\"size\":1"));
    assert_int_equal(rest(world, METHOD_DELETE, "/rest/v1/rollouts/2", NULL), 400);
    assert_int_equal(
        rest(world, METHOD_POST, "/rest/v1/rollouts",
             "{\"name\":\"r2\",\"targetFilterQuery\":\"id==dev*\",\"distributionSetId\":1,"
             "\"groups\":[{\"targetPercentage\":20},{\"targetPercentage\":50.0},{}]}"),
        201);
    assert_int_equal(
        stage_number(&world->stage,
                     "SELECT permille FROM rollout_stage WHERE rollout = 3 AND stage = 1"),
        600);
    assert_int_equal(rest(world, METHOD_DELETE, "/rest/v1/rollouts/3", NULL), 204);
}

static void bad_rollouts_are_refused(void **state)
{
    static const struct {
        const char *body;
        unsigned status;
        const char *code;
    } cases[] = {
        {"[]", 400, "rest.body.notReadable"},
        {"{}", 400, "rest.body.notReadable"},
        {ROLLOUT(",\"type\":\"downloadonly\""), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"dynamic\":true"), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"confirmationRequired\":true"), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"amountGroups\":0"), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"amountGroups\":17"), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"amountGroups\":2,\"groups\":[{}]"), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"groups\":[{\"targetPercentage\":50}]"), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"groups\":[{\"targetFilterQuery\":\"id==a\"}]"), 400,
         "repo.constraintViolation"},
        {ROLLOUT(",\"errorCondition\":{\"expression\":\"101\"}"), 400, "repo.constraintViolation"},
        {ROLLOUT(",\"errorCondition\":{\"expression\":\"x\"}"), 400, "repo.constraintViolation"},
        {"{\"name\":\"r1\",\"targetFilterQuery\":\"\",\"distributionSetId\":1}", 400, "repo."},
        {"{\"name\":\"r1\",\"targetFilterQuery\":\"id=\",\"distributionSetId\":1}", 400,
         "rest.param.rsqlParamSyntax"},
        {"{\"name\":\"r1\",\"targetFilterQuery\":\"id==a\",\"distributionSetId\":99}", 404,
         "repo.entityNotFound"},
        {"{\"name\":\"new\",\"targetFilterQuery\":\"id==dev1\",\"distributionSetId\":1}", 409,
         "repo.entityAlreadyExists"},
    };
    struct world *world = *state;

    (void)furnish(world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned status = rest(world, METHOD_POST, "/rest/v1/rollouts", cases[i].body);

        if (status != cases[i].status || !strstr(world->body, cases[i].code))
            fail_msg("%s: %u %s", cases[i].body, status, world->body);
    }
    assert_int_equal(stage_number(&world->stage, "SELECT count(*) FROM rollout"), 1);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/rollouts/99", NULL), 404);
    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/rollouts/99/start", NULL), 404);
}

static void people_need_a_token_with_a_role(void **state)
{
    struct world *world = *state;
    struct asking asking = {.path = "/rest/v1/targets"};

    assert_int_equal(ask(world, asking), 401);
    asking.scheme = "Basic";
    asking.token = "YWRtaW46YWRtaW4="; /* admin:admin */
    assert_int_equal(ask(world, asking), 401);
    asking.token = "!!!!";
    assert_int_equal(ask(world, asking), 401);
    asking.scheme = "Bearer";
    asking.token = world->viewer;
    assert_int_equal(ask(world, asking), 200);
    asking.method = METHOD_POST;
    asking.type = "application/json";
    asking.body = "[{\"controllerId\":\"dev1\"}]";
    assert_int_equal(ask(world, asking), 403);
    assert_non_null(strstr(world->body, "insufficientPermission"));
    assert_int_equal(stage_number(&world->stage, "SELECT count(*) FROM device"), 0);
}

static void tenants_do_not_see_each_other(void **state)
{
    struct world *world = *state;

    (void)furnish(world);
    stage_tenant(&world->stage, "acme");
    make_tokens(world);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets", NULL), 200);
    assert_non_null(strstr(world->body, "\"total\":0"));
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1/attributes", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1/actions", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1/actions/2/status", NULL), 404);
    assert_int_equal(rest(world, METHOD_PUT, "/rest/v1/targets/dev1", "{}"), 404);
    assert_int_equal(rest(world, METHOD_DELETE, "/rest/v1/targets/dev1", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/distributionsets", NULL), 200);
    assert_non_null(strstr(world->body, "\"total\":0"));
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/distributionsets/1", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/rollouts", NULL), 200);
    assert_non_null(strstr(world->body, "\"total\":0"));
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/rollouts/1", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/rollouts/1/deploygroups", NULL), 404);
    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/rollouts/1/stop", NULL), 404);
    assert_int_equal(rest(world, METHOD_DELETE, "/rest/v1/rollouts/1", NULL), 404);
    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/rollouts", ROLLOUT("")), 404);
    assert_int_equal(get(world, "/ACME/controller/v1/dev1"), 401);
    register_device(world, "dev1"); /* one of its own */
    assert_int_equal(get(world, "/Acme/controller/v1/dev1"), 200);
    assert_int_equal(get(world, "/default/controller/v1/dev1"), 200);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(gateways_have_a_scope),
        TEST(targets_are_managed),
        TEST(a_token_is_drawn_and_shown_once),
        TEST(bad_management_is_refused),
        TEST(sets_are_releases),
        TEST(actions_tell_what_the_device_said),
        TEST(a_set_is_assigned_to_targets),
        TEST(rollouts_are_managed),
        TEST(bad_rollouts_are_refused),
        TEST(people_need_a_token_with_a_role),
        TEST(tenants_do_not_see_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
