/* Mender's two APIs without network: sessions and links that only we can make, and tenants that
 * share a process and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/account.h"
#include "app/blob.h"
#include "app/mender.h"
#include "app/pace.h"
#include "app/stage.h"
#include "base/check.h"
#include "crypto/aead.h"
#include "server/foreign_api.h"
#include "server/mender_session.h"
#include "wire/mender_host.h"

#define API        "/api/devices/"
#define MANAGEMENT "/api/management/"

struct party {
    int64_t tenant, device, credential;
    char tenant_name[NAME_SIZE_MAX + 1];
    char person[SECRET_SIZE];
    char session[MENDER_TOKEN_SIZE];
};

struct world {
    struct stage stage;
    struct foreign_host host;
    struct party own, other;
    char artifact[MENDER_UUID_SIZE], rollout[MENDER_UUID_SIZE], deployment[MENDER_UUID_SIZE];
    uint16_t status;
    char body[16384];
};

/* ---- Asking ---- */

struct asking {
    enum exchange_method method;
    const char *path, *token, *body, *signature;
    struct exchange *exchange;
};

static enum err handle(struct stage *stage, void *self)
{
    struct world *world = (struct world *)stage;
    struct asking *asking = self;
    const struct foreign_api *api = foreign_api_of(asking->exchange->request.path);

    assert_non_null(api);
    return api->handle(&world->host, asking->exchange);
}

static unsigned ask(struct world *world, struct asking asking)
{
    struct exchange_parts parts = {.kind = EXCHANGE_HTTP, .now = world->stage.now};
    const char *query = strchr(asking.path, '?');
    char authorization[MENDER_TOKEN_SIZE + 16] = "";

    if (asking.token)
        (void)snprintf(authorization, sizeof authorization, "Bearer %s", asking.token);
    parts.request =
        (struct request_view){.method = asking.method,
                              .path = {(const uint8_t *)asking.path,
                                       query ? (size_t)(query - asking.path) : strlen(asking.path)},
                              .query = span_of(query ? query + 1 : ""),
                              .authorization = span_of(authorization),
                              .content_type = SPAN_LITERAL("application/json"),
                              .signature = span_of(asking.signature),
                              .host = SPAN_LITERAL("h:8443"),
                              .body = span_of(asking.body)};
    (void)snprintf(parts.peer.address, sizeof parts.peer.address, "192.0.2.7");
    asking.exchange = exchange_open(&parts);
    assert_non_null(asking.exchange);
    asking.exchange->secure = true;
    world->stage.now.ms += 1000;
    (void)stage_run(&world->stage, handle, &asking); /* the reply says it */
    world->status = asking.exchange->reply.status;
    assert_true(asking.exchange->reply.body_size < sizeof world->body);
    if (asking.exchange->reply.body_size > 0)
        memcpy(world->body, asking.exchange->reply.body, asking.exchange->reply.body_size);
    world->body[asking.exchange->reply.body_size] = '\0';
    exchange_close(asking.exchange);
    return world->status;
}

/* ---- The world ---- */

/* Ids count in each tenant by itself: the first one has some that the other does not. */
static enum err invite_others(struct stage *stage, void *self)
{
    static const char *const identities[] = {"{\"serial\":\"x\"}", "{\"serial\":\"y\"}"};
    struct mender_invitation invitation = {
        .tenant = stage->tenant, .key = SPAN_LITERAL("a key in DER"), .actor = "token:admin"};
    int64_t device;

    (void)self;
    for (size_t i = 0; i < COUNT_OF(identities); i++) {
        invitation.identity = span_of(identities[i]);
        TRY(mender_preauthorize(&stage->app, &invitation, stage->now, &device, &stage->why));
    }
    return ERR_OK;
}

static enum err invite(struct stage *stage, void *self)
{
    struct party *party = self;
    struct foreign_credential_row rows[FOREIGN_CREDENTIALS_MAX];
    struct mender_invitation invitation = {.tenant = stage->tenant,
                                           .identity = SPAN_LITERAL("{\"serial\":\"a\"}"),
                                           .key = SPAN_LITERAL("a key in DER"),
                                           .actor = "token:admin"};
    struct token_order order = {
        .tenant = stage->tenant, .actor = "server", .name = "admin", .role = ROLE_ADMIN};
    struct token_row token;
    uint32_t count;

