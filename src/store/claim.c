#include "store/claim.h"

#include "base/check.h"

#define COLUMNS \
    "id, token_sha256, device_name, note, created_by, created_ms, expires_ms, used_ms, used_by"

static void read_row(struct db *db, int64_t tenant, struct claim_row *out)
{
    out->tenant = tenant;
    out->id = db_column_int(db, 0);
    (void)db_column_digest(db, 1, out->token_sha256); /* always 32 bytes */
    db_column_text(db, 2, out->device_name, sizeof out->device_name);
    db_column_text(db, 3, out->note, sizeof out->note);
    db_column_text(db, 4, out->created_by, sizeof out->created_by);
    out->created.ms = db_column_int(db, 5);
    out->expires.ms = db_column_int(db, 6);
    out->used.ms = db_column_int(db, 7);
    db_column_text(db, 8, out->used_by, sizeof out->used_by);
}

enum err store_claim_add(struct db *db, struct claim_row *row)
{
    int64_t id;

    TRY(db_new_ids(db, row->tenant, "claim", 1, &id));
    db_query(db, "INSERT INTO claim (tenant, " COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '')");
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    db_bind_bytes(db, row->token_sha256, DIGEST_SIZE);
    db_bind_text(db, row->device_name);
    db_bind_text(db, row->note);
    db_bind_text(db, row->created_by);
    db_bind_int(db, row->created.ms);
    db_bind_int(db, row->expires.ms);
    TRY(db_run(db));
    row->id = id;
    return ERR_OK;
}

enum err store_claim_find(struct db *db, int64_t tenant, const uint8_t token_sha256[DIGEST_SIZE],
                          struct claim_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM claim WHERE tenant = $1 AND token_sha256 = $2");
    db_bind_int(db, tenant);
    db_bind_bytes(db, token_sha256, DIGEST_SIZE);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_claim_tenant(struct db *db, const uint8_t token_sha256[DIGEST_SIZE], int64_t *tenant)
{
    /* Tenants are few, and each has an index. */
    db_query(db, "SELECT claim.tenant FROM tenant CROSS JOIN claim"
                 " ON claim.tenant = tenant.id AND claim.token_sha256 = $1");
    db_bind_bytes(db, token_sha256, DIGEST_SIZE);
    TRY(db_one(db));
    *tenant = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_claim_use(struct db *db, int64_t tenant, int64_t id, struct span device_name,
                         struct utc at)
{
    db_query(db, "UPDATE claim SET used_ms = $1, used_by = $2"
                 " WHERE tenant = $3 AND id = $4 AND used_ms = 0");
    db_bind_int(db, at.ms);
    db_bind_span(db, device_name);
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

enum err store_claim_list(struct db *db, int64_t tenant, int64_t before, uint32_t max,
                          struct claim_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " COLUMNS " FROM claim WHERE tenant = $1 AND id < $2"
                 " ORDER BY id DESC LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, before > 0 ? before : INT64_MAX);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_row(db, tenant, &out[(*count)++]);
    }
}

enum err store_claim_remove(struct db *db, int64_t tenant, int64_t id)
{
    db_query(db, "DELETE FROM claim WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_preauthorized_set(struct db *db, const struct preauthorized_row *row)
{
    db_query(db, "INSERT INTO preauthorized (tenant, name, key_sha256, created_by, created_ms)"
                 " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, name)"
                 " DO UPDATE SET key_sha256 = excluded.key_sha256,"
                 " created_by = excluded.created_by, created_ms = excluded.created_ms");
    db_bind_int(db, row->tenant);
    db_bind_text(db, row->name);
    db_bind_bytes(db, row->key_sha256, DIGEST_SIZE);
    db_bind_text(db, row->created_by);
    db_bind_int(db, row->created.ms);
    return db_run(db);
}

enum err store_preauthorized_find(struct db *db, int64_t tenant, struct span name,
                                  struct preauthorized_row *out)
{
    db_query(db, "SELECT name, key_sha256, created_by, created_ms FROM preauthorized"
                 " WHERE tenant = $1 AND name = $2");
    db_bind_int(db, tenant);
    db_bind_span(db, name);
    TRY(db_one(db));
    out->tenant = tenant;
    db_column_text(db, 0, out->name, sizeof out->name);
    (void)db_column_digest(db, 1, out->key_sha256); /* always 32 bytes */
    db_column_text(db, 2, out->created_by, sizeof out->created_by);
    out->created.ms = db_column_int(db, 3);
    return ERR_OK;
}

enum err store_preauthorized_remove(struct db *db, int64_t tenant, struct span name)
{
    db_query(db, "DELETE FROM preauthorized WHERE tenant = $1 AND name = $2");
    db_bind_int(db, tenant);
    db_bind_span(db, name);
    return db_run(db);
}
