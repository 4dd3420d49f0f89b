#include "store/artifact.h"

#include <string.h>

#include "base/check.h"

#define COLUMNS                                                                         \
    "id, release, format, file, part, name, target, hardware, length, sha256, listing," \
    " withdrawn, created_ms"

static void read_row(struct db *db, int64_t tenant, struct artifact_row *out)
{
    out->tenant = tenant;
    out->id = db_column_int(db, 0);
    out->release = db_column_int(db, 1);
    out->format = (enum artifact_format)db_column_int(db, 2);
    CHECK(out->format < ARTIFACT_FORMAT_COUNT);
    db_column_text(db, 3, out->file, sizeof out->file);
    db_column_text(db, 4, out->part, sizeof out->part);
    db_column_text(db, 5, out->name, sizeof out->name);
    db_column_text(db, 6, out->target, sizeof out->target);
    db_column_text(db, 7, out->hardware, sizeof out->hardware);
    out->length = (uint64_t)db_column_int(db, 8);
    (void)db_column_digest(db, 9, out->sha256); /* always 32 bytes */
    out->listing = (uint32_t)db_column_int(db, 10);
    out->withdrawn = db_column_int(db, 11) != 0;
    out->created.ms = db_column_int(db, 12);
}

static void bind_row(struct db *db, const struct artifact_row *row, int64_t id)
{
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    db_bind_int(db, row->release);
    db_bind_int(db, row->format);
    db_bind_text(db, row->file);
    db_bind_text(db, row->part);
    db_bind_text(db, row->name);
    db_bind_text(db, row->target);
    db_bind_text(db, row->hardware);
    db_bind_int(db, (int64_t)row->length);
    db_bind_bytes(db, row->sha256, DIGEST_SIZE);
    db_bind_int(db, row->listing);
    db_bind_int(db, row->withdrawn);
    db_bind_int(db, row->created.ms);
}

enum err store_artifact_add(struct db *db, struct artifact_row *row)
{
    int64_t id;

    TRY(db_new_ids(db, row->tenant, "artifact", 1, &id));
    db_query(db, "INSERT INTO artifact (tenant, " COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7,"
                 " $8, $9, $10, $11, $12, $13, $14)");
    bind_row(db, row, id);
    TRY(db_run(db));
    row->id = id;
    return ERR_OK;
}

enum err store_artifact_confirm(struct db *db, int64_t tenant, int64_t id, uint32_t listing)
{
    db_query(db, "UPDATE artifact SET listing = $1, withdrawn = 0"
                 " WHERE tenant = $2 AND id = $3");
    db_bind_int(db, listing);
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    return db_run(db);
}

enum err store_artifact_withdraw_others(struct db *db, int64_t tenant, uint32_t listing)
{
    db_query(db, "UPDATE artifact SET withdrawn = 1"
                 " WHERE tenant = $1 AND listing <> $2 AND withdrawn = 0 AND target <> ''");
    db_bind_int(db, tenant);
    db_bind_int(db, listing);
    return db_run(db);
}

enum err store_artifact_list(struct db *db, int64_t tenant, int64_t release, uint32_t max,
                             struct artifact_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " COLUMNS " FROM artifact WHERE tenant = $1 AND release = $2"
                 " ORDER BY id LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, release);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_row(db, tenant, &out[(*count)++]);
    }
}

enum err store_artifact_get(struct db *db, int64_t tenant, int64_t id, struct artifact_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM artifact WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_artifact_of_blob(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                                struct artifact_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM artifact WHERE sha256 = $1 AND tenant = $2"
                 " ORDER BY withdrawn, id DESC LIMIT 1");
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    db_bind_int(db, tenant);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

/* A bit for each format. */
static int64_t formats_of(enum protocol protocol)
{
    enum artifact_format format;
    int64_t formats = 0;

    for (unsigned i = 0; protocol_format(protocol, i, &format); i++)
        formats |= INT64_C(1) << format;
    return formats;
}

enum err store_artifact_named(struct db *db, int64_t tenant, struct span product,
                              enum protocol protocol, struct span runs, struct artifact_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM artifact WHERE tenant = $1 AND EXISTS (SELECT 1"
                 " FROM release r WHERE r.tenant = artifact.tenant AND r.id = artifact.release"
                 " AND (r.product = $2 OR r.authority <> 0)"
                 " AND CASE artifact.name WHEN '' THEN r.version ELSE artifact.name END = $3)"
                 " AND (1 << format) & $4 <> 0 ORDER BY id DESC LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_span(db, product);
    db_bind_span(db, runs);
    db_bind_int(db, formats_of(protocol));
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_artifact_remove(struct db *db, int64_t tenant, int64_t id)
{
    db_query(db, "DELETE FROM artifact WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

static void read_bytes(struct db *db, int column, uint8_t *to, size_t size)
{
    struct span bytes = db_column_span(db, column);

    CHECK(bytes.size == size);
    memcpy(to, bytes.at, size);
}

enum err store_blob_digests(struct db *db, const uint8_t sha256[DIGEST_SIZE],
                            struct blob_digests *out)
{
    db_query(db, "SELECT sha1, md5 FROM blob_digests WHERE sha256 = $1");
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    TRY(db_one(db));
    read_bytes(db, 0, out->sha1, SHA1_SIZE);
    read_bytes(db, 1, out->md5, MD5_SIZE);
    return ERR_OK;
}

enum err store_blob_digests_put(struct db *db, const uint8_t sha256[DIGEST_SIZE],
                                const struct blob_digests *digests)
{
    db_query(db, "INSERT INTO blob_digests (sha256, sha1, md5) VALUES ($1, $2, $3)"
                 " ON CONFLICT DO NOTHING");
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    db_bind_bytes(db, digests->sha1, SHA1_SIZE);
    db_bind_bytes(db, digests->md5, MD5_SIZE);
    return db_run(db);
}
