#include "store/assignment.h"

#include <string.h>

#include "base/check.h"

#define KEYS "id, device, rollout, release, target, previous"
#define COURSE                                                                            \
    "state, standing, whereabouts, err, stage, attempt, admitted_ms, heard_ms, moved_ms," \
    " flipped_ms, counted_ms, retry_ms, look_ms, percent, detail, reason, sequence,"      \
    " report_last, claimed_ms, proof, ran"

/* Every reader takes the device's last contact along as the last column. */
#define READ                                                                \
    "SELECT " KEYS ", " COURSE ", (SELECT last_seen_ms FROM device_state s" \
    " WHERE s.tenant = assignment.tenant AND s.device = assignment.device) FROM assignment "

static void bind_course(struct db *db, const struct assignment_row *row)
{
    const struct assignment *assignment = &row->assignment;

    db_bind_int(db, assignment->state);
    db_bind_int(db, assignment->standing);
    db_bind_int(db, assignment->whereabouts);
    db_bind_int(db, assignment->err);
    db_bind_int(db, assignment->stage);
    db_bind_int(db, assignment->attempt);
    db_bind_int(db, assignment->admitted_at.ms);
    db_bind_int(db, assignment->heard_at.ms);
    db_bind_int(db, assignment->moved_at.ms);
    db_bind_int(db, assignment->flipped_at.ms);
    db_bind_int(db, assignment->counted_at.ms);
    db_bind_int(db, assignment->retry_at.ms);
    db_bind_int(db, row->look.ms);
    db_bind_int(db, row->percent);
    db_bind_text(db, row->detail);
    db_bind_text(db, row->reason);
    db_bind_int(db, row->sequence);
    db_bind_int(db, row->report_last);
    db_bind_int(db, assignment->claimed_at.ms);
    db_bind_int(db, assignment->proof);
    db_bind_text(db, row->ran);
}

enum err store_assignment_add(struct db *db, const struct assignment_row *row)
{
    CHECK(row->id > 0);
    db_query(db, "INSERT INTO assignment (tenant, " KEYS ", " COURSE ") VALUES ($1, $2, $3, $4, $5,"
                 " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
                 " $22, $23, $24, $25, $26, $27, $28)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->id);
    db_bind_int(db, row->device);
    db_bind_int(db, row->rollout);
    db_bind_int(db, row->release);
    db_bind_bytes(db, row->target, DIGEST_SIZE);
    db_bind_bytes(db, row->previous, row->previous_known ? DIGEST_SIZE : 0);
    bind_course(db, row);
    return db_run(db);
}

enum err store_assignment_save(struct db *db, const struct assignment_row *row)
{
    db_query(db, "UPDATE assignment SET (" COURSE
                 ", previous, target) = ($1, $2, $3, $4, $5, $6, $7, $8,"
                 " $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)"
                 " WHERE tenant = $24 AND device = $25 AND id = $26");
    bind_course(db, row);
    db_bind_bytes(db, row->previous, row->previous_known ? DIGEST_SIZE : 0);
    db_bind_bytes(db, row->target, DIGEST_SIZE);
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->device);
    db_bind_int(db, row->id);
    return db_run(db);
}

static void read_course(struct db *db, struct assignment *out)
{
    out->state = (enum assignment_state)db_column_int(db, 6);
    out->standing = (enum standing)db_column_int(db, 7);
    out->whereabouts = (enum whereabouts)db_column_int(db, 8);
    out->err = (enum err)db_column_int(db, 9);
    CHECK(out->state < ASSIGNMENT_STATE_COUNT && out->standing < STANDING_COUNT);
    CHECK(out->whereabouts < WHEREABOUTS_COUNT && out->err < ERR_COUNT);
    out->stage = (uint8_t)db_column_int(db, 10);
    out->attempt = (uint8_t)db_column_int(db, 11);
    out->admitted_at.ms = db_column_int(db, 12);
    out->heard_at.ms = db_column_int(db, 13);
    out->moved_at.ms = db_column_int(db, 14);
    out->flipped_at.ms = db_column_int(db, 15);
    out->counted_at.ms = db_column_int(db, 16);
    out->retry_at.ms = db_column_int(db, 17);
    out->claimed_at.ms = db_column_int(db, 24);
    out->proof = (enum assignment_proof)db_column_int(db, 25);
    CHECK(out->proof < PROOF_COUNT);
    if (db_column_int(db, 27) > out->heard_at.ms)
        out->heard_at.ms = db_column_int(db, 27);
}

