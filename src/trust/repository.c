#include "trust/repository.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/repository_files.h"
#include "trust/tuf_file.h"
#include "trust/tuf_key.h"

/* ---- Files ---- */

static enum err read_metadata(const char *dir, enum tuf_role role, uint64_t version,
                              struct tuf_metadata **out, struct why *why)
{
    char name[TUF_FILE_NAME_SIZE];
    struct tuf_bytes bytes;
    enum err err;

    tuf_file_name(role, version, name);
    TRY(tuf_file_read(dir, name, tuf_role_size_max(role), &bytes, why));
    err = tuf_metadata_read(role, tuf_bytes_span(&bytes), out, why);
    tuf_bytes_done(&bytes);
    return say_where(why, err, "%s/%s", dir, name);
}

enum err repository_read_staged(const char *dir, enum tuf_role role, struct tuf_metadata **out,
                                struct why *why)
{
    char staged[PATH_MAX];
    enum err err;

    TRY(tuf_file_path(dir, REPOSITORY_STAGED, staged, sizeof staged, why));
    err = read_metadata(staged, role, 0, out, why);
    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "%s: no %s is waiting for signatures", dir, tuf_role_name(role));
    return err;
}

enum err repository_stage(const char *dir, enum tuf_role role, json_t *envelope, struct why *why)
{
    struct tuf_bytes bytes = tuf_envelope_bytes(envelope);
    struct tuf_metadata *check;
    char staged[PATH_MAX], name[TUF_FILE_NAME_SIZE];
    enum err err = tuf_metadata_read(role, tuf_bytes_span(&bytes), &check, why);

    json_decref(envelope);
    if (err == ERR_OK) {
        tuf_metadata_close(check);
        tuf_file_name(role, 0, name);
        err = tuf_file_path(dir, REPOSITORY_STAGED, staged, sizeof staged, why);
    }
    if (err == ERR_OK)
        err = tuf_file_replace(staged, name, tuf_bytes_span(&bytes), why);
    tuf_bytes_done(&bytes);
    return err;
}

enum err repository_begin_change(const char *dir, enum tuf_role role, struct utc expires,
                                 json_t **out, struct why *why)
{
    struct tuf_metadata *base;
    enum err err = repository_read_staged(dir, role, &base, NULL);
    uint64_t version;

    if (err == ERR_OK) {
        version = tuf_metadata_version(base);
    } else {
        TRY(read_metadata(dir, role, 0, &base, why));
        version = tuf_metadata_version(base) + 1;
    }
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

/* ---- Keys and roles ---- */

static bool is_online(enum tuf_role role)
{
    return role == TUF_SNAPSHOT || role == TUF_TIMESTAMP;
}

static enum err check_role(enum tuf_role role, const struct repository_role *keys, struct why *why)
{
    const char *name = tuf_role_name(role);

    if (keys->count == 0 || keys->count > REPOSITORY_KEYS_MAX)
        return say(why, ERR_INVALID, NULL, "role %s needs 1 to %u keys, not %u", name,
                   REPOSITORY_KEYS_MAX, keys->count);
    if (keys->threshold == 0 || keys->threshold > keys->count)
        return say(why, ERR_INVALID, NULL, "role %s has %u keys, so its threshold cannot be %u",
                   name, keys->count, keys->threshold);
    for (uint32_t i = 1; i < keys->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (key_same(keys->keys[i], keys->keys[j]))
                return say(why, ERR_INVALID, NULL, "role %s is given the same key twice", name);
        }
    }
    return ERR_OK;
}

/* The keys of the role and their ids into a root; the ids that were there go. */
static void fill_role(json_t *root, enum tuf_role role, const struct repository_role *to)
{
    json_t *keyids = json_array(), *keys = json_object_get(root, "keys");
    char keyid[DIGEST_HEX_SIZE];

    CHECK(keyids);
    for (uint32_t i = 0; i < to->count; i++) {
        tuf_key_id(to->keys[i], keyid);
        CHECK(json_object_set_new(keys, keyid, tuf_key_to_json(to->keys[i])) == 0);
        CHECK(json_array_append_new(keyids, json_string(keyid)) == 0);
    }
    CHECK(json_object_set_new(json_object_get(root, "roles"), tuf_role_name(role),
                              json_pack("{s:o, s:I}", "keyids", keyids, "threshold",
                                        (json_int_t)to->threshold)) == 0);
}

