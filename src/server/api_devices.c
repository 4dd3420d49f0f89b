/* Devices in the management API: lists, one device, what people change about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/device.h"
#include "app/facts.h"
#include "app/label.h"
#include "base/check.h"
#include "fleet/window.h"
#include "server/api_call.h"
#include "store/artifact.h"

#define SELECTOR_QUERY_SIZE (SELECTOR_SIZE_MAX + 1u)

const char *api_release_name(struct api_call *call, int64_t release, char *to, size_t size)
{
    struct release_row row;
    char name[RELEASE_ID_SIZE] = "";

    if (store_release_get(call->app->db, call->tenant, release, &row) == ERR_OK)
        release_row_name(&row, name);
    (void)snprintf(to, size, "%s", name);
    return to;
}

/* The release of the image or the file it runs; "": none of ours. */
static void name_running(struct api_call *call, const struct device_row *row,
                         char name[RELEASE_ID_SIZE])
{
    struct artifact_row artifact;
    struct release_row release;
    enum err err;

    name[0] = '\0';
    if (row->protocol == PROTOCOL_NATIVE) {
        err = store_release_by_image(call->app->db, call->tenant, row->running, &release);
    } else {
        err = store_artifact_of_blob(call->app->db, call->tenant, row->running, &artifact);
        if (err == ERR_OK)
            err = store_release_get(call->app->db, call->tenant, artifact.release, &release);
    }
    if (err == ERR_OK)
        release_row_name(&release, name);
}

void out_device_running(struct api_call *call, struct json_out *out, const struct device_row *row)
{
    char name[RELEASE_ID_SIZE] = "";

    out_object(out, "running");
    if (row->running_known) {
        out_digest(out, "sha256", row->running);
        name_running(call, row, name);
    } else {
        out_null(out, "sha256");
    }
    out_text_or_null(out, "version", row->version);
    out_text_or_null(out, "release", name);
    out_object_end(out);
}

static void out_names(struct json_out *out, const char *name, const char (*list)[NAME_SIZE_MAX + 1],
                      uint32_t count)
{
    out_array(out, name);
    for (uint32_t i = 0; i < count; i++)
        out_text(out, NULL, list[i]);
    out_array_end(out);
}

static void out_device(struct api_call *call, struct json_out *out,
                       const struct device_facts *facts)
{
    const struct device_row *row = &facts->row;
    struct certificate_row certificate = {0};

    out_text(out, "name", row->name);
    out_text(out, "status", device_status_name(row->status));
    out_device_protocol(call, out, row);
    out_bool(out, "hold", row->hold);
    out_object(out, "attributes");
    for (uint32_t i = 0; i < facts->attribute_count; i++)
        out_text(out, facts->attributes[i].name, facts->attributes[i].value);
    out_object_end(out);
    out_names(out, "tags", facts->tags, facts->tag_count);
    out_names(out, "groups", facts->groups, facts->group_count);
    out_text(out, "note", row->note);
    out_int(out, "utc_offset_min", row->utc_offset_min);
    out_device_running(call, out, row);
    out_int(out, "boot_count", row->boot_count);
    out_utc(out, "last_seen", row->last_seen);
    out_utc(out, "enrolled_at", row->created);
    if (store_certificate_newest(call->app->db, row->tenant, row->id, &certificate) != ERR_OK)
        certificate.not_after.ms = 0; /* none yet */
    out_utc(out, "certificate_expires", certificate.not_after);
}

/* ---- The list ---- */

struct device_query {
    bool by_selector, by_status;
    struct selector selector;
    enum device_status status;
    uint32_t limit;
};

static enum err read_query(struct api_call *call, struct device_query *query)
{
    char text[SELECTOR_QUERY_SIZE], status[16];
    struct selector_fault fault;

    TRY(api_limit(call, &query->limit));
    TRY(api_query_text(call, "status", status, sizeof status, &query->by_status));
    if (query->by_status && device_status_parse(span_of(status), &query->status) != ERR_OK)
        return api_bad(call, "status", "must be pending, active, rejected or revoked");
    TRY(api_query_text(call, "selector", text, sizeof text, &query->by_selector));
    if (query->by_selector &&
        selector_parse(span_of(text), &query->selector, &fault, &call->why) != ERR_OK)
        return api_bad_selector(call, fault.column);
    return ERR_OK;
}

