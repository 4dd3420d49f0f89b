/* Trust: signed metadata in, versions, keys and expiry out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/expiring.h"
#include "app/online_key.h"
#include "app/publish.h"
#include "base/check.h"
#include "os/quantity.h"
#include "server/api_call.h"
#include "server/certificate_life.h"
#include "store/delegated.h"
#include "store/metadata.h"
#include "trust/tuf_key.h"

static enum err out_role(struct api_call *call, struct json_out *out, enum metadata_role role,
                         const char *version, const char *expires)
{
    struct metadata_row row = {0};
    enum err err = store_metadata_find(call->app->db, call->tenant, role, 0, &row);

    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    out_id_or_null(out, version, err == ERR_OK ? (int64_t)row.version : 0);
    out_utc(out, expires, err == ERR_OK ? row.expires : (struct utc){0});
    return ERR_OK;
}

static void out_key(struct json_out *out, const char *name, const struct key *key)
{
    json_t *json = key ? tuf_key_to_json(key) : NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (text)
        out_raw(out, name, span_of(text));
    else
        out_null(out, name);
    free(text);
    json_decref(json);
}

/* The key in use, and the one that waits for signers to name it. */
static enum err out_keys(struct api_call *call, struct json_out *out)
{
    for (enum online_key kind = 0; kind < ONLINE_KEY_COUNT; kind++) {
        struct online_key_pair pair;
        char name[32];

        TRY(online_key_show(call->app, call->tenant, kind, &pair));
        (void)snprintf(name, sizeof name, "%s_key", online_key_name(kind));
        out_key(out, name, pair.now);
        (void)snprintf(name, sizeof name, "%s_key_next", online_key_name(kind));
        out_key(out, name, pair.next);
    }
    return ERR_OK;
}

static enum err out_delegated_role(struct api_call *call, struct json_out *out, const char *role)
{
    struct delegated_row row;
    bool current, waiting;
    enum err err = store_delegated_find(call->app->db, call->tenant, role, 0, &row);

    current = err == ERR_OK;
    if (err != ERR_NOT_FOUND)
        TRY(err);
    out_object(out, NULL);
    out_text(out, "role", role);
    out_id_or_null(out, "version", current ? (int64_t)row.version : 0);
    out_utc(out, "expires", current ? row.expires : (struct utc){0});
    err = store_delegated_waiting(call->app->db, call->tenant, role, &row);
    waiting = err == ERR_OK;
    if (err != ERR_NOT_FOUND)
        TRY(err);
    out_id_or_null(out, "waiting_version", waiting ? (int64_t)row.version : 0);
    out_object_end(out);
    return ERR_OK;
}

static enum err out_delegated(struct api_call *call, struct json_out *out)
{
    struct delegated_names *names = calloc(1, sizeof *names);
    enum err err;

    CHECK(names);
    err = store_delegated_names(call->app->db, call->tenant, true, names);
    out_array(out, "delegated");
    for (uint32_t i = 0; err == ERR_OK && i < names->count; i++)
        err = out_delegated_role(call, out, names->at[i]);
    out_array_end(out);
    free(names);
    return err;
}

enum err api_trust(struct api_call *call)
{
    struct json_out out = out_begin(call->exchange, 200);

    TRY(out_role(call, &out, METADATA_ROOT, "root_version", "root_expires"));
    TRY(out_role(call, &out, METADATA_TARGETS, "targets_version", "targets_expires"));
    TRY(out_role(call, &out, METADATA_SNAPSHOT, "snapshot_version", "snapshot_expires"));
    TRY(out_role(call, &out, METADATA_TIMESTAMP, "timestamp_version", "timestamp_expires"));
    TRY(out_keys(call, &out));
    TRY(out_delegated(call, &out));
    out_finish(&out);
    return ERR_OK;
}

/* Malformed is the form's fault; not signed as it must be, or a missing image, is the content's. */
static enum err refuse_metadata(struct api_call *call, enum err err)
{
    const char *text = call->why.text[0] ? call->why.text : err_text(err);

    switch (err) {
    case ERR_CORRUPT:
        return api_bad_why(call);
    case ERR_NOT_FOUND:
        return api_refuse(call, 422, err, "%s", text);
    case ERR_OK:
    case ERR_AGAIN:
    case ERR_LINK:
    case ERR_STORAGE:
    case ERR_UNTRUSTED:
    case ERR_DENIED:
    case ERR_UNSUITABLE:
    case ERR_CONFLICT:
    case ERR_INVALID:
    case ERR_TOO_BIG:
    case ERR_UNHEALTHY:
    case ERR_COUNT:
        break;
    }
    return err;
}

