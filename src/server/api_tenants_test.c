/* Tenants share a process and nothing else. For every route of the table, a token of one tenant
 * never sees, changes or can tell the existence of what another one has. A route that is not
 * classified here fails the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/blob.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/sha256.h"
#include "server/api_world.h"
#include "store/metadata.h"

#define API "/api/v1"

enum kind { /* in the order they are tried in */
    OWN,    /* about the caller, the server or the caller's tenant */
    LIST,   /* empty, but for what the caller has made itself */
    STREAM, /* events of the caller's tenant */
    NAMED,  /* what another tenant has is as good as absent */
    NEW,    /* makes something, under a name that another tenant uses */
    KIND_COUNT
};

struct rule {
    const char *operation;
    enum kind kind;
    const char *body;   /* of NAMED: %s stands for the thing */
    const char *phrase; /* the answer must have it; NULL: no matter */
};

/* clang-format off */
static const struct rule rules[] = {
    {"whoAmI",              OWN,    NULL, "\"tenant\":\"other\""},
    {"getOpenapi",          OWN,    NULL, NULL},
    {"getMetrics",          OWN,    NULL, "slipway_devices{status=\"active\"} 0"},
    {"getHealth",           OWN,    NULL, NULL},
    {"listDevices",         LIST,   NULL, "\"items\":[]"},
    {"getDevice",           NAMED,  NULL, NULL},
    {"patchDevice",         NAMED,  "{\"note\":\"mine now\"}", NULL},
    {"deleteDevice",        NAMED,  NULL, NULL},
    {"acceptDevice",        NAMED,  NULL, NULL},
    {"rejectDevice",        NAMED,  NULL, NULL},
    {"revokeDevice",        NAMED,  NULL, NULL},
    {"requestDeviceLog",    NAMED,  NULL, NULL},
    {"getDeviceHistory",    NAMED,  NULL, NULL},
    {"explainDevice",       NAMED,  NULL, NULL},
    {"listDeviceLogs",      NAMED,  NULL, NULL},
    {"getDeviceLog",        NAMED,  NULL, NULL},
    {"preauthorizeDevices", NEW,    "{\"devices\":[{\"name\":\"pump-01\",\"key_sha256\":\"00000000"
                                    "00000000000000000000000000000000000000000000000000000000\"}]}",
                                    "\"count\":1"},
    {"listClaims",          LIST,   NULL, "\"items\":[]"},
    {"createClaim",         NEW,    "{\"device\":\"pump-01\"}", "\"id\":1,"},
    {"deleteClaim",         NAMED,  NULL, NULL},
    {"listGroups",          LIST,   NULL, "\"items\":[]"},
    {"putGroupMember",      NAMED,  NULL, NULL},
    {"deleteGroupMember",   NAMED,  NULL, NULL},
    {"getTrust",            OWN,    NULL, "\"root_version\":null"},
    {"publishRoot",         OWN,    "{\"signed\":{},\"signatures\":[]}", NULL},
    {"publishTargets",      OWN,    "{\"signed\":{},\"signatures\":[]}", NULL},
    {"publishDelegated",    OWN,    "{\"signed\":{},\"signatures\":[]}", NULL},
    {"makeOnlineKey",       OWN,    NULL, NULL},
    {"listExpiring",        OWN,    NULL, "\"broken\":0"},
    {"getBlob",             NAMED,  NULL, NULL},
    {"putBlob",             NAMED,  NULL, NULL},
    {"listReleases",        LIST,   NULL, "\"items\":[]"},
    {"getRelease",          NAMED,  NULL, NULL},
    {"putContentKey",       NAMED,  "{\"content_key\":\"000000000000000000000000000000000000000000000"
                                    "0000000000000000000\"}", NULL},
    {"checkSelector",       OWN,    "{\"selector\":\"all\"}", "\"count\":0"},
    {"listRollouts",        LIST,   NULL, "\"items\":[]"},
    {"createRollout",       NAMED,  "{\"name\":\"new\",\"release\":\"%s\",\"selector\":\"all\","
                                    "\"stages\":[{\"percent\":100}]}", NULL},
    {"getRollout",          NAMED,  NULL, NULL},
    {"deleteRollout",       NAMED,  NULL, NULL},
    {"approveRollout",      NAMED,  "{}", NULL},
    {"startRollout",        NAMED,  "{}", NULL},
    {"pauseRollout",        NAMED,  "{}", NULL},
    {"resumeRollout",       NAMED,  "{}", NULL},
    {"abortRollout",        NAMED,  "{}", NULL},
    {"advanceRollout",      NAMED,  "{}", NULL},
    {"rollbackRollout",     NAMED,  "{}", NULL},
    {"listRolloutDevices",  NAMED,  NULL, NULL},
    {"getRolloutReport",    NAMED,  NULL, NULL},
    {"getRolloutRisk",      NAMED,  NULL, NULL},
    {"listRolloutCohorts",  NAMED,  NULL, NULL},
    {"listRolloutJournal",  NAMED,  NULL, NULL},
    {"liftHold",            NAMED,  "{\"cohort\":\"hw=a\",\"reason\":\"x\"}", NULL},
    {"watchRollout",        NAMED,  NULL, NULL},
    {"watchEvents",         STREAM, NULL, NULL},
    {"listAudit",           LIST,   NULL, NULL},
    {"exportAudit",         OWN,    NULL, NULL},
    {"watchAudit",          STREAM, NULL, NULL},
    {"listTokens",          LIST,   NULL, NULL},
    {"createToken",         NEW,    "{\"name\":\"viewer\",\"role\":\"viewer\"}", "\"id\":2,"},
    {"deleteToken",         NAMED,  NULL, NULL},
    {"addDevice",           NEW,    "{\"name\":\"pump-01\",\"protocol\":\"hawkbit\"}", "\"token\":\""},
    {"makeDeviceToken",     NAMED,  "{}", NULL},
    {"listGatewayTokens",   LIST,   NULL, "\"items\":[]"},
    {"createGatewayToken",  NEW,    "{\"name\":\"oslo\"}", "\"id\":1,"},
    {"deleteGatewayToken",  NAMED,  NULL, NULL},
};
/* clang-format on */

