#include "app/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/check.h"
#include "crypto/key.h"
#include "crypto/sha256.h"
#include "store/account.h"
#include "store/audit_log.h"
#include "store/claim.h"
#include "store/db_sqlite.h"
#include "store/migrate.h"

/* ---- the world around ---- */

static enum err read_csr(void *self, struct span csr, uint8_t key_sha256[DIGEST_SIZE],
                         struct why *why)
{
    (void)self;
    if (csr.size == 0) {
        why_say(why, "csr", "not a signing request");
        return ERR_CORRUPT;
    }
    sha256_of(csr, key_sha256);
    return ERR_OK;
}

static enum err issue(void *self, struct span csr, const char *tenant, const char *device,
                      struct utc now, struct issued_certificate *out, struct why *why)
{
    struct stage *stage = self;
    int size;

    (void)csr, (void)tenant, (void)why;
    size = snprintf((char *)out->der, sizeof out->der, "certificate %llu of %s",
                    (unsigned long long)++stage->certificates, device);
    out->der_size = (size_t)size;
    sha256_of((struct span){out->der, out->der_size}, out->fingerprint);
    out->not_after.ms = now.ms + INT64_C(90) * 24 * 3600 * 1000;
    return ERR_OK;
}

static struct span ca(void *self)
{
    (void)self;
    return SPAN_LITERAL("the CA");
}

static struct stage_presence *presence_of(struct stage *stage, const char *tenant,
                                          const char *device)
{
    struct stage_presence *presence;

    for (uint32_t i = 0; i < stage->presence_count; i++) {
        presence = &stage->presence[i];
        if (strcmp(presence->name, device) == 0 && strcmp(presence->tenant, tenant) == 0)
            return presence;
    }
    if (stage->presence_count == STAGE_DEVICES_MAX) /* of a fleet nobody looks at each */
        return &stage->spare;
    presence = &stage->presence[stage->presence_count++];
    *presence = (struct stage_presence){0};
    (void)snprintf(presence->tenant, sizeof presence->tenant, "%s", tenant);
    (void)snprintf(presence->name, sizeof presence->name, "%s", device);
    return presence;
}

static void put(void *self, const char *tenant, const char *device,
                const struct device_presence *facts)
{
    struct stage_presence *presence = presence_of(self, tenant, device);

    presence->facts = *facts;
    presence->gone = false;
}

static void gone(void *self, const char *tenant, const char *device)
{
    presence_of(self, tenant, device)->gone = true;
}

static void publish(void *self, const char *tenant, const char *topic, const char *event,
                    struct span json)
{
    struct stage *stage = self;

    (void)tenant, (void)topic, (void)event;
    assert_true(json.size > 0 && json.at[0] == '{');
    stage->published++;
}

/* ---- opening ---- */

static void open_database(struct stage *stage, bool durable)
{
    char path[96] = ":memory:";
    struct db *inner;

    if (durable)
        (void)snprintf(path, sizeof path, "%s/test.db", stage->dir);
    assert_int_equal(db_sqlite_open(path, &inner, &stage->why), ERR_OK);
    assert_int_equal(migrate(inner, stage->now, &stage->why), ERR_OK);
    stage->db = db_failing_open(inner);
}

static void open_app(struct stage *stage)
{
    const struct app_config config = {
        .db = stage->db,
        .blobs = stage->blobs,
        .issuer = {.self = stage, .read = read_csr, .issue = issue, .ca = ca},
        .presence = {.self = stage, .put = put, .remove = gone},
        .publish = {.self = stage, .publish = publish},
        .assignment_key = stage->assignment_key,
        .poll_interval_s = 60,
        .poll_jitter_percent = 10,
        .seed = 1,
    };

    stage->presence_count = 0;
    assert_int_equal(app_open(&stage->app, &config, &stage->why), ERR_OK);
}

void stage_open(struct stage *stage, bool durable)
{
    char blobs[96];

    *stage = (struct stage){.dir = "/tmp/slipway-stage-XXXXXX",
                            .tenant = 1,
                            .tenant_name = "default",
                            .now = {1795600954000}};
    assert_int_equal(key_generate(KEY_ED25519, &stage->assignment_key, NULL), ERR_OK);
    assert_non_null(mkdtemp(stage->dir));
    (void)snprintf(blobs, sizeof blobs, "%s/blobs", stage->dir);
    assert_int_equal(blobs_dir_open(blobs, 0, &stage->blobs, &stage->why), ERR_OK);
    open_database(stage, durable);
    open_app(stage);
}

