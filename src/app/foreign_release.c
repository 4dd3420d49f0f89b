/* Releases that came in through a compatible management API, and older digests of blobs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/blob.h"
#include "app/foreign.h"
#include "base/check.h"
#include "crypto/legacy_digest.h"
#include "format/release.h"
#include "os/say.h"

#define PIECE_SIZE 65536u /* bytes read at a time */

static enum err check_artifact(struct app *app, const struct foreign_release *release,
                               const struct artifact_row *artifact, struct why *why)
{
    enum artifact_format format;
    struct blob_info info;
    unsigned i = 0;
    enum err err;

    while (protocol_format(release->protocol, i, &format) && format != artifact->format)
        i++;
    if (!protocol_format(release->protocol, i, &format))
        return say(why, ERR_INVALID, "format", "no %s client can use %s",
                   protocol_name(release->protocol), artifact_format_text(artifact->format));
    if (!release_name_ok(artifact->file))
        return say(why, ERR_INVALID, "file", "must be 1..64 characters of A-Za-z0-9._-");
    err = blob_stat(app, release->tenant, artifact->sha256, &info);
    if (err == ERR_NOT_FOUND)
        return say(why, err, artifact->file, "has not been uploaded");
    TRY(app_db_failed(app, err, why));
    if (info.size != artifact->length)
        return say(why, ERR_CORRUPT, artifact->file, "has %llu bytes",
                   (unsigned long long)info.size);
    return ERR_OK;
}

static enum err check(struct app *app, const struct foreign_release *release, struct why *why)
{
    CHECK(release->protocol != PROTOCOL_NATIVE);
    if (!release_name_ok(release->product))
        return say(why, ERR_INVALID, "product", "must be 1..64 characters of A-Za-z0-9._-");
    if (!release_version_ok(release->version))
        return say(why, ERR_INVALID, "version", "must be 1..32 characters of A-Za-z0-9._+~-");
    if (release->artifact_count == 0 || release->artifact_count > ARTIFACTS_MAX)
        return say(why, ERR_TOO_BIG, "artifacts", "a release has 1 to %u files", ARTIFACTS_MAX);
    for (uint32_t i = 0; i < release->artifact_count; i++)
        TRY(check_artifact(app, release, &release->artifacts[i], why));
    return ERR_OK;
}

static enum err audit(struct app *app, const struct release_row *row, const char *actor,
                      const char *action, struct utc now)
{
    char name[RELEASE_ID_SIZE], object[ACTOR_SIZE_MAX + RELEASE_ID_SIZE], detail[64];
    const struct deed deed = {.tenant = row->tenant,
                              .actor = actor,
                              .action = action,
                              .object = object,
                              .detail = detail};

    release_row_name(row, name);
    CHECK(snprintf(object, sizeof object, "release:%s", name) > 0);
    (void)snprintf(detail, sizeof detail, "not signed by anybody; for %s devices only",
                   protocol_name(row->authority));
    return app_audit(app, now, &deed);
}

static enum err insert(struct app *app, const struct foreign_release *release, struct utc now,
                       struct release_row *row)
{
    *row = (struct release_row){.tenant = release->tenant,
                                .kind = RELEASE_FEATURE,
                                .no_image = true,
                                .authority = release->protocol,
                                .created = now};
    (void)snprintf(row->product, sizeof row->product, "%s", release->product);
    (void)snprintf(row->version, sizeof row->version, "%s", release->version);
    TRY(store_release_add(app->db, row));
    for (uint32_t i = 0; i < release->artifact_count; i++) {
        struct artifact_row *artifact = &release->artifacts[i];

        artifact->tenant = release->tenant;
        artifact->release = row->id;
        artifact->target[0] = '\0';
        artifact->listing = 0;
        artifact->withdrawn = false;
        artifact->created = now;
        TRY(store_artifact_add(app->db, artifact));
    }
    return audit(app, row, release->actor, "release.add", now);
}

enum err foreign_release_add(struct app *app, const struct foreign_release *release, struct utc now,
                             struct release_row *out, struct why *why)
{
    struct release_row row;
    enum err err;

    TRY(check(app, release, why));
    err = insert(app, release, now, &row);
    if (err == ERR_CONFLICT)
        return say(why, err, "version", "%s@%s exists, or two of its files have one name",
                   release->product, release->version);
    TRY(app_db_failed(app, err, why));
    *out = row;
    return ERR_OK;
}