    party->tenant = stage->tenant;
    memcpy(party->tenant_name, stage->tenant_name, sizeof party->tenant_name);
    TRY(account_token_create(&stage->app, &order, stage->now, &token, party->person, &stage->why));
    TRY(mender_preauthorize(&stage->app, &invitation, stage->now, &party->device, &stage->why));
    TRY(store_foreign_credential_list(stage->db, stage->tenant, party->device,
                                      FOREIGN_CREDENTIALS_MAX, rows, &count));
    assert_int_equal(count, 1);
    party->credential = rows[0].id;
    return ERR_OK;
}

static void enter(struct world *world, struct party *party)
{
    struct mender_session session = {.issued = world->stage.now};

    assert_int_equal(stage_run(&world->stage, invite, party), ERR_OK);
    session.device = party->device;
    session.credential = party->credential;
    session.expires.ms = session.issued.ms + MENDER_TOKEN_MS;
    memcpy(session.tenant, party->tenant_name, sizeof session.tenant);
    assert_int_equal(mender_session_make(&world->stage.app, &session, party->session), ERR_OK);
}

static enum err add_artifact(struct stage *stage, void *self)
{
    struct world *world = (struct world *)stage;
    struct mender_upload upload = {.tenant = stage->tenant,
                                   .product = "mender",
                                   .name = "release-2",
                                   .hardware = "board",
                                   .size = 4,
                                   .actor = "token:admin"};
    struct artifact_row row;

    (void)self;
    TRY(blobs_put(stage->blobs, "blob", 4, upload.sha256, &stage->why));
    TRY(blob_brought(&stage->app, stage->tenant, upload.sha256, stage->now));
    TRY(mender_release_add(&stage->app, &upload, stage->now, &row, &stage->why));
    mender_uuid(MENDER_OF_ARTIFACT, (uint64_t)row.id, world->artifact);
    return ERR_OK;
}

#define NEXT "{\"device_provides\":{\"artifact_name\":\"release-1\",\"device_type\":\"board\"}}"

static void deploy(struct world *world)
{
    int64_t rollout, assignment;

    assert_int_equal(
        ask(world, (struct asking){METHOD_POST, API "v2/deployments/device/deployments/next",
                                   world->own.session, NEXT, NULL, NULL}),
        204);
    assert_int_equal(
        ask(world,
            (struct asking){METHOD_POST, MANAGEMENT "v1/deployments/deployments", world->own.person,
                            "{\"name\":\"d\",\"artifact_name\":\"release-2\","
                            "\"all_devices\":true}",
                            NULL, NULL}),
        201);
    assert_int_equal(stage_tick(&world->stage), ERR_OK);
    rollout = stage_number(&world->stage, "SELECT max(id) FROM rollout");
    assignment = stage_number(&world->stage, "SELECT max(id) FROM assignment");
    assert_true(rollout > 0 && assignment > 0);
    mender_uuid(MENDER_OF_ROLLOUT, (uint64_t)rollout, world->rollout);
    mender_uuid(MENDER_OF_DEPLOYMENT, (uint64_t)assignment * 2, world->deployment);
}

static const uint8_t storage_key[AEAD_KEY_SIZE] = {1, 2, 3};

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    stage_open(&world->stage, true);
    world->stage.app.config.content_storage_key = storage_key;
    world->host.app = &world->stage.app;
    assert_int_equal(stage_run(&world->stage, invite_others, NULL), ERR_OK);
    enter(world, &world->own);
    assert_int_equal(stage_run(&world->stage, add_artifact, NULL), ERR_OK);
    deploy(world);
    stage_tenant(&world->stage, "other");
    enter(world, &world->other);
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

/* ---- Tenants ---- */

