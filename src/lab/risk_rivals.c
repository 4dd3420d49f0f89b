#include <math.h>

#include "base/check.h"
#include "lab/risk_policies.h"

static void ignore(struct sim *sim, uint32_t device)
{
    (void)sim;
    (void)device;
}

static bool may_while_running(struct sim *sim, uint32_t device)
{
    return !sim->stop && sim->devices[device].open;
}

/* Cut the random order of devices into groups by share; the last one takes the rest. */
static void cut_groups(struct sim *sim, const double *shares, uint32_t count, uint32_t *totals)
{
    uint32_t at = 0;

    for (uint32_t group = 0; group < count; group++) {
        uint32_t size = (uint32_t)(shares[group] * sim->count + 0.5);

        if (group + 1 == count || size > sim->count - at)
            size = sim->count - at;
        totals[group] = size;
        for (uint32_t i = 0; i < size; i++)
            sim->devices[sim->order[at++]].group = (uint16_t)group;
    }
}

static void tell_group(struct sim *sim, uint32_t group)
{
    for (uint32_t i = 0; i < sim->count; i++) {
        if (sim->devices[i].group == group)
            sim_tell(sim, i);
    }
}

/* ---- hawkBit ---- */

static void hawkbit_start(struct sim *sim)
{
    struct hawkbit *hawkbit = sim->settings;

    hawkbit->current = 0;
    for (uint32_t i = 0; i < RIVAL_GROUPS_MAX; i++)
        hawkbit->total[i] = hawkbit->finished[i] = hawkbit->errors[i] = 0;
    cut_groups(sim, hawkbit->shares, hawkbit->group_count, hawkbit->total);
    tell_group(sim, 0);
}

static void hawkbit_outcome(struct sim *sim, uint32_t device, enum sim_outcome outcome)
{
    struct hawkbit *hawkbit = sim->settings;
    struct sim_device *at = &sim->devices[device];

    /* A job that has ended is not reopened: a later regression is not seen. */
    if (at->settled)
        return;
    at->settled = true;
    if (outcome == SIM_WELL)
        hawkbit->finished[at->group]++;
    else
        hawkbit->errors[at->group]++;
}

static void hawkbit_tick(struct sim *sim)
{
    struct hawkbit *hawkbit = sim->settings;
    uint32_t group = hawkbit->current, total = hawkbit->total[group];
    uint32_t done = hawkbit->finished[group];

    for (uint32_t i = 0; i <= group; i++) {
        if (100.0 * hawkbit->errors[i] > hawkbit->error * hawkbit->total[i]) {
            sim_halt(sim); /* in its favour: what has started stops, too */
            return;
        }
    }
    if (group + 1 < hawkbit->group_count &&
        (100.0 * done >= hawkbit->success * total || done + hawkbit->errors[group] >= total))
        tell_group(sim, ++hawkbit->current);
}

const struct sim_policy hawkbit_policy = {.name = "hawkBit",
                                          .start = hawkbit_start,
                                          .may_install = may_while_running,
                                          .outcome = hawkbit_outcome,
                                          .due = ignore,
                                          .timeout = ignore,
                                          .tick = hawkbit_tick};

/* ---- AWS IoT Jobs ---- */

static void aws_start(struct sim *sim)
{
    struct aws_jobs *aws = sim->settings;

    aws->rate = aws->per_minute;
    aws->credit = 0;
    aws->told = aws->ended = aws->failed = 0;
    aws->next_step = aws->step;
}

static bool aws_may_install(struct sim *sim, uint32_t device)
{
    const struct aws_jobs *aws = sim->settings;

    if (!may_while_running(sim, device))
        return false;
    if (aws->timeout_h > 0)
        sim_at(sim, device, SIM_TIMEOUT, sim->tick + (uint32_t)ceil(aws->timeout_h / FLEET_TICK_H));
    return true;
}

