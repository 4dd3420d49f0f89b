#include "store/risk.h"

#include <string.h>

#include "base/check.h"

#define DEVICE_COLUMNS \
    "number, device, cohorts, stratum, kind, site, due_0, due_1, due_2, watched_ms, answered"
#define LABEL_COLUMNS "number, name, size, due_0_s, due_1_s, due_2_s, watch_s"

static void bind_rollout(struct db *db, int64_t tenant, int64_t rollout)
{
    db_bind_int(db, tenant);
    db_bind_int(db, rollout);
}

/* ---- terms ---- */

#define PLAIN_TERMS    18u
#define TERMS          (PLAIN_TERMS + COHORT_CURVE_TICKS)
#define TERMS_SIZE_MAX (8u + 5u * TERMS)

/* Their numbers in the order of storage. */
static void list_terms(struct risk_terms *terms, uint32_t *out[PLAIN_TERMS])
{
    struct risk_rule *rule = &terms->rule;
    struct risk_kind *kind = &terms->kind;
    uint32_t *const list[PLAIN_TERMS] = {
        &rule->harmed_max,
        &rule->doubt_ppm,
        &rule->floor_ppm,
        &rule->false_alarm_ppm,
        &rule->tolerance_permille,
        &rule->tick_s,
        &rule->late_s,
        &rule->bake_s,
        &rule->site_s,
        &rule->strata,
        &kind->reported_low_ppm,
        &kind->reported_high_ppm,
        &kind->lost_low_ppm,
        &kind->silent_high_ppm,
        &kind->absent_high_ppm,
        &kind->health_low_ppm,
        &rule->first_max,
        &kind->health_high_ppm,
    };

    memcpy(out, list, sizeof list);
}

static void write_terms(const struct risk_terms *terms, struct buf *out)
{
    struct risk_terms copy = *terms;
    uint32_t *list[PLAIN_TERMS];

    list_terms(&copy, list);
    cbor_write_array(out, TERMS);
    for (uint32_t i = 0; i < PLAIN_TERMS; i++)
        cbor_write_uint(out, *list[i]);
    for (uint32_t i = 0; i < COHORT_CURVE_TICKS; i++)
        cbor_write_uint(out, terms->rule.curve_permille[i]);
}

static enum err read_number(struct cbor_reader *reader, uint64_t most, uint32_t *out)
{
    uint64_t value;

    TRY(cbor_read_uint(reader, &value));
    *out = (uint32_t)value;
    return value <= most ? ERR_OK : ERR_CORRUPT;
}

static enum err read_terms(struct span bytes, struct risk_terms *out)
{
    struct cbor_reader reader = cbor_reader_over(bytes);
    uint32_t *list[PLAIN_TERMS];
    uint32_t items, share;

    *out = (struct risk_terms){0};
    list_terms(out, list);
    TRY(cbor_read_array(&reader, &items));
    if (items != TERMS)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < PLAIN_TERMS; i++)
        TRY(read_number(&reader, UINT32_MAX, list[i]));
    for (uint32_t i = 0; i < COHORT_CURVE_TICKS; i++) {
        TRY(read_number(&reader, UINT16_MAX, &share));
        out->rule.curve_permille[i] = (uint16_t)share;
    }
    return cbor_finish(&reader);
}

/* ---- the whole ---- */

enum err store_risk_add(struct db *db, const struct risk_row *row)
{
    uint8_t room[TERMS_SIZE_MAX];
    struct buf terms = buf_over(room, sizeof room);

    write_terms(&row->terms, &terms);
    CHECK(!terms.overflow);
    db_query(db, "INSERT INTO risk (tenant, rollout, opened_ms, entries, terms)"
                 " VALUES ($1, $2, $3, $4, $5)");
    bind_rollout(db, row->tenant, row->rollout);
    db_bind_int(db, row->opened.ms);
    db_bind_int(db, row->entries);
    db_bind_blob(db, buf_written(&terms));
    return db_run(db);
}

