#include "server/hawkbit_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "server/hawkbit_api.h"
#include "server/hawkbit_rest.h"

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
            assert_true((size_t)snprintf(world->etag, sizeof world->etag, "%s",
                                         reply->headers[i].value) < sizeof world->etag);
    }
}

unsigned ask(struct world *world, struct asking asking)
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

unsigned get(struct world *world, const char *path)
{
    return ask(world, (struct asking){.path = path, .token = TOKEN});
}

unsigned send_json(struct world *world, enum exchange_method method, const char *path,
                   const char *body)
{
    return ask(world, (struct asking){.method = method,
                                      .path = path,
                                      .token = TOKEN,
                                      .type = "application/json",
                                      .body = body});
}

unsigned rest(struct world *world, enum exchange_method method, const char *path, const char *body)
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

void make_tokens(struct world *world)
{
    assert_int_equal(stage_run(&world->stage, tokens_story, world), ERR_OK);
}

int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    static const char *const authorities[] = {AUTHORITY};

    CHECK(world);
    stage_open(&world->stage, false);
    world->host = (struct foreign_host){
        .app = &world->stage.app, .authorities = authorities, .authorities_count = 1};
    make_tokens(world);
    *state = world;
    return 0;
}

int close_world(void **state)
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

void register_device(struct world *world, const char *name)
{
    char body[256];

    (void)snprintf(body, sizeof body,
                   "[{\"controllerId\":\"%s\",\"product\":\"box\",\"hardware\":\"a\","
                   "\"securityToken\":\"" TOKEN "\"}]",
                   name);
    assert_int_equal(rest(world, METHOD_POST, "/rest/v1/targets", body), 201);
}

int64_t furnish(struct world *world)
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