void stage_restart(struct stage *stage)
{
    app_close(&stage->app);
    db_close(stage->db);
    open_database(stage, true);
    open_app(stage);
}

void stage_close(struct stage *stage)
{
    char command[128];

    app_close(&stage->app);
    db_close(stage->db);
    blobs_close(stage->blobs);
    key_close(stage->assignment_key);
    (void)snprintf(command, sizeof command, "rm -rf %s", stage->dir);
    assert_int_equal(system(command), 0);
}

void stage_tenant(struct stage *stage, const char *name)
{
    enum err err = store_tenant_find(stage->db, span_of(name), &stage->tenant);

    (void)snprintf(stage->tenant_name, sizeof stage->tenant_name, "%s", name);
    if (err == ERR_OK)
        return;
    assert_int_equal(db_begin(stage->db), ERR_OK);
    db_query(stage->db, "INSERT INTO tenant (id, name, created_ms)"
                        " SELECT max(id) + 1, $1, 1 FROM tenant RETURNING id");
    db_bind_text(stage->db, name);
    assert_int_equal(db_one(stage->db), ERR_OK);
    stage->tenant = db_column_int(stage->db, 0);
    db_query(stage->db, "INSERT INTO audit_head (tenant, seq, hash) VALUES ($1, 0, x'')");
    db_bind_int(stage->db, stage->tenant);
    assert_int_equal(db_run(stage->db), ERR_OK);
    assert_int_equal(db_commit(stage->db), ERR_OK);
}

void stage_image(const char *version, uint8_t out[DIGEST_SIZE])
{
    sha256_of(span_of(version), out);
}

/* ---- transactions ---- */

/* In a savepoint of its own, as the engine does. */
static enum err write_refusal(struct app *app)
{
    TRY(app_savepoint(app));
    TRY(app_refused(app));
    return app_release(app);
}

enum err stage_run(struct stage *stage, stage_story *story, void *self)
{
    struct app *app = &stage->app;
    enum err err, ended;

    if (app_begin(app, NULL) != ERR_OK)
        return ERR_STORAGE;
    ended = app_savepoint(app);
    if (ended == ERR_OK) {
        err = story(stage, self);
        if (err == ERR_OK)
            ended = app_release(app);
        else
            ended = app_undo(app);
        stage->turn_wanted = err != ERR_OK && app_wants_another_turn(app);
        if (ended == ERR_OK && err != ERR_OK)
            ended = write_refusal(app);
        if (ended == ERR_OK)
            ended = app_commit(app, NULL);
        if (ended == ERR_OK) {
            app_settled(app, true);
            return err;
        }
    }
    app_rollback(app);
    app_settled(app, false);
    return ERR_STORAGE;
}

struct claim_order {
    const char *token, *name;
    int64_t lifetime_ms;
};

static enum err add_claim(struct stage *stage, void *self)
{
    const struct claim_order *order = self;
    struct claim_row row = {.tenant = stage->tenant, .created = stage->now};

    sha256_of(span_of(order->token), row.token_sha256);
    row.expires.ms = stage->now.ms + order->lifetime_ms;
    (void)snprintf(row.device_name, sizeof row.device_name, "%s", order->name);
    return store_claim_add(stage->db, &row);
}

void stage_claim(struct stage *stage, const char *token, const char *name, int64_t lifetime_ms)
{
    struct claim_order order = {token, name, lifetime_ms};

    assert_int_equal(stage_run(stage, add_claim, &order), ERR_OK);
}

struct enroll_order {
    const char *name, *key, *claim, *hw;
    bool *pending;
    struct device_call call;
};

static enum err enroll(struct stage *stage, void *self)
{
    struct enroll_order *order = self;
    const struct device_credential credential = {.tenant = span_of(stage->tenant_name),
                                                 .address = "192.0.2.1"};
    struct native_enroll message = {
        .name = span_of(order->name), .claim = span_of(order->claim), .csr = span_of(order->key)};

