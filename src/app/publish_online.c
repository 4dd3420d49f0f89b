/* The two roles the server signs itself, and what is handed out of all four. */
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "app/online_key.h"
#include "app/publish.h"
#include "base/check.h"
#include "store/account.h"
#include "store/delegated.h"
#include "store/metadata.h"
#include "trust/delegation.h"
#include "trust/online.h"

#define ONLINE_RETRY_MS 60000 /* after a failure that only signers can cure */

struct online_room {
    struct tuf_bytes root, targets, snapshot, timestamp;
    struct delegated_names names;
    struct tuf_bytes lists[DELEGATED_ROLES_MAX];
    struct online_role_file roles[DELEGATED_ROLES_MAX];
    size_t role_count;
};

/* Every list there ever was: what a snapshot has listed it goes on listing. */
static enum err read_lists(struct app *app, int64_t tenant, struct online_room *out)
{
    TRY(store_delegated_names(app->db, tenant, false, &out->names));
    for (uint32_t i = 0; i < out->names.count; i++) {
        struct delegated_row row;

        TRY(store_delegated_find(app->db, tenant, out->names.at[i], 0, &row));
        out->lists[i] = tuf_bytes_copy(row.bytes);
        out->roles[i] = (struct online_role_file){out->names.at[i], tuf_bytes_span(&out->lists[i])};
        out->role_count++;
    }
    return ERR_OK;
}

static enum err read_all(struct app *app, int64_t tenant, struct online_room *out)
{
    TRY(publish_newest(app, tenant, METADATA_ROOT, &out->root));
    TRY(publish_newest(app, tenant, METADATA_TARGETS, &out->targets));
    TRY(publish_newest(app, tenant, METADATA_SNAPSHOT, &out->snapshot));
    TRY(publish_newest(app, tenant, METADATA_TIMESTAMP, &out->timestamp));
    return read_lists(app, tenant, out);
}

static void forget_all(struct online_room *room)
{
    tuf_bytes_done(&room->root);
    tuf_bytes_done(&room->targets);
    tuf_bytes_done(&room->snapshot);
    tuf_bytes_done(&room->timestamp);
    for (size_t i = 0; i < room->role_count; i++)
        tuf_bytes_done(&room->lists[i]);
    free(room);
}

static enum err keep(struct app *app, int64_t tenant, enum metadata_role role,
                     const struct tuf_bytes *bytes, struct utc now)
{
    enum tuf_role tuf_role = role == METADATA_SNAPSHOT ? TUF_SNAPSHOT : TUF_TIMESTAMP;
    struct tuf_metadata *metadata;
    struct metadata_row row;
    enum err err;

    TRY(tuf_metadata_read(tuf_role, tuf_bytes_span(bytes), &metadata, NULL));
    row = (struct metadata_row){.tenant = tenant,
                                .role = role,
                                .version = tuf_metadata_version(metadata),
                                .bytes = tuf_bytes_span(bytes),
                                .expires = tuf_metadata_expires(metadata),
                                .stored = now};
    err = store_metadata_disown(app->db, tenant, role, row.version); /* see trust/online.h */
    if (err == ERR_OK)
        err = store_metadata_add(app->db, &row);
    tuf_metadata_close(metadata);
    app_tenant(app, tenant)->shelf_stale = true;
    return err;
}

static enum err audit(struct app *app, int64_t tenant, struct utc now)
{
    const struct deed deed = {.tenant = tenant, .actor = "server", .action = "trust.renew"};

    return app_audit(app, now, &deed);
}

static enum err keep_made(struct app *app, int64_t tenant, const struct online_made *made,
                          struct utc now)
{
    if (made->snapshot_changed)
        TRY(keep(app, tenant, METADATA_SNAPSHOT, &made->snapshot, now));
    if (made->timestamp_changed)
        TRY(keep(app, tenant, METADATA_TIMESTAMP, &made->timestamp, now));
    return made->snapshot_changed || made->timestamp_changed ? audit(app, tenant, now) : ERR_OK;
}

/* The keys that the root names; any when it names none, so that the refusal says so. */
static enum err choose_keys(struct app *app, struct span bytes, struct online_keys *out,
                            struct why *why)
{
    struct tuf_metadata *root;

    TRY(tuf_metadata_read(TUF_ROOT, bytes, &root, why));
    out->snapshot = online_key_in_use(app, ONLINE_SNAPSHOT, root);
    out->timestamp = online_key_in_use(app, ONLINE_TIMESTAMP, root);
    tuf_metadata_close(root);
    return ERR_OK;
}