static void read_row(struct db *db, int64_t tenant, struct assignment_row *out)
{
    *out = (struct assignment_row){.tenant = tenant};
    out->id = db_column_int(db, 0);
    out->device = db_column_int(db, 1);
    out->rollout = db_column_int(db, 2);
    out->release = db_column_int(db, 3);
    (void)db_column_digest(db, 4, out->target); /* always 32 bytes */
    out->previous_known = db_column_digest(db, 5, out->previous);
    read_course(db, &out->assignment);
    out->look.ms = db_column_int(db, 18);
    out->percent = (uint32_t)db_column_int(db, 19);
    db_column_text(db, 20, out->detail, sizeof out->detail);
    db_column_text(db, 21, out->reason, sizeof out->reason);
    out->sequence = db_column_int(db, 22);
    out->report_last = db_column_int(db, 23);
    db_column_text(db, 26, out->ran, sizeof out->ran);
}

enum err store_assignment_get(struct db *db, int64_t tenant, int64_t device, int64_t id,
                              struct assignment_row *out)
{
    db_query(db, READ "WHERE tenant = $1 AND device = $2 AND id = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, id);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_assignment_of(struct db *db, int64_t tenant, int64_t device, int64_t rollout,
                             struct assignment_row *out)
{
    db_query(db, READ "WHERE tenant = $1 AND device = $2 AND rollout = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, rollout);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

/* Whatever the current statement yields. */
static enum err read_rows(struct db *db, int64_t tenant, uint32_t max, struct assignment_row *out,
                          uint32_t *count)
{
    bool row;

    for (*count = 0;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_row(db, tenant, &out[(*count)++]);
    }
}

enum err store_assignment_history(struct db *db, int64_t tenant, int64_t device, int64_t before,
                                  uint32_t max, struct assignment_row *out, uint32_t *count)
{
    db_query(db, READ "WHERE tenant = $1 AND device = $2 AND id < $3 ORDER BY id DESC LIMIT $4");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, before > 0 ? before : INT64_MAX);
    db_bind_int(db, max);
    return read_rows(db, tenant, max, out, count);
}

enum err store_assignment_last_flip(struct db *db, int64_t tenant, int64_t device,
                                    struct assignment_row *out)
{
    db_query(db, READ "WHERE tenant = $1 AND device = $2 AND flipped_ms > 0"
                      " ORDER BY flipped_ms DESC, id DESC LIMIT 1");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

static const char *sql_for(enum assignment_filter filter)
{
    switch (filter) {
    case ASSIGNMENTS_ALL:
        return READ "WHERE tenant = $1 AND rollout = $2 AND id > $3 ORDER BY id LIMIT $4";
    case ASSIGNMENTS_WAITING: /* a literal, so that the partial index serves */
        return READ "WHERE tenant = $1 AND rollout = $2 AND id > $3 AND standing = 1"
                    " ORDER BY id LIMIT $4";
    case ASSIGNMENTS_AWAY:
        return READ "WHERE tenant = $1 AND rollout = $2 AND id > $3 AND whereabouts = 1"
                    " ORDER BY id LIMIT $4";
    }
    return NULL;
}

CHECK_STATIC(STANDING_WAITING == 1);
CHECK_STATIC(WHEREABOUTS_AWAY == 1);

enum err store_assignment_list(struct db *db, int64_t tenant, int64_t rollout,
                               enum assignment_filter filter, int64_t after, uint32_t max,
                               struct assignment_row *out, uint32_t *count)
{
    db_query(db, sql_for(filter));
    db_bind_int(db, tenant);
    db_bind_int(db, rollout);
    db_bind_int(db, after);
    db_bind_int(db, max);
    return read_rows(db, tenant, max, out, count);
}

enum err store_assignment_in_state(struct db *db, int64_t tenant, int64_t rollout,
                                   enum assignment_state state, int64_t after, uint32_t max,
                                   struct assignment_row *out, uint32_t *count)
{
    db_query(db, READ "WHERE tenant = $1 AND rollout = $2 AND id > $3 AND state = $4"
                      " ORDER BY id LIMIT $5");
    db_bind_int(db, tenant);
    db_bind_int(db, rollout);
    db_bind_int(db, after);
    db_bind_int(db, state);
    db_bind_int(db, max);
    return read_rows(db, tenant, max, out, count);
}

enum err store_assignment_barred(struct db *db, int64_t tenant, int64_t rollout, uint32_t max,
                                 char (*names)[NAME_SIZE_MAX + 1], uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT d.name FROM assignment a JOIN device d"
                 " ON d.tenant = a.tenant AND d.id = a.device"
                 " WHERE a.tenant = $1 AND a.rollout = $2 AND a.whereabouts = 1"
                 " AND d.security_floor > (SELECT max(r.security_version) FROM release r"
                 "  WHERE r.tenant = a.tenant AND r.plain_sha256 = a.previous) ORDER BY a.id");
    db_bind_int(db, tenant);
    db_bind_int(db, rollout);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        if (*count < max)
            db_column_text(db, 0, names[*count], NAME_SIZE_MAX + 1);
        (*count)++;
    }
}

enum err store_assignment_due(struct db *db, struct utc now, uint32_t max,
                              struct assignment_key *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT tenant, device, id FROM assignment WHERE look_ms <> 0 AND look_ms <= $1"
                 " ORDER BY look_ms LIMIT $2");
    db_bind_int(db, now.ms);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        out[*count].tenant = db_column_int(db, 0);
        out[*count].device = db_column_int(db, 1);
        out[(*count)++].id = db_column_int(db, 2);
    }
}