    if (order->hw) {
        message.attributes.list[0] =
            (struct native_attribute){SPAN_LITERAL("hw"), span_of(order->hw)};
        message.attributes.list[1] =
            (struct native_attribute){SPAN_LITERAL("product"), SPAN_LITERAL("box")};
        message.attributes.count = 2;
    }
    return device_enroll(&stage->app, &credential, &message, stage->now, &order->call,
                         order->pending, &stage->why);
}

static enum err enroll_as(struct stage *stage, struct enroll_order *order, struct stage_device *out)
{
    enum err err = stage_run(stage, enroll, order);

    if (err == ERR_OK && !*order->pending && out) {
        *out = (struct stage_device){0};
        (void)snprintf(out->name, sizeof out->name, "%s", order->name);
        memcpy(out->fingerprint, order->call.certificate.fingerprint, DIGEST_SIZE);
    }
    return err;
}

enum err stage_enroll(struct stage *stage, const char *name, const char *key, const char *claim,
                      bool *pending, struct stage_device *out)
{
    struct enroll_order order = {.name = name, .key = key, .claim = claim, .pending = pending};

    return enroll_as(stage, &order, out);
}

void stage_device(struct stage *stage, const char *name, const char *hw, const char *version,
                  struct stage_device *out)
{
    bool pending;
    struct enroll_order order = {
        .name = name, .key = name, .claim = name, .hw = hw, .pending = &pending};
    struct native_answer answer;

    stage_claim(stage, name, "", 3600000);
    assert_int_equal(enroll_as(stage, &order, out), ERR_OK);
    assert_false(pending);
    (void)snprintf(out->hw, sizeof out->hw, "%s", hw);
    stage_boot(out, version);
    out->boot_count = 1;
    assert_int_equal(stage_poll(stage, out, &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_NOTHING);
}

static enum err add_release(struct stage *stage, void *self)
{
    struct release_row *row = self;

    return store_release_add(stage->db, row);
}

int64_t stage_release(struct stage *stage, const char *version)
{
    struct release_row row = {.tenant = stage->tenant,
                              .product = "box",
                              .hardware = "a b c",
                              .length = 1000,
                              .plain_length = 1000,
                              .chunk_size = 1024,
                              .listing = 1,
                              .security_version = 1,
                              .created = stage->now};

    (void)snprintf(row.version, sizeof row.version, "%s", version);
    (void)snprintf(row.target, sizeof row.target, "box/%s/image", version);
    stage_image(version, row.sha256);
    stage_image(version, row.plain_sha256);
    assert_int_equal(stage_run(stage, add_release, &row), ERR_OK);
    return row.id;
}

static enum err add_rollout(struct stage *stage, void *self)
{
    return store_rollout_add(stage->db, self);
}

int64_t stage_rollout(struct stage *stage, const char *name, int64_t release,
                      const uint16_t *permille)
{
    int64_t id = stage_draft(stage, name, release, permille);

    assert_int_equal(stage_steer(stage, id, ROLLOUT_EV_START), ERR_OK);
    return id;
}

int64_t stage_draft(struct stage *stage, const char *name, int64_t release,
                    const uint16_t *permille)
{
    struct rollout_row row = {.tenant = stage->tenant,
                              .release = release,
                              .selector = "all",
                              .seed = 7,
                              .created = stage->now};
    struct rollout_plan *plan = &row.rollout.plan;

    (void)snprintf(row.name, sizeof row.name, "%s", name);
    plan->deadline_s = 1000;
    plan->retry_limit = 1;
    for (; permille[plan->stage_count] != 0; plan->stage_count++)
        plan->stages[plan->stage_count] =
            (struct rollout_stage){.permille = permille[plan->stage_count],
                                   .gate = {.failures_permille = 200, .sample_min = 2}};
    assert_int_equal(stage_run(stage, add_rollout, &row), ERR_OK);
    return row.id;
}

int64_t stage_judged(struct stage *stage, const char *name, int64_t release,
                     const struct risk_plan *plan)
{
    struct rollout_row row = {.tenant = stage->tenant,
                              .release = release,
                              .selector = "all",
                              .seed = 7,
                              .created = stage->now,
                              .strategy = STRATEGY_RISK,
                              .risk = *plan};

    (void)snprintf(row.name, sizeof row.name, "%s", name);
    row.rollout.plan =
        (struct rollout_plan){.deadline_s = 1000,
                              .retry_limit = 1,
                              .stage_count = 1,
                              .stages = {{.permille = 1000, .gate = {.failures_permille = 1000}}}};
    assert_int_equal(stage_run(stage, add_rollout, &row), ERR_OK);
    assert_int_equal(stage_steer(stage, row.id, ROLLOUT_EV_START), ERR_OK);
    return row.id;
}

void stage_rollout_read(struct stage *stage, int64_t id, struct rollout_row *out)
{
    assert_int_equal(store_rollout_get(stage->db, stage->tenant, id, out), ERR_OK);
}

struct steer_order_ {
    int64_t id;
    enum rollout_event_kind kind;
};

static enum err steer(struct stage *stage, void *self)
{
    const struct course_order order = {.actor = "token:ada", .reason = "so", .now = stage->now};
    const struct steer_order_ *what = self;
    struct rollout_row row;

