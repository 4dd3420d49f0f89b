#include "store/metadata.h"

#include "base/check.h"

enum err store_metadata_add(struct db *db, const struct metadata_row *row)
{
    CHECK(row->role < METADATA_ROLE_COUNT);
    db_query(db, "INSERT INTO metadata (tenant, role, version, bytes, expires_ms, stored_ms)"
                 " VALUES ($1, $2, $3, $4, $5, $6)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->role);
    db_bind_int(db, (int64_t)row->version);
    db_bind_blob(db, row->bytes);
    db_bind_int(db, row->expires.ms);
    db_bind_int(db, row->stored.ms);
    return db_run(db);
}

enum err store_metadata_find(struct db *db, int64_t tenant, enum metadata_role role,
                             uint64_t version, struct metadata_row *out)
{
    db_query(db, "SELECT version, bytes, expires_ms, stored_ms FROM metadata"
                 " WHERE tenant = $1 AND role = $2 AND ($3 = 0 OR version = $3)"
                 " ORDER BY version DESC LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_int(db, role);
    db_bind_int(db, (int64_t)version);
    TRY(db_one(db));
    *out = (struct metadata_row){.tenant = tenant,
                                 .role = role,
                                 .version = (uint64_t)db_column_int(db, 0),
                                 .bytes = db_column_span(db, 1),
                                 .expires.ms = db_column_int(db, 2),
                                 .stored.ms = db_column_int(db, 3)};
    return ERR_OK;
}

enum err store_metadata_prune(struct db *db, int64_t tenant, enum metadata_role role, uint32_t kept)
{
    db_query(db, "DELETE FROM metadata WHERE tenant = $1 AND role = $2 AND version <="
                 " (SELECT version FROM metadata WHERE tenant = $1 AND role = $2"
                 "  ORDER BY version DESC LIMIT 1 OFFSET $3)");
    db_bind_int(db, tenant);
    db_bind_int(db, role);
    db_bind_int(db, kept);
    return db_run(db);
}

enum err store_metadata_disown(struct db *db, int64_t tenant, enum metadata_role role,
                               uint64_t version)
{
    db_query(db, "DELETE FROM metadata WHERE tenant = $1 AND role = $2 AND version >= $3");
    db_bind_int(db, tenant);
    db_bind_int(db, role);
    db_bind_int(db, (int64_t)version);
    return db_run(db);
}
