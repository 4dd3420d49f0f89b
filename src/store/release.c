#include "store/release.h"

#include "base/buf.h"
#include "base/check.h"

#define COLUMNS                                                                              \
    "id, product, version, target, hardware, bases, kind, security_version, security_floor," \
    " length, sha256, plain_length, plain_sha256, chunk_size, chunks_sha256, listing,"       \
    " withdrawn, created_ms, seal, key_check, authority, release_counter"
#define READ_COLUMNS COLUMNS ", length(content_key) > 0"

void release_row_name(const struct release_row *row, char out[RELEASE_ID_SIZE])
{
    struct buf buf = buf_over(out, RELEASE_ID_SIZE);

    buf_text(&buf, row->product);
    buf_byte(&buf, '@');
    buf_text(&buf, row->version);
    (void)buf_finish_text(&buf);
}

bool release_name_split(struct span name, struct span *product, struct span *version)
{
    for (size_t i = 1; i + 1 < name.size; i++) {
        if (name.at[i] == '@') {
            *product = (struct span){name.at, i};
            *version = (struct span){name.at + i + 1, name.size - i - 1};
            return true;
        }
    }
    return false;
}

static void read_row(struct db *db, int64_t tenant, struct release_row *out)
{
    out->tenant = tenant;
    out->id = db_column_int(db, 0);
    db_column_text(db, 1, out->product, sizeof out->product);
    db_column_text(db, 2, out->version, sizeof out->version);
    db_column_text(db, 3, out->target, sizeof out->target);
    db_column_text(db, 4, out->hardware, sizeof out->hardware);
    db_column_text(db, 5, out->bases, sizeof out->bases);
    out->kind = (uint32_t)db_column_int(db, 6);
    out->security_version = (uint32_t)db_column_int(db, 7);
    out->security_floor = (uint32_t)db_column_int(db, 8);
    out->length = (uint64_t)db_column_int(db, 9);
    out->no_image = !db_column_digest(db, 10, out->sha256); /* and then so are the next two */
    out->plain_length = (uint64_t)db_column_int(db, 11);
    (void)db_column_digest(db, 12, out->plain_sha256);
    out->chunk_size = (uint32_t)db_column_int(db, 13);
    (void)db_column_digest(db, 14, out->chunks_sha256);
    out->listing = (uint32_t)db_column_int(db, 15);
    out->withdrawn = db_column_int(db, 16) != 0;
    out->created.ms = db_column_int(db, 17);
    out->sealed = db_column_int(db, 18) != 0;
    out->alg = out->sealed ? (uint32_t)db_column_int(db, 18) - 1 : 0;
    (void)db_column_digest(db, 19, out->key_check); /* zeros in the clear */
    out->authority = (enum protocol)db_column_int(db, 20);
    CHECK(out->authority < PROTOCOL_COUNT);
    out->release_counter = db_column_int(db, 21);
    out->key_present = db_column_int(db, 22) != 0;
}

static void bind_row(struct db *db, const struct release_row *row, int64_t id)
{
    size_t digest_size = row->no_image ? 0 : DIGEST_SIZE;

    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    db_bind_text(db, row->product);
    db_bind_text(db, row->version);
    db_bind_text(db, row->target);
    db_bind_text(db, row->hardware);
    db_bind_text(db, row->bases);
    db_bind_int(db, row->kind);
    db_bind_int(db, row->security_version);
    db_bind_int(db, row->security_floor);
    db_bind_int(db, (int64_t)row->length);
    db_bind_bytes(db, row->sha256, digest_size);
    db_bind_int(db, (int64_t)row->plain_length);
    db_bind_bytes(db, row->plain_sha256, digest_size);
    db_bind_int(db, row->chunk_size);
    db_bind_bytes(db, row->chunks_sha256, digest_size);
    db_bind_int(db, row->listing);
    db_bind_int(db, row->withdrawn);
    db_bind_int(db, row->created.ms);
    db_bind_int(db, row->sealed ? (int64_t)row->alg + 1 : 0);
    db_bind_bytes(db, row->key_check, row->sealed ? DIGEST_SIZE : 0);
    db_bind_int(db, row->authority);
    db_bind_int(db, row->release_counter);
}

enum err store_release_add(struct db *db, struct release_row *row)
{
    int64_t id;

    TRY(db_new_ids(db, row->tenant, "release", 1, &id));
    db_query(db, "INSERT INTO release (tenant, " COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7,"
                 " $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,"
                 " $23)");
    bind_row(db, row, id);
    TRY(db_run(db));
    row->id = id;
    return ERR_OK;
}

