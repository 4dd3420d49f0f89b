#include "app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "app/foreign.h"
#include "app/judge.h"
#include "app/mender.h"
#include "app/pace.h"
#include "app/publish.h"
#include "app/survey.h"
#include "base/check.h"
#include "os/say.h"
#include "store/account.h"
#include "store/audit_log.h"

CHECK_STATIC(SURVEYS_MAX == COUNT_OF(((struct app *)0)->surveys));

/* ---- opening ---- */

static enum err read_dirty(struct app *app)
{
    for (size_t i = 0; i < app->dirty_count; i++)
        TRY(deeds_read_device(app, &app->dirty[i]));
    return ERR_OK;
}

static enum err load_page(struct app *app, int64_t tenant, struct device_facts *page,
                          int64_t *after, uint32_t *count)
{
    TRY(store_device_page(app->db, tenant, *after, DEVICE_PAGE_MAX, page, count));
    for (uint32_t i = 0; i < *count; i++) {
        *after = page[i].row.id;
        app_touch(app, tenant, *after);
    }
    TRY(read_dirty(app));
    app_settled(app, true);
    return ERR_OK;
}

static enum err load_tenant(struct app *app, int64_t tenant, struct device_facts *page)
{
    uint32_t count = DEVICE_PAGE_MAX;
    int64_t after = 0;

    while (count == DEVICE_PAGE_MAX)
        TRY(load_page(app, tenant, page, &after, &count));
    return ERR_OK;
}

static enum err load_presence(struct app *app, struct why *why)
{
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    enum err err = app_find_tenants(app);

    CHECK(page);
    for (size_t i = 0; i < app->tenants_count && err == ERR_OK; i++)
        err = load_tenant(app, app->tenants[i].id, page);
    free(page);
    return app_db_failed(app, err, why);
}

enum err app_open(struct app *app, const struct app_config *config, struct why *why)
{
    enum err err;

    *app = (struct app){.config = *config,
                        .db = config->db,
                        .prng = prng_seeded(config->seed),
                        .strangers = bucket_full(20, 10000),
                        .known = bucket_full(200, 1000),
                        .proofs = pace_open(MENDER_PROOFS_BURST, MENDER_PROOFS_EVERY_MS),
                        .asked = pace_open(SESSION_BURST, SESSION_EVERY_MS)};
    if (app->config.poll_interval_s == 0)
        app->config.poll_interval_s = POLL_INTERVAL_DEFAULT_S;
    if (app->config.history_ms == 0)
        app->config.history_ms = HISTORY_DEFAULT_MS;
    err = load_presence(app, why);
    if (err != ERR_OK) {
        app_close(app);
        return err;
    }
    app_settled(app, true);
    return ERR_OK;
}

void app_close(struct app *app)
{
    if (!app)
        return;
    free(app->dirty);
    app_forget_tenants(app);
    survey_forget_all(app);
    foreign_hashing_forget(app);
    judges_close(app);
    pace_close(app->proofs);
    pace_close(app->asked);
    app->proofs = app->asked = NULL;
    app->dirty = NULL;
    app->dirty_count = app->dirty_room = 0;
}

/* ---- the transaction ---- */

enum err app_db_failed(struct app *app, enum err err, struct why *why)
{
    if (err == ERR_STORAGE || err == ERR_CORRUPT || err == ERR_AGAIN)
        return say(why, err, NULL, "the database failed: %s", db_sentence(app->db));
    return err;
}

enum err app_begin(struct app *app, struct why *why)
{
    CHECK(app->dirty_count == 0);
    app->dirty_mark = 0;
    app->refusals_new = app->refusals_mark = (struct app_refusals){0};
    judges_mark(app);
    app->refusal.set = false;
    app->walk_left = SURVEY_SLICE;
    app->unfinished = app->more = false;
    return app_db_failed(app, db_begin(app->db), why);
}

/* Everything that can fail is done before the commit: what is durable will also be shown. */
enum err app_commit(struct app *app, struct why *why)
{
    TRY(app_db_failed(app, read_dirty(app), why));
    return app_db_failed(app, db_commit(app->db), why);
}

