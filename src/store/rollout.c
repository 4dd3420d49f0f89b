#include "store/rollout.h"

#include <string.h>

#include "base/check.h"

#define NAMING "name, release, selector, seed, created_by, created_ms, approved_by"
#define PLAN                                                                                    \
    "deadline_s, retry_limit, needs_approval, start_ms, end_ms, window_days, window_start_min," \
    " window_duration_s, strategy, harmed_max, doubt_ppm, floor_ppm, background_ppm, observe_s"
#define COURSE                                                                          \
    "state, cause, reason, state_ms, stage, soaking, closed, selected, quiet_since_ms," \
    " admit_after_ms, away, on_the_way, back, stranded"
#define STAGE_PLAN "permille, devices, soak_s, failures_permille, failures_count, sample_min"
#define STAGE_COURSE                                                            \
    "waiting, exposed, good, failed, silent, forgiven_good, forgiven_reported," \
    " forgiven_silent, forgiven_ms"

/* ---- writing ---- */

static void bind_naming(struct db *db, const struct rollout_row *row)
{
    db_bind_text(db, row->name);
    db_bind_int(db, row->release);
    db_bind_text(db, row->selector);
    db_bind_int(db, (int64_t)row->seed);
    db_bind_text(db, row->created_by);
    db_bind_int(db, row->created.ms);
    db_bind_text(db, row->approved_by);
}

static void bind_plan(struct db *db, const struct rollout_row *row)
{
    const struct rollout_plan *plan = &row->rollout.plan;

    db_bind_int(db, plan->deadline_s);
    db_bind_int(db, plan->retry_limit);
    db_bind_int(db, plan->needs_approval);
    db_bind_int(db, plan->start_at.ms);
    db_bind_int(db, plan->end_at.ms);
    db_bind_int(db, row->window.days);
    db_bind_int(db, row->window.start_min);
    db_bind_int(db, row->window.duration_s);
    db_bind_int(db, row->strategy);
    db_bind_int(db, row->risk.harmed_max);
    db_bind_int(db, row->risk.doubt_ppm);
    db_bind_int(db, row->risk.floor_ppm);
    db_bind_int(db, row->risk.background_ppm);
    db_bind_int(db, row->risk.observe_s);
}

static void bind_course(struct db *db, const struct rollout_row *row)
{
    const struct rollout *rollout = &row->rollout;

    db_bind_int(db, rollout->state);
    db_bind_int(db, rollout->cause);
    db_bind_text(db, row->reason);
    db_bind_int(db, row->state_since.ms);
    db_bind_int(db, rollout->stage);
    db_bind_int(db, rollout->soaking);
    db_bind_int(db, rollout->closed);
    db_bind_int(db, rollout->selected);
    db_bind_int(db, rollout->quiet_since.ms);
    db_bind_int(db, rollout->admit_after.ms);
    db_bind_int(db, rollout->whereabouts[WHEREABOUTS_AWAY]);
    db_bind_int(db, rollout->whereabouts[WHEREABOUTS_RETURNING]);
    db_bind_int(db, rollout->whereabouts[WHEREABOUTS_BACK]);
    db_bind_int(db, rollout->whereabouts[WHEREABOUTS_STRANDED]);
}

static void bind_stage_plan(struct db *db, const struct rollout_stage *stage)
{
    db_bind_int(db, stage->permille);
    db_bind_int(db, stage->count);
    db_bind_int(db, stage->soak_s);
    db_bind_int(db, stage->gate.failures_permille);
    db_bind_int(db, stage->gate.failures_count);
    db_bind_int(db, stage->gate.sample_min);
}

static void bind_tally(struct db *db, const struct rollout_tally *tally)
{
    db_bind_int(db, tally->at[STANDING_WAITING]);
    db_bind_int(db, tally->at[STANDING_EXPOSED]);
    db_bind_int(db, tally->at[STANDING_GOOD]);
    db_bind_int(db, tally->at[STANDING_FAILED]);
    db_bind_int(db, tally->at[STANDING_SILENT]);
    db_bind_int(db, tally->forgiven.good);
    db_bind_int(db, tally->forgiven.reported);
    db_bind_int(db, tally->forgiven.silent);
    db_bind_int(db, tally->forgiven_at.ms);
}

static enum err add_stage(struct db *db, const struct rollout_row *row, uint8_t stage)
{
    db_query(db, "INSERT INTO rollout_stage (tenant, rollout, stage, " STAGE_PLAN ", " STAGE_COURSE
                 ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
                 " $17, $18)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->id);
    db_bind_int(db, stage);
    bind_stage_plan(db, &row->rollout.plan.stages[stage]);
    bind_tally(db, &row->rollout.tally[stage]);
    return db_run(db);
}

enum err store_rollout_add(struct db *db, struct rollout_row *row)
{
    int64_t id;