/* %d device, %k key, %a artifact, %r rollout, %p deployment: all of the first tenant. */
static void fill(const struct world *world, const char *pattern, char *to, size_t size)
{
    char device[MENDER_UUID_SIZE], key[MENDER_UUID_SIZE];
    struct buf buf = buf_over(to, size);

    mender_uuid(MENDER_OF_DEVICE, (uint64_t)world->own.device, device);
    mender_uuid(MENDER_OF_KEY, (uint64_t)world->own.credential, key);
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '%') {
            buf_byte(&buf, (uint8_t)*pattern);
            continue;
        }
        pattern++;
        buf_text(&buf, *pattern == 'd'   ? device
                       : *pattern == 'k' ? key
                       : *pattern == 'a' ? world->artifact
                       : *pattern == 'r' ? world->rollout
                                         : world->deployment);
    }
    (void)buf_finish_text(&buf);
}

struct question {
    enum exchange_method method;
    const char *path, *body;
    uint16_t own, other; /* status for the tenant whose things they are, and for the other one */
};

#define SUCCESS "{\"status\":\"accepted\"}"
#define ABORTED "{\"status\":\"aborted\"}"
#define DEPLOY  "{\"name\":\"d\",\"artifact_name\":\"release-2\",\"devices\":[\"%d\"]}"

/* clang-format off */
static const struct question managing[] = {
    {METHOD_GET, "v2/devauth/devices/%d", NULL, 200, 404},
    {METHOD_PUT, "v2/devauth/devices/%d/auth/%k/status", SUCCESS, 204, 404},
    {METHOD_GET, "v1/inventory/devices/%d", NULL, 200, 404},
    {METHOD_GET, "v1/deployments/artifacts/%a", NULL, 200, 404},
    {METHOD_DELETE, "v1/deployments/artifacts/%a", NULL, 409, 404},
    {METHOD_GET, "v1/deployments/deployments/%r", NULL, 200, 404},
    {METHOD_GET, "v1/deployments/deployments/%r/statistics", NULL, 200, 404},
    {METHOD_GET, "v1/deployments/deployments/%r/devices", NULL, 200, 404},
    {METHOD_GET, "v1/deployments/deployments/%r/devices/list", NULL, 200, 404},
    {METHOD_GET, "v1/deployments/deployments/%r/devices/%d/log", NULL, 200, 404},
    {METHOD_POST, "v1/deployments/deployments", DEPLOY, 201, 422},
    {METHOD_PUT, "v1/deployments/deployments/%r/status", ABORTED, 204, 404},
    {METHOD_DELETE, "v2/devauth/devices/%d", NULL, 204, 404},
};
static const struct question listing[] = {
    {METHOD_GET, "v1/deployments/artifacts", NULL, 0, 0},
    {METHOD_GET, "v1/deployments/artifacts/list", NULL, 0, 0},
    {METHOD_GET, "v1/deployments/deployments/releases", NULL, 0, 0},
    {METHOD_GET, "v1/deployments/deployments/releases/list", NULL, 0, 0},
    {METHOD_GET, "v1/deployments/deployments", NULL, 0, 0},
};
static const struct question reporting[] = {
    {METHOD_PUT, "v1/deployments/device/deployments/%p/status", "{\"status\":\"downloading\"}", 204, 404},
    {METHOD_PUT, "v1/deployments/device/deployments/%p/status", "{\"status\":\"failure\"}", 204, 404},
    {METHOD_PUT, "v1/deployments/device/deployments/%p/log", "{\"messages\":[{\"message\":\"x\"}]}", 204, 404},
};
/* clang-format on */

static void check(struct world *world, const char *base, const struct question *question,
                  const char *token, uint16_t status)
{
    char pattern[256], path[256], body[256];

    (void)snprintf(pattern, sizeof pattern, "%s%s", base, question->path);
    fill(world, pattern, path, sizeof path);
    fill(world, question->body ? question->body : "", body, sizeof body);
    (void)ask(world, (struct asking){question->method, path, token, body, NULL, NULL});
    if (world->status != status)
        fail_msg("%s: %u, not %u: %s", path, world->status, status, world->body);
}

