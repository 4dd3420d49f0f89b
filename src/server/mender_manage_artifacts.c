/* Artifacts and releases in Mender's management API. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/blob.h"
#include "app/mender.h"
#include "artifact/mender.h"
#include "base/check.h"
#include "codec/multipart.h"
#include "crypto/digest.h"
#include "os/file.h"
#include "os/say.h"
#include "server/mender_manage_inside.h"
#include "store/artifact.h"
#include "store/blobs.h"
#include "wire/mender_host.h"

#define TURN_SIZE  (8u << 20) /* bytes taken from a form in one turn of the engine */
#define PIECE_SIZE (256u << 10)

/* ---- Upload: the artifact out of its form, checked on the way ---- */

struct work {
    int form, file; /* what came; the artifact alone */
    char path[256]; /* of the latter; "" once it has been given away */
    uint64_t at, form_size, size;
    struct multipart multipart;
    struct mender_reader *reader;
    struct digest *digest;
    bool inside, seen; /* within the part "artifact"; it has come */
    uint8_t piece[PIECE_SIZE];
};

static void close_work(void *self)
{
    struct work *work = self;

    mender_reader_close(work->reader);
    digest_close(work->digest);
    if (work->form >= 0)
        (void)close(work->form);
    if (work->file >= 0)
        (void)close(work->file);
    if (work->path[0] != '\0')
        (void)unlink(work->path);
    free(work);
}

static enum err open_work(struct manage *manage)
{
    struct exchange *exchange = manage->exchange;
    struct work *work = calloc(1, sizeof *work);

    CHECK(work);
    work->form = work->file = -1;
    work->reader = mender_reader_open(manage->host->artifact_keys);
    work->digest = digest_open(DIGEST_SHA256);
    exchange->work = work;
    exchange->work_close = close_work;
    work->form_size = exchange->upload.size;
    if (!multipart_init(&work->multipart, exchange->request.content_type))
        return manage_refuse(manage, 400, ERR_CORRUPT, "send multipart/form-data");
    work->form = open(exchange->upload.path, O_RDONLY | O_CLOEXEC);
    if (work->form < 0)
        return file_failed(&manage->why, "read", exchange->upload.path);
    work->file = file_temporary(blobs_upload_dir(manage->app->config.blobs), work->path,
                                sizeof work->path, &manage->why);
    return work->file >= 0 ? ERR_OK : ERR_STORAGE;
}

static enum err take_data(struct work *work, struct span data, struct why *why)
{
    digest_update(work->digest, data);
    work->size += data.size;
    TRY(file_write_all(work->file, data.at, data.size));
    return mender_reader_take(work->reader, data, why);
}

static enum err take_event(struct work *work, enum multipart_event event, struct span data,
                           struct why *why)
{
    switch (event) {
    case MULTIPART_PART:
        if (work->seen)
            return say(why, ERR_CORRUPT, NULL, "the artifact must be the last part");
        work->inside = strcmp(work->multipart.name, "artifact") == 0;
        return ERR_OK;
    case MULTIPART_DATA:
        return work->inside ? take_data(work, data, why) : ERR_OK;
    case MULTIPART_DONE:
        work->seen = work->inside;
        work->inside = false;
        return ERR_OK;
    case MULTIPART_MORE:
    default:
        return ERR_OK;
    }
}

static enum err take_piece(struct work *work, struct span piece, struct why *why)
{
    enum multipart_event event = MULTIPART_PART;
    struct span data;

    while (event != MULTIPART_MORE) {
        if (multipart_step(&work->multipart, &piece, &event, &data) != ERR_OK)
            return say(why, ERR_CORRUPT, NULL, "the form is malformed");
        TRY(take_event(work, event, data, why));
    }
    return ERR_OK;
}

static enum err go_on(struct work *work, struct why *why)
{
    uint64_t end = work->at + TURN_SIZE < work->form_size ? work->at + TURN_SIZE : work->form_size;

    while (work->at < end) {
        size_t take = end - work->at < PIECE_SIZE ? (size_t)(end - work->at) : PIECE_SIZE;

        TRY(file_pread_all(work->form, work->piece, take, work->at));
        TRY(take_piece(work, (struct span){work->piece, take}, why));
        work->at += take;
    }
    return ERR_OK;
}

static enum err end_form(struct work *work, struct why *why)
{
    if (!multipart_is_complete(&work->multipart) || !work->seen)
        return say(why, ERR_CORRUPT, NULL, "the form has no artifact");
    TRY(mender_reader_end(work->reader, why));
    return fsync(work->file) == 0 ? ERR_OK : ERR_STORAGE;
}

