#include "fleet/assignment.h"

#include "base/check.h"

/* One row of the table: in state `from`, this kind of event leads to `to`. */
struct rule {
    uint8_t from, on, to;
};

#define RULE(from, on, to)                                     \
    {                                                          \
        ASSIGNMENT_##from, ASSIGNMENT_EV_##on, ASSIGNMENT_##to \
    }

/* The whole behaviour; a pair that is not listed is refused. A row list, because most pairs make
 * no sense. `to` equal to `from` means: heard, and perhaps progress. */
/* clang-format off */
static const struct rule rules[] = {
    /* Admission and giving the slot back. */
    RULE(CANDIDATE,   ADMIT,       ASSIGNED),
    RULE(RECALLED,    ADMIT,       ASSIGNED),
    RULE(WITHDRAWN,   ADMIT,       ASSIGNED),
    RULE(REFUSED,     ADMIT,       ASSIGNED), /* only when the refusal did not count */

    RULE(ASSIGNED,    OVERDUE,     WITHDRAWN),
    RULE(DOWNLOADING, OVERDUE,     WITHDRAWN),
    RULE(STAGED,      OVERDUE,     WITHDRAWN),
    RULE(ASSIGNED,    RECALL,      RECALLED),
    RULE(DOWNLOADING, RECALL,      RECALLED),
    RULE(STAGED,      RECALL,      RECALLED),

    RULE(CANDIDATE,   SUPERSEDE,   SUPERSEDED),
    RULE(ASSIGNED,    SUPERSEDE,   SUPERSEDED),
    RULE(DOWNLOADING, SUPERSEDE,   SUPERSEDED),
    RULE(STAGED,      SUPERSEDE,   SUPERSEDED),
    RULE(RECALLED,    SUPERSEDE,   SUPERSEDED),
    RULE(WITHDRAWN,   SUPERSEDE,   SUPERSEDED),
    RULE(REFUSED,     SUPERSEDE,   SUPERSEDED),

    /* The way up, and the way back to the start of it. */
    RULE(ASSIGNED,    DOWNLOADING, DOWNLOADING),
    RULE(ASSIGNED,    STAGED,      STAGED),
    RULE(DOWNLOADING, DOWNLOADING, DOWNLOADING),
    RULE(DOWNLOADING, STAGED,      STAGED),
    RULE(STAGED,      DOWNLOADING, DOWNLOADING), /* lost its spare bank and began again */
    RULE(STAGED,      STAGED,      STAGED),      /* asks again */
    RULE(STAGED,      GRANT,       SWITCHING),
    RULE(SWITCHING,   STAGED,      STAGED), /* the answer got lost: it has not flipped */
    RULE(SWITCHING,   SWITCHING,   SWITCHING),
    RULE(SWITCHING,   TRIAL,       TRIAL),
    RULE(TRIAL,       TRIAL,       TRIAL),

    /* An old order to cancel is obeyed after a new admission: it holds its slot and starts over. */
    RULE(ASSIGNED,    OBEYED,      ASSIGNED),
    RULE(DOWNLOADING, OBEYED,      ASSIGNED),
    RULE(STAGED,      OBEYED,      ASSIGNED),
    RULE(SWITCHING,   OBEYED,      ASSIGNED), /* it took back the leave before using it */
    RULE(RECALLED,    OBEYED,      RECALLED),
    RULE(WITHDRAWN,   OBEYED,      WITHDRAWN),
    RULE(SUPERSEDED,  OBEYED,      SUPERSEDED),

    /* A failure before the flip; assignment_step() makes it ASSIGNED while attempts are left. */
    RULE(ASSIGNED,    FAILED,      FAILED),
    RULE(DOWNLOADING, FAILED,      FAILED),
    RULE(STAGED,      FAILED,      FAILED),
    RULE(ASSIGNED,    REFUSED,     REFUSED),
    RULE(DOWNLOADING, REFUSED,     REFUSED),
    RULE(STAGED,      REFUSED,     REFUSED),

    /* After the flip. */
    RULE(SWITCHING,   SUCCEEDED,   SUCCEEDED),
    RULE(SWITCHING,   FAILED,      FAILED),
    RULE(SWITCHING,   REVERTED,    REVERTED),
    RULE(SWITCHING,   OVERDUE,     SILENT),
    RULE(TRIAL,       SUCCEEDED,   SUCCEEDED),
    RULE(TRIAL,       FAILED,      FAILED),
    RULE(TRIAL,       REVERTED,    REVERTED),
    RULE(TRIAL,       OVERDUE,     SILENT),

    /* Flipped without leave: we record what is, not what should be. */
    RULE(ASSIGNED,    SWITCHING,   SWITCHING),
    RULE(ASSIGNED,    TRIAL,       TRIAL),
    RULE(ASSIGNED,    SUCCEEDED,   SUCCEEDED),
    RULE(ASSIGNED,    REVERTED,    REVERTED),
    RULE(DOWNLOADING, SWITCHING,   SWITCHING),
    RULE(DOWNLOADING, TRIAL,       TRIAL),
    RULE(DOWNLOADING, SUCCEEDED,   SUCCEEDED),
    RULE(DOWNLOADING, REVERTED,    REVERTED),
    RULE(STAGED,      SWITCHING,   SWITCHING),
    RULE(STAGED,      TRIAL,       TRIAL),
    RULE(STAGED,      SUCCEEDED,   SUCCEEDED),
    RULE(STAGED,      REVERTED,    REVERTED),
    RULE(RECALLED,    SWITCHING,   SWITCHING),
    RULE(RECALLED,    TRIAL,       TRIAL),
    RULE(RECALLED,    SUCCEEDED,   SUCCEEDED),
    RULE(RECALLED,    REVERTED,    REVERTED),
    RULE(WITHDRAWN,   SWITCHING,   SWITCHING),
    RULE(WITHDRAWN,   TRIAL,       TRIAL),
    RULE(WITHDRAWN,   SUCCEEDED,   SUCCEEDED),
    RULE(WITHDRAWN,   REVERTED,    REVERTED),

    /* Corrections of what was counted. */
    RULE(SILENT,      SWITCHING,   SILENT), /* a word, but no outcome yet */
    RULE(SILENT,      TRIAL,       SILENT),
    RULE(SILENT,      DOWNLOADING, DOWNLOADING), /* never flipped, lost the image */
    RULE(SILENT,      STAGED,      STAGED),      /* never flipped, asks for leave again */
    RULE(SILENT,      OBEYED,      RECALLED),    /* never flipped, dropped it */
    RULE(SILENT,      SUCCEEDED,   SUCCEEDED),   /* late good: silent becomes good */
    RULE(SILENT,      FAILED,      FAILED),
    RULE(SILENT,      REVERTED,    REVERTED),
    RULE(SUCCEEDED,   SUCCEEDED,   SUCCEEDED), /* repeated under a new report id */
    RULE(SUCCEEDED,   STRAYED,     REVERTED),  /* good becomes failed: it did not stay */

    /* Claims, and what speaks for them. A late one shows that it is not silent, and no more. */
    RULE(ASSIGNED,    CLAIMED,     TRIAL),
    RULE(DOWNLOADING, CLAIMED,     TRIAL),
    RULE(STAGED,      CLAIMED,     TRIAL),
    RULE(SWITCHING,   CLAIMED,     TRIAL),
    RULE(TRIAL,       CLAIMED,     TRIAL),
    RULE(SILENT,      CLAIMED,     TRIAL),
    RULE(RECALLED,    CLAIMED,     TRIAL),
    RULE(WITHDRAWN,   CLAIMED,     TRIAL),
    RULE(SUCCEEDED,   CLAIMED,     SUCCEEDED),
    RULE(REVERTING,   CLAIMED,     REVERTING),
    RULE(STRANDED,    CLAIMED,     STRANDED),
    RULE(TRIAL,       RETURNED,    SUCCEEDED),
    RULE(TRIAL,       SOAKED,      SUCCEEDED),
    RULE(REVERTING,   RETURNED,    ROLLED_BACK),
    RULE(REVERTING,   SOAKED,      ROLLED_BACK),
    RULE(STRANDED,    RETURNED,    ROLLED_BACK),

    /* Rolling the whole rollout back. SWITCHING is waited for: a device that has leave and has
     * not used it must not be told to boot the other bank, which is the new one. */
    RULE(TRIAL,       REVERT,      REVERTING),
    RULE(SUCCEEDED,   REVERT,      REVERTING),
    RULE(FAILED,      REVERT,      REVERTING), /* only when it had flipped */
    RULE(SILENT,      REVERT,      REVERTING),
    RULE(REVERTING,   DOWNLOADING, REVERTING), /* it has to fetch what it ran before */
    RULE(REVERTING,   STAGED,      REVERTING),
    RULE(REVERTING,   SWITCHING,   REVERTING),
    RULE(REVERTING,   TRIAL,       REVERTING),
    RULE(REVERTING,   SUCCEEDED,   REVERTING), /* of the update, from before the order */
    RULE(REVERTING,   REVERTED,    ROLLED_BACK),
    RULE(REVERTING,   BACK,        ROLLED_BACK),
    RULE(REVERTING,   FAILED,      STRANDED),
    RULE(REVERTING,   REFUSED,     STRANDED),
    RULE(REVERTING,   OVERDUE,     STRANDED),
    RULE(STRANDED,    DOWNLOADING, STRANDED),
    RULE(STRANDED,    STAGED,      STRANDED),
    RULE(STRANDED,    REVERTED,    ROLLED_BACK),
    RULE(STRANDED,    BACK,        ROLLED_BACK),
    RULE(STRANDED,    FAILED,      STRANDED),
    RULE(STRANDED,    REFUSED,     STRANDED),
    RULE(ROLLED_BACK, BACK,        ROLLED_BACK),
};

