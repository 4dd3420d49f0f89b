#include "trust/repository.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/repository_files.h"
#include "trust/tuf_file.h"

/* ---- Files ---- */

enum tuf_role repository_kind(const char *role)
{
    return strcmp(role, REPOSITORY_ROOT) == 0 ? TUF_ROOT : TUF_TARGETS;
}

bool repository_is_online(const char *role)
{
    return strcmp(role, tuf_role_name(TUF_SNAPSHOT)) == 0 ||
           strcmp(role, tuf_role_name(TUF_TIMESTAMP)) == 0;
}

static enum err file_name(const char *role, uint64_t version, char out[TUF_FILE_NAME_SIZE],
                          struct why *why)
{
    if (repository_is_online(role))
        return say(why, ERR_INVALID, "role", "%s is signed by the server, not by people", role);
    if (!tuf_role_file_name(role, version, out))
        return say(why, ERR_TOO_BIG, "role", "%.40s...: the name of the role is too long", role);
    return ERR_OK;
}

enum err repository_read(const char *dir, const char *role, uint64_t version,
                         struct tuf_metadata **out, struct why *why)
{
    enum tuf_role kind = repository_kind(role);
    char name[TUF_FILE_NAME_SIZE];
    struct tuf_bytes bytes;
    enum err err;

    TRY(file_name(role, version, name, why));
    TRY(tuf_file_read(dir, name, tuf_role_size_max(kind), &bytes, why));
    err = tuf_metadata_read(kind, tuf_bytes_span(&bytes), out, why);
    tuf_bytes_done(&bytes);
    return say_where(why, err, "%s/%s", dir, name);
}

enum err repository_read_staged(const char *dir, const char *role, struct tuf_metadata **out,
                                struct why *why)
{
    char staged[PATH_MAX];
    enum err err;

    TRY(tuf_file_path(dir, REPOSITORY_STAGED, staged, sizeof staged, why));
    err = repository_read(staged, role, 0, out, why);
    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "%s: no %s is waiting for signatures", dir, role);
    return err;
}

enum err repository_read_newest(const char *dir, const char *role, struct tuf_metadata **out,
                                struct why *why)
{
    enum err err = repository_read_staged(dir, role, out, why);

    return err == ERR_NOT_FOUND ? repository_read(dir, role, 0, out, why) : err;
}

enum err repository_stage(const char *dir, const char *role, json_t *envelope, struct why *why)
{
    struct tuf_bytes bytes = tuf_envelope_bytes(envelope);
    struct tuf_metadata *check;
    char staged[PATH_MAX], name[TUF_FILE_NAME_SIZE];
    enum err err = tuf_metadata_read(repository_kind(role), tuf_bytes_span(&bytes), &check, why);

    json_decref(envelope);
    if (err == ERR_OK) {
        tuf_metadata_close(check);
        err = file_name(role, 0, name, why);
    }
    if (err == ERR_OK)
        err = tuf_file_path(dir, REPOSITORY_STAGED, staged, sizeof staged, why);
    if (err == ERR_OK)
        err = tuf_file_replace(staged, name, tuf_bytes_span(&bytes), why);
    tuf_bytes_done(&bytes);
    return err;
}

/* What was prepared for signers elsewhere fits nothing any more. */
static enum err drop_prepared(const char *folder, const char *role, struct why *why)
{
    char name[TUF_ROLE_NAME_SIZE_MAX + sizeof REPOSITORY_PREPARED];

    (void)snprintf(name, sizeof name, "%s" REPOSITORY_PREPARED, role);
    return tuf_file_remove(folder, name, why);
}

/* The numbered name first, which nobody looks up before. */
enum err repository_promote(const char *dir, const char *role, const struct tuf_metadata *staged,
                            struct why *why)
{
    char numbered[TUF_FILE_NAME_SIZE], plain[TUF_FILE_NAME_SIZE], folder[PATH_MAX];

    TRY(file_name(role, tuf_metadata_version(staged), numbered, why));
    TRY(file_name(role, 0, plain, why));
    TRY(tuf_file_path(dir, REPOSITORY_STAGED, folder, sizeof folder, why));
    TRY(tuf_file_replace(dir, numbered, tuf_metadata_bytes(staged), why));
    TRY(tuf_file_replace(dir, plain, tuf_metadata_bytes(staged), why));
    TRY(tuf_file_remove(folder, plain, why));
    return drop_prepared(folder, role, why);
}

