/* Certificates, gaps and logs of devices. */
#include <string.h>

#include "base/check.h"
#include "store/device.h"

#define CERTIFICATE_COLUMNS "fingerprint, issued_ms, not_after_ms, revoked_ms"

static void read_certificate(struct db *db, int64_t tenant, int64_t device,
                             struct certificate_row *out)
{
    out->tenant = tenant;
    out->device = device;
    (void)db_column_digest(db, 0, out->fingerprint); /* always 32 bytes */
    out->issued.ms = db_column_int(db, 1);
    out->not_after.ms = db_column_int(db, 2);
    out->revoked.ms = db_column_int(db, 3);
}

enum err store_certificate_add(struct db *db, const struct certificate_row *row)
{
    db_query(db, "INSERT INTO certificate (tenant, device, " CERTIFICATE_COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->device);
    db_bind_bytes(db, row->fingerprint, DIGEST_SIZE);
    db_bind_int(db, row->issued.ms);
    db_bind_int(db, row->not_after.ms);
    db_bind_int(db, row->revoked.ms);
    return db_run(db);
}

enum err store_certificate_find(struct db *db, int64_t tenant, int64_t device,
                                const uint8_t fingerprint[DIGEST_SIZE], struct certificate_row *out)
{
    db_query(db, "SELECT " CERTIFICATE_COLUMNS " FROM certificate"
                 " WHERE tenant = $1 AND device = $2 AND fingerprint = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_bytes(db, fingerprint, DIGEST_SIZE);
    TRY(db_one(db));
    read_certificate(db, tenant, device, out);
    return ERR_OK;
}

enum err store_certificates_issued(struct db *db, int64_t tenant, int64_t device, struct utc since,
                                   uint32_t *count)
{
    db_query(db, "SELECT count(*) FROM certificate"
                 " WHERE tenant = $1 AND device = $2 AND issued_ms > $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, since.ms);
    TRY(db_one(db));
    *count = (uint32_t)db_column_int(db, 0);
    return ERR_OK;
}

enum err store_certificates_keep(struct db *db, int64_t tenant, int64_t device, uint32_t kept)
{
    db_query(db, "DELETE FROM certificate WHERE tenant = $1 AND device = $2 AND fingerprint IN"
                 " (SELECT fingerprint FROM certificate WHERE tenant = $1 AND device = $2"
                 "  ORDER BY issued_ms DESC, not_after_ms DESC, fingerprint LIMIT -1 OFFSET $3)");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, kept);
    return db_run(db);
}

enum err store_certificate_newest(struct db *db, int64_t tenant, int64_t device,
                                  struct certificate_row *out)
{
    db_query(db, "SELECT " CERTIFICATE_COLUMNS " FROM certificate"
                 " WHERE tenant = $1 AND device = $2"
                 " ORDER BY issued_ms DESC, not_after_ms DESC, fingerprint LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    TRY(db_one(db));
    read_certificate(db, tenant, device, out);
    return ERR_OK;
}

enum err store_certificates_revoke(struct db *db, int64_t tenant, int64_t device, struct utc at)
{
    db_query(db, "UPDATE certificate SET revoked_ms = $1"
                 " WHERE tenant = $2 AND device = $3 AND revoked_ms = 0");
    db_bind_int(db, at.ms);
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    return db_run(db);
}

enum err store_certificates_prune(struct db *db, struct utc before)
{
    db_query(db, "DELETE FROM certificate WHERE not_after_ms < $1 AND issued_ms <"
                 " (SELECT max(issued_ms) FROM certificate c"
                 "  WHERE c.tenant = certificate.tenant AND c.device = certificate.device)");
    db_bind_int(db, before.ms);
    return db_run(db);
}

enum err store_gap_add(struct db *db, int64_t tenant, int64_t device, struct gap_row gap)
{
    db_query(db, "INSERT INTO gap (tenant, device, at_ms, away_ms) VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (tenant, device, at_ms) DO NOTHING");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, gap.at.ms);
    db_bind_int(db, gap.away_ms);
    TRY(db_run(db));
    db_query(db, "DELETE FROM gap WHERE tenant = $1 AND device = $2 AND at_ms <="
                 " (SELECT at_ms FROM gap WHERE tenant = $1 AND device = $2"
                 "  ORDER BY at_ms DESC LIMIT 1 OFFSET $3)");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, GAPS_KEPT);
    return db_run(db);
}

enum err store_gap_list(struct db *db, int64_t tenant, int64_t device, struct utc before,
                        uint32_t max, struct gap_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT at_ms, away_ms FROM gap WHERE tenant = $1 AND device = $2 AND at_ms < $3"
                 " ORDER BY at_ms DESC LIMIT $4");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, before.ms);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        out[*count].at.ms = db_column_int(db, 0);
        out[(*count)++].away_ms = db_column_int(db, 1);
    }
}

enum err store_log_add(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                       struct utc at, struct span text, int64_t *id)
{
    db_query(db, "INSERT INTO device_log (tenant, device, id, assignment, at_ms, size, text)"
                 " VALUES ($1, $2, (SELECT coalesce(max(id), 0) + 1 FROM device_log"
                 "  WHERE tenant = $1 AND device = $2), $3, $4, $5, $6) RETURNING id");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, assignment);
    db_bind_int(db, at.ms);
    db_bind_int(db, (int64_t)text.size);
    db_bind_blob(db, text);
    TRY(db_one(db));
    *id = db_column_int(db, 0);
    db_query(db, "DELETE FROM device_log WHERE tenant = $1 AND device = $2 AND id <= $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, *id - LOGS_KEPT);
    return db_run(db);
}

enum err store_log_list(struct db *db, int64_t tenant, int64_t device, uint32_t max,
                        struct log_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT id, assignment, at_ms, size FROM device_log"
                 " WHERE tenant = $1 AND device = $2 ORDER BY id DESC LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        out[*count] = (struct log_row){.id = db_column_int(db, 0),
                                       .assignment = db_column_int(db, 1),
                                       .at.ms = db_column_int(db, 2),
                                       .size = db_column_int(db, 3)};
        (*count)++;
    }
}

enum err store_log_text(struct db *db, int64_t tenant, int64_t device, int64_t id, struct span *out)
{
    db_query(db, "SELECT text FROM device_log WHERE tenant = $1 AND device = $2 AND id = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, id);
    TRY(db_one(db));
    *out = db_column_span(db, 0);
    return ERR_OK;
}