/* How each state stands and where its device is, in the absence of more. A rollback keeps the
 * outcome that was counted; see settle(). */
static const struct {
    uint8_t standing, whereabouts;
} places[ASSIGNMENT_STATE_COUNT] = {
    [ASSIGNMENT_CANDIDATE]   = {STANDING_OUT,     WHEREABOUTS_HOME},
    [ASSIGNMENT_ASSIGNED]    = {STANDING_WAITING, WHEREABOUTS_HOME},
    [ASSIGNMENT_DOWNLOADING] = {STANDING_WAITING, WHEREABOUTS_HOME},
    [ASSIGNMENT_STAGED]      = {STANDING_WAITING, WHEREABOUTS_HOME},
    [ASSIGNMENT_SWITCHING]   = {STANDING_EXPOSED, WHEREABOUTS_AWAY},
    [ASSIGNMENT_TRIAL]       = {STANDING_EXPOSED, WHEREABOUTS_AWAY},
    [ASSIGNMENT_SUCCEEDED]   = {STANDING_GOOD,    WHEREABOUTS_AWAY},
    [ASSIGNMENT_FAILED]      = {STANDING_FAILED,  WHEREABOUTS_AWAY}, /* HOME before the flip */
    [ASSIGNMENT_REVERTED]    = {STANDING_FAILED,  WHEREABOUTS_HOME},
    [ASSIGNMENT_SILENT]      = {STANDING_SILENT,  WHEREABOUTS_AWAY},
    [ASSIGNMENT_RECALLED]    = {STANDING_OUT,     WHEREABOUTS_HOME},
    [ASSIGNMENT_WITHDRAWN]   = {STANDING_OUT,     WHEREABOUTS_HOME},
    [ASSIGNMENT_SUPERSEDED]  = {STANDING_OUT,     WHEREABOUTS_HOME},
    [ASSIGNMENT_REFUSED]     = {STANDING_FAILED,  WHEREABOUTS_HOME}, /* OUT if circumstances */
    [ASSIGNMENT_REVERTING]   = {STANDING_OUT,     WHEREABOUTS_RETURNING},
    [ASSIGNMENT_ROLLED_BACK] = {STANDING_OUT,     WHEREABOUTS_BACK},
    [ASSIGNMENT_STRANDED]    = {STANDING_OUT,     WHEREABOUTS_STRANDED},
};
/* clang-format on */

