#include "agent/agent.h"

#include "agent/acts.h"
#include "base/check.h"

/* ---- what an event is to the present state ---- */

#define INPUT_NONE INPUT_COUNT /* nothing for the table */

static enum agent_input answer_input(const struct agent *agent, const struct native_answer *answer)
{
    uint64_t in_hand = agent->record.work.assignment;

    switch (answer->kind) {
    case NATIVE_INSTALL:
    case NATIVE_ROLLBACK:
        if (answer->assignment == 0 || answer->assignment == in_hand)
            return INPUT_REACHED;
        return in_hand == 0 ? INPUT_OFFER : INPUT_CANCEL;
    case NATIVE_CANCEL:
        if (answer->assignment == 0 || answer->assignment == in_hand || in_hand == 0)
            return INPUT_CANCEL;
        return INPUT_REACHED;
    case NATIVE_NOTHING:
    case NATIVE_ANSWER_COUNT:
        break;
    }
    return INPUT_REACHED;
}

static enum agent_input verdict_input(const struct agent *agent, const struct agent_event *event)
{
    static const enum agent_input inputs[NATIVE_VERDICT_COUNT] = {
        [NATIVE_NOTED] = INPUT_NOTED,
        [NATIVE_PROCEED] = INPUT_PROCEED,
        [NATIVE_HOLD] = INPUT_HOLD,
        [NATIVE_DROP] = INPUT_CANCEL,
    };
    enum native_verdict_kind kind = event->verdict.is.kind;

    CHECK(kind < NATIVE_VERDICT_COUNT);
    if (event->verdict.report_id == 0)
        return INPUT_NONE;
    if (event->verdict.report_id == agent->asked_id)
        return agent->record.state == AGENT_REPORTING ? INPUT_NOTED : inputs[kind];
    if (event->verdict.report_id == agent->told_id)
        return kind == NATIVE_DROP ? INPUT_CANCEL : INPUT_REACHED;
    return INPUT_NONE;
}

static enum agent_input input_of(const struct agent *agent, const struct agent_event *event)
{
    switch (event->kind) {
    case AGENT_EV_WAKE:
        return instant_reached(event->now, agent->work_due) ? INPUT_WORK : INPUT_NONE;
    case AGENT_EV_ANSWER:
        return answer_input(agent, event->answer);
    case AGENT_EV_FACTS:
        return INPUT_FACTS;
    case AGENT_EV_READY:
        return INPUT_READY;
    case AGENT_EV_BYTES:
        return INPUT_BYTES;
    case AGENT_EV_VERDICT:
        return verdict_input(agent, event);
    case AGENT_EV_HEALTH:
        return INPUT_HEALTH;
    case AGENT_EV_FAILED:
        return event->failed.order == agent_state_info(agent_state(agent))->awaits &&
                       event->failed.order != AGENT_DO_WAKE
                   ? INPUT_FAILED
                   : INPUT_NONE;
    case AGENT_EV_COUNT:
        break;
    }
    return INPUT_NONE;
}

/* An event that the table has nothing to say about: harmless, or a mistake of the host. */
static enum err without_row(const struct agent_event *event)
{
    bool harmless = event->kind == AGENT_EV_WAKE ||
                    (event->kind == AGENT_EV_FAILED && (event->failed.order == AGENT_DO_POLL ||
                                                        event->failed.order == AGENT_DO_REPORT));

    return harmless ? ERR_OK : ERR_INVALID;
}

/* ---- polling goes on beside everything else ---- */

static void poll_failed(struct agent *agent, const struct agent_event *event)
{
    int64_t wait_ms;

    if (agent->record.poll_failures < 24) { /* as FAILURES_MAX: spares the record */
        agent->record.poll_failures++;
        agent->dirty = true;
    }
    wait_ms = agent_jitter_ms(agent, agent->record.poll_failures);
    if (agent->record.state == AGENT_TRIAL && wait_ms > agent->world.config->trial_s * 100)
        wait_ms = agent->world.config->trial_s * 100; /* the way back must be found in time */
    agent->poll_due =
        instant_after(event->now, wait_ms + agent_patience_ms(agent, event->failed.retry_s));
}

