/* Releases in a repository: images measured, copied and listed. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/release_json.h"
#include "trust/repository_files.h"
#include "trust/repository_seal.h"
#include "trust/tuf_file.h"

#define IMAGE_TEMP "image" /* in blobs/, until its digest is known */

/* ---- Measuring and copying ---- */

struct copy {
    int from, to;
    struct digest *whole;
    uint8_t *piece;          /* of chunk_size bytes */
    struct tuf_bytes chunks; /* the chunk list so far */
    uint64_t length;
};

/* A full chunk, or what is left of the file. */
static ssize_t read_piece(int fd, uint8_t *piece, size_t size)
{
    size_t at = 0;

    while (at < size) {
        ssize_t got = read(fd, piece + at, size - at);

        if (got < 0)
            return got;
        if (got == 0)
            break;
        at += (size_t)got;
    }
    return (ssize_t)at;
}

static enum err copy_pieces(struct copy *copy, size_t chunk_size, uint64_t chunks_max,
                            const char *path, struct why *why)
{
    ssize_t got;

    while ((got = read_piece(copy->from, copy->piece, chunk_size)) > 0) {
        struct span piece = {copy->piece, (size_t)got};

        if (copy->chunks.size == DIGEST_SIZE * chunks_max)
            return say(why, ERR_TOO_BIG, NULL, "%s: is growing while it is read", path);
        digest_update(copy->whole, piece);
        digest_of(DIGEST_SHA256, piece, copy->chunks.at + copy->chunks.size);
        copy->chunks.size += DIGEST_SIZE;
        copy->length += piece.size;
        if (file_write_all(copy->to, piece.at, piece.size) != ERR_OK)
            return say(why, ERR_STORAGE, NULL, "a copy of %s cannot be written: %s", path,
                       strerror(errno));
    }
    if (got < 0)
        return say(why, ERR_STORAGE, NULL, "%s: %s", path, strerror(errno));
    if (fsync(copy->to) != 0)
        return say(why, ERR_STORAGE, NULL, "a copy of %s cannot be written: %s", path,
                   strerror(errno));
    return ERR_OK;
}

static enum err check_image(int fd, const char *path, uint32_t chunk_size, uint64_t *chunks_max,
                            struct why *why)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return say(why, ERR_STORAGE, NULL, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode) || info.st_size == 0)
        return say(why, ERR_CORRUPT, NULL, "%s: is not a file with an image in it", path);
    *chunks_max = release_chunk_count((uint64_t)info.st_size, chunk_size);
    if (*chunks_max > CHUNKS_MAX)
        return say(why, ERR_TOO_BIG, NULL,
                   "%s: would have %" PRIu64 " chunks; with larger ones at most %u", path,
                   *chunks_max, CHUNKS_MAX);
    return ERR_OK;
}

/* Fill in what is measured; the chunk list goes to `chunks`. */
static enum err copy_open_image(struct copy *copy, const char *path, struct release_facts *facts,
                                struct why *why)
{
    uint64_t chunks_max = 0;
    enum err err;

    TRY(check_image(copy->from, path, facts->chunk_size, &chunks_max, why));
    copy->piece = malloc(facts->chunk_size);
    copy->chunks.at = malloc((size_t)chunks_max * DIGEST_SIZE);
    copy->whole = digest_open(DIGEST_SHA256);
    CHECK(copy->piece && copy->chunks.at);
    err = copy_pieces(copy, facts->chunk_size, chunks_max, path, why);
    if (err == ERR_OK) {
        facts->length = copy->length;
        digest_done(copy->whole, facts->sha256);
        digest_of(DIGEST_SHA256, tuf_bytes_span(&copy->chunks), facts->chunks_sha256);
    }
    digest_close(copy->whole);
    free(copy->piece);
    return err;
}

static enum err copy_image(const char *image, const char *temp, struct release_facts *facts,
                           struct tuf_bytes *chunks, struct why *why)
{
    struct copy copy = {.from = open(image, O_RDONLY | O_CLOEXEC), .to = -1};
    enum err err;

    if (copy.from < 0)
        return say(why, ERR_STORAGE, NULL, "%s: %s", image, strerror(errno));
    copy.to = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (copy.to < 0)
        err = say(why, ERR_STORAGE, NULL, "%s: %s", temp, strerror(errno));
    else
        err = copy_open_image(&copy, image, facts, why);
    (void)close(copy.from);
    if (copy.to >= 0)
        (void)close(copy.to); /* it was synced */
    if (err == ERR_OK)
        *chunks = copy.chunks;
    else
        tuf_bytes_done(&copy.chunks);
    return err;
}

