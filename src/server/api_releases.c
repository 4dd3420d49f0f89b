/* Releases, the metadata that vouches for them, and their bytes, in the management API. */
#include <stdlib.h>
#include <string.h>

#include "app/blob.h"
#include "app/content.h"
#include "app/publish.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/wipe.h"
#include "format/release.h"
#include "server/api_call.h"
#include "store/metadata.h"
#include "trust/tuf_key.h"

/* ---- Releases ---- */

static void out_words(struct json_out *out, const char *name, const char *words)
{
    out_array(out, name);
    while (*words != '\0') {
        size_t size = strcspn(words, " ");

        if (size > 0)
            out_span(out, NULL, (struct span){(const uint8_t *)words, size});
        words += size + (words[size] == ' ' ? 1 : 0);
    }
    out_array_end(out);
}

static void out_release(struct api_call *call, struct json_out *out, const struct release_row *row)
{
    char name[RELEASE_ID_SIZE];
    struct blob_info info;

    release_row_name(row, name);
    out_text(out, "release", name);
    out_text(out, "product", row->product);
    out_text(out, "version", row->version);
    out_text(out, "target", row->target);
    out_words(out, "hardware", row->hardware);
    out_text(out, "kind", row->kind == RELEASE_SECURITY ? "security" : "feature");
    out_int(out, "security_version", row->security_version);
    out_int(out, "security_floor", row->security_floor);
    out_int(out, "length", (int64_t)row->length);
    out_digest(out, "sha256", row->sha256);
    out_int(out, "chunk_size", row->chunk_size);
    out_words(out, "from", row->bases);
    out_utc(out, "published_at", row->created);
    out_bool(out, "withdrawn", row->withdrawn);
    out_bool(out, "blob_present",
             blobs_stat(call->app->config.blobs, row->sha256, &info) == ERR_OK);
    out_bool(out, "sealed", row->sealed);
    out_bool(out, "content_key_present", content_present(call->app, row));
    out_digest(out, "plain_sha256", row->plain_sha256);
    out_int(out, "plain_length", (int64_t)row->plain_length);
}

enum err api_releases(struct api_call *call)
{
    struct release_row *rows;
    struct json_out out;
    int64_t before;
    uint32_t limit, count = 0;
    enum err err;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &before, sizeof before));
    rows = calloc(limit + 1, sizeof *rows);
    CHECK(rows);
    err = store_release_list(call->app->db, call->tenant, before, limit + 1, rows, &count);
    if (err == ERR_OK) {
        bool more = api_page_cut(&count, limit);

        api_page_begin(call, &out);
        for (uint32_t i = 0; i < count; i++) {
            out_object(&out, NULL);
            out_release(call, &out, &rows[i]);
            out_object_end(&out);
            before = rows[i].id;
        }
        api_page_end(call, &out, more ? &before : NULL, sizeof before);
    }
    free(rows);
    return err;
}

static enum err find_release(struct api_call *call, struct release_row *out)
{
    struct span name = api_argument(call, 0), product, version;
    enum err err = ERR_NOT_FOUND;

    if (release_name_split(name, &product, &version))
        err = store_release_find(call->app->db, call->tenant, product, version, out);
    return err == ERR_NOT_FOUND ? api_missing(call, "release", name) : err;
}

enum err api_release(struct api_call *call)
{
    struct release_row row;
    struct json_out out;

    TRY(find_release(call, &row));
    out = out_begin(call->exchange, 200);
    out_release(call, &out, &row);
    out_finish(&out);
    return ERR_OK;
}

static enum err take_content_key(struct api_call *call, const uint8_t key[CONTENT_KEY_SIZE])
{
    const struct content_upload upload = {.tenant = call->tenant,
                                          .actor = call->actor,
                                          .release = api_argument(call, 0),
                                          .now = call->now,
                                          .key = key};
    struct release_row row;

    TRY(find_release(call, &row));
    TRY(content_take(call->app, &upload, &call->why));
    reply_empty(call->exchange, 204);
    return ERR_OK;
}

