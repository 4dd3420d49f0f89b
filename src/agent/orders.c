/* What every act needs: giving orders, report ids, waiting times, slices. */
#include "agent/acts.h"
#include "base/check.h"

#define REPORT_IDS_RESERVED 64u /* one record write buys that many ids */
#define FAILURES_MAX        24u /* past this the bound no longer grows, nor does the record */

void agent_give(struct agent_orders *out, struct agent_order order)
{
    CHECK(out->count < AGENT_ORDERS_MAX);
    out->list[out->count++] = order;
}

bool agent_passing(enum err err)
{
    return err == ERR_LINK || err == ERR_AGAIN;
}

void agent_poll_soon(struct agent *agent, struct instant now)
{
    if (agent->poll_due.ms != AGENT_NEVER.ms) /* otherwise one is on its way */
        agent->poll_due = now;
}

uint64_t agent_report_id(struct agent *agent)
{
    CHECK(agent->report_next <= agent->record.report_next);
    if (agent->report_next == agent->record.report_next) {
        agent->record.report_next += REPORT_IDS_RESERVED;
        agent->dirty = true;
    }
    return agent->report_next++;
}

static uint32_t percent_done(const struct agent *agent)
{
    uint64_t length = agent->record.work.image.length;

    return length == 0 ? 0 : (uint32_t)(agent->kept / ((length + 99) / 100));
}

void agent_tell(struct agent *agent, enum native_phase phase, enum agent_reason reason,
                struct agent_orders *out)
{
    struct agent_report report = {.assignment = agent->record.work.assignment,
                                  .phase = phase,
                                  .reason = reason,
                                  .percent =
                                      phase == PHASE_DOWNLOADING ? percent_done(agent) : 100};

    CHECK(!native_phase_final(phase));
    report.id = agent_report_id(agent);
    agent->told_id = report.id;
    agent_give(out, (struct agent_order){.kind = AGENT_DO_REPORT, .report = report});
}

enum err agent_finish(struct agent *agent, enum native_phase phase, enum err err,
                      enum agent_reason reason)
{
    CHECK(native_phase_final(phase));
    CHECK(agent->record.work.assignment != 0);
    agent->record.report = (struct record_report){.id = agent_report_id(agent),
                                                  .phase = (uint32_t)phase,
                                                  .err = (uint32_t)err,
                                                  .reason = (uint32_t)reason};
    agent->dirty = true;
    return err == ERR_OK || err == ERR_AGAIN ? ERR_CONFLICT : err;
}

int64_t agent_patience_ms(const struct agent *agent, uint32_t wait_s)
{
    uint32_t trial_share_s = agent->world.config->trial_s / 10;

    if (wait_s > AGENT_PATIENCE_MAX_S)
        wait_s = AGENT_PATIENCE_MAX_S;
    if (agent->record.state == AGENT_TRIAL && wait_s > trial_share_s)
        wait_s = trial_share_s;
    return (int64_t)wait_s * 1000;
}

/* Full jitter: uniform below a bound that doubles ("Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015), so that a fleet that lost its server does not come back as one. */
int64_t agent_jitter_ms(struct agent *agent, uint32_t failures)
{
    const struct agent_config *config = agent->world.config;
    uint64_t bound_ms = (uint64_t)config->retry_s_min * 1000;
    uint64_t max_ms = (uint64_t)config->retry_s_max * 1000;

    for (uint32_t i = 1; i < failures && bound_ms < max_ms; i++)
        bound_ms *= 2;
    if (bound_ms > max_ms)
        bound_ms = max_ms;
    return (int64_t)prng_below(&agent->prng, bound_ms + 1);
}

void agent_back_off(struct agent *agent, struct instant now, uint32_t server_retry_s)
{
    if (agent->record.work_failures < FAILURES_MAX) {
        agent->record.work_failures++;
        agent->dirty = true;
    }
    agent->work_due = instant_after(now, agent_patience_ms(agent, server_retry_s) +
                                             agent_jitter_ms(agent, agent->record.work_failures));
}

