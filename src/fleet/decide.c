#include "fleet/decide.h"

#include "base/check.h"
#include "codec/version.h"

#define HOLD_RETRY_S   60u   /* seconds; a resumed rollout should move within a minute or two */
#define WINDOW_RETRY_S 3600u /* seconds; a long wait is asked about hourly: plans change */

static bool digest_known(const uint8_t digest[DIGEST_SIZE])
{
    static const uint8_t none[DIGEST_SIZE];

    return memcmp(digest, none, DIGEST_SIZE) != 0;
}

static bool one_of(struct span wanted, const struct span *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (span_equal(wanted, list[i]))
            return true;
    return false;
}

/* Bases are named by version or by the digest's hex text. */
static bool base_fits(const struct decide_device *device, const struct decide_release *release)
{
    char hex[DIGEST_HEX_SIZE];
    struct buf buf = buf_over(hex, sizeof hex);

    if (release->base_count == 0)
        return true;
    buf_hex(&buf, (struct span){device->running, DIGEST_SIZE});
    if (one_of(buf_written(&buf), release->bases, release->base_count))
        return true;
    for (uint32_t i = 0; i < release->base_count; i++)
        if (version_valid(device->version) && version_valid(release->bases[i]) &&
            version_compare(device->version, release->bases[i]) == 0)
            return true;
    return false;
}

/* Why the release is not for this device at all; REASON_NEXT when it is. */
static enum decide_reason suitability(const struct decide_facts *facts)
{
    const struct decide_device *device = facts->device;
    const struct decide_release *release = facts->release;

    if (!facts->selected)
        return REASON_NOT_SELECTED;
    if (digest_known(device->running) && memcmp(device->running, release->sha256, DIGEST_SIZE) == 0)
        return REASON_CURRENT;
    if (!release->of_any_product && !span_equal(device->product, release->product))
        return REASON_PRODUCT;
    if (release->hardware_count != 0 &&
        !one_of(device->hardware, release->hardware, release->hardware_count))
        return REASON_HARDWARE;
    if (release->no_artifact)
        return REASON_ARTIFACT;
    if (release->blocked)
        return REASON_BLOCKED;
    if (release->security_version < device->security_floor)
        return REASON_FLOOR;
    if (!base_fits(device, release))
        return REASON_BASE;
    return release->sealed && !device->takes_sealed ? REASON_SEALING : REASON_NEXT;
}

/* Why the rollout does not move devices now; REASON_NEXT when it does. */
static enum decide_reason standstill(const struct rollout *rollout)
{
    switch (rollout->state) {
    case ROLLOUT_DRAFT:
        return REASON_ROLLOUT_DRAFT;
    case ROLLOUT_APPROVED:
        return rollout->plan.start_at.ms != 0 ? REASON_ROLLOUT_SCHEDULED : REASON_ROLLOUT_DRAFT;
    case ROLLOUT_RUNNING:
        return REASON_NEXT;
    case ROLLOUT_PAUSED:
        return REASON_ROLLOUT_PAUSED;
    case ROLLOUT_HALTED:
        return REASON_ROLLOUT_HALTED;
    case ROLLOUT_DONE:
        return rollout->closed ? REASON_ROLLOUT_ENDED : REASON_NEXT;
    case ROLLOUT_ROLLING_BACK:
    case ROLLOUT_ROLLED_BACK:
    case ROLLOUT_ABORTED:
    case ROLLOUT_STATE_COUNT:
        break;
    }
    return REASON_ROLLOUT_ENDED;
}

static enum decide_reason not_active(enum device_status status)
{
    switch (status) {
    case DEVICE_PENDING:
        return REASON_PENDING;
    case DEVICE_REJECTED:
        return REASON_REJECTED;
    case DEVICE_REVOKED:
    case DEVICE_ACTIVE:
    case DEVICE_STATUS_COUNT:
        break;
    }
    return REASON_REVOKED;
}

static bool dark(const struct decide_facts *facts)
{
    int64_t deadline_ms = (int64_t)facts->rollout->plan.deadline_s * 1000;

    return facts->now.ms - facts->device->heard_at.ms > deadline_ms;
}

bool decide_eligible(const struct decide_facts *facts, enum decide_reason *reason)
{
    const struct assignment *assignment = facts->assignment;
    enum decide_reason still = facts->rollout ? standstill(facts->rollout) : REASON_NO_ROLLOUT;
    enum decide_reason found = REASON_NEXT;

    if (facts->device->status != DEVICE_ACTIVE)
        found = not_active(facts->device->status);
    else if (!facts->rollout)
        found = REASON_NO_ROLLOUT;
    else if (suitability(facts) != REASON_NEXT)
        found = suitability(facts);
    else if (still != REASON_NEXT && still != REASON_ROLLOUT_PAUSED)
        found = still;
    else if (facts->device->held)
        found = REASON_DEVICE_HELD;
    else if (still == REASON_ROLLOUT_PAUSED)
        found = still;
    else if (facts->device->other_rollout)
        found = REASON_BUSY_ELSEWHERE;
    else if (assignment && !assignment_admissible(assignment, facts->now))
        found = REASON_REFUSED_LATELY;
    else if (dark(facts))
        found = REASON_DARK;
    if (reason)
        *reason = found;
    return found == REASON_NEXT;
}