/* Image, sealed if that is wanted, and chunk list under their digests in blobs/. */
static enum err store_blobs(const char *dir, const struct repository_release *release,
                            struct release_facts *facts, struct why *why)
{
    char temp[PATH_MAX], path[PATH_MAX], folder[PATH_MAX];
    struct tuf_bytes chunks = {0};
    enum err err;

    TRY(tuf_file_path(dir, REPOSITORY_BLOBS, folder, sizeof folder, why));
    TRY(tuf_file_path(folder, IMAGE_TEMP, temp, sizeof temp, why));
    err = release->seal ? repository_seal_image(dir, release->image, temp, facts, &chunks, why)
                        : copy_image(release->image, temp, facts, &chunks, why);
    if (err == ERR_OK)
        err = repository_blob_path(dir, release_sent_sha256(facts), path, sizeof path, why);
    if (err == ERR_OK && rename(temp, path) != 0)
        err = say(why, ERR_STORAGE, NULL, "%s: %s", path, strerror(errno));
    if (err == ERR_OK)
        err = repository_blob_path(dir, facts->chunks_sha256, path, sizeof path, why);
    if (err == ERR_OK)
        err = tuf_file_replace(folder, strrchr(path, '/') + 1, tuf_bytes_span(&chunks), why);
    if (err != ERR_OK)
        (void)unlink(temp); /* a leftover would only take room */
    tuf_bytes_done(&chunks);
    return err;
}

/* ---- Listing ---- */

static json_t *digest_entry(uint64_t length, const uint8_t sha256[DIGEST_SIZE])
{
    char hex[DIGEST_HEX_SIZE];
    json_t *entry;

    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    entry = json_pack("{s:I, s:{s:s}}", "length", (json_int_t)length, "hashes", "sha256", hex);
    CHECK(entry);
    return entry;
}

/* The release's folder in target names: "PRODUCT/VERSION/". */
static bool in_release(const char *target, const char *product, const char *version)
{
    size_t product_size = strlen(product), version_size = strlen(version);

    return strncmp(target, product, product_size) == 0 && target[product_size] == '/' &&
           strncmp(target + product_size + 1, version, version_size) == 0 &&
           target[product_size + 1 + version_size] == '/';
}

/* Calls `each` for the targets of every list, top-level and delegated, as they are newest; stops
 * at the first failure and returns it. */
typedef enum err each_list(void *self, const char *role, const json_t *targets, struct why *why);

static enum err ask_list(const char *dir, const char *role, each_list *each, void *self,
                         struct why *why)
{
    struct tuf_metadata *metadata;
    enum err err = repository_read_newest(dir, role, &metadata, why);

    if (err == ERR_NOT_FOUND)
        return ERR_OK; /* delegated to, but nothing was ever listed there */
    TRY(err);
    err = each(self, role, json_object_get(tuf_metadata_signed(metadata), "targets"), why);
    tuf_metadata_close(metadata);
    return err;
}

static enum err for_each_list(const char *dir, each_list *each, void *self, struct why *why)
{
    struct repository_names *names = calloc(1, sizeof *names);
    enum err err;

    CHECK(names);
    err = repository_roles(dir, names, why);
    if (err == ERR_OK)
        err = ask_list(dir, REPOSITORY_TARGETS, each, self, why);
    for (uint32_t i = 0; err == ERR_OK && i < names->count; i++)
        err = ask_list(dir, names->at[i], each, self, why);
    free(names);
    return err;
}

struct wanted {
    const char *product, *version;
    const char *name; /* of the target; NULL: any of the release */
    const json_t *entry;
    bool listed;                     /* exactly as `entry` */
    char role[REPOSITORY_NAME_SIZE]; /* where the release is listed, "" if nowhere */
};

static void note_role(struct wanted *wanted, const char *role)
{
    (void)snprintf(wanted->role, sizeof wanted->role, "%s", role);
}

static bool is_artifact(const json_t *entry)
{
    return json_object_get(json_object_get(entry, "custom"), ARTIFACT_JSON_KEY) != NULL;
}

static enum err check_list(void *self, const char *role, const json_t *targets, struct why *why)
{
    struct wanted *wanted = self;
    const json_t *there = json_object_get(targets, wanted->name);
    void *i = json_object_iter((json_t *)(uintptr_t)targets);