enum err foreign_release_remove(struct app *app, int64_t tenant, int64_t id, const char *actor,
                                struct utc now, struct why *why)
{
    struct release_row row;
    enum err err = store_release_get(app->db, tenant, id, &row);

    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "there is no such release");
    TRY(app_db_failed(app, err, why));
    if (row.authority == PROTOCOL_NATIVE)
        return say(why, ERR_CONFLICT, NULL, "it is signed: its signers withdraw it");
    err = store_release_remove(app->db, tenant, id);
    if (err == ERR_CONFLICT)
        return say(why, err, NULL, "a rollout is about it");
    TRY(app_db_failed(app, err, why));
    return app_db_failed(app, audit(app, &row, actor, "release.remove", now), why);
}

/* ---- digests ---- */

#define READY_MAX 16u /* computed files whose askers have not come back for them */

struct ready {
    uint8_t sha256[DIGEST_SIZE];
    struct blob_digests digests;
};

/* One file at a time, and whoever asks for any moves it on, so nothing is left half done for long.
 * What is computed waits here: the story that has done the last piece may be undone. */
struct hashing {
    struct legacy_digest *digest; /* NULL: no file is under way */
    uint8_t sha256[DIGEST_SIZE];
    uint64_t at, length;
    struct ready ready[READY_MAX];
    uint32_t ready_count; /* ever; the newest READY_MAX are there */
};

static struct hashing *hashing_of(struct app *app)
{
    if (!app->hashing) {
        app->hashing = calloc(1, sizeof *app->hashing);
        CHECK(app->hashing);
    }
    return app->hashing;
}

static void stop(struct hashing *hashing)
{
    struct blob_digests ignored;

    if (hashing->digest)
        legacy_digest_done(hashing->digest, ignored.sha1, ignored.md5);
    hashing->digest = NULL;
}

void foreign_hashing_forget(struct app *app)
{
    if (!app->hashing)
        return;
    stop(app->hashing);
    free(app->hashing);
    app->hashing = NULL;
}

static const struct ready *find_ready(const struct hashing *hashing,
                                      const uint8_t sha256[DIGEST_SIZE])
{
    for (uint32_t i = 0; i < READY_MAX && i < hashing->ready_count; i++) {
        if (memcmp(hashing->ready[i].sha256, sha256, DIGEST_SIZE) == 0)
            return &hashing->ready[i];
    }
    return NULL;
}

static void begin(struct hashing *hashing, const struct artifact_row *artifact)
{
    memcpy(hashing->sha256, artifact->sha256, DIGEST_SIZE);
    hashing->at = 0;
    hashing->length = artifact->length;
    hashing->digest = legacy_digest_open();
}

static void end(struct hashing *hashing)
{
    struct ready *ready = &hashing->ready[hashing->ready_count++ % READY_MAX];

    memcpy(ready->sha256, hashing->sha256, DIGEST_SIZE);
    legacy_digest_done(hashing->digest, ready->digests.sha1, ready->digests.md5);
    hashing->digest = NULL;
}

/* A slice of the file, after which others have their turn. */
static enum err hash_on(struct app *app, struct hashing *hashing)
{
    uint64_t until = hashing->at + FOREIGN_HASH_SLICE;
    uint8_t *piece = malloc(PIECE_SIZE);
    enum err err = ERR_OK;

    CHECK(piece);
    while (err == ERR_OK && hashing->at < hashing->length && hashing->at < until) {
        uint64_t left = hashing->length - hashing->at;
        size_t size = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;

        err = blobs_read(app->config.blobs, hashing->sha256, hashing->at, piece, size);
        if (err == ERR_OK)
            legacy_digest_update(hashing->digest, (struct span){piece, size});
        hashing->at += size;
    }
    free(piece);
    if (err != ERR_OK)
        stop(hashing);
    else if (hashing->at >= hashing->length)
        end(hashing);
    return err;
}

/* *out is NULL when it takes another turn. */
static enum err compute(struct app *app, const struct artifact_row *artifact,
                        const struct ready **out)
{
    struct hashing *hashing = hashing_of(app);

    *out = find_ready(hashing, artifact->sha256);
    if (*out)
        return ERR_OK;
    if (!hashing->digest)
        begin(hashing, artifact);
    TRY(hash_on(app, hashing));
    *out = find_ready(hashing, artifact->sha256);
    return ERR_OK;
}

enum err foreign_digests(struct app *app, const struct artifact_row *artifact,
                         struct blob_digests *out, struct why *why)
{
    enum err err = store_blob_digests(app->db, artifact->sha256, out);
    const struct ready *ready;

    if (err != ERR_NOT_FOUND)
        return app_db_failed(app, err, why);
    err = compute(app, artifact, &ready);
    if (err != ERR_OK)
        return say(why, err, NULL, "%s cannot be read", artifact->file);
    if (!ready) {
        app->unfinished = true;
        return say(why, ERR_AGAIN, NULL, "%s is still being read", artifact->file);
    }
    *out = ready->digests;
    return app_db_failed(app, store_blob_digests_put(app->db, artifact->sha256, out), why);
}
