/* How fast a rollout may go: one engine that gives leave, waits, holds a cohort or halts.
 *
 * The promise: for every defect that harms each device of the rollout, or of one cohort, with a
 * probability at or above the floor, more than K devices are harmed with probability at most
 * `doubt`. And: a harmless release is ever held or halted with probability at most `false_alarm`.
 * docs/design/risk.md proves both, names what they assume and says what is not promised.
 *
 * A device is *exposed* when it gets leave to switch banks; fetching is no exposure. Being dark
 * before is nothing, being overdue after is evidence. The engine is told what happens and when
 * and answers; it keeps no list of devices and no timers. The caller keeps one struct risk_device
 * per device and, from the grant on, says RISK_DUE when risk_next_due() has come.
 *
 * Same calls, same answers, on every machine: there is no floating point in it, and every answer
 * carries the numbers it was taken by. A journal of struct risk_entry can be computed again and
 * compared (fleet/risk_journal.h).
 *
 * The engine is one per rollout; memory for cohorts, strata and sites is the caller's. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"
#include "fleet/cohort.h"

#define RISK_COHORTS_MAX    4096u
#define RISK_COHORTS_OF_ONE 12u /* of one device, the whole included */
#define RISK_KINDS_MAX      64u
#define RISK_SITES_MAX      (1u << 20)
#define RISK_NO_SITE        UINT32_MAX
#define RISK_NEVER          UINT32_MAX
#define RISK_HARMED_MAX     (1u << 20)
#define RISK_TICKS_MAX      65535u /* a deadline in ticks; 682 days at 15 minutes */

/* Background of one kind of device, in events per million updates. */
struct risk_kind {
    uint32_t reported_low_ppm, reported_high_ppm; /* failures reported */
    uint32_t lost_low_ppm;                        /* never heard of again */
    uint32_t silent_high_ppm;                     /* overdue at its deadline, lost ones included */
    uint32_t absent_high_ppm;                     /* not heard of lately at a roll call */
    uint32_t health_low_ppm, health_high_ppm;     /* regressions while under observation */
};

/* What a person decides, or the planner recommends. */
struct risk_rule {
    uint32_t harmed_max;         /* K devices */
    uint32_t first_max;          /* devices; see fleet/exposure.h */
    uint32_t doubt_ppm;          /* of the promise; 10000 = 99 % confidence */
    uint32_t floor_ppm;          /* smallest share of harm it holds for */
    uint32_t false_alarm_ppm;    /* of holds and halts */
    uint32_t tolerance_permille; /* 1500: half as much again as the background is no defect */
    uint32_t tick_s;
    uint32_t late_s; /* mean delay of the latest failures insured against */
    uint32_t bake_s; /* time under observation after the flip */
    uint32_t site_s; /* silence of one site within it is one event */
    uint32_t strata; /* at most COHORT_STRATA_MAX */
    uint16_t curve_permille[COHORT_CURVE_TICKS]; /* see struct cohort_rule */
};

struct risk_stratum {
    uint32_t size;       /* devices */
    uint32_t silent_ppm; /* of control deadlines that find silence on a quiet day, at least */
    uint32_t absent_ppm; /* of control roll calls, the same */
    uint32_t exposed;
    struct control_arm silent, lost; /* devices without the release, this stretch */
};

/* All of the state. The pointers are set once; the rest is plain numbers. */
struct risk {
    struct risk_rule rule;
    struct cohort_rule derived;
    struct cohort *cohorts;
    uint32_t cohort_count;
    const struct risk_kind *kinds;
    uint32_t kind_count;
    struct risk_stratum *strata; /* rule.strata of them */
    uint32_t *sites;             /* tick of a site's last silence + 1; 0 = none */
    uint32_t site_count;
    uint32_t tick;  /* whole ticks since the start */
    uint32_t holds; /* cohorts held now, the whole not counted */
    bool halted;
};

/* One device's part; 48 bytes. The caller fills the first block, the engine the rest. */
struct risk_device {
    uint16_t cohorts[RISK_COHORTS_OF_ONE]; /* the first is COHORT_WHOLE, then ascending */
    uint8_t cohort_count;
    uint8_t stratum;
    uint8_t kind;
    uint32_t site;                /* RISK_NO_SITE = none */
    uint16_t due[EXPOSURE_RUNGS]; /* ticks from the flip to each rung, ascending, at least 1 */

    uint8_t flags;    /* RISK_DEVICE_* */
    uint8_t passed;   /* bits of the rungs whose time has come */
    uint8_t calls;    /* roll calls held */
    uint16_t gone;    /* ticks after the flip at which it was found gone */
    uint32_t exposed; /* tick of the grant */
};

#define RISK_DEVICE_EXPOSED 1u
#define RISK_DEVICE_BACK    2u  /* heard of since the flip */
#define RISK_DEVICE_BAD     4u  /* reported a failure or a regression */
#define RISK_DEVICE_BAKED   8u  /* the last roll call was held */
#define RISK_DEVICE_GONE    16u /* absent at a roll call, and still is */