    CHECK(row->rollout.plan.stage_count <= ROLLOUT_STAGES_MAX);
    TRY(db_new_ids(db, row->tenant, "rollout", 1, &id));
    db_query(db, "INSERT INTO rollout (tenant, id, " NAMING ", " PLAN ", " COURSE ") VALUES ($1,"
                 " $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
                 " $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34,"
                 " $35, $36, $37)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    bind_naming(db, row);
    bind_plan(db, row);
    bind_course(db, row);
    TRY(db_run(db));
    row->id = id;
    for (uint8_t stage = 0; stage < row->rollout.plan.stage_count; stage++)
        TRY(add_stage(db, row, stage));
    row->saved = row->rollout;
    return ERR_OK;
}

static bool tally_equal(const struct rollout_tally *a, const struct rollout_tally *b)
{
    return memcmp(a->at, b->at, sizeof a->at) == 0 &&
           memcmp(&a->forgiven, &b->forgiven, sizeof a->forgiven) == 0 &&
           a->forgiven_at.ms == b->forgiven_at.ms;
}

static enum err save_stage(struct db *db, const struct rollout_row *row, uint8_t stage)
{
    db_query(db, "UPDATE rollout_stage SET (" STAGE_COURSE ") = ($1, $2, $3, $4, $5, $6, $7, $8,"
                 " $9) WHERE tenant = $10 AND rollout = $11 AND stage = $12");
    bind_tally(db, &row->rollout.tally[stage]);
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->id);
    db_bind_int(db, stage);
    return db_run(db);
}

enum err store_rollout_save(struct db *db, struct rollout_row *row)
{
    db_query(db, "UPDATE rollout SET (" COURSE ", approved_by) = ($1, $2, $3, $4, $5, $6, $7, $8,"
                 " $9, $10, $11, $12, $13, $14, $15) WHERE tenant = $16 AND id = $17");
    bind_course(db, row);
    db_bind_text(db, row->approved_by);
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->id);
    TRY(db_run(db));
    for (uint8_t stage = 0; stage < row->rollout.plan.stage_count; stage++) {
        if (!tally_equal(&row->rollout.tally[stage], &row->saved.tally[stage]))
            TRY(save_stage(db, row, stage));
    }
    row->saved = row->rollout;
    return ERR_OK;
}

/* ---- reading ---- */

static void read_naming(struct db *db, struct rollout_row *out)
{
    db_column_text(db, 0, out->name, sizeof out->name);
    out->release = db_column_int(db, 1);
    db_column_text(db, 2, out->selector, sizeof out->selector);
    out->seed = (uint64_t)db_column_int(db, 3);
    db_column_text(db, 4, out->created_by, sizeof out->created_by);
    out->created.ms = db_column_int(db, 5);
    db_column_text(db, 6, out->approved_by, sizeof out->approved_by);
}

static void read_plan(struct db *db, struct rollout_row *out)
{
    struct rollout_plan *plan = &out->rollout.plan;

    plan->deadline_s = (uint32_t)db_column_int(db, 7);
    plan->retry_limit = (uint8_t)db_column_int(db, 8);
    plan->needs_approval = db_column_int(db, 9) != 0;
    plan->start_at.ms = db_column_int(db, 10);
    plan->end_at.ms = db_column_int(db, 11);
    out->window.days = (uint8_t)db_column_int(db, 12);
    out->window.start_min = (uint16_t)db_column_int(db, 13);
    out->window.duration_s = (uint32_t)db_column_int(db, 14);
}

static void read_risk_plan(struct db *db, struct rollout_row *out)
{
    out->strategy = (enum rollout_strategy)db_column_int(db, 15);
    CHECK(out->strategy < STRATEGY_COUNT);
    out->risk = (struct risk_plan){.harmed_max = (uint32_t)db_column_int(db, 16),
                                   .doubt_ppm = (uint32_t)db_column_int(db, 17),
                                   .floor_ppm = (uint32_t)db_column_int(db, 18),
                                   .background_ppm = (uint32_t)db_column_int(db, 19),
                                   .observe_s = (uint32_t)db_column_int(db, 20)};
}

static void read_course(struct db *db, struct rollout_row *out)
{
    struct rollout *rollout = &out->rollout;

    rollout->state = (enum rollout_state)db_column_int(db, 21);
    rollout->cause = (enum rollout_cause)db_column_int(db, 22);
    CHECK(rollout->state < ROLLOUT_STATE_COUNT && rollout->cause < ROLLOUT_CAUSE_COUNT);
    db_column_text(db, 23, out->reason, sizeof out->reason);
    out->state_since.ms = db_column_int(db, 24);
    rollout->stage = (uint8_t)db_column_int(db, 25);
    rollout->soaking = db_column_int(db, 26) != 0;
    rollout->closed = db_column_int(db, 27) != 0;
    rollout->selected = (uint32_t)db_column_int(db, 28);
    rollout->quiet_since.ms = db_column_int(db, 29);
    rollout->admit_after.ms = db_column_int(db, 30);
    rollout->whereabouts[WHEREABOUTS_AWAY] = (uint32_t)db_column_int(db, 31);
    rollout->whereabouts[WHEREABOUTS_RETURNING] = (uint32_t)db_column_int(db, 32);
    rollout->whereabouts[WHEREABOUTS_BACK] = (uint32_t)db_column_int(db, 33);
    rollout->whereabouts[WHEREABOUTS_STRANDED] = (uint32_t)db_column_int(db, 34);
}