static bool role_names_key(const json_t *root, enum tuf_role role, const char *keyid)
{
    const json_t *one = json_object_get(json_object_get(root, "roles"), tuf_role_name(role));
    const json_t *each;
    size_t i;

    json_array_foreach(json_object_get(one, "keyids"), i, each)
    {
        if (strcmp(json_string_value(each), keyid) == 0)
            return true;
    }
    return false;
}

/* Drop keys that no role names any more, and refuse one that would be online and offline. */
static enum err tidy_keys(json_t *root, struct why *why)
{
    json_t *keys = json_object_get(root, "keys");
    const char *keyid;
    json_t *key;
    void *next;

    json_object_foreach_safe(keys, next, keyid, key)
    {
        bool offline =
            role_names_key(root, TUF_ROOT, keyid) || role_names_key(root, TUF_TARGETS, keyid);
        bool online =
            role_names_key(root, TUF_SNAPSHOT, keyid) || role_names_key(root, TUF_TIMESTAMP, keyid);

        (void)key;
        if (offline && online)
            return say(why, ERR_INVALID, NULL,
                       "key %.16s is to sign root or targets and is on a server, too", keyid);
        if (!offline && !online)
            CHECK(json_object_del(keys, keyid) == 0);
    }
    return ERR_OK;
}

/* ---- Making ---- */

static enum err check_new(const char *dir, struct why *why)
{
    struct tuf_metadata *staged = NULL;
    bool taken = tuf_file_exists(dir, "root.json") ||
                 repository_read_staged(dir, TUF_ROOT, &staged, NULL) != ERR_NOT_FOUND;

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
    json_t *root = tuf_envelope_signed(envelope);
    enum err err;

    CHECK(json_object_update_new(root, json_pack("{s:b, s:{}, s:{}}", "consistent_snapshot", 1,
                                                 "keys", "roles")) == 0);
    for (int role = 0; role < TUF_ROLE_COUNT; role++)
        fill_role(root, (enum tuf_role)role, &plan->roles[role]);
    err = tidy_keys(root, why);
    if (err != ERR_OK) {
        json_decref(envelope);
        return err;
    }
    return repository_stage(dir, TUF_ROOT, envelope, why);
}

static enum err stage_first_targets(const char *dir, const struct repository_plan *plan,
                                    struct why *why)
{
    json_t *envelope = tuf_envelope_new(TUF_TARGETS, 1, plan->targets_expires);

    CHECK(json_object_set_new(tuf_envelope_signed(envelope), "targets", json_object()) == 0);
    return repository_stage(dir, TUF_TARGETS, envelope, why);
}

/* Sign with those of the role's keys that are at hand. */
static enum err sign_with_private(const char *dir, enum tuf_role role,
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
    for (int role = 0; role < TUF_ROLE_COUNT; role++)
        TRY(check_role((enum tuf_role)role, &plan->roles[role], why));
    TRY(check_new(dir, why));
    TRY(make_folders(dir, why));
    TRY(stage_first_root(dir, plan, why));
    TRY(stage_first_targets(dir, plan, why));
    TRY(sign_with_private(dir, TUF_ROOT, &plan->roles[TUF_ROOT], why));
    return sign_with_private(dir, TUF_TARGETS, &plan->roles[TUF_TARGETS], why);
}

enum err repository_set_role(const char *dir, enum tuf_role role, const struct repository_role *to,
                             struct utc root_expires, struct why *why)
{
    json_t *envelope;
    enum err err;

    TRY(check_role(role, to, why));
    TRY(repository_begin_change(dir, TUF_ROOT, root_expires, &envelope, why));
    fill_role(tuf_envelope_signed(envelope), role, to);
    err = tidy_keys(tuf_envelope_signed(envelope), why);
    if (err != ERR_OK) {
        json_decref(envelope);
        return err;
    }
    return repository_stage(dir, TUF_ROOT, envelope, why);
}