    TRY(store_rollout_get(stage->db, stage->tenant, what->id, &row));
    return course_event(&stage->app, &row, what->kind, &order, &stage->why);
}

enum err stage_steer(struct stage *stage, int64_t id, enum rollout_event_kind kind)
{
    struct steer_order_ order = {id, kind};

    return stage_run(stage, steer, &order);
}

static enum err tick(struct stage *stage, void *self)
{
    (void)self;
    return app_tick(&stage->app, stage->now);
}

enum err stage_tick(struct stage *stage)
{
    return stage_run(stage, tick, NULL);
}

/* ---- devices ---- */

struct device_order {
    struct stage_device *device;
    uint64_t id; /* of the report */
    struct native_answer *answer;
    enum native_phase phase;
    struct native_verdict *verdict;
};

static enum err enter(struct stage *stage, const struct stage_device *device,
                      struct device_call *call)
{
    const struct device_credential credential = {.tenant = span_of(stage->tenant_name),
                                                 .device = span_of(device->name),
                                                 .fingerprint = device->fingerprint};

    return device_enter(&stage->app, &credential, false, stage->now, call, &stage->why);
}

static struct native_digest digest_of_bank(const uint8_t bank[DIGEST_SIZE])
{
    static const uint8_t none[DIGEST_SIZE];
    struct native_digest digest = {.known = memcmp(bank, none, DIGEST_SIZE) != 0};

    memcpy(digest.at, bank, DIGEST_SIZE);
    return digest;
}

static enum err poll(struct stage *stage, void *self)
{
    struct device_order *order = self;
    struct native_poll message = {.running = digest_of_bank(order->device->running),
                                  .other = digest_of_bank(order->device->other),
                                  .version = span_of(order->device->version),
                                  .boot_count = order->device->boot_count,
                                  .assignment = order->device->assignment,
                                  .nonce_known = true};
    struct stage_device *device = order->device;
    struct device_call call;
    struct span mandate;

    memcpy(message.nonce, device->nonce, sizeof message.nonce);
    TRY(enter(stage, device, &call));
    TRY(device_poll(&stage->app, &call, &message, order->answer));
    mandate = order->answer->signed_assignment;
    if (mandate.size > 0)
        memcpy(device->mandate, mandate.at, mandate.size);
    device->mandate_size = mandate.size;
    return ERR_OK;
}

enum err stage_poll(struct stage *stage, struct stage_device *device, struct native_answer *out)
{
    struct device_order order = {.device = device, .answer = out};
    enum err err;

    for (size_t i = 0; ++device->nonce[i] == 0;) /* fresh: a number that grows */
        i++;
    err = stage_run(stage, poll, &order);
    out->target = out->signed_assignment = (struct span){0}; /* of the call, which is over */
    if (err == ERR_OK && out->kind == NATIVE_INSTALL)
        device->assignment = out->assignment;
    if (err == ERR_OK && out->kind == NATIVE_CANCEL && device->assignment == out->assignment)
        device->assignment = 0;
    return err;
}

static enum err report(struct stage *stage, void *self)
{
    struct device_order *order = self;
    const struct native_report message = {.id = order->id,
                                          .epoch = order->device->epoch,
                                          .err = span_of(order->device->err),
                                          .reason = span_of(order->device->reason),
                                          .detail = span_of(order->device->detail),
                                          .assignment = order->device->assignment,
                                          .phase = order->phase,
                                          .running = digest_of_bank(order->device->running),
                                          .boot_count = order->device->boot_count};
    struct device_call call;