static void poll_answered(struct agent *agent, const struct agent_event *event)
{
    const struct native_answer *answer = event->answer;
    uint32_t next_s = answer->next_poll_s > 0 ? answer->next_poll_s : agent->world.config->poll_s;

    agent->poll_due = instant_after(event->now, agent_patience_ms(agent, next_s));
    agent->window_due = instant_after(event->now, (int64_t)answer->not_before_s * 1000);
    agent->window_known = true;
    if (agent->record.poll_failures > 0) {
        agent->record.poll_failures = 0;
        agent->dirty = true;
    }
}

static void talk(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    if (event->kind == AGENT_EV_ANSWER)
        poll_answered(agent, event);
    if (event->kind == AGENT_EV_FAILED && event->failed.order == AGENT_DO_POLL)
        poll_failed(agent, event);
    if (event->kind == AGENT_EV_WAKE && instant_reached(event->now, agent->poll_due)) {
        agent->poll_due = AGENT_NEVER; /* until the answer or its failure */
        agent_give(out, (struct agent_order){.kind = AGENT_DO_POLL});
    }
}

/* ---- the step ---- */

static bool resets(const struct agent_orders *orders)
{
    return orders->count > 0 && orders->list[orders->count - 1].kind == AGENT_DO_RESET;
}

/* The floor's second place follows the record. A keep that refuses is tried again with the next
 * save: the record alone will do until it is lost. */
static void keep_floor(struct agent *agent)
{
    const struct keep *keep = agent->world.keep;

    if (!keep || agent->record.security_floor <= agent->floor_kept)
        return;
    if (keep->ops->write(keep->self, agent->record.security_floor) == ERR_OK)
        agent->floor_kept = agent->record.security_floor;
}

static enum err save(struct agent *agent)
{
    if (!agent->dirty)
        return ERR_OK;
    TRY(record_save(agent->world.slots, &agent->record, &agent->sequence));
    agent->dirty = false;
    keep_floor(agent);
    return ERR_OK;
}

/* Nothing that was decided may be acted upon before it is durable. */
static enum err cannot_save(struct agent *agent, struct instant now, struct agent_orders *out)
{
    agent->unsaved = true;
    agent->work_due = instant_after(now, agent_jitter_ms(agent, 4) + 1000);
    *out = (struct agent_orders){0};
    agent_give(out, (struct agent_order){.kind = AGENT_DO_WAKE, .due = agent->work_due});
    return ERR_STORAGE;
}

/* After a reset nothing goes on but waiting for it: the time given is that of the next attempt. */
static void give_wake(const struct agent *agent, struct agent_orders *out)
{
    struct instant due = agent->poll_due;

    if (agent->work_due.ms < due.ms || resets(out))
        due = agent->work_due;
    agent_give(out, (struct agent_order){.kind = AGENT_DO_WAKE, .due = due});
}

/* A trial that nobody here has asked for ends at the reset that was ordered. Until that comes
 * nothing is begun: the other bank holds the confirmed image. */
static enum err await_reset(struct agent *agent, const struct agent_event *event,
                            struct agent_orders *out)
{
    if (event->kind != AGENT_EV_WAKE)
        return ERR_INVALID;
    if (instant_reached(event->now, agent->work_due))
        (void)refuse_trial(agent, event, out);
    agent_give(out, (struct agent_order){.kind = AGENT_DO_WAKE, .due = agent->work_due});
    return ERR_OK;
}

static void enter(struct agent *agent, struct instant now, struct agent_orders *out)
{
    agent->work_due = AGENT_NEVER;
    agent->asked_id = 0;
    agent_state_info(agent_state(agent))->enter(agent, now, out);
}

/* Take one row: act, move, make durable, enter. The only assignment to the state. */
static enum err take_row(struct agent *agent, const struct agent_row *row,
                         const struct agent_event *event, struct agent_orders *out)
{
    enum err err = row->act(agent, event, out);
    enum agent_state next = err == ERR_OK ? row->ok : err == ERR_AGAIN ? row->again : row->ends;

    if (next != agent_state(agent)) {
        agent->record.state = next;
        agent->dirty = true;
    } else if (!agent->starting) {
        return ERR_OK;
    }
    if (save(agent) != ERR_OK)
        return ERR_STORAGE;
    if (!resets(out))
        enter(agent, event->now, out);
    return ERR_OK;
}