static json_t *empty_targets(struct utc expires)
{
    json_t *envelope = tuf_envelope_new(TUF_TARGETS, 1, expires);

    CHECK(json_object_set_new(tuf_envelope_signed(envelope), "targets", json_object()) == 0);
    return envelope;
}

static bool is_delegated(const char *role)
{
    return strcmp(role, REPOSITORY_ROOT) != 0 && strcmp(role, REPOSITORY_TARGETS) != 0;
}

enum err repository_begin_change(const char *dir, const char *role, struct utc expires,
                                 json_t **out, struct why *why)
{
    struct tuf_metadata *base;
    enum err err = repository_read_staged(dir, role, &base, why);
    uint64_t version = 0;

    if (err == ERR_NOT_FOUND) {
        err = repository_read(dir, role, 0, &base, why);
        version = 1;
    }
    if (err == ERR_NOT_FOUND && is_delegated(role)) {
        *out = empty_targets(expires);
        return ERR_OK;
    }
    TRY(err);
    version += tuf_metadata_version(base);
    *out = tuf_envelope_of(base);
    tuf_envelope_set_version(*out, version);
    tuf_envelope_set_expires(*out, expires);
    tuf_metadata_close(base);
    return ERR_OK;
}

enum err repository_blob_path(const char *dir, const uint8_t sha256[DIGEST_SIZE], char *to,
                              size_t size, struct why *why)
{
    char name[sizeof REPOSITORY_BLOBS + DIGEST_HEX_SIZE] = REPOSITORY_BLOBS "/";

    hex_print((struct span){sha256, DIGEST_SIZE}, name + strlen(name));
    return tuf_file_path(dir, name, to, size, why);
}

enum err repository_store_blob(const char *dir, struct span bytes, struct why *why)
{
    uint8_t digest[DIGEST_SIZE];
    char path[PATH_MAX], folder[PATH_MAX];

    digest_of(DIGEST_SHA256, bytes, digest);
    TRY(repository_blob_path(dir, digest, path, sizeof path, why));
    TRY(tuf_file_path(dir, REPOSITORY_BLOBS, folder, sizeof folder, why));
    return tuf_file_replace(folder, strrchr(path, '/') + 1, bytes, why);
}

/* ---- Making ---- */

static enum err check_new(const char *dir, struct why *why)
{
    struct tuf_metadata *staged = NULL;
    bool taken = tuf_file_exists(dir, "root.json") ||
                 repository_read_staged(dir, REPOSITORY_ROOT, &staged, NULL) != ERR_NOT_FOUND;

    tuf_metadata_close(staged);
    return taken ? say(why, ERR_CONFLICT, NULL, "%s: holds a repository already", dir) : ERR_OK;
}

static enum err make_folders(const char *dir, struct why *why)
{
    static const char *const below[] = {REPOSITORY_STAGED, REPOSITORY_BLOBS};
    char path[PATH_MAX];

    TRY(file_make_directory(dir, 0755, why));
    for (size_t i = 0; i < COUNT_OF(below); i++) {
        TRY(tuf_file_path(dir, below[i], path, sizeof path, why));
        TRY(file_make_directory(path, 0755, why));
    }
    return file_sync_directory(dir, why);
}

static enum err stage_first_root(const char *dir, const struct repository_plan *plan,
                                 struct why *why)
{
    json_t *envelope = tuf_envelope_new(TUF_ROOT, 1, plan->root_expires);
    json_t *root = tuf_envelope_signed(envelope), *keys, *roles;
    enum err err;

    CHECK(json_object_update_new(root, json_pack("{s:b, s:{}, s:{}}", "consistent_snapshot", 1,
                                                 "keys", "roles")) == 0);
    keys = json_object_get(root, "keys");
    roles = json_object_get(root, "roles");
    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++)
        CHECK(json_object_set_new(roles, tuf_role_name(role),
                                  repository_role_to_json(keys, &plan->roles[role])) == 0);
    err = repository_tidy_root(root, why);
    if (err != ERR_OK) {
        json_decref(envelope);
        return err;
    }
    return repository_stage(dir, REPOSITORY_ROOT, envelope, why);
}