    TRY(enter(stage, order->device, &call));
    return device_report(&stage->app, &call, &message, order->verdict, &stage->why);
}

enum err stage_repeat(struct stage *stage, struct stage_device *device, enum native_phase phase,
                      struct native_verdict *out)
{
    return stage_late(stage, device, device->report_id, phase, out);
}

enum err stage_late(struct stage *stage, struct stage_device *device, uint64_t id,
                    enum native_phase phase, struct native_verdict *out)
{
    struct device_order order = {.device = device, .id = id, .phase = phase, .verdict = out};

    return stage_run(stage, report, &order);
}

enum err stage_report(struct stage *stage, struct stage_device *device, enum native_phase phase,
                      struct native_verdict *out)
{
    device->report_id++;
    return stage_repeat(stage, device, phase, out);
}

struct floor_order {
    struct stage_device *device;
    char text[16];
};

static enum err say_floor(struct stage *stage, void *self)
{
    const struct floor_order *order = self;
    static const uint8_t digest[INVENTORY_DIGEST_SIZE] = {1};
    const struct native_inventory inventory = {
        .attributes = {.count = 3,
                       .list = {{SPAN_LITERAL("hw"), span_of(order->device->hw)},
                                {SPAN_LITERAL("product"), SPAN_LITERAL("box")},
                                {SPAN_LITERAL("security_floor"), span_of(order->text)}}}};
    struct device_call call;

    TRY(enter(stage, order->device, &call));
    return device_inventory(&stage->app, &call, &inventory, digest, &stage->why);
}

void stage_floor(struct stage *stage, struct stage_device *device, uint32_t floor)
{
    struct floor_order order = {.device = device};

    (void)snprintf(order.text, sizeof order.text, "%u", floor);
    assert_int_equal(stage_run(stage, say_floor, &order), ERR_OK);
}

void stage_boot(struct stage_device *device, const char *version)
{
    memcpy(device->other, device->running, DIGEST_SIZE);
    stage_image(version, device->running);
    (void)snprintf(device->version, sizeof device->version, "%s", version);
    device->boot_count++;
}

/* ---- looking ---- */

int64_t stage_number(struct stage *stage, const char *sql)
{
    db_query(stage->db, sql);
    assert_int_equal(db_one(stage->db), ERR_OK);
    return db_column_int(stage->db, 0);
}

static void digest_table(sqlite3 *handle, const char *table, struct sha256 *sha)
{
    sqlite3_stmt *rows;
    char sql[128];

    (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", table);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &rows, NULL), SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            const uint8_t *at = sqlite3_column_blob(rows, i);

            sha256_update(sha, (struct span){at, (size_t)sqlite3_column_bytes(rows, i)});
            sha256_update(sha, SPAN_LITERAL("|"));
        }
    }
    (void)sqlite3_finalize(rows);
}

void stage_digest(struct stage *stage, uint8_t out[DIGEST_SIZE])
{
    sqlite3_stmt *tables;
    struct sha256 sha;
    sqlite3 *handle;
    char path[96];

    sha256_init(&sha);
    (void)snprintf(path, sizeof path, "%s/test.db", stage->dir);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle,
                                        "SELECT name FROM sqlite_master WHERE type = 'table'"
                                        " AND name NOT LIKE 'sqlite_%' ORDER BY name",
                                        -1, &tables, NULL),
                     SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW)
        digest_table(handle, (const char *)sqlite3_column_text(tables, 0), &sha);
    (void)sqlite3_finalize(tables);
    (void)sqlite3_close(handle);
    sha256_done(&sha, out);
}

const struct device_presence *stage_seen(const struct stage *stage, const char *name)
{
    for (uint32_t i = 0; i < stage->presence_count; i++) {
        if (strcmp(stage->presence[i].name, name) == 0 &&
            strcmp(stage->presence[i].tenant, stage->tenant_name) == 0)
            return stage->presence[i].gone ? NULL : &stage->presence[i].facts;
    }
    return NULL;
}

