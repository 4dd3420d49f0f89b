#include "trust/client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/client_form.h"
#include "trust/tuf_file.h"

static void trust(struct tuf_client *client, struct tuf_metadata *metadata)
{
    enum tuf_role role = tuf_metadata_role(metadata);

    tuf_metadata_close(client->trusted[role]);
    client->trusted[role] = metadata;
}

static void distrust(struct tuf_client *client, enum tuf_role role)
{
    CHECK(role != TUF_ROOT);
    tuf_metadata_close(client->trusted[role]);
    client->trusted[role] = NULL;
}

/* ---- 5.2: the root to begin with ---- */

static enum err load_root(const struct tuf_client *client, struct tuf_metadata **out,
                          struct why *why)
{
    struct tuf_metadata *root;
    enum err err;

    TRY(client_read_stored(client, TUF_ROOT, "root", &root, why));
    err = tuf_verify_by_root(root, root, why);
    if (err != ERR_OK)
        tuf_metadata_close(root);
    else
        *out = root;
    return err;
}

static enum err read_anchor(struct span bytes, struct tuf_metadata **out, struct why *why)
{
    struct tuf_metadata *root;
    enum err err;

    TRY(tuf_metadata_read(TUF_ROOT, bytes, &root, why));
    err = tuf_verify_by_root(root, root, why);
    if (err != ERR_OK)
        tuf_metadata_close(root);
    else
        *out = root;
    return say_where(why, err, "the provisioned root");
}

/* The newer of the stored root and the provisioned one. A stored root that is damaged counts
 * as none if there is a provisioned one: from there the chain leads up again. */
static enum err choose_root(struct tuf_client *client, struct span trusted_root, struct why *why)
{
    struct tuf_metadata *stored = NULL, *anchor = NULL;
    enum err err = load_root(client, &stored, why);

    if (trusted_root.size == 0) {
        if (err == ERR_OK)
            trust(client, stored);
        return err;
    }
    err = read_anchor(trusted_root, &anchor, why);
    if (err != ERR_OK) {
        tuf_metadata_close(stored);
        return err;
    }
    if (stored && tuf_metadata_version(stored) >= tuf_metadata_version(anchor)) {
        tuf_metadata_close(anchor);
        trust(client, stored);
        return ERR_OK;
    }
    tuf_metadata_close(stored);
    trust(client, anchor);
    return client_store(client, "root", anchor, why);
}

enum err tuf_client_open(const char *dir, struct span trusted_root, struct tuf_client **out,
                         struct why *why)
{
    struct tuf_client *client;
    enum err err;

    if (strlen(dir) >= sizeof client->dir)
        return say(why, ERR_TOO_BIG, NULL, "%.100s...: the path is too long", dir);
    TRY(file_make_directory(dir, 0755, why));
    file_remove_temporaries(dir);
    client = calloc(1, sizeof *client);
    CHECK(client);
    memcpy(client->dir, dir, strlen(dir) + 1);
    err = choose_root(client, trusted_root, why);
    if (err != ERR_OK) {
        tuf_client_close(client);
        return err;
    }
    *out = client;
    return ERR_OK;
}

void tuf_client_close(struct tuf_client *client)
{
    if (!client)
        return;
    client_roles_forget(client);
    for (int role = 0; role < TUF_ROLE_COUNT; role++)
        tuf_metadata_close(client->trusted[role]);
    free(client);
}

/* ---- 5.3: the root chain ---- */

/* ERR_NOT_FOUND when the chain ends here. */
static enum err update_root_once(const struct refresh *refresh, struct why *why)
{
    struct tuf_client *client = refresh->client;
    const struct tuf_metadata *root = client->trusted[TUF_ROOT];
    struct tuf_metadata *next;
    enum err err;

    TRY(client_fetch(refresh, TUF_ROOT, "root", tuf_metadata_version(root) + 1, NULL, &next, why));
    err = tuf_verify_next_root(root, next, why);
    if (err == ERR_OK)
        err = client_store(client, "root", next, why);
    if (err != ERR_OK) {
        tuf_metadata_close(next);
        return err;
    }
    trust(client, next);
    return ERR_OK;
}