static struct decision say(enum decide_reason reason, enum decide_answer answer,
                           enum decide_verdict verdict)
{
    return (struct decision){.reason = reason, .answer = answer, .verdict = verdict};
}

static struct decision hold(enum decide_reason reason, enum decide_answer answer, uint32_t retry_s)
{
    struct decision decision = say(reason, answer, DECIDE_HOLD);

    decision.retry_s = retry_s > 0 ? retry_s : 1;
    return decision;
}

/* A device that holds no slot: it waits, or nothing will come. */
static struct decision about_outsider(const struct decide_facts *facts)
{
    const struct rollout *rollout = facts->rollout;
    struct decision decision = {.verdict = DECIDE_DROP};

    if (facts->assignment && facts->in_hand)
        decision.answer = DECIDE_CANCEL;
    if (decide_eligible(facts, &decision.reason)) {
        if (rollout->soaking)
            decision.reason = REASON_SOAKING;
        else if (rollout_room(rollout) == 0)
            decision.reason = REASON_STAGE_FULL;
    }
    if (decision.reason == REASON_ROLLOUT_SCHEDULED)
        decision.next_at = rollout->plan.start_at;
    else if (decision.reason == REASON_REFUSED_LATELY)
        decision.next_at = facts->assignment->retry_at;
    else if (decision.reason == REASON_SOAKING)
        decision.next_at = rollout_soaked_at(rollout);
    return decision;
}

static uint32_t opens_in_s(const struct decide_facts *facts)
{
    if (!facts->window)
        return 0;
    return window_opens_in_s(facts->window, facts->now, facts->device->utc_offset_min);
}

static struct decision about_leave(const struct decide_facts *facts)
{
    uint32_t wait_s = opens_in_s(facts);
    struct decision decision;

    if (facts->risk.held)
        return hold(REASON_RISK, DECIDE_INSTALL,
                    facts->risk.retry_s ? facts->risk.retry_s : HOLD_RETRY_S);
    if (wait_s == 0)
        return say(REASON_LEAVE, DECIDE_INSTALL, DECIDE_PROCEED);
    decision =
        hold(REASON_WINDOW, DECIDE_INSTALL, wait_s < WINDOW_RETRY_S ? wait_s : WINDOW_RETRY_S);
    decision.next_at.ms = facts->now.ms + (int64_t)wait_s * 1000;
    return decision;
}

/* A protocol that does not ask later gets its leave with the offer, or no offer. */
static struct decision about_offer(const struct decide_facts *facts)
{
    struct decision decision = about_leave(facts);

    if (decision.verdict != DECIDE_PROCEED)
        decision.answer = DECIDE_NOTHING;
    else if (facts->assignment->state == ASSIGNMENT_DOWNLOADING)
        decision.reason = REASON_FETCHING;
    else
        decision.reason = REASON_OFFERED;
    return decision;
}

/* A device that holds a slot and has not flipped. */
static struct decision about_waiting(const struct decide_facts *facts)
{
    enum decide_reason still = standstill(facts->rollout);
    struct decision decision;

    if (still == REASON_ROLLOUT_HALTED || still == REASON_ROLLOUT_ENDED)
        return say(still, DECIDE_CANCEL, DECIDE_DROP);
    if (facts->release->blocked)
        return say(REASON_BLOCKED, DECIDE_CANCEL, DECIDE_DROP);
    if (facts->device->held)
        return hold(REASON_DEVICE_HELD, DECIDE_NOTHING, HOLD_RETRY_S);
    if (still != REASON_NEXT)
        return hold(still, DECIDE_NOTHING, HOLD_RETRY_S);
    if (!protocol_asks(facts->device->protocol))
        decision = about_offer(facts);
    else if (facts->assignment->state == ASSIGNMENT_ASSIGNED)
        decision = say(REASON_OFFERED, DECIDE_INSTALL, DECIDE_NOTED);
    else if (facts->assignment->state == ASSIGNMENT_DOWNLOADING)
        decision = say(REASON_FETCHING, DECIDE_INSTALL, DECIDE_NOTED);
    else
        decision = about_leave(facts);
    decision.flip_in_s = opens_in_s(facts);
    return decision;
}

static struct decision about_flipped(const struct decide_facts *facts, enum decide_reason reason,
                                     enum decide_answer answer)
{
    struct decision decision = say(reason, answer, DECIDE_NOTED);
    struct utc due;

    if (facts->rollout && assignment_due(facts->assignment, facts->rollout->plan.deadline_s, &due))
        decision.next_at = due;
    return decision;
}

/* Whoever does not ask may not have begun yet, so a recall is still worth a try. */
static enum decide_answer answer_to_flipping(const struct decide_facts *facts)
{
    enum decide_reason still = standstill(facts->rollout);
    bool over = still == REASON_ROLLOUT_HALTED || still == REASON_ROLLOUT_ENDED;

    return over && !protocol_asks(facts->device->protocol) ? DECIDE_CANCEL : DECIDE_INSTALL;
}

