/* A synthetic fleet for the experiments on rollouts: how long its devices stay away, what they are,
 * where they stand. Not field data; docs/design/risk.md says so beside every figure from it.
 *
 * Four link classes by how often a device talks: mains (half an hour), cellular (6 h), intermittent
 * (a day), rare (8 days). Hardware times previous version gives 12 cells. Sites hold a hundred
 * devices each, regions a quarter of the fleet. Time is in ticks of a quarter of an hour. */
#pragma once

#include "base/prng.h"

#define FLEET_CLASSES   4u
#define FLEET_HARDWARE  4u
#define FLEET_VERSIONS  3u
#define FLEET_CELLS     (FLEET_HARDWARE * FLEET_VERSIONS)
#define FLEET_REGIONS   4u
#define FLEET_SITE_SIZE 100u
#define FLEET_TICK_S    900u
#define FLEET_TICK_H    0.25
#define FLEET_TABLE     65536u /* drawn times per law */
#define FLEET_RUNGS     3u

/* What happens to devices without any defect, per update. */
#define FLEET_REPORTED 0.010 /* the installation fails and says so */
#define FLEET_LOST     0.002 /* never heard of again */
#define FLEET_HEALTH   0.002 /* a regression within a day, the release's fault or not */
#define FLEET_SILENT   0.010 /* share of absences beyond the last deadline */
#define FLEET_ABSENT   0.002 /* share of moments without a contact in twice that time */

struct fleet_place {
    uint8_t link, hardware, version, region;
    uint32_t site;
};

/* Drawn laws of one class, hours. */
struct fleet_law {
    float gap[FLEET_TABLE];      /* between contacts */
    float residual[FLEET_TABLE]; /* from a random moment to the next contact */
    double immediate;            /* share of flips after which the device reports at once */
    uint16_t due[FLEET_RUNGS]; /* ticks: 25, 5, 1 % of flips take longer until the first contact */
    uint16_t gap_due;          /* ticks: 1 % of gaps are longer */
    uint32_t gap_silent_ppm;   /* of gaps that are, on this grid of ticks */
};

struct fleet {
    struct fleet_law law[FLEET_CLASSES];
    float install[FLEET_TABLE]; /* hours from leave to running the release */
};

/* Draw the laws and calibrate the deadlines; the same for every run of an experiment. */
void fleet_make(struct fleet *fleet, uint64_t seed);

struct fleet_place fleet_place(struct prng *prng, uint32_t site_count);

double fleet_uniform(struct prng *prng); /* in (0, 1) */
double fleet_gap(const struct fleet *fleet, uint32_t link, struct prng *prng);
double fleet_residual(const struct fleet *fleet, uint32_t link, struct prng *prng);
double fleet_install(const struct fleet *fleet, struct prng *prng);

/* Hours from leave to the first contact of a device that is well. */
double fleet_return(const struct fleet *fleet, uint32_t link, struct prng *prng);

const char *fleet_link_name(uint32_t link);
