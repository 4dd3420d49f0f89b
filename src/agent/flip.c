/* From a verified bank to a confirmed image or back, and the final report. */
#include "agent/acts.h"
#include "base/check.h"

#define RESET_WAIT_MS (60 * 1000) /* a reset that has not come by then is ordered again */
#define FLIPS_MAX     10u         /* ... so often; then the leave is given back */

static struct instant later(struct instant a, struct instant b)
{
    return a.ms > b.ms ? a : b;
}

/* ---- staged: the window, and a device that can spare the time ---- */

static bool window_open(const struct agent *agent, struct instant now)
{
    return agent->window_known && instant_reached(now, agent->window_due);
}

/* The server is asked once although the window is closed, so that it knows who only waits. */
static struct instant when_to_ask(const struct agent *agent)
{
    if (!agent->window_known)
        return AGENT_NEVER;
    return agent->held ? later(agent->window_due, agent->ask_due) : agent->ask_due;
}

enum err look_at_window(struct agent *agent, const struct agent_event *event,
                        struct agent_orders *out)
{
    (void)event, (void)out;
    agent->work_due = when_to_ask(agent);
    return ERR_OK;
}

void enter_staged(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)out;
    agent->kept = agent->record.work.image.length;
    agent->work_due = when_to_ask(agent);
    if (!agent->window_known)
        agent_poll_soon(agent, now); /* after power loss only the server knows the window */
}

enum err ask_leave_to_reset(struct agent *agent, const struct agent_event *event,
                            struct agent_orders *out)
{
    (void)event;
    agent_give(out, (struct agent_order){
                        .kind = AGENT_DO_CHECK,
                        .check = {AGENT_CHECK_FLIP, agent->record.work.image.length},
                    });
    return ERR_OK;
}

/* Ask again later, in the same pace as after a failure. */
static void wait_to_ask(struct agent *agent, struct instant now, uint32_t retry_s)
{
    agent_back_off(agent, now, retry_s);
    agent->ask_due = agent->work_due;
}

enum err take_leave_to_reset(struct agent *agent, const struct agent_event *event,
                             struct agent_orders *out)
{
    enum err err = event->kind == AGENT_EV_FAILED ? event->failed.err : event->ready;

    if (err == ERR_OK)
        return ERR_OK;
    if (agent->record.work_failures == 0 && !agent->asked) /* a staged device stays staged */
        agent_tell(agent, PHASE_DOWNLOADING, agent_hindrance(event, AGENT_REASON_BUSY), out);
    wait_to_ask(agent, event->now, 0);
    return ERR_AGAIN;
}

/* ---- asking: the lease ---- */

void enter_asking(struct agent *agent, struct instant now, struct agent_orders *out)
{
    struct agent_report report = {
        .assignment = agent->record.work.assignment, .phase = PHASE_STAGED, .percent = 100};

    (void)now;
    report.id = agent_report_id(agent);
    agent->asked_id = report.id;
    agent->asked = true;
    agent_give(out, (struct agent_order){.kind = AGENT_DO_REPORT, .report = report});
}

/* The server knows the window best: it may have been opened since the last poll. A leave that is
 * not used would look like a flip that went silent. */
enum err take_proceed(struct agent *agent, const struct agent_event *event,
                      struct agent_orders *out)
{
    (void)event, (void)out;
    agent_progress(agent);
    return ERR_OK;
}

enum err take_hold(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    uint32_t retry_s = event->verdict.is.retry_s;

    (void)out;
    agent_progress(agent);
    agent->held = true;
    if (!window_open(agent, event->now))
        retry_s = 0; /* every poll says anew when it opens */
    else if (retry_s == 0)
        retry_s = agent->world.config->retry_s_min;
    agent->ask_due = instant_after(event->now, agent_patience_ms(agent, retry_s));
    return ERR_OK;
}

/* The server does not know the assignment, or no longer as something to ask about. */
static bool refused_for_good(enum err err)
{
    return err == ERR_NOT_FOUND || err == ERR_CONFLICT || err == ERR_INVALID ||
           err == ERR_CORRUPT || err == ERR_TOO_BIG;
}

enum err leave_failed(struct agent *agent, const struct agent_event *event,
                      struct agent_orders *out)
{
    (void)out;
    if (refused_for_good(event->failed.err))
        return agent_finish(agent, PHASE_RECALLED, event->failed.err, AGENT_REASON_RECALLED);
    wait_to_ask(agent, event->now, event->failed.retry_s);
    return ERR_OK;
}

/* ---- switching ---- */

void enter_switching(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)out;
    agent->flips = 0;
    agent->work_due = now; /* the state is durable before the boot loader is armed */
}

