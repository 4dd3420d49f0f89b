#include "app/publish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/blob.h"
#include "app/course.h"
#include "app/deeds.h"
#include "app/rules.h"
#include "base/check.h"
#include "format/chunks.h"
#include "os/say.h"
#include "store/metadata.h"
#include "trust/metadata.h"

/* ---- what is stored ---- */

enum err publish_newest(struct app *app, int64_t tenant, enum metadata_role role,
                        struct tuf_bytes *out)
{
    struct metadata_row row;
    enum err err = store_metadata_find(app->db, tenant, role, 0, &row);

    *out = (struct tuf_bytes){0};
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    *out = tuf_bytes_copy(row.bytes);
    return ERR_OK;
}

/* The newest of a role, parsed; *out is NULL when there is none. */
static enum err load(struct app *app, int64_t tenant, enum metadata_role role,
                     struct tuf_metadata **out, struct why *why)
{
    static const enum tuf_role roles[METADATA_ROLE_COUNT] = {
        [METADATA_ROOT] = TUF_ROOT,
        [METADATA_TARGETS] = TUF_TARGETS,
        [METADATA_SNAPSHOT] = TUF_SNAPSHOT,
        [METADATA_TIMESTAMP] = TUF_TIMESTAMP,
    };
    struct tuf_bytes bytes;
    enum err err;

    *out = NULL;
    TRY(app_db_failed(app, publish_newest(app, tenant, role, &bytes), why));
    if (bytes.size == 0)
        return ERR_OK;
    err = tuf_metadata_read(roles[role], tuf_bytes_span(&bytes), out, why);
    tuf_bytes_done(&bytes);
    return err;
}

static enum err keep(struct app *app, int64_t tenant, enum metadata_role role,
                     const struct tuf_metadata *metadata, struct utc now, struct why *why)
{
    uint64_t version = tuf_metadata_version(metadata);
    const struct metadata_row row = {.tenant = tenant,
                                     .role = role,
                                     .version = (uint32_t)version,
                                     .bytes = tuf_metadata_bytes(metadata),
                                     .expires = tuf_metadata_expires(metadata),
                                     .stored = now};

    if (version == 0 || version > INT32_MAX)
        return say(why, ERR_TOO_BIG, "version", "version %" PRIu64 " is out of range", version);
    app_tenant(app, tenant)->shelf_stale = true;
    app_tenant(app, tenant)->policy_stale = true;
    app_tenant(app, tenant)->online_due = (struct utc){0};
    return app_db_failed(app, store_metadata_add(app->db, &row), why);
}

static bool same_bytes(const struct tuf_metadata *metadata, struct span bytes)
{
    return metadata && span_equal(tuf_metadata_bytes(metadata), bytes);
}

static enum err refuse(struct app *app, const struct deed *deed, struct utc now, enum err err,
                       const struct why *why)
{
    return err == ERR_OK ? ERR_OK : app_refuse(app, now, deed, err, why);
}

/* ---- root ---- */

static enum err take_root(struct app *app, const struct deed *deed, struct span bytes,
                          struct utc now, uint32_t *version, struct why *why)
{
    struct tuf_metadata *old, *next = NULL;
    enum err err;

    TRY(load(app, deed->tenant, METADATA_ROOT, &old, why));
    if (same_bytes(old, bytes)) {
        *version = (uint32_t)tuf_metadata_version(old);
        tuf_metadata_close(old);
        return ERR_OK;
    }
    err = tuf_accept_root(old, bytes, now, &next, why);
    tuf_metadata_close(old);
    TRY(err);
    err = keep(app, deed->tenant, METADATA_ROOT, next, now, why);
    if (err == ERR_OK)
        err = app_db_failed(app, app_audit(app, now, deed), why);
    *version = (uint32_t)tuf_metadata_version(next);
    tuf_metadata_close(next);
    return err;
}

/* The new root may disown the present targets; their signers then publish new ones. */
static enum err renew_leniently(struct app *app, int64_t tenant, struct utc now)
{
    enum err err = publish_online(app, tenant, now, NULL);