static void test_tenants_are_nothing_to_each_other(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < COUNT_OF(listing); i++) {
        check(world, MANAGEMENT, &listing[i], world->other.person, 200);
        assert_string_equal(world->body, "[]");
        check(world, MANAGEMENT, &listing[i], world->own.person, 200);
        assert_non_null(strstr(world->body, "release-2"));
    }
    for (size_t i = 0; i < COUNT_OF(reporting); i++) {
        check(world, API, &reporting[i], world->other.session, reporting[i].other);
        check(world, API, &reporting[i], world->own.session, reporting[i].own);
    }
    for (size_t i = 0; i < COUNT_OF(managing); i++) {
        check(world, MANAGEMENT, &managing[i], world->other.person, managing[i].other);
        check(world, MANAGEMENT, &managing[i], world->own.person, managing[i].own);
    }
}

/* Each sees its own device under the same identity, and a name of one says nothing to the other. */
static void test_devices_of_a_tenant(void **state)
{
    struct world *world = *state;
    char device[MENDER_UUID_SIZE];

    mender_uuid(MENDER_OF_DEVICE, (uint64_t)world->own.device, device);
    for (unsigned i = 0; i < 2; i++) {
        const char *person = i == 0 ? world->own.person : world->other.person;

        assert_int_equal(ask(world, (struct asking){METHOD_GET, MANAGEMENT "v2/devauth/devices",
                                                    person, NULL, NULL, NULL}),
                         200);
        assert_int_equal(strstr(world->body, device) != NULL, i == 0);
        assert_int_equal(
            ask(world, (struct asking){METHOD_GET, MANAGEMENT "v2/devauth/devices/count", person,
                                       NULL, NULL, NULL}),
            200);
        assert_string_equal(world->body, i == 0 ? "{\"count\":3}" : "{\"count\":1}");
        assert_int_equal(
            ask(world, (struct asking){METHOD_POST, MANAGEMENT "v2/inventory/filters/search",
                                       person, "{\"filters\":[]}", NULL, NULL}),
            200);
        assert_int_equal(strstr(world->body, device) != NULL, i == 0);
    }
}

/* ---- Sessions and links ---- */

static void test_only_our_own_sessions(void **state)
{
    struct world *world = *state;
    const struct app *app = &world->stage.app;
    struct utc now = world->stage.now;
    struct mender_session session;
    char text[MENDER_TOKEN_SIZE];

    assert_int_equal(mender_session_read(app, span_of(world->own.session), now, &session), ERR_OK);
    assert_int_equal(session.device, world->own.device);
    assert_int_equal(session.credential, world->own.credential);
    assert_string_equal(session.tenant, "default");
    for (size_t i = 0; world->own.session[i] != '\0'; i++) {
        memcpy(text, world->own.session, sizeof text);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        /* The last digit has bits that belong to no byte. */
        if (world->own.session[i + 1] != '\0')
            assert_int_equal(mender_session_read(app, span_of(text), now, &session), ERR_UNTRUSTED);
        assert_int_equal(mender_session_read(app,
                                             (struct span){(const uint8_t *)world->own.session, i},
                                             now, &session),
                         ERR_UNTRUSTED);
    }
    now.ms += MENDER_TOKEN_MS + 60000;
    assert_int_equal(mender_session_read(app, span_of(world->own.session), now, &session),
                     ERR_UNTRUSTED);
}

static void test_links(void **state)
{
    struct world *world = *state;
    const struct app *app = &world->stage.app;
    struct utc now = world->stage.now;
    struct mender_link link = {.tenant = "default",
                               .credential = 7,
                               .deployment = 42,
                               .file = "a b.mender",
                               .expires = mender_link_expires(now)};
    struct mender_link read;
    char text[MENDER_LINK_SIZE], spoiled[MENDER_LINK_SIZE];
    size_t query;

    assert_true(link.expires.ms - now.ms >= MENDER_LINK_MS);
    assert_true(link.expires.ms - now.ms <= MENDER_LINK_MS + MENDER_LINK_STEP);
    assert_int_equal(mender_link_make(app, &link, text), ERR_OK);
    query = (size_t)(strchr(text, '?') - text);
    for (size_t i = 0; text[i] != '\0'; i++) {
        memcpy(spoiled, text, sizeof spoiled);
        spoiled[i] = spoiled[i] == '1' ? '2' : '1';
        if (i == query)
            continue; /* it is in neither part */
        assert_int_equal(mender_link_read(app, (struct span){(const uint8_t *)spoiled, query},
                                          span_of(spoiled + query + 1), now, &read),
                         ERR_UNTRUSTED);
    }
    assert_int_equal(mender_link_read(app, (struct span){(const uint8_t *)text, query},
                                      span_of(text + query + 1), now, &read),
                     ERR_OK);
    assert_int_equal(read.credential, 7);
    assert_int_equal(read.deployment, 42);
    assert_string_equal(read.file, "a b.mender");
    assert_int_equal(mender_link_read(app, (struct span){(const uint8_t *)text, query},
                                      span_of(text + query + 1), link.expires, &read),
                     ERR_UNTRUSTED);
}

