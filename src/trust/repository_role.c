/* Who may sign what in a repository: the keys of roles, and delegations. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/path_pattern.h"
#include "trust/repository_files.h"
#include "trust/tuf_key.h"

/* ---- Keys ---- */

enum err repository_check_role(const char *role, const struct repository_role *keys,
                               struct why *why)
{
    if (keys->count == 0 || keys->count > REPOSITORY_KEYS_MAX)
        return say(why, ERR_INVALID, NULL, "role %s needs 1 to %u keys, not %u", role,
                   REPOSITORY_KEYS_MAX, keys->count);
    if (keys->threshold == 0 || keys->threshold > keys->count)
        return say(why, ERR_INVALID, NULL, "role %s has %u keys, so its threshold cannot be %u",
                   role, keys->count, keys->threshold);
    for (uint32_t i = 1; i < keys->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (key_same(keys->keys[i], keys->keys[j]))
                return say(why, ERR_INVALID, NULL, "role %s is given the same key twice", role);
        }
    }
    return ERR_OK;
}

json_t *repository_role_to_json(json_t *keys, const struct repository_role *role)
{
    json_t *keyids = json_array(), *json;
    char keyid[DIGEST_HEX_SIZE];

    CHECK(keyids);
    for (uint32_t i = 0; i < role->count; i++) {
        tuf_key_id(role->keys[i], keyid);
        CHECK(json_object_set_new(keys, keyid, tuf_key_to_json(role->keys[i])) == 0);
        CHECK(json_array_append_new(keyids, json_string(keyid)) == 0);
    }
    json = json_pack("{s:o, s:I}", "keyids", keyids, "threshold", (json_int_t)role->threshold);
    CHECK(json);
    return json;
}

static bool names_key(const json_t *role, const char *keyid)
{
    const json_t *each;
    size_t i;

    json_array_foreach(json_object_get(role, "keyids"), i, each)
    {
        if (strcmp(json_string_value(each), keyid) == 0)
            return true;
    }
    return false;
}

static bool root_names_key(const json_t *root, enum tuf_role role, const char *keyid)
{
    return names_key(json_object_get(json_object_get(root, "roles"), tuf_role_name(role)), keyid);
}

enum err repository_tidy_root(json_t *root, struct why *why)
{
    json_t *keys = json_object_get(root, "keys");
    const char *keyid;
    json_t *key;
    void *next;

    json_object_foreach_safe(keys, next, keyid, key)
    {
        bool offline =
            root_names_key(root, TUF_ROOT, keyid) || root_names_key(root, TUF_TARGETS, keyid);
        bool online =
            root_names_key(root, TUF_SNAPSHOT, keyid) || root_names_key(root, TUF_TIMESTAMP, keyid);

        (void)key;
        if (offline && online)
            return say(why, ERR_INVALID, NULL,
                       "key %.16s is to sign root or targets and is on a server, too", keyid);
        if (!offline && !online)
            CHECK(json_object_del(keys, keyid) == 0);
    }
    return ERR_OK;
}

/* ---- Delegations in targets that are being written ---- */

static json_t *delegations_of(json_t *targets)
{
    json_t *delegations = json_object_get(targets, "delegations");

    if (delegations)
        return delegations;
    delegations = json_pack("{s:{}, s:[]}", "keys", "roles");
    CHECK(delegations && json_object_set_new(targets, "delegations", delegations) == 0);
    return delegations;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* The index of a role; the count of roles when it is not there. */
static size_t index_of(const json_t *roles, const char *role)
{
    size_t i = 0;

    while (i < json_array_size(roles) &&
           strcmp(text_of(json_array_get(roles, i), "name"), role) != 0)
        i++;
    return i;
}

static void drop_unused_keys(json_t *delegations)
{
    json_t *keys = json_object_get(delegations, "keys"), *key;
    const json_t *roles = json_object_get(delegations, "roles");
    const char *keyid;
    void *next;

    json_object_foreach_safe(keys, next, keyid, key)
    {
        bool used = false;

        (void)key;
        for (size_t i = 0; i < json_array_size(roles); i++)
            used = used || names_key(json_array_get(roles, i), keyid);
        if (!used)
            CHECK(json_object_del(keys, keyid) == 0);
    }
}

/* A key on a server must not list targets. */
static enum err check_offline(const char *dir, const struct repository_role *role, struct why *why)
{
    struct tuf_metadata *root;
    char keyid[DIGEST_HEX_SIZE];
    bool online = false;

    TRY(repository_read_newest(dir, REPOSITORY_ROOT, &root, why));
    for (uint32_t i = 0; i < role->count && !online; i++) {
        tuf_key_id(role->keys[i], keyid);
        online = root_names_key(tuf_metadata_signed(root), TUF_SNAPSHOT, keyid) ||
                 root_names_key(tuf_metadata_signed(root), TUF_TIMESTAMP, keyid);
    }
    tuf_metadata_close(root);
    if (online)
        return say(why, ERR_INVALID, NULL, "key %.16s is on a server, so it must not list releases",
                   keyid);
    return ERR_OK;
}

static enum err check_free(const json_t *roles, const struct repository_delegation *delegation,
                           struct why *why)
{
    if (json_array_size(roles) >= REPOSITORY_ROLES_MAX)
        return say(why, ERR_TOO_BIG, NULL, "there are %u roles already", REPOSITORY_ROLES_MAX);
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const json_t *one = json_array_get(roles, i);

        if (strcmp(text_of(one, "name"), delegation->role) == 0)
            return say(why, ERR_CONFLICT, "role",
                       "%s is delegated already; repo rotate gives it other keys",
                       delegation->role);
        for (size_t j = 0; j < json_array_size(json_object_get(one, "paths")); j++) {
            const char *path = json_string_value(json_array_get(json_object_get(one, "paths"), j));

            if (path && strcmp(path, delegation->pattern) == 0)
                return say(why, ERR_CONFLICT, "role", "%s is delegated to %s already", path,
                           text_of(one, "name"));
        }
    }
    return ERR_OK;
}

