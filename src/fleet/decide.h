/* What a device is told, and why: one pure function for polls, reports, admission and
 * `device explain`, so that every policy question is a row in a test and the explanation can
 * never differ from the deed.
 *
 * A device of a protocol that does not ask before it installs (fleet/protocol.h) is offered a
 * release only when it would get leave for it: the offer is the leave.
 *
 * The caller gathers facts; nothing here asks for more. Order of the questions is the order of
 * enum decide_reason: the first that applies answers.
 */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "base/prng.h"
#include "base/time.h"
#include "fleet/assignment.h"
#include "fleet/protocol.h"
#include "fleet/rollout.h"
#include "fleet/window.h"

enum decide_answer {
    DECIDE_NOTHING,
    DECIDE_INSTALL,    /* there is a release to fetch; flipping needs leave */
    DECIDE_CANCEL,     /* drop what you have in hand for this assignment */
    DECIDE_ROLLBACK,   /* boot the other bank, no download */
    DECIDE_FETCH_BACK, /* the other bank holds something else: fetch what it ran before */
    DECIDE_ANSWER_COUNT
};

/* Answer to a report. */
enum decide_verdict {
    DECIDE_NOTED,
    DECIDE_PROCEED, /* leave to flip; the caller steps the assignment with GRANT, unless it has
                       been told to go back: that leave was given with the order */
    DECIDE_HOLD,    /* not now; ask again */
    DECIDE_DROP,    /* cancel; the device will report that it dropped it */
    DECIDE_VERDICT_COUNT
};

/*   code               stable name */
#define DECIDE_REASON_MAP(X)                                                    \
    /* the device itself */                                                     \
    X(PENDING, "device-pending")                                                \
    X(REJECTED, "device-rejected")                                              \
    X(REVOKED, "device-revoked")                                                \
    /* an order to go back comes before everything that could stop an update */ \
    X(GO_BACK, "rollback-ordered")                                              \
    X(FETCH_BACK, "rollback-download")                                          \
    X(GONE_BACK, "rolled-back")                                                 \
    X(STRANDED, "rollback-failed")                                              \
    /* no update in hand */                                                     \
    X(NO_ROLLOUT, "no-rollout")                                                 \
    X(NOT_SELECTED, "not-selected")                                             \
    X(CURRENT, "already-running")                                               \
    X(PRODUCT, "wrong-product")                                                 \
    X(HARDWARE, "wrong-hardware")                                               \
    X(ARTIFACT, "no-artifact")                                                  \
    X(BLOCKED, "release-blocked")                                               \
    X(FLOOR, "below-security-floor")                                            \
    X(BASE, "wrong-base")                                                       \
    X(SEALING, "no-sealing-key")                                                \
    /* how an assignment ended */                                               \
    X(SUCCEEDED, "succeeded")                                                   \
    X(FAILED, "failed")                                                         \
    X(REVERTED, "reverted")                                                     \
    X(SILENT, "silent")                                                         \
    X(REFUSED, "refused")                                                       \
    X(SUPERSEDED, "superseded")                                                 \
    /* what has flipped runs its course, whatever the rollout does */           \
    X(FLIPPING, "flipping")                                                     \
    X(ON_TRIAL, "on-trial")                                                     \
    X(CLAIMED, "claimed")                                                       \
    /* the rollout stands still */                                              \
    X(ROLLOUT_DRAFT, "rollout-draft")                                           \
    X(ROLLOUT_SCHEDULED, "rollout-scheduled")                                   \
    X(ROLLOUT_HALTED, "rollout-halted")                                         \
    X(ROLLOUT_ENDED, "rollout-ended")                                           \
    X(DEVICE_HELD, "device-held")                                               \
    X(ROLLOUT_PAUSED, "rollout-paused")                                         \
    /* it moves, this device does not yet */                                    \
    X(BUSY_ELSEWHERE, "other-rollout")                                          \
    X(REFUSED_LATELY, "refused-lately")                                         \
    X(DARK, "not-heard-of")                                                     \
    X(STAGE_FULL, "waits-for-stage")                                            \
    X(SOAKING, "stage-soaks")                                                   \
    /* it is this device's turn */                                              \
    X(NEXT, "next")                                                             \
    X(OFFERED, "offered")                                                       \
    X(FETCHING, "fetching")                                                     \
    X(RISK, "risk-hold")                                                        \
    X(WINDOW, "waits-for-window")                                               \
    X(LEAVE, "may-flip")

