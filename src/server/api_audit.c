/* The audit log in the management API: pages for people, and the export that anybody can verify. */
#include <string.h>

#include "base/check.h"
#include "crypto/key.h"
#include "fleet/audit.h"
#include "os/say.h"
#include "server/api_call.h"
#include "store/audit_log.h"

#define EXPORT_PAGE_SIZE (128u * 1024u) /* bytes; a few milliseconds of the engine */

/* The stored line is canonical JSON of our own making; what is asked of it is copied out. */
static void out_member(struct json_out *out, const char *name, const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, name));

    out_text(out, name, text ? text : "");
}

static void out_entry(struct json_out *out, const struct audit_row *row)
{
    json_t *entry = json_loadb((const char *)row->line.at, row->line.size, 0, NULL);

    out_object(out, NULL);
    out_int(out, "seq", (int64_t)row->seq);
    out_member(out, "at", entry);
    out_member(out, "actor", entry);
    out_member(out, "action", entry);
    out_member(out, "object", entry);
    out_member(out, "outcome", entry);
    out_member(out, "detail", entry);
    out_digest(out, "hash", row->hash);
    out_object_end(out);
    json_decref(entry);
}

enum err api_audit(struct api_call *call)
{
    struct json_out out;
    struct audit_row row;
    uint64_t before;
    uint32_t limit, count = 0;
    bool found = true;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &before, sizeof before));
    if (before == 0)
        before = INT64_MAX;
    api_page_begin(call, &out);
    for (;;) {
        TRY(store_audit_previous(call->app->db, call->tenant, before, &row, &found));
        if (!found || count == limit)
            break;
        before = row.seq;
        out_entry(&out, &row);
        count++;
    }
    api_page_end(call, &out, found ? &before : NULL, sizeof before);
    return ERR_OK;
}

/* ---- Export ---- */

static void append_line(struct api_call *call, const struct buf *line)
{
    CHECK(!line->overflow);
    reply_append(call->exchange, line->at, line->size);
    reply_append(call->exchange, "\n", 1);
}

/* Entries up to the end of the page or of the log. */
static enum err export_entries(struct api_call *call, struct exchange_pages *pages)
{
    char room[AUDIT_LINE_MAX];
    struct audit_row row;
    bool found;

    while (pages->after < pages->until && call->exchange->reply.body_size < EXPORT_PAGE_SIZE) {
        struct buf line = buf_over(room, sizeof room);

        TRY(store_audit_next(call->app->db, call->tenant, pages->after, &row, &found));
        if (!found)
            return say(&call->why, ERR_CORRUPT, NULL, "the audit log ends before its head");
        pages->after = row.seq;
        audit_line_print(row.line, row.hash, &line);
        append_line(call, &line);
    }
    return ERR_OK;
}

static enum err export_head(struct api_call *call, const struct exchange_pages *pages,
                            const struct key *key)
{
    char room[AUDIT_LINE_MAX], said[256];
    uint8_t signature[KEY_SIGNATURE_SIZE_MAX], public[KEY_RAW_SIZE];
    struct buf line = buf_over(room, sizeof room), text = buf_over(said, sizeof said);
    struct buf made = buf_over(signature, sizeof signature);

    audit_head_signed_text(pages->until, pages->hash, &text);
    CHECK(!text.overflow);
    TRY(key_sign(key, buf_written(&text), &made, &call->why));
    key_public_raw(key, public);
    audit_head_print(pages->until, pages->hash, buf_written(&made),
                     (struct span){public, sizeof public}, &line);
    append_line(call, &line);
    return ERR_OK;
}

/* The head as it is now: what is written later is not in this export. */
static enum err begin_export(struct api_call *call, struct exchange_pages *pages)
{
    struct audit_head head;

    TRY(store_audit_head(call->app->db, call->tenant, &head));
    pages->until = head.seq;
    memcpy(pages->hash, head.hash, DIGEST_SIZE);
    return ERR_OK;
}

enum err api_audit_export(struct api_call *call)
{
    const struct key *key = call->api->config.audit_key;
    struct exchange_pages *pages = &call->exchange->pages;

    if (!key)
        return api_refuse(call, 503, ERR_AGAIN, "this server has no audit key");
    if (pages->count == 0)
        TRY(begin_export(call, pages));
    reply_start(call->exchange, 200, "application/jsonl");
    TRY(export_entries(call, pages));
    pages->more = pages->after < pages->until;
    return pages->more ? ERR_OK : export_head(call, pages, key);
}