static bool role_name_ok(const char *name)
{
    static const char *const taken[] = {"root", "targets", "snapshot", "timestamp"};

    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        if (strcmp(name, taken[i]) == 0)
            return false;
    }
    return *name &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789._-") == strlen(name) &&
           *name != '.' && strlen(name) <= TUF_ROLE_NAME_SIZE_MAX;
}

static json_t *delegation_to_json(json_t *keys, const struct repository_delegation *delegation)
{
    json_t *role = repository_role_to_json(keys, &delegation->keys);

    CHECK(json_object_update_new(role, json_pack("{s:s, s:[s], s:b}", "name", delegation->role,
                                                 "paths", delegation->pattern, "terminating", 1)) ==
          0);
    return role;
}

/* Stage the envelope with what was done to it, or drop it. */
static enum err finish(const char *dir, const char *role, json_t *envelope, enum err err,
                       struct why *why)
{
    if (err == ERR_OK)
        return repository_stage(dir, role, envelope, why);
    json_decref(envelope);
    return err;
}

enum err repository_delegate(const char *dir, const struct repository_delegation *delegation,
                             struct why *why)
{
    json_t *envelope, *delegations, *roles;
    enum err err;

    if (!role_name_ok(delegation->role))
        return say(why, ERR_INVALID, "role", "\"%.60s\" cannot be the name of a role",
                   delegation->role);
    TRY(repository_check_role(delegation->role, &delegation->keys, why));
    TRY(check_offline(dir, &delegation->keys, why));
    TRY(repository_begin_change(dir, REPOSITORY_TARGETS, delegation->expires, &envelope, why));
    delegations = delegations_of(tuf_envelope_signed(envelope));
    roles = json_object_get(delegations, "roles");
    err = check_free(roles, delegation, why);
    if (err == ERR_OK)
        CHECK(json_array_append_new(roles, delegation_to_json(json_object_get(delegations, "keys"),
                                                              delegation)) == 0);
    TRY(finish(dir, REPOSITORY_TARGETS, envelope, err, why));
    return repository_renew(dir, delegation->role, delegation->expires, why);
}

enum err repository_undelegate(const char *dir, const char *role, struct utc targets_expires,
                               struct why *why)
{
    json_t *envelope, *delegations, *roles;
    enum err err = ERR_OK;
    size_t at;

    TRY(repository_begin_change(dir, REPOSITORY_TARGETS, targets_expires, &envelope, why));
    delegations = delegations_of(tuf_envelope_signed(envelope));
    roles = json_object_get(delegations, "roles");
    at = index_of(roles, role);
    if (at < json_array_size(roles)) {
        CHECK(json_array_remove(roles, at) == 0);
        drop_unused_keys(delegations);
    } else {
        err = say(why, ERR_NOT_FOUND, "role", "%s: targets do not delegate to %s", dir, role);
    }
    return finish(dir, REPOSITORY_TARGETS, envelope, err, why);
}

enum err repository_roles(const char *dir, struct repository_names *out, struct why *why)
{
    struct tuf_metadata *targets;
    struct tuf_delegation delegation;
    uint64_t at = 0;

    out->count = 0;
    TRY(repository_read_newest(dir, REPOSITORY_TARGETS, &targets, why));
    while (out->count < REPOSITORY_ROLES_MAX &&
           tuf_delegation_next(targets, NULL, &at, &delegation))
        memcpy(out->at[out->count++], delegation.role, sizeof delegation.role);
    tuf_metadata_close(targets);
    return ERR_OK;
}