/* "a b": device types with one space between. */
static enum err join_types(const json_t *types, char *to, size_t size, struct why *why)
{
    struct buf buf = buf_over(to, size);

    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));

        if (strchr(type, ' '))
            return say(why, ERR_INVALID, "device_type", "\"%.64s\" has a space in it", type);
        buf_text(&buf, i > 0 ? " " : "");
        buf_text(&buf, type);
    }
    (void)buf_finish_text(&buf);
    return buf.overflow ? say(why, ERR_TOO_BIG, "device_type", "are too many or too long") : ERR_OK;
}

static enum err keep(struct manage *manage, struct work *work, struct artifact_row *row)
{
    const json_t *facts = mender_reader_facts(work->reader);
    char types[HARDWARE_TEXT_MAX];
    struct mender_upload upload = {.tenant = manage->tenant,
                                   .product = MANAGE_PRODUCT,
                                   .name = json_string_value(json_object_get(facts, "name")),
                                   .hardware = types,
                                   .size = work->size,
                                   .actor = manage->actor};
    char path[sizeof work->path];

    TRY(join_types(json_object_get(facts, "device_types"), types, sizeof types, &manage->why));
    digest_done(work->digest, upload.sha256);
    TRY(blob_brought(manage->app, manage->tenant, upload.sha256, manage->now));
    memcpy(path, work->path, sizeof path);
    work->path[0] = '\0'; /* the store's from here on, or gone */
    TRY(blobs_take(manage->app->config.blobs, path, upload.sha256, work->size, &manage->why));
    return mender_release_add(manage->app, &upload, manage->now, row, &manage->why);
}

/* Whoever uploads is known: 401 and 403 would say that of them. */
static enum err check_trust(struct manage *manage, enum err err)
{
    return err == ERR_UNTRUSTED ? manage_refuse(manage, 400, err, "%s", manage->why.text) : err;
}

enum err manage_artifact_upload(struct manage *manage)
{
    struct exchange *exchange = manage->exchange;
    char id[MENDER_UUID_SIZE], where[128];
    struct artifact_row row;
    struct work *work;

    if (exchange->kind == EXCHANGE_UPLOAD_BEGIN) {
        reply_empty(exchange, 100); /* let the body come */
        return ERR_OK;
    }
    if (!exchange->upload.present)
        return manage_refuse(manage, 400, ERR_CORRUPT, "send the artifact in a form");
    if (!exchange->work)
        TRY(open_work(manage));
    work = exchange->work;
    TRY(check_trust(manage, go_on(work, &manage->why)));
    if (work->at < work->form_size) {
        manage->app->unfinished = true; /* others have their turn */
        return ERR_AGAIN;
    }
    TRY(end_form(work, &manage->why));
    TRY(keep(manage, work, &row));
    mender_uuid(MENDER_OF_ARTIFACT, (uint64_t)row.id, id);
    (void)snprintf(where, sizeof where, "/api/management/v1/deployments/artifacts/%s", id);
    reply_header(exchange, "Location", where);
    reply_empty(exchange, 201);
    return ERR_OK;
}

/* ---- Lists ---- */

static json_t *types_of(const struct artifact_row *row)
{
    json_t *types = json_array();
    const char *at = row->hardware;

    while (*at != '\0') {
        size_t size = strcspn(at, " ");

        CHECK(json_array_append_new(types, json_stringn(at, size)) == 0);
        at += size + (at[size] == ' ');
    }
    return types;
}

/* What an upload has been checked to hold is read again from the header when somebody asks for one
 * artifact; lists say what the row says. mender-cli 1.9 wants meta_data to be an array. */
static json_t *describe(const struct artifact_row *row)
{
    char id[MENDER_UUID_SIZE];
    json_t *json;

    mender_uuid(MENDER_OF_ARTIFACT, (uint64_t)row->id, id);
    json = json_pack("{s:s, s:s, s:s, s:o, s:b, s:o, s:I, s:[], s:{s:s}, s:{s:s, s:i}}", "id", id,
                     "name", row->name, "description", "", "device_types_compatible", types_of(row),
                     "signed", 0, "modified", manage_time(row->created), "size",
                     (json_int_t)row->length, "updates", "artifact_provides", "artifact_name",
                     row->name, "info", "format", "mender", "version", 3);
    CHECK(json);
    return json;
}

/* Artifacts for Mender's clients, newest release first. */
struct walk {
    struct manage *manage;
    struct manage_page page;
    char name[MENDER_NAME_SIZE_MAX + 1];
    json_t *out;
    bool by_release;
};

static void add_artifact(struct walk *walk, const struct artifact_row *row)
{
    if (walk->name[0] != '\0' && strcmp(walk->name, row->name) != 0)
        return;
    if (walk->page.skip > 0)
        walk->page.skip--;
    else if (walk->page.count > 0 && walk->page.count--)
        CHECK(json_array_append_new(walk->out, describe(row)) == 0);
}

