/* Credentials and gateway tokens of store/foreign.h. */
#include <string.h>

#include "base/check.h"
#include "store/foreign.h"

#define COLUMNS         "id, device, kind, status, sha256, public_key, created_ms"
#define GATEWAY_COLUMNS "id, protocol, name, sha256, selector, created_by, created_ms"

static void read_row(struct db *db, int64_t tenant, struct foreign_credential_row *out)
{
    struct span key = db_column_span(db, 5);

    *out = (struct foreign_credential_row){.tenant = tenant};
    CHECK(key.size <= sizeof out->key);
    if (key.size > 0)
        memcpy(out->key, key.at, key.size);
    out->key_size = key.size;
    out->id = db_column_int(db, 0);
    out->device = db_column_int(db, 1);
    out->kind = (enum foreign_kind)db_column_int(db, 2);
    out->status = (enum device_status)db_column_int(db, 3);
    CHECK(out->kind < FOREIGN_KIND_COUNT && out->status < DEVICE_STATUS_COUNT);
    (void)db_column_digest(db, 4, out->sha256); /* always 32 bytes */
    out->created.ms = db_column_int(db, 6);
}

static enum err count_credentials(struct db *db, int64_t tenant, int64_t device, int64_t *count)
{
    db_query(db, "SELECT count(*) FROM foreign_credential WHERE tenant = $1 AND device = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    TRY(db_one(db));
    *count = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_foreign_credential_add(struct db *db, struct foreign_credential_row *row)
{
    int64_t id, count;

    CHECK(row->key_size <= sizeof row->key);
    TRY(count_credentials(db, row->tenant, row->device, &count));
    if (count >= FOREIGN_CREDENTIALS_MAX)
        return ERR_TOO_BIG;
    TRY(db_new_ids(db, row->tenant, "foreign_credential", 1, &id));
    db_query(db, "INSERT INTO foreign_credential (tenant, " COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    db_bind_int(db, row->device);
    db_bind_int(db, row->kind);
    db_bind_int(db, row->status);
    db_bind_bytes(db, row->sha256, DIGEST_SIZE);
    db_bind_bytes(db, row->key, row->key_size);
    db_bind_int(db, row->created.ms);
    TRY(db_run(db));
    row->id = id;
    return ERR_OK;
}

enum err store_foreign_credential_save(struct db *db, const struct foreign_credential_row *row)
{
    db_query(db, "UPDATE foreign_credential SET status = $1 WHERE tenant = $2 AND id = $3");
    db_bind_int(db, row->status);
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->id);
    return db_run(db);
}

enum err store_foreign_credential_remove(struct db *db, int64_t tenant, int64_t id)
{
    db_query(db, "DELETE FROM foreign_credential WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    return db_run(db);
}

enum err store_foreign_credential_find(struct db *db, int64_t tenant, int64_t device,
                                       enum foreign_kind kind, const uint8_t sha256[DIGEST_SIZE],
                                       struct foreign_credential_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM foreign_credential"
                 " WHERE tenant = $1 AND device = $2 AND kind = $3 AND sha256 = $4");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, kind);
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_foreign_credential_get(struct db *db, int64_t tenant, int64_t id,
                                      struct foreign_credential_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM foreign_credential WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_foreign_credential_list(struct db *db, int64_t tenant, int64_t device, uint32_t max,
                                       struct foreign_credential_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " COLUMNS " FROM foreign_credential"
                 " WHERE tenant = $1 AND device = $2 ORDER BY id LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_row(db, tenant, &out[(*count)++]);
    }
}

/* ---- gateways ---- */

static void read_gateway(struct db *db, int64_t tenant, struct foreign_gateway_row *out)
{
    *out = (struct foreign_gateway_row){.tenant = tenant};
    out->id = db_column_int(db, 0);
    out->protocol = (enum protocol)db_column_int(db, 1);
    CHECK(out->protocol < PROTOCOL_COUNT);
    db_column_text(db, 2, out->name, sizeof out->name);
    (void)db_column_digest(db, 3, out->sha256); /* always 32 bytes */
    db_column_text(db, 4, out->selector, sizeof out->selector);
    db_column_text(db, 5, out->created_by, sizeof out->created_by);
    out->created.ms = db_column_int(db, 6);
}

static enum err count_gateways(struct db *db, int64_t tenant, int64_t *count)
{
    db_query(db, "SELECT count(*) FROM foreign_gateway WHERE tenant = $1");
    db_bind_int(db, tenant);
    TRY(db_one(db));
    *count = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_foreign_gateway_add(struct db *db, struct foreign_gateway_row *row)
{
    int64_t id, count;

    TRY(count_gateways(db, row->tenant, &count));
    if (count >= FOREIGN_GATEWAYS_MAX)
        return ERR_TOO_BIG;
    TRY(db_new_ids(db, row->tenant, "foreign_gateway", 1, &id));
    db_query(db, "INSERT INTO foreign_gateway (tenant, " GATEWAY_COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    db_bind_int(db, row->protocol);
    db_bind_text(db, row->name);
    db_bind_bytes(db, row->sha256, DIGEST_SIZE);
    db_bind_text(db, row->selector);
    db_bind_text(db, row->created_by);
    db_bind_int(db, row->created.ms);
    TRY(db_run(db));
    row->id = id;
    return ERR_OK;
}

enum err store_foreign_gateway_find(struct db *db, int64_t tenant, enum protocol protocol,
                                    const uint8_t sha256[DIGEST_SIZE],
                                    struct foreign_gateway_row *out)
{
    db_query(db, "SELECT " GATEWAY_COLUMNS " FROM foreign_gateway"
                 " WHERE tenant = $1 AND protocol = $2 AND sha256 = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, protocol);
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    TRY(db_one(db));
    read_gateway(db, tenant, out);
    return ERR_OK;
}

enum err store_foreign_gateway_list(struct db *db, int64_t tenant, int64_t after, uint32_t max,
                                    struct foreign_gateway_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " GATEWAY_COLUMNS " FROM foreign_gateway"
                 " WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, after);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_gateway(db, tenant, &out[(*count)++]);
    }
}

enum err store_foreign_gateway_remove(struct db *db, int64_t tenant, int64_t id)
{
    db_query(db, "DELETE FROM foreign_gateway WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}