enum risk_event_kind {
    RISK_ASK,            /* the device asks for leave to switch */
    RISK_GOOD,           /* it was heard of, and all is well so far */
    RISK_BAD,            /* it reported a failure, or that it fell back */
    RISK_WORSE,          /* its health has regressed */
    RISK_UNUSED,         /* it is known not to have switched, and its leave is over */
    RISK_DUE,            /* risk_next_due() has come; `silent`: at the roll call, see there */
    RISK_CONTROL,        /* `count` devices without the release came due in `stratum` */
    RISK_CONTROL_SILENT, /* one of them was found silent, at `site` */
    RISK_TICK,           /* time has passed */
    RISK_LIFT,           /* a person lifts the hold of `cohort`, or the halt */
    RISK_EVENT_COUNT
};

struct risk_event {
    enum risk_event_kind kind;
    uint32_t at_s;              /* since the start of the rollout; never goes back */
    struct risk_device *device; /* ASK, GOOD, BAD, WORSE, UNUSED, DUE */
    bool silent;                /* DUE of the roll call: nothing heard within its deadline */
    uint32_t count;             /* CONTROL */
    bool roll_call;  /* CONTROL, CONTROL_SILENT: not a deadline, a look at a sample of devices */
    uint8_t stratum; /* CONTROL, CONTROL_SILENT */
    uint32_t site;   /* CONTROL_SILENT */
    uint16_t cohort; /* LIFT */
};

#define RISK_ANSWER_MAP(X)                               \
    X(NOTED, "noted")   /* nothing to say */             \
    X(GRANT, "grant")   /* the device may switch */      \
    X(WAIT, "wait")     /* a cohort's window is full */  \
    X(HELD, "held")     /* one of its cohorts is held */ \
    X(HALTED, "halted") /* the rollout is */             \
    X(HOLD, "hold")     /* this event held `cohort` */   \
    X(HALT, "halt")     /* this event halted the rollout */

enum risk_answer {
#define X(code, wire) RISK_##code,
    RISK_ANSWER_MAP(X)
#undef X
    RISK_ANSWER_COUNT
};

/* An answer and everything it was taken by. */
struct risk_decision {
    enum risk_answer answer;
    uint16_t cohort;           /* the one that decided; the tightest window for GRANT and WAIT */
    struct exposure_view view; /* its window: ASK */
    uint8_t channel;           /* enum cohort_channel: HELD, HOLD, HALT, HALTED */
    uint32_t events;           /* on that channel */
    int64_t background;        /* q32: charged for it */
    int64_t log;               /* q32: ln of its evidence */
    int64_t goal;              /* q32: ln of the evidence asked for */
    uint32_t new_holds;        /* cohorts this event held, `cohort` the first of them */
};

/* The caller's memory, which the engine keeps. */
struct risk_memory {
    struct cohort *cohorts;
    const uint32_t *cohort_sizes; /* devices; read once */
    uint32_t cohort_count;
    struct risk_stratum *strata; /* size and silent_ppm are filled in */
    const struct risk_kind *kinds;
    uint32_t kind_count;
    uint32_t *sites;
    uint32_t site_count;
};

/* Begin a rollout: ERR_INVALID with field and sentence for a rule that makes no sense. */
enum err risk_start(struct risk *risk, const struct risk_rule *rule,
                    const struct risk_memory *memory, struct why *why) MUST_USE;

/* ERR_INVALID, changing nothing, for an event that makes no sense: time that goes back, a cohort
 * or stratum that is not there, a device that asks twice. */
enum err risk_step(struct risk *risk, const struct risk_event *event, struct risk_decision *out,
                   struct why *why) MUST_USE;

/* When the caller has to say RISK_DUE: seconds since the start; RISK_NEVER when nothing is due.
 * The first three times are the rungs. Then come roll calls, at twice, four times ... the last
 * rung's age and when the time under observation is over: the caller looks whether the device was
 * heard of lately, that is, within a time that at most kind->absent_high_ppm of moments exceed
 * (fleet/gap.h). They find the devices that ran well and then fell silent. */
uint32_t risk_next_due_s(const struct risk *risk, const struct risk_device *device);

/* K is too small for the floor: see docs/design/risk.md. The least K with which a release that
 * is no worse than `background_ppm` gets through a cohort that large, nine times out of ten. */
uint32_t risk_least_harmed_max(uint32_t doubt_ppm, uint32_t floor_ppm, uint32_t background_ppm);

/* Nobody is outstanding and still the whole's window is full: only a person can go on. */
bool risk_exhausted(struct risk *risk);

/* One sentence, no final period. `cohort_name` is what people call decision->cohort. */
void risk_explain(const struct risk *risk, const struct risk_decision *decision,
                  struct span cohort_name, struct buf *out);

const char *risk_answer_name(enum risk_answer answer);
const char *risk_event_name(enum risk_event_kind kind);
