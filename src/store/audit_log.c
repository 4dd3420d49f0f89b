#include "store/audit_log.h"

#include "base/check.h"

enum err store_audit_head(struct db *db, int64_t tenant, struct audit_head *out)
{
    db_query(db, "SELECT seq, hash FROM audit_head WHERE tenant = $1");
    db_bind_int(db, tenant);
    TRY(db_one(db));
    out->seq = (uint64_t)db_column_int(db, 0);
    (void)db_column_digest(db, 1, out->hash); /* zeros before the first entry, as the chain wants */
    return ERR_OK;
}

enum err store_audit_append(struct db *db, int64_t tenant, const struct audit_row *row)
{
    db_query(db, "INSERT INTO audit (tenant, seq, line, hash) VALUES ($1, $2, $3, $4)");
    db_bind_int(db, tenant);
    db_bind_int(db, (int64_t)row->seq);
    db_bind_blob(db, row->line);
    db_bind_bytes(db, row->hash, DIGEST_SIZE);
    TRY(db_run(db));
    db_query(db, "UPDATE audit_head SET seq = $1, hash = $2 WHERE tenant = $3 AND seq = $1 - 1");
    db_bind_int(db, (int64_t)row->seq);
    db_bind_bytes(db, row->hash, DIGEST_SIZE);
    db_bind_int(db, tenant);
    TRY(db_run(db));
    CHECK(db_changed(db) == 1);
    return ERR_OK;
}

static enum err one(struct db *db, struct audit_row *out, bool *found)
{
    TRY(db_step(db, found));
    if (*found) {
        out->seq = (uint64_t)db_column_int(db, 0);
        (void)db_column_digest(db, 1, out->hash); /* always 32 bytes */
        out->line = db_column_span(db, 2);
    }
    return ERR_OK;
}

static int64_t number(uint64_t seq)
{
    return seq > INT64_MAX ? INT64_MAX : (int64_t)seq;
}

enum err store_audit_next(struct db *db, int64_t tenant, uint64_t after, struct audit_row *out,
                          bool *found)
{
    db_query(db, "SELECT seq, hash, line FROM audit WHERE tenant = $1 AND seq > $2"
                 " ORDER BY seq LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_int(db, number(after));
    return one(db, out, found);
}

enum err store_audit_previous(struct db *db, int64_t tenant, uint64_t before, struct audit_row *out,
                              bool *found)
{
    db_query(db, "SELECT seq, hash, line FROM audit WHERE tenant = $1 AND seq < $2"
                 " ORDER BY seq DESC LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_int(db, number(before));
    return one(db, out, found);
}