static enum err make(struct app *app, int64_t tenant, const struct online_room *room,
                     struct utc now, struct why *why)
{
    const struct online_state state = {.root = tuf_bytes_span(&room->root),
                                       .targets = tuf_bytes_span(&room->targets),
                                       .roles = room->roles,
                                       .role_count = room->role_count,
                                       .snapshot = tuf_bytes_span(&room->snapshot),
                                       .timestamp = tuf_bytes_span(&room->timestamp)};
    struct online_keys keys;
    const struct online_terms terms = {0};
    struct online_made made = {0};
    enum err err = choose_keys(app, state.root, &keys, why);

    if (err == ERR_OK)
        err = online_make(&state, &keys, &terms, now, &made, why);
    if (err == ERR_OK) {
        err = app_db_failed(app, keep_made(app, tenant, &made, now), why);
        app_tenant(app, tenant)->online_due = made.due;
    }
    online_made_done(&made);
    return err;
}

enum err publish_online(struct app *app, int64_t tenant, struct utc now, struct why *why)
{
    struct online_room *room;
    enum err err;

    if (!app->config.snapshot_key || !app->config.timestamp_key ||
        now.ms < app_tenant(app, tenant)->online_due.ms)
        return ERR_OK;
    app_tenant(app, tenant)->online_due.ms = now.ms + ONLINE_RETRY_MS;
    room = calloc(1, sizeof *room);
    CHECK(room);
    err = app_db_failed(app, read_all(app, tenant, room), why);
    if (err == ERR_OK && room->root.size > 0 && room->targets.size > 0)
        err = make(app, tenant, room, now, why);
    forget_all(room);
    return err;
}

/* ---- the shelf ---- */

/* Version 0: the newest. ERR_NOT_FOUND: there is none. */
static enum err show(struct app *app, int64_t tenant, const char *tenant_name,
                     enum metadata_role role, uint64_t version)
{
    static const enum tuf_role roles[METADATA_ROLE_COUNT] = {
        [METADATA_ROOT] = TUF_ROOT,
        [METADATA_TARGETS] = TUF_TARGETS,
        [METADATA_SNAPSHOT] = TUF_SNAPSHOT,
        [METADATA_TIMESTAMP] = TUF_TIMESTAMP,
    };
    char name[TUF_FILE_NAME_SIZE];
    struct metadata_row row;

    TRY(store_metadata_find(app->db, tenant, role, version, &row));
    tuf_file_name(roles[role], role == METADATA_TIMESTAMP ? 0 : row.version, name);
    app->config.shelf.put(app->config.shelf.self, tenant_name, name, row.bytes);
    return ERR_OK;
}

static enum err unless_missing(enum err err)
{
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* All roots there are. They follow each other without gaps, but the first need not be number 1: a
 * repository may have had a life before it came to this server. */
static enum err show_roots(struct app *app, int64_t tenant, const char *tenant_name,
                           uint64_t newest)
{
    enum err err = ERR_OK;

    for (uint64_t version = newest; version > 0 && err == ERR_OK; version--)
        err = show(app, tenant, tenant_name, METADATA_ROOT, version);
    return unless_missing(err);
}

static enum err show_lists(struct app *app, int64_t tenant, const char *tenant_name)
{
    struct delegated_names *names = calloc(1, sizeof *names);
    enum err err;

    CHECK(names);
    err = store_delegated_names(app->db, tenant, false, names);
    for (uint32_t i = 0; err == ERR_OK && i < names->count; i++) {
        char file[TUF_FILE_NAME_SIZE];
        struct delegated_row row;

        err = store_delegated_find(app->db, tenant, names->at[i], 0, &row);
        if (err == ERR_OK && tuf_role_file_name(row.role, row.version, file))
            app->config.shelf.put(app->config.shelf.self, tenant_name, file, row.bytes);
    }
    free(names);
    return err;
}

/* Timestamp last: whoever sees a new one finds everything it leads to. */
enum err publish_shelf(struct app *app, int64_t tenant)
{
    char name[NAME_SIZE_MAX + 1];
    struct metadata_row root;
    enum err err;

    if (!app->config.shelf.put)
        return ERR_OK;
    TRY(store_tenant_name(app->db, tenant, name));
    err = store_metadata_find(app->db, tenant, METADATA_ROOT, 0, &root);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    TRY(show_roots(app, tenant, name, root.version));
    TRY(unless_missing(show(app, tenant, name, METADATA_TARGETS, 0)));
    TRY(show_lists(app, tenant, name));
    TRY(unless_missing(show(app, tenant, name, METADATA_SNAPSHOT, 0)));
    return unless_missing(show(app, tenant, name, METADATA_TIMESTAMP, 0));
}