    return err == ERR_STORAGE || err == ERR_AGAIN ? err : ERR_OK;
}

enum err publish_root(struct app *app, int64_t tenant, const char *actor, struct span bytes,
                      struct utc now, uint32_t *version, struct why *why)
{
    const struct deed deed = {.tenant = tenant, .actor = actor, .action = "trust.root"};
    enum err err = take_root(app, &deed, bytes, now, version, why);

    if (err != ERR_OK)
        return refuse(app, &deed, now, err, why);
    return renew_leniently(app, tenant, now);
}

/* ---- targets ---- */

struct publishing {
    struct app *app;
    int64_t tenant;
    const char *actor;
    struct utc now;
    const struct tuf_metadata *targets;
    struct published *out;
};

static enum err check_blob(struct publishing *publishing, const struct tuf_target *target,
                           struct why *why)
{
    char hex[DIGEST_HEX_SIZE];
    struct buf buf = buf_over(hex, sizeof hex);
    struct blob_info info;
    enum err err;

    if (!target->file.has_sha256 || !target->file.has_length)
        return say(why, ERR_UNSUITABLE, target->name, "the target has no length or no sha256");
    buf_hex(&buf, (struct span){target->file.sha256, DIGEST_SIZE});
    err = blob_stat(publishing->app, publishing->tenant, target->file.sha256, &info);
    if (err == ERR_NOT_FOUND)
        return say(why, err, target->name, "blob %s has not been uploaded", buf_finish_text(&buf));
    if (err != ERR_OK)
        return say(why, err, target->name, "blob %s cannot be read", buf_finish_text(&buf));
    if (info.size != target->file.length)
        return say(why, ERR_CORRUPT, target->name,
                   "the blob has %" PRIu64 " bytes, the target says %" PRIu64, info.size,
                   target->file.length);
    return ERR_OK;
}

/* Digest of one chunk in the image and in the list. */
static enum err compare_chunk(struct publishing *publishing, const struct tuf_target *target,
                              const struct chunks *chunks, struct span list, uint32_t index,
                              struct why *why)
{
    uint32_t size = chunks_sent_size_of(chunks, index);
    uint8_t *room = malloc(size);
    enum err err;

    CHECK(room);
    err = blobs_read(publishing->app->config.blobs, target->file.sha256,
                     chunks_sent_at(chunks, index), room, size);
    if (err == ERR_OK && !chunks_match(chunks, list, index, (struct span){room, size}))
        err = say(why, ERR_CORRUPT, target->name, "chunk %" PRIu32 " is not what its list says",
                  index);
    free(room);
    return err;
}

/* A list that belongs to another image or another cut differs in its first or last chunk; the
 * signers vouch for the rest, and devices check every one. */
static enum err compare_chunks(struct publishing *publishing, const struct tuf_target *target,
                               struct why *why)
{
    const struct chunks chunks = {.length = target->facts.length,
                                  .size = target->facts.chunk_size,
                                  .tag = target->facts.sealed.used ? AEAD_TAG_SIZE : 0};
    struct blob_info info;
    uint8_t *list;
    enum err err;

    if (chunks_check(&chunks) != ERR_OK)
        return say(why, ERR_CORRUPT, target->name, "the image cannot be cut into such chunks");
    TRY(blob_stat(publishing->app, publishing->tenant, target->facts.chunks_sha256, &info));
    if (info.size != chunks_list_size(&chunks))
        return say(why, ERR_CORRUPT, target->name, "the chunk list has the wrong length");
    list = malloc(info.size);
    CHECK(list);
    err =
        blobs_read(publishing->app->config.blobs, target->facts.chunks_sha256, 0, list, info.size);
    if (err == ERR_OK) {
        struct span span = {list, info.size};

        err = compare_chunk(publishing, target, &chunks, span, 0, why);
        if (err == ERR_OK)
            err = compare_chunk(publishing, target, &chunks, span, chunks_count(&chunks) - 1, why);
    }
    free(list);
    return err;
}

