#include "store/token_use.h"

enum err store_token_used(struct db *db, int64_t tenant, int64_t token, struct utc *out)
{
    bool row;

    db_query(db, "SELECT used_ms FROM token_use WHERE tenant = $1 AND token = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, token);
    TRY(db_step(db, &row));
    out->ms = row ? db_column_int(db, 0) : 0;
    return ERR_OK;
}

enum err store_token_use(struct db *db, int64_t tenant, int64_t token, struct utc at)
{
    db_query(db, "INSERT INTO token_use (tenant, token, used_ms) VALUES ($1, $2, $3)"
                 " ON CONFLICT (tenant, token) DO UPDATE SET used_ms = excluded.used_ms");
    db_bind_int(db, tenant);
    db_bind_int(db, token);
    db_bind_int(db, at.ms);
    return db_run(db);
}

enum err store_token_count(struct db *db, int64_t tenant, uint32_t role, struct utc now,
                           int64_t *count)
{
    db_query(db, "SELECT count(*) FROM token WHERE tenant = $1 AND role >= $2 AND revoked_ms = 0"
                 " AND (expires_ms = 0 OR expires_ms > $3)");
    db_bind_int(db, tenant);
    db_bind_int(db, role);
    db_bind_int(db, now.ms);
    TRY(db_one(db));
    *count = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_token_name_taken(struct db *db, int64_t tenant, struct span name, struct utc now,
                                bool *taken)
{
    db_query(db, "SELECT count(*) FROM token WHERE tenant = $1 AND name = $2 AND revoked_ms = 0"
                 " AND (expires_ms = 0 OR expires_ms > $3)");
    db_bind_int(db, tenant);
    db_bind_span(db, name);
    db_bind_int(db, now.ms);
    TRY(db_one(db));
    *taken = db_column_int(db, 0) > 0;
    return ERR_OK;
}
