#include "app/publish.h"

#include <inttypes.h>
#include <stdio.h>

#include "app/deeds.h"
#include "app/publish_inside.h"
#include "app/rules.h"
#include "base/check.h"
#include "os/say.h"
#include "store/metadata.h"

/* ---- what is stored ---- */

enum err publish_newest(struct app *app, int64_t tenant, enum metadata_role role,
                        struct tuf_bytes *out)
{
    struct metadata_row row;
    enum err err = store_metadata_find(app->db, tenant, role, 0, &row);

    *out = (struct tuf_bytes){0};
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    *out = tuf_bytes_copy(row.bytes);
    return ERR_OK;
}

/* The newest of a role, parsed; *out is NULL when there is none. */
enum err publish_load(struct app *app, int64_t tenant, enum metadata_role role,
                      struct tuf_metadata **out, struct why *why)
{
    static const enum tuf_role roles[METADATA_ROLE_COUNT] = {
        [METADATA_ROOT] = TUF_ROOT,
        [METADATA_TARGETS] = TUF_TARGETS,
        [METADATA_SNAPSHOT] = TUF_SNAPSHOT,
        [METADATA_TIMESTAMP] = TUF_TIMESTAMP,
    };
    struct tuf_bytes bytes;
    enum err err;

    *out = NULL;
    TRY(app_db_failed(app, publish_newest(app, tenant, role, &bytes), why));
    if (bytes.size == 0)
        return ERR_OK;
    err = tuf_metadata_read(roles[role], tuf_bytes_span(&bytes), out, why);
    tuf_bytes_done(&bytes);
    return err;
}

void publish_changed(struct app *app, int64_t tenant)
{
    app_tenant(app, tenant)->shelf_stale = true;
    app_tenant(app, tenant)->policy_stale = true;
    app_tenant(app, tenant)->online_due = (struct utc){0};
}

static enum err keep(struct app *app, int64_t tenant, enum metadata_role role,
                     const struct tuf_metadata *metadata, struct utc now, struct why *why)
{
    uint64_t version = tuf_metadata_version(metadata);
    const struct metadata_row row = {.tenant = tenant,
                                     .role = role,
                                     .version = version,
                                     .bytes = tuf_metadata_bytes(metadata),
                                     .expires = tuf_metadata_expires(metadata),
                                     .stored = now};

    if (version == 0 || version > INT32_MAX)
        return say(why, ERR_TOO_BIG, "version", "version %" PRIu64 " is out of range", version);
    publish_changed(app, tenant);
    return app_db_failed(app, store_metadata_add(app->db, &row), why);
}

static bool same_bytes(const struct tuf_metadata *metadata, struct span bytes)
{
    return metadata && span_equal(tuf_metadata_bytes(metadata), bytes);
}

enum err publish_refuse(struct app *app, const struct deed *deed, struct utc now, enum err err,
                        const struct why *why)
{
    return err == ERR_OK ? ERR_OK : app_refuse(app, now, deed, err, why);
}

/* ---- root ---- */

static enum err take_root(struct app *app, const struct deed *deed, struct span bytes,
                          struct utc now, uint32_t *version, struct why *why)
{
    struct tuf_metadata *old, *next = NULL;
    enum err err;

    TRY(publish_load(app, deed->tenant, METADATA_ROOT, &old, why));
    if (same_bytes(old, bytes)) {
        *version = (uint32_t)tuf_metadata_version(old);
        tuf_metadata_close(old);
        return ERR_OK;
    }
    err = tuf_accept_root(old, bytes, now, &next, why);
    tuf_metadata_close(old);
    TRY(err);
    err = keep(app, deed->tenant, METADATA_ROOT, next, now, why);
    if (err == ERR_OK)
        err = app_db_failed(app, app_audit(app, now, deed), why);
    *version = (uint32_t)tuf_metadata_version(next);
    tuf_metadata_close(next);
    return err;
}

/* The new root may disown the present targets; their signers then publish new ones. */
static enum err renew_leniently(struct app *app, int64_t tenant, struct utc now)
{
    enum err err = publish_online(app, tenant, now, NULL);

    return err == ERR_STORAGE || err == ERR_AGAIN ? err : ERR_OK;
}

enum err publish_root(struct app *app, int64_t tenant, const char *actor, struct span bytes,
                      struct utc now, uint32_t *version, struct why *why)
{
    const struct deed deed = {.tenant = tenant, .actor = actor, .action = "trust.root"};
    enum err err = take_root(app, &deed, bytes, now, version, why);

    if (err != ERR_OK)
        return publish_refuse(app, &deed, now, err, why);
    return renew_leniently(app, tenant, now);
}

/* ---- targets ---- */

static enum err audit_targets(struct publishing *publishing)
{
    const struct published *out = publishing->out;
    char detail[AUDIT_TEXT_MAX];
    const struct deed deed = {.tenant = publishing->tenant,
                              .actor = publishing->actor,
                              .action = "trust.targets",
                              .detail = detail};

    CHECK(snprintf(detail, sizeof detail, "version %u: %u releases added, %u kept, %u withdrawn",
                   out->targets_version, out->added, out->confirmed, out->withdrawn) > 0);
    return app_audit(publishing->app, publishing->now, &deed);
}

static enum err take_all(struct publishing *publishing, const struct tuf_metadata *targets,
                         struct why *why)
{
    struct app *app = publishing->app;

    TRY(keep(app, publishing->tenant, METADATA_TARGETS, targets, publishing->now, why));
    TRY(publish_listing(publishing, targets, NULL, why));
    TRY(app_db_failed(app, audit_targets(publishing), why));
    TRY(app_db_failed(app, rules_enforce(publishing->app, publishing->tenant, publishing->now),
                      why));
    return publish_online(app, publishing->tenant, publishing->now, why);
}

static enum err take_targets(struct publishing *publishing, struct span bytes, struct why *why)
{
    struct tuf_metadata *root, *old = NULL, *next = NULL;
    enum err err;

    TRY(publish_load(publishing->app, publishing->tenant, METADATA_ROOT, &root, why));
    if (!root)
        return say(why, ERR_INVALID, NULL, "no root has been published yet");
    err = publish_load(publishing->app, publishing->tenant, METADATA_TARGETS, &old, why);
    if (err == ERR_OK && same_bytes(old, bytes)) {
        publishing->out->targets_version = (uint32_t)tuf_metadata_version(old);
    } else if (err == ERR_OK) {
        err = tuf_accept_targets(root, old, bytes, publishing->now, &next, why);
        if (err == ERR_OK) {
            publishing->out->targets_version = (uint32_t)tuf_metadata_version(next);
            err = take_all(publishing, next, why);
        }
    }
    tuf_metadata_close(root);
    tuf_metadata_close(old);
    tuf_metadata_close(next);
    return err;
}

enum err publish_targets(struct app *app, int64_t tenant, const char *actor, struct span bytes,
                         struct utc now, struct published *out, struct why *why)
{
    struct publishing publishing = {
        .app = app, .tenant = tenant, .actor = actor, .now = now, .out = out};
    const struct deed deed = {.tenant = tenant, .actor = actor, .action = "trust.targets"};

    *out = (struct published){0};
    return publish_refuse(app, &deed, now, take_targets(&publishing, bytes, why), why);
}
