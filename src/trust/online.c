#include "trust/online.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/delegation.h"
#include "trust/envelope.h"
#include "trust/tuf_key.h"

#define VERSION_MAX (UINT64_C(1) << 53) /* beyond it JSON numbers are not the same to everybody */

/* One of the two online roles and what it says of the files below it. */
struct online_role {
    enum tuf_role role;
    const struct key *key;
    int64_t lifetime_ms;
    struct span last; /* the last one made, or empty */
};

/* What has come of it: the old bytes again, or new ones. */
struct online_result {
    bool changed;
    uint64_t version;
    struct utc due;
    struct tuf_bytes bytes; /* if changed */
};

/* Half of the life is over; or it lives longer than it may, as when the clock was wrong. */
static bool is_due(const struct tuf_metadata *last, int64_t lifetime_ms, struct utc now)
{
    int64_t left_ms = tuf_metadata_expires(last).ms - now.ms;

    return left_ms <= lifetime_ms / 2 || left_ms > lifetime_ms;
}

/* ---- What is listed ---- */

static uint64_t version_in(const json_t *entry)
{
    return (uint64_t)json_integer_value(json_object_get(entry, "version"));
}

/* What clients would call a rollback is refused here already. What was listed and is not there any
 * more, as after a restored backup, stays listed as it was. */
static enum err keep_listed(const struct tuf_metadata *last, json_t *meta, struct why *why)
{
    json_t *old = json_object_get(tuf_metadata_signed(last), "meta"), *entry;
    const char *name;

    json_object_foreach(old, name, entry)
    {
        const json_t *now = json_object_get(meta, name);

        if (!now)
            CHECK(json_object_set(meta, name, entry) == 0);
        else if (version_in(now) < version_in(entry))
            return say(why, ERR_CONFLICT, NULL,
                       "%.60s version %" PRIu64 " would follow version %" PRIu64
                       ", which was published already",
                       name, version_in(now), version_in(entry));
    }
    return ERR_OK;
}

static void list_file(json_t *meta, const char *role, struct span bytes, uint64_t version)
{
    char name[TUF_ROLE_NAME_SIZE_MAX + sizeof ".json"];

    (void)snprintf(name, sizeof name, "%s.json", role);
    CHECK(json_object_set_new(meta, name, tuf_file_to_json(bytes, version)) == 0);
}

static enum err list_roles(const struct online_state *state, json_t *meta, struct why *why)
{
    for (size_t i = 0; i < state->role_count; i++) {
        struct tuf_metadata *list;

        TRY(say_where(why, tuf_metadata_read(TUF_TARGETS, state->roles[i].bytes, &list, why), "%s",
                      state->roles[i].role));
        list_file(meta, state->roles[i].role, state->roles[i].bytes, tuf_metadata_version(list));
        tuf_metadata_close(list);
    }
    return ERR_OK;
}

/* ---- Making ---- */

/* Never one that devices may have seen, whatever this server remembers. */
static enum err next_version(const struct tuf_metadata *last, struct utc now, uint64_t *out,
                             struct why *why)
{
    uint64_t version = now.ms >= 1000 ? (uint64_t)now.ms / 1000 : 1;

    if (last && tuf_metadata_version(last) >= version)
        version = tuf_metadata_version(last) + 1;
    if (version > VERSION_MAX)
        return say(why, ERR_TOO_BIG, NULL,
                   "version %" PRIu64 " is out of range; new online keys begin anew", version);
    *out = version;
    return ERR_OK;
}

static enum err make(const struct online_role *role, const struct tuf_metadata *root,
                     uint64_t version, const json_t *meta, struct utc now,
                     struct online_result *out, struct why *why)
{
    struct utc expires = {(now.ms + role->lifetime_ms) / 1000 * 1000};
    json_t *envelope = tuf_envelope_new(role->role, version, expires);
    struct tuf_metadata *check = NULL;
    char keyid[DIGEST_HEX_SIZE];
    enum err err;

    CHECK(json_object_set_new(tuf_envelope_signed(envelope), "meta", json_deep_copy(meta)) == 0);
    tuf_key_id(role->key, keyid);
    err = tuf_envelope_sign(envelope, role->key, keyid, why);
    if (err == ERR_OK) {
        *out = (struct online_result){.changed = true,
                                      .version = version,
                                      .due = {now.ms + role->lifetime_ms / 2},
                                      .bytes = tuf_envelope_bytes(envelope)};
        err = tuf_metadata_read(role->role, tuf_bytes_span(&out->bytes), &check, why);
    }
    if (err == ERR_OK)
        err = tuf_verify_by_root(root, check, why);
    tuf_metadata_close(check);
    json_decref(envelope);
    if (err != ERR_OK)
        tuf_bytes_done(&out->bytes);
    return err;
}

/* The last one made, if the root still vouches for its key; NULL otherwise. */
static enum err read_last(const struct online_role *role, const struct tuf_metadata *root,
                          struct tuf_metadata **out, struct why *why)
{
    *out = NULL;
    if (role->last.size == 0)
        return ERR_OK;
    TRY(tuf_metadata_read(role->role, role->last, out, why));
    if (tuf_verify_by_root(root, *out, NULL) != ERR_OK) {
        tuf_metadata_close(*out);
        *out = NULL;
    }
    return ERR_OK;
}

