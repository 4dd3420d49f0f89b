/* A small rollout for the tests of the risk engine: its memory, and devices that behave. */
#pragma once

#include "base/prng.h"
#include "fleet/risk_journal.h"

#define WORLD_DEVICES 3000u
#define WORLD_COHORTS 7u /* the whole, hardware 1 and 2, four of either one */
#define WORLD_SITES   30u
#define WORLD_TICK_S  900u

struct world {
    struct risk risk;
    struct risk_device devices[WORLD_DEVICES];
    struct cohort cohorts[WORLD_COHORTS];
    struct risk_stratum strata[2];
    struct risk_kind kinds[2];
    uint32_t sites[WORLD_SITES];
    uint32_t now_s;
};

struct risk_rule world_rule(void);
void world_start(struct world *world, const struct risk_rule *rule);

/* One event at world->now_s; it must be accepted. */
struct risk_decision world_say(struct world *world, struct risk_event event);
struct risk_decision world_tell(struct world *world, enum risk_event_kind kind, uint32_t device);
struct risk_decision world_wait(struct world *world, uint32_t ticks);

/* Time passes until the device's next time has come, and it is told. */
void world_due(struct world *world, uint32_t device, bool silent);