static void add_release(struct walk *walk, const struct artifact_row *rows, uint32_t count)
{
    json_t *artifacts = json_array();

    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].format == ARTIFACT_MENDER)
            CHECK(json_array_append_new(artifacts, describe(&rows[i])) == 0);
    }
    if (json_array_size(artifacts) == 0 ||
        (walk->name[0] != '\0' && strcmp(walk->name, rows[0].name) != 0) || walk->page.count == 0) {
        json_decref(artifacts);
    } else if (walk->page.skip > 0) {
        walk->page.skip--;
        json_decref(artifacts);
    } else {
        walk->page.count--;
        CHECK(json_array_append_new(walk->out, json_pack("{s:s, s:o}", "Name", rows[0].name,
                                                         "Artifacts", artifacts)) == 0);
    }
}

static enum err walk_release(struct walk *walk, const struct release_row *release,
                             struct artifact_row *rows)
{
    uint32_t count;

    TRY(store_artifact_list(walk->manage->app->db, walk->manage->tenant, release->id, ARTIFACTS_MAX,
                            rows, &count));
    if (walk->by_release && count > 0) {
        add_release(walk, rows, count);
        return ERR_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].format == ARTIFACT_MENDER)
            add_artifact(walk, &rows[i]);
    }
    return ERR_OK;
}

static enum err walk_all(struct walk *walk)
{
    enum {
        BATCH = 32
    };
    struct release_row *releases = calloc(BATCH, sizeof *releases);
    struct artifact_row *rows = calloc(ARTIFACTS_MAX, sizeof *rows);
    uint32_t count = BATCH;
    int64_t before = 0;
    enum err err = ERR_OK;

    CHECK(releases && rows);
    while (err == ERR_OK && count == BATCH && walk->page.count > 0) {
        err = store_release_list(walk->manage->app->db, walk->manage->tenant, before, BATCH,
                                 releases, &count);
        for (uint32_t i = 0; err == ERR_OK && i < count; i++)
            err = walk_release(walk, &releases[i], rows);
        if (err == ERR_OK && count > 0)
            before = releases[count - 1].id;
    }
    free(releases);
    free(rows);
    return app_db_failed(walk->manage->app, err, &walk->manage->why);
}

static enum err reply_walk(struct manage *manage, bool by_release)
{
    struct walk walk = {.manage = manage, .by_release = by_release};
    enum err err;

    TRY(manage_page(manage, &walk.page));
    manage_query(manage, "name", walk.name, sizeof walk.name);
    walk.out = json_array();
    CHECK(walk.out);
    err = walk_all(&walk);
    if (err == ERR_OK)
        manage_reply_json(manage, 200, walk.out);
    else
        json_decref(walk.out);
    return err;
}

enum err manage_artifacts(struct manage *manage)
{
    return reply_walk(manage, false);
}

enum err manage_releases(struct manage *manage)
{
    return reply_walk(manage, true);
}

/* ---- One ---- */

static enum err find(struct manage *manage, struct artifact_row *out)
{
    int64_t id;
    enum err err;

    TRY(manage_argument(manage, 0, MENDER_OF_ARTIFACT, &id));
    err = store_artifact_get(manage->app->db, manage->tenant, id, out);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && out->format != ARTIFACT_MENDER))
        return manage_refuse(manage, 404, ERR_NOT_FOUND, "there is no such artifact");
    return app_db_failed(manage->app, err, &manage->why);
}

enum err manage_artifact(struct manage *manage)
{
    struct artifact_row row;

    TRY(find(manage, &row));
    manage_reply_json(manage, 200, describe(&row));
    return ERR_OK;
}

/* The last artifact takes its release along. */
enum err manage_artifact_delete(struct manage *manage)
{
    struct artifact_row row, *rows;
    uint32_t count = 0;
    enum err err;

    TRY(find(manage, &row));
    if (row.target[0] != '\0')
        return manage_refuse(manage, 409, ERR_CONFLICT, "it is signed: its signers withdraw it");
    rows = calloc(ARTIFACTS_MAX, sizeof *rows);
    CHECK(rows);
    err = store_artifact_list(manage->app->db, manage->tenant, row.release, ARTIFACTS_MAX, rows,
                              &count);
    free(rows);
    TRY(app_db_failed(manage->app, err, &manage->why));
    if (count > 1)
        return manage_refuse(manage, 409, ERR_CONFLICT,
                             "other artifacts of this name remain; delete them together");
    TRY(foreign_release_remove(manage->app, manage->tenant, row.release, manage->actor, manage->now,
                               &manage->why));
    reply_empty(manage->exchange, 204);
    return ERR_OK;
}