/* A token of one tenant with the name of another is no token. */
static void test_a_session_keeps_to_its_tenant(void **state)
{
    struct world *world = *state;
    struct mender_session session = {.device = world->own.device,
                                     .credential = world->own.credential,
                                     .tenant = "other",
                                     .issued = world->stage.now};
    char token[MENDER_TOKEN_SIZE];

    session.expires.ms = session.issued.ms + MENDER_TOKEN_MS;
    assert_int_equal(mender_session_make(&world->stage.app, &session, token), ERR_OK);
    session.credential = 1000; /* of nobody */
    assert_int_equal(
        ask(world, (struct asking){METHOD_POST, API "v2/deployments/device/deployments/next", token,
                                   NEXT, NULL, NULL}),
        world->own.credential == world->other.credential ? 204 : 401);
    assert_int_equal(mender_session_make(&world->stage.app, &session, token), ERR_OK);
    assert_int_equal(
        ask(world, (struct asking){METHOD_POST, API "v2/deployments/device/deployments/next", token,
                                   NEXT, NULL, NULL}),
        401);
    assert_string_equal(world->body, ""); /* or clients in C++ stop for good */
}

/* ---- Paces ---- */

static void test_a_session_is_paced(void **state)
{
    struct world *world = *state;
    unsigned passed = 0;

    for (unsigned i = 0; i < 2 * SESSION_BURST; i++) {
        world->stage.now.ms -= 1000; /* all at one moment */
        passed +=
            ask(world, (struct asking){METHOD_POST, API "v2/deployments/device/deployments/next",
                                       world->other.session, NEXT, NULL, NULL}) == 204;
    }
    assert_int_equal(world->status, 429);
    assert_in_range(passed, SESSION_BURST - 1, SESSION_BURST + 1);
}

static void test_paces(void **state)
{
    struct pace *pace = pace_open(2, 1000);
    struct utc now = {1000000};

    (void)state;
    assert_true(pace_take(pace, 7, now) && pace_take(pace, 7, now));
    assert_false(pace_take(pace, 7, now));
    assert_true(pace_take(pace, 8, now));
    now.ms += 1000;
    assert_true(pace_take(pace, 7, now));
    assert_false(pace_take(pace, 7, now));
    assert_true(pace_moved(pace, 7, "192.0.2.1"));
    assert_false(pace_moved(pace, 7, "192.0.2.1"));
    assert_true(pace_moved(pace, 7, "192.0.2.2"));
    pace_close(pace);
}

static void test_versions_of_names(void **state)
{
    static const struct {
        const char *name, *version;
    } names[] = {
        {"release-2", "release-2"}, {"1.0+a~b", "1.0+a~b"}, {"a b", "a-b-"}, {"/x", "-x-"}};
    char out[VERSION_SIZE_MAX + 1], longer[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        mender_version(names[i].name, out);
        assert_int_equal(strncmp(out, names[i].version, strlen(names[i].version)), 0);
    }
    memset(longer, 'n', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    mender_version(longer, out);
    assert_int_equal(strlen(out), VERSION_SIZE_MAX);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_tenants_are_nothing_to_each_other),
        IN_WORLD(test_devices_of_a_tenant),
        IN_WORLD(test_only_our_own_sessions),
        IN_WORLD(test_links),
        IN_WORLD(test_a_session_keeps_to_its_tenant),
        IN_WORLD(test_a_session_is_paced),
        cmocka_unit_test(test_paces),
        cmocka_unit_test(test_versions_of_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
