/* An assignment is one device's part in one rollout, from the moment it might get the release
 * to the moment we know how it ended.
 *
 *   CANDIDATE --admit--> ASSIGNED --> DOWNLOADING --> STAGED --grant--> SWITCHING --> TRIAL
 *                        |   ^              |            |                 |           |
 *            dark before |   | failed: try  |            |                 |           |
 *            the flip    v   | again        v            v                 v           v
 *                     WITHDRAWN       FAILED REFUSED RECALLED    SILENT FAILED REVERTED SUCCEEDED
 *                                                                   |                      ^
 *                                                                   +--- late good report -+
 *
 * "Flipped" means: leave to switch banks was granted, or the device did it without asking.
 * That is the line between what a recall can still stop and what only evidence can judge:
 *
 *   - not flipped and dark: neither good nor bad. The slot goes back to the rollout, so that an
 *     offline device neither blocks a stage nor dilutes its rate; it is admitted again later.
 *   - flipped and dark: evidence of harm. It counts as SILENT until a late report corrects it.
 *   - failed before the flip: nothing was harmed, so it may try again up to the retry limit.
 *   - failed after the flip: counts at once. A second try would hide what the rollout must see.
 *
 * Some devices speak a protocol that cannot show what they run; their report of success is a
 * *claim*. It leaves the assignment in TRIAL, exposed, until something speaks for it:
 *
 *   TRIAL --claimed--> TRIAL --returned: it came back after the claim-----> SUCCEEDED
 *                            --soaked: nothing was heard against it so long-> SUCCEEDED
 *                            --reverted: it came back with what it ran-----> REVERTED
 *                            --overdue: it went dark---------------------> SILENT
 *
 * This file owns the states and the rules between them. It does not know rollouts, clocks or
 * storage: time comes with the event, and what a step means for the rollout's tally leaves as a
 * struct assignment_change, to be handed to rollout_step().
 */
#pragma once

#include "base/err.h"
#include "base/time.h"

/*   code       stored and sent     what a person reads */
#define ASSIGNMENT_STATE_MAP(X)                                                   \
    X(CANDIDATE, "candidate", "waits for its stage")                              \
    X(ASSIGNED, "assigned", "has a slot and has not begun")                       \
    X(DOWNLOADING, "downloading", "downloads the release")                        \
    X(STAGED, "staged", "holds the verified release and asks for leave to flip")  \
    X(SWITCHING, "switching", "has leave to flip its bank")                       \
    X(TRIAL, "trial", "runs the release on trial")                                \
    X(SUCCEEDED, "succeeded", "runs the release, is healthy and has confirmed")   \
    X(FAILED, "failed", "reported a failure")                                     \
    X(REVERTED, "reverted", "fell back to what it ran before")                    \
    X(SILENT, "silent", "was given leave to flip and has not been heard since")   \
    X(RECALLED, "recalled", "was recalled before it flipped")                     \
    X(WITHDRAWN, "withdrawn", "went dark before it flipped; its slot was reused") \
    X(SUPERSEDED, "superseded", "was moved to another rollout")                   \
    X(REFUSED, "refused", "refused the release before erasing anything")          \
    X(REVERTING, "reverting", "is told to go back to what it ran before")         \
    X(ROLLED_BACK, "rolled-back", "went back to what it ran before when told to") \
    X(STRANDED, "stranded", "could not go back, or has not answered the order")

enum assignment_state {
#define X(code, wire, text) ASSIGNMENT_##code,
    ASSIGNMENT_STATE_MAP(X)
#undef X
    ASSIGNMENT_STATE_COUNT
};

