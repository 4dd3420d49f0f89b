/* hawkBit's device API and the targets of its management API as whole requests, against the real
 * stories: golden transcripts, and what must be refused.
 *   usage: hawkbit_api_test DIR */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/account.h"
#include "app/foreign.h"
#include "app/stage.h"
#include "base/check.h"
#include "server/hawkbit_api.h"
#include "server/hawkbit_rest.h"

#define TEXT_MAX  65536
#define TOKEN     "0123456789abcdef0123456789abcdef"
#define BYTES     "these bytes stand for an swu file"
#define DEV       "/DEFAULT/controller/v1/dev1"
#define AUTHORITY "default=0a1b2c"

static const char *golden_dir;

struct world {
    struct stage stage;
    struct foreign_host host;
    char admin[SECRET_SIZE], viewer[SECRET_SIZE];
    uint16_t status;
    char body[16384], etag[64], type[64];
    bool has_blob;
    char text[TEXT_MAX];
};

/* One request; NULL: absent. */
struct asking {
    enum exchange_method method;
    const char *path, *query, *token, *scheme, *type, *accept, *body, *range, *if_none_match;
    const char *device, *authorities; /* of a proxy */
    const char *peer;                 /* common name of our own certificate */
    bool head_only;
    struct exchange *exchange;
};

static enum err handle(struct stage *stage, void *self)
{
    struct world *world = (struct world *)stage;
    struct asking *asking = self;
    struct span path = asking->exchange->request.path;

    CHECK_STATIC(offsetof(struct world, stage) == 0);
    if (foreign_hawkbit_rest.claims(path))
        return foreign_hawkbit_rest.handle(&world->host, asking->exchange);
    if (foreign_hawkbit.claims(path))
        return foreign_hawkbit.handle(&world->host, asking->exchange);
    reply_empty(asking->exchange, 404); /* the server's own business */
    return ERR_NOT_FOUND;
}

static void keep(struct world *world, const struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;

    world->status = reply->status;
    world->has_blob = reply->has_blob;
    assert_true(reply->body_size < sizeof world->body);
    if (reply->body_size > 0)
        memcpy(world->body, reply->body, reply->body_size);
    world->body[reply->body_size] = '\0';
    (void)snprintf(world->type, sizeof world->type, "%s",
                   reply->content_type ? reply->content_type : "");
    world->etag[0] = '\0';
    for (size_t i = 0; i < reply->headers_count; i++) {
        if (strcmp(reply->headers[i].name, "ETag") == 0)
            (void)snprintf(world->etag, sizeof world->etag, "%s", reply->headers[i].value);
    }
}

static unsigned ask(struct world *world, struct asking asking)
{
    struct exchange_parts parts = {.kind = EXCHANGE_HTTP, .now = world->stage.now};
    char authorization[256] = "";

    if (asking.token)
        (void)snprintf(authorization, sizeof authorization, "%s %s",
                       asking.scheme ? asking.scheme : "TargetToken", asking.token);
    parts.request = (struct request_view){.method = asking.method,
                                          .path = span_of(asking.path),
                                          .query = span_of(asking.query),
                                          .authorization = span_of(authorization),
                                          .content_type = span_of(asking.type),
                                          .accept = span_of(asking.accept),
                                          .range = span_of(asking.range),
                                          .if_none_match = span_of(asking.if_none_match),
                                          .host = SPAN_LITERAL("h:8443"),
                                          .proxied_device = span_of(asking.device),
                                          .proxied_authorities = span_of(asking.authorities),
                                          .head_only = asking.head_only,
                                          .body = span_of(asking.body)};
    (void)snprintf(parts.peer.address, sizeof parts.peer.address, "192.0.2.7");
    if (asking.peer) {
        parts.peer.certificate = PEER_CERTIFICATE_VALID;
        (void)snprintf(parts.peer.tenant, sizeof parts.peer.tenant, "default");
        (void)snprintf(parts.peer.device, sizeof parts.peer.device, "%s", asking.peer);
    }
    asking.exchange = exchange_open(&parts);
    assert_non_null(asking.exchange);
    asking.exchange->secure = true;
    world->stage.now.ms += 1000;
    (void)stage_run(&world->stage, handle, &asking); /* the reply says it */
    keep(world, asking.exchange);
    exchange_close(asking.exchange);
    return world->status;
}