enum err store_risk_get(struct db *db, int64_t tenant, int64_t rollout, struct risk_row *out)
{
    db_query(db, "SELECT opened_ms, entries, terms FROM risk WHERE tenant = $1 AND rollout = $2");
    bind_rollout(db, tenant, rollout);
    TRY(db_one(db));
    *out = (struct risk_row){.tenant = tenant,
                             .rollout = rollout,
                             .opened = {db_column_int(db, 0)},
                             .entries = db_column_int(db, 1)};
    return read_terms(db_column_span(db, 2), &out->terms);
}

/* ---- names ---- */

enum err store_risk_label_add(struct db *db, int64_t tenant, int64_t rollout,
                              const struct risk_label_row *row)
{
    db_query(db, "INSERT INTO risk_label (tenant, rollout, kind, " LABEL_COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
    bind_rollout(db, tenant, rollout);
    db_bind_int(db, row->kind);
    db_bind_int(db, row->number);
    db_bind_text(db, row->name);
    db_bind_int(db, row->size);
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++)
        db_bind_int(db, row->due_s[i]);
    db_bind_int(db, row->watch_s);
    return db_run(db);
}

static void read_label(struct db *db, enum risk_label_kind kind, struct risk_label_row *out)
{
    *out = (struct risk_label_row){.kind = kind, .number = (uint32_t)db_column_int(db, 0)};
    db_column_text(db, 1, out->name, sizeof out->name);
    out->size = (uint32_t)db_column_int(db, 2);
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++)
        out->due_s[i] = (uint32_t)db_column_int(db, 3 + (int)i);
    out->watch_s = (uint32_t)db_column_int(db, 3 + (int)EXPOSURE_RUNGS);
}

enum err store_risk_labels(struct db *db, int64_t tenant, int64_t rollout,
                           enum risk_label_kind kind, uint32_t from, uint32_t max,
                           struct risk_label_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " LABEL_COLUMNS " FROM risk_label WHERE tenant = $1 AND rollout = $2"
                 " AND kind = $3 AND number >= $4 ORDER BY number LIMIT $5");
    bind_rollout(db, tenant, rollout);
    db_bind_int(db, kind);
    db_bind_int(db, from);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_label(db, kind, &out[(*count)++]);
    }
}

/* ---- devices ---- */

struct cohort_bytes {
    uint8_t at[2 * RISK_COHORTS_OF_ONE]; /* numbers, little-endian */
};

/* `room` must last until the statement has run. */
static void bind_cohorts(struct db *db, const struct risk_device *device, struct cohort_bytes *room)
{
    CHECK(device->cohort_count <= RISK_COHORTS_OF_ONE);
    for (uint32_t i = 0; i < device->cohort_count; i++) {
        room->at[2 * i] = (uint8_t)device->cohorts[i];
        room->at[2 * i + 1] = (uint8_t)(device->cohorts[i] >> 8);
    }
    db_bind_bytes(db, room->at, 2u * device->cohort_count);
}

enum err store_risk_device_add(struct db *db, int64_t tenant, int64_t rollout,
                               const struct risk_device_row *row)
{
    struct cohort_bytes cohorts;

    db_query(db, "INSERT INTO risk_device (tenant, rollout, " DEVICE_COLUMNS ") VALUES"
                 " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
    bind_rollout(db, tenant, rollout);
    db_bind_int(db, row->number);
    db_bind_int(db, row->device);
    bind_cohorts(db, &row->risk, &cohorts);
    db_bind_int(db, row->risk.stratum);
    db_bind_int(db, row->risk.kind);
    db_bind_int(db, row->risk.site);
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++)
        db_bind_int(db, row->risk.due[i]);
    db_bind_int(db, row->watched.ms);
    db_bind_int(db, row->answered);
    return db_run(db);
}