static enum err check_chunk_list(struct publishing *publishing, const struct tuf_target *target,
                                 struct why *why)
{
    char name[TARGET_NAME_SIZE_MAX + sizeof RELEASE_CHUNKS_SUFFIX];
    struct tuf_target list;

    CHECK(snprintf(name, sizeof name, "%s" RELEASE_CHUNKS_SUFFIX, target->name) > 0);
    TRY(tuf_find_target(publishing->targets, name, &list, why));
    TRY(check_blob(publishing, &list, why));
    if (memcmp(list.file.sha256, target->facts.chunks_sha256, DIGEST_SIZE) != 0)
        return say(why, ERR_CORRUPT, name, "the facts name another chunk list");
    return compare_chunks(publishing, target, why);
}

static void join_hardware(const struct release_facts *facts, char *to, size_t to_size)
{
    struct buf buf = buf_over(to, to_size);

    for (uint32_t i = 0; i < facts->hardware_count; i++) {
        buf_text(&buf, i > 0 ? " " : "");
        buf_text(&buf, facts->hardware[i]);
    }
    (void)buf_finish_text(&buf);
    CHECK(!buf.overflow);
}

static void join_bases(const struct release_facts *facts, char *to, size_t to_size)
{
    struct buf buf = buf_over(to, to_size);

    for (uint32_t i = 0; i < facts->bases_count; i++) {
        buf_text(&buf, i > 0 ? " " : "");
        if (facts->bases[i].by_digest)
            buf_hex(&buf, (struct span){facts->bases[i].sha256, DIGEST_SIZE});
        else
            buf_text(&buf, facts->bases[i].version);
    }
    (void)buf_finish_text(&buf);
    CHECK(!buf.overflow);
}

static void fill(const struct publishing *publishing, const struct tuf_target *target,
                 struct release_row *out)
{
    const struct release_facts *facts = &target->facts;

    *out = (struct release_row){.tenant = publishing->tenant,
                                .kind = facts->kind,
                                .security_version = facts->security_version,
                                .security_floor = facts->security_floor,
                                .length = target->file.length,
                                .plain_length = facts->length,
                                .chunk_size = facts->chunk_size,
                                .sealed = facts->sealed.used,
                                .alg = facts->sealed.alg,
                                .targets_version = publishing->out->targets_version,
                                .created = publishing->now};
    memcpy(out->product, facts->product, sizeof out->product);
    memcpy(out->version, facts->version, sizeof out->version);
    memcpy(out->target, target->name, sizeof out->target);
    join_hardware(facts, out->hardware, sizeof out->hardware);
    join_bases(facts, out->bases, sizeof out->bases);
    memcpy(out->sha256, target->file.sha256, DIGEST_SIZE);
    memcpy(out->plain_sha256, facts->sha256, DIGEST_SIZE);
    memcpy(out->chunks_sha256, facts->chunks_sha256, DIGEST_SIZE);
    memcpy(out->key_check, facts->sealed.key_check, DIGEST_SIZE);
}

static enum err audit_release(struct publishing *publishing, const struct release_row *row,
                              const char *action)
{
    char name[RELEASE_ID_SIZE], object[ACTOR_SIZE_MAX + RELEASE_ID_SIZE];
    const struct deed deed = {.tenant = publishing->tenant,
                              .actor = publishing->actor,
                              .action = action,
                              .object = object};

    release_row_name(row, name);
    CHECK(snprintf(object, sizeof object, "release:%s", name) > 0);
    return app_audit(publishing->app, publishing->now, &deed);
}

static enum err add(struct publishing *publishing, struct release_row *row)
{
    struct published *out = publishing->out;

    TRY(store_release_add(publishing->app->db, row));
    if (out->added < COUNT_OF(out->ids))
        out->ids[out->added] = row->id;
    out->added++;
    return audit_release(publishing, row, "release.add");
}

/* A version means one image for ever, and is listed once. */
static enum err add_or_confirm(struct publishing *publishing, const struct tuf_target *target,
                               struct why *why)
{
    struct release_row row, old;
    enum err err;