/* It claims to have succeeded, and waits to be believed. */
static struct decision about_trial(const struct decide_facts *facts)
{
    const struct assignment *assignment = facts->assignment;
    struct decision decision = about_flipped(facts, REASON_ON_TRIAL, DECIDE_NOTHING);

    if (!assignment_claims(assignment))
        return decision;
    decision.reason = REASON_CLAIMED;
    if (!assignment_soaked(assignment, rollout_claim_soak_s(facts->rollout, assignment->stage),
                           &decision.next_at))
        decision.next_at = (struct utc){0};
    return decision;
}

/* Ours comes back by asking for leave again. One that does not ask is offered it again as long as
 * it may have it, in case it lost it. */
static struct decision about_silent(const struct decide_facts *facts)
{
    struct decision decision = say(REASON_SILENT, DECIDE_NOTHING, DECIDE_NOTED);

    if (protocol_asks(facts->device->protocol) || facts->device->held || facts->release->blocked ||
        standstill(facts->rollout) != REASON_NEXT)
        return decision;
    if (about_leave(facts).verdict == DECIDE_PROCEED)
        decision.answer = DECIDE_INSTALL;
    return decision;
}

static struct decision about_return(const struct decide_facts *facts)
{
    if (facts->fetches_back)
        return say(REASON_FETCH_BACK, DECIDE_FETCH_BACK, DECIDE_PROCEED);
    return say(REASON_GO_BACK, DECIDE_ROLLBACK, DECIDE_PROCEED);
}

static struct decision about_stranded(const struct decide_facts *facts)
{
    if (facts->assignment->err == ERR_LINK) /* it had only been out of reach: the order stands */
        return about_return(facts);
    return say(REASON_STRANDED, DECIDE_NOTHING, DECIDE_NOTED);
}

static struct decision about_assignment(const struct decide_facts *facts)
{
    const struct assignment *assignment = facts->assignment;

    switch (assignment->state) {
    case ASSIGNMENT_REVERTING:
        return about_return(facts);
    case ASSIGNMENT_STRANDED:
        return about_stranded(facts);
    case ASSIGNMENT_ROLLED_BACK:
        return say(REASON_GONE_BACK, DECIDE_NOTHING, DECIDE_DROP);
    case ASSIGNMENT_SUCCEEDED:
        return say(REASON_SUCCEEDED, DECIDE_NOTHING, DECIDE_NOTED);
    case ASSIGNMENT_FAILED:
        return say(REASON_FAILED, DECIDE_NOTHING, DECIDE_DROP);
    case ASSIGNMENT_REVERTED:
        return say(REASON_REVERTED, DECIDE_NOTHING, DECIDE_DROP);
    case ASSIGNMENT_SILENT:
        return about_silent(facts);
    case ASSIGNMENT_SUPERSEDED:
        return say(REASON_SUPERSEDED, facts->in_hand ? DECIDE_CANCEL : DECIDE_NOTHING, DECIDE_DROP);
    case ASSIGNMENT_SWITCHING: /* the offer is repeated, in case it lost it */
        return about_flipped(facts, REASON_FLIPPING, answer_to_flipping(facts));
    case ASSIGNMENT_TRIAL:
        return about_trial(facts);
    case ASSIGNMENT_ASSIGNED:
    case ASSIGNMENT_DOWNLOADING:
    case ASSIGNMENT_STAGED:
        return about_waiting(facts);
    case ASSIGNMENT_REFUSED:
        if (assignment->standing != STANDING_OUT)
            return say(REASON_REFUSED, DECIDE_NOTHING, DECIDE_DROP);
        break;
    case ASSIGNMENT_CANDIDATE:
    case ASSIGNMENT_RECALLED:
    case ASSIGNMENT_WITHDRAWN:
    case ASSIGNMENT_STATE_COUNT:
        break;
    }
    return about_outsider(facts);
}

struct decision decide(const struct decide_facts *facts)
{
    CHECK(facts->device && facts->device->status < DEVICE_STATUS_COUNT);
    CHECK(!facts->rollout == !facts->release);
    CHECK(facts->rollout || !facts->assignment);
    if (facts->device->status != DEVICE_ACTIVE)
        return say(not_active(facts->device->status), DECIDE_NOTHING, DECIDE_DROP);
    return facts->assignment ? about_assignment(facts) : about_outsider(facts);
}

uint32_t decide_next_poll_s(const struct decision *decision, struct utc now, uint32_t interval_s,
                            uint32_t jitter_percent, struct prng *prng)
{
    int64_t wait_ms = (int64_t)interval_s * 1000, due_ms = decision->next_at.ms - now.ms;
    int64_t spread_ms;

    CHECK(jitter_percent <= 100);
    if (due_ms > 0 && due_ms < wait_ms)
        wait_ms = due_ms;
    spread_ms = wait_ms * jitter_percent / 100;
    wait_ms += (int64_t)prng_below(prng, (uint64_t)(2 * spread_ms + 1)) - spread_ms;
    return wait_ms < 1000 ? 1 : (uint32_t)(wait_ms / 1000);
}
