/* One list of releases: each image measured against what is signed of it, and kept or confirmed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/blob.h"
#include "app/publish_inside.h"
#include "base/check.h"
#include "format/chunks.h"
#include "os/say.h"
#include "store/listed_file.h"

enum err publish_check_blob(struct publishing *publishing, const struct tuf_target *target,
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
    TRY(tuf_find_target(publishing->list, name, &list, why));
    TRY(publish_check_blob(publishing, &list, why));
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
                                .release_counter = facts->release_counter,
                                .length = target->file.length,
                                .plain_length = facts->length,
                                .chunk_size = facts->chunk_size,
                                .sealed = facts->sealed.used,
                                .alg = facts->sealed.alg,
                                .listing = publishing->listing,
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

enum err publish_audit_release(struct publishing *publishing, const struct release_row *row,
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
    return publish_audit_release(publishing, row, "release.add");
}

/* The first field in which signed facts of a known version differ; NULL: in none. What is merely
 * remembered beside them, such as a time, does not count. */
static const char *changed_field(const struct release_row *old, const struct release_row *row)
{
    const struct {
        const char *field;
        bool same;
    } fields[] = {
        {"target", strcmp(old->target, row->target) == 0},
        {"hashes", memcmp(old->sha256, row->sha256, DIGEST_SIZE) == 0},
        {"length", old->length == row->length},
        {"plain", old->plain_length == row->plain_length &&
                      memcmp(old->plain_sha256, row->plain_sha256, DIGEST_SIZE) == 0},
        {"hardware", strcmp(old->hardware, row->hardware) == 0},
        {"from", strcmp(old->bases, row->bases) == 0},
        {"kind", old->kind == row->kind},
        {"security_version", old->security_version == row->security_version},
        {"security_floor", old->security_floor == row->security_floor},
        {"release_counter",
         old->release_counter < 0 || old->release_counter == row->release_counter},
        {"chunks", old->chunk_size == row->chunk_size &&
                       memcmp(old->chunks_sha256, row->chunks_sha256, DIGEST_SIZE) == 0},
        {"sealed", old->sealed == row->sealed && old->alg == row->alg &&
                       memcmp(old->key_check, row->key_check, DIGEST_SIZE) == 0},
    };

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (!fields[i].same)
            return fields[i].field;
    }
    return NULL;
}

/* Devices, plans and the audit log have acted on what was signed first. To take other facts for
 * the same version would change under them what they decided; not to take them, silently, would
 * make the server believe something else than devices, which read the list themselves. */
static enum err check_same(const struct release_row *old, const struct release_row *row,
                           const char *target, struct why *why)
{
    const char *field = changed_field(old, row);

    if (!field)
        return ERR_OK;
    return say(why, ERR_CONFLICT, target,
               "%s@%s was published with another \"%s\": a version never changes, so give what is "
               "new a new version",
               row->product, row->version, field);
}

/* The version had artifacts only, and now has its image. */
static enum err give_image(struct publishing *publishing, const struct release_row *old,
                           struct release_row *row, const struct tuf_target *target,
                           struct why *why)
{
    if (old->authority != PROTOCOL_NATIVE)
        return say(why, ERR_CONFLICT, target->name,
                   "%s@%s came in through the %s API; give what is signed another version",
                   row->product, row->version, protocol_name(old->authority));
    if (old->security_version != row->security_version)
        return say(why, ERR_CONFLICT, target->name,
                   "the artifacts of %s@%s state another security_version", row->product,
                   row->version);
    row->id = old->id;
    row->created = old->created;
    TRY(app_db_failed(publishing->app, store_release_set_image(publishing->app->db, row), why));
    return app_db_failed(publishing->app, publish_audit_release(publishing, row, "release.image"),
                         why);
}

/* A version means one image for ever, and the first list that has it counts. */
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
    if (old.no_image)
        return give_image(publishing, &old, &row, target, why);
    TRY(check_same(&old, &row, target->name, why));
    publishing->out->confirmed += old.listing != row.listing;
    return app_db_failed(
        publishing->app,
        store_release_confirm(publishing->app->db, row.tenant, old.id, row.listing), why);
}

static bool is_chunk_list(const char *name)
{
    size_t size = strlen(name), suffix = strlen(RELEASE_CHUNKS_SUFFIX);

    return size > suffix && strcmp(name + size - suffix, RELEASE_CHUNKS_SUFFIX) == 0;
}

/* A file that is no image: kept and handed out as long as it is listed, if the tenant has brought
 * its bytes. To name another's blob is not enough to read it. */
static enum err take_file(struct publishing *publishing, const struct tuf_target *target,
                          struct why *why)
{
    struct app *app = publishing->app;
    struct blob_info info;
    enum err err;

    if (!target->file.has_sha256 || is_chunk_list(target->name))
        return ERR_OK; /* a chunk list comes with its image */
    err = blob_stat(app, publishing->tenant, target->file.sha256, &info);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err == ERR_OK)
        err = store_listed_file_put(app->db, publishing->tenant, target->file.sha256,
                                    publishing->listing);
    return app_db_failed(app, err, why);
}

static enum err take_target(void *self, const struct tuf_target *target, struct why *why)
{
    struct publishing *publishing = self;
    bool taken = false;

    if (target->has_artifact)
        TRY(publish_artifact(publishing, target, &taken, why));
    if (taken)
        return ERR_OK;
    if (!target->has_facts)
        return take_file(publishing, target, why);
    if (publishing->fresh) {
        TRY(publish_check_blob(publishing, target, why));
        TRY(check_chunk_list(publishing, target, why));
    }
    return add_or_confirm(publishing, target, why);
}

enum err publish_list(struct publishing *publishing, const struct tuf_metadata *list, bool fresh,
                      struct why *why)
{
    publishing->list = list;
    publishing->fresh = fresh;
    return tuf_for_each_target(list, take_target, publishing, why);
}
