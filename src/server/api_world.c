#include "server/api_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/check.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "store/audit_log.h"
#include "store/blobs.h"
#include "store/db_sqlite.h"
#include "store/device.h"
#include "store/migrate.h"

#define START_MS       INT64_C(1795000000000) /* in 2026 */
#define PAGE_SIZE_MAX  (512u * 1024u)         /* bytes; a page is bounded */
#define PAGES_SIZE_MAX (64u << 20)            /* bytes of all */

/* ---- Furnishing ---- */

static void add_device(struct world *world, uint32_t number)
{
    struct attribute attributes[] = {{"hw", "a"}, {"product", "pump"}, {"site", "oslo"}};
    struct device_row row = {
        .tenant = 1, .status = DEVICE_ACTIVE, .created = world->now, .status_since = world->now};

    (void)snprintf(row.name, sizeof row.name, "pump-%02u", number);
    row.key_sha256[0] = (uint8_t)number;
    assert_int_equal(store_device_add(world->db, &row), ERR_OK);
    row.last_seen = world->now;
    row.running_known = true;
    row.running[0] = 7;
    memcpy(row.version, "1.0.3", 6);
    assert_int_equal(store_device_save_state(world->db, &row), ERR_OK);
    if (number > 20)
        memcpy(attributes[0].value, "b", 2);
    if (number % 2 == 0)
        memcpy(attributes[2].value, "rome", 5);
    assert_int_equal(store_attributes_set(world->db, 1, row.id, attributes, COUNT_OF(attributes)),
                     ERR_OK);
}

static void add_release(struct world *world, const char *version)
{
    struct release_row row = {.tenant = 1,
                              .length = 4,
                              .plain_length = 4,
                              .chunk_size = 65536,
                              .security_version = 1,
                              .listing = 1,
                              .created = world->now};

    memcpy(row.product, "pump", 5);
    memcpy(row.hardware, "a", 2);
    (void)snprintf(row.version, sizeof row.version, "%s", version);
    (void)snprintf(row.target, sizeof row.target, "pump/%s/image.bin", version);
    assert_int_equal(blobs_put(world->blobs, version, strlen(version), row.sha256, NULL), ERR_OK);
    memcpy(row.plain_sha256, row.sha256, DIGEST_SIZE);
    hex_print((struct span){row.sha256, DIGEST_SIZE}, world->blob);
    assert_int_equal(store_release_add(world->db, &row), ERR_OK);
}

static void add_tokens(struct world *world)
{
    for (enum role role = 0; role < ROLE_COUNT; role++) {
        struct token_order order = {
            .tenant = 1, .actor = "server", .name = role_name(role), .role = role};
        struct token_row row;

        assert_int_equal(
            account_token_create(&world->app, &order, world->now, &row, world->secrets[role], NULL),
            ERR_OK);
    }
}

static void furnish(struct world *world)
{
    assert_int_equal(app_begin(&world->app, NULL), ERR_OK);
    assert_int_equal(app_savepoint(&world->app), ERR_OK);
    for (uint32_t i = 1; i <= WORLD_DEVICES; i++)
        add_device(world, i);
    add_release(world, "1.0.3");
    add_release(world, "1.1.0");
    add_tokens(world);
    assert_int_equal(app_release(&world->app), ERR_OK);
    assert_int_equal(app_commit(&world->app, NULL), ERR_OK);
    app_settled(&world->app, true);
}

struct world *world_open(void)
{
    struct world *world = calloc(1, sizeof *world);
    struct app_config config = {.poll_interval_s = 60, .seed = 1};
    struct api_config api = {.confirm_above = 20};
    char path[96];