enum err repository_role_for(const char *dir, const char *target, const char *exactly,
                             char role[REPOSITORY_NAME_SIZE], struct why *why)
{
    struct tuf_metadata *targets;
    const json_t *roles, *paths;
    size_t i;

    TRY(repository_read_newest(dir, REPOSITORY_TARGETS, &targets, why));
    roles = json_object_get(json_object_get(tuf_metadata_signed(targets), "delegations"), "roles");
    memcpy(role, REPOSITORY_TARGETS, sizeof REPOSITORY_TARGETS);
    for (i = 0; i < json_array_size(roles); i++) {
        const json_t *one = json_array_get(roles, i);
        bool covers = false;

        paths = json_object_get(one, "paths");
        for (size_t j = 0; j < json_array_size(paths); j++) {
            const char *path = json_string_value(json_array_get(paths, j));

            covers = covers ||
                     (path && (exactly ? json_array_size(paths) == 1 && strcmp(path, exactly) == 0
                                       : path_pattern_matches(path, target)));
        }
        if (covers && strlen(text_of(one, "name")) < REPOSITORY_NAME_SIZE) {
            memcpy(role, text_of(one, "name"), strlen(text_of(one, "name")) + 1);
            break;
        }
    }
    tuf_metadata_close(targets);
    return ERR_OK;
}

/* ---- Other keys for a role ---- */

static bool top_level(const char *role, enum tuf_role *out)
{
    for (enum tuf_role one = 0; one < TUF_ROLE_COUNT; one++) {
        if (strcmp(tuf_role_name(one), role) == 0) {
            *out = one;
            return true;
        }
    }
    return false;
}

static enum err set_in_root(const char *dir, const char *role, const struct repository_role *to,
                            struct utc expires, struct why *why)
{
    json_t *envelope, *root;
    enum err err;

    TRY(repository_begin_change(dir, REPOSITORY_ROOT, expires, &envelope, why));
    root = tuf_envelope_signed(envelope);
    CHECK(json_object_set_new(json_object_get(root, "roles"), role,
                              repository_role_to_json(json_object_get(root, "keys"), to)) == 0);
    err = repository_tidy_root(root, why);
    return finish(dir, REPOSITORY_ROOT, envelope, err, why);
}

static enum err set_in_targets(const char *dir, const char *role, const struct repository_role *to,
                               struct utc expires, struct why *why)
{
    json_t *envelope, *delegations, *one;
    enum err err = ERR_OK;

    TRY(check_offline(dir, to, why));
    TRY(repository_begin_change(dir, REPOSITORY_TARGETS, expires, &envelope, why));
    delegations = delegations_of(tuf_envelope_signed(envelope));
    one = json_array_get(json_object_get(delegations, "roles"),
                         index_of(json_object_get(delegations, "roles"), role));
    if (one) {
        CHECK(json_object_update_new(
                  one, repository_role_to_json(json_object_get(delegations, "keys"), to)) == 0);
        drop_unused_keys(delegations);
    } else {
        err = say(why, ERR_NOT_FOUND, "role", "%s: there is no role %s", dir, role);
    }
    return finish(dir, REPOSITORY_TARGETS, envelope, err, why);
}

enum err repository_set_role(const char *dir, const char *role, const struct repository_role *to,
                             struct utc expires, struct why *why)
{
    enum tuf_role top;

    TRY(repository_check_role(role, to, why));
    return top_level(role, &top) ? set_in_root(dir, role, to, expires, why)
                                 : set_in_targets(dir, role, to, expires, why);
}

/* ---- Reading them ---- */

void repository_keys_done(struct repository_keys *keys)
{
    for (uint32_t i = 0; i < keys->count; i++)
        key_close(keys->keys[i]);
    keys->count = 0;
}

static enum err read_keys(const struct tuf_authority *authority, const char *role,
                          struct repository_keys *out, struct why *why)
{
    struct repository_keys keys = {.threshold = authority->threshold};

    for (size_t i = 0; i < json_array_size(authority->keyids); i++) {
        const char *id = json_string_value(json_array_get(authority->keyids, i));
        enum err err = ERR_TOO_BIG;

        if (keys.count < REPOSITORY_KEYS_MAX)
            err = tuf_key_from_json(json_object_get(authority->keys, id), &keys.keys[keys.count],
                                    why);
        if (err != ERR_OK) {
            repository_keys_done(&keys);
            return say_where(why, err, "key %.16s of role %s", id, role);
        }
        keys.count++;
    }
    *out = keys;
    return ERR_OK;
}

enum err repository_keys(const char *dir, const char *role, struct repository_keys *out,
                         struct why *why)
{
    struct tuf_metadata *delegator;
    struct tuf_delegation delegation;
    enum tuf_role top;
    bool in_root = top_level(role, &top);
    enum err err;

    TRY(repository_read_newest(dir, in_root ? REPOSITORY_ROOT : REPOSITORY_TARGETS, &delegator,
                               why));
    if (in_root)
        delegation.authority = tuf_root_authority(delegator, top);
    if (in_root || tuf_delegation_to(delegator, role, &delegation))
        err = read_keys(&delegation.authority, role, out, why);
    else
        err = say(why, ERR_NOT_FOUND, "role", "%s: there is no role %s", dir, role);
    tuf_metadata_close(delegator);
    return err;
}