static enum err stage_first_targets(const char *dir, const struct repository_plan *plan,
                                    struct why *why)
{
    struct repository_edit edit = {.dir = dir, .expires = plan->targets_expires};

    TRY(repository_stage(dir, REPOSITORY_TARGETS, empty_targets(plan->targets_expires), why));
    if (plan->assignment.count == 0)
        return ERR_OK;
    return repository_set_assignment(&edit, &plan->assignment, why);
}

/* Sign with those of the role's keys that are at hand. */
static enum err sign_with_private(const char *dir, const char *role,
                                  const struct repository_role *keys, struct why *why)
{
    struct repository_signing signing = {0};

    for (uint32_t i = 0; i < keys->count && !signing.complete; i++) {
        if (key_is_private(keys->keys[i]))
            TRY(repository_sign(dir, role, keys->keys[i], &signing, why));
    }
    return ERR_OK;
}

enum err repository_init(const char *dir, const struct repository_plan *plan, struct why *why)
{
    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++)
        TRY(repository_check_role(tuf_role_name(role), &plan->roles[role], why));
    TRY(check_new(dir, why));
    TRY(make_folders(dir, why));
    TRY(stage_first_root(dir, plan, why));
    TRY(stage_first_targets(dir, plan, why));
    TRY(sign_with_private(dir, REPOSITORY_ROOT, &plan->roles[TUF_ROOT], why));
    return sign_with_private(dir, REPOSITORY_TARGETS, &plan->roles[TUF_TARGETS], why);
}

enum err repository_renew(const char *dir, const char *role, struct utc expires, struct why *why)
{
    json_t *envelope;

    TRY(repository_begin_change(dir, role, expires, &envelope, why));
    return repository_stage(dir, role, envelope, why);
}

/* ---- Reading ---- */

/* Hands `metadata` out if `err` is ERR_OK, and closes it otherwise. */
static enum err give(enum err err, struct tuf_metadata *metadata, struct tuf_metadata **out)
{
    if (err == ERR_OK)
        *out = metadata;
    else
        tuf_metadata_close(metadata);
    return err;
}

enum err repository_root(const char *dir, uint64_t version, struct tuf_metadata **out,
                         struct why *why)
{
    struct tuf_metadata *root;

    TRY(repository_read(dir, REPOSITORY_ROOT, version, &root, why));
    return give(tuf_verify_by_root(root, root, why), root, out);
}

static enum err current_targets(const char *dir, struct tuf_metadata **out, struct why *why)
{
    struct tuf_metadata *root, *targets = NULL;
    enum err err;

    TRY(repository_root(dir, 0, &root, why));
    err = repository_read(dir, REPOSITORY_TARGETS, 0, &targets, why);
    if (err == ERR_OK)
        err = give(tuf_verify_by_root(root, targets, why), targets, out);
    tuf_metadata_close(root);
    return err;
}

static enum err current_delegated(const char *dir, const char *role, struct tuf_metadata **out,
                                  struct why *why)
{
    struct tuf_metadata *targets, *metadata = NULL;
    struct tuf_delegation delegation;
    enum err err;

    TRY(current_targets(dir, &targets, why));
    if (!tuf_delegation_to(targets, role, &delegation))
        err = say(why, ERR_NOT_FOUND, NULL, "%s: targets do not delegate to %s", dir, role);
    else
        err = repository_read(dir, role, 0, &metadata, why);
    if (err == ERR_OK)
        err = say_where(why, give(tuf_verify(&delegation.authority, metadata, why), metadata, out),
                        "%s", role);
    tuf_metadata_close(targets);
    return err;
}

enum err repository_current(const char *dir, const char *role, struct tuf_metadata **out,
                            struct why *why)
{
    if (strcmp(role, REPOSITORY_ROOT) == 0)
        return repository_root(dir, 0, out, why);
    if (strcmp(role, REPOSITORY_TARGETS) == 0)
        return current_targets(dir, out, why);
    return current_delegated(dir, role, out, why);
}
