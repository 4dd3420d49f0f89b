/* Statements of signers in a repository: targets whose file and `custom` say the same. */
#include <limits.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/say.h"
#include "trust/json_canon.h"
#include "trust/policy.h"
#include "trust/repository_files.h"
#include "trust/tuf_key.h"

/* ---- Making and finding ---- */

/* What is stated so far, a new reference; NULL: nothing. */
static enum err stated(const char *dir, const char *role, const char *target, const char *key,
                       const char *member, json_t **out, struct why *why)
{
    struct tuf_metadata *metadata;
    const json_t *entry;
    enum err err = repository_read_newest(dir, role, &metadata, why);

    *out = NULL;
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    entry = json_object_get(json_object_get(tuf_metadata_signed(metadata), "targets"), target);
    *out = json_deep_copy(
        json_object_get(json_object_get(json_object_get(entry, "custom"), key), member));
    tuf_metadata_close(metadata);
    return ERR_OK;
}

/* The file in blobs/, and the entry that describes it. */
static enum err make_entry(const char *dir, json_t *custom, json_t **out, struct why *why)
{
    struct tuf_bytes bytes;
    enum err err;

    TRY(json_canonical(custom, &bytes, why));
    err = repository_store_blob(dir, tuf_bytes_span(&bytes), why);
    if (err == ERR_OK) {
        *out = tuf_file_to_json(tuf_bytes_span(&bytes), 0);
        CHECK(json_object_set(*out, "custom", custom) == 0);
    }
    tuf_bytes_done(&bytes);
    return err;
}

/* State `value`, which is taken, in the file of edit->role. */
static enum err state(struct repository_edit *edit, const char *target, const char *key,
                      const char *member, json_t *value, struct why *why)
{
    json_t *custom = json_pack("{s:{s:o}}", key, member, value), *envelope, *entry;
    enum err err;

    CHECK(custom);
    err = make_entry(edit->dir, custom, &entry, why);
    json_decref(custom);
    TRY(err);
    err = repository_begin_change(edit->dir, edit->role, edit->expires, &envelope, why);
    if (err != ERR_OK) {
        json_decref(entry);
        return err;
    }
    CHECK(json_object_set_new(json_object_get(tuf_envelope_signed(envelope), "targets"), target,
                              entry) == 0);
    return repository_stage(edit->dir, edit->role, envelope, why);
}

/* ---- Who may sign assignments ---- */

enum err repository_set_assignment(struct repository_edit *edit, const struct repository_role *to,
                                   struct why *why)
{
    json_t *keys;

    if (to->count > POLICY_ASSIGNMENT_KEYS_MAX)
        return say(why, ERR_TOO_BIG, "key", "at most %u keys may sign assignments",
                   POLICY_ASSIGNMENT_KEYS_MAX);
    TRY(repository_role_for(edit->dir, POLICY_ASSIGNMENT, POLICY_AUTHORITY_PATTERN, edit->role,
                            why));
    keys = json_array();
    CHECK(keys);
    for (uint32_t i = 0; i < to->count; i++)
        CHECK(json_array_append_new(keys, tuf_key_to_json(to->keys[i])) == 0);
    return state(edit, POLICY_ASSIGNMENT, POLICY_AUTHORITY_KEY, POLICY_KEYS_MEMBER, keys, why);
}

enum err repository_assignment(const char *dir, struct repository_keys *out, struct why *why)
{
    struct repository_keys keys = {.threshold = 1};
    char role[REPOSITORY_NAME_SIZE];
    json_t *list;
    enum err err;

    TRY(repository_role_for(dir, POLICY_ASSIGNMENT, POLICY_AUTHORITY_PATTERN, role, why));
    TRY(stated(dir, role, POLICY_ASSIGNMENT, POLICY_AUTHORITY_KEY, POLICY_KEYS_MEMBER, &list, why));
    err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < json_array_size(list) && i < REPOSITORY_KEYS_MAX; i++) {
        err = tuf_key_from_json(json_array_get(list, i), &keys.keys[i], why);
        keys.count += err == ERR_OK;
    }
    json_decref(list);
    if (err == ERR_OK)
        *out = keys;
    else
        repository_keys_done(&keys);
    return err;
}

/* ---- Blocked images and grace ---- */

static size_t index_in(const json_t *list, const char *hex)
{
    size_t i = 0;

    while (i < json_array_size(list) &&
           strcmp(json_string_value(json_array_get(list, i)), hex) != 0)
        i++;
    return i;
}

static enum err change_list(json_t *list, const char *hex, bool blocked, struct why *why)
{
    size_t at = index_in(list, hex);
    bool there = at < json_array_size(list);

    if (blocked && there)
        return say(why, ERR_CONFLICT, NULL, "%.16s... is blocked already", hex);
    if (!blocked && !there)
        return say(why, ERR_NOT_FOUND, NULL, "%.16s... is not blocked", hex);
    if (blocked && json_array_size(list) >= POLICY_BLOCKED_MAX)
        return say(why, ERR_TOO_BIG, NULL,
                   "%u images are blocked already; raise the security floor, then unblock what is "
                   "below it",
                   POLICY_BLOCKED_MAX);
    if (blocked)
        CHECK(json_array_append_new(list, json_string(hex)) == 0);
    else
        CHECK(json_array_remove(list, at) == 0);
    return ERR_OK;
}

enum err repository_block(struct repository_edit *edit, const uint8_t sha256[DIGEST_SIZE],
                          bool blocked, struct why *why)
{
    char hex[DIGEST_HEX_SIZE];
    json_t *list;
    enum err err;

    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    TRY(repository_role_for(edit->dir, POLICY_BLOCK, POLICY_PATTERN, edit->role, why));
    TRY(stated(edit->dir, edit->role, POLICY_BLOCK, POLICY_KEY, POLICY_BLOCKED_MEMBER, &list, why));
    if (!list)
        list = json_array();
    err = change_list(list, hex, blocked, why);
    if (err != ERR_OK) {
        json_decref(list);
        return err;
    }
    return state(edit, POLICY_BLOCK, POLICY_KEY, POLICY_BLOCKED_MEMBER, list, why);
}

enum err repository_set_grace(struct repository_edit *edit, uint32_t allow_stale_s, struct why *why)
{
    if (allow_stale_s > POLICY_STALE_MAX_S)
        return say(why, ERR_TOO_BIG, NULL,
                   "devices may act on expired metadata for a year at most");
    TRY(repository_role_for(edit->dir, POLICY_GRACE, POLICY_PATTERN, edit->role, why));
    return state(edit, POLICY_GRACE, POLICY_KEY, POLICY_STALE_MEMBER, json_integer(allow_stale_s),
                 why);
}
