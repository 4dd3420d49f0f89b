#include "store/delegated.h"

#include "base/check.h"

#define COLUMNS "role, version, bytes, expires_ms, stored_ms"

static enum err insert(struct db *db, const struct delegated_row *row, bool waiting)
{
    db_query(db, "INSERT INTO delegated (tenant, " COLUMNS ", waiting)"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7)");
    db_bind_int(db, row->tenant);
    db_bind_span(db, span_of(row->role));
    db_bind_int(db, (int64_t)row->version);
    db_bind_blob(db, row->bytes);
    db_bind_int(db, row->expires.ms);
    db_bind_int(db, row->stored.ms);
    db_bind_int(db, waiting);
    return db_run(db);
}

static void read_row(struct db *db, int64_t tenant, struct delegated_row *out)
{
    struct span role = db_column_span(db, 0);

    *out = (struct delegated_row){.tenant = tenant,
                                  .version = (uint64_t)db_column_int(db, 1),
                                  .bytes = db_column_span(db, 2),
                                  .expires.ms = db_column_int(db, 3),
                                  .stored.ms = db_column_int(db, 4)};
    CHECK(span_to_text(role, out->role, sizeof out->role));
}

enum err store_delegated_add(struct db *db, const struct delegated_row *row)
{
    return insert(db, row, false);
}

enum err store_delegated_find(struct db *db, int64_t tenant, const char *role, uint64_t version,
                              struct delegated_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM delegated WHERE tenant = $1 AND role = $2"
                 " AND ($3 = 0 OR version = $3) AND waiting = 0 ORDER BY version DESC LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_span(db, span_of(role));
    db_bind_int(db, (int64_t)version);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_delegated_wait(struct db *db, const struct delegated_row *row)
{
    db_query(db, "DELETE FROM delegated WHERE tenant = $1 AND role = $2 AND waiting = 1");
    db_bind_int(db, row->tenant);
    db_bind_span(db, span_of(row->role));
    TRY(db_run(db));
    return insert(db, row, true);
}

enum err store_delegated_waiting(struct db *db, int64_t tenant, const char *role,
                                 struct delegated_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM delegated"
                 " WHERE tenant = $1 AND role = $2 AND waiting = 1");
    db_bind_int(db, tenant);
    db_bind_span(db, span_of(role));
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_delegated_promote(struct db *db, int64_t tenant, const char *role)
{
    db_query(db, "UPDATE delegated SET waiting = 0"
                 " WHERE tenant = $1 AND role = $2 AND waiting = 1");
    db_bind_int(db, tenant);
    db_bind_span(db, span_of(role));
    return db_run(db);
}

enum err store_delegated_names(struct db *db, int64_t tenant, bool waiting,
                               struct delegated_names *out)
{
    bool row = true;

    out->count = 0;
    db_query(db, "SELECT DISTINCT role FROM delegated WHERE tenant = $1 AND waiting <= $2"
                 " ORDER BY role LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, waiting);
    db_bind_int(db, DELEGATED_ROLES_MAX);
    while (row) {
        TRY(db_step(db, &row));
        if (row)
            CHECK(
                span_to_text(db_column_span(db, 0), out->at[out->count++], DELEGATED_NAME_MAX + 1));
    }
    return ERR_OK;
}