static bool wanted(const struct device_query *query, const struct device_facts *facts)
{
    return (!query->by_status || facts->row.status == query->status) &&
           (!query->by_selector || facts_match(&query->selector, facts));
}

/* The listing so far. */
struct device_listing {
    const struct device_query *query;
    uint32_t listed;
    int64_t after; /* where the next page goes on */
    bool full;     /* and there is another one */
};

/* Stops before the first device that finds no room. */
static void list_page(struct api_call *call, const struct device_facts *page, uint32_t count,
                      struct device_listing *listing, struct json_out *out)
{
    for (uint32_t i = 0; i < count && !listing->full; i++) {
        if (wanted(listing->query, &page[i])) {
            listing->full = listing->listed == listing->query->limit;
            if (listing->full)
                return;
            out_object(out, NULL);
            out_device(call, out, &page[i]);
            out_object_end(out);
            listing->listed++;
        }
        listing->after = page[i].row.id;
    }
}

/* Walk on until one more than the page holds has been found, or enough has been looked at. */
static enum err list_devices(struct api_call *call, struct device_facts *page,
                             struct device_listing *listing, struct json_out *out, bool *more)
{
    uint32_t count = DEVICE_PAGE_MAX;

    for (uint32_t scanned = 0; scanned < API_SCAN_MAX && count == DEVICE_PAGE_MAX && !listing->full;
         scanned += count) {
        TRY(store_device_page(call->app->db, call->tenant, listing->after, DEVICE_PAGE_MAX, page,
                              &count));
        list_page(call, page, count, listing, out);
    }
    *more = listing->full || count == DEVICE_PAGE_MAX;
    return ERR_OK;
}

enum err api_devices(struct api_call *call)
{
    struct device_query *query = calloc(1, sizeof *query);
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    struct device_listing listing = {.query = query};
    struct json_out out;
    bool more = false;
    enum err err;

    CHECK(query && page);
    err = read_query(call, query);
    if (err == ERR_OK)
        err = api_cursor(call, &listing.after, sizeof listing.after);
    if (err == ERR_OK) {
        api_page_begin(call, &out);
        err = list_devices(call, page, &listing, &out, &more);
    }
    if (err == ERR_OK)
        api_page_end(call, &out, more ? &listing.after : NULL, sizeof listing.after);
    free(page);
    free(query);
    return err;
}

/* ---- One device ---- */

/* Borrowed until free(); NULL and a reply when there is no such device. */
static struct device_facts *load(struct api_call *call, enum err *err)
{
    struct device_facts *facts = calloc(1, sizeof *facts);
    struct device_row row;

    CHECK(facts);
    *err = store_device_find(call->app->db, call->tenant, api_argument(call, 0), &row);
    if (*err == ERR_OK)
        *err = store_device_facts(call->app->db, call->tenant, row.id, facts);
    if (*err == ERR_OK)
        return facts;
    free(facts);
    if (*err == ERR_NOT_FOUND)
        *err = api_missing(call, "device", api_argument(call, 0));
    return NULL;
}

/* What people change and decide by; not the last contact, which moves with every poll. */
static void etag_of(const struct device_facts *facts, char etag[API_ETAG_SIZE])
{
    char text[TAGS_MAX * (NAME_SIZE_MAX + 1) + GROUPS_MAX * (NAME_SIZE_MAX + 1) + NOTE_SIZE_MAX +
              128];
    struct buf buf = buf_over(text, sizeof text);

    buf_text(&buf, facts->row.name);
    buf_uint(&buf, facts->row.status);
    buf_uint(&buf, facts->row.hold);
    buf_int(&buf, facts->row.utc_offset_min);
    for (uint32_t i = 0; i < facts->tag_count; i++) {
        buf_text(&buf, " ");
        buf_text(&buf, facts->tags[i]);
    }
    buf_text(&buf, ";");
    for (uint32_t i = 0; i < facts->group_count; i++) {
        buf_text(&buf, " ");
        buf_text(&buf, facts->groups[i]);
    }
    buf_text(&buf, ";");
    buf_text(&buf, facts->row.note);
    CHECK(!buf.overflow);
    api_etag(buf_written(&buf), etag);
}

