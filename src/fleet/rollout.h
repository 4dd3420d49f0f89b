/* A rollout brings one release to a selection of devices, stage by stage.
 *
 * This file decides and does nothing else: rollout_step() takes what happened and what time it
 * is, and answers with effects for the caller to carry out in the same transaction. An effect
 * comes back as an event that says how far it got (ADMIT 5 -> ADMITTED 3); when that answer was
 * lost in a crash, the next TICK asks for the rest, so every effect may be repeated. Same calls
 * in the same order, same effects: the lab and `rollout replay` rely on it.
 *
 *     DRAFT --approve--> APPROVED --start, or start_at has come--> RUNNING --last stage soaked-->
 * DONE |                    ^                                     ^  |  |                         |
 *       +--start-------------+ (when no approval is needed)  resume|  |pause     gate breached | |
 * v  +---------> HALTED <------+ PAUSED                | resume: RUNNING
 *
 *     abort:    to ABORTED from every state above but DONE: what has not flipped is recalled;
 *               from DONE it only closes the rollout for latecomers
 *     rollback: from RUNNING, PAUSED, HALTED, DONE, ABORTED to ROLLING_BACK, which ends as
 *               ROLLED_BACK when every device that flipped is back or known not to be
 *     end_at:   APPROVED, RUNNING, PAUSED, HALTED end as ABORTED; DONE is closed
 *
 * Stages are cumulative ceilings on the number of devices that hold a slot or have flipped.
 * A stage first fills, until nobody more can be admitted and all admitted have an outcome; then
 * it soaks, admitting nobody; then the next one opens. DONE still admits latecomers under the
 * last stage's gate until it is closed.
 */
#pragma once

#include "base/err.h"
#include "base/time.h"
#include "base/why.h"
#include "fleet/assignment.h"
#include "fleet/gate.h"

#define ROLLOUT_STAGES_MAX  16u
#define ROLLOUT_EFFECTS_MAX 4u
#define ROLLOUT_ADMIT_MAX   300u /* devices per ADMIT: one transaction stays short */
#define ROLLOUT_ADMIT_RETRY_MS                                         \
    10000 /* least time between asks while nobody eligible is in reach \
           */
#define ROLLOUT_ADMIT_RETRY_MAX_MS 300000 /* most; a latecomer waits so long for its slot */
#define ROLLOUT_SOAK_MAX_S         (366u * 86400u) /* longer is a typing error */
#define ROLLOUT_DEADLINE_MAX_S     (366u * 86400u)
#define ROLLOUT_RETRY_MAX          10u

#define ROLLOUT_STATE_MAP(X)        \
    X(DRAFT, "draft")               \
    X(APPROVED, "approved")         \
    X(RUNNING, "running")           \
    X(PAUSED, "paused")             \
    X(HALTED, "halted")             \
    X(ROLLING_BACK, "rolling-back") \
    X(ROLLED_BACK, "rolled-back")   \
    X(DONE, "done")                 \
    X(ABORTED, "aborted")

enum rollout_state {
#define X(code, wire) ROLLOUT_##code,
    ROLLOUT_STATE_MAP(X)
#undef X
    ROLLOUT_STATE_COUNT
};

/* Why it is in its state; for explanations only, nothing is decided by it. */
enum rollout_cause {
    ROLLOUT_BY_NOBODY,   /* a draft */
    ROLLOUT_BY_OPERATOR, /* a person asked for it */
    ROLLOUT_BY_SCHEDULE, /* start_at or end_at */
    ROLLOUT_BY_GATE,     /* too many bad outcomes */
    ROLLOUT_BY_JUDGE,    /* another judge sent ROLLOUT_EV_HALT */
    ROLLOUT_BY_PROGRESS, /* the last stage soaked; every device is back */
    ROLLOUT_CAUSE_COUNT
};

/* One step up the staircase. Exactly one of permille and count is set. */
struct rollout_stage {
    uint16_t permille; /* of the selection, rounded up, all earlier stages included */
    uint32_t count;    /* devices, all earlier stages included */
    uint32_t soak_s;   /* quiet time after the stage's last outcome */
    struct gate_rule gate;
};

/* What a person decided beforehand. */
struct rollout_plan {
    uint8_t stage_count;
    struct rollout_stage stages[ROLLOUT_STAGES_MAX];
    uint32_t deadline_s; /* for struct assignment_policy; from the last word; at least 1 */
    uint8_t retry_limit; /* for struct assignment_policy */
    bool needs_approval; /* START is refused before APPROVE */
    struct utc start_at; /* 0 = as soon as it is started */
    struct utc end_at;   /* 0 = never */
};

/* Devices of one stage by enum standing; STANDING_OUT is not counted and stays 0. */
struct rollout_tally {
    uint32_t at[STANDING_COUNT];
    struct gate_evidence forgiven; /* part of it that a person has seen and resumed after */
    struct utc forgiven_at;
};

struct rollout {
    struct rollout_plan plan;
    enum rollout_state state;
    enum rollout_cause cause;
    uint8_t stage;          /* present one, from 0 */
    bool soaking;           /* the present stage is filled and settled */
    bool closed;            /* DONE, and latecomers are not admitted any more */
    uint32_t selected;      /* devices it is for: that match, fit, and do not run the release
                               without this rollout's doing */
    struct utc quiet_since; /* last outcome or opening of the present stage */
    struct utc admit_after; /* nobody was in reach: not asked again before */
    struct rollout_tally tally[ROLLOUT_STAGES_MAX];
    uint32_t whereabouts[WHEREABOUTS_COUNT]; /* devices; WHEREABOUTS_HOME stays 0 */
};