/* The record could not be saved before; without it the agent does not move. */
static enum err recover(struct agent *agent, const struct agent_event *event,
                        struct agent_orders *out)
{
    if (event->kind != AGENT_EV_WAKE || !instant_reached(event->now, agent->work_due)) {
        agent_give(out, (struct agent_order){.kind = AGENT_DO_WAKE, .due = agent->work_due});
        return ERR_STORAGE;
    }
    if (save(agent) != ERR_OK)
        return cannot_save(agent, event->now, out);
    agent->unsaved = false;
    enter(agent, event->now, out);
    agent->poll_due = event->now; /* an answer may have been lost meanwhile */
    if (save(agent) != ERR_OK)
        return cannot_save(agent, event->now, out);
    give_wake(agent, out);
    return ERR_OK;
}

enum err agent_step(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    enum agent_input input;
    const struct agent_row *row = NULL;

    CHECK(agent->record.state < AGENT_STATE_COUNT);
    CHECK(event->kind < AGENT_EV_COUNT);
    *out = (struct agent_orders){0};
    if (agent->refusing)
        return await_reset(agent, event, out);
    if (agent->unsaved)
        return recover(agent, event, out);

    input = input_of(agent, event);
    if (input != INPUT_NONE)
        row = agent_row_find(agent_state(agent), input);
    if (!row && without_row(event) != ERR_OK)
        return ERR_INVALID;
    talk(agent, event, out);
    if (input == INPUT_WORK)
        agent->work_due = AGENT_NEVER;
    if (row && take_row(agent, row, event, out) != ERR_OK)
        return cannot_save(agent, event->now, out);
    if (save(agent) != ERR_OK)
        return cannot_save(agent, event->now, out);
    give_wake(agent, out);
    return ERR_OK;
}

/* ---- taking up duty ---- */

static bool power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static bool bank_sensible(const struct bank *bank, uint32_t slice_size)
{
    return power_of_two(bank->erase_size) && power_of_two(bank->write_size) &&
           bank->write_size <= CHUNK_SIZE_MIN && bank->write_size <= bank->erase_size &&
           bank->size > 0 && bank->size % bank->erase_size == 0 && slice_size >= bank->erase_size;
}

static bool world_sensible(const struct agent_world *world)
{
    const struct agent_config *config = world->config;

    return config->name && config->product && config->hardware &&
           bank_sensible(world->banks[0], config->slice_size) &&
           bank_sensible(world->banks[1], config->slice_size) &&
           world->room.chunk_size >= CHUNK_SIZE_MIN && world->room.list_size >= DIGEST_SIZE &&
           config->attempts_max > 0 && config->trial_s > 0 && config->trial_starts_max > 0 &&
           config->poll_s > 0 && config->retry_s_min > 0 &&
           config->retry_s_max >= config->retry_s_min;
}

/* No record at all: a new device, or one that lost both slots. Report ids start anywhere and in
 * an epoch of their own, so that they are neither those used before nor taken for older ones. */
static void begin_record(struct agent *agent)
{
    agent->record = (struct record){0};
    agent->record.epoch = 1 + (uint32_t)prng_below(&agent->prng, UINT32_MAX);
    agent->record.report_next = 1 + (prng_next(&agent->prng) >> 20);
    agent->sequence = 0;
}

/* The floor is the highest that any of its places remembers, so that none of them can be lost to
 * get below it: record, keep, and what the host can prove. */
static void gather_floor(struct agent *agent)
{
    const struct keep *keep = agent->world.keep;
    uint32_t floor = agent->world.config->security_floor;

    if (keep && keep->ops->read(keep->self, &agent->floor_kept) != ERR_OK)
        agent->floor_kept = 0;
    if (agent->floor_kept > floor)
        floor = agent->floor_kept;
    if (floor > agent->record.security_floor)
        agent->record.security_floor = floor;
    if (agent->record.floor_wanted < agent->record.security_floor)
        agent->record.floor_wanted = agent->record.security_floor;
}

static bool report_sensible(const struct record *record)
{
    const struct record_report *report = &record->report;

    return report->id != 0 && record->work.assignment != 0 && report->phase < PHASE_COUNT &&
           report->err < ERR_COUNT && report->reason < AGENT_REASON_COUNT &&
           native_phase_final((enum native_phase)report->phase);
}

