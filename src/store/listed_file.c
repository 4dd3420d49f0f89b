#include "store/listed_file.h"

enum err store_listed_file_put(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                               uint32_t listing)
{
    db_query(db, "INSERT INTO listed_file (sha256, tenant, listing) VALUES ($1, $2, $3)"
                 " ON CONFLICT (sha256, tenant) DO UPDATE SET listing = excluded.listing");
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    db_bind_int(db, tenant);
    db_bind_int(db, listing);
    return db_run(db);
}

enum err store_listed_file_drop_others(struct db *db, int64_t tenant, uint32_t listing)
{
    db_query(db, "DELETE FROM listed_file WHERE tenant = $1 AND listing <> $2");
    db_bind_int(db, tenant);
    db_bind_int(db, listing);
    return db_run(db);
}

enum err store_listed_file_has(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                               bool *has)
{
    db_query(db, "SELECT 1 FROM listed_file WHERE sha256 = $1 AND (tenant = $2 OR $2 = 0) LIMIT 1");
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    db_bind_int(db, tenant);
    return db_step(db, has);
}