enum agent_reason agent_hindrance(const struct agent_event *event, enum agent_reason usual)
{
    if (event->kind != AGENT_EV_READY || event->hindrance == AGENT_REASON_NONE)
        return usual;
    return event->hindrance;
}

void agent_progress(struct agent *agent)
{
    if (agent->record.work_failures == 0 && agent->record.attempts == 0)
        return;
    agent->record.work_failures = 0;
    agent->record.attempts = 0;
    agent->dirty = true;
}

bool agent_waits_first(struct agent *agent, struct instant now)
{
    if (!agent->starting || agent->record.work_failures == 0)
        return false;
    agent->work_due = instant_after(now, agent_jitter_ms(agent, agent->record.work_failures));
    return true;
}

/* Two steps: what a confirmed image wants is noted at once; it becomes the floor when both banks
 * hold images at or above it, or nothing that could be booted. A fall back, or a roll back to
 * the other bank, therefore never ends below the floor. */
void agent_raise_floor(struct agent *agent)
{
    struct record *record = &agent->record;
    uint32_t floor = record->floor_wanted;

    if (!agent_image(agent, true)->known)
        return;
    for (uint32_t i = 0; i < AGENT_BANKS; i++) {
        if (record->banks[i].known && record->banks[i].security_version < floor)
            floor = record->banks[i].security_version;
    }
    if (floor <= record->security_floor)
        return;
    record->security_floor = floor;
    agent->dirty = true;
}

const struct bank *agent_spare(const struct agent *agent)
{
    CHECK(agent->boot.running < AGENT_BANKS);
    return agent->world.banks[1 - agent->boot.running];
}

struct record_image *agent_image(struct agent *agent, bool running)
{
    CHECK(agent->boot.running < AGENT_BANKS);
    return &agent->record.banks[running ? agent->boot.running : 1 - agent->boot.running];
}

bool agent_runs_wanted(const struct agent *agent)
{
    const struct record_image *running = &agent->record.banks[agent->boot.running];
    const struct record_image *wanted = &agent->record.work.image;

    return running->known && wanted->known &&
           memcmp(running->sha256, wanted->sha256, DIGEST_SIZE) == 0;
}

struct chunks agent_chunks(const struct record_work *work)
{
    return (struct chunks){.length = work->image.length,
                           .size = work->chunk_size,
                           .tag = work->sealed.used ? AEAD_TAG_SIZE : 0};
}

enum err agent_begin_sealer(struct agent *agent)
{
    const struct record_work *work = &agent->record.work;
    const struct sealer *sealer = agent->world.sealer;
    struct sealer_image image = {
        .alg = (enum aead_kind)work->sealed.alg,
        .sha256 = work->image.sha256,
        .chunk_size = work->chunk_size,
    };

    if (!work->sealed.used || agent->sealer_begun)
        return ERR_OK;
    if (!sealer)
        return ERR_UNSUITABLE;
    TRY(sealer->ops->begin(sealer->self, &image,
                           (struct span){work->sealed.wrap, work->sealed.wrap_size}));
    agent->sealer_begun = true;
    return ERR_OK;
}

enum err agent_read_slice(struct agent *agent, const struct bank *bank, uint64_t length)
{
    const struct agent_room *room = &agent->world.room;
    uint64_t end = agent->at + agent->world.config->slice_size;

    if (length > bank->size)
        return ERR_STORAGE;
    if (end > length)
        end = length;
    while (agent->at < end) {
        uint64_t left = end - agent->at;
        uint32_t size = left < room->chunk_size ? (uint32_t)left : room->chunk_size;

        TRY(bank->ops->read(bank->self, agent->at, room->chunk, size));
        sha256_update(&agent->sha, (struct span){room->chunk, size});
        agent->at += size;
    }
    return agent->at < length ? ERR_AGAIN : ERR_OK;
}