    if (there && json_equal(there, wanted->entry)) {
        wanted->listed = true;
        note_role(wanted, role);
        return ERR_OK;
    }
    if (there)
        return say(why, ERR_CONFLICT, NULL,
                   "%s is listed already, as something else; a version is never reused",
                   wanted->name);
    for (; i && wanted->product; i = json_object_iter_next((json_t *)(uintptr_t)targets, i)) {
        const char *other = json_object_iter_key(i);

        if (is_artifact(json_object_iter_value(i)))
            continue; /* stands beside any image */
        if (in_release(other, wanted->product, wanted->version))
            return say(why, ERR_CONFLICT, NULL, "%s %s has an image already: %s", wanted->product,
                       wanted->version, other);
    }
    return ERR_OK;
}

/* ERR_CONFLICT unless the release is new or exactly this one already (`listed`), in any list. */
static enum err check_version_free(struct repository_edit *edit, const char *name,
                                   const json_t *entry, const struct release_facts *facts,
                                   bool *listed, struct why *why)
{
    struct wanted wanted = {
        .product = facts->product, .version = facts->version, .name = name, .entry = entry};

    TRY(for_each_list(edit->dir, check_list, &wanted, why));
    *listed = wanted.listed;
    if (wanted.listed) {
        memcpy(edit->role, wanted.role, sizeof edit->role);
        return ERR_OK;
    }
    return repository_role_for(edit->dir, name, NULL, edit->role, why);
}

enum err repository_check_target_free(struct repository_edit *edit, const char *name,
                                      const json_t *entry, bool *listed, struct why *why)
{
    struct wanted wanted = {.name = name, .entry = entry};

    TRY(for_each_list(edit->dir, check_list, &wanted, why));
    *listed = wanted.listed;
    if (!wanted.listed)
        return repository_role_for(edit->dir, name, NULL, edit->role, why);
    memcpy(edit->role, wanted.role, sizeof edit->role);
    return ERR_OK;
}

static json_t *image_entry(const struct release_facts *facts)
{
    json_t *entry = digest_entry(release_sent_length(facts), release_sent_sha256(facts));

    CHECK(json_object_set_new(entry, "custom", release_to_custom(facts)) == 0);
    return entry;
}

static enum err chunks_name(const char *name, char to[TARGET_NAME_SIZE_MAX + 1], struct why *why)
{
    int size = snprintf(to, TARGET_NAME_SIZE_MAX + 1, "%s" RELEASE_CHUNKS_SUFFIX, name);

    if (size > (int)TARGET_NAME_SIZE_MAX)
        return say(why, ERR_TOO_BIG, NULL, "%s" RELEASE_CHUNKS_SUFFIX ": has more than %u bytes",
                   name, TARGET_NAME_SIZE_MAX);
    return ERR_OK;
}

/* The file name of the path, which must be one that a target may have. */
static const char *file_of(const struct repository_release *release)
{
    const char *slash = strrchr(release->image, '/');

    if (release->file)
        return release->file;
    return slash ? slash + 1 : release->image;
}

/* Refuse before a large image is copied; what is measured is made up here. */
static enum err check_stated(const struct release_facts *stated, struct why *why)
{
    struct release_facts facts = *stated;
    const char *field = "";
    enum err err;

    facts.length = 1;
    facts.sealed.used = false;
    err = release_facts_check(&facts, &field);
    if (err == ERR_OK)
        return ERR_OK;
    why_say(why, field, "is missing or is not what a release may state");
    return say_where(why, err, "%s", field);
}

static enum err stage_release(struct repository_edit *edit, const char *name, const json_t *entry,
                              const struct release_facts *facts, struct why *why)
{
    uint64_t count = release_chunk_count(facts->length, facts->chunk_size);
    char list[TARGET_NAME_SIZE_MAX + 1];
    json_t *envelope, *targets;

    TRY(chunks_name(name, list, why));
    TRY(repository_begin_change(edit->dir, edit->role, edit->expires, &envelope, why));
    targets = json_object_get(tuf_envelope_signed(envelope), "targets");
    CHECK(json_object_set_new(targets, name, json_deep_copy(entry)) == 0);
    CHECK(json_object_set_new(targets, list,
                              digest_entry(count * DIGEST_SIZE, facts->chunks_sha256)) == 0);
    return repository_stage(edit->dir, edit->role, envelope, why);
}

static enum err list_release(struct repository_edit *edit, const char *name,
                             const struct release_facts *facts, struct why *why)
{
    json_t *entry = image_entry(facts);
    bool listed = false;
    enum err err = check_version_free(edit, name, entry, facts, &listed, why);

    if (err == ERR_OK && !listed)
        err = stage_release(edit, name, entry, facts, why);
    json_decref(entry);
    return err;
}

enum err repository_add_release(struct repository_edit *edit,
                                const struct repository_release *release, struct tuf_target *out,
                                struct why *why)
{
    struct tuf_target target = {.has_facts = true, .facts = release->facts};
    struct release_facts *facts = &target.facts;