static const struct rule *rule_of(const struct api_route *route)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (strcmp(rules[i].operation, route->operation) == 0)
            return &rules[i];
    }
    fail_msg("%s is not classified: can another tenant learn something by it?", route->operation);
    return NULL;
}

/* ---- Two tenants ---- */

struct tenants {
    struct world *world; /* the first one's things are there */
    char secret[SECRET_SIZE];
    char foreign_sha256[DIGEST_HEX_SIZE]; /* of a blob that only the first one has brought */
};

static void add_metadata(struct world *world)
{
    const struct metadata_row row = {.tenant = 1,
                                     .role = METADATA_ROOT,
                                     .version = 7,
                                     .expires = {world->now.ms + 1},
                                     .bytes = SPAN_LITERAL("{}")};

    assert_int_equal(store_metadata_add(world->db, &row), ERR_OK);
}

static void add_tenant(struct tenants *tenants)
{
    struct world *world = tenants->world;
    struct token_order order = {
        .tenant = 2, .actor = "server", .name = "admin", .role = ROLE_ADMIN};
    uint8_t sha256[DIGEST_SIZE];
    struct token_row row;
    int64_t log;

    assert_int_equal(app_begin(&world->app, NULL), ERR_OK);
    db_query(world->db, "INSERT INTO tenant (id, name, created_ms) VALUES (2, 'other', 1)");
    assert_int_equal(db_run(world->db), ERR_OK);
    db_query(world->db, "INSERT INTO audit_head (tenant, seq, hash) VALUES (2, 0, x'')");
    assert_int_equal(db_run(world->db), ERR_OK);
    assert_int_equal(
        account_token_create(&world->app, &order, world->now, &row, tenants->secret, NULL), ERR_OK);
    assert_int_equal(blobs_put(world->blobs, "secret", 6, sha256, NULL), ERR_OK);
    assert_int_equal(blob_brought(&world->app, 1, sha256, world->now), ERR_OK);
    hex_print((struct span){sha256, DIGEST_SIZE}, tenants->foreign_sha256);
    assert_int_equal(store_log_add(world->db, 1, 1, 0, world->now, SPAN_LITERAL("log"), &log),
                     ERR_OK);
    add_metadata(world);
    assert_int_equal(app_commit(&world->app, NULL), ERR_OK);
    app_settled(&world->app, true);
}

static struct tenants open_tenants(void)
{
    struct tenants tenants = {.world = world_open()};
    struct world *world = tenants.world;