enum decide_reason {
#define X(code, wire) REASON_##code,
    DECIDE_REASON_MAP(X)
#undef X
    REASON_COUNT
};

enum device_status {
    DEVICE_PENDING,
    DEVICE_ACTIVE,
    DEVICE_REJECTED,
    DEVICE_REVOKED,
    DEVICE_STATUS_COUNT
};

/* All spans are borrowed for the duration of a call; an empty one means "not known". */
struct decide_device {
    enum device_status status;
    enum protocol protocol;
    bool held;          /* an operator's hold on this device */
    bool other_rollout; /* an active assignment in another rollout */
    struct span product, hardware, version;
    uint8_t running[DIGEST_SIZE]; /* digest of what it runs; all zero when not known */
    uint32_t security_floor;      /* lowest security version it accepts */
    bool takes_sealed;            /* it has sent a sealing key */
    struct utc heard_at;
    int32_t utc_offset_min;
};

/* The release's facts as far as they decide who may have it. */
struct decide_release {
    struct span product, version;
    const struct span *hardware; /* names; none = any */
    uint32_t hardware_count;
    const struct span *bases; /* versions or lower-case hex digests; none = any */
    uint32_t base_count;
    uint32_t security_version;
    bool sealed;         /* encrypted: for devices with a sealing key only */
    bool blocked;        /* by its signers: nobody may install it any more */
    bool no_artifact;    /* nothing in a format that the device's protocol can use */
    bool of_any_product; /* it came in without a statement of product: who selects it, knows */
    uint8_t sha256[DIGEST_SIZE];
};

/* A hold that judges beyond this file impose on granting leave: a cohort's safeguard hold, a
 * full risk window. */
struct decide_risk {
    bool held;
    const char *sentence; /* why, no final period; NULL when not held */
    uint32_t retry_s;
};

/* What the device's last report said beside the error; either may be empty. */
struct decide_words {
    struct span reason; /* name of the rule that said no: "floor" */
    struct span detail; /* a sentence */
};

struct decide_facts {
    struct utc now;
    const struct decide_device *device;
    const struct rollout *rollout;        /* NULL: none concerns the device */
    struct span rollout_name;             /* for sentences */
    const struct decide_release *release; /* NULL exactly when rollout is NULL */
    bool in_hand;      /* the poll or report says that the device holds this assignment */
    bool selected;     /* the rollout's selector matches the device */
    bool fetches_back; /* of a device told to go back: its other bank holds something else */
    struct decide_words words;
    const struct assignment *assignment; /* NULL: the rollout has not touched the device */
    const struct window *window;         /* NULL: none */
    struct decide_risk risk;
};

struct decision {
    enum decide_answer answer;   /* to a poll */
    enum decide_verdict verdict; /* to a report that asks for leave or shows work in hand */
    enum decide_reason reason;
    uint32_t flip_in_s; /* seconds until the maintenance window opens; 0 = may flip now */
    uint32_t retry_s;   /* HOLD: ask again then */
    struct utc next_at; /* when something changes by itself; 0 = not known */
};

/* Decide about a device that polls, reports or is asked about. A report is applied first
 * (assignment_step), so that the assignment is what the device has just said. */
struct decision decide(const struct decide_facts *facts);

/* Whether the rollout may admit the device now; `reason` (may be NULL) says why not, and is
 * REASON_NEXT when it may. Does not ask whether the stage has room. */
bool decide_eligible(const struct decide_facts *facts, enum decide_reason *reason);

/* One English sentence with final period: why the device is or is not getting an update now,
 * and when. */
void decide_explain(const struct decide_facts *facts, const struct decision *decision,
                    struct buf *out);

/* Seconds until the next poll: the interval, or sooner when something is due, spread by
 * +-jitter_percent so that a fleet never polls in step. At least 1. */
uint32_t decide_next_poll_s(const struct decision *decision, struct utc now, uint32_t interval_s,
                            uint32_t jitter_percent, struct prng *prng);

/* For storage and wires; never NULL. */
const char *decide_reason_name(enum decide_reason reason);
const char *decide_answer_name(enum decide_answer answer);
const char *decide_verdict_name(enum decide_verdict verdict);
const char *device_status_name(enum device_status status);

/* ERR_NOT_FOUND for an unknown name. */
enum err device_status_parse(struct span name, enum device_status *out) MUST_USE;