/* Whether it looks like metadata at all; whether it can be trusted is the story's business. */
static enum err check_metadata(struct api_call *call, size_t size_max)
{
    size_t size = call->exchange->request.body.size;
    struct fields fields;
    enum err err = ERR_OK;

    if (size > size_max)
        return api_refuse(call, 413, ERR_TOO_BIG, "the metadata may have at most %zu bytes",
                          size_max);
    fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    if (fields.err != ERR_OK)
        err = api_bad_why(call);
    else if (!json_is_object(json_object_get(fields.root, "signed")))
        err = api_bad(call, "signed", "must be an object; send signed TUF metadata");
    else if (!json_is_array(json_object_get(fields.root, "signatures")))
        err = api_bad(call, "signatures", "must be a list; send signed TUF metadata");
    fields_close(&fields);
    return err;
}

enum err api_trust_root(struct api_call *call)
{
    struct json_out out;
    uint32_t version;
    enum err err;

    TRY(check_metadata(call, API_BODY_SIZE_MAX));
    err = publish_root(call->app, call->tenant, call->actor, call->exchange->request.body,
                       call->now, &version, &call->why);
    if (err != ERR_OK)
        return refuse_metadata(call, err);
    out = out_begin(call->exchange, 201);
    out_int(&out, "root_version", version);
    out_finish(&out);
    return ERR_OK;
}

static enum err out_current(struct api_call *call, struct json_out *out)
{
    struct release_row *rows = calloc(API_PAGE_MAX, sizeof *rows);
    char name[RELEASE_ID_SIZE];
    uint32_t count = 0;
    enum err err;

    CHECK(rows);
    err = store_release_list(call->app->db, call->tenant, 0, API_PAGE_MAX, rows, &count);
    out_array(out, "releases");
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (rows[i].withdrawn)
            continue;
        release_row_name(&rows[i], name);
        out_text(out, NULL, name);
    }
    out_array_end(out);
    free(rows);
    return err;
}

enum err api_trust_targets(struct api_call *call)
{
    struct published published;
    struct json_out out;
    enum err err;

    TRY(check_metadata(call, METADATA_SIZE_MAX));
    err = publish_targets(call->app, call->tenant, call->actor, call->exchange->request.body,
                          call->now, &published, &call->why);
    if (err != ERR_OK)
        return refuse_metadata(call, err);
    out = out_begin(call->exchange, 201);
    out_int(&out, "targets_version", published.targets_version);
    TRY(out_current(call, &out));
    out_finish(&out);
    return ERR_OK;
}

/* The argument as a name of at most `size` - 1 bytes; too long a name is none. */
static bool role_argument(struct api_call *call, char *to, size_t size)
{
    return span_to_text(api_argument(call, 0), to, size);
}

enum err api_trust_delegated(struct api_call *call)
{
    char role[DELEGATED_NAME_MAX + 1];
    const struct delegated_upload upload = {.role = role, .bytes = call->exchange->request.body};
    struct delegated delegated;
    struct json_out out;
    enum err err;

    if (!role_argument(call, role, sizeof role))
        return api_missing(call, "role", api_argument(call, 0));
    TRY(check_metadata(call, METADATA_SIZE_MAX));
    err = publish_delegated(call->app, call->tenant, call->actor, &upload, call->now, &delegated,
                            &call->why);
    if (err != ERR_OK)
        return refuse_metadata(call, err);
    out = out_begin(call->exchange, 201);
    out_text(&out, "role", role);
    out_int(&out, "version", (int64_t)delegated.version);
    out_text(&out, "state", delegated.waits ? "waiting" : "current");
    TRY(out_current(call, &out));
    out_finish(&out);
    return ERR_OK;
}

enum err api_trust_online_key(struct api_call *call)
{
    const struct key *key;
    enum online_key kind;
    struct json_out out;

    if (!online_key_parse(api_argument(call, 0), &kind))
        return api_missing(call, "online key", api_argument(call, 0));
    TRY(online_key_make(call->app, call->tenant, call->actor, kind, call->now, &key, &call->why));
    out = out_begin(call->exchange, 201);
    out_text(&out, "role", online_key_name(kind));
    out_key(&out, "key", key);
    out_finish(&out);
    return ERR_OK;
}

/* ---- Expiry ---- */

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* What is asked of the radar. */
struct radar {
    bool imagined;    /* a date was given */
    struct utc on;    /* that date, or now */
    int64_t until_ms; /* what ends later is left out */
};

