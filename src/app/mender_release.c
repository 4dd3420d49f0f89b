/* Artifacts that operators of Mender upload. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/mender.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/sha256.h"
#include "format/release.h"
#include "os/say.h"

#define VERSION_DIGITS 8u /* of the digest in a version that had to be made */

void mender_version(const char *name, char out[VERSION_SIZE_MAX + 1])
{
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    size_t kept = VERSION_SIZE_MAX - 1 - VERSION_DIGITS;

    if (release_version_ok(name)) {
        memcpy(out, name, strlen(name) + 1);
        return;
    }
    sha256_of(span_of(name), sha256);
    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    if (strlen(name) < kept)
        kept = strlen(name);
    for (size_t i = 0; i < kept; i++) {
        char one[2] = {name[i], '\0'};

        out[i] = release_version_ok(one) ? name[i] : '-';
    }
    out[0] = kept > 0 && release_version_ok((char[2]){out[0], '\0'}) ? out[0] : 'x';
    (void)snprintf(out + kept, VERSION_SIZE_MAX + 1 - kept, "-%.*s", (int)VERSION_DIGITS, hex);
}

/* Several artifacts of one name differ in what they are for. */
static enum err add_to(struct app *app, const struct release_row *release,
                       struct artifact_row *artifact, struct why *why)
{
    struct artifact_row *list = calloc(ARTIFACTS_MAX, sizeof *list);
    uint32_t count = 0;
    enum err err;

    CHECK(list);
    err = app_db_failed(
        app,
        store_artifact_list(app->db, release->tenant, release->id, ARTIFACTS_MAX, list, &count),
        why);
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (strcmp(list[i].hardware, artifact->hardware) == 0)
            err = say(why, ERR_CONFLICT, NULL,
                      "an artifact with this name and these device types exists");
    }
    free(list);
    if (err == ERR_OK && release->authority != PROTOCOL_MENDER)
        err = say(why, ERR_CONFLICT, NULL, "%s@%s did not come in this way", release->product,
                  release->version);
    if (err == ERR_OK && count == ARTIFACTS_MAX)
        err = say(why, ERR_CONFLICT, NULL, "there are %u artifacts of this name", ARTIFACTS_MAX);
    TRY(err);
    artifact->tenant = release->tenant;
    artifact->release = release->id;
    return app_db_failed(app, store_artifact_add(app->db, artifact), why);
}

static enum err add_new(struct app *app, const struct mender_upload *upload,
                        struct artifact_row *artifact, const char *version, struct utc now,
                        struct why *why)
{
    struct foreign_release order = {.tenant = upload->tenant,
                                    .protocol = PROTOCOL_MENDER,
                                    .product = upload->product,
                                    .version = version,
                                    .artifacts = artifact,
                                    .artifact_count = 1,
                                    .actor = upload->actor};
    struct release_row row;

    return foreign_release_add(app, &order, now, &row, why);
}

static enum err audit(struct app *app, const struct mender_upload *upload, const char *version,
                      struct utc now)
{
    char object[ACTOR_SIZE_MAX + RELEASE_ID_SIZE], hex[DIGEST_HEX_SIZE];

    (void)snprintf(object, sizeof object, "release:%s@%s", upload->product, version);
    hex_print((struct span){upload->sha256, DIGEST_SIZE}, hex);
    return app_audit(app, now,
                     &(struct deed){.tenant = upload->tenant,
                                    .actor = upload->actor,
                                    .action = "artifact.add",
                                    .object = object,
                                    .detail = hex});
}

enum err mender_release_add(struct app *app, const struct mender_upload *upload, struct utc now,
                            struct artifact_row *out, struct why *why)
{
    struct artifact_row artifact = {
        .format = ARTIFACT_MENDER, .length = upload->size, .created = now};
    char version[VERSION_SIZE_MAX + 1], hex[DIGEST_HEX_SIZE];
    struct release_row release;
    enum err err;

    mender_version(upload->name, version);
    hex_print((struct span){upload->sha256, DIGEST_SIZE}, hex);
    (void)snprintf(artifact.file, sizeof artifact.file, "%.16s.mender", hex);
    if (!span_to_text(span_of(upload->name), artifact.name, sizeof artifact.name))
        return say(why, ERR_INVALID, "artifact_name", "has more than %u bytes",
                   ARTIFACT_NAME_SIZE_MAX);
    if (!span_to_text(span_of(upload->hardware), artifact.hardware, sizeof artifact.hardware))
        return say(why, ERR_INVALID, "device_type", "are too many or too long");
    memcpy(artifact.sha256, upload->sha256, DIGEST_SIZE);
    err = store_release_find(app->db, upload->tenant, span_of(upload->product), span_of(version),
                             &release);
    if (err == ERR_OK)
        err = add_to(app, &release, &artifact, why);
    else if (err == ERR_NOT_FOUND)
        err = add_new(app, upload, &artifact, version, now, why);
    TRY(err);
    *out = artifact;
    return app_db_failed(app, audit(app, upload, version, now), why);
}