enum err repository_renew(const char *dir, enum tuf_role role, struct utc expires, struct why *why)
{
    json_t *envelope;

    CHECK(!is_online(role));
    TRY(repository_begin_change(dir, role, expires, &envelope, why));
    return repository_stage(dir, role, envelope, why);
}

/* ---- Signing ---- */

/* Who must sign a staged file: one rule, or for a root after the first also that of the last. */
struct rules {
    struct tuf_metadata *current; /* root; NULL before the first */
    struct tuf_metadata *staged;  /* root, when it is what is signed or there is no current one */
    struct tuf_authority list[2];
    size_t count;
};

static void rules_done(struct rules *rules)
{
    tuf_metadata_close(rules->current);
    tuf_metadata_close(rules->staged);
}

static enum err find_rules(const char *dir, enum tuf_role role, struct rules *out, struct why *why)
{
    struct rules rules = {0};
    enum err err = read_metadata(dir, TUF_ROOT, 0, &rules.current, why);

    CHECK(!is_online(role));
    if (err == ERR_OK)
        rules.list[rules.count++] = tuf_root_authority(rules.current, role);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && role == TUF_ROOT)) {
        err = repository_read_staged(dir, TUF_ROOT, &rules.staged, why);
        if (err == ERR_OK)
            rules.list[rules.count++] = tuf_root_authority(rules.staged, role);
    }
    if (err != ERR_OK) {
        rules_done(&rules);
        return err;
    }
    *out = rules;
    return ERR_OK;
}

static struct repository_signing count_signatures(const struct rules *rules,
                                                  const struct tuf_metadata *staged)
{
    struct repository_signing signing = {.version = tuf_metadata_version(staged)};

    for (size_t i = 0; i < rules->count; i++) {
        uint32_t have = tuf_signature_count(&rules->list[i], staged);
        uint32_t need = rules->list[i].threshold;

        if (i == 0 || (int64_t)need - have >= (int64_t)signing.need - signing.have) {
            signing.have = have;
            signing.need = need;
        }
    }
    return signing;
}

/* Under every id by which a rule names this key. */
static enum err sign_by_rule(json_t *envelope, const struct tuf_authority *rule,
                             const struct key *key, bool *named, struct why *why)
{
    const json_t *keyid;
    size_t i;

    json_array_foreach(rule->keyids, i, keyid)
    {
        const char *id = json_string_value(keyid);
        struct key *one;
        bool same;

        if (tuf_key_from_json(json_object_get(rule->keys, id), &one, NULL) != ERR_OK)
            continue;
        same = key_same(one, key);
        key_close(one);
        if (same) {
            TRY(tuf_envelope_sign(envelope, key, id, why));
            *named = true;
        }
    }
    return ERR_OK;
}

static enum err add_signature(const char *dir, enum tuf_role role, const struct rules *rules,
                              const struct tuf_metadata *staged, const struct key *key,
                              struct why *why)
{
    json_t *envelope = tuf_envelope_of(staged);
    char keyid[DIGEST_HEX_SIZE];
    bool named = false;
    enum err err = ERR_OK;

    CHECK(json_object_set_new(envelope, "signatures",
                              json_deep_copy(tuf_metadata_signatures(staged))) == 0);
    for (size_t i = 0; i < rules->count && err == ERR_OK; i++)
        err = sign_by_rule(envelope, &rules->list[i], key, &named, why);
    if (err == ERR_OK && !named) {
        tuf_key_id(key, keyid);
        err =
            say(why, ERR_UNTRUSTED, NULL, "key %.16s has no say in %s", keyid, tuf_role_name(role));
    }
    if (err != ERR_OK) {
        json_decref(envelope);
        return err;
    }
    return repository_stage(dir, role, envelope, why);
}

/* The staged file becomes current: its numbered name first, which nobody looks up before. */
static enum err publish(const char *dir, const struct tuf_metadata *staged, struct why *why)
{
    enum tuf_role role = tuf_metadata_role(staged);
    char numbered[TUF_FILE_NAME_SIZE], plain[TUF_FILE_NAME_SIZE], folder[PATH_MAX];

