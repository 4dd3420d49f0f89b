/* Signed artifacts of other clients: each is kept with the release of its product and version,
 * which it makes when there is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/artifacts.h"
#include "app/publish_inside.h"
#include "base/check.h"
#include "os/say.h"

static void join_hardware(const struct artifact_facts *facts, char *to, size_t to_size)
{
    struct buf buf = buf_over(to, to_size);

    for (uint32_t i = 0; i < facts->hardware_count; i++) {
        buf_text(&buf, i > 0 ? " " : "");
        buf_text(&buf, facts->hardware[i]);
    }
    (void)buf_finish_text(&buf);
    CHECK(!buf.overflow);
}

/* ---- the release ---- */

static enum err add_release(struct publishing *publishing, const struct artifact_facts *facts,
                            struct release_row *out)
{
    struct published *published = publishing->out;

    *out = (struct release_row){.tenant = publishing->tenant,
                                .kind = facts->kind,
                                .security_version = facts->security_version,
                                .listing = publishing->listing,
                                .created = publishing->now,
                                .no_image = true};
    memcpy(out->product, facts->product, sizeof out->product);
    memcpy(out->version, facts->version, sizeof out->version);
    TRY(store_release_add(publishing->app->db, out));
    if (published->added < COUNT_OF(published->ids))
        published->ids[published->added] = out->id;
    published->added++;
    return publish_audit_release(publishing, out, "release.add");
}

static enum err check_release(const struct release_row *release, const struct tuf_target *target,
                              struct why *why)
{
    if (release->authority != PROTOCOL_NATIVE)
        return say(why, ERR_CONFLICT, target->name,
                   "%s@%s came in through the %s API; give what is signed another version",
                   release->product, release->version, protocol_name(release->authority));
    if (release->security_version != target->artifact.security_version)
        return say(why, ERR_CONFLICT, target->name,
                   "%s@%s was published with another security_version", release->product,
                   release->version);
    return ERR_OK;
}

/* The image vouches for a release that has one, and its artifacts for one that has none. */
static enum err find_release(struct publishing *publishing, const struct tuf_target *target,
                             struct release_row *out, struct why *why)
{
    const struct artifact_facts *facts = &target->artifact;
    struct app *app = publishing->app;
    enum err err = store_release_find(app->db, publishing->tenant, span_of(facts->product),
                                      span_of(facts->version), out);

    if (err == ERR_NOT_FOUND)
        return app_db_failed(app, add_release(publishing, facts, out), why);
    TRY(app_db_failed(app, err, why));
    TRY(check_release(out, target, why));
    if (!out->no_image || out->listing == publishing->listing)
        return ERR_OK;
    publishing->out->confirmed++;
    return app_db_failed(
        app, store_release_confirm(app->db, out->tenant, out->id, publishing->listing), why);
}

/* ---- the artifact ---- */

static void fill(const struct publishing *publishing, const struct tuf_target *target,
                 int64_t release, enum artifact_format format, struct artifact_row *out)
{
    const struct artifact_facts *facts = &target->artifact;

    *out = (struct artifact_row){.tenant = publishing->tenant,
                                 .release = release,
                                 .format = format,
                                 .length = target->file.length,
                                 .listing = publishing->listing,
                                 .created = publishing->now};
    CHECK(snprintf(out->file, sizeof out->file, "%s", strrchr(target->name, '/') + 1) > 0);
    memcpy(out->part, facts->part, sizeof out->part);
    memcpy(out->name, facts->runs_as, sizeof out->name);
    memcpy(out->target, target->name, sizeof out->target);
    join_hardware(facts, out->hardware, sizeof out->hardware);
    memcpy(out->sha256, target->file.sha256, DIGEST_SIZE);
}

/* As images, artifacts never change. */
static bool is_same(const struct artifact_row *a, const struct artifact_row *b)
{
    return a->length == b->length && memcmp(a->sha256, b->sha256, DIGEST_SIZE) == 0 &&
           strcmp(a->hardware, b->hardware) == 0 && strcmp(a->name, b->name) == 0 &&
           strcmp(a->part, b->part) == 0;
}

static const struct artifact_row *find(const struct artifacts *artifacts,
                                       const struct artifact_row *row)
{
    for (uint32_t i = 0; i < artifacts->count; i++) {
        const struct artifact_row *old = &artifacts->list[i];

        if (old->format == row->format && strcmp(old->file, row->file) == 0)
            return old;
    }
    return NULL;
}

static enum err add_or_confirm(struct publishing *publishing, const struct artifacts *artifacts,
                               const struct release_row *release, struct artifact_row *row,
                               struct why *why)
{
    const struct artifact_row *old = find(artifacts, row);
    struct app *app = publishing->app;

    if (old && !is_same(old, row))
        return say(why, ERR_CONFLICT, row->target,
                   "was published as something else: a version never changes");
    if (old)
        return app_db_failed(
            app, store_artifact_confirm(app->db, row->tenant, old->id, row->listing), why);
    if (artifacts->count == ARTIFACTS_MAX)
        return say(why, ERR_TOO_BIG, row->target, "a release has at most %u artifacts",
                   ARTIFACTS_MAX);
    TRY(app_db_failed(app, store_artifact_add(app->db, row), why));
    return app_db_failed(app, publish_audit_release(publishing, release, "release.artifact"), why);
}

static enum err take(struct publishing *publishing, const struct tuf_target *target,
                     enum artifact_format format, struct why *why)
{
    struct artifacts *artifacts = calloc(1, sizeof *artifacts);
    struct release_row release;
    struct artifact_row row;
    enum err err = find_release(publishing, target, &release, why);

    CHECK(artifacts);
    if (err == ERR_OK)
        err =
            app_db_failed(publishing->app, artifacts_of(publishing->app, &release, artifacts), why);
    if (err == ERR_OK) {
        fill(publishing, target, release.id, format, &row);
        err = add_or_confirm(publishing, artifacts, &release, &row, why);
    }
    free(artifacts);
    return err;
}

enum err publish_artifact(struct publishing *publishing, const struct tuf_target *target,
                          bool *taken, struct why *why)
{
    enum artifact_format format;

    *taken = false;
    if (artifact_format_parse(span_of(target->artifact.format), &format) != ERR_OK)
        return ERR_OK; /* of a newer signer's */
    if (format == ARTIFACT_IMAGE)
        return say(why, ERR_CORRUPT, target->name, "an image is listed with release facts");
    if (publishing->fresh)
        TRY(publish_check_blob(publishing, target, why));
    *taken = true;
    return take(publishing, target, format, why);
}

CHECK_STATIC(ARTIFACT_RUNS_AS_MAX == ARTIFACT_NAME_SIZE_MAX);