    fill(publishing, target, &row);
    err = store_release_find(publishing->app->db, row.tenant, span_of(row.product),
                             span_of(row.version), &old);
    if (err == ERR_NOT_FOUND)
        return app_db_failed(publishing->app, add(publishing, &row), why);
    TRY(app_db_failed(publishing->app, err, why));
    if (memcmp(old.sha256, row.sha256, DIGEST_SIZE) != 0 || strcmp(old.target, row.target) != 0)
        return say(why, ERR_CONFLICT, target->name,
                   "%s %s has another image already: give the new one a new version", row.product,
                   row.version);
    publishing->out->confirmed++;
    return app_db_failed(
        publishing->app,
        store_release_confirm(publishing->app->db, row.tenant, old.id, row.targets_version), why);
}

static enum err take_target(void *self, const struct tuf_target *target, struct why *why)
{
    struct publishing *publishing = self;

    if (!target->has_facts)
        return ERR_OK; /* a chunk list comes with its image; other files are none of ours */
    TRY(check_blob(publishing, target, why));
    TRY(check_chunk_list(publishing, target, why));
    return add_or_confirm(publishing, target, why);
}

static enum err audit_targets(struct publishing *publishing)
{
    const struct published *out = publishing->out;
    char detail[AUDIT_TEXT_MAX];
    const struct deed deed = {.tenant = publishing->tenant,
                              .actor = publishing->actor,
                              .action = "trust.targets",
                              .detail = detail};

    CHECK(snprintf(detail, sizeof detail, "version %u: %u releases added, %u kept, %u withdrawn",
                   out->targets_version, out->added, out->confirmed, out->withdrawn) > 0);
    return app_audit(publishing->app, publishing->now, &deed);
}

static enum err take_all(struct publishing *publishing, struct why *why)
{
    struct app *app = publishing->app;
    struct published *out = publishing->out;

    TRY(keep(app, publishing->tenant, METADATA_TARGETS, publishing->targets, publishing->now, why));
    TRY(tuf_for_each_target(publishing->targets, take_target, publishing, why));
    TRY(app_db_failed(app,
                      store_release_withdraw_others(app->db, publishing->tenant,
                                                    out->targets_version, &out->withdrawn),
                      why));
    TRY(app_db_failed(app, audit_targets(publishing), why));
    TRY(app_db_failed(app, rules_enforce(publishing->app, publishing->tenant, publishing->now),
                      why));
    return publish_online(app, publishing->tenant, publishing->now, why);
}

static enum err take_targets(struct publishing *publishing, struct span bytes, struct why *why)
{
    struct tuf_metadata *root, *old = NULL, *next = NULL;
    enum err err;

    TRY(load(publishing->app, publishing->tenant, METADATA_ROOT, &root, why));
    if (!root)
        return say(why, ERR_INVALID, NULL, "no root has been published yet");
    err = load(publishing->app, publishing->tenant, METADATA_TARGETS, &old, why);
    if (err == ERR_OK && same_bytes(old, bytes)) {
        publishing->out->targets_version = (uint32_t)tuf_metadata_version(old);
    } else if (err == ERR_OK) {
        err = tuf_accept_targets(root, old, bytes, publishing->now, &next, why);
        publishing->targets = next;
        if (err == ERR_OK) {
            publishing->out->targets_version = (uint32_t)tuf_metadata_version(next);
            err = take_all(publishing, why);
        }
    }
    tuf_metadata_close(root);
    tuf_metadata_close(old);
    tuf_metadata_close(next);
    return err;
}

enum err publish_targets(struct app *app, int64_t tenant, const char *actor, struct span bytes,
                         struct utc now, struct published *out, struct why *why)
{
    struct publishing publishing = {
        .app = app, .tenant = tenant, .actor = actor, .now = now, .out = out};
    const struct deed deed = {.tenant = tenant, .actor = actor, .action = "trust.targets"};

    *out = (struct published){0};
    return refuse(app, &deed, now, take_targets(&publishing, bytes, why), why);
}
