#include "trust/online.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/envelope.h"
#include "trust/metadata.h"
#include "trust/tuf_key.h"

/* One of the two online roles and what it says of the file below it. */
struct online_role {
    enum tuf_role role;
    const char *lists; /* the name of the file below */
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

static bool lists_the_same(const struct tuf_metadata *last, const char *name, struct span below,
                           uint64_t below_version)
{
    struct tuf_file file;

    return tuf_listed_file(last, name, &file) && file.version == below_version &&
           tuf_check_bytes(&file, below, NULL) == ERR_OK;
}

/* What clients would call a rollback is refused here already. */
static enum err check_no_rollback(const struct tuf_metadata *last, const char *name,
                                  uint64_t below_version, struct why *why)
{
    struct tuf_file file;

    if (tuf_listed_file(last, name, &file) && file.version > below_version)
        return say(why, ERR_CONFLICT, NULL,
                   "%s version %" PRIu64 " would follow version %" PRIu64
                   ", which was published already",
                   name, below_version, file.version);
    return ERR_OK;
}

static enum err make(const struct online_role *role, const struct tuf_metadata *root,
                     uint64_t version, struct span below, uint64_t below_version, struct utc now,
                     struct online_result *out, struct why *why)
{
    struct utc expires = {(now.ms + role->lifetime_ms) / 1000 * 1000};
    json_t *envelope = tuf_envelope_new(role->role, version, expires);
    struct tuf_metadata *check = NULL;
    char keyid[DIGEST_HEX_SIZE];
    enum err err;

    CHECK(json_object_set_new(
              tuf_envelope_signed(envelope), "meta",
              json_pack("{s:o}", role->lists, tuf_file_to_json(below, below_version))) == 0);
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

/* The last one if it still serves, a new one otherwise. */
static enum err keep_or_make(const struct online_role *role, const struct tuf_metadata *root,
                             struct span below, uint64_t below_version, struct utc now,
                             struct online_result *out, struct why *why)
{
    struct tuf_metadata *last = NULL;
    bool keep = false;
    uint64_t version = 1;
    enum err err = ERR_OK;

    if (role->last.size > 0)
        err = tuf_metadata_read(role->role, role->last, &last, why);
    if (last) {
        version = tuf_metadata_version(last) + 1;
        if (tuf_verify_by_root(root, last, NULL) == ERR_OK) {
            err = check_no_rollback(last, role->lists, below_version, why);
            keep = lists_the_same(last, role->lists, below, below_version) &&
                   !is_due(last, role->lifetime_ms, now);
        }
    }
    if (err == ERR_OK && keep)
        *out = (struct online_result){
            .version = tuf_metadata_version(last),
            .due = {tuf_metadata_expires(last).ms - role->lifetime_ms / 2},
        };
    else if (err == ERR_OK)
        err = make(role, root, version, below, below_version, now, out, why);
    tuf_metadata_close(last);
    return err;
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static enum err make_both(const struct online_state *state, const struct online_keys *keys,
                          const struct online_terms *terms, struct utc now,
                          const struct tuf_metadata *root, const struct tuf_metadata *targets,
                          struct online_made *out, struct why *why)
{
    const struct online_role snapshot = {
        TUF_SNAPSHOT, "targets.json", keys->snapshot,
        or_default(terms->snapshot_lifetime_ms, ONLINE_SNAPSHOT_LIFETIME_MS), state->snapshot};
    const struct online_role timestamp = {
        TUF_TIMESTAMP, "snapshot.json", keys->timestamp,
        or_default(terms->timestamp_lifetime_ms, ONLINE_TIMESTAMP_LIFETIME_MS), state->timestamp};
    struct online_result first = {0}, second = {0};
    enum err err;

    TRY(keep_or_make(&snapshot, root, state->targets, tuf_metadata_version(targets), now, &first,
                     why));
    err = keep_or_make(&timestamp, root,
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
