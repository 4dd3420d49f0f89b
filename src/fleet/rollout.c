#include "fleet/rollout.h"

#include "base/check.h"

static void effect(struct rollout_effects *out, enum rollout_effect_kind kind, uint8_t stage,
                   uint32_t count)
{
    CHECK(out->count < ROLLOUT_EFFECTS_MAX);
    out->list[out->count++] = (struct rollout_effect){.kind = kind, .stage = stage, .count = count};
}

/* --- what the numbers say --- */

uint32_t rollout_goal(const struct rollout *rollout, uint8_t stage)
{
    const struct rollout_stage *plan = &rollout->plan.stages[stage];
    uint64_t devices;

    CHECK(stage < rollout->plan.stage_count);
    devices = plan->permille != 0 ? ((uint64_t)rollout->selected * plan->permille + 999u) / 1000u
                                  : plan->count; /* a share is never zero devices */
    return devices < rollout->selected ? (uint32_t)devices : rollout->selected;
}

uint32_t rollout_standing(const struct rollout *rollout, enum standing standing)
{
    uint32_t devices = 0;

    CHECK(standing < STANDING_COUNT);
    for (uint8_t i = 0; i < rollout->plan.stage_count; i++)
        devices += rollout->tally[i].at[standing];
    return devices;
}

uint32_t rollout_admitted(const struct rollout *rollout)
{
    uint32_t devices = 0;

    for (enum standing i = STANDING_WAITING; i < STANDING_COUNT; i++)
        devices += rollout_standing(rollout, i);
    return devices;
}

uint32_t rollout_room(const struct rollout *rollout)
{
    uint32_t goal = rollout_goal(rollout, rollout->stage), admitted = rollout_admitted(rollout);

    return goal > admitted ? goal - admitted : 0;
}

static uint32_t ask_size(const struct rollout *rollout)
{
    uint32_t devices = rollout_room(rollout);

    return devices < ROLLOUT_ADMIT_MAX ? devices : ROLLOUT_ADMIT_MAX;
}