    assert_int_equal(ask(world, METHOD_POST, API "/rollouts",
                         "{\"name\":\"june\",\"release\":\"pump@1.1.0\",\"selector\":\"hw = a\","
                         "\"stages\":[{\"percent\":100}],\"confirm_count\":20}"),
                     201);
    assert_int_equal(ask(world, METHOD_POST, API "/rollouts/june/start", "{}"), 200);
    assert_int_equal(ask(world, METHOD_PUT, API "/groups/north/devices/pump-01", NULL), 204);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(world, METHOD_POST, API "/claims", "{\"note\":\"north\"}"), 201);
    add_tenant(&tenants);
    return tenants;
}

/* Everything of the first tenant, but for what grows by itself. */
static void fingerprint(struct world *world, char out[DIGEST_HEX_SIZE])
{
    static const char *const tables[] = {"counter",
                                         "device",
                                         "device_state",
                                         "attribute",
                                         "tag",
                                         "group_member",
                                         "certificate",
                                         "claim",
                                         "token",
                                         "metadata",
                                         "release",
                                         "rollout",
                                         "assignment",
                                         "report",
                                         "device_log",
                                         "artifact",
                                         "foreign_device",
                                         "foreign_credential",
                                         "foreign_gateway",
                                         "gap",
                                         "audit",
                                         "idempotency",
                                         "preauthorized",
                                         "blob_owner"};
    char sql[160], text[4096] = "";
    struct buf buf = buf_over(text, sizeof text);
    uint8_t sha256[DIGEST_SIZE];

    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\" WHERE tenant = 1", tables[i]);
        db_query(world->db, sql);
        assert_int_equal(db_one(world->db), ERR_OK);
        buf_int(&buf, db_column_int(world->db, 0));
        buf_text(&buf, " ");
    }
    db_query(world->db, "SELECT sum(status), sum(status_ms), sum(length(note)) FROM device"
                        " WHERE tenant = 1");
    assert_int_equal(db_one(world->db), ERR_OK);
    for (int i = 0; i < 3; i++)
        buf_int(&buf, db_column_int(world->db, i));
    db_query(world->db, "SELECT sum(state), sum(stage) FROM rollout WHERE tenant = 1");
    assert_int_equal(db_one(world->db), ERR_OK);
    for (int i = 0; i < 2; i++)
        buf_int(&buf, db_column_int(world->db, i));
    CHECK(!buf.overflow);
    sha256_of(buf_written(&buf), sha256);
    hex_print((struct span){sha256, DIGEST_SIZE}, out);
}

/* ---- Asking as the other tenant ---- */

/* A thing of the first tenant, one that nobody has, and how answers speak of them. */
struct things {
    const char *argument, *there, *absent;
};

static void path_of(const struct tenants *tenants, const char *pattern, bool there, char *to,
                    size_t size)
{
    const struct things things[] = {
        {"{name}", "pump-01", "pump-77"},
        {"{group}", "north", "south"},
        {"{release}", "pump@1.1.0", "pump@9.9.9"},
        {"{rollout}", "june", "july"},
        {"{id}", "3", "9"},
        {"{sha256}", tenants->foreign_sha256,
         "1111111111111111111111111111111111111111111111111111111111111111"},
    };
    size_t used = 0;

    while (*pattern != '\0') {
        const char *value = NULL;

        for (size_t i = 0; i < COUNT_OF(things); i++) {
            if (strncmp(pattern, things[i].argument, strlen(things[i].argument)) == 0)
                value = there ? things[i].there : things[i].absent;
        }
        assert_true(used + 80 < size);
        if (value) {
            used += (size_t)snprintf(to + used, size - used, "%s", value);
            pattern = strchr(pattern, '}') + 1;
        } else {
            to[used++] = *pattern++;
        }
    }
    to[used] = '\0';
}

static unsigned ask_other(struct tenants *tenants, const struct api_route *route, const char *body,
                          bool there)
{
    char path[512], text[512];
    struct question question = {.method = route->method, .path = path, .secret = tenants->secret};

    path_of(tenants, route->pattern, there, path, sizeof path);
    if (body) {
        const char *mark = strstr(body, "%s");

        if (mark)
            (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - body), body,
                           there ? "pump@1.1.0" : "pump@9.9.9", mark + 2);
        else
            (void)snprintf(text, sizeof text, "%s", body);
        question.body = span_of(text);
    }
    if (route->flags & ROUTE_BYTES)
        question.kind = EXCHANGE_UPLOAD_BEGIN;
    return world_ask(tenants->world, &question);
}