    tuf_file_name(role, tuf_metadata_version(staged), numbered);
    tuf_file_name(role, 0, plain);
    TRY(tuf_file_path(dir, REPOSITORY_STAGED, folder, sizeof folder, why));
    TRY(tuf_file_replace(dir, numbered, tuf_metadata_bytes(staged), why));
    TRY(tuf_file_replace(dir, plain, tuf_metadata_bytes(staged), why));
    return tuf_file_remove(folder, plain, why);
}

/* Publish what is staged if it is signed enough, and a current root is there to say so. */
static enum err settle(const char *dir, enum tuf_role role, struct repository_signing *out,
                       struct why *why)
{
    struct tuf_metadata *staged;
    struct rules rules;
    enum err err;

    TRY(repository_read_staged(dir, role, &staged, why));
    err = find_rules(dir, role, &rules, why);
    if (err != ERR_OK) {
        tuf_metadata_close(staged);
        return err;
    }
    *out = count_signatures(&rules, staged);
    if (out->have >= out->need && (role == TUF_ROOT || rules.current)) {
        err = publish(dir, staged, why);
        out->complete = err == ERR_OK;
    }
    rules_done(&rules);
    tuf_metadata_close(staged);
    return err;
}

static enum err sign_staged(const char *dir, enum tuf_role role, const struct key *key,
                            struct why *why)
{
    struct tuf_metadata *staged;
    struct rules rules;
    enum err err;

    TRY(repository_read_staged(dir, role, &staged, why));
    err = find_rules(dir, role, &rules, why);
    if (err == ERR_OK) {
        err = add_signature(dir, role, &rules, staged, key, why);
        rules_done(&rules);
    }
    tuf_metadata_close(staged);
    return err;
}

enum err repository_sign(const char *dir, enum tuf_role role, const struct key *key,
                         struct repository_signing *out, struct why *why)
{
    struct repository_signing signing, of_targets;

    if (is_online(role))
        return say(why, ERR_INVALID, NULL, "%s is signed by the server, not by people",
                   tuf_role_name(role));
    TRY(sign_staged(dir, role, key, why));
    TRY(settle(dir, role, &signing, why));
    if (role == TUF_ROOT && signing.complete) {
        enum err err = settle(dir, TUF_TARGETS, &of_targets, why); /* they may have waited for it */

        if (err != ERR_OK && err != ERR_NOT_FOUND)
            return err;
        why_clear(why);
    }
    *out = signing;
    return ERR_OK;
}

enum err repository_staged(const char *dir, enum tuf_role role, struct repository_signing *out,
                           struct why *why)
{
    struct tuf_metadata *staged;
    struct rules rules;
    enum err err;

    TRY(repository_read_staged(dir, role, &staged, why));
    err = find_rules(dir, role, &rules, why);
    if (err == ERR_OK) {
        *out = count_signatures(&rules, staged);
        rules_done(&rules);
    }
    tuf_metadata_close(staged);
    return err;
}

/* ---- Reading ---- */

enum err repository_root(const char *dir, uint64_t version, struct tuf_metadata **out,
                         struct why *why)
{
    struct tuf_metadata *root;
    enum err err;

    TRY(read_metadata(dir, TUF_ROOT, version, &root, why));
    err = tuf_verify_by_root(root, root, why);
    if (err == ERR_OK)
        *out = root;
    else
        tuf_metadata_close(root);
    return err;
}

enum err repository_current(const char *dir, enum tuf_role role, struct tuf_metadata **out,
                            struct why *why)
{
    struct tuf_metadata *root, *targets;
    enum err err;

    CHECK(!is_online(role));
    TRY(repository_root(dir, 0, &root, why));
    if (role == TUF_ROOT) {
        *out = root;
        return ERR_OK;
    }
    err = read_metadata(dir, TUF_TARGETS, 0, &targets, why);
    if (err == ERR_OK) {
        err = tuf_verify_by_root(root, targets, why);
        if (err == ERR_OK)
            *out = targets;
        else
            tuf_metadata_close(targets);
    }
    tuf_metadata_close(root);
    return err;
}