enum assignment_event_kind {
    ASSIGNMENT_EV_ADMIT,       /* the rollout gives it a slot in `stage` */
    ASSIGNMENT_EV_HEARD,       /* the device polled; nothing else is known */
    ASSIGNMENT_EV_DOWNLOADING, /* report: progress of the download */
    ASSIGNMENT_EV_STAGED,      /* report: verified on the spare bank, asks for leave to flip */
    ASSIGNMENT_EV_GRANT,       /* the server answers that question with "proceed" */
    ASSIGNMENT_EV_SWITCHING,   /* report: about to reboot into the spare bank */
    ASSIGNMENT_EV_TRIAL,       /* report: booted the new image, not confirmed yet */
    ASSIGNMENT_EV_SUCCEEDED,   /* report: confirmed; see running_target below */
    ASSIGNMENT_EV_FAILED,      /* report: gave up, `err` says why */
    ASSIGNMENT_EV_REVERTED,    /* report: the trial fell back */
    ASSIGNMENT_EV_REFUSED,     /* report: did not even begin, `err` says why */
    ASSIGNMENT_EV_OBEYED,      /* report: dropped it because it was told to cancel */
    ASSIGNMENT_EV_OVERDUE,     /* assignment_due() has passed */
    ASSIGNMENT_EV_RECALL,      /* halt, abort or scheduled end takes it back */
    ASSIGNMENT_EV_SUPERSEDE,   /* another rollout takes the device over */
    ASSIGNMENT_EV_STRAYED,     /* had succeeded, yet its poll names another running digest */
    ASSIGNMENT_EV_REVERT,      /* the rollout is rolled back: go to the other bank */
    ASSIGNMENT_EV_BACK,        /* told to revert, and its poll names another running digest */
    ASSIGNMENT_EV_CLAIMED,     /* report: says that it has succeeded, and cannot prove it */
    ASSIGNMENT_EV_RETURNED,    /* came back after its claim, and nothing speaks against it */
    ASSIGNMENT_EV_SOAKED,      /* assignment_soaked() has passed */
    ASSIGNMENT_EVENT_COUNT
};

/* How an assignment stands in its rollout's tally. Every assignment stands in exactly one
 * place, so a tally can always be recounted from the assignments. */
enum standing {
    STANDING_OUT,     /* holds no slot and is judged by nobody */
    STANDING_WAITING, /* holds a slot, has not flipped: may still be recalled */
    STANDING_EXPOSED, /* flipped, outcome not known yet */
    STANDING_GOOD,
    STANDING_FAILED, /* reported: failure, fallback, refusal that is the release's fault */
    STANDING_SILENT, /* not heard of within the deadline after the flip */
    STANDING_COUNT
};

/* Where the device is for a rollback of the whole rollout. */
enum whereabouts {
    WHEREABOUTS_HOME,      /* never flipped, or fell back by itself */
    WHEREABOUTS_AWAY,      /* flipped, and may run the release */
    WHEREABOUTS_RETURNING, /* told to go back */
    WHEREABOUTS_BACK,      /* went back */
    WHEREABOUTS_STRANDED,  /* cannot, or does not answer */
    WHEREABOUTS_COUNT
};

/*   code      stored and sent  what a person reads */
#define ASSIGNMENT_PROOF_MAP(X)                                                  \
    X(NONE, "none", "has reported no outcome")                                   \
    X(CLAIM, "claimed", "claims that it runs the release")                       \
    X(RUNNING, "running", "has proven by what it runs that it runs the release") \
    X(RETURN, "returned", "has proven its claim by coming back")                 \
    X(SOAK, "soaked", "has stood by its claim for the soak of its stage")

/* What stands behind an outcome; of one that is not good, the last claim. */
enum assignment_proof {
#define X(code, wire, text) PROOF_##code,
    ASSIGNMENT_PROOF_MAP(X)
#undef X
    PROOF_COUNT
};

/* What is stored of it; all zero is a candidate that was never touched. Plain values: a row. */
struct assignment {
    enum assignment_state state;
    enum standing standing;
    enum whereabouts whereabouts;
    enum err err;           /* why it failed, refused or is stranded; ERR_OK when it is not */
    uint8_t stage;          /* that admitted it, from 0 */
    uint8_t attempt;        /* 1 is the first try; 0 before the first admission */
    struct utc admitted_at; /* each of the times is 0 when it has not happened */
    struct utc heard_at;    /* last poll or report */
    struct utc moved_at;    /* last change of state or progress of the download */
    struct utc flipped_at;
    struct utc counted_at; /* when the outcome it stands for was counted */
    struct utc retry_at;   /* not to be admitted again before this time */
    struct utc claimed_at; /* the first claim of what it was told last */
    enum assignment_proof proof;
};

/* The part of the rollout's plan that an assignment needs. The deadline is per call, so that
 * each device may have its own. */
struct assignment_policy {
    uint32_t deadline_s; /* without a word; see assignment_due() */
    uint8_t retry_limit; /* further attempts after the first one failed before the flip */
};

