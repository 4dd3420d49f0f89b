#include "server/stories.h"

#include <stdlib.h>
#include <string.h>

#include "app/account.h"
#include "base/check.h"
#include "os/clock.h"
#include "server/device_api.h"
#include "server/foreign_api.h"
#include "store/account.h"

#define SEEN_MAX    4096u /* last-seen times written with one tick; the rest waits for the next */
#define PASSES_PAGE 100u  /* tokens read at once */

/* ---- The engine's operations ---- */

static enum err on_begin(void *self, struct why *why)
{
    return app_begin(((struct stories *)self)->app, why);
}

static enum err on_commit(void *self, struct why *why)
{
    return app_commit(((struct stories *)self)->app, why);
}

static void on_rollback(void *self)
{
    app_rollback(((struct stories *)self)->app);
}

static enum err on_savepoint(void *self)
{
    return app_savepoint(((struct stories *)self)->app);
}

static enum err on_release(void *self)
{
    return app_release(((struct stories *)self)->app);
}

static enum err on_undo(void *self)
{
    return app_undo(((struct stories *)self)->app);
}

static enum err on_refused(void *self, struct exchange *exchange)
{
    (void)exchange;
    return app_refused(((struct stories *)self)->app);
}

/* Metadata at the place where plain TUF tools look for it. Devices get it from the front; here
 * come people with tokens. */
static enum err send_metadata(struct stories *stories, struct exchange *exchange)
{
    struct span name = exchange->request.path;
    const struct shelf_file *file;
    char tenant[NAME_SIZE_MAX + 1];
    struct token_row token;
    struct why why = {0};

    if (exchange->request.method != METHOD_GET) {
        reply_problem(exchange, 405, ERR_INVALID, NULL, "metadata can only be read");
        return ERR_INVALID;
    }
    if (account_enter(stories->app, exchange->request.bearer, exchange->now, &token, &why) !=
            ERR_OK ||
        store_tenant_name(stories->app->db, token.tenant, tenant) != ERR_OK) {
        reply_header(exchange, "WWW-Authenticate", "Bearer");
        reply_problem(exchange, 401, ERR_UNTRUSTED, NULL,
                      "metadata is for devices and for holders of a token");
        return ERR_UNTRUSTED;
    }
    name.at += sizeof "/tuf/" - 1;
    name.size -= sizeof "/tuf/" - 1;
    file = shelf_get(stories->shelf, span_of(tenant), name);
    if (!file) {
        reply_problem(exchange, 404, ERR_NOT_FOUND, NULL, "there is no such metadata file");
        return ERR_NOT_FOUND;
    }
    reply_bytes(exchange, 200, "application/json", file->bytes);
    shelf_release(file);
    return ERR_OK;
}

/* What every device of the tenant may have, the fronts hand out by themselves from now on. */
static enum err handle_device(struct stories *stories, struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;
    enum err err = device_handle(stories->app, exchange);

    if (err == ERR_OK && reply->has_blob && reply->blob_shared)
        shelf_allow(stories->shelf, span_of(exchange->peer.tenant), reply->blob);
    return err;
}

static enum err on_handle(void *self, struct exchange *exchange)
{
    struct stories *stories = self;

    const struct foreign_api *foreign = foreign_api_of(exchange->request.path);

    if (path_of_devices(exchange->request.path))
        return handle_device(stories, exchange);
    if (foreign)
        return foreign->handle(&stories->foreign, exchange);
    if (span_begins(exchange->request.path, "/tuf/"))
        return send_metadata(stories, exchange);
    return api_handle(stories->api, exchange);
}

/* The contacts that the fronts have noted. A device that is unknown by now is no failure. */
static enum err write_seen(struct stories *stories)
{
    struct presence_seen *seen = calloc(SEEN_MAX, sizeof *seen);
    enum err err = ERR_OK;
    size_t count;

    CHECK(seen);
    count = presence_take_seen(stories->presence, seen, SEEN_MAX);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        err = app_seen(stories->app, seen[i].tenant, seen[i].device, seen[i].seen);
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    free(seen);
    return err;
}

static enum err on_tick(void *self, struct utc now)
{
    struct stories *stories = self;

    STATS_SET(stories->stats, devices_known, (int64_t)presence_count(stories->presence));
    TRY(write_seen(stories));
    return app_tick(stories->app, now);
}

/* ---- The tokens in force, for the fronts ---- */

static void add_passes(const struct token_row *rows, uint32_t count, struct pass *to)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (struct pass){.expires = rows[i].expires, .role = (enum role)rows[i].role};
        memcpy(to[i].sha256, rows[i].token_sha256, DIGEST_SIZE);
    }
}

static enum err read_passes(struct app *app, struct utc now, struct token_row *rows,
                            struct pass **list, size_t *size)
{
    struct token_row last = {0};
    uint32_t count = PASSES_PAGE;

    while (count == PASSES_PAGE) {
        TRY(store_token_in_force(app->db, &last, now, PASSES_PAGE, rows, &count));
        if (count == 0)
            return ERR_OK;
        last = rows[count - 1];
        *list = realloc(*list, (*size + count) * sizeof **list);
        CHECK(*list);
        add_passes(rows, count, *list + *size);
        *size += count;
    }
    return ERR_OK;
}