    assert_non_null(world);
    (void)snprintf(world->dir, sizeof world->dir, "/tmp/slipway-api-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    world->now.ms = START_MS;
    (void)snprintf(path, sizeof path, "%s/db", world->dir);
    assert_int_equal(db_sqlite_open(path, &world->db, NULL), ERR_OK);
    assert_int_equal(migrate(world->db, world->now, NULL), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/blobs", world->dir);
    assert_int_equal(blobs_dir_open(path, 0, &world->blobs, NULL), ERR_OK);
    assert_int_equal(key_generate(KEY_ED25519, &world->snapshot_key, NULL), ERR_OK);
    assert_int_equal(key_generate(KEY_ED25519, &world->timestamp_key, NULL), ERR_OK);
    assert_int_equal(key_generate(KEY_ED25519, &world->audit_key, NULL), ERR_OK);
    config.db = world->db;
    config.blobs = world->blobs;
    config.snapshot_key = world->snapshot_key;
    config.timestamp_key = world->timestamp_key;
    assert_int_equal(app_open(&world->app, &config, NULL), ERR_OK);
    api.app = &world->app;
    api.audit_key = world->audit_key;
    api.data_dir = world->dir;
    world->api = api_open(&api);
    furnish(world);
    return world;
}

void world_close(struct world *world)
{
    char command[96];

    api_close(world->api);
    app_close(&world->app);
    blobs_close(world->blobs);
    db_close(world->db);
    key_close(world->snapshot_key);
    key_close(world->timestamp_key);
    key_close(world->audit_key);
    free(world->body);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", world->dir);
    assert_int_equal(system(command), 0);
    free(world);
}

/* ---- Asking ---- */

static struct exchange *exchange_of(struct world *world, const struct question *question)
{
    struct exchange_parts parts = {.kind = question->kind, .now = world->now};
    const char *mark = strchr(question->path, '?');
    char authorization[SECRET_SIZE + 16] = "";
    struct exchange *exchange;

    parts.request.method = question->method;
    parts.request.path = span_of(question->path);
    if (mark) {
        parts.request.path.size = (size_t)(mark - question->path);
        parts.request.query = span_of(mark + 1);
    }
    if (question->secret)
        (void)snprintf(authorization, sizeof authorization, "Bearer %s", question->secret);
    parts.request.authorization = span_of(authorization);
    parts.request.body = question->body;
    parts.request.idempotency_key = span_of(question->idempotency_key);
    parts.request.if_match = span_of(question->if_match);
    if (question->content_type)
        parts.request.content_type = span_of(question->content_type);
    else if (question->body.size > 0)
        parts.request.content_type = span_of("application/json");
    (void)snprintf(parts.peer.address, sizeof parts.peer.address, "192.0.2.7");
    exchange = exchange_open(&parts);
    assert_non_null(exchange);
    exchange->upload = question->upload;
    exchange->stats = &world->stats;
    return exchange;
}

static void take_reply(struct world *world, const struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;

    world->status = reply->status;
    (void)snprintf(world->content_type, sizeof world->content_type, "%s",
                   reply->content_type ? reply->content_type : "");
    free(world->body);
    world->body = calloc(1, reply->body_size + 1);
    assert_non_null(world->body);
    if (reply->body_size > 0)
        memcpy(world->body, reply->body, reply->body_size);
    world->body_size = reply->body_size;
    world->etag[0] = world->topic[0] = '\0';
    world->replayed = false;
    world->has_blob = reply->has_blob;
    if (reply->has_stream) {
        memcpy(world->topic, reply->topic, sizeof world->topic);
        memcpy(world->topic_tenant, reply->tenant, sizeof world->topic_tenant);
    }
    for (size_t i = 0; i < reply->headers_count; i++) {
        if (strcmp(reply->headers[i].name, "ETag") == 0)
            (void)snprintf(world->etag, sizeof world->etag, "%.60s", reply->headers[i].value);
        if (strcmp(reply->headers[i].name, "Idempotency-Replayed") == 0)
            world->replayed = true;
    }
}

/* The steps of server/engine.c for a batch of one. */
static void run_once(struct world *world, struct exchange *exchange)
{
    struct app *app = &world->app;

    assert_int_equal(app_begin(app, NULL), ERR_OK);
    assert_int_equal(app_savepoint(app), ERR_OK);
    if (api_handle(world->api, exchange) == ERR_OK) {
        assert_int_equal(app_release(app), ERR_OK);
    } else {
        assert_int_equal(app_undo(app), ERR_OK);
        assert_int_equal(app_refused(app), ERR_OK);
    }
    assert_int_equal(app_commit(app, NULL), ERR_OK);
    app_settled(app, true);
}

/* The page that was written, behind those before it. */
static void turn_page(struct world *world, struct exchange *exchange, struct buf *pages)
{
    CHECK(exchange->reply.body_size <= PAGE_SIZE_MAX);
    buf_put(pages, exchange->reply.body, exchange->reply.body_size);
    CHECK(!pages->overflow);
    world->pages++;
    exchange_turn_page(exchange);
    if (world->between_pages)
        world->between_pages(world);
}

unsigned world_ask(struct world *world, const struct question *question)
{
    struct exchange *exchange = exchange_of(world, question);
    uint8_t *room = NULL;
    struct buf pages = {0};

    world->pages = 0;
    run_once(world, exchange);
    if (exchange->pages.more) {
        room = malloc(PAGES_SIZE_MAX);
        CHECK(room);
        pages = buf_over(room, PAGES_SIZE_MAX);
    }
    while (exchange->pages.more) {
        turn_page(world, exchange, &pages);
        run_once(world, exchange);
    }
    if (room && exchange->reply.status == 200) {
        buf_put(&pages, exchange->reply.body, exchange->reply.body_size);
        reply_bytes(exchange, 200, exchange->reply.content_type, buf_written(&pages));
    }
    free(room);
    take_reply(world, exchange);
    exchange->upload.present = false; /* the test's file */
    exchange_close(exchange);
    return world->status;
}

unsigned ask_as(struct world *world, enum role role, enum exchange_method method, const char *path,
                const char *body)
{
    struct question question = {
        .method = method, .path = path, .secret = world->secrets[role], .body = span_of(body)};

    return world_ask(world, &question);
}

unsigned ask(struct world *world, enum exchange_method method, const char *path, const char *body)
{
    return ask_as(world, ROLE_ADMIN, method, path, body);
}

json_t *world_json(const struct world *world)
{
    json_error_t error;
    json_t *json = json_loadb(world->body, world->body_size, JSON_REJECT_DUPLICATES, &error);

    if (!json)
        fail_msg("not JSON: %s: %s", error.text, world->body);
    return json;
}

/* ---- Looking behind ---- */

typedef void row_visit(void *self, const void *bytes, size_t size);

/* Every column of every row, through a connection of its own. */
static void each_value(struct world *world, bool with_audit, row_visit *visit, void *self)
{
    sqlite3_stmt *tables, *rows;
    char path[96], sql[160];
    sqlite3 *db;

    (void)snprintf(path, sizeof path, "%s/db", world->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT name FROM sqlite_master WHERE type = 'table' AND "
                                        "name <> 'token_use' ORDER BY name",
                                        -1, &tables, NULL),
                     SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        if (!with_audit && strncmp((const char *)sqlite3_column_text(tables, 0), "audit", 5) == 0)
            continue;
        (void)snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"",
                       (const char *)sqlite3_column_text(tables, 0));
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW) {
            for (int i = 0; i < sqlite3_column_count(rows); i++)
                visit(self, sqlite3_column_blob(rows, i), (size_t)sqlite3_column_bytes(rows, i));
        }
        assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
    }
    assert_int_equal(sqlite3_finalize(tables), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void add_to_digest(void *self, const void *bytes, size_t size)
{
    uint8_t length = (uint8_t)size;

    digest_update(self, (struct span){&length, 1});
    digest_update(self, (struct span){bytes, size});
}

void world_fingerprint(struct world *world, bool with_audit, char out[DIGEST_HEX_SIZE])
{
    struct digest *digest = digest_open(DIGEST_SHA256);
    uint8_t sha256[DIGEST_SIZE];

    each_value(world, with_audit, add_to_digest, digest);
    digest_done(digest, sha256);
    digest_close(digest);
    hex_print((struct span){sha256, DIGEST_SIZE}, out);
}

struct looking {
    const char *text;
    bool found;
};

static void look_for(void *self, const void *bytes, size_t size)
{
    struct looking *looking = self;

    looking->found |= size > 0 && memmem(bytes, size, looking->text, strlen(looking->text));
}

bool world_holds(struct world *world, const char *text)
{
    struct looking looking = {.text = text};

    each_value(world, true, look_for, &looking);
    return looking.found;
}

json_t *world_last_audit(struct world *world)
{
    struct audit_row row;
    json_t *json;
    bool found;

    assert_int_equal(store_audit_previous(world->db, 1, INT64_MAX, &row, &found), ERR_OK);
    assert_true(found);
    json = json_loadb((const char *)row.line.at, row.line.size, 0, NULL);
    assert_non_null(json);
    return json;
}