enum rollout_event_kind {
    ROLLOUT_EV_APPROVE,
    ROLLOUT_EV_START, /* `count`: see rollout.selected; none is refused */
    ROLLOUT_EV_PAUSE, /* freeze: nobody is admitted, nobody gets leave to flip */
    ROLLOUT_EV_RESUME,
    ROLLOUT_EV_ADVANCE, /* a person opens the next stage without waiting */
    ROLLOUT_EV_ABORT,
    ROLLOUT_EV_ROLLBACK,
    ROLLOUT_EV_HALT,     /* a person or a judge outside this file pulls the brake */
    ROLLOUT_EV_SELECTED, /* `count`: rollout.selected is that now */
    ROLLOUT_EV_ADMITTED, /* answer to ROLLOUT_ADMIT: `count` assignments stepped with ADMIT */
    ROLLOUT_EV_RECALLED, /* answer to ROLLOUT_RECALL: `count` of `stage` stepped with RECALL */
    ROLLOUT_EV_MOVED,    /* any other assignment step that assignment_change_matters() */
    ROLLOUT_EV_TICK,     /* time has passed; at least every few seconds */
    ROLLOUT_EVENT_COUNT
};

struct rollout_event {
    enum rollout_event_kind kind;
    struct utc now;
    uint32_t count;                         /* START, SELECTED, ADMITTED, RECALLED */
    uint8_t stage;                          /* RECALLED */
    bool by_judge;                          /* HALT: not a person */
    const struct assignment_change *change; /* MOVED */
};

enum rollout_effect_kind {
    /* Admit up to `count` candidates to `stage`: eligible, admissible, heard of within the
     * deadline; each by assignment_step(ADMIT). Answer with one ADMITTED, 0 included. */
    ROLLOUT_ADMIT,
    /* Step every assignment that stands WAITING with RECALL. Answer with RECALLED for each stage
     * that had some, in this transaction. */
    ROLLOUT_RECALL,
    /* Step every assignment whose whereabouts are AWAY with REVERT and feed each change back as
     * MOVED. One that is SWITCHING refuses; the next TICK asks again. */
    ROLLOUT_REVERT,
    /* Tell people: the state or the stage changed. */
    ROLLOUT_NOTIFY,
    ROLLOUT_EFFECT_COUNT
};

struct rollout_effect {
    enum rollout_effect_kind kind;
    uint8_t stage;  /* ADMIT */
    uint32_t count; /* devices, for ADMIT; how many are expected, for RECALL and REVERT */
};

struct rollout_effects {
    struct rollout_effect list[ROLLOUT_EFFECTS_MAX];
    uint8_t count;
    bool judged;                 /* a gate was asked in this step, */
    uint8_t judged_stage;        /* about this stage, */
    struct gate_verdict verdict; /* and found this */
};

/* Whether the plan makes sense; otherwise ERR_INVALID with field ("stages[1].percent") and
 * sentence. */
enum err rollout_plan_check(const struct rollout_plan *plan, struct why *why) MUST_USE;

/* ERR_INVALID, changing nothing, when the event makes no sense in this state; ERR_DENIED when an
 * approval is missing; ERR_NOT_FOUND when START finds nobody selected. `why` may be NULL. */
enum err rollout_step(struct rollout *rollout, const struct rollout_event *event,
                      struct rollout_effects *out, struct why *why) MUST_USE;

/* Devices that `stage` may have admitted in total, all earlier stages included. */
uint32_t rollout_goal(const struct rollout *rollout, uint8_t stage);

/* Devices that the present stage may still admit. */
uint32_t rollout_room(const struct rollout *rollout);

/* When the present stage has soaked; only meaningful while rollout->soaking. */
struct utc rollout_soaked_at(const struct rollout *rollout);

/* Devices that hold a slot or have an outcome, over all stages. */
uint32_t rollout_admitted(const struct rollout *rollout);

/* Devices over all stages that stand there. */
uint32_t rollout_standing(const struct rollout *rollout, enum standing standing);

/* What the gate would say of the stage now. */
struct gate_verdict rollout_verdict(const struct rollout *rollout, uint8_t stage);

/* The same if no more outcomes came, so that the sample counts as large enough. */
struct gate_verdict rollout_final_verdict(const struct rollout *rollout, uint8_t stage);

/* Whether a device may be admitted, or get leave to flip, in this state. */
bool rollout_moving(const struct rollout *rollout);

/* Whether TICK can still do anything: false for drafts and for what is over for good. */
bool rollout_open(const struct rollout *rollout);

/* One sentence on what it is doing or waiting for, no final period: "stage 2 of 3 soaks until
 * 2026-11-25T10:00:00Z". */
void rollout_explain(const struct rollout *rollout, struct utc now, struct buf *out);

/* How long a claim of `stage` must stand before it is good by itself: the soak of the stage, at
 * least ROLLOUT_CLAIM_SOAK_MIN_S. */
#define ROLLOUT_CLAIM_SOAK_MIN_S 300u /* seconds; a device that reboots is back by then, or not */
uint32_t rollout_claim_soak_s(const struct rollout *rollout, uint8_t stage);

struct assignment_policy rollout_policy(const struct rollout *rollout);

/* For storage, wires and traces; never NULL. */
const char *rollout_state_name(enum rollout_state state);
const char *rollout_cause_name(enum rollout_cause cause);
const char *rollout_event_name(enum rollout_event_kind kind);
const char *rollout_effect_name(enum rollout_effect_kind kind);

/* ERR_NOT_FOUND for an unknown name. */
enum err rollout_state_parse(struct span name, enum rollout_state *out) MUST_USE;