/* "2027-03-01", or with a time as everywhere. */
static bool parse_date(const char *text, struct utc *out)
{
    char whole[UTC_TEXT_SIZE + 16];

    if (utc_parse(span_of(text), out))
        return true;
    (void)snprintf(whole, sizeof whole, "%.20sT00:00:00Z", text);
    return utc_parse(span_of(whole), out);
}

static enum err read_radar(struct api_call *call, struct radar *out)
{
    char on[32], within[16];
    bool dated, bounded;
    int64_t days = 0;

    TRY(api_query_text(call, "on", on, sizeof on, &dated));
    TRY(api_query_text(call, "within_days", within, sizeof within, &bounded));
    *out = (struct radar){.imagined = dated, .on = call->now, .until_ms = INT64_MAX};
    if (dated && !parse_date(on, &out->on))
        return api_bad(call, "on", "must be a date like 2027-03-01");
    if (bounded && (quantity_int(within, &days) != ERR_OK || days < 1 || days > 36500))
        return api_bad(call, "within_days", "must be a number of days from 1 to 36500");
    if (bounded)
        out->until_ms = out->on.ms + days * DAY_MS;
    return ERR_OK;
}

static void add_certificate(struct api_call *call, enum expiring_kind kind, const char *file,
                            struct expiring_row *rows, uint32_t *count)
{
    struct expiring_row row = {.kind = kind, .count = 1};
    char path[4096];

    if (!call->api->config.data_dir ||
        (size_t)snprintf(path, sizeof path, "%s/pki/%s", call->api->config.data_dir, file) >=
            sizeof path ||
        !certificate_life(path, &row.from, &row.expires))
        return;
    rows[(*count)++] = row;
}

static int first_to_end(const void *a, const void *b)
{
    int64_t x = ((const struct expiring_row *)a)->expires.ms;
    int64_t y = ((const struct expiring_row *)b)->expires.ms;

    return (x > y) - (x < y);
}

/* A thing that renews itself is not broken on a day to come, but it is when it has ended now. */
static bool is_broken(const struct radar *radar, const struct expiring_row *row, struct utc now)
{
    if (expiring_renews_itself(row->kind))
        return row->expires.ms <= now.ms;
    return row->expires.ms <= radar->on.ms;
}

static void out_expiring(struct json_out *out, const struct radar *radar,
                         const struct expiring_row *row, struct utc now)
{
    out_object(out, NULL);
    out_text(out, "kind", expiring_kind_name(row->kind));
    out_text_or_null(out, "name", row->name);
    out_int(out, "count", row->count);
    out_utc(out, "expires", row->expires);
    out_int(out, "left_s", (row->expires.ms - radar->on.ms) / 1000);
    out_bool(out, "low", expiring_is_low(row, now));
    out_bool(out, "renews_itself", expiring_renews_itself(row->kind));
    out_bool(out, "broken", is_broken(radar, row, now));
    out_text(out, "breaks", expiring_breaks(row->kind));
    out_object_end(out);
}

static void out_radar(struct api_call *call, const struct radar *radar,
                      const struct expiring_row *rows, uint32_t count)
{
    struct json_out out = out_begin(call->exchange, 200);
    int64_t broken = 0;

    out_utc(&out, "on", radar->on);
    out_array(&out, "items");
    for (uint32_t i = 0; i < count && rows[i].expires.ms <= radar->until_ms; i++) {
        out_expiring(&out, radar, &rows[i], call->now);
        broken += is_broken(radar, &rows[i], call->now);
    }
    out_array_end(&out);
    out_int(&out, "broken", broken);
    out_finish(&out);
}

enum err api_trust_expiring(struct api_call *call)
{
    const struct expiring_wanted wanted = {
        .tenant = call->tenant, .now = call->now, .devices = true, .max = EXPIRING_ROWS_MAX};
    struct expiring_row *rows;
    struct radar radar;
    uint32_t count = 0;
    enum err err;

    TRY(read_radar(call, &radar));
    rows = calloc(EXPIRING_ROWS_MAX + 2, sizeof *rows);
    CHECK(rows);
    err = store_expiring(call->app->db, &wanted, rows, &count);
    if (err == ERR_OK) {
        add_certificate(call, EXPIRING_CA, "ca.crt", rows, &count);
        add_certificate(call, EXPIRING_SERVER, "server.crt", rows, &count);
        qsort(rows, count, sizeof *rows, first_to_end);
        out_radar(call, &radar, rows, count);
    }
    free(rows);
    return err;
}