struct assignment_event {
    enum assignment_event_kind kind;
    struct utc now;
    enum err err;        /* for FAILED, REVERTED and REFUSED; ERR_OK when the device did not say */
    bool running_target; /* for SUCCEEDED and REVERTED: the report says that the release runs */
    uint8_t stage;       /* for ADMIT */
};

/* What a step did, seen from the rollout. */
struct assignment_change {
    enum assignment_state from, to;
    uint8_t stage;
    enum standing standing_from, standing_to;
    enum whereabouts whereabouts_from, whereabouts_to;
    struct utc counted_at; /* when standing_from was counted, if it is an outcome */
    bool without_leave;    /* the device flipped without leave; worth an audit entry */
    bool retried;          /* failed before the flip and was given another attempt */
};

/* Apply one event. A success whose running digest is not the target's is a failure
 * (ERR_CONFLICT): "success" is what the device runs, not what it says.
 * ERR_INVALID, changing nothing, when the event makes no sense in this state: a late or repeated
 * report, to be noted in the history and answered as decide() says. `change` may not be
 * NULL. */
enum err assignment_step(struct assignment *assignment, const struct assignment_event *event,
                         const struct assignment_policy *policy,
                         struct assignment_change *change) MUST_USE;

/* What a poll means for the device's latest assignment: HEARD, or STRAYED or BACK when the digest
 * it runs is not the release's. */
enum assignment_event_kind assignment_event_of_poll(const struct assignment *assignment,
                                                    bool running_target);

/* Whether the rollout must hear of it (ROLLOUT_EV_MOVED). */
bool assignment_change_matters(const struct assignment_change *change);

/* When ASSIGNMENT_EV_OVERDUE is due; false when this state has no deadline or deadline_s is 0.
 *   before the flip  deadline_s after the last word; ASSIGNMENT_STALL_FACTOR times deadline_s
 *                    after the last progress while it is ASSIGNED or DOWNLOADING (it talks, but
 *                    nothing moves); STAGED may wait for its window for ever
 *   after the flip   deadline_s after the last word, at most ASSIGNMENT_STALL_FACTOR times
 *                    deadline_s after the flip (it talks, but never finishes)
 *   told to revert   deadline_s after the last word, at the earliest after the order */
bool assignment_due(const struct assignment *assignment, uint32_t deadline_s,
                    struct utc *due) MUST_USE;
#define ASSIGNMENT_STALL_FACTOR 3

/* When ASSIGNMENT_EV_SOAKED is due: `soak_s` after the claim; false without a claim that waits. */
bool assignment_soaked(const struct assignment *assignment, uint32_t soak_s,
                       struct utc *due) MUST_USE;

/* Whether it has claimed what it has not proven yet. */
bool assignment_claims(const struct assignment *assignment);

/* Whether ASSIGNMENT_EV_ADMIT is possible now: a candidate, or one that gave its slot back and
 * whose retry_at has passed. Eligibility of the device is decide_eligible()'s business. */
bool assignment_admissible(const struct assignment *assignment, struct utc now);

/* Holds a slot or has flipped and no outcome is known: the device has work in hand. */
bool assignment_active(enum assignment_state state);

/* Leave to flip was granted (or taken), whatever came of it. */
bool assignment_flipped(const struct assignment *assignment);

/* A refusal that speaks against the release (unsuitable, untrusted, corrupt, ...) counts as
 * failed. One that speaks of the device's circumstances (no space, busy, no link) does not: the
 * slot goes back and it is asked again after ASSIGNMENT_REFUSED_WAIT_S. */
bool assignment_refusal_counts(enum err err);
#define ASSIGNMENT_REFUSED_WAIT_S 900 /* seconds; a busy device is not asked on every poll */

/* Short stable names for storage, wires and traces; never NULL. */
const char *assignment_state_name(enum assignment_state state);
const char *assignment_state_text(enum assignment_state state); /* for people: "the device ..." */
const char *assignment_event_name(enum assignment_event_kind kind);
const char *assignment_proof_name(enum assignment_proof proof);
const char *assignment_proof_text(enum assignment_proof proof); /* for people: "the device ..." */
const char *standing_name(enum standing standing);
const char *whereabouts_name(enum whereabouts whereabouts);

/* ERR_NOT_FOUND for an unknown name. */
enum err assignment_state_parse(struct span name, enum assignment_state *out) MUST_USE;