    if (facts->chunk_size == 0)
        facts->chunk_size = CHUNK_SIZE_DEFAULT;
    TRY(check_stated(facts, why));
    TRY(release_target_name(facts, file_of(release), target.name, why));
    TRY(store_blobs(edit->dir, release, facts, why));
    TRY(list_release(edit, target.name, facts, why));
    target.file = (struct tuf_file){.has_length = true,
                                    .length = release_sent_length(facts),
                                    .has_hashes = true,
                                    .has_sha256 = true};
    memcpy(target.file.sha256, release_sent_sha256(facts), DIGEST_SIZE);
    *out = target;
    return ERR_OK;
}

/* ---- Finding and removing ---- */

static enum err find_list(void *self, const char *role, const json_t *targets, struct why *why)
{
    struct wanted *wanted = self;
    void *i = json_object_iter((json_t *)(uintptr_t)targets);

    (void)why;
    for (; i && wanted->role[0] == '\0';
         i = json_object_iter_next((json_t *)(uintptr_t)targets, i)) {
        if (in_release(json_object_iter_key(i), wanted->product, wanted->version))
            note_role(wanted, role);
    }
    return ERR_OK;
}

static enum err find_role(const char *dir, const char *product, const char *version,
                          char role[REPOSITORY_NAME_SIZE], struct why *why)
{
    struct wanted wanted = {.product = product, .version = version};

    TRY(for_each_list(dir, find_list, &wanted, why));
    if (wanted.role[0] == '\0')
        return say(why, ERR_NOT_FOUND, NULL, "%s %s is not listed", product, version);
    memcpy(role, wanted.role, sizeof wanted.role);
    return ERR_OK;
}

struct found {
    const char *product, *version;
    struct release_facts *facts;
    bool found;
};

static enum err take_facts(void *self, const struct tuf_target *target, struct why *why)
{
    struct found *found = self;

    (void)why;
    if (target->has_facts && in_release(target->name, found->product, found->version)) {
        *found->facts = target->facts;
        found->found = true;
    }
    return ERR_OK;
}

enum err repository_find_release(const char *dir, const char *product, const char *version,
                                 struct release_facts *out, struct why *why)
{
    struct found found = {.product = product, .version = version, .facts = out};
    char role[REPOSITORY_NAME_SIZE];
    struct tuf_metadata *targets;
    enum err err;

    TRY(find_role(dir, product, version, role, why));
    TRY(repository_read_newest(dir, role, &targets, why));
    err = tuf_for_each_target(targets, take_facts, &found, why);
    tuf_metadata_close(targets);
    if (err == ERR_OK && !found.found)
        err = say(why, ERR_NOT_FOUND, NULL, "%s %s has no image", product, version);
    return err;
}

struct sealed_search {
    const char *product;
    bool found;
};

static enum err look_for_sealed(void *self, const struct tuf_target *target, struct why *why)
{
    struct sealed_search *search = self;

    (void)why;
    search->found |= target->has_facts && target->facts.sealed.used &&
                     strcmp(target->facts.product, search->product) == 0;
    return ERR_OK;
}

enum err repository_seals(const char *dir, const char *product, bool *out, struct why *why)
{
    char role[REPOSITORY_NAME_SIZE], name[NAME_SIZE_MAX + sizeof "/0/0"];
    struct sealed_search search = {.product = product};
    struct tuf_metadata *targets;
    enum err err;

    (void)snprintf(name, sizeof name, "%s/0/0", product); /* where all of its releases would go */
    TRY(repository_role_for(dir, name, NULL, role, why));
    err = repository_read_newest(dir, role, &targets, why);
    if (err == ERR_NOT_FOUND) {
        *out = false;
        return ERR_OK;
    }
    TRY(err);
    err = tuf_for_each_target(targets, look_for_sealed, &search, why);
    tuf_metadata_close(targets);
    *out = search.found;
    return err;
}

enum err repository_remove_release(struct repository_edit *edit, const char *product,
                                   const char *version, struct why *why)
{
    json_t *envelope, *targets, *entry;
    const char *name;
    void *next;

    TRY(find_role(edit->dir, product, version, edit->role, why));
    TRY(repository_begin_change(edit->dir, edit->role, edit->expires, &envelope, why));
    targets = json_object_get(tuf_envelope_signed(envelope), "targets");
    json_object_foreach_safe(targets, next, name, entry)
    {
        (void)entry;
        if (in_release(name, product, version))
            CHECK(json_object_del(targets, name) == 0);
    }
    return repository_stage(edit->dir, edit->role, envelope, why);
}