static unsigned get(struct world *world, const char *path)
{
    return ask(world, (struct asking){.path = path, .token = TOKEN});
}

static unsigned send(struct world *world, enum exchange_method method, const char *path,
                     const char *body)
{
    return ask(world, (struct asking){.method = method,
                                      .path = path,
                                      .token = TOKEN,
                                      .type = "application/json",
                                      .body = body});
}

static unsigned rest(struct world *world, enum exchange_method method, const char *path,
                     const char *body)
{
    const char *query = strchr(path, '?');
    char bare[256];

    (void)snprintf(bare, sizeof bare, "%.*s", query ? (int)(query - path) : (int)strlen(path),
                   path);
    return ask(world, (struct asking){.method = method,
                                      .path = bare,
                                      .query = query ? query + 1 : NULL,
                                      .scheme = "Bearer",
                                      .token = world->admin,
                                      .type = body ? "application/json" : NULL,
                                      .body = body});
}

/* ---- the world ---- */

static enum err tokens_story(struct stage *stage, void *self)
{
    struct world *world = self;
    struct token_order order = {
        .tenant = stage->tenant, .actor = "server", .name = "admin", .role = ROLE_ADMIN};
    struct token_row row;

    TRY(account_token_create(&stage->app, &order, stage->now, &row, world->admin, &stage->why));
    order.name = "viewer";
    order.role = ROLE_VIEWER;
    return account_token_create(&stage->app, &order, stage->now, &row, world->viewer, &stage->why);
}

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    static const char *const authorities[] = {AUTHORITY};

    CHECK(world);
    stage_open(&world->stage, false);
    world->host = (struct foreign_host){&world->stage.app, authorities, 1};
    assert_int_equal(stage_run(&world->stage, tokens_story, world), ERR_OK);
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;

    stage_check(&world->stage);
    stage_close(&world->stage);
    free(world);
    return 0;
}

static enum err artifact_story(struct stage *stage, void *self)
{
    const int64_t *release = self;
    struct artifact_row row = {.tenant = stage->tenant,
                               .release = *release,
                               .format = ARTIFACT_SWU,
                               .length = sizeof BYTES - 1,
                               .listing = 1,
                               .file = "box.swu",
                               .target = "box/2.0/box.swu",
                               .created = stage->now};

    TRY(blobs_put(stage->blobs, BYTES, sizeof BYTES - 1, row.sha256, &stage->why));
    return store_artifact_add(stage->db, &row);
}

static void register_device(struct world *world, const char *name)
{
    char body[256];

    (void)snprintf(body, sizeof body,
                   "[{\"controllerId\":\"%s\",\"product\":\"box\",\"hardware\":\"a\","
                   "\"securityToken\":\"" TOKEN "\"}]",
                   name);
    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/targets", body), 201);
}

/* dev1 has polled once, and a rollout brings 2.0. */
static int64_t furnish(struct world *world)
{
    static const uint16_t everybody[] = {1000, 0};
    int64_t release, rollout;

    register_device(world, "dev1");
    assert_int_equal(get(world, DEV), 200);
    release = stage_release(&world->stage, "2.0");
    assert_int_equal(stage_run(&world->stage, artifact_story, &release), ERR_OK);
    rollout = stage_rollout(&world->stage, "new", release, everybody);
    assert_int_equal(stage_tick(&world->stage), ERR_OK);
    return rollout;
}

/* ---- transcripts ---- */