static bool still_serves(const struct online_role *role, const struct tuf_metadata *last,
                         const json_t *meta, struct utc now)
{
    return json_equal(json_object_get(tuf_metadata_signed(last), "meta"), meta) &&
           !is_due(last, role->lifetime_ms, now);
}

/* The last one if it still serves, a new one otherwise. `meta` gets what stays listed. */
static enum err keep_or_make(const struct online_role *role, const struct tuf_metadata *root,
                             json_t *meta, struct utc now, struct online_result *out,
                             struct why *why)
{
    struct tuf_metadata *last;
    uint64_t version = 0;
    enum err err;

    TRY(read_last(role, root, &last, why));
    err = last ? keep_listed(last, meta, why) : ERR_OK;
    if (err == ERR_OK && last && still_serves(role, last, meta, now)) {
        *out = (struct online_result){
            .version = tuf_metadata_version(last),
            .due = {tuf_metadata_expires(last).ms - role->lifetime_ms / 2},
        };
    } else if (err == ERR_OK) {
        err = next_version(last, now, &version, why);
        if (err == ERR_OK)
            err = make(role, root, version, meta, now, out, why);
    }
    tuf_metadata_close(last);
    return err;
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static enum err make_snapshot(const struct online_state *state, const struct online_role *role,
                              const struct tuf_metadata *root, const struct tuf_metadata *targets,
                              struct utc now, struct online_result *out, struct why *why)
{
    json_t *meta = json_object();
    enum err err;

    CHECK(meta);
    list_file(meta, tuf_role_name(TUF_TARGETS), state->targets, tuf_metadata_version(targets));
    err = list_roles(state, meta, why);
    if (err == ERR_OK)
        err = keep_or_make(role, root, meta, now, out, why);
    json_decref(meta);
    return err;
}

static enum err make_timestamp(const struct online_role *role, const struct tuf_metadata *root,
                               struct span snapshot, uint64_t snapshot_version, struct utc now,
                               struct online_result *out, struct why *why)
{
    json_t *meta = json_object();
    enum err err;

    CHECK(meta);
    list_file(meta, tuf_role_name(TUF_SNAPSHOT), snapshot, snapshot_version);
    err = keep_or_make(role, root, meta, now, out, why);
    json_decref(meta);
    return err;
}

static enum err make_both(const struct online_state *state, const struct online_keys *keys,
                          const struct online_terms *terms, struct utc now,
                          const struct tuf_metadata *root, const struct tuf_metadata *targets,
                          struct online_made *out, struct why *why)
{
    const struct online_role snapshot = {
        TUF_SNAPSHOT, keys->snapshot,
        or_default(terms->snapshot_lifetime_ms, ONLINE_SNAPSHOT_LIFETIME_MS), state->snapshot};
    const struct online_role timestamp = {
        TUF_TIMESTAMP, keys->timestamp,
        or_default(terms->timestamp_lifetime_ms, ONLINE_TIMESTAMP_LIFETIME_MS), state->timestamp};
    struct online_result first = {0}, second = {0};
    enum err err;

    TRY(make_snapshot(state, &snapshot, root, targets, now, &first, why));
    err = make_timestamp(&timestamp, root,
                         first.changed ? tuf_bytes_span(&first.bytes) : state->snapshot,
                         first.version, now, &second, why);
    if (err != ERR_OK) {
        tuf_bytes_done(&first.bytes);
        return err;
    }
    *out = (struct online_made){
        .snapshot_changed = first.changed,
        .timestamp_changed = second.changed,
        .snapshot_version = first.version,
        .timestamp_version = second.version,
        .due = first.due.ms < second.due.ms ? first.due : second.due,
        .snapshot = first.bytes,
        .timestamp = second.bytes,
    };
    return ERR_OK;
}

bool online_is_named(const struct tuf_metadata *root, enum tuf_role role, const struct key *key)
{
    struct tuf_authority authority = tuf_root_authority(root, role);
    char keyid[DIGEST_HEX_SIZE];

    tuf_key_id(key, keyid);
    for (size_t i = 0; i < json_array_size(authority.keyids); i++) {
        if (strcmp(json_string_value(json_array_get(authority.keyids, i)), keyid) == 0)
            return true;
    }
    return false;
}

enum err online_make(const struct online_state *state, const struct online_keys *keys,
                     const struct online_terms *terms, struct utc now, struct online_made *out,
                     struct why *why)
{
    static const struct online_terms defaults = {0};
    struct tuf_metadata *root = NULL, *targets = NULL;
    enum err err = tuf_metadata_read(TUF_ROOT, state->root, &root, why);

    if (err == ERR_OK)
        err = tuf_metadata_read(TUF_TARGETS, state->targets, &targets, why);
    if (err == ERR_OK)
        err = tuf_verify_by_root(root, targets, why);
    if (err == ERR_OK)
        err = make_both(state, keys, terms ? terms : &defaults, now, root, targets, out, why);
    tuf_metadata_close(root);
    tuf_metadata_close(targets);
    return err;
}

void online_made_done(struct online_made *made)
{
    tuf_bytes_done(&made->snapshot);
    tuf_bytes_done(&made->timestamp);
}