static const struct rule *find_rule(enum assignment_state from, enum assignment_event_kind on)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (rules[i].from == from && rules[i].on == on)
            return &rules[i];
    return NULL;
}

static bool is_outcome(enum standing standing)
{
    return standing == STANDING_GOOD || standing == STANDING_FAILED || standing == STANDING_SILENT;
}

/* Whether the device itself spoke. */
static bool is_word(enum assignment_event_kind kind)
{
    switch (kind) {
    case ASSIGNMENT_EV_HEARD:
    case ASSIGNMENT_EV_DOWNLOADING:
    case ASSIGNMENT_EV_STAGED:
    case ASSIGNMENT_EV_SWITCHING:
    case ASSIGNMENT_EV_TRIAL:
    case ASSIGNMENT_EV_SUCCEEDED:
    case ASSIGNMENT_EV_FAILED:
    case ASSIGNMENT_EV_REVERTED:
    case ASSIGNMENT_EV_REFUSED:
    case ASSIGNMENT_EV_OBEYED:
    case ASSIGNMENT_EV_STRAYED:
    case ASSIGNMENT_EV_BACK:
    case ASSIGNMENT_EV_CLAIMED:
    case ASSIGNMENT_EV_RETURNED:
        return true;
    case ASSIGNMENT_EV_SOAKED:
    case ASSIGNMENT_EV_ADMIT:
    case ASSIGNMENT_EV_GRANT:
    case ASSIGNMENT_EV_OVERDUE:
    case ASSIGNMENT_EV_RECALL:
    case ASSIGNMENT_EV_SUPERSEDE:
    case ASSIGNMENT_EV_REVERT:
    case ASSIGNMENT_EVENT_COUNT:
        break;
    }
    return false;
}