static bool work_sensible(const struct record *record, const struct agent_room *room)
{
    const struct record_work *work = &record->work;
    struct chunks chunks = agent_chunks(work);
    bool downloads = record->state >= AGENT_LISTING && record->state <= AGENT_FETCHING;

    if (work->assignment == 0 || !work->image.known || chunks_check(&chunks) != ERR_OK ||
        (work->sealed.used && work->sealed.alg >= AEAD_COUNT))
        return false;
    return !downloads || (chunks.size + chunks.tag <= room->chunk_size &&
                          chunks_list_size(&chunks) <= room->list_size);
}

/* A newer agent may have left a state that we do not know or cannot serve. Its report must not
 * get lost; the rest is offered again. */
static void tame_record(struct record *record, const struct agent_room *room)
{
    bool report = report_sensible(record), work = work_sensible(record, room);
    bool ends = record->state == AGENT_REPORTING || record->state == AGENT_REVERTING;
    bool works = record->state >= AGENT_LISTING && record->state <= AGENT_TRIAL;

    if (record->state < AGENT_STATE_COUNT && (!ends || report) && (!works || work))
        return;
    record->state = report ? AGENT_REPORTING : AGENT_IDLE;
    if (!report)
        record->work = (struct record_work){0};
}

enum err agent_start(struct agent *agent, const struct agent_world *world, struct instant now,
                     struct agent_orders *out)
{
    static const enum agent_input inputs[] = {
        [BOOT_NORMAL] = INPUT_BOOTED,
        [BOOT_TRIAL] = INPUT_BOOTED_TRIAL,
        [BOOT_REVERTED] = INPUT_BOOTED_REVERTED,
    };
    struct agent_event event = {.kind = AGENT_EV_WAKE, .now = now};
    const struct agent_row *row;
    enum err err;

    *out = (struct agent_orders){0};
    if (!world_sensible(world))
        return ERR_INVALID;
    *agent = (struct agent){.world = *world, .starting = true, .dirty = true};
    agent->prng = prng_seeded(world->config->seed);
    agent->work_due = AGENT_NEVER;
    agent->poll_due = now;
    TRY(world->boot->ops->look(world->boot->self, &agent->boot));
    if (agent->boot.running >= AGENT_BANKS || agent->boot.verdict > BOOT_REVERTED)
        return ERR_STORAGE;
    err = record_load(world->slots, &agent->record, &agent->sequence);
    if (err == ERR_NOT_FOUND)
        begin_record(agent);
    else if (err != ERR_OK)
        return err;
    tame_record(&agent->record, &world->room);
    gather_floor(agent);
    agent->record.boot_count++;
    agent->report_next = agent->record.report_next;

    row = agent_row_find(agent_state(agent), inputs[agent->boot.verdict]);
    CHECK(row);
    err = take_row(agent, row, &event, out);
    agent->starting = false;
    if (err != ERR_OK || save(agent) != ERR_OK)
        (void)cannot_save(agent, now, out); /* gave the time of the next attempt */
    else
        give_wake(agent, out);
    return ERR_OK;
}

/* ---- what others may know ---- */

enum agent_state agent_state(const struct agent *agent)
{
    return (enum agent_state)agent->record.state;
}

const char *agent_state_name(enum agent_state state)
{
    return agent_state_info(state)->name;
}

static struct native_digest digest_of(const struct record_image *image)
{
    struct native_digest digest = {.known = image->known};

    if (image->known)
        memcpy(digest.at, image->sha256, DIGEST_SIZE);
    return digest;
}

void agent_poll(const struct agent *agent, struct native_poll *out)
{
    const struct record_image *running = &agent->record.banks[agent->boot.running];

    *out = (struct native_poll){
        .running = digest_of(running),
        .version = span_of(running->version),
        .boot_count = agent->record.boot_count,
        .agent_state = agent->record.state,
        .assignment = agent->record.work.assignment,
        .other = digest_of(&agent->record.banks[1 - agent->boot.running]),
    };
}

void agent_report(const struct agent *agent, const struct agent_report *report,
                  struct native_report *out)
{
    const char *err = report->err == ERR_OK ? "" : err_name(report->err);

    *out = (struct native_report){
        .id = report->id,
        .assignment = report->assignment,
        .phase = report->phase,
        .err = span_of(err),
        .running = digest_of(&agent->record.banks[agent->boot.running]),
        .detail = span_of(agent_reason_text(report->reason)),
        .reason = span_of(agent_reason_name(report->reason)),
        .percent = report->percent,
        .boot_count = agent->record.boot_count,
        .epoch = agent->record.epoch,
    };
}