enum err api_content_key(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    uint8_t key[CONTENT_KEY_SIZE] = {0};
    enum err err;

    (void)fields_digest(&fields, "content_key", FIELD_REQUIRED, key);
    if (fields_done(&fields) == ERR_OK)
        err = take_content_key(call, key);
    else
        err = api_bad_why(call);
    wipe(key, sizeof key);
    fields_close(&fields);
    return err;
}

/* ---- Trust ---- */

static enum err out_role(struct api_call *call, struct json_out *out, enum metadata_role role,
                         const char *version, const char *expires)
{
    struct metadata_row row = {0};
    enum err err = store_metadata_find(call->app->db, call->tenant, role, 0, &row);

    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    out_id_or_null(out, version, err == ERR_OK ? row.version : 0);
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

enum err api_trust(struct api_call *call)
{
    struct json_out out = out_begin(call->exchange, 200);

    TRY(out_role(call, &out, METADATA_ROOT, "root_version", "root_expires"));
    TRY(out_role(call, &out, METADATA_TARGETS, "targets_version", "targets_expires"));
    TRY(out_role(call, &out, METADATA_SNAPSHOT, "snapshot_version", "snapshot_expires"));
    TRY(out_role(call, &out, METADATA_TIMESTAMP, "timestamp_version", "timestamp_expires"));
    out_key(&out, "snapshot_key", call->app->config.snapshot_key);
    out_key(&out, "timestamp_key", call->app->config.timestamp_key);
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

/* ---- Blobs ---- */

static enum err digest_argument(struct api_call *call, uint8_t out[DIGEST_SIZE])
{
    struct span text = api_argument(call, 0);

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] >= 'A' && text.at[i] <= 'F')
            return api_bad(call, "sha256", "must be in lower case");
    }
    if (!hex_parse(text, out, DIGEST_SIZE))
        return api_bad(call, "sha256", "must be 64 digits of lower-case hex");
    return ERR_OK;
}

enum err api_blob(struct api_call *call)
{
    uint8_t sha256[DIGEST_SIZE];
    struct blob_info info;
    enum err err;

    TRY(digest_argument(call, sha256));
    err = blob_stat(call->app, call->tenant, sha256, &info);
    if (err == ERR_NOT_FOUND)
        return api_missing(call, "blob", api_argument(call, 0));
    TRY(err);
    reply_blob(call->exchange, sha256);
    return ERR_OK;
}

static enum err audit_blob(struct api_call *call, const char *sha256)
{
    const struct deed deed = {
        .tenant = call->tenant, .actor = call->actor, .action = "blob.put", .object = sha256};

    return app_audit(call->app, call->now, &deed);
}

static enum err take_upload(struct api_call *call, const uint8_t sha256[DIGEST_SIZE])
{
    struct upload *upload = &call->exchange->upload;
    enum err err;

    if (!upload->present)
        return api_bad(call, NULL, "send the content as the body");
    if (memcmp(upload->sha256, sha256, DIGEST_SIZE) != 0)
        return api_bad(call, "sha256", "the %llu bytes that arrived have another digest",
                       (unsigned long long)upload->size);
    TRY(audit_blob(call, call->arguments.text[0]));
    TRY(blob_brought(call->app, call->tenant, sha256, call->now));
    err = blobs_take(call->app->config.blobs, upload->path, sha256, upload->size, &call->why);
    if (err == ERR_TOO_BIG)
        return api_refuse(call, 413, err, "%s", call->why.text);
    if (err == ERR_STORAGE)
        return api_refuse(call, 507, err, "%s", call->why.text);
    TRY(err);
    reply_empty(call->exchange, 201);
    return ERR_OK;
}

enum err api_blob_put(struct api_call *call)
{
    uint8_t sha256[DIGEST_SIZE];
    struct blob_info info;

    TRY(digest_argument(call, sha256));
    if (blob_stat(call->app, call->tenant, sha256, &info) == ERR_OK) {
        reply_empty(call->exchange, 204);
        return ERR_OK;
    }
    if (call->exchange->kind == EXCHANGE_UPLOAD_BEGIN) {
        reply_empty(call->exchange, 100); /* let the body come */
        return ERR_OK;
    }
    return take_upload(call, sha256);
}
