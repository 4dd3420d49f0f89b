/* One simulated rollout: a fleet, a defect or none, what befalls the fleet meanwhile, and a policy
 * that decides who may have the release when. Time goes by in ticks; nothing is known to a policy
 * that a server would not be told.
 *
 * Every policy sees the same physics: a device installs at a contact, if it is allowed to then; a
 * defective one is harmed at that moment, whether anybody ever learns of it or not. */
#pragma once

#include "fleet/risk.h"
#include "lab/risk_fleet.h"

#define SIM_TICKS 2880u /* 30 days */
#define SIM_NEVER UINT32_MAX

enum sim_defect {
    SIM_HARMLESS,
    SIM_REPORTED,   /* fails and says so */
    SIM_SILENT,     /* is never heard of again */
    SIM_LATE,       /* runs, regresses after 12 h on the average, says so */
    SIM_LATE_SILENT /* runs, dies after 12 h on the average */
};

struct sim_scenario {
    const char *name;
    double share; /* of the devices concerned that the defect harms */
    enum sim_defect defect;
    int cell, link;  /* concerned; -1 = all */
    bool outage;     /* a quarter of the fleet cannot be reached for 8 hours, some time in the first
                        two days */
    bool power_cuts; /* 2 % of sites lose power for 3 days, one after the other */
    double late_h;   /* of late defects; 0 = 12 */
};

enum sim_slot {
    SIM_CONTACT,
    SIM_DUE,
    SIM_DECAY,
    SIM_ABSENT,
    SIM_TIMEOUT,
    SIM_SLOT_COUNT
};

enum sim_outcome {
    SIM_WELL,
    SIM_FAILED,
    SIM_WORSE
};

struct sim_device {
    struct fleet_place place;
    bool harmful; /* the release would harm it */
    bool exposed;
    bool open;    /* rivals: has been told of the release */
    bool reports; /* the pending contact is its first after the flip */
    bool fails;   /* and will say that it failed */
    bool settled; /* rivals: its job has ended */
    uint16_t group;
    uint32_t dead; /* tick from which nothing is heard; SIM_NEVER */
};

struct sim;

struct sim_policy {
    const char *name;
    bool polls; /* every device asks at every contact; otherwise only once told of the release */
    void (*start)(struct sim *sim);
    bool (*may_install)(struct sim *sim, uint32_t device);
    void (*outcome)(struct sim *sim, uint32_t device, enum sim_outcome outcome);
    void (*due)(struct sim *sim, uint32_t device);
    void (*timeout)(struct sim *sim, uint32_t device);
    void (*absent)(struct sim *sim, uint32_t device); /* a device without the release is overdue */
    void (*tick)(struct sim *sim);
};

/* What came of a run. */
struct sim_result {
    bool halted, held, stalled;
    uint32_t harmed, exposed;
    uint32_t exposed_at_stop;    /* when it halted or first held */
    double stop_h, t80_h, t90_h; /* NAN when never */
};

struct sim {
    const struct fleet *fleet;
    struct sim_scenario scenario;
    const struct sim_policy *policy;
    void *settings; /* the policy's */
    struct prng prng;
    uint32_t count, site_count, tick, last_install;
    struct sim_device *devices;
    uint32_t *order; /* a random order of the devices */
    uint32_t outage_from, outage_to;
    uint32_t *cut_from; /* per site; SIM_NEVER */
    uint32_t *heads;    /* per tick: first of a list of slots */
    uint32_t *nexts;
    bool stop;
    struct sim_result result;
};

/* Memory for `count` devices; the fleet is borrowed. */
bool sim_open(struct sim *sim, const struct fleet *fleet, uint32_t count) MUST_USE;
void sim_close(struct sim *sim);

struct sim_result sim_run(struct sim *sim, const struct sim_scenario *scenario,
                          const struct sim_policy *policy, void *settings, uint64_t seed);

/* For policies. */
void sim_at(struct sim *sim, uint32_t device, enum sim_slot slot, uint32_t tick);
void sim_tell(struct sim *sim, uint32_t device); /* it learns of the release at its next contact */
/* Whether an exposed device was heard of within `ticks` before now. One that was not, and lives,
 * is heard of again later: an outcome SIM_WELL. */
bool sim_heard_within(struct sim *sim, uint32_t device, uint32_t ticks);
/* The same of any living device, without a consequence. */
bool sim_reachable_within(struct sim *sim, uint32_t device, uint32_t ticks);
void sim_halt(struct sim *sim);
double sim_hours(const struct sim *sim);