static void aws_end(struct sim *sim, uint32_t device, bool failed)
{
    struct aws_jobs *aws = sim->settings;

    if (sim->devices[device].settled)
        return;
    sim->devices[device].settled = true;
    aws->ended++;
    aws->failed += failed;
    if (aws->ended >= aws->executed && 100.0 * aws->failed >= aws->percent * aws->ended)
        sim_halt(sim);
}

static void aws_outcome(struct sim *sim, uint32_t device, enum sim_outcome outcome)
{
    aws_end(sim, device, outcome != SIM_WELL);
}

static void aws_timeout(struct sim *sim, uint32_t device)
{
    const struct aws_jobs *aws = sim->settings;

    aws_end(sim, device, aws->all_failures);
}

static void aws_tick(struct sim *sim)
{
    struct aws_jobs *aws = sim->settings;

    aws->credit += aws->rate * 60 * FLEET_TICK_H;
    while (aws->credit >= 1 && aws->told < sim->count && !sim->stop) {
        sim_tell(sim, sim->order[aws->told++]);
        aws->credit -= 1;
        if (aws->step != 0 && aws->told >= aws->next_step) {
            aws->rate = fmin(aws->rate * aws->factor, 1000);
            aws->next_step += aws->step;
        }
    }
}

const struct sim_policy aws_policy = {.name = "AWS IoT Jobs",
                                      .start = aws_start,
                                      .may_install = aws_may_install,
                                      .outcome = aws_outcome,
                                      .due = ignore,
                                      .timeout = aws_timeout,
                                      .tick = aws_tick};

/* ---- Mender ---- */

static void mender_start(struct sim *sim)
{
    struct mender *mender = sim->settings;
    uint32_t totals[RIVAL_GROUPS_MAX];

    mender->phase = 0;
    cut_groups(sim, mender->shares, mender->phase_count, totals);
}

static void mender_tick(struct sim *sim)
{
    struct mender *mender = sim->settings;

    while (mender->phase < mender->phase_count &&
           sim_hours(sim) >= mender->phase * mender->interval_h)
        tell_group(sim, mender->phase++);
}

static void mender_outcome(struct sim *sim, uint32_t device, enum sim_outcome outcome)
{
    (void)sim;
    (void)device;
    (void)outcome;
}

const struct sim_policy mender_policy = {.name = "Mender",
                                         .start = mender_start,
                                         .may_install = may_while_running,
                                         .outcome = mender_outcome,
                                         .due = ignore,
                                         .timeout = ignore,
                                         .tick = mender_tick};

/* ---- Azure Device Update ---- */

static void azure_start(struct sim *sim)
{
    struct azure *azure = sim->settings;
    double shares[RIVAL_GROUPS_MAX];
    uint32_t totals[RIVAL_GROUPS_MAX];

    for (uint32_t i = 0; i < azure->group_count; i++)
        shares[i] = 1.0 / azure->group_count;
    azure->group = azure->failed = 0;
    cut_groups(sim, shares, azure->group_count, totals);
    azure->total = totals[0];
}

static void azure_tick(struct sim *sim)
{
    struct azure *azure = sim->settings;

    while (azure->group < azure->group_count && sim_hours(sim) >= azure->group * azure->interval_h)
        tell_group(sim, azure->group++);
}

static void azure_outcome(struct sim *sim, uint32_t device, enum sim_outcome outcome)
{
    struct azure *azure = sim->settings;

    if (sim->devices[device].settled)
        return;
    sim->devices[device].settled = true;
    azure->failed += outcome != SIM_WELL;
    /* In its favour: failures of all groups count together, and a rollback stops later groups. */
    if (azure->failed > azure->failed_count &&
        100.0 * azure->failed > azure->percent * azure->total)
        sim_halt(sim);
}

const struct sim_policy azure_policy = {.name = "Azure Device Update",
                                        .start = azure_start,
                                        .may_install = may_while_running,
                                        .outcome = azure_outcome,
                                        .due = ignore,
                                        .timeout = ignore,
                                        .tick = azure_tick};