static enum err update_root(const struct refresh *refresh, struct why *why)
{
    enum err err = ERR_OK;

    for (unsigned i = 0; i < TUF_ROOT_ROTATIONS_MAX && err == ERR_OK; i++)
        err = update_root_once(refresh, why);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    why_clear(why); /* the missing next root was expected */
    return client_check_fresh(refresh->client, "root", refresh->client->trusted[TUF_ROOT], why);
}

/* ---- 5.4: the timestamp ---- */

/* A stored timestamp that the current root does not vouch for is forgotten: this is how rotating
 * its key recovers from a version number that ran away (5.3.11). */
static void load_timestamp(struct tuf_client *client)
{
    struct tuf_metadata *stored;

    if (client_read_stored(client, TUF_TIMESTAMP, "timestamp", &stored, NULL) != ERR_OK)
        return;
    if (tuf_verify_by_root(client->trusted[TUF_ROOT], stored, NULL) == ERR_OK)
        trust(client, stored);
    else
        tuf_metadata_close(stored);
}

static struct tuf_file listed_file(const struct tuf_metadata *metadata, const char *name)
{
    struct tuf_file file = {0};

    CHECK(tuf_listed_file(metadata, name, &file)); /* its form was checked when it was read */
    return file;
}

static enum err check_timestamp_rollback(const struct tuf_metadata *old,
                                         const struct tuf_metadata *fresh, struct why *why)
{
    uint64_t before = listed_file(old, "snapshot.json").version;
    uint64_t after = listed_file(fresh, "snapshot.json").version;

    if (tuf_metadata_version(fresh) < tuf_metadata_version(old))
        return say(why, ERR_CONFLICT, NULL,
                   "timestamp.json: version %" PRIu64 " is older than the known %" PRIu64,
                   tuf_metadata_version(fresh), tuf_metadata_version(old));
    if (after < before)
        return say(why, ERR_CONFLICT, NULL,
                   "timestamp.json: names snapshot version %" PRIu64
                   ", older than the known %" PRIu64,
                   after, before);
    return ERR_OK;
}

static enum err judge_timestamp(const struct refresh *refresh, const struct tuf_metadata *fresh,
                                struct why *why)
{
    const struct tuf_metadata *old = refresh->client->trusted[TUF_TIMESTAMP];

    TRY(tuf_verify_by_root(refresh->client->trusted[TUF_ROOT], fresh, why));
    if (old)
        TRY(check_timestamp_rollback(old, fresh, why));
    TRY(client_check_fresh(refresh->client, "timestamp", fresh, why));
    return client_store(refresh->client, "timestamp", fresh, why);
}

static enum err update_timestamp(const struct refresh *refresh, struct why *why)
{
    struct tuf_client *client = refresh->client;
    const struct tuf_metadata *old;
    struct tuf_metadata *fresh;
    enum err err;

    load_timestamp(client);
    old = client->trusted[TUF_TIMESTAMP];
    TRY(client_fetch(refresh, TUF_TIMESTAMP, "timestamp", 0, NULL, &fresh, why));
    if (old && tuf_metadata_version(old) == tuf_metadata_version(fresh) &&
        tuf_verify_by_root(client->trusted[TUF_ROOT], fresh, NULL) == ERR_OK) {
        tuf_metadata_close(fresh); /* 5.4.3.1: nothing new, whatever else it says */
        return client_check_fresh(client, "timestamp", old, why);
    }
    err = judge_timestamp(refresh, fresh, why);
    if (err != ERR_OK) {
        tuf_metadata_close(fresh);
        return err;
    }
    trust(client, fresh);
    return ERR_OK;
}

/* ---- 5.5: the snapshot ---- */

/* Trusted as "what was known", to compare with; false if it is not what the timestamp names. */
static bool load_snapshot(const struct refresh *refresh)
{
    struct tuf_client *client = refresh->client;
    struct tuf_file listed = listed_file(client->trusted[TUF_TIMESTAMP], "snapshot.json");
    struct tuf_metadata *stored;

    if (client_read_stored(client, TUF_SNAPSHOT, "snapshot", &stored, NULL) != ERR_OK)
        return false;
    if (tuf_verify_by_root(client->trusted[TUF_ROOT], stored, NULL) != ERR_OK) {
        tuf_metadata_close(stored);
        return false;
    }
    trust(client, stored);
    return tuf_metadata_version(stored) == listed.version &&
           client_check_fresh(client, "snapshot", stored, NULL) == ERR_OK;
}