void app_rollback(struct app *app)
{
    db_rollback(app->db);
}

enum err app_savepoint(struct app *app)
{
    app->dirty_mark = app->dirty_count;
    app->refusals_mark = app->refusals_new;
    judges_mark(app);
    app->unfinished = false;
    return db_savepoint(app->db);
}

bool app_wants_another_turn(struct app *app)
{
    if (!app->unfinished)
        return false;
    app->unfinished = false;
    app->refusal.set = false;
    return true;
}

bool app_has_more(const struct app *app)
{
    return app->more;
}

enum err app_release(struct app *app)
{
    app->refusal.set = false; /* whatever was refused on the way, the story went well */
    return db_release(app->db);
}

enum err app_undo(struct app *app)
{
    app->dirty_count = app->dirty_mark;
    app->refusals_new = app->refusals_mark;
    judges_undo(app);
    return db_undo(app->db);
}

static void show_shelves(struct app *app)
{
    for (size_t i = 0; i < app->tenants_count; i++) {
        struct app_tenant *tenant = &app->tenants[i];

        if (tenant->shelf_stale)
            tenant->shelf_stale = publish_shelf(app, tenant->id) != ERR_OK;
    }
}

void app_count_refusal(struct app *app, enum refusal refusal)
{
    CHECK(refusal < REFUSAL_COUNT);
    app->refusals_new.count[refusal]++;
}

static void count_refusals(struct app *app)
{
    for (enum refusal i = 0; i < REFUSAL_COUNT; i++)
        app->refusals.count[i] += app->refusals_new.count[i];
    app->refusals_new = (struct app_refusals){0};
}

/* What was read of policies may have been written by the batch that is lost. */
static void doubt_policies(struct app *app)
{
    for (size_t i = 0; i < app->tenants_count; i++)
        app->tenants[i].policy_stale = true;
}

void app_settled(struct app *app, bool committed)
{
    if (!committed)
        doubt_policies(app);
    judges_settle(app, committed);
    if (committed) {
        count_refusals(app);
        for (size_t i = 0; i < app->dirty_count; i++)
            deeds_show_device(app, &app->dirty[i]);
        show_shelves(app);
    }
    app->dirty_count = app->dirty_mark = 0;
}

/* ---- deeds ---- */

void app_touch(struct app *app, int64_t tenant, int64_t device)
{
    struct app_dirty *last = app->dirty_count > 0 ? &app->dirty[app->dirty_count - 1] : NULL;

    if (last && last->tenant == tenant && last->device == device &&
        app->dirty_count > app->dirty_mark)
        return;
    if (app->dirty_count == app->dirty_room) {
        size_t room = app->dirty_room > 0 ? 2 * app->dirty_room : 256;
        struct app_dirty *more = realloc(app->dirty, room * sizeof *more);

        CHECK(more);
        app->dirty = more;
        app->dirty_room = room;
    }
    app->dirty[app->dirty_count++] = (struct app_dirty){.tenant = tenant, .device = device};
}

/* Entries are cut rather than refused: an audit that fails would undo the deed. */
static struct span cut(const char *text, size_t size_max)
{
    struct span span = span_of(text);

    if (span.size > size_max)
        span.size = size_max;
    return span;
}

static void print_entry(const struct deed *deed, const char *tenant, uint64_t seq, struct utc now,
                        struct buf *out)
{
    const struct audit_entry entry = {
        .seq = seq,
        .at = now,
        .tenant = span_of(tenant),
        .actor = cut(deed->actor, ACTOR_SIZE_MAX),
        .action = span_of(deed->action),
        .object = cut(deed->object, ACTOR_SIZE_MAX),
        .refused = deed->refused,
        .detail = cut(deed->detail, AUDIT_TEXT_MAX),
    };

    audit_entry_print(&entry, out);
}