static uint32_t minus(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

/* Outcomes a stage must have produced before the next one may open: a stage whose devices are
 * all out of reach has proved nothing. */
static uint32_t evidence_needed(const struct rollout *rollout, uint8_t stage)
{
    uint32_t before = stage > 0 ? rollout_goal(rollout, (uint8_t)(stage - 1)) : 0;
    uint32_t width = minus(rollout_goal(rollout, stage), before);
    uint32_t sample = rollout->plan.stages[stage].gate.sample_min;

    if (sample == 0)
        sample = 1;
    return sample < width ? sample : width;
}

/* The stage's rule. A sample larger than what the stage can still yield would let it end
 * unjudged, so the gate asks for no more than that. */
static struct gate_rule judged_rule(const struct rollout *rollout, uint8_t stage)
{
    const struct rollout_tally *tally = &rollout->tally[stage];
    struct gate_rule rule = rollout->plan.stages[stage].gate;

    rule.sample_min =
        minus(evidence_needed(rollout, stage),
              tally->forgiven.good + tally->forgiven.reported + tally->forgiven.silent);
    return rule;
}

static struct gate_evidence evidence_of(const struct rollout_tally *tally)
{
    return (struct gate_evidence){
        .good = minus(tally->at[STANDING_GOOD], tally->forgiven.good),
        .reported = minus(tally->at[STANDING_FAILED], tally->forgiven.reported),
        .silent = minus(tally->at[STANDING_SILENT], tally->forgiven.silent),
    };
}

struct gate_verdict rollout_verdict(const struct rollout *rollout, uint8_t stage)
{
    struct gate_evidence evidence;
    struct gate_rule rule;

    CHECK(stage < rollout->plan.stage_count);
    evidence = evidence_of(&rollout->tally[stage]);
    rule = judged_rule(rollout, stage);
    return gate_judge(&rule, &evidence);
}

struct gate_verdict rollout_final_verdict(const struct rollout *rollout, uint8_t stage)
{
    struct gate_evidence evidence;
    struct gate_rule rule;

    CHECK(stage < rollout->plan.stage_count);
    evidence = evidence_of(&rollout->tally[stage]);
    rule = rollout->plan.stages[stage].gate;
    rule.sample_min = 0;
    return gate_judge(&rule, &evidence);
}

static uint32_t stage_outcomes(const struct rollout_tally *tally)
{
    return tally->at[STANDING_GOOD] + tally->at[STANDING_FAILED] + tally->at[STANDING_SILENT];
}

/* Nothing opens after the last stage, so a few outcomes are enough where nobody else can be
 * reached: otherwise devices that are away could keep a rollout from its end for ever. */
static uint32_t evidence_to_settle(const struct rollout *rollout)
{
    uint32_t needed = evidence_needed(rollout, rollout->stage);
    bool last = rollout->stage + 1 == rollout->plan.stage_count;

    return last && needed > 1 ? 1 : needed;
}

static bool stage_settled(const struct rollout *rollout)
{
    bool filled =
        rollout_room(rollout) == 0 || rollout->admit_after.ms != 0; /* or nobody in reach */

    return filled && rollout_standing(rollout, STANDING_WAITING) == 0 &&
           rollout_standing(rollout, STANDING_EXPOSED) == 0 &&
           stage_outcomes(&rollout->tally[rollout->stage]) >= evidence_to_settle(rollout);
}

struct utc rollout_soaked_at(const struct rollout *rollout)
{
    const struct rollout_tally *tally = &rollout->tally[rollout->stage];
    int64_t soak_ms = (int64_t)rollout->plan.stages[rollout->stage].soak_s * 1000;

    if (stage_outcomes(tally) == 0)
        soak_ms = 0; /* a stage that adds nobody has nothing to soak */
    return (struct utc){rollout->quiet_since.ms + soak_ms};
}

static bool ended(const struct rollout *rollout, struct utc now)
{
    return rollout->plan.end_at.ms != 0 && now.ms >= rollout->plan.end_at.ms;
}

/* --- what several events do --- */

static void ask_admission(struct rollout *rollout, struct utc now, struct rollout_effects *out)
{
    if (rollout_room(rollout) != 0 && now.ms >= rollout->admit_after.ms)
        effect(out, ROLLOUT_ADMIT, rollout->stage, ask_size(rollout));
}

static void recall(const struct rollout *rollout, struct rollout_effects *out)
{
    uint32_t waiting = rollout_standing(rollout, STANDING_WAITING);

    if (waiting != 0)
        effect(out, ROLLOUT_RECALL, 0, waiting);
}

static void revert(const struct rollout *rollout, struct rollout_effects *out)
{
    uint32_t away = rollout->whereabouts[WHEREABOUTS_AWAY];

    if (away != 0)
        effect(out, ROLLOUT_REVERT, 0, away);
}

static void open_stage(struct rollout *rollout, uint8_t stage, struct utc now,
                       struct rollout_effects *out)
{
    CHECK(stage < rollout->plan.stage_count);
    rollout->stage = stage;
    rollout->soaking = false;
    rollout->closed = false;
    rollout->quiet_since = now;
    rollout->admit_after = (struct utc){0};
    ask_admission(rollout, now, out);
}

static enum rollout_state halt(struct rollout *rollout, enum rollout_cause cause,
                               struct rollout_effects *out)
{
    rollout->cause = cause;
    rollout->soaking = false;
    recall(rollout, out);
    return ROLLOUT_HALTED;
}

static enum rollout_state end(struct rollout *rollout, enum rollout_cause cause,
                              struct rollout_effects *out)
{
    rollout->cause = cause;
    rollout->soaking = false;
    recall(rollout, out);
    return ROLLOUT_ABORTED;
}

/* DONE stays DONE; nobody else is admitted. */
static enum rollout_state close(struct rollout *rollout, enum rollout_cause cause,
                                struct rollout_effects *out)
{
    rollout->cause = cause;
    rollout->closed = true;
    recall(rollout, out);
    return ROLLOUT_DONE;
}

/* --- one function for each thing that can happen --- */

static enum rollout_state approve(struct rollout *rollout, const struct rollout_event *event,
                                  struct rollout_effects *out)
{
    (void)event, (void)out;
    rollout->cause = ROLLOUT_BY_OPERATOR;
    return ROLLOUT_APPROVED;
}

static enum rollout_state start(struct rollout *rollout, const struct rollout_event *event,
                                struct rollout_effects *out)
{
    CHECK(rollout->plan.stage_count > 0 && rollout->plan.stage_count <= ROLLOUT_STAGES_MAX);
    rollout->selected = event->count;
    rollout->cause = ROLLOUT_BY_OPERATOR;
    if (event->now.ms < rollout->plan.start_at.ms)
        return ROLLOUT_APPROVED;
    open_stage(rollout, 0, event->now, out);
    return ROLLOUT_RUNNING;
}

static enum rollout_state await_start(struct rollout *rollout, const struct rollout_event *event,
                                      struct rollout_effects *out)
{
    int64_t start_at = rollout->plan.start_at.ms;

    if (ended(rollout, event->now))
        return end(rollout, ROLLOUT_BY_SCHEDULE, out);
    if (start_at == 0 || event->now.ms < start_at || rollout->selected == 0)
        return ROLLOUT_APPROVED;
    rollout->cause = ROLLOUT_BY_SCHEDULE;
    open_stage(rollout, 0, event->now, out);
    return ROLLOUT_RUNNING;
}

static enum rollout_state select_again(struct rollout *rollout, const struct rollout_event *event,
                                       struct rollout_effects *out)
{
    (void)out;
    if (event->count > rollout->selected)
        rollout->admit_after = (struct utc){0}; /* somebody new may be in reach */
    rollout->selected = event->count;
    return rollout->state;
}

/* Asking costs a look at the whole selection: the longer nothing has happened, the less often. */
static int64_t admit_wait_ms(const struct rollout *rollout, struct utc now)
{
    int64_t wait_ms = (now.ms - rollout->quiet_since.ms) / 4;

    if (wait_ms < ROLLOUT_ADMIT_RETRY_MS)
        return ROLLOUT_ADMIT_RETRY_MS;
    return wait_ms < ROLLOUT_ADMIT_RETRY_MAX_MS ? wait_ms : ROLLOUT_ADMIT_RETRY_MAX_MS;
}

static enum rollout_state count_admitted(struct rollout *rollout, const struct rollout_event *event,
                                         struct rollout_effects *out)
{
    uint32_t asked = ask_size(rollout);

    (void)out;
    CHECK(event->count <= asked);
    rollout->tally[rollout->stage].at[STANDING_WAITING] += event->count;
    rollout->admit_after = (struct utc){0};
    if (event->count < asked)
        rollout->admit_after.ms = event->now.ms + admit_wait_ms(rollout, event->now);
    return rollout->state;
}

static enum rollout_state count_recalled(struct rollout *rollout, const struct rollout_event *event,
                                         struct rollout_effects *out)
{
    uint32_t *waiting = &rollout->tally[event->stage].at[STANDING_WAITING];

    (void)out;
    CHECK(event->count <= *waiting);
    *waiting -= event->count;
    return rollout->state;
}

static uint32_t *channel(struct gate_evidence *evidence, enum standing standing)
{
    if (standing == STANDING_GOOD)
        return &evidence->good;
    if (standing == STANDING_FAILED)
        return &evidence->reported;
    return standing == STANDING_SILENT ? &evidence->silent : NULL;
}

/* An outcome that a person had resumed after turns out otherwise: better news is old news,
 * worse news is new evidence. In doubt (counted in the millisecond of the resume) it errs
 * towards counting a failure. */
static void correct_forgiven(struct rollout_tally *tally, const struct assignment_change *change)
{
    uint32_t *from = channel(&tally->forgiven, change->standing_from);

    if (!from || *from == 0 || change->counted_at.ms > tally->forgiven_at.ms)
        return;
    (*from)--;
    if (change->standing_to == STANDING_GOOD)
        tally->forgiven.good++;
}

static void count_standing(struct rollout_tally *tally, const struct assignment_change *change)
{
    if (change->standing_from == change->standing_to)
        return;
    correct_forgiven(tally, change);
    if (change->standing_from != STANDING_OUT) {
        CHECK(tally->at[change->standing_from] > 0);
        tally->at[change->standing_from]--;
    }
    if (change->standing_to != STANDING_OUT)
        tally->at[change->standing_to]++;
}

static void count_whereabouts(struct rollout *rollout, const struct assignment_change *change)
{
    if (change->whereabouts_from == change->whereabouts_to)
        return;
    if (change->whereabouts_from != WHEREABOUTS_HOME) {
        CHECK(rollout->whereabouts[change->whereabouts_from] > 0);
        rollout->whereabouts[change->whereabouts_from]--;
    }
    if (change->whereabouts_to != WHEREABOUTS_HOME)
        rollout->whereabouts[change->whereabouts_to]++;
}

static bool new_outcome(const struct assignment_change *change)
{
    return change->standing_to != change->standing_from && change->standing_to >= STANDING_GOOD;
}

static enum rollout_state count_moved(struct rollout *rollout, const struct rollout_event *event,
                                      struct rollout_effects *out)
{
    const struct assignment_change *change = event->change;

    (void)out;
    CHECK(change->stage < rollout->plan.stage_count);
    count_standing(&rollout->tally[change->stage], change);
    count_whereabouts(rollout, change);
    if (new_outcome(change) && !rollout->soaking)
        rollout->quiet_since = event->now;
    if (change->standing_to == STANDING_OUT && change->standing_from != STANDING_OUT)
        rollout->admit_after = (struct utc){0}; /* its slot may go to somebody else at once */
    return rollout->state;
}

/* When nobody may move any more: a device that had leave and comes back without having used it
 * is recalled on the spot. */
static enum rollout_state recall_moved(struct rollout *rollout, const struct rollout_event *event,
                                       struct rollout_effects *out)
{
    (void)count_moved(rollout, event, out);
    if (event->change->standing_to == STANDING_WAITING)
        recall(rollout, out);
    return rollout->state;
}

static enum rollout_state judge_moved(struct rollout *rollout, const struct rollout_event *event,
                                      struct rollout_effects *out)
{
    uint8_t stage = event->change->stage;

    if (rollout->closed)
        (void)recall_moved(rollout, event, out);
    else
        (void)count_moved(rollout, event, out);
    if (!new_outcome(event->change))
        return rollout->state;
    out->judged = true;
    out->judged_stage = stage;
    out->verdict = rollout_verdict(rollout, stage);
    return gate_breached(&out->verdict) ? halt(rollout, ROLLOUT_BY_GATE, out) : rollout->state;
}

/* The server's clock was ahead and has been put right: nothing waits for the wrong future. */
static void follow_clock(struct rollout *rollout, struct utc now)
{
    if (rollout->quiet_since.ms > now.ms)
        rollout->quiet_since = now;
    if (rollout->admit_after.ms > now.ms + ROLLOUT_ADMIT_RETRY_MAX_MS)
        rollout->admit_after.ms = now.ms + ROLLOUT_ADMIT_RETRY_MAX_MS;
}

/* No stage ends unjudged, however few outcomes there are. */
static bool settles_badly(const struct rollout *rollout, struct rollout_effects *out)
{
    out->judged = true;
    out->judged_stage = rollout->stage;
    out->verdict = rollout_final_verdict(rollout, rollout->stage);
    return gate_breached(&out->verdict);
}

static enum rollout_state climb(struct rollout *rollout, const struct rollout_event *event,
                                struct rollout_effects *out)
{
    follow_clock(rollout, event->now);
    if (ended(rollout, event->now))
        return end(rollout, ROLLOUT_BY_SCHEDULE, out);
    if (!rollout->soaking && stage_settled(rollout)) {
        if (settles_badly(rollout, out))
            return halt(rollout, ROLLOUT_BY_GATE, out);
        rollout->soaking = true;
    }
    if (!rollout->soaking) {
        ask_admission(rollout, event->now, out);
        return ROLLOUT_RUNNING;
    }
    if (event->now.ms < rollout_soaked_at(rollout).ms)
        return ROLLOUT_RUNNING;
    if (rollout->stage + 1 < rollout->plan.stage_count) {
        open_stage(rollout, (uint8_t)(rollout->stage + 1), event->now, out);
        return ROLLOUT_RUNNING;
    }
    rollout->soaking = false;
    rollout->cause = ROLLOUT_BY_PROGRESS;
    return ROLLOUT_DONE;
}

static enum rollout_state advance(struct rollout *rollout, const struct rollout_event *event,
                                  struct rollout_effects *out)
{
    open_stage(rollout, (uint8_t)(rollout->stage + 1), event->now, out);
    return ROLLOUT_RUNNING;
}

static enum rollout_state pause(struct rollout *rollout, const struct rollout_event *event,
                                struct rollout_effects *out)
{
    (void)event, (void)out;
    rollout->cause = ROLLOUT_BY_OPERATOR;
    return ROLLOUT_PAUSED;
}

static enum rollout_state resume(struct rollout *rollout, const struct rollout_event *event,
                                 struct rollout_effects *out)
{
    rollout->cause = ROLLOUT_BY_OPERATOR;
    open_stage(rollout, rollout->stage, event->now, out);
    return ROLLOUT_RUNNING;
}

/* Whoever resumes after a halt has seen what happened: the gates start afresh from here. */
static enum rollout_state forgive(struct rollout *rollout, const struct rollout_event *event,
                                  struct rollout_effects *out)
{
    for (uint8_t i = 0; i < rollout->plan.stage_count; i++) {
        struct rollout_tally *tally = &rollout->tally[i];

        tally->forgiven = (struct gate_evidence){
            .good = tally->at[STANDING_GOOD],
            .reported = tally->at[STANDING_FAILED],
            .silent = tally->at[STANDING_SILENT],
        };
        tally->forgiven_at = event->now;
    }
    return resume(rollout, event, out);
}

static enum rollout_state brake(struct rollout *rollout, const struct rollout_event *event,
                                struct rollout_effects *out)
{
    return halt(rollout, event->by_judge ? ROLLOUT_BY_JUDGE : ROLLOUT_BY_OPERATOR, out);
}

static enum rollout_state abort_by_hand(struct rollout *rollout, const struct rollout_event *event,
                                        struct rollout_effects *out)
{
    (void)event;
    return end(rollout, ROLLOUT_BY_OPERATOR, out);
}

static enum rollout_state close_by_hand(struct rollout *rollout, const struct rollout_event *event,
                                        struct rollout_effects *out)
{
    (void)event;
    return close(rollout, ROLLOUT_BY_OPERATOR, out);
}

/* Waiting for a person: only the calendar and an unfinished recall are left to do. */
static enum rollout_state stand_still(struct rollout *rollout, const struct rollout_event *event,
                                      struct rollout_effects *out)
{
    if (ended(rollout, event->now))
        return end(rollout, ROLLOUT_BY_SCHEDULE, out);
    if (rollout->state == ROLLOUT_HALTED)
        recall(rollout, out);
    return rollout->state;
}

static enum rollout_state admit_latecomers(struct rollout *rollout,
                                           const struct rollout_event *event,
                                           struct rollout_effects *out)
{
    follow_clock(rollout, event->now);
    if (!rollout->closed && ended(rollout, event->now))
        return close(rollout, ROLLOUT_BY_SCHEDULE, out);
    if (rollout->closed)
        recall(rollout, out);
    else
        ask_admission(rollout, event->now, out);
    return ROLLOUT_DONE;
}

static enum rollout_state recall_rest(struct rollout *rollout, const struct rollout_event *event,
                                      struct rollout_effects *out)
{
    (void)event;
    recall(rollout, out);
    return rollout->state;
}

static enum rollout_state roll_back(struct rollout *rollout, const struct rollout_event *event,
                                    struct rollout_effects *out)
{
    (void)event;
    rollout->cause = ROLLOUT_BY_OPERATOR;
    rollout->soaking = false;
    recall(rollout, out);
    revert(rollout, out);
    return ROLLOUT_ROLLING_BACK;
}

static enum rollout_state await_return(struct rollout *rollout, const struct rollout_event *event,
                                       struct rollout_effects *out)
{
    (void)event;
    recall(rollout, out);
    revert(rollout, out);
    if (out->count != 0 || rollout->whereabouts[WHEREABOUTS_RETURNING] != 0)
        return rollout->state;
    if (rollout->state == ROLLOUT_ROLLING_BACK)
        rollout->cause = ROLLOUT_BY_PROGRESS;
    return ROLLOUT_ROLLED_BACK;
}

/* The whole behaviour. A pair that is not listed is refused. */
/* clang-format off */
static enum rollout_state (*const acts[ROLLOUT_STATE_COUNT][ROLLOUT_EVENT_COUNT])(
    struct rollout *, const struct rollout_event *, struct rollout_effects *) = {
    [ROLLOUT_DRAFT] = {
        [ROLLOUT_EV_APPROVE]  = approve,
        [ROLLOUT_EV_START]    = start,
        [ROLLOUT_EV_ABORT]    = abort_by_hand,
        [ROLLOUT_EV_SELECTED] = select_again,
    },
    [ROLLOUT_APPROVED] = {
        [ROLLOUT_EV_START]    = start,
        [ROLLOUT_EV_ABORT]    = abort_by_hand,
        [ROLLOUT_EV_SELECTED] = select_again,
        [ROLLOUT_EV_TICK]     = await_start,
    },
    [ROLLOUT_RUNNING] = {
        [ROLLOUT_EV_PAUSE]    = pause,
        [ROLLOUT_EV_ADVANCE]  = advance,
        [ROLLOUT_EV_ABORT]    = abort_by_hand,
        [ROLLOUT_EV_ROLLBACK] = roll_back,
        [ROLLOUT_EV_HALT]     = brake,
        [ROLLOUT_EV_SELECTED] = select_again,
        [ROLLOUT_EV_ADMITTED] = count_admitted,
        [ROLLOUT_EV_MOVED]    = judge_moved,
        [ROLLOUT_EV_TICK]     = climb,
    },
    [ROLLOUT_PAUSED] = {
        [ROLLOUT_EV_RESUME]   = resume,
        [ROLLOUT_EV_ABORT]    = abort_by_hand,
        [ROLLOUT_EV_ROLLBACK] = roll_back,
        [ROLLOUT_EV_HALT]     = brake,
        [ROLLOUT_EV_SELECTED] = select_again,
        [ROLLOUT_EV_MOVED]    = judge_moved,
        [ROLLOUT_EV_TICK]     = stand_still,
    },
    [ROLLOUT_HALTED] = {
        [ROLLOUT_EV_RESUME]   = forgive,
        [ROLLOUT_EV_ABORT]    = abort_by_hand,
        [ROLLOUT_EV_ROLLBACK] = roll_back,
        [ROLLOUT_EV_SELECTED] = select_again,
        [ROLLOUT_EV_RECALLED] = count_recalled,
        [ROLLOUT_EV_MOVED]    = recall_moved,
        [ROLLOUT_EV_TICK]     = stand_still,
    },
    [ROLLOUT_ROLLING_BACK] = {
        [ROLLOUT_EV_RECALLED] = count_recalled,
        [ROLLOUT_EV_MOVED]    = recall_moved,
        [ROLLOUT_EV_TICK]     = await_return,
    },
    [ROLLOUT_ROLLED_BACK] = {
        [ROLLOUT_EV_RECALLED] = count_recalled,
        [ROLLOUT_EV_MOVED]    = recall_moved,
        [ROLLOUT_EV_TICK]     = await_return,
    },
    [ROLLOUT_DONE] = {
        [ROLLOUT_EV_ABORT]    = close_by_hand,
        [ROLLOUT_EV_ROLLBACK] = roll_back,
        [ROLLOUT_EV_HALT]     = brake,
        [ROLLOUT_EV_SELECTED] = select_again,
        [ROLLOUT_EV_ADMITTED] = count_admitted,
        [ROLLOUT_EV_RECALLED] = count_recalled,
        [ROLLOUT_EV_MOVED]    = judge_moved,
        [ROLLOUT_EV_TICK]     = admit_latecomers,
    },
    [ROLLOUT_ABORTED] = {
        [ROLLOUT_EV_ROLLBACK] = roll_back,
        [ROLLOUT_EV_RECALLED] = count_recalled,
        [ROLLOUT_EV_MOVED]    = recall_moved,
        [ROLLOUT_EV_TICK]     = recall_rest,
    },
};
/* clang-format on */

static enum err refuse_pair(const struct rollout *rollout, const struct rollout_event *event,
                            struct why *why)
{
    char text[WHY_TEXT_MAX];
    struct buf buf = buf_over(text, sizeof text);

    buf_text(&buf, "the rollout is ");
    buf_text(&buf, rollout_state_name(rollout->state));
    buf_text(&buf, ", which excludes \"");
    buf_text(&buf, rollout_event_name(event->kind));
    buf_byte(&buf, '"');
    why_say(why, NULL, buf_finish_text(&buf));
    return ERR_INVALID;
}

static enum err refuse(enum err err, struct why *why, const char *text)
{
    why_say(why, NULL, text);
    return err;
}

/* What a table cannot say: conditions on a pair that is listed. */
static enum err permit(const struct rollout *rollout, const struct rollout_event *event,
                       struct why *why)
{
    switch (event->kind) {
    case ROLLOUT_EV_START:
        if (rollout->state == ROLLOUT_DRAFT && rollout->plan.needs_approval)
            return refuse(ERR_DENIED, why, "the rollout needs an approval before it may start");
        if (event->count == 0)
            return refuse(ERR_NOT_FOUND, why,
                          "the selector matches no device that needs the release");
        if (ended(rollout, event->now))
            return refuse(ERR_INVALID, why, "the scheduled end of the rollout has passed");
        break;
    case ROLLOUT_EV_ADVANCE:
        if (rollout->stage + 1 == rollout->plan.stage_count)
            return refuse(ERR_INVALID, why, "the rollout is in its last stage");
        break;
    case ROLLOUT_EV_ABORT:
        if (rollout->closed)
            return refuse(ERR_INVALID, why, "the rollout is done and closed");
        break;
    case ROLLOUT_EV_ROLLBACK:
        if (rollout->whereabouts[WHEREABOUTS_AWAY] == 0)
            return refuse(ERR_INVALID, why, "no device runs this release because of the rollout");
        break;
    case ROLLOUT_EV_APPROVE:
    case ROLLOUT_EV_PAUSE:
    case ROLLOUT_EV_RESUME:
    case ROLLOUT_EV_HALT:
    case ROLLOUT_EV_SELECTED:
    case ROLLOUT_EV_ADMITTED:
    case ROLLOUT_EV_RECALLED:
    case ROLLOUT_EV_MOVED:
    case ROLLOUT_EV_TICK:
    case ROLLOUT_EVENT_COUNT:
        break;
    }
    return ERR_OK;
}

enum err rollout_step(struct rollout *rollout, const struct rollout_event *event,
                      struct rollout_effects *out, struct why *why)
{
    const enum rollout_state from = rollout->state;
    const uint8_t stage = rollout->stage;
    const bool closed = rollout->closed;

    CHECK(from < ROLLOUT_STATE_COUNT);
    CHECK(event->kind < ROLLOUT_EVENT_COUNT);
    *out = (struct rollout_effects){0};

    if (!acts[from][event->kind])
        return refuse_pair(rollout, event, why);
    TRY(permit(rollout, event, why));
    rollout->state = acts[from][event->kind](rollout, event, out); /* the only assignment to it */
    if (rollout->state != from || rollout->stage != stage || rollout->closed != closed)
        effect(out, ROLLOUT_NOTIFY, rollout->stage, 0);
    return ERR_OK;
}

bool rollout_moving(const struct rollout *rollout)
{
    return rollout->state == ROLLOUT_RUNNING ||
           (rollout->state == ROLLOUT_DONE && !rollout->closed);
}

bool rollout_open(const struct rollout *rollout)
{
    uint32_t waiting = rollout_standing(rollout, STANDING_WAITING);

    switch (rollout->state) {
    case ROLLOUT_APPROVED:
    case ROLLOUT_RUNNING:
    case ROLLOUT_PAUSED:
    case ROLLOUT_HALTED:
    case ROLLOUT_ROLLING_BACK:
        return true;
    case ROLLOUT_DONE:
        return !rollout->closed || waiting != 0;
    case ROLLOUT_ABORTED:
        return waiting != 0;
    case ROLLOUT_ROLLED_BACK:
        return waiting != 0 || rollout->whereabouts[WHEREABOUTS_AWAY] != 0;
    case ROLLOUT_DRAFT:
    case ROLLOUT_STATE_COUNT:
        break;
    }
    return false;
}

uint32_t rollout_claim_soak_s(const struct rollout *rollout, uint8_t stage)
{
    uint32_t soak_s;

    CHECK(stage < ROLLOUT_STAGES_MAX);
    soak_s = rollout->plan.stages[stage].soak_s;
    return soak_s > ROLLOUT_CLAIM_SOAK_MIN_S ? soak_s : ROLLOUT_CLAIM_SOAK_MIN_S;
}

struct assignment_policy rollout_policy(const struct rollout *rollout)
{
    return (struct assignment_policy){
        .deadline_s = rollout->plan.deadline_s,
        .retry_limit = rollout->plan.retry_limit,
    };
}