static void out_assignment(struct api_call *call, struct json_out *out,
                           const struct device_row *device)
{
    struct assignment_row row;
    struct rollout_row *rollout = calloc(1, sizeof *rollout);
    char release[RELEASE_ID_SIZE];

    CHECK(rollout);
    if (device->assignment == 0 ||
        store_assignment_get(call->app->db, call->tenant, device->id, device->assignment, &row) !=
            ERR_OK ||
        store_rollout_get(call->app->db, call->tenant, row.rollout, rollout) != ERR_OK) {
        out_null(out, "assignment");
    } else {
        out_object(out, "assignment");
        out_assignment_row(call, out, &row, device->name, rollout->name,
                           api_release_name(call, row.release, release, sizeof release));
        out_object_end(out);
    }
    free(rollout);
}

static void reply_device(struct api_call *call, const struct device_facts *facts)
{
    char etag[API_ETAG_SIZE];
    struct json_out out;

    etag_of(facts, etag);
    reply_header(call->exchange, "ETag", etag);
    out = out_begin(call->exchange, 200);
    out_device(call, &out, facts);
    out_assignment(call, &out, &facts->row);
    out_finish(&out);
}

enum err api_device(struct api_call *call)
{
    enum err err;
    struct device_facts *facts = load(call, &err);

    if (facts)
        reply_device(call, facts);
    free(facts);
    return err;
}

static enum err read_patch(struct api_call *call, struct fields *fields, struct label_change *out)
{
    const json_t *tags = NULL;
    int64_t offset;

    *out = (struct label_change){0};
    out->has_tags = fields_array(fields, "tags", FIELD_OPTIONAL, 0, TAGS_MAX, &tags);
    for (size_t i = 0; out->has_tags && i < json_array_size(tags); i++) {
        if (fields_item_name(fields, "tags", tags, i, out->tags[out->tag_count]))
            out->tag_count++;
    }
    out->has_hold = fields_bool(fields, "hold", FIELD_OPTIONAL, &out->hold);
    out->has_note = fields_text(fields, "note", FIELD_OPTIONAL, NOTE_SIZE_MAX, &out->note);
    out->has_utc_offset = fields_int(fields, "utc_offset_min", FIELD_OPTIONAL,
                                     -WINDOW_OFFSET_MAX_MIN, WINDOW_OFFSET_MAX_MIN, &offset);
    if (out->has_utc_offset)
        out->utc_offset_min = (int32_t)offset;
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    if (!out->has_tags && !out->has_hold && !out->has_note && !out->has_utc_offset)
        return api_bad(call, NULL, "name at least one of tags, note, hold, utc_offset_min");
    return ERR_OK;
}

static enum err patch(struct api_call *call, struct device_facts *facts)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    struct label_change *change = calloc(1, sizeof *change);
    char etag[API_ETAG_SIZE];
    enum err err;

    CHECK(change);
    etag_of(facts, etag);
    err = read_patch(call, &fields, change);
    if (err == ERR_OK)
        err = api_if_match(call, etag);
    if (err == ERR_OK)
        err = label_change(call->app, facts, change, call->actor, call->now, &call->why);
    fields_close(&fields);
    free(change);
    return err;
}

enum err api_device_patch(struct api_call *call)
{
    enum err err;
    struct device_facts *facts = load(call, &err);

    if (facts)
        err = patch(call, facts);
    if (err == ERR_OK)
        reply_device(call, facts);
    free(facts);
    return err;
}

/* ---- Its standing ---- */

typedef enum err standing_story(struct app *app, int64_t tenant, struct span name,
                                const char *actor, struct utc now, struct why *why);

static enum err change_standing(struct api_call *call, standing_story *story)
{
    struct span name = api_argument(call, 0);
    enum err err = story(call->app, call->tenant, name, call->actor, call->now, &call->why);

    if (err == ERR_NOT_FOUND)
        return api_missing(call, "device", name);
    TRY(err);
    reply_empty(call->exchange, 204);
    return ERR_OK;
}

enum err api_device_accept(struct api_call *call)
{
    return change_standing(call, device_accept);
}

enum err api_device_reject(struct api_call *call)
{
    return change_standing(call, device_reject);
}

enum err api_device_revoke(struct api_call *call)
{
    return change_standing(call, device_revoke);
}

enum err api_device_request_log(struct api_call *call)
{
    return change_standing(call, device_request_log);
}

enum err api_device_delete(struct api_call *call)
{
    struct device_row row;

    if (store_device_find(call->app->db, call->tenant, api_argument(call, 0), &row) == ERR_OK &&
        row.status == DEVICE_ACTIVE)
        return api_refuse(call, 409, ERR_INVALID, "%s is active; revoke it first", row.name);
    return change_standing(call, device_delete);
}