static enum err judge_snapshot(const struct refresh *refresh, const struct tuf_file *listed,
                               const struct tuf_metadata *fresh, struct why *why)
{
    const struct tuf_metadata *old = refresh->client->trusted[TUF_SNAPSHOT];

    TRY(tuf_verify_by_root(refresh->client->trusted[TUF_ROOT], fresh, why));
    TRY(client_check_version("snapshot", fresh, listed->version, why));
    if (old)
        TRY(say_where(why, tuf_check_snapshot_rollback(old, fresh, why), "snapshot"));
    TRY(client_check_fresh(refresh->client, "snapshot", fresh, why));
    return client_store(refresh->client, "snapshot", fresh, why);
}

static enum err update_snapshot(const struct refresh *refresh, struct why *why)
{
    struct tuf_client *client = refresh->client;
    struct tuf_file listed = listed_file(client->trusted[TUF_TIMESTAMP], "snapshot.json");
    struct tuf_metadata *fresh;
    enum err err;

    if (load_snapshot(refresh))
        return ERR_OK;
    TRY(client_fetch(refresh, TUF_SNAPSHOT, "snapshot", client_version_in_name(client, &listed),
                     &listed, &fresh, why));
    err = judge_snapshot(refresh, &listed, fresh, why);
    if (err != ERR_OK) {
        tuf_metadata_close(fresh);
        return err;
    }
    trust(client, fresh);
    return ERR_OK;
}

/* ---- 5.6: the targets ---- */

static enum err update_targets(const struct refresh *refresh, struct why *why)
{
    struct tuf_client *client = refresh->client;
    const struct role_source source = {
        .role = tuf_role_name(TUF_TARGETS),
        .authority = tuf_root_authority(client->trusted[TUF_ROOT], TUF_TARGETS),
        .listed = listed_file(client->trusted[TUF_SNAPSHOT], "targets.json"),
    };
    struct tuf_metadata *targets;

    TRY(client_get_targets(refresh, &source, &targets, why));
    trust(client, targets);
    return ERR_OK;
}

/* ---- The whole ---- */

/* Everything but the root is trusted anew each time. */
static void forget(struct tuf_client *client)
{
    client->settled = false;
    client_roles_forget(client);
    distrust(client, TUF_TIMESTAMP);
    distrust(client, TUF_SNAPSHOT);
    distrust(client, TUF_TARGETS);
}

enum err tuf_client_refresh(struct tuf_client *client, const struct tuf_fetch *fetch,
                            struct utc now, struct why *why)
{
    const struct refresh refresh = {.client = client, .fetch = fetch};

    CHECK(fetch && fetch->get);
    forget(client);
    client->now = now;
    client->resuming = false;
    TRY(update_root(&refresh, why));
    TRY(update_timestamp(&refresh, why));
    TRY(update_snapshot(&refresh, why));
    TRY(update_targets(&refresh, why));
    client->settled = true;
    return ERR_OK;
}

enum err tuf_client_resume(struct tuf_client *client, struct why *why)
{
    const struct refresh refresh = {.client = client};

    forget(client);
    client->resuming = true;
    load_timestamp(client);
    if (!client->trusted[TUF_TIMESTAMP] || !load_snapshot(&refresh))
        return say(why, ERR_UNTRUSTED, NULL, "%s: holds no trusted snapshot; a refresh is needed",
                   client->dir);
    if (update_targets(&refresh, NULL) != ERR_OK)
        return say(why, ERR_UNTRUSTED, NULL, "%s: holds no trusted targets; a refresh is needed",
                   client->dir);
    client->settled = true;
    return ERR_OK;
}

const struct tuf_metadata *tuf_client_metadata(const struct tuf_client *client, enum tuf_role role)
{
    CHECK((size_t)role < TUF_ROLE_COUNT);
    return client->trusted[role];
}
