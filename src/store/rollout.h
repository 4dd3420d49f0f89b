/* Rollouts as rows: struct rollout of fleet/rollout.h, its window, and what people called it. */
#pragma once

#include "base/limits.h"
#include "fleet/rollout.h"
#include "fleet/selector.h"
#include "fleet/window.h"
#include "store/db.h"

#define REASON_SIZE_MAX 200u /* bytes of the reason an operator gives */

/* Who decides how fast it goes. */
enum rollout_strategy {
    STRATEGY_STAGES, /* the plan's stages and gates */
    STRATEGY_RISK,   /* evidence: fleet/risk.h by way of app/judge.h; one stage, no gate */
    STRATEGY_BOTH,   /* evidence within the stages */
    STRATEGY_COUNT
};

/* What a person says about risk; all 0 with STRATEGY_STAGES. */
struct risk_plan {
    uint32_t harmed_max;     /* K devices */
    uint32_t doubt_ppm;      /* 10000: 99 % confidence */
    uint32_t floor_ppm;      /* smallest share of harm that the promise is about */
    uint32_t background_ppm; /* failures reported of a harmless release, at most */
    uint32_t observe_s;      /* how long a device is watched after the flip */
};

struct rollout_row {
    int64_t tenant, id;
    char name[NAME_SIZE_MAX + 1];
    int64_t release;
    char selector[SELECTOR_SIZE_MAX + 1]; /* as the operator wrote it */
    uint64_t seed;                        /* orders the admission of devices */
    char created_by[NAME_SIZE_MAX + 1];
    char approved_by[NAME_SIZE_MAX + 1];
    struct utc created;
    struct window window;
    enum rollout_strategy strategy;
    struct risk_plan risk;
    char reason[REASON_SIZE_MAX + 1]; /* of the last change of state */
    struct utc state_since;
    struct rollout rollout;
    struct rollout saved; /* as it stands in the database: what saving compares with */
};

/* Sets row->id. ERR_CONFLICT when the name is taken. */
enum err store_rollout_add(struct db *db, struct rollout_row *row) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_rollout_get(struct db *db, int64_t tenant, int64_t id,
                           struct rollout_row *out) MUST_USE;

/* By name, or by number when it is all digits and no rollout is called so. */
enum err store_rollout_find(struct db *db, int64_t tenant, struct span name,
                            struct rollout_row *out) MUST_USE;

/* Write the course (never the plan), the reason and the approval; stages only where they differ
 * from `saved`. */
enum err store_rollout_save(struct db *db, struct rollout_row *row) MUST_USE;

/* Ids newest first, below `before` (0: all). */
enum err store_rollout_list(struct db *db, int64_t tenant, int64_t before, uint32_t max,
                            int64_t *ids, uint32_t *count) MUST_USE;

struct rollout_key {
    int64_t tenant, id;
};

/* Those a tick may move (see rollout_open()), of all tenants, oldest first, behind `after`. */
enum err store_rollout_open_list(struct db *db, struct rollout_key after, uint32_t max,
                                 struct rollout_key *out, uint32_t *count) MUST_USE;

/* Short stable names for wires; never NULL. */
const char *rollout_strategy_name(enum rollout_strategy strategy);

/* ERR_NOT_FOUND for an unknown name. */
enum err rollout_strategy_parse(struct span name, enum rollout_strategy *out) MUST_USE;

/* With its assignments; for drafts. */
enum err store_rollout_remove(struct db *db, int64_t tenant, int64_t id) MUST_USE;