bool assignment_refusal_counts(enum err err)
{
    switch (err) {
    case ERR_AGAIN:   /* busy, or an operator's local lock */
    case ERR_LINK:    /* the metadata could not be fetched */
    case ERR_STORAGE: /* no room for it */
    case ERR_TOO_BIG: /* no room for it, ever; a bank is too small */
    case ERR_DENIED:  /* the device's owner said no */
        return false;
    case ERR_OK: /* did not say why */
    case ERR_CORRUPT:
    case ERR_UNTRUSTED:
    case ERR_UNSUITABLE:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_INVALID:
    case ERR_UNHEALTHY:
    case ERR_COUNT:
        break;
    }
    return true;
}

static bool told_back(const struct assignment *assignment)
{
    return assignment->state == ASSIGNMENT_REVERTING || assignment->state == ASSIGNMENT_STRANDED;
}

/* What the device says, corrected by what it runs. Told to go back, it has succeeded when it
 * runs something else, and has failed when it fell back to the release. */
static struct assignment_event taken_at_its_deed(const struct assignment *assignment,
                                                 const struct assignment_event *event)
{
    struct assignment_event taken = *event;

    if (event->kind == ASSIGNMENT_EV_SUCCEEDED && !event->running_target) {
        taken.kind = told_back(assignment) ? ASSIGNMENT_EV_BACK : ASSIGNMENT_EV_FAILED;
        taken.err = told_back(assignment) ? ERR_OK : ERR_CONFLICT;
    }
    if (event->kind == ASSIGNMENT_EV_REVERTED && event->running_target && told_back(assignment))
        taken.kind = ASSIGNMENT_EV_FAILED;
    return taken;
}