static void add(struct world *world, const char *format, ...)
{
    size_t at = strlen(world->text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(world->text + at, TEXT_MAX - at, format, args);
    va_end(args);
}

static void tell(struct world *world, struct asking asking)
{
    static const char *const verbs[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OTHER"};

    asking.token = asking.token ? asking.token : TOKEN;
    (void)ask(world, asking);
    add(world, "> %s %s%s%s\n", asking.head_only ? "HEAD" : verbs[asking.method], asking.path,
        asking.query ? "?" : "", asking.query ? asking.query : "");
    if (asking.accept)
        add(world, "> Accept: %s\n", asking.accept);
    if (asking.range)
        add(world, "> Range: %s\n", asking.range);
    if (asking.body)
        add(world, "> %s\n", asking.body);
    add(world, "< %u %s\n", world->status, world->has_blob ? "(the file)" : world->type);
    if (world->etag[0] != '\0')
        add(world, "< ETag: %s\n", world->etag);
    if (world->body[0] != '\0')
        add(world, "< %s\n", world->body);
    add(world, "\n");
}

static void assert_transcript(struct world *world, const char *name)
{
    static char golden[TEXT_MAX];
    char path[512];
    size_t size = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s.txt", golden_dir, name);
    file = fopen(path, "r");
    if (file) {
        size = fread(golden, 1, sizeof golden - 1, file);
        (void)fclose(file);
    }
    golden[size] = '\0';
    if (strcmp(golden, world->text) == 0)
        return;
    printf("%s is now:\n%s---\n", path, world->text); /* print_message() cuts long text */
    fail_msg("transcript %s differs", name);
}

#define FEEDBACK(execution, finished, words)               \
    "{\"id\":\"2\",\"status\":{\"execution\":\"" execution \
    "\",\"result\":{\"finished\":\"" finished "\"},\"details\":[\"" words "\"]}}"

static void an_update_is_told(void **state)
{
    struct world *world = *state;

    (void)furnish(world);
    add(world, "# the calls of swupdate 2022.12 in their order, and what else may be asked\n");
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2", .query = "c=1"});
    tell(world, (struct asking){.method = METHOD_PUT,
                                .path = DEV "/configData",
                                .type = "application/json",
                                .body = "{\"data\":{\"serialNo\":\"42\"}}"});
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/deploymentBase/2/feedback",
                                .body = FEEDBACK("proceeding", "none", "Installing.")});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu.MD5SUM"});
    tell(world,
         (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu", .head_only = true});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu",
                                .accept = "application/octet-stream",
                                .range = "bytes=0-3"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/other.swu"});
    tell(world, (struct asking){.path = DEV "/installedBase/2"});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2",
                                .query = "actionHistory=-1",
                                .accept = "application/json"});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/deploymentBase/2/feedback",
                                .body = FEEDBACK("closed", "success", "Update Installed.")});
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/installedBase/2", .query = "actionHistory=1"});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/deploymentBase/2/feedback",
                                .body = FEEDBACK("closed", "success", "Update Installed.")});
    assert_transcript(world, "update");
}

static void a_cancelled_update_is_told(void **state)
{
    struct world *world = *state;
    int64_t rollout = furnish(world);

    add(world, "# rauc-hawkbit-updater's order: GET cancelAction, then its feedback\n");
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2"});
    tell(world, (struct asking){.path = DEV "/cancelAction/2"});
    assert_int_equal(stage_steer(&world->stage, rollout, ROLLOUT_EV_ABORT), ERR_OK);
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/cancelAction/2"});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu"});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/cancelAction/2/feedback",
                                .body = FEEDBACK("closed", "success", "Action canceled.")});
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/cancelAction/2/feedback",
                                .body = FEEDBACK("closed", "success", "Action canceled.")});
    assert_transcript(world, "cancel");
}

/* ---- without a transcript ---- */

static void last_byte_is_leave(void **state)
{
    struct world *world = *state;
    const char *file = DEV "/softwaremodules/2/artifacts/box.swu";
    const char *sql;
    char switching[96];

    (void)furnish(world);
    (void)snprintf(switching, sizeof switching, "SELECT count(*) FROM assignment WHERE state = %d",
                   ASSIGNMENT_SWITCHING);
    sql = switching;
    assert_int_equal(get(world, DEV "/deploymentBase/2"), 200);
    assert_int_equal(ask(world, (struct asking){.path = file, .token = TOKEN, .head_only = true}),
                     200);
    assert_int_equal(stage_number(&world->stage, sql), 0);
    assert_int_equal(
        ask(world, (struct asking){.path = file, .token = TOKEN, .range = "bytes=0-5"}), 200);
    assert_int_equal(stage_number(&world->stage, sql), 0);
    assert_int_equal(
        ask(world, (struct asking){.path = file, .token = TOKEN, .range = "bytes=99-"}), 200);
    assert_int_equal(stage_number(&world->stage, sql), 0); /* the front says 416 */
    assert_int_equal(ask(world, (struct asking){.path = file, .token = TOKEN, .range = "bytes=6-"}),
                     200);
    assert_int_equal(stage_number(&world->stage, sql), 1);
}

