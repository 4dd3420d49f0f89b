/* Releases, the metadata that vouches for them, and their bytes, in the management API. */
#include <stdlib.h>
#include <string.h>

#include "app/artifacts.h"
#include "app/blob.h"
#include "app/content.h"
#include "app/publish.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/wipe.h"
#include "format/release.h"
#include "server/api_call.h"
#include "store/metadata.h"

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

/* Who vouches for it: its signers, or whoever brought it through that API. */
static const char *authority_name(enum protocol authority)
{
    return authority == PROTOCOL_NATIVE ? "signers" : protocol_name(authority);
}

static void out_artifact(struct api_call *call, struct json_out *out,
                         const struct artifact_row *row)
{
    struct blob_info info;

    out_object(out, NULL);
    out_text(out, "format", artifact_format_name(row->format));
    out_text(out, "file", row->file);
    out_text_or_null(out, "part", row->part);
    out_text_or_null(out, "name", row->name);
    out_text_or_null(out, "target", row->target);
    out_words(out, "hardware", row->hardware);
    out_int(out, "length", (int64_t)row->length);
    out_digest(out, "sha256", row->sha256);
    out_bool(out, "withdrawn", row->withdrawn);
    out_bool(out, "blob_present",
             blobs_stat(call->app->config.blobs, row->sha256, &info) == ERR_OK);
    out_object_end(out);
}

static void out_artifacts(struct api_call *call, struct json_out *out,
                          const struct release_row *row)
{
    struct artifacts *artifacts = calloc(1, sizeof *artifacts);

    CHECK(artifacts);
    if (artifacts_of(call->app, row, artifacts) != ERR_OK)
        artifacts->count = 0; /* the next read of the database says what is wrong with it */
    out_array(out, "artifacts");
    for (uint32_t i = 0; i < artifacts->count; i++)
        out_artifact(call, out, &artifacts->list[i]);
    out_array_end(out);
    free(artifacts);
}

/* Of a release without an image, as of nothing. */
static void out_image_digest(struct json_out *out, const char *name, const struct release_row *row,
                             const uint8_t digest[DIGEST_SIZE])
{
    if (row->no_image)
        out_null(out, name);
    else
        out_digest(out, name, digest);
}

static void out_release(struct api_call *call, struct json_out *out, const struct release_row *row)
{
    char name[RELEASE_ID_SIZE];
    struct blob_info info;

    release_row_name(row, name);
    out_text(out, "release", name);
    out_text(out, "product", row->product);
    out_text(out, "version", row->version);
    out_text_or_null(out, "target", row->target);
    out_words(out, "hardware", row->hardware);
    out_text(out, "kind", row->kind == RELEASE_SECURITY ? "security" : "feature");
    out_int(out, "security_version", row->security_version);
    out_int(out, "security_floor", row->security_floor);
    out_int(out, "length", (int64_t)row->length);
    out_image_digest(out, "sha256", row, row->sha256);
    out_int(out, "chunk_size", row->chunk_size);
    out_words(out, "from", row->bases);
    out_utc(out, "published_at", row->created);
    out_bool(out, "withdrawn", row->withdrawn);
    out_bool(out, "blob_present",
             blobs_stat(call->app->config.blobs, row->sha256, &info) == ERR_OK);
    out_bool(out, "sealed", row->sealed);
    out_bool(out, "content_key_present", content_present(call->app, row));
    out_image_digest(out, "plain_sha256", row, row->plain_sha256);
    out_int(out, "plain_length", (int64_t)row->plain_length);
    out_text(out, "authority", authority_name(row->authority));
    out_artifacts(call, out, row);
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
