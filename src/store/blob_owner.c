#include "store/blob_owner.h"

enum err store_blob_owner_add(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                              struct utc at)
{
    db_query(db, "INSERT INTO blob_owner (tenant, sha256, created_ms) VALUES ($1, $2, $3)"
                 " ON CONFLICT (tenant, sha256) DO NOTHING");
    db_bind_int(db, tenant);
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    db_bind_int(db, at.ms);
    return db_run(db);
}

enum err store_blob_owner_has(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                              bool *has)
{
    db_query(db, "SELECT count(*) FROM blob_owner WHERE tenant = $1 AND sha256 = $2");
    db_bind_int(db, tenant);
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    TRY(db_one(db));
    *has = db_column_int(db, 0) > 0;
    return ERR_OK;
}

enum err store_blob_owner_forget(struct db *db, const uint8_t sha256[DIGEST_SIZE])
{
    db_query(db, "DELETE FROM blob_owner WHERE sha256 = $1");
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    return db_run(db);
}