/* Tallies can be recounted from the assignments, and the numbers that deleted devices left. */
static void check_tallies(struct stage *stage)
{
    static const char counted[] =
        "CREATE TEMP VIEW IF NOT EXISTS counted AS"
        " SELECT tenant, rollout, stage, standing, whereabouts, 1 AS devices FROM assignment"
        " UNION ALL SELECT tenant, rollout, stage, standing, whereabouts, devices FROM departed";

    assert_int_equal(db_script(stage->db, counted), ERR_OK);
    assert_int_equal(
        stage_number(
            stage, "SELECT count(*) FROM rollout_stage r WHERE"
                   " (r.waiting, r.exposed, r.good, r.failed, r.silent) <>"
                   " (SELECT total(a.devices) FILTER (WHERE a.standing = 1),"
                   "  total(a.devices) FILTER (WHERE a.standing = 2),"
                   "  total(a.devices) FILTER (WHERE a.standing = 3),"
                   "  total(a.devices) FILTER (WHERE a.standing = 4),"
                   "  total(a.devices) FILTER (WHERE a.standing = 5) FROM counted a"
                   "  WHERE a.tenant = r.tenant AND a.rollout = r.rollout AND a.stage = r.stage)"),
        0);
    assert_int_equal(
        stage_number(stage, "SELECT count(*) FROM rollout r WHERE"
                            " (r.away, r.on_the_way, r.back, r.stranded) <>"
                            " (SELECT total(a.devices) FILTER (WHERE a.whereabouts = 1),"
                            "  total(a.devices) FILTER (WHERE a.whereabouts = 2),"
                            "  total(a.devices) FILTER (WHERE a.whereabouts = 3),"
                            "  total(a.devices) FILTER (WHERE a.whereabouts = 4) FROM counted a"
                            "  WHERE a.tenant = r.tenant AND a.rollout = r.id)"),
        0);
}

/* Whatever waits in a rollout that was stopped could still flip. */
static void check_recalled(struct stage *stage)
{
    db_query(stage->db, "SELECT count(*) FROM assignment a JOIN rollout r ON r.tenant = a.tenant"
                        " AND r.id = a.rollout WHERE a.standing = $1 AND r.state IN ($2, $3)"
                        " AND a.moved_ms < r.state_ms");
    db_bind_int(stage->db, STANDING_WAITING);
    db_bind_int(stage->db, ROLLOUT_HALTED);
    db_bind_int(stage->db, ROLLOUT_ABORTED);
    assert_int_equal(db_one(stage->db), ERR_OK);
    assert_int_equal(db_column_int(stage->db, 0), 0);
}

static void check_audit(struct stage *stage)
{
    uint8_t hash[DIGEST_SIZE] = {0};
    struct audit_head head;
    struct audit_row row;
    uint64_t seq = 0;
    bool found = true;

    while (found) {
        assert_int_equal(store_audit_next(stage->db, stage->tenant, seq, &row, &found), ERR_OK);
        if (!found)
            break;
        assert_int_equal(row.seq, ++seq);
        audit_chain(hash, row.line, hash);
        assert_memory_equal(hash, row.hash, DIGEST_SIZE);
    }
    assert_int_equal(store_audit_head(stage->db, stage->tenant, &head), ERR_OK);
    assert_int_equal(head.seq, seq);
    assert_memory_equal(head.hash, hash, DIGEST_SIZE);
}

/* Active assignments are attached, and a device has at most one. */
static void check_attached(struct stage *stage)
{
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM assignment a JOIN device_state s ON"
                                         " s.tenant = a.tenant AND s.device = a.device"
                                         " WHERE a.standing IN (1, 2) AND s.assignment <> a.id"),
                     0);
}

/* A quiet answer is never wrong: whoever has something waiting is known to have. */
static void check_presence(struct stage *stage)
{
    for (uint32_t i = 0; i < stage->presence_count; i++) {
        const struct stage_presence *presence = &stage->presence[i];
        struct device_row row;

        if (presence->gone || strcmp(presence->tenant, stage->tenant_name) != 0)
            continue;
        assert_int_equal(store_device_find(stage->db, stage->tenant, span_of(presence->name), &row),
                         ERR_OK);
        assert_int_equal(row.status, presence->facts.status);
        if (row.assignment != 0 || row.wanted != 0)
            assert_true(presence->facts.has_work);
    }
}

void stage_check(struct stage *stage)
{
    check_tallies(stage);
    check_recalled(stage);
    check_audit(stage);
    check_attached(stage);
    check_presence(stage);
}