/* What a table cannot say: conditions on a pair that is listed. */
static bool permitted(const struct assignment *assignment, const struct assignment_event *event)
{
    switch (event->kind) {
    case ASSIGNMENT_EV_ADMIT:
        return assignment_admissible(assignment, event->now);
    case ASSIGNMENT_EV_REVERT:
        return assignment->whereabouts == WHEREABOUTS_AWAY;
    case ASSIGNMENT_EV_SUPERSEDE:
        return assignment->standing == STANDING_OUT || assignment->standing == STANDING_WAITING;
    case ASSIGNMENT_EV_RETURNED:
    case ASSIGNMENT_EV_SOAKED:
        return assignment->claimed_at.ms != 0;
    case ASSIGNMENT_EV_HEARD:
    case ASSIGNMENT_EV_DOWNLOADING:
    case ASSIGNMENT_EV_STAGED:
    case ASSIGNMENT_EV_GRANT:
    case ASSIGNMENT_EV_SWITCHING:
    case ASSIGNMENT_EV_TRIAL:
    case ASSIGNMENT_EV_SUCCEEDED:
    case ASSIGNMENT_EV_FAILED:
    case ASSIGNMENT_EV_REVERTED:
    case ASSIGNMENT_EV_REFUSED:
    case ASSIGNMENT_EV_OBEYED:
    case ASSIGNMENT_EV_OVERDUE:
    case ASSIGNMENT_EV_RECALL:
    case ASSIGNMENT_EV_STRAYED:
    case ASSIGNMENT_EV_BACK:
    case ASSIGNMENT_EV_CLAIMED:
    case ASSIGNMENT_EVENT_COUNT:
        break;
    }
    return true;
}

/* A failure before the flip harmed nothing, so it may be tried again. */
static bool tries_again(const struct assignment *assignment, enum assignment_state to,
                        const struct assignment_policy *policy)
{
    return to == ASSIGNMENT_FAILED && assignment->standing == STANDING_WAITING &&
           assignment->attempt <= policy->retry_limit;
}

static enum standing standing_after(const struct assignment *assignment, enum assignment_state to,
                                    enum err err)
{
    bool going_back =
        to == ASSIGNMENT_REVERTING || to == ASSIGNMENT_ROLLED_BACK || to == ASSIGNMENT_STRANDED;

    if (going_back) /* the order to go back changes nothing about how the update went */
        return is_outcome(assignment->standing) ? assignment->standing : STANDING_OUT;
    if (to == ASSIGNMENT_REFUSED && !assignment_refusal_counts(err))
        return STANDING_OUT;
    return places[to].standing;
}

static enum whereabouts whereabouts_after(const struct assignment *assignment,
                                          enum assignment_state to)
{
    if (to == ASSIGNMENT_FAILED)
        return assignment->whereabouts; /* a failure moves no device */
    return places[to].whereabouts;
}

/* Times and numbers that follow from a change of state. */
static void settle(struct assignment *assignment, const struct assignment_event *event,
                   enum standing standing, enum whereabouts whereabouts)
{
    if (is_outcome(standing) && standing != assignment->standing)
        assignment->counted_at = event->now;
    if (whereabouts == WHEREABOUTS_AWAY && assignment->whereabouts == WHEREABOUTS_HOME)
        assignment->flipped_at = event->now;
    if (whereabouts == WHEREABOUTS_HOME && standing == STANDING_WAITING)
        assignment->flipped_at = (struct utc){0}; /* leave came back unused, or a fresh start */
    assignment->standing = standing;
    assignment->whereabouts = whereabouts;
}

static void admit(struct assignment *assignment, const struct assignment_event *event)
{
    assignment->stage = event->stage;
    assignment->attempt = 1;
    assignment->admitted_at = event->now;
    assignment->counted_at = (struct utc){0};
    assignment->retry_at = (struct utc){0};
    assignment->err = ERR_OK;
}

static void note_error(struct assignment *assignment, enum assignment_state to,
                       const struct assignment_event *event)
{
    if (event->kind == ASSIGNMENT_EV_OVERDUE)
        assignment->err = ERR_LINK;
    else if (to == ASSIGNMENT_FAILED || to == ASSIGNMENT_REVERTED || to == ASSIGNMENT_REFUSED ||
             to == ASSIGNMENT_STRANDED)
        assignment->err = event->err;
    else if (to == ASSIGNMENT_SUCCEEDED || to == ASSIGNMENT_ROLLED_BACK)
        assignment->err = ERR_OK;
}

static void forget_claim(struct assignment *assignment)
{
    assignment->claimed_at = (struct utc){0};
    assignment->proof = PROOF_NONE;
}

/* What stands behind it now. A claim counts from the first time it is made; a new order, or a
 * fresh start, asks for a new one. */