enum err app_audit(struct app *app, struct utc now, const struct deed *deed)
{
    char tenant[NAME_SIZE_MAX + 1], room[AUDIT_ENTRY_MAX + 1];
    struct buf line = buf_over(room, AUDIT_ENTRY_MAX);
    struct audit_head head;
    struct audit_row row;

    TRY(store_tenant_name(app->db, deed->tenant, tenant));
    TRY(store_audit_head(app->db, deed->tenant, &head));
    print_entry(deed, tenant, head.seq + 1, now, &line);
    CHECK(!line.overflow);
    row.seq = head.seq + 1;
    row.line = buf_written(&line);
    audit_chain(head.hash, row.line, row.hash);
    TRY(store_audit_append(app->db, deed->tenant, &row));
    room[line.size] = '\0';
    app_publish(app, deed->tenant, TOPIC_AUDIT, "entry", room);
    return ERR_OK;
}

static void copy(char *to, size_t to_size, const char *text)
{
    bool whole = span_to_text(cut(text, to_size - 1), to, to_size);

    CHECK(whole);
}

enum err app_refuse(struct app *app, struct utc now, const struct deed *deed, enum err err,
                    const struct why *why)
{
    struct app_refusal *refusal = &app->refusal;
    bool silent = why == NULL || why->text[0] == '\0';

    CHECK(err != ERR_OK);
    if (refusal->set)
        return err;
    refusal->set = true;
    refusal->stranger = deed->stranger;
    refusal->tenant = deed->tenant;
    refusal->at = now;
    copy(refusal->actor, sizeof refusal->actor, deed->actor);
    copy(refusal->action, sizeof refusal->action, deed->action);
    copy(refusal->object, sizeof refusal->object, deed->object);
    copy(refusal->detail, sizeof refusal->detail, silent ? err_text(err) : why->text);
    return err;
}

/* The sentence, cut if it must be, and how many were not recorded before it. */
static void tell_refusal(const char *sentence, uint64_t held, char *to, size_t size)
{
    char more[48] = "";

    if (held > 0)
        CHECK(snprintf(more, sizeof more, "; %llu more went unrecorded", (unsigned long long)held) >
              0);
    CHECK(snprintf(to, size, "%.*s%s", (int)(size - sizeof more), sentence, more) >= 0);
}

enum err app_refused(struct app *app)
{
    const struct app_refusal *refusal = &app->refusal;
    struct bucket *bucket = refusal->stranger ? &app->strangers : &app->known;
    char detail[AUDIT_TEXT_MAX];
    const struct deed deed = {.tenant = refusal->tenant,
                              .actor = refusal->actor,
                              .action = refusal->action,
                              .object = refusal->object,
                              .detail = detail,
                              .refused = true};

    if (!refusal->set)
        return ERR_OK;
    app->refusal.set = false;
    if (!bucket_take(bucket, refusal->at))
        return ERR_OK;
    tell_refusal(refusal->detail, bucket_told(bucket), detail, sizeof detail);
    return app_audit(app, refusal->at, &deed);
}

#define SCAN_REST_PER_MS 20 /* devices; a walk takes 5 us for each, the rest ten times that */

bool app_may_scan(const struct app *app, struct utc now)
{
    return now.ms >= app->scan_due.ms;
}

void app_scanned(struct app *app, const struct rollout_row *row, struct utc now)
{
    app->scan_due.ms = now.ms + (int64_t)(app->walked / SCAN_REST_PER_MS);
    app->scanned = (struct rollout_key){.tenant = row->tenant, .id = row->id};
}

void app_publish(struct app *app, int64_t tenant, const char *topic, const char *event,
                 const char *json)
{
    char name[NAME_SIZE_MAX + 1];

    if (!app->config.publish.publish || store_tenant_name(app->db, tenant, name) != ERR_OK)
        return;
    app->config.publish.publish(app->config.publish.self, name, topic, event, span_of(json));
}

enum err app_seen(struct app *app, const char *tenant, const char *device, struct utc at)
{
    int64_t id;
    enum err err = store_tenant_find(app->db, span_of(tenant), &id);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    return store_device_seen(app->db, id, span_of(device), at);
}
