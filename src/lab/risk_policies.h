/* The policies that the experiments compare: ours, and each rival as its documentation and source
 * describe it (docs/design/risk.md cites them). Where those leave a choice, it is made in the
 * rival's favour, and said so there. */
#pragma once

#include "lab/risk_sim.h"

#define RIVAL_GROUPS_MAX 10u

/* Eclipse hawkBit: groups in a row. A group's errors above error % of its devices pause the
 * rollout; finished ones from success % of them on, or a complete group, start the next. */
struct hawkbit {
    uint32_t group_count;
    double shares[RIVAL_GROUPS_MAX];
    double success, error; /* percent */
    uint32_t total[RIVAL_GROUPS_MAX], finished[RIVAL_GROUPS_MAX], errors[RIVAL_GROUPS_MAX];
    uint32_t current;
};

/* AWS IoT Jobs: so many devices are told per minute, times factor after each `step` told; aborts
 * when so many percent of at least `executed` ended executions failed or timed out. */
struct aws_jobs {
    double per_minute, factor;
    uint32_t step;
    double percent;
    uint32_t executed;
    double timeout_h;
    bool all_failures; /* FAILED and TIMED_OUT; otherwise FAILED only */
    double rate, credit;
    uint32_t told, next_step, ended, failed;
};

/* Mender: phases by share and time; nothing is judged. */
struct mender {
    uint32_t phase_count;
    double shares[RIVAL_GROUPS_MAX];
    double interval_h;
    uint32_t phase, told;
};

/* Azure Device Update: a deployment goes to a whole group at once; where both thresholds are
 * exceeded the group is rolled back. Groups one after the other, by an operator's clock. */
struct azure {
    uint32_t group_count;
    double interval_h, percent;
    uint32_t failed_count;
    uint32_t group, told, total, failed;
};

extern const struct sim_policy hawkbit_policy, aws_policy, mender_policy, azure_policy;

#define OURS_COHORTS (1u + FLEET_HARDWARE + FLEET_CELLS + FLEET_CLASSES)

/* Slipway's engine. */
struct ours {
    struct risk_rule rule;
    double assumed;      /* the background we believe in, times the true one */
    bool control;        /* watch devices without the release */
    bool stratified;     /* the first wave covers cohorts */
    uint32_t first_wave; /* devices; filled in */
    struct risk risk;
    struct risk_device *devices; /* of the fleet */
    struct cohort cohorts[OURS_COHORTS];
    struct risk_stratum strata[FLEET_CLASSES];
    struct risk_kind kinds[FLEET_CLASSES];
    uint32_t *sites;
    uint32_t *due_control[FLEET_CLASSES]; /* per tick */
    uint32_t full_tick;                   /* the whole's window was found full in it */
    uint64_t decisions;
};

extern const struct sim_policy ours_policy;

/* Memory for a fleet of that size. */
bool ours_open(struct ours *ours, uint32_t count, uint32_t site_count) MUST_USE;
void ours_close(struct ours *ours);

/* K and everything else as the product has it by default. */
struct risk_rule ours_rule(uint32_t harmed_max);