/* Both answers, with the names taken out. */
static void forget_names(char *text)
{
    static const char *const names[] = {"pump-01", "pump-77", "pump@1.1.0", "pump@9.9.9", "june",
                                        "july",    " 3\"",    " 9\"",       "north",      "south"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *at;

        while ((at = strstr(text, names[i])) != NULL)
            memset(at, '#', strlen(names[i]));
    }
    for (char *at = text; (at = strstr(at, "blob ")) != NULL; at += 5)
        memset(at + 5, '#', strspn(at + 5, "0123456789abcdef"));
}

static void check_named(struct tenants *tenants, const struct api_route *route,
                        const struct rule *rule)
{
    unsigned status = ask_other(tenants, route, rule->body, true), absent;
    char *answer = strdup(tenants->world->body);

    absent = ask_other(tenants, route, rule->body, false);
    forget_names(answer);
    forget_names(tenants->world->body);
    if (status != absent || strcmp(answer, tenants->world->body) != 0)
        fail_msg("%s tells: %u %s, not %u %s", route->operation, status, answer, absent,
                 tenants->world->body);
    assert_true(status == 404 || status == 400 || (route->flags & ROUTE_BYTES));
    free(answer);
}

static void check_rest(struct tenants *tenants, const struct api_route *route,
                       const struct rule *rule)
{
    static const char *const traces[] = {"pump", "june", "north", "release_manager"};
    struct world *world = tenants->world;
    unsigned status = ask_other(tenants, route, rule->body, true);

    if (rule->kind == STREAM) {
        assert_int_equal(status, 200);
        assert_string_equal(world->topic_tenant, "other");
        return;
    }
    if (rule->kind != OWN && status >= 400)
        fail_msg("%s: %u %s", route->operation, status, world->body);
    if (rule->phrase && !strstr(world->body, rule->phrase))
        fail_msg("%s: no %s in %s", route->operation, rule->phrase, world->body);
    if (strcmp(rule->operation, "getOpenapi") == 0)
        return; /* full of examples */
    for (size_t i = 0; i < COUNT_OF(traces); i++) {
        if (strstr(world->body, traces[i]) && rule->kind != NEW)
            fail_msg("%s shows %s: %s", route->operation, traces[i], world->body);
    }
}

static void check_route(struct tenants *tenants, const struct api_route *route, enum kind kind)
{
    const struct rule *rule = rule_of(route);
    char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE];

    if (rule->kind != kind)
        return;
    fingerprint(tenants->world, before);
    if (kind == NAMED)
        check_named(tenants, route, rule);
    else
        check_rest(tenants, route, rule);
    fingerprint(tenants->world, after);
    if (strcmp(before, after) != 0)
        fail_msg("%s changed something of another tenant", route->operation);
}

static void a_tenant_can_tell_nothing_of_another(void **state)
{
    struct tenants tenants = open_tenants();
    size_t count;
    const struct api_route *routes = api_routes(&count);

    (void)state;
    for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t i = 0; i < count; i++)
            check_route(&tenants, &routes[i], kind);
    }
    assert_int_equal(count, COUNT_OF(rules));
    world_close(tenants.world);
}

/* What the process does as a whole is its operator's business, who has the first tenant. */
static void only_the_first_tenant_sees_the_process(void **state)
{
    struct tenants tenants = open_tenants();
    struct question question = {.method = METHOD_GET, .path = "/metrics", .secret = tenants.secret};

    (void)state;
    assert_int_equal(ask(tenants.world, METHOD_GET, "/metrics", NULL), 200);
    assert_non_null(strstr(tenants.world->body, "slipway_connections_total"));
    assert_non_null(strstr(tenants.world->body, "slipway_blob_bytes"));
    assert_int_equal(world_ask(tenants.world, &question), 200);
    assert_null(strstr(tenants.world->body, "slipway_connections_total"));
    assert_null(strstr(tenants.world->body, "slipway_blob_bytes"));
    assert_null(strstr(tenants.world->body, "slipway_api_refusals_total"));
    world_close(tenants.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_can_tell_nothing_of_another),
        cmocka_unit_test(only_the_first_tenant_sees_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