enum err store_release_set_image(struct db *db, const struct release_row *row)
{
    db_query(db, "UPDATE release SET (tenant, " COLUMNS ") = ($1, $2, $3, $4, $5, $6, $7, $8,"
                 " $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)"
                 " WHERE tenant = $1 AND id = $2");
    bind_row(db, row, row->id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_release_remove(struct db *db, int64_t tenant, int64_t id)
{
    db_query(db, "DELETE FROM release WHERE tenant = $1 AND id = $2 AND authority <> 0");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_release_set_key(struct db *db, int64_t tenant, int64_t id, struct span stored)
{
    CHECK(stored.size <= CONTENT_KEY_STORED_MAX);
    db_query(db, "UPDATE release SET content_key = $1 WHERE tenant = $2 AND id = $3");
    db_bind_blob(db, stored);
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_release_key(struct db *db, int64_t tenant, int64_t id, struct buf *out)
{
    struct span stored;

    db_query(db, "SELECT content_key FROM release WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    stored = db_column_span(db, 0);
    if (stored.size == 0)
        return ERR_NOT_FOUND;
    buf_span(out, stored);
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

enum err store_release_next_listing(struct db *db, int64_t tenant, uint32_t *out)
{
    db_query(db, "SELECT 1 + max((SELECT coalesce(max(listing), 0) FROM release WHERE tenant = $1),"
                 " (SELECT coalesce(max(listing), 0) FROM listed_file WHERE tenant = $1),"
                 " (SELECT coalesce(max(listing), 0) FROM artifact WHERE tenant = $1))");
    db_bind_int(db, tenant);
    TRY(db_one(db));
    *out = (uint32_t)db_column_int(db, 0);
    return ERR_OK;
}

enum err store_release_confirm(struct db *db, int64_t tenant, int64_t id, uint32_t listing)
{
    db_query(db, "UPDATE release SET listing = $1, withdrawn = 0"
                 " WHERE tenant = $2 AND id = $3");
    db_bind_int(db, listing);
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    return db_run(db);
}

enum err store_release_withdraw_others(struct db *db, int64_t tenant, uint32_t listing,
                                       uint32_t *count)
{
    db_query(db, "UPDATE release SET withdrawn = 1"
                 " WHERE tenant = $1 AND listing <> $2 AND withdrawn = 0 AND authority = 0");
    db_bind_int(db, tenant);
    db_bind_int(db, listing);
    TRY(db_run(db));
    *count = (uint32_t)db_changed(db);
    return ERR_OK;
}

enum err store_release_get(struct db *db, int64_t tenant, int64_t id, struct release_row *out)
{
    db_query(db, "SELECT " READ_COLUMNS " FROM release WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_release_find(struct db *db, int64_t tenant, struct span product, struct span version,
                            struct release_row *out)
{
    db_query(db, "SELECT " READ_COLUMNS " FROM release"
                 " WHERE tenant = $1 AND product = $2 AND version = $3");
    db_bind_int(db, tenant);
    db_bind_span(db, product);
    db_bind_span(db, version);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_release_by_image(struct db *db, int64_t tenant,
                                const uint8_t plain_sha256[DIGEST_SIZE], struct release_row *out)
{
    db_query(db, "SELECT " READ_COLUMNS " FROM release WHERE tenant = $1 AND plain_sha256 = $2"
                 " ORDER BY id DESC LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_bytes(db, plain_sha256, DIGEST_SIZE);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_release_list(struct db *db, int64_t tenant, int64_t before, uint32_t max,
                            struct release_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " READ_COLUMNS " FROM release WHERE tenant = $1 AND id < $2"
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

enum err store_release_of_blob(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                               struct release_row *out)
{
    db_query(db, "SELECT " READ_COLUMNS " FROM release"
                 " WHERE tenant = $1 AND (sha256 = $2 OR chunks_sha256 = $2)"
                 " ORDER BY withdrawn, id DESC LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_release_needs_blob(struct db *db, const uint8_t sha256[DIGEST_SIZE], bool *needed)
{
    db_query(db, "SELECT 1 FROM release WHERE sha256 = $1 OR chunks_sha256 = $1"
                 " UNION ALL SELECT 1 FROM artifact WHERE sha256 = $1 LIMIT 1");
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    return db_step(db, needed);
}