/* The flip will not come. The boot loader must forget it too: it may be armed although it said
 * otherwise, and the next reset, whenever that is, must not do what nobody has leave for. */
static enum err not_flipping(struct agent *agent, enum agent_reason reason)
{
    const struct boot *boot = agent->world.boot;

    (void)boot->ops->confirm(boot->self); /* it has failed us already: no more can be done */
    return agent_finish(agent, PHASE_FAILED, ERR_STORAGE, reason);
}

enum err flip(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct boot *boot = agent->world.boot;
    uint8_t spare = (uint8_t)(1 - agent->boot.running);

    CHECK(agent->record.banks[spare].known); /* verified, whole, and what was asked for */
    CHECK(memcmp(agent->record.banks[spare].sha256, agent->record.work.image.sha256, DIGEST_SIZE) ==
          0);
    if (agent->flips++ == FLIPS_MAX)
        return not_flipping(agent, AGENT_REASON_RESET);
    if (boot->ops->try_once(boot->self, spare) != ERR_OK)
        return not_flipping(agent, AGENT_REASON_STORAGE);
    agent_give(out, (struct agent_order){.kind = AGENT_DO_RESET});
    agent->work_due = instant_after(event->now, RESET_WAIT_MS);
    return ERR_OK;
}

/* Power was lost, or only the agent was, between the leave and the reset. The leave is void: ask
 * again, and let the boot loader forget the trial, or a device that is told to drop it meanwhile
 * flips at its next reset all the same. */
enum err not_flipped(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct boot *boot = agent->world.boot;

    (void)event, (void)out;
    if (agent_runs_wanted(agent))
        return ERR_AGAIN;
    if (boot->ops->confirm(boot->self) != ERR_OK)
        return agent_finish(agent, PHASE_FAILED, ERR_STORAGE, AGENT_REASON_STORAGE);
    return ERR_OK;
}

/* ---- trial ---- */

/* Give the trial up; the next reset ends it. */
static enum err give_up(struct agent *agent, enum err err, enum agent_reason reason)
{
    return agent_finish(agent, PHASE_REVERTED, err, reason);
}

void enter_trial(struct agent *agent, struct instant now, struct agent_orders *out)
{
    agent->measured = agent->healthy = agent->reached = false;
    agent->trial_due = instant_after(now, (int64_t)agent->world.config->trial_s * 1000);
    agent_poll_soon(agent, now);
    enter_reading(agent, now, out);
    agent_give(out, (struct agent_order){.kind = AGENT_DO_HEALTH});
    agent_tell(agent, PHASE_TRIAL, AGENT_REASON_NONE, out);
}

/* Each start gives the trial its whole time again, so their number is limited, too. */
enum err start_trial(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)event, (void)out;
    if (!agent_runs_wanted(agent))
        return give_up(agent, ERR_CORRUPT, AGENT_REASON_TRIAL_BANK);
    if (agent->record.attempts >= agent->world.config->trial_starts_max)
        return give_up(agent, ERR_UNSUITABLE, AGENT_REASON_TRIAL_STARTS);
    agent->record.attempts++;
    agent->dirty = true;
    return ERR_OK;
}

static enum err succeed(struct agent *agent)
{
    struct record *record = &agent->record;

    if (record->floor_wanted < record->work.security_floor)
        record->floor_wanted = record->work.security_floor;
    agent_raise_floor(agent);
    (void)agent_finish(agent, PHASE_SUCCEEDED, ERR_OK, AGENT_REASON_NONE); /* not an error here */
    return ERR_OK;
}

/* Measured, healthy, and the server can be reached: only all three together confirm. */
static enum err confirm_if_good(struct agent *agent)
{
    const struct boot *boot = agent->world.boot;

    if (!agent->measured || !agent->healthy || !agent->reached)
        return ERR_AGAIN;
    CHECK(agent_runs_wanted(agent));
    if (boot->ops->confirm(boot->self) != ERR_OK)
        return give_up(agent, ERR_STORAGE, AGENT_REASON_STORAGE);
    agent->boot.verdict = BOOT_NORMAL;
    return succeed(agent);
}

static enum err measure_trial(struct agent *agent, struct instant now)
{
    const struct record_image *wanted = &agent->record.work.image;
    const struct bank *bank = agent->world.banks[agent->boot.running];
    uint8_t digest[DIGEST_SIZE];
    enum err err = agent_read_slice(agent, bank, wanted->length);

    agent->work_due = err == ERR_AGAIN ? now : agent->trial_due;
    if (err == ERR_AGAIN)
        return ERR_AGAIN;
    if (err == ERR_OK)
        sha256_done(&agent->sha, digest);
    if (err != ERR_OK || memcmp(digest, wanted->sha256, DIGEST_SIZE) != 0)
        return give_up(agent, ERR_CORRUPT, AGENT_REASON_TRIAL_BANK);
    agent->measured = true;
    return confirm_if_good(agent);
}

