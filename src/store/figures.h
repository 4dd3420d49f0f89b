/* Figures for people who watch the server: counts over whole tables that stay small. */
#pragma once

#include "fleet/rollout.h"
#include "store/db.h"

/* Rollouts per state. */
enum err store_figures_rollouts(struct db *db, int64_t tenant,
                                int64_t counts[ROLLOUT_STATE_COUNT]) MUST_USE;