static void answers_have_etags(void **state)
{
    struct world *world = *state;
    char etag[64];

    register_device(world, "dev1");
    assert_int_equal(get(world, DEV), 200);
    (void)snprintf(etag, sizeof etag, "%s", world->etag);
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .if_none_match = etag}), 304);
    assert_string_equal(world->body, "");
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .if_none_match = "\"x\""}), 200);
}

static void media_types_are_heeded(void **state)
{
    struct world *world = *state;

    register_device(world, "dev1");
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .accept = "application/cbor"}),
        200);
    assert_string_equal(world->type, "application/cbor");
    assert_int_equal((uint8_t)world->body[0], 0xbf);
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .accept = "text/html"}), 406);
    assert_int_equal(ask(world, (struct asking){.method = METHOD_PUT,
                                                .path = DEV "/configData",
                                                .token = TOKEN,
                                                .type = "text/plain",
                                                .body = "{\"data\":{\"a\":\"b\"}}"}),
                     415);
    assert_int_equal(ask(world, (struct asking){.method = METHOD_PUT,
                                                .path = DEV "/configData",
                                                .token = TOKEN,
                                                .type = "application/cbor",
                                                .body = "\xbf\x64"
                                                        "data\xbf\x61"
                                                        "a\x61"
                                                        "b\xff\xff"}),
                     200);
}

static void bad_requests_are_refused(void **state)
{
    static const struct {
        enum exchange_method method;
        const char *path, *body;
        unsigned status;
        const char *code;
    } cases[] = {
        {METHOD_PUT, DEV "/configData", "{", 400, "rest.body.notReadable"},
        {METHOD_PUT, DEV "/configData", "{}", 400, "rest.body.notReadable"},
        {METHOD_PUT, DEV "/configData", "{\"data\":{\"a~\":\"b\"}}", 400,
         "repo.invalidTargetAttributes"},
        {METHOD_POST, DEV "/deploymentBase/2/feedback", "{}", 400, "rest.body.notReadable"},
        {METHOD_POST, DEV "/deploymentBase/99/feedback", FEEDBACK("closed", "success", "x"), 404,
         ""},
        {METHOD_PUT, DEV "/installedBase", "{\"name\":\"box\"}", 400, "rest.body.notReadable"},
        {METHOD_PUT, DEV "/installedBase", "{\"name\":\"box\",\"version\":\"77\"}", 404, ""},
        {METHOD_POST, DEV, "{}", 405, ""},
        {METHOD_GET, DEV "/deploymentBase/99", NULL, 404, ""},
        {METHOD_GET, DEV "/installedBase/99", NULL, 404, ""},
        {METHOD_GET, DEV "/cancelAction/99", NULL, 404, ""},
        {METHOD_GET, DEV "/confirmationBase", NULL, 404, ""},
        {METHOD_GET, "/DEFAULT/controller/v1/a%20b", NULL, 400, "repo.constraintViolation"},
    };
    struct world *world = *state;

    (void)furnish(world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned status = send(world, cases[i].method, cases[i].path, cases[i].body);

        if (status != cases[i].status || !strstr(world->body, cases[i].code))
            fail_msg("%s: %u %s", cases[i].path, status, world->body);
    }
}

