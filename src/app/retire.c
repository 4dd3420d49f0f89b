#include "app/retire.h"

#include <string.h>

#include "app/deeds.h"
#include "base/check.h"
#include "store/account.h"
#include "store/blob_owner.h"
#include "store/listed_file.h"
#include "store/metadata.h"
#include "store/release.h"

#define RETIRE_EACH_MS 3600000
#define ORPHANS_MAX    64u /* blobs dropped in one go */
#define SNAPSHOTS_KEPT 16u /* versions; a device in the middle of a refresh may want an old one */

struct orphans {
    struct app *app;
    struct utc now;
    uint8_t list[ORPHANS_MAX][DIGEST_SIZE];
    uint32_t count;
    enum err err;
};

/* Whether a release or a list names it. */
static enum err is_needed(struct db *db, const uint8_t sha256[DIGEST_SIZE], bool *needed)
{
    TRY(store_release_needs_blob(db, sha256, needed));
    return *needed ? ERR_OK : store_listed_file_has(db, 0, sha256, needed);
}

/* Old, and named by nobody. */
static bool is_orphan(void *self, const struct blob_info *info)
{
    struct orphans *orphans = self;
    bool needed;

    if (orphans->now.ms - info->stored.ms < ORPHAN_BLOB_KEPT_MS)
        return true;
    orphans->err = is_needed(orphans->app->db, info->sha256, &needed);
    if (orphans->err != ERR_OK)
        return false;
    if (!needed)
        memcpy(orphans->list[orphans->count++], info->sha256, DIGEST_SIZE);
    return orphans->count < ORPHANS_MAX;
}

static enum err audit_drop(struct app *app, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                           struct utc now)
{
    char object[sizeof "blob:" + DIGEST_HEX_SIZE];
    struct buf name = buf_over(object, sizeof object);
    const struct deed deed = {.tenant = tenant,
                              .actor = "server",
                              .action = "blob.drop",
                              .object = object,
                              .detail = "no release has needed it for a day"};

    buf_text(&name, "blob:");
    buf_hex(&name, (struct span){sha256, DIGEST_SIZE});
    (void)buf_finish_text(&name); /* terminates */
    return app_audit(app, now, &deed);
}

/* Whoever brought it is told. */
static enum err drop_blob(struct app *app, const uint8_t sha256[DIGEST_SIZE], struct utc now)
{
    for (size_t i = 0; i < app->tenants_count; i++) {
        bool brought;

        TRY(store_blob_owner_has(app->db, app->tenants[i].id, sha256, &brought));
        if (brought)
            TRY(audit_drop(app, app->tenants[i].id, sha256, now));
    }
    TRY(blobs_drop(app->config.blobs, sha256));
    return store_blob_owner_forget(app->db, sha256);
}

static enum err retire_blobs(struct app *app, struct utc now)
{
    struct orphans orphans = {.app = app, .now = now};

    if (!app->config.blobs)
        return ERR_OK;
    TRY(blobs_each(app->config.blobs, is_orphan, &orphans));
    TRY(orphans.err);
    for (uint32_t i = 0; i < orphans.count; i++)
        TRY(drop_blob(app, orphans.list[i], now));
    return ERR_OK;
}

static enum err retire_metadata(struct app *app, int64_t tenant, enum metadata_role role)
{
    return store_metadata_prune(app->db, tenant, role, SNAPSHOTS_KEPT);
}

static struct utc before(struct utc now, int64_t ms)
{
    return (struct utc){now.ms > ms ? now.ms - ms : 0};
}

enum err retire(struct app *app, struct utc now)
{
    if (now.ms < app->retire_due.ms)
        return ERR_OK;
    app->retire_due.ms = now.ms + RETIRE_EACH_MS;
    TRY(store_idempotency_prune(app->db, before(now, IDEMPOTENCY_KEPT_MS)));
    TRY(store_certificates_prune(app->db, before(now, CERTIFICATE_FORGOTTEN_MS)));
    for (size_t i = 0; i < app->tenants_count; i++) {
        TRY(retire_metadata(app, app->tenants[i].id, METADATA_SNAPSHOT));
        TRY(retire_metadata(app, app->tenants[i].id, METADATA_TIMESTAMP));
    }
    return retire_blobs(app, now);
}
