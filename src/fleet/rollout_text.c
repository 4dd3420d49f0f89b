/* A rollout in words: names for storage and wires, sentences for people. */
#include "base/check.h"
#include "fleet/rollout.h"

const char *rollout_state_name(enum rollout_state state)
{
    static const char *const names[] = {
#define X(code, wire) [ROLLOUT_##code] = (wire),
        ROLLOUT_STATE_MAP(X)
#undef X
    };

    CHECK(state < ROLLOUT_STATE_COUNT);
    return names[state];
}

enum err rollout_state_parse(struct span name, enum rollout_state *out)
{
    for (enum rollout_state i = 0; i < ROLLOUT_STATE_COUNT; i++) {
        if (span_is(name, rollout_state_name(i))) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

const char *rollout_cause_name(enum rollout_cause cause)
{
    static const char *const names[ROLLOUT_CAUSE_COUNT] = {
        [ROLLOUT_BY_NOBODY] = "nobody",     [ROLLOUT_BY_OPERATOR] = "operator",
        [ROLLOUT_BY_SCHEDULE] = "schedule", [ROLLOUT_BY_GATE] = "gate",
        [ROLLOUT_BY_JUDGE] = "judge",       [ROLLOUT_BY_PROGRESS] = "progress",
    };

    CHECK(cause < ROLLOUT_CAUSE_COUNT);
    return names[cause];
}

const char *rollout_event_name(enum rollout_event_kind kind)
{
    static const char *const names[ROLLOUT_EVENT_COUNT] = {
        [ROLLOUT_EV_APPROVE] = "approve",   [ROLLOUT_EV_START] = "start",
        [ROLLOUT_EV_PAUSE] = "pause",       [ROLLOUT_EV_RESUME] = "resume",
        [ROLLOUT_EV_ADVANCE] = "advance",   [ROLLOUT_EV_ABORT] = "abort",
        [ROLLOUT_EV_ROLLBACK] = "rollback", [ROLLOUT_EV_HALT] = "halt",
        [ROLLOUT_EV_SELECTED] = "selected", [ROLLOUT_EV_ADMITTED] = "admitted",
        [ROLLOUT_EV_RECALLED] = "recalled", [ROLLOUT_EV_MOVED] = "moved",
        [ROLLOUT_EV_TICK] = "tick",
    };

    CHECK(kind < ROLLOUT_EVENT_COUNT);
    return names[kind];
}

const char *rollout_effect_name(enum rollout_effect_kind kind)
{
    static const char *const names[ROLLOUT_EFFECT_COUNT] = {
        [ROLLOUT_ADMIT] = "admit",
        [ROLLOUT_RECALL] = "recall",
        [ROLLOUT_REVERT] = "revert",
        [ROLLOUT_NOTIFY] = "notify",
    };

    CHECK(kind < ROLLOUT_EFFECT_COUNT);
    return names[kind];
}

static void put_time(struct buf *out, struct utc at)
{
    char text[UTC_TEXT_SIZE];

    utc_format(at, text);
    buf_text(out, text);
}

static void put_devices(struct buf *out, uint32_t count, const char *after)
{
    buf_uint(out, count);
    buf_text(out, count == 1 ? " device " : " devices ");
    buf_text(out, after);
}

static void put_stage(struct buf *out, const struct rollout *rollout)
{
    buf_text(out, "stage ");
    buf_uint(out, rollout->stage + 1u);
    buf_text(out, " of ");
    buf_uint(out, rollout->plan.stage_count);
}

/* What the present stage waits for, the next thing first. */
static void put_progress(struct buf *out, const struct rollout *rollout)
{
    uint32_t waiting = rollout_standing(rollout, STANDING_WAITING);
    uint32_t exposed = rollout_standing(rollout, STANDING_EXPOSED);
    uint32_t admitted = rollout_admitted(rollout), goal = rollout_goal(rollout, rollout->stage);

    put_stage(out, rollout);
    if (rollout->soaking) {
        buf_text(out, " soaks until ");
        put_time(out, rollout_soaked_at(rollout));
        return;
    }
    buf_text(out, ": ");
    put_devices(out, waiting, "on the way, ");
    buf_uint(out, exposed);
    buf_text(out, " flipped without an outcome yet");
    if (admitted < goal) {
        buf_text(out, ", room for ");
        put_devices(out, goal - admitted, "more");
        if (rollout->admit_after.ms != 0)
            buf_text(out, ", of whom none is in reach");
    }
}

/* The stage whose gate is shut, else the present one. */
static uint8_t shut_stage(const struct rollout *rollout)
{
    for (uint8_t i = 0; i < rollout->plan.stage_count; i++) {
        struct gate_verdict verdict = rollout_verdict(rollout, i);

        if (gate_breached(&verdict))
            return i;
    }
    return rollout->stage;
}

static void put_halt(struct buf *out, const struct rollout *rollout)
{
    struct gate_verdict verdict;
    uint8_t stage;

    if (rollout->cause != ROLLOUT_BY_GATE) {
        buf_text(out, rollout->cause == ROLLOUT_BY_JUDGE ? "halted by a judge of the evidence"
                                                         : "halted by an operator");
        return;
    }
    stage = shut_stage(rollout);
    verdict = rollout_verdict(rollout, stage);
    if (!gate_breached(&verdict)) /* it was shut when the stage came to its end */
        verdict = rollout_final_verdict(rollout, stage);
    buf_text(out, "halted by the gate of stage ");
    buf_uint(out, stage + 1u);
    buf_text(out, ": ");
    gate_explain(&verdict, out);
}

static void put_return(struct buf *out, const struct rollout *rollout)
{
    put_devices(out, rollout->whereabouts[WHEREABOUTS_BACK], "went back, ");
    buf_uint(out, rollout->whereabouts[WHEREABOUTS_RETURNING]);
    buf_text(out, " told to, ");
    buf_uint(out, rollout->whereabouts[WHEREABOUTS_AWAY]);
    buf_text(out, " not told yet, ");
    buf_uint(out, rollout->whereabouts[WHEREABOUTS_STRANDED]);
    buf_text(out, " could not or do not answer");
}

static void put_done(struct buf *out, const struct rollout *rollout)
{
    uint32_t admitted = rollout_admitted(rollout);
    uint32_t goal = rollout_goal(rollout, rollout->stage);

    put_devices(out, rollout_standing(rollout, STANDING_GOOD), "run the release");
    if (admitted < goal) {
        buf_text(out, ", ");
        put_devices(out, goal - admitted, rollout->closed ? "not reached" : "still to come back");
    }
}

static void put_approved(struct buf *out, const struct rollout *rollout)
{
    if (rollout->plan.start_at.ms == 0) {
        buf_text(out, "approved, waits for its start");
        return;
    }
    buf_text(out, "starts at ");
    put_time(out, rollout->plan.start_at);
}

void rollout_explain(const struct rollout *rollout, struct utc now, struct buf *out)
{
    (void)now;
    switch (rollout->state) {
    case ROLLOUT_DRAFT:
        buf_text(out, rollout->plan.needs_approval ? "a draft that waits for approval"
                                                   : "a draft that waits for its start");
        break;
    case ROLLOUT_APPROVED:
        put_approved(out, rollout);
        break;
    case ROLLOUT_RUNNING:
        put_progress(out, rollout);
        break;
    case ROLLOUT_PAUSED:
        buf_text(out, "paused by an operator in ");
        put_stage(out, rollout);
        break;
    case ROLLOUT_HALTED:
        put_halt(out, rollout);
        break;
    case ROLLOUT_ROLLING_BACK:
    case ROLLOUT_ROLLED_BACK:
        put_return(out, rollout);
        break;
    case ROLLOUT_DONE:
        put_done(out, rollout);
        break;
    case ROLLOUT_ABORTED:
        buf_text(out, rollout->cause == ROLLOUT_BY_SCHEDULE ? "ended on schedule in "
                                                            : "aborted by an operator in ");
        put_stage(out, rollout);
        break;
    case ROLLOUT_STATE_COUNT:
        break;
    }
}