static void strangers_stay_out(void **state)
{
    static const struct asking cases[] = {
        {.path = DEV},
        {.path = DEV, .token = "0123456789abcdef0123456789abcdee"},
        {.path = DEV, .token = ""},
        {.path = DEV, .token = TOKEN, .scheme = "GatewayToken"},
        {.path = DEV, .token = TOKEN, .scheme = "Bearer"},
        {.path = "/DEFAULT/controller/v1/dev2", .token = TOKEN},
        {.path = "/other/controller/v1/dev1", .token = TOKEN},
        {.path = DEV, .device = "dev1"},
        {.path = DEV, .device = "dev1", .authorities = "ffff;eeee"},
        {.path = DEV, .device = "dev2", .authorities = "0a1b2c"},
        {.path = "/other/controller/v1/dev1", .device = "dev1", .authorities = "0a1b2c"},
        {.path = DEV, .peer = "dev2"},
    };
    struct world *world = *state;

    register_device(world, "dev1");
    register_device(world, "dev3");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (ask(world, cases[i]) != 401 || world->body[0] != '\0')
            fail_msg("case %zu: %u %s", i, world->status, world->body);
    }
    assert_int_equal(stage_number(&world->stage, "SELECT count(*) FROM device"), 2);
}

static void a_proxy_or_our_certificate_vouches(void **state)
{
    struct world *world = *state;

    assert_int_equal(
        ask(world,
            (struct asking){.path = DEV, .device = "dev1", .authorities = "dead; 0A1B2C ;beef;"}),
        200);
    assert_int_equal(
        ask(world, (struct asking){.path = "/default/controller/v1/dev9", .peer = "dev9"}), 200);
    assert_int_equal(stage_number(&world->stage, "SELECT count(*) FROM device"), 2);
}

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

static void a_device_says_what_it_runs(void **state)
{
    struct world *world = *state;

    (void)furnish(world);
    assert_int_equal(
        send(world, METHOD_PUT, DEV "/installedBase", "{\"name\":\"box\",\"version\":\"2.0\"}"),
        201);
    assert_int_equal(
        send(world, METHOD_PUT, DEV "/installedBase", "{\"name\":\"box\",\"version\":\"2.0\"}"),
        200);
}

static void floods_are_told_so(void **state)
{
    struct world *world = *state;
    unsigned status = 200;

    (void)furnish(world);
    assert_int_equal(get(world, DEV "/deploymentBase/2"), 200);
    for (unsigned i = 0; i < FOREIGN_WORDS_MAX + 1 && status == 200; i++)
        status = send(world, METHOD_POST, DEV "/deploymentBase/2/feedback",
                      FEEDBACK("proceeding", "none", "again"));
    assert_int_equal(status, 429);
    assert_non_null(strstr(world->body, "quota.tooManyEntries"));
    /* what ends it still gets through */
    assert_int_equal(get(world, DEV "/softwaremodules/2/artifacts/box.swu"), 200);
    assert_int_equal(send(world, METHOD_POST, DEV "/deploymentBase/2/feedback",
                          FEEDBACK("closed", "failure", "no")),
                     200);
    assert_int_equal(send(world, METHOD_POST, DEV "/deploymentBase/2/feedback",
                          FEEDBACK("closed", "failure", "no")),
                     410);
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
    assert_int_equal(stage_run(&world->stage, tokens_story, world), ERR_OK);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets", NULL), 200);
    assert_non_null(strstr(world->body, "\"total\":0"));
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1", NULL), 404);
    assert_int_equal(rest(world, METHOD_GET, "/rest/v1/targets/dev1/attributes", NULL), 404);
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

int main(int argc, char **argv)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(an_update_is_told),
        TEST(a_cancelled_update_is_told),
        TEST(last_byte_is_leave),
        TEST(answers_have_etags),
        TEST(media_types_are_heeded),
        TEST(bad_requests_are_refused),
        TEST(strangers_stay_out),
        TEST(a_proxy_or_our_certificate_vouches),
        TEST(gateways_have_a_scope),
        TEST(a_device_says_what_it_runs),
        TEST(floods_are_told_so),
        TEST(targets_are_managed),
        TEST(a_token_is_drawn_and_shown_once),
        TEST(bad_management_is_refused),
        TEST(sets_are_releases),
        TEST(rollouts_are_managed),
        TEST(bad_rollouts_are_refused),
        TEST(people_need_a_token_with_a_role),
        TEST(tenants_do_not_see_each_other),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    golden_dir = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
