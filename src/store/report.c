#include "store/report.h"

#include "base/check.h"

#define COLUMNS                                                                               \
    "id, assignment, phase, err, percent, boot_count, running, detail, received_ms, verdict," \
    " retry_s, reason"

static void read_row(struct db *db, int64_t tenant, int64_t device, struct report_row *out)
{
    out->tenant = tenant;
    out->device = device;
    out->id = db_column_int(db, 0);
    out->assignment = db_column_int(db, 1);
    out->phase = (uint32_t)db_column_int(db, 2);
    out->err = (enum err)db_column_int(db, 3);
    CHECK(out->err < ERR_COUNT);
    out->percent = (uint32_t)db_column_int(db, 4);
    out->boot_count = (uint32_t)db_column_int(db, 5);
    out->running_known = db_column_digest(db, 6, out->running);
    db_column_text(db, 7, out->detail, sizeof out->detail);
    out->received.ms = db_column_int(db, 8);
    out->verdict = (uint32_t)db_column_int(db, 9);
    out->retry_s = (uint32_t)db_column_int(db, 10);
    db_column_text(db, 11, out->reason, sizeof out->reason);
}

enum err store_report_add(struct db *db, const struct report_row *row)
{
    db_query(db, "INSERT INTO report (tenant, device, " COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->device);
    db_bind_int(db, row->id);
    db_bind_int(db, row->assignment);
    db_bind_int(db, row->phase);
    db_bind_int(db, row->err);
    db_bind_int(db, row->percent);
    db_bind_int(db, row->boot_count);
    db_bind_bytes(db, row->running, row->running_known ? DIGEST_SIZE : 0);
    db_bind_text(db, row->detail);
    db_bind_int(db, row->received.ms);
    db_bind_int(db, row->verdict);
    db_bind_int(db, row->retry_s);
    db_bind_text(db, row->reason);
    return db_run(db);
}

enum err store_report_find(struct db *db, int64_t tenant, int64_t device, int64_t id,
                           struct report_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM report WHERE tenant = $1 AND device = $2 AND id = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, id);
    TRY(db_one(db));
    read_row(db, tenant, device, out);
    return ERR_OK;
}

enum err store_report_list(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                           int64_t before, uint32_t max, struct report_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " COLUMNS " FROM report WHERE tenant = $1 AND device = $2"
                 " AND ($3 = 0 OR assignment = $3) AND id < $4 ORDER BY id DESC LIMIT $5");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, assignment);
    db_bind_int(db, before > 0 ? before : INT64_MAX);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_row(db, tenant, device, &out[(*count)++]);
    }
}

enum err store_report_prune(struct db *db, int64_t tenant, int64_t device, struct utc before)
{
    db_query(db, "DELETE FROM report WHERE tenant = $1 AND device = $2 AND received_ms < $3"
                 " AND id <= (SELECT id FROM report WHERE tenant = $1 AND device = $2"
                 "  ORDER BY id DESC LIMIT 1 OFFSET $4)");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, before.ms);
    db_bind_int(db, REPORTS_KEPT);
    TRY(db_run(db));
    db_query(db, "DELETE FROM report WHERE tenant = $1 AND device = $2"
                 " AND id <= (SELECT id FROM report WHERE tenant = $1 AND device = $2"
                 "  ORDER BY id DESC LIMIT 1 OFFSET $3)");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, REPORTS_MAX);
    return db_run(db);
}