static void note_proof(struct assignment *assignment, const struct assignment_event *event,
                       enum assignment_state to)
{
    bool good = to == ASSIGNMENT_SUCCEEDED || to == ASSIGNMENT_ROLLED_BACK;

    if (places[to].standing == STANDING_WAITING || event->kind == ASSIGNMENT_EV_REVERT)
        forget_claim(assignment);
    if (event->kind == ASSIGNMENT_EV_CLAIMED && to != ASSIGNMENT_SUCCEEDED) {
        if (assignment->claimed_at.ms == 0)
            assignment->claimed_at = event->now;
        assignment->proof = PROOF_CLAIM;
    }
    if (event->kind == ASSIGNMENT_EV_RETURNED)
        assignment->proof = PROOF_RETURN;
    else if (event->kind == ASSIGNMENT_EV_SOAKED)
        assignment->proof = PROOF_SOAK;
    else if (good && event->kind != ASSIGNMENT_EV_CLAIMED)
        assignment->proof = PROOF_RUNNING;
}

static bool needs_no_leave(enum assignment_state state)
{
    return state == ASSIGNMENT_SWITCHING || state == ASSIGNMENT_TRIAL;
}

/* The device flipped though nobody had granted it. */
static bool flipped_by_itself(const struct assignment *assignment,
                              const struct assignment_event *event, enum assignment_state to)
{
    bool flipping = needs_no_leave(to) || to == ASSIGNMENT_SUCCEEDED || to == ASSIGNMENT_REVERTED;

    return flipping && assignment->whereabouts == WHEREABOUTS_HOME &&
           event->kind != ASSIGNMENT_EV_GRANT;
}

static void move(struct assignment *assignment, const struct assignment_event *event,
                 enum assignment_state to, struct assignment_change *change)
{
    enum standing standing = standing_after(assignment, to, event->err);
    enum whereabouts whereabouts = whereabouts_after(assignment, to);

    change->without_leave = flipped_by_itself(assignment, event, to);
    if (event->kind == ASSIGNMENT_EV_ADMIT)
        admit(assignment, event);
    if (change->without_leave && to == ASSIGNMENT_REVERTED)
        assignment->flipped_at = event->now; /* away and home again between two reports */
    if (to == ASSIGNMENT_REFUSED && standing == STANDING_OUT)
        assignment->retry_at.ms = event->now.ms + ASSIGNMENT_REFUSED_WAIT_S * 1000;
    note_error(assignment, to, event);
    note_proof(assignment, event, to);
    settle(assignment, event, standing, whereabouts);
    if (to != assignment->state || event->kind == ASSIGNMENT_EV_DOWNLOADING)
        assignment->moved_at = event->now;
}

static struct assignment_change change_of(const struct assignment *assignment)
{
    return (struct assignment_change){
        .from = assignment->state,
        .to = assignment->state,
        .stage = assignment->stage,
        .standing_from = assignment->standing,
        .standing_to = assignment->standing,
        .whereabouts_from = assignment->whereabouts,
        .whereabouts_to = assignment->whereabouts,
        .counted_at = assignment->counted_at,
    };
}

enum err assignment_step(struct assignment *assignment, const struct assignment_event *event,
                         const struct assignment_policy *policy, struct assignment_change *change)
{
    struct assignment_event taken = taken_at_its_deed(assignment, event);
    const struct rule *rule = find_rule(assignment->state, taken.kind);
    enum assignment_state to;

    CHECK(assignment->state < ASSIGNMENT_STATE_COUNT);
    CHECK(event->kind < ASSIGNMENT_EVENT_COUNT);
    if (taken.kind == ASSIGNMENT_EV_HEARD) { /* in every state: a poll is a word and no more */
        *change = change_of(assignment);
        assignment->heard_at = event->now;
        return ERR_OK;
    }
    if (!rule || !permitted(assignment, &taken))
        return ERR_INVALID;

    *change = change_of(assignment);
    to = rule->to;
    if (tries_again(assignment, to, policy)) {
        to = ASSIGNMENT_ASSIGNED;
        assignment->attempt++;
        assignment->err = taken.err;
        change->retried = true;
    }
    move(assignment, &taken, to, change);
    if (is_word(taken.kind))
        assignment->heard_at = event->now;
    assignment->state = to; /* the only assignment to state */
    change->to = to;
    change->stage = assignment->stage;
    change->standing_to = assignment->standing;
    change->whereabouts_to = assignment->whereabouts;
    return ERR_OK;
}