enum err stories_load_passes(struct stories *stories, struct utc now, struct why *why)
{
    struct token_row *rows = calloc(PASSES_PAGE, sizeof *rows);
    struct pass *list = NULL;
    size_t count = 0;
    enum err err;

    CHECK(rows);
    err = read_passes(stories->app, now, rows, &list, &count);
    free(rows);
    if (err != ERR_OK) {
        free(list);
        return app_db_failed(stories->app, err, why);
    }
    passes_replace(stories->passes, list, count);
    return ERR_OK;
}

/* A list that could not be read is read after the next batch. */
static bool on_unfinished(void *self)
{
    return app_wants_another_turn(((struct stories *)self)->app);
}

static bool on_has_more(void *self)
{
    return app_has_more(((struct stories *)self)->app);
}

static void on_settled(void *self, bool committed)
{
    struct stories *stories = self;
    struct why why = {0};

    app_settled(stories->app, committed);
    if (!committed || !api_tokens_changed(stories->api))
        return;
    if (stories_load_passes(stories, clock_utc(), &why) == ERR_OK)
        api_tokens_told(stories->api);
}

struct engine_ops stories_engine_ops(struct stories *stories)
{
    return (struct engine_ops){
        .self = stories,
        .begin = on_begin,
        .commit = on_commit,
        .rollback = on_rollback,
        .savepoint = on_savepoint,
        .release = on_release,
        .rollback_savepoint = on_undo,
        .handle = on_handle,
        .refused = on_refused,
        .tick = on_tick,
        .unfinished = on_unfinished,
        .has_more = on_has_more,
        .settled = on_settled,
    };
}

/* ---- What app/ is given ---- */

static enum presence_status status_of(enum device_status status)
{
    switch (status) {
    case DEVICE_PENDING:
        return PRESENCE_PENDING;
    case DEVICE_ACTIVE:
        return PRESENCE_ACTIVE;
    case DEVICE_REJECTED:
    case DEVICE_REVOKED:
    case DEVICE_STATUS_COUNT:
    default:
        return PRESENCE_REVOKED;
    }
}

static void on_presence_put(void *self, const char *tenant, const char *device,
                            const struct device_presence *facts)
{
    struct stories *stories = self;
    struct presence_facts known = {.status = status_of(facts->status),
                                   .boot_count = facts->boot_count,
                                   .has_work = facts->has_work,
                                   .seen = facts->last_seen};

    CHECK_STATIC(PRESENCE_INVENTORY_SIZE == INVENTORY_DIGEST_SIZE);
    memcpy(known.fingerprint, facts->fingerprint, DIGEST_SIZE);
    memcpy(known.running, facts->running, DIGEST_SIZE);
    memcpy(known.other, facts->other, DIGEST_SIZE);
    memcpy(known.inventory, facts->inventory, PRESENCE_INVENTORY_SIZE);
    presence_put(stories->presence, span_of(tenant), span_of(device), &known);
}

static void on_presence_remove(void *self, const char *tenant, const char *device)
{
    presence_remove(((struct stories *)self)->presence, span_of(tenant), span_of(device));
}

struct presence_ops stories_presence_ops(struct stories *stories)
{
    return (struct presence_ops){
        .self = stories, .put = on_presence_put, .remove = on_presence_remove};
}

static void on_publish(void *self, const char *tenant, const char *topic, const char *event,
                       struct span json)
{
    struct stories *stories = self;

    if (stories->engine)
        engine_publish(stories->engine, tenant, topic, event, json);
}

struct publish_ops stories_publish_ops(struct stories *stories)
{
    return (struct publish_ops){.self = stories, .publish = on_publish};
}

static void on_shelf_put(void *self, const char *tenant, const char *name, struct span bytes)
{
    shelf_put(((struct stories *)self)->shelf, tenant, name, bytes);
}

struct shelf_ops stories_shelf_ops(struct stories *stories)
{
    return (struct shelf_ops){.self = stories, .put = on_shelf_put};
}

static enum err on_read_request(void *self, struct span csr, uint8_t key_sha256[DIGEST_SIZE],
                                struct why *why)
{
    (void)self;
    return pki_read_request(csr, key_sha256, why);
}

static enum err on_issue(void *self, struct span csr, const char *tenant, const char *device,
                         struct utc now, struct issued_certificate *out, struct why *why)
{
    struct stories *stories = self;
    struct pki_certificate made;

    CHECK_STATIC(PKI_DER_SIZE_MAX == CERTIFICATE_SIZE_MAX);
    TRY(pki_issue(stories->pki, csr, tenant, device, now, &made, why));
    memcpy(out->fingerprint, made.fingerprint, DIGEST_SIZE);
    memcpy(out->der, made.der, made.size);
    out->der_size = made.size;
    out->not_after = made.not_after;
    return ERR_OK;
}

static struct span on_ca(void *self)
{
    return pki_ca(((struct stories *)self)->pki);
}

struct issuer_ops stories_issuer_ops(struct stories *stories)
{
    return (struct issuer_ops){
        .self = stories, .read = on_read_request, .issue = on_issue, .ca = on_ca};
}
