#include "app/blob.h"

#include "store/blob_owner.h"
#include "store/release.h"

enum err blob_stat(struct app *app, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                   struct blob_info *out)
{
    struct release_row release;
    bool brought;

    TRY(store_blob_owner_has(app->db, tenant, sha256, &brought));
    if (!brought)
        TRY(store_release_of_blob(app->db, tenant, sha256, &release));
    return blobs_stat(app->config.blobs, sha256, out);
}

enum err blob_brought(struct app *app, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                      struct utc now)
{
    return store_blob_owner_add(app->db, tenant, sha256, now);
}