bool assignment_change_matters(const struct assignment_change *change)
{
    return change->standing_from != change->standing_to ||
           change->whereabouts_from != change->whereabouts_to;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool assignment_due(const struct assignment *assignment, uint32_t deadline_s, struct utc *due)
{
    const int64_t deadline = (int64_t)deadline_s * 1000,
                  stalled = deadline * ASSIGNMENT_STALL_FACTOR;
    int64_t word = later(assignment->heard_at.ms, assignment->admitted_at.ms);
    int64_t limit;

    if (deadline_s == 0)
        return false;
    switch (assignment->state) {
    case ASSIGNMENT_ASSIGNED:
    case ASSIGNMENT_DOWNLOADING:
        limit = assignment->moved_at.ms + stalled;
        break;
    case ASSIGNMENT_STAGED:
        limit = INT64_MAX;
        break;
    case ASSIGNMENT_SWITCHING:
    case ASSIGNMENT_TRIAL:
        word = later(word, assignment->flipped_at.ms);
        limit = later(assignment->flipped_at.ms, assignment->claimed_at.ms) + stalled;
        break;
    case ASSIGNMENT_REVERTING:
        word = later(word, assignment->moved_at.ms);
        limit = assignment->moved_at.ms + stalled;
        break;
    case ASSIGNMENT_CANDIDATE:
    case ASSIGNMENT_SUCCEEDED:
    case ASSIGNMENT_FAILED:
    case ASSIGNMENT_REVERTED:
    case ASSIGNMENT_SILENT:
    case ASSIGNMENT_RECALLED:
    case ASSIGNMENT_WITHDRAWN:
    case ASSIGNMENT_SUPERSEDED:
    case ASSIGNMENT_REFUSED:
    case ASSIGNMENT_ROLLED_BACK:
    case ASSIGNMENT_STRANDED:
    case ASSIGNMENT_STATE_COUNT:
    default:
        return false;
    }
    due->ms = word + deadline < limit ? word + deadline : limit;
    return true;
}

bool assignment_claims(const struct assignment *assignment)
{
    return assignment->proof == PROOF_CLAIM &&
           (assignment->state == ASSIGNMENT_TRIAL || assignment->state == ASSIGNMENT_REVERTING);
}

bool assignment_soaked(const struct assignment *assignment, uint32_t soak_s, struct utc *due)
{
    if (!assignment_claims(assignment))
        return false;
    due->ms = assignment->claimed_at.ms + (int64_t)soak_s * 1000;
    return true;
}

bool assignment_admissible(const struct assignment *assignment, struct utc now)
{
    bool out = assignment->state == ASSIGNMENT_CANDIDATE ||
               assignment->state == ASSIGNMENT_RECALLED ||
               assignment->state == ASSIGNMENT_WITHDRAWN ||
               (assignment->state == ASSIGNMENT_REFUSED && assignment->standing == STANDING_OUT);

    return out && now.ms >= assignment->retry_at.ms;
}

bool assignment_active(enum assignment_state state)
{
    CHECK(state < ASSIGNMENT_STATE_COUNT);
    return places[state].standing == STANDING_WAITING ||
           places[state].standing == STANDING_EXPOSED || state == ASSIGNMENT_REVERTING;
}

bool assignment_flipped(const struct assignment *assignment)
{
    return assignment->flipped_at.ms != 0;
}

enum assignment_event_kind assignment_event_of_poll(const struct assignment *assignment,
                                                    bool running_target)
{
    if (running_target)
        return ASSIGNMENT_EV_HEARD;
    if (told_back(assignment))
        return ASSIGNMENT_EV_BACK;
    return assignment->state == ASSIGNMENT_SUCCEEDED ? ASSIGNMENT_EV_STRAYED : ASSIGNMENT_EV_HEARD;
}

const char *assignment_state_name(enum assignment_state state)
{
    static const char *const names[] = {
#define X(code, wire, text) [ASSIGNMENT_##code] = (wire),
        ASSIGNMENT_STATE_MAP(X)
#undef X
    };

    CHECK(state < ASSIGNMENT_STATE_COUNT);
    return names[state];
}

const char *assignment_state_text(enum assignment_state state)
{
    static const char *const texts[] = {
#define X(code, wire, text) [ASSIGNMENT_##code] = (text),
        ASSIGNMENT_STATE_MAP(X)
#undef X
    };

    CHECK(state < ASSIGNMENT_STATE_COUNT);
    return texts[state];
}

enum err assignment_state_parse(struct span name, enum assignment_state *out)
{
    for (enum assignment_state i = 0; i < ASSIGNMENT_STATE_COUNT; i++) {
        if (span_is(name, assignment_state_name(i))) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

const char *assignment_event_name(enum assignment_event_kind kind)
{
    static const char *const names[] = {
        [ASSIGNMENT_EV_ADMIT] = "admit",
        [ASSIGNMENT_EV_HEARD] = "heard",
        [ASSIGNMENT_EV_DOWNLOADING] = "downloading",
        [ASSIGNMENT_EV_STAGED] = "staged",
        [ASSIGNMENT_EV_GRANT] = "grant",
        [ASSIGNMENT_EV_SWITCHING] = "switching",
        [ASSIGNMENT_EV_TRIAL] = "trial",
        [ASSIGNMENT_EV_SUCCEEDED] = "succeeded",
        [ASSIGNMENT_EV_FAILED] = "failed",
        [ASSIGNMENT_EV_REVERTED] = "reverted",
        [ASSIGNMENT_EV_REFUSED] = "refused",
        [ASSIGNMENT_EV_OBEYED] = "obeyed",
        [ASSIGNMENT_EV_OVERDUE] = "overdue",
        [ASSIGNMENT_EV_RECALL] = "recall",
        [ASSIGNMENT_EV_SUPERSEDE] = "supersede",
        [ASSIGNMENT_EV_STRAYED] = "strayed",
        [ASSIGNMENT_EV_REVERT] = "revert",
        [ASSIGNMENT_EV_BACK] = "back",
        [ASSIGNMENT_EV_CLAIMED] = "claimed",
        [ASSIGNMENT_EV_RETURNED] = "returned",
        [ASSIGNMENT_EV_SOAKED] = "soaked",
    };

    CHECK(kind < ASSIGNMENT_EVENT_COUNT);
    return names[kind];
}

const char *assignment_proof_name(enum assignment_proof proof)
{
    static const char *const names[] = {
#define X(code, wire, text) [PROOF_##code] = (wire),
        ASSIGNMENT_PROOF_MAP(X)
#undef X
    };

    CHECK(proof < PROOF_COUNT);
    return names[proof];
}

const char *assignment_proof_text(enum assignment_proof proof)
{
    static const char *const texts[] = {
#define X(code, wire, text) [PROOF_##code] = (text),
        ASSIGNMENT_PROOF_MAP(X)
#undef X
    };

    CHECK(proof < PROOF_COUNT);
    return texts[proof];
}

const char *standing_name(enum standing standing)
{
    static const char *const names[STANDING_COUNT] = {
        [STANDING_OUT] = "out",   [STANDING_WAITING] = "waiting", [STANDING_EXPOSED] = "exposed",
        [STANDING_GOOD] = "good", [STANDING_FAILED] = "failed",   [STANDING_SILENT] = "silent",
    };

    CHECK(standing < STANDING_COUNT);
    return names[standing];
}

const char *whereabouts_name(enum whereabouts whereabouts)
{
    static const char *const names[WHEREABOUTS_COUNT] = {
        [WHEREABOUTS_HOME] = "home",           [WHEREABOUTS_AWAY] = "away",
        [WHEREABOUTS_RETURNING] = "returning", [WHEREABOUTS_BACK] = "back",
        [WHEREABOUTS_STRANDED] = "stranded",
    };

    CHECK(whereabouts < WHEREABOUTS_COUNT);
    return names[whereabouts];
}
