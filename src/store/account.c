#include "store/account.h"

#include "base/check.h"

#define COLUMNS \
    "tenant, id, name, role, token_sha256, created_by, created_ms, expires_ms, revoked_ms"

static void read_row(struct db *db, struct token_row *out)
{
    out->tenant = db_column_int(db, 0);
    out->id = db_column_int(db, 1);
    db_column_text(db, 2, out->name, sizeof out->name);
    out->role = (uint32_t)db_column_int(db, 3);
    (void)db_column_digest(db, 4, out->token_sha256); /* always 32 bytes */
    db_column_text(db, 5, out->created_by, sizeof out->created_by);
    out->created.ms = db_column_int(db, 6);
    out->expires.ms = db_column_int(db, 7);
    out->revoked.ms = db_column_int(db, 8);
}

enum err store_tenant_find(struct db *db, struct span name, int64_t *id)
{
    db_query(db, "SELECT id FROM tenant WHERE name = $1");
    db_bind_span(db, name);
    TRY(db_one(db));
    *id = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_tenant_name(struct db *db, int64_t id, char out[NAME_SIZE_MAX + 1])
{
    db_query(db, "SELECT name FROM tenant WHERE id = $1");
    db_bind_int(db, id);
    TRY(db_one(db));
    db_column_text(db, 0, out, NAME_SIZE_MAX + 1);
    return ERR_OK;
}

enum err store_tenant_list(struct db *db, int64_t after, uint32_t max, int64_t *out,
                           uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT id FROM tenant WHERE id > $1 ORDER BY id LIMIT $2");
    db_bind_int(db, after);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        out[(*count)++] = db_column_int(db, 0);
    }
}

enum err store_token_add(struct db *db, struct token_row *row)
{
    int64_t id;

    TRY(db_new_ids(db, row->tenant, "token", 1, &id));
    db_query(db, "INSERT INTO token (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    db_bind_text(db, row->name);
    db_bind_int(db, row->role);
    db_bind_bytes(db, row->token_sha256, DIGEST_SIZE);
    db_bind_text(db, row->created_by);
    db_bind_int(db, row->created.ms);
    db_bind_int(db, row->expires.ms);
    TRY(db_run(db));
    row->id = id;
    return ERR_OK;
}

enum err store_token_find(struct db *db, const uint8_t token_sha256[DIGEST_SIZE],
                          struct token_row *out)
{
    /* Tenants are few, and each has an index. */
    db_query(db, "SELECT " COLUMNS " FROM token WHERE (tenant, id) ="
                 " (SELECT token.tenant, token.id FROM tenant CROSS JOIN token"
                 " ON token.tenant = tenant.id AND token.token_sha256 = $1)");
    db_bind_bytes(db, token_sha256, DIGEST_SIZE);
    TRY(db_one(db));
    read_row(db, out);
    return ERR_OK;
}

enum err store_token_get(struct db *db, int64_t tenant, int64_t id, struct token_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM token WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    read_row(db, out);
    return ERR_OK;
}

static enum err read_rows(struct db *db, uint32_t max, struct token_row *out, uint32_t *count)
{
    bool row;

    for (*count = 0;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_row(db, &out[(*count)++]);
    }
}

enum err store_token_list(struct db *db, int64_t tenant, int64_t after, uint32_t max,
                          struct token_row *out, uint32_t *count)
{
    db_query(db, "SELECT " COLUMNS " FROM token WHERE tenant = $1 AND id > $2 AND revoked_ms = 0"
                 " ORDER BY id LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, after);
    db_bind_int(db, max);
    return read_rows(db, max, out, count);
}

enum err store_token_in_force(struct db *db, const struct token_row *after, struct utc now,
                              uint32_t max, struct token_row *out, uint32_t *count)
{
    db_query(db, "SELECT " COLUMNS " FROM token WHERE (tenant, id) > ($1, $2) AND revoked_ms = 0"
                 " AND (expires_ms = 0 OR expires_ms > $3) ORDER BY tenant, id LIMIT $4");
    db_bind_int(db, after->tenant);
    db_bind_int(db, after->id);
    db_bind_int(db, now.ms);
    db_bind_int(db, max);
    return read_rows(db, max, out, count);
}

enum err store_token_revoke(struct db *db, int64_t tenant, int64_t id, struct utc at)
{
    db_query(db, "UPDATE token SET revoked_ms = $1 WHERE tenant = $2 AND id = $3"
                 " AND revoked_ms = 0");
    db_bind_int(db, at.ms);
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

/* The few media types a remembered reply may have, as literals that outlive the row. */
static const char *content_type_of(struct span text)
{
    static const char *const types[] = {"application/json", "application/problem+json",
                                        "text/plain", "application/octet-stream"};

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (span_is(text, types[i]))
            return types[i];
    }
    return "application/json";
}

enum err store_idempotency_find(struct db *db, int64_t tenant, int64_t token, const char *key,
                                struct idempotency_row *out, bool *found)
{
    db_query(db, "SELECT request_sha256, status, content_type, body FROM idempotency"
                 " WHERE tenant = $1 AND token = $2 AND key = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, token);
    db_bind_text(db, key);
    TRY(db_step(db, found));
    if (!*found)
        return ERR_OK;
    out->tenant = tenant;
    out->token = token;
    out->key = key;
    (void)db_column_digest(db, 0, out->request_sha256); /* always 32 bytes */
    out->status = (uint16_t)db_column_int(db, 1);
    out->content_type = content_type_of(db_column_span(db, 2));
    out->body = db_column_span(db, 3);
    return ERR_OK;
}

enum err store_idempotency_add(struct db *db, const struct idempotency_row *row, struct utc at)
{
    db_query(db, "INSERT INTO idempotency (tenant, token, key, request_sha256, status,"
                 " content_type, body, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->token);
    db_bind_text(db, row->key);
    db_bind_bytes(db, row->request_sha256, DIGEST_SIZE);
    db_bind_int(db, row->status);
    db_bind_text(db, row->content_type);
    db_bind_blob(db, row->body);
    db_bind_int(db, at.ms);
    return db_run(db);
}

enum err store_idempotency_prune(struct db *db, struct utc before)
{
    db_query(db, "DELETE FROM idempotency WHERE at_ms < $1");
    db_bind_int(db, before.ms);
    return db_run(db);
}