static void read_stage_plan(struct db *db, struct rollout_stage *out)
{
    out->permille = (uint16_t)db_column_int(db, 0);
    out->count = (uint32_t)db_column_int(db, 1);
    out->soak_s = (uint32_t)db_column_int(db, 2);
    out->gate.failures_permille = (uint16_t)db_column_int(db, 3);
    out->gate.failures_count = (uint32_t)db_column_int(db, 4);
    out->gate.sample_min = (uint32_t)db_column_int(db, 5);
}

static void read_tally(struct db *db, struct rollout_tally *out)
{
    out->at[STANDING_WAITING] = (uint32_t)db_column_int(db, 6);
    out->at[STANDING_EXPOSED] = (uint32_t)db_column_int(db, 7);
    out->at[STANDING_GOOD] = (uint32_t)db_column_int(db, 8);
    out->at[STANDING_FAILED] = (uint32_t)db_column_int(db, 9);
    out->at[STANDING_SILENT] = (uint32_t)db_column_int(db, 10);
    out->forgiven.good = (uint32_t)db_column_int(db, 11);
    out->forgiven.reported = (uint32_t)db_column_int(db, 12);
    out->forgiven.silent = (uint32_t)db_column_int(db, 13);
    out->forgiven_at.ms = db_column_int(db, 14);
}

static enum err read_stages(struct db *db, struct rollout_row *out)
{
    struct rollout_plan *plan = &out->rollout.plan;
    bool row;

    db_query(db, "SELECT " STAGE_PLAN ", " STAGE_COURSE " FROM rollout_stage"
                 " WHERE tenant = $1 AND rollout = $2 ORDER BY stage");
    db_bind_int(db, out->tenant);
    db_bind_int(db, out->id);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(plan->stage_count < ROLLOUT_STAGES_MAX);
        read_stage_plan(db, &plan->stages[plan->stage_count]);
        read_tally(db, &out->rollout.tally[plan->stage_count]);
        plan->stage_count++;
    }
}

enum err store_rollout_get(struct db *db, int64_t tenant, int64_t id, struct rollout_row *out)
{
    db_query(db, "SELECT " NAMING ", " PLAN ", " COURSE " FROM rollout"
                 " WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    *out = (struct rollout_row){.tenant = tenant, .id = id};
    read_naming(db, out);
    read_plan(db, out);
    read_risk_plan(db, out);
    read_course(db, out);
    TRY(read_stages(db, out));
    out->saved = out->rollout;
    return ERR_OK;
}

static bool number_of(struct span text, int64_t *out)
{
    int64_t value = 0;

    if (text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (text.at[i] - '0');
    }
    *out = value;
    return true;
}

enum err store_rollout_find(struct db *db, int64_t tenant, struct span name,
                            struct rollout_row *out)
{
    int64_t id;
    bool row;

    db_query(db, "SELECT id FROM rollout WHERE tenant = $1 AND name = $2");
    db_bind_int(db, tenant);
    db_bind_span(db, name);
    TRY(db_step(db, &row));
    if (row)
        return store_rollout_get(db, tenant, db_column_int(db, 0), out);
    return number_of(name, &id) ? store_rollout_get(db, tenant, id, out) : ERR_NOT_FOUND;
}

enum err store_rollout_list(struct db *db, int64_t tenant, int64_t before, uint32_t max,
                            int64_t *ids, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT id FROM rollout WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, before > 0 ? before : INT64_MAX);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        ids[(*count)++] = db_column_int(db, 0);
    }
}

enum err store_rollout_open_list(struct db *db, struct rollout_key after, uint32_t max,
                                 struct rollout_key *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT tenant, id FROM rollout WHERE (tenant, id) > ($1, $2)"
                 " AND state NOT IN ($3, $4, $5) AND NOT (state = $6 AND closed = 1)"
                 " ORDER BY tenant, id LIMIT $7");
    db_bind_int(db, after.tenant);
    db_bind_int(db, after.id);
    db_bind_int(db, ROLLOUT_DRAFT);
    db_bind_int(db, ROLLOUT_ABORTED);
    db_bind_int(db, ROLLOUT_ROLLED_BACK);
    db_bind_int(db, ROLLOUT_DONE);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        out[*count].tenant = db_column_int(db, 0);
        out[(*count)++].id = db_column_int(db, 1);
    }
}

enum err store_rollout_remove(struct db *db, int64_t tenant, int64_t id)
{
    db_query(db, "DELETE FROM rollout WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    return db_changed(db) == 1 ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- words ---- */

static const char *const strategies[STRATEGY_COUNT] = {
    [STRATEGY_STAGES] = "stages",
    [STRATEGY_RISK] = "risk",
    [STRATEGY_BOTH] = "both",
};

const char *rollout_strategy_name(enum rollout_strategy strategy)
{
    CHECK(strategy < STRATEGY_COUNT);
    return strategies[strategy];
}

enum err rollout_strategy_parse(struct span name, enum rollout_strategy *out)
{
    for (enum rollout_strategy i = 0; i < STRATEGY_COUNT; i++) {
        if (span_is(name, strategies[i])) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}