enum err watch_trial(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)out;
    if (instant_reached(event->now, agent->trial_due))
        return give_up(agent, ERR_LINK, AGENT_REASON_TRIAL_LATE);
    if (!agent->measured)
        return measure_trial(agent, event->now);
    agent->work_due = agent->trial_due;
    return ERR_AGAIN;
}

enum err take_health(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    enum err err = event->kind == AGENT_EV_FAILED ? event->failed.err : event->health;

    (void)out;
    if (agent->work_due.ms == AGENT_NEVER.ms)
        agent->work_due = agent->measured ? agent->trial_due : event->now;
    if (err != ERR_OK)
        return give_up(agent, err, AGENT_REASON_HEALTH);
    agent->healthy = true;
    return confirm_if_good(agent);
}

enum err server_reached(struct agent *agent, const struct agent_event *event,
                        struct agent_orders *out)
{
    (void)event, (void)out;
    agent->reached = true;
    return confirm_if_good(agent);
}

/* The boot loader says how the trial went. Confirmed, and power lost before that was noted; or
 * fallen back, which the record takes in before the boot loader may forget it. */
enum err trial_ended(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)event, (void)out;
    if (agent->boot.verdict == BOOT_NORMAL && agent_runs_wanted(agent))
        return succeed(agent);
    return give_up(agent, ERR_UNSUITABLE, AGENT_REASON_TRIAL_LOST);
}

/* ---- reverting ---- */

void enter_reverting(struct agent *agent, struct instant now, struct agent_orders *out)
{
    CHECK(agent->record.report.id != 0);
    agent->work_due = instant_after(now, RESET_WAIT_MS);
    agent_give(out, (struct agent_order){.kind = AGENT_DO_RESET});
}

enum err reset_again(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    enter_reverting(agent, event->now, out);
    return ERR_OK;
}

/* The report was drawn up when the trial was given up. */
enum err trial_over(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)event, (void)out;
    CHECK(agent->record.report.id != 0);
    return ERR_OK;
}

/* A trial that nobody here has asked for ends where it came from. */
enum err refuse_trial(struct agent *agent, const struct agent_event *event,
                      struct agent_orders *out)
{
    agent->refusing = true;
    agent->work_due = instant_after(event->now, RESET_WAIT_MS);
    agent_give(out, (struct agent_order){.kind = AGENT_DO_RESET});
    return ERR_OK;
}

/* ---- reporting ---- */

static void send_final_report(struct agent *agent, struct agent_orders *out)
{
    const struct record_report *report = &agent->record.report;

    agent->asked_id = report->id;
    agent_give(out, (struct agent_order){
                        .kind = AGENT_DO_REPORT,
                        .report = {.id = report->id,
                                   .assignment = agent->record.work.assignment,
                                   .phase = (enum native_phase)report->phase,
                                   .err = (enum err)report->err,
                                   .reason = (enum agent_reason)report->reason,
                                   .percent = report->phase == PHASE_SUCCEEDED ? 100 : 0},
                    });
}

void enter_reporting(struct agent *agent, struct instant now, struct agent_orders *out)
{
    CHECK(agent->record.report.id != 0);
    CHECK(agent->record.work.assignment != 0);
    if (!agent->starting)
        agent->record.work_failures = 0;
    if (!agent_waits_first(agent, now))
        send_final_report(agent, out);
}

enum err resend_report(struct agent *agent, const struct agent_event *event,
                       struct agent_orders *out)
{
    (void)event;
    send_final_report(agent, out);
    return ERR_OK;
}

enum err acknowledge(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct boot *boot = agent->world.boot;

    (void)event, (void)out;
    if (agent->boot.verdict == BOOT_REVERTED && boot->ops->confirm(boot->self) == ERR_OK)
        agent->boot.verdict = BOOT_NORMAL;
    agent->record.work = (struct record_work){0};
    agent->record.report = (struct record_report){0};
    agent->record.last.open = false;
    agent->record.work_failures = 0;
    agent->record.attempts = 0;
    agent->dirty = true;
    agent_raise_floor(agent); /* the other bank may have become one that nobody can boot */
    return ERR_OK;
}

enum err retry_report(struct agent *agent, const struct agent_event *event,
                      struct agent_orders *out)
{
    if (refused_for_good(event->failed.err))
        return acknowledge(agent, event, out); /* repeating it would never help */
    agent_back_off(agent, event->now, event->failed.retry_s);
    return ERR_AGAIN;
}
