/* A cohort is a set of devices that may fail together: the whole rollout, a hardware, a hardware
 * with a version it comes from, a link class, a site. A defect of one cohort holds that cohort, not
 * the release; cohort 0 is the whole rollout, and holding it is a halt.
 *
 * Holds are sticky: only a person lifts one. Of the false alarms that are allowed, the whole has
 * a share and all other cohorts together have the rest; each divides its own among the channels
 * (fleet/risk.c). A channel's evidence holds when it reaches one over its share, so that
 * a harmless release suffers any hold or halt, ever, with probability at most alpha. That is
 * Bonferroni for e-values; e-BH (Wang and Ramdas 2022) would control the share of false holds at
 * a fixed time, but not of holds that stay (Tavyrikov, Goeman, de Heide 2025).
 *
 * A cohort owns its ledger of exposure and its channels of evidence and passes time on to
 * them. It knows no devices. */
#pragma once

#include "fleet/control.h"
#include "fleet/exposure.h"

#define COHORT_STRATA_MAX    16u
#define COHORT_CURVE_TICKS   16u /* the curve of reports ends after so many ticks */
#define COHORT_WHOLE         0u  /* index of the whole rollout */
#define COHORT_STRETCH_TICKS 4u  /* arms are compared so often */

#define COHORT_CHANNEL_MAP(X) \
    X(REPORTED, "reported")   \
    X(SILENT, "silent")       \
    X(LOST, "lost")           \
    X(HEALTH, "health")

/* SILENT: not back by the deadline after the flip. LOST: was back, and gone at a roll call. */
enum cohort_channel {
#define X(code, wire) COHORT_##code,
    COHORT_CHANNEL_MAP(X)
#undef X
    COHORT_CHANNEL_COUNT
};

struct cohort {
    struct exposure exposure;
    struct evidence evidence[COHORT_CHANNEL_COUNT];
    struct control_arm silent[COHORT_STRATA_MAX], lost[COHORT_STRATA_MAX]; /* this stretch */
    int64_t coming[COHORT_CURVE_TICKS]; /* q32: background of reports by tick, from `turn` on */
    int64_t baking;                     /* q32: background of health per tick */
    uint8_t turn;
    bool held;
    uint8_t held_by; /* enum cohort_channel */
};

/* The same for all cohorts of a rollout. */
struct cohort_rule {
    struct exposure_rule exposure;
    int64_t tolerance; /* q32, at least 1: so many times the background is no defect */
    int64_t hold_log[COHORT_CHANNEL_COUNT]; /* q32: ln of the evidence that holds a cohort */
    int64_t halt_log[COHORT_CHANNEL_COUNT]; /* q32: and that halts the rollout */
    int64_t fade;                           /* q32: exp(-tick / late) */
    uint16_t
        curve_permille[COHORT_CURVE_TICKS]; /* share of failures reported by then; ends at 1000 */
};

void cohort_start(struct cohort *cohort, uint32_t size);

/* A device gets leave: `reported` and `health_per_tick` (q32) are its backgrounds. */
void cohort_expose(struct cohort *cohort, const struct cohort_rule *rule, int64_t reported,
                   int64_t health_per_tick);

/* Its time under observation is over. */
void cohort_baked(struct cohort *cohort, int64_t health_per_tick);

/* One tick has passed. */
void cohort_tick(struct cohort *cohort, const struct cohort_rule *rule);

/* Of one stratum: what devices without the release did, by deadline and at roll calls. */
struct cohort_control {
    struct control_arm silent, lost;
    bool watched; /* such devices are looked at in this rollout */
};

/* A stretch has passed: compare arms. */
void cohort_stretch(struct cohort *cohort, const struct cohort_rule *rule,
                    const struct cohort_control *control, uint32_t strata);

/* Whether a channel says that it must be held now; `channel_out` gets the one that is most above
 * its goal. False when it
 * is held already. */
bool cohort_convicted(const struct cohort *cohort, const struct cohort_rule *rule, bool whole,
                      enum cohort_channel *channel_out);

void cohort_hold(struct cohort *cohort, enum cohort_channel channel);

/* A person lifts the hold: evidence starts afresh, the ledger of exposure stays. */
void cohort_lift(struct cohort *cohort);

const char *cohort_channel_name(enum cohort_channel channel);