enum err store_assignment_count(struct db *db, int64_t tenant, int64_t rollout,
                                uint32_t counts[ASSIGNMENT_STATE_COUNT])
{
    bool row;

    memset(counts, 0, ASSIGNMENT_STATE_COUNT * sizeof counts[0]);
    db_query(db, "SELECT state, count(*) FROM assignment WHERE tenant = $1 AND rollout = $2"
                 " GROUP BY state");
    db_bind_int(db, tenant);
    db_bind_int(db, rollout);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(db_column_int(db, 0) < ASSIGNMENT_STATE_COUNT);
        counts[db_column_int(db, 0)] = (uint32_t)db_column_int(db, 1);
    }
}

enum err store_assignment_proofs(struct db *db, int64_t tenant, int64_t rollout,
                                 uint32_t counts[PROOF_COUNT])
{
    bool row;

    memset(counts, 0, PROOF_COUNT * sizeof counts[0]);
    db_query(db, "SELECT proof, count(*) FROM assignment WHERE tenant = $1 AND rollout = $2"
                 " AND proof <> 0 AND state IN ($3, $4) GROUP BY proof");
    db_bind_int(db, tenant);
    db_bind_int(db, rollout);
    db_bind_int(db, ASSIGNMENT_TRIAL);
    db_bind_int(db, ASSIGNMENT_SUCCEEDED);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(db_column_int(db, 0) < PROOF_COUNT);
        counts[db_column_int(db, 0)] = (uint32_t)db_column_int(db, 1);
    }
}

enum err store_assignment_depart(struct db *db, const struct assignment_row *row)
{
    db_query(db, "INSERT INTO departed (tenant, rollout, stage, standing, whereabouts, devices)"
                 " VALUES ($1, $2, $3, $4, $5, 1)"
                 " ON CONFLICT DO UPDATE SET devices = devices + 1");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->rollout);
    db_bind_int(db, row->assignment.stage);
    db_bind_int(db, row->assignment.standing);
    db_bind_int(db, row->assignment.whereabouts);
    return db_run(db);
}