enum err store_risk_device_save(struct db *db, int64_t tenant, int64_t rollout,
                                const struct risk_device_row *row)
{
    db_query(db, "UPDATE risk_device SET watched_ms = $1, answered = $2"
                 " WHERE tenant = $3 AND rollout = $4 AND number = $5");
    db_bind_int(db, row->watched.ms);
    db_bind_int(db, row->answered);
    bind_rollout(db, tenant, rollout);
    db_bind_int(db, row->number);
    return db_run(db);
}

enum err store_risk_device_number(struct db *db, int64_t tenant, int64_t rollout, int64_t device,
                                  uint32_t *out)
{
    db_query(db, "SELECT number FROM risk_device WHERE tenant = $1 AND rollout = $2"
                 " AND device = $3");
    bind_rollout(db, tenant, rollout);
    db_bind_int(db, device);
    TRY(db_one(db));
    *out = (uint32_t)db_column_int(db, 0);
    return ERR_OK;
}

static enum err read_device(struct db *db, struct risk_device_row *out)
{
    struct span cohorts = db_column_span(db, 2);
    struct risk_device *risk = &out->risk;

    *out = (struct risk_device_row){.number = (uint32_t)db_column_int(db, 0),
                                    .device = db_column_int(db, 1),
                                    .watched = {db_column_int(db, 9)},
                                    .answered = db_column_int(db, 10)};
    if (cohorts.size % 2 != 0 || cohorts.size / 2 > RISK_COHORTS_OF_ONE)
        return ERR_CORRUPT;
    risk->cohort_count = (uint8_t)(cohorts.size / 2);
    for (uint32_t i = 0; i < risk->cohort_count; i++)
        risk->cohorts[i] = (uint16_t)(cohorts.at[2 * i] | cohorts.at[2 * i + 1] << 8);
    risk->stratum = (uint8_t)db_column_int(db, 3);
    risk->kind = (uint8_t)db_column_int(db, 4);
    risk->site = (uint32_t)db_column_int(db, 5);
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++)
        risk->due[i] = (uint16_t)db_column_int(db, 6 + (int)i);
    return ERR_OK;
}

enum err store_risk_devices(struct db *db, int64_t tenant, int64_t rollout, uint32_t from,
                            uint32_t max, struct risk_device_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " DEVICE_COLUMNS " FROM risk_device WHERE tenant = $1 AND rollout = $2"
                 " AND number >= $3 ORDER BY number LIMIT $4");
    bind_rollout(db, tenant, rollout);
    db_bind_int(db, from);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        TRY(read_device(db, &out[(*count)++]));
    }
}

/* ---- the journal ---- */

enum err store_risk_append(struct db *db, struct risk_row *row, struct span entry)
{
    db_query(db, "INSERT INTO risk_journal (tenant, rollout, number, entry)"
                 " VALUES ($1, $2, $3, $4)");
    bind_rollout(db, row->tenant, row->rollout);
    db_bind_int(db, row->entries + 1);
    db_bind_blob(db, entry);
    TRY(db_run(db));
    db_query(db, "UPDATE risk SET entries = $1 WHERE tenant = $2 AND rollout = $3");
    db_bind_int(db, row->entries + 1);
    bind_rollout(db, row->tenant, row->rollout);
    TRY(db_run(db));
    row->entries++;
    return ERR_OK;
}

enum err store_risk_entries(struct db *db, int64_t tenant, int64_t rollout, int64_t after,
                            uint32_t max, struct risk_entry_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT number, entry FROM risk_journal WHERE tenant = $1 AND rollout = $2"
                 " AND number > $3 ORDER BY number LIMIT $4");
    bind_rollout(db, tenant, rollout);
    db_bind_int(db, after);
    db_bind_int(db, max);
    for (;;) {
        struct span entry;

        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        entry = db_column_span(db, 1);
        if (entry.size > RISK_ENTRY_SIZE_MAX)
            return ERR_CORRUPT;
        out[*count].number = db_column_int(db, 0);
        out[*count].size = entry.size;
        memcpy(out[(*count)++].bytes, entry.at, entry.size);
    }
}
