/* Artifacts of other clients in a repository: files measured, copied and listed. */
#include <errno.h>
#include <fcntl.h>
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
#include "trust/repository_files.h"
#include "trust/tuf_file.h"

#define ARTIFACT_TEMP "artifact" /* in blobs/, until its digest is known */
#define PIECE_SIZE    65536u     /* bytes read at a time */

/* ---- copying ---- */

static enum err copy_pieces(int from, int to, const char *path, struct tuf_file *file,
                            struct why *why)
{
    struct digest *digest = digest_open(DIGEST_SHA256);
    uint8_t *piece = malloc(PIECE_SIZE);
    enum err err = ERR_OK;
    ssize_t got;

    CHECK(piece);
    while (err == ERR_OK && (got = read(from, piece, PIECE_SIZE)) != 0) {
        if (got < 0)
            err = say(why, ERR_STORAGE, NULL, "%s: %s", path, strerror(errno));
        else if (file_write_all(to, piece, (size_t)got) != ERR_OK)
            err = say(why, ERR_STORAGE, NULL, "a copy of %s cannot be written: %s", path,
                      strerror(errno));
        if (err == ERR_OK) {
            digest_update(digest, (struct span){piece, (size_t)got});
            file->length += (uint64_t)got;
        }
    }
    digest_done(digest, file->sha256);
    digest_close(digest);
    free(piece);
    if (err == ERR_OK && fsync(to) != 0)
        err = say(why, ERR_STORAGE, NULL, "a copy of %s cannot be written: %s", path,
                  strerror(errno));
    return err;
}

static enum err copy_file(const char *path, const char *temp, struct tuf_file *file,
                          struct why *why)
{
    int from = open(path, O_RDONLY | O_CLOEXEC), to;
    struct stat info;
    enum err err;

    *file = (struct tuf_file){.has_length = true, .has_hashes = true, .has_sha256 = true};
    if (from < 0)
        return say(why, ERR_STORAGE, NULL, "%s: %s", path, strerror(errno));
    to = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (to < 0)
        err = say(why, ERR_STORAGE, NULL, "%s: %s", temp, strerror(errno));
    else if (fstat(from, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)
        err = say(why, ERR_CORRUPT, NULL, "%s: is not a file with something in it", path);
    else
        err = copy_pieces(from, to, path, file, why);
    (void)close(from);
    if (to >= 0)
        (void)close(to); /* it was synced */
    return err;
}

static enum err store_file(const char *dir, const char *path, struct tuf_file *file,
                           struct why *why)
{
    char temp[PATH_MAX], blob[PATH_MAX], folder[PATH_MAX];
    enum err err;

    TRY(tuf_file_path(dir, REPOSITORY_BLOBS, folder, sizeof folder, why));
    TRY(tuf_file_path(folder, ARTIFACT_TEMP, temp, sizeof temp, why));
    err = copy_file(path, temp, file, why);
    if (err == ERR_OK)
        err = repository_blob_path(dir, file->sha256, blob, sizeof blob, why);
    if (err == ERR_OK && rename(temp, blob) != 0)
        err = say(why, ERR_STORAGE, NULL, "%s: %s", blob, strerror(errno));
    if (err != ERR_OK)
        (void)unlink(temp); /* a leftover would only take room */
    return err;
}

/* ---- listing ---- */

static json_t *entry_of(const struct artifact_facts *facts, const struct tuf_file *file)
{
    char hex[DIGEST_HEX_SIZE];
    json_t *entry;

    hex_print((struct span){file->sha256, DIGEST_SIZE}, hex);
    entry = json_pack("{s:I, s:{s:s}, s:o}", "length", (json_int_t)file->length, "hashes", "sha256",
                      hex, "custom", artifact_to_custom(facts));
    CHECK(entry);
    return entry;
}

static enum err stage(struct repository_edit *edit, const char *name, const json_t *entry,
                      struct why *why)
{
    json_t *envelope, *targets;

    TRY(repository_begin_change(edit->dir, edit->role, edit->expires, &envelope, why));
    targets = json_object_get(tuf_envelope_signed(envelope), "targets");
    CHECK(json_object_set_new(targets, name, json_deep_copy(entry)) == 0);
    return repository_stage(edit->dir, edit->role, envelope, why);
}

static enum err list_artifact(struct repository_edit *edit, const char *name,
                              const struct artifact_facts *facts, const struct tuf_file *file,
                              struct why *why)
{
    json_t *entry = entry_of(facts, file);
    bool listed = false;
    enum err err = repository_check_target_free(edit, name, entry, &listed, why);

    if (err == ERR_OK && !listed)
        err = stage(edit, name, entry, why);
    json_decref(entry);
    return err;
}

/* The file name of the path, which must be one that a target may have. */
static const char *file_of(const struct repository_artifact *artifact)
{
    const char *slash = strrchr(artifact->path, '/');

    if (artifact->file)
        return artifact->file;
    return slash ? slash + 1 : artifact->path;
}

enum err repository_add_artifact(struct repository_edit *edit,
                                 const struct repository_artifact *artifact, struct tuf_target *out,
                                 struct why *why)
{
    struct tuf_target target = {.has_artifact = true, .artifact = artifact->facts};
    const char *field = "";
    enum err err = artifact_facts_check(&artifact->facts, &field);

    if (err != ERR_OK) {
        why_say(why, field, "is missing or is not what an artifact may state");
        return say_where(why, err, "%s", field);
    }
    TRY(artifact_target_name(&artifact->facts, file_of(artifact), target.name, why));
    TRY(store_file(edit->dir, artifact->path, &target.file, why));
    TRY(list_artifact(edit, target.name, &artifact->facts, &target.file, why));
    *out = target;
    return ERR_OK;
}
