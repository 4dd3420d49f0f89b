/* Deployments as hawkBit's devices see them, and their files. */
#include <stdlib.h>

#include "base/check.h"
#include "net/http_range.h"
#include "server/hawkbit_inside.h"

/* What a deployment is written from: it all must live until it has been. */
struct sheet {
    char origin[FOREIGN_ORIGIN_SIZE];
    struct hawkbit_place place;
    struct blob_digests digests[ARTIFACTS_MAX];
    struct hawkbit_artifact artifacts[ARTIFACTS_MAX];
    struct foreign_word words[HAWKBIT_HISTORY_MAX];
    struct span history[HAWKBIT_HISTORY_MAX];
    struct hawkbit_deployment deployment;
};

static enum err fill_artifacts(struct hawkbit_handling *handling, struct sheet *sheet)
{
    const struct foreign_offer *offer = &handling->offer;

    for (uint32_t i = 0; i < offer->artifact_count; i++) {
        const struct artifact_row *row = &offer->artifacts[i];

        TRY(foreign_digests(handling->app, row, &sheet->digests[i], &handling->why));
        sheet->artifacts[i] = (struct hawkbit_artifact){.file = span_of(row->file),
                                                        .part = span_of(row->part),
                                                        .length = row->length,
                                                        .sha256 = row->sha256,
                                                        .sha1 = sheet->digests[i].sha1,
                                                        .md5 = sheet->digests[i].md5};
    }
    sheet->deployment.artifacts = sheet->artifacts;
    sheet->deployment.artifact_count = offer->artifact_count;
    return ERR_OK;
}

/* hawkBit's word for it. */
static const char *status_of(const struct hawkbit_handling *handling)
{
    const struct assignment *assignment = &handling->device.call.assignment.assignment;

    if (handling->offer.open)
        return "RUNNING";
    return assignment->state == ASSIGNMENT_SUCCEEDED ? "FINISHED" : "ERROR";
}

static enum err fill_history(struct hawkbit_handling *handling, struct sheet *sheet)
{
    const struct assignment_row *row = &handling->device.call.assignment;
    uint32_t count;

    if (handling->call.history == 0)
        return ERR_OK;
    TRY(app_db_failed(handling->app,
                      store_foreign_words(handling->app->db, row->tenant, row->device, row->id, 0,
                                          handling->call.history, sheet->words, &count),
                      &handling->why));
    for (uint32_t i = 0; i < count; i++)
        sheet->history[i] = span_of(sheet->words[i].text);
    sheet->deployment.history = sheet->history;
    sheet->deployment.history_count = count;
    sheet->deployment.history_status = status_of(handling);
    return ERR_OK;
}

static enum err fill(struct hawkbit_handling *handling, struct sheet *sheet)
{
    const struct release_row *release = &handling->device.call.release;

    if (foreign_origin(handling->exchange, sheet->origin) != ERR_OK)
        return ERR_INVALID;
    sheet->place = (struct hawkbit_place){sheet->origin, handling->call.tenant_segment,
                                          handling->call.device_segment};
    sheet->deployment = (struct hawkbit_deployment){.id = handling->call.id,
                                                    .name = span_of(release->product),
                                                    .version = span_of(release->version)};
    TRY(fill_artifacts(handling, sheet));
    return fill_history(handling, sheet);
}

static enum err send(struct hawkbit_handling *handling,
                     void (*write)(const struct hawkbit_place *, const struct hawkbit_deployment *,
                                   struct tree_out *))
{
    struct sheet *sheet = calloc(1, sizeof *sheet);
    struct tree_out out;
    struct buf buf;
    enum err err;

    CHECK(sheet);
    err = fill(handling, sheet);
    if (err == ERR_OK)
        err = hawkbit_reply_begin(handling, &buf, &out);
    if (err != ERR_OK) {
        free(sheet);
        return hawkbit_reply_error(handling, err);
    }
    write(&sheet->place, &sheet->deployment, &out);
    free(sheet);
    return hawkbit_reply_end(handling, &buf);
}

/* HEAD looks, and begins nothing. */
static enum err find(struct hawkbit_handling *handling, bool begins)
{
    return foreign_deployment(handling->app, &handling->device, handling->call.id,
                              begins && !handling->exchange->request.head_only, &handling->offer,
                              &handling->why);
}

enum err hawkbit_deployment(struct hawkbit_handling *handling)
{
    enum err err = find(handling, true);

    return err == ERR_OK ? send(handling, hawkbit_write_deployment)
                         : hawkbit_reply_error(handling, err);
}

enum err hawkbit_installed(struct hawkbit_handling *handling)
{
    enum err err = find(handling, false);

    if (err == ERR_OK && handling->offer.open)
        err = ERR_NOT_FOUND;
    return err == ERR_OK ? send(handling, hawkbit_write_deployment)
                         : hawkbit_reply_error(handling, err);
}

enum err hawkbit_artifacts(struct hawkbit_handling *handling)
{
    enum err err = find(handling, false);

    return err == ERR_OK ? send(handling, hawkbit_write_artifacts)
                         : hawkbit_reply_error(handling, err);
}

/* ---- files ---- */

/* Whether the answer, as the front will give it, has the last byte of the file. */
static bool reaches_the_end(const struct request_view *request, const struct artifact_row *row)
{
    char etag[DIGEST_HEX_SIZE + 2];
    struct buf buf = buf_over(etag, sizeof etag);
    struct http_condition condition = {.range = request->range,
                                       .if_range = request->if_range,
                                       .if_match = request->if_match,
                                       .if_none_match = request->if_none_match};
    struct http_range range = {0};
    uint16_t status;

    buf_byte(&buf, '"');
    buf_hex(&buf, (struct span){row->sha256, DIGEST_SIZE});
    buf_byte(&buf, '"');
    status = http_condition_status(&condition, buf_written(&buf), row->length, &range);
    return status == 200 || (status == 206 && range.from + range.size == row->length);
}

enum err hawkbit_artifact(struct hawkbit_handling *handling)
{
    const struct request_view *request = &handling->exchange->request;
    struct artifact_row row;
    enum err err = foreign_artifact(handling->app, &handling->device, handling->call.id,
                                    span_of(handling->call.file), &row, &handling->why);

    if (err == ERR_OK && !request->head_only && reaches_the_end(request, &row))
        err = foreign_leave(handling->app, &handling->device, handling->call.id, &handling->why);
    if (err == ERR_DENIED)
        err = ERR_NOT_FOUND; /* as of anything that is not offered */
    if (err != ERR_OK)
        return hawkbit_reply_error(handling, err);
    reply_blob(handling->exchange, row.sha256);
    return ERR_OK;
}

enum err hawkbit_md5sum(struct hawkbit_handling *handling)
{
    struct blob_digests digests;
    struct artifact_row row;
    uint8_t room[128];
    struct buf buf = buf_over(room, sizeof room);
    enum err err = foreign_artifact(handling->app, &handling->device, handling->call.id,
                                    span_of(handling->call.file), &row, &handling->why);

    if (err == ERR_OK)
        err = foreign_digests(handling->app, &row, &digests, &handling->why);
    if (err != ERR_OK)
        return hawkbit_reply_error(handling, err);
    hawkbit_write_md5sum(&(struct hawkbit_artifact){.file = span_of(row.file), .md5 = digests.md5},
                         &buf);
    reply_bytes(handling->exchange, 200, "text/plain", buf_written(&buf));
    return ERR_OK;
}
