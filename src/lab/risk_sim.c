#include "lab/risk_sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define NOTHING  UINT32_MAX
#define PATIENCE 480u /* ticks without an installation until nothing is expected any more */
#define OUTAGE_H 8.0
#define CUT_H    72.0
#define ENOUGH   0.965 /* of the fleet: the rest is a matter of patience */

double sim_hours(const struct sim *sim)
{
    return sim->tick * FLEET_TICK_H;
}

bool sim_open(struct sim *sim, const struct fleet *fleet, uint32_t count)
{
    *sim = (struct sim){.fleet = fleet, .count = count};
    sim->site_count = count / FLEET_SITE_SIZE > 0 ? count / FLEET_SITE_SIZE : 1;
    sim->devices = calloc(count, sizeof *sim->devices);
    sim->order = calloc(count, sizeof *sim->order);
    sim->cut_from = calloc(sim->site_count, sizeof *sim->cut_from);
    sim->heads = calloc(SIM_TICKS, sizeof *sim->heads);
    sim->nexts = calloc((size_t)count * SIM_SLOT_COUNT, sizeof *sim->nexts);
    if (sim->devices != NULL && sim->order != NULL && sim->cut_from != NULL && sim->heads != NULL &&
        sim->nexts != NULL)
        return true;
    sim_close(sim);
    return false;
}

void sim_close(struct sim *sim)
{
    free(sim->devices);
    free(sim->order);
    free(sim->cut_from);
    free(sim->heads);
    free(sim->nexts);
    *sim = (struct sim){0};
}

/* A slot of a device waits for one thing at a time. */
void sim_at(struct sim *sim, uint32_t device, enum sim_slot slot, uint32_t tick)
{
    uint32_t id = device * SIM_SLOT_COUNT + (uint32_t)slot;

    if (tick <= sim->tick)
        tick = sim->tick + 1;
    if (tick >= SIM_TICKS)
        return;
    sim->nexts[id] = sim->heads[tick];
    sim->heads[tick] = id;
}

static uint32_t ticks_of(double hours)
{
    double ticks = ceil(hours / FLEET_TICK_H);

    return ticks >= SIM_TICKS ? SIM_TICKS : (uint32_t)ticks;
}

/* When a contact meant for `tick` comes about: not while the region or the site is cut off. */
static uint32_t reachable(struct sim *sim, uint32_t device, uint32_t tick)
{
    const struct fleet_place *place = &sim->devices[device].place;
    uint32_t cut = sim->cut_from[place->site];

    if (sim->scenario.outage && place->region == 0 && tick >= sim->outage_from &&
        tick < sim->outage_to)
        tick = sim->outage_to + (uint32_t)prng_below(&sim->prng, 4);
    if (cut != SIM_NEVER && tick >= cut && tick < cut + ticks_of(CUT_H))
        tick = cut + ticks_of(CUT_H) + (uint32_t)prng_below(&sim->prng, 4);
    return tick;
}

static void contact_at(struct sim *sim, uint32_t device, uint32_t tick)
{
    tick = reachable(sim, device, tick);
    if (tick < sim->devices[device].dead)
        sim_at(sim, device, SIM_CONTACT, tick);
}

void sim_tell(struct sim *sim, uint32_t device)
{
    struct sim_device *at = &sim->devices[device];

    if (at->open)
        return;
    at->open = true;
    contact_at(sim, device,
               sim->tick + ticks_of(fleet_residual(sim->fleet, at->place.link, &sim->prng)));
}

void sim_halt(struct sim *sim)
{
    sim->stop = true;
    sim->result.halted = true;
    sim->result.stop_h = sim_hours(sim);
    sim->result.exposed_at_stop = sim->result.exposed;
}

static bool cut_off_since(const struct sim *sim, uint32_t device, uint32_t from)
{
    const struct fleet_place *place = &sim->devices[device].place;
    uint32_t cut = sim->cut_from[place->site];

    if (sim->scenario.outage && place->region == 0 && sim->outage_from <= from &&
        sim->tick <= sim->outage_to)
        return true;
    return cut != SIM_NEVER && cut <= from && sim->tick <= cut + ticks_of(CUT_H);
}

bool sim_reachable_within(struct sim *sim, uint32_t device, uint32_t ticks)
{
    uint32_t from = sim->tick > ticks ? sim->tick - ticks : 0;

    return !cut_off_since(sim, device, from) && fleet_uniform(&sim->prng) >= FLEET_ABSENT;
}

bool sim_heard_within(struct sim *sim, uint32_t device, uint32_t ticks)
{
    struct sim_device *at = &sim->devices[device];
    uint32_t from = sim->tick > ticks ? sim->tick - ticks : 0;

    if (at->dead <= from || at->reports) /* dead, or its first contact is yet to come */
        return false;
    if (sim_reachable_within(sim, device, ticks))
        return true;
    at->reports = true;
    contact_at(sim, device,
               sim->tick + ticks_of(fleet_residual(sim->fleet, at->place.link, &sim->prng)));
    return false;
}

/* ---- The world's part ---- */

static bool concerned(const struct sim_scenario *scenario, const struct fleet_place *place)
{
    int cell = (int)(place->hardware * FLEET_VERSIONS + place->version);

    return (scenario->cell < 0 || scenario->cell == cell) &&
           (scenario->link < 0 || scenario->link == (int)place->link);
}

static void draw_cuts(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->site_count; i++)
        sim->cut_from[i] = SIM_NEVER;
    if (!sim->scenario.power_cuts)
        return;
    for (uint32_t i = 0; i < (sim->site_count + 49) / 50; i++)
        sim->cut_from[prng_below(&sim->prng, sim->site_count)] =
            (uint32_t)prng_below(&sim->prng, ticks_of(72));
}

static void draw_fleet(struct sim *sim)
{
    for (uint32_t i = 0; i < SIM_TICKS; i++)
        sim->heads[i] = NOTHING;
    sim->outage_from = 8 + (uint32_t)prng_below(&sim->prng, ticks_of(46));
    sim->outage_to = sim->outage_from + ticks_of(OUTAGE_H);
    draw_cuts(sim);
    for (uint32_t i = 0; i < sim->count; i++) {
        struct sim_device *device = &sim->devices[i];

        *device = (struct sim_device){.place = fleet_place(&sim->prng, sim->site_count),
                                      .dead = SIM_NEVER};
        device->harmful = sim->scenario.defect != SIM_HARMLESS &&
                          concerned(&sim->scenario, &device->place) &&
                          fleet_uniform(&sim->prng) < sim->scenario.share;
        sim->order[i] = i;
    }
    for (uint32_t i = sim->count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)prng_below(&sim->prng, i + 1), held = sim->order[i];

        sim->order[i] = sim->order[j];
        sim->order[j] = held;
    }
}

static double exponential(struct sim *sim, double mean)
{
    return -mean * log(fleet_uniform(&sim->prng));
}

/* What a device that is not dead and has not failed does later. */
static void plan_decay(struct sim *sim, uint32_t device, double running_h, bool late)
{
    double mean = sim->scenario.late_h > 0 ? sim->scenario.late_h : 12.0, after = -1;

    if (late)
        after = running_h + exponential(sim, mean);
    else if (fleet_uniform(&sim->prng) < FLEET_HEALTH)
        after = running_h + 24 * fleet_uniform(&sim->prng);
    if (after < 0)
        return;
    if (late && sim->scenario.defect == SIM_LATE_SILENT)
        sim->devices[device].dead = sim->tick + ticks_of(after);
    else
        sim_at(sim, device, SIM_DECAY, reachable(sim, device, sim->tick + ticks_of(after)));
}

static void install(struct sim *sim, uint32_t device)
{
    struct sim_device *at = &sim->devices[device];
    enum sim_defect defect = at->harmful ? sim->scenario.defect : SIM_HARMLESS;
    double chance = fleet_uniform(&sim->prng),
           running = fleet_install(sim->fleet, &sim->prng) + 0.1;

    at->exposed = at->open = true;
    sim->last_install = sim->tick;
    sim->result.exposed++;
    sim->result.harmed += at->harmful;
    if (isnan(sim->result.t80_h) && sim->result.exposed >= 0.8 * sim->count)
        sim->result.t80_h = sim_hours(sim);
    if (isnan(sim->result.t90_h) && sim->result.exposed >= 0.9 * sim->count)
        sim->result.t90_h = sim_hours(sim);
    at->reports = true;
    if (defect == SIM_SILENT || (defect == SIM_HARMLESS && chance >= FLEET_REPORTED &&
                                 chance < FLEET_REPORTED + FLEET_LOST)) {
        at->dead = sim->tick;
        return;
    }
    if (defect == SIM_REPORTED || (defect == SIM_HARMLESS && chance < FLEET_REPORTED)) {
        at->fails = true;
        contact_at(sim, device, sim->tick + ticks_of(running + 0.2));
        return;
    }
    plan_decay(sim, device, running, defect != SIM_HARMLESS);
    contact_at(sim, device,
               sim->tick + ticks_of(fleet_return(sim->fleet, at->place.link, &sim->prng)));
}

/* An absence of a device without the release: whether it outlasts its deadline is drawn now. */
static void next_poll(struct sim *sim, uint32_t device)
{
    const struct sim_device *at = &sim->devices[device];
    const struct fleet_law *law = &sim->fleet->law[at->place.link];
    uint32_t due = sim->tick + law->gap_due;
    uint32_t next = reachable(
        sim, device, sim->tick + ticks_of(fleet_gap(sim->fleet, at->place.link, &sim->prng)));

    if (next > due && sim->policy->absent != NULL)
        sim_at(sim, device, SIM_ABSENT, due);
    sim_at(sim, device, SIM_CONTACT, next);
}

static void on_contact(struct sim *sim, uint32_t device)
{
    struct sim_device *at = &sim->devices[device];

    if (at->exposed) {
        if (at->reports)
            sim->policy->outcome(sim, device, at->fails ? SIM_FAILED : SIM_WELL);
        at->reports = false;
        return;
    }
    if (!sim->stop && sim->policy->may_install(sim, device))
        install(sim, device);
    else if (sim->policy->polls && !sim->stop)
        next_poll(sim, device);
}

static void on_slot(struct sim *sim, uint32_t id)
{
    uint32_t device = id / SIM_SLOT_COUNT;

    switch ((enum sim_slot)(id % SIM_SLOT_COUNT)) {
    case SIM_CONTACT:
        on_contact(sim, device);
        return;
    case SIM_DUE:
        sim->policy->due(sim, device);
        return;
    case SIM_DECAY:
        sim->policy->outcome(sim, device, SIM_WORSE);
        return;
    case SIM_ABSENT:
        sim->policy->absent(sim, device);
        return;
    case SIM_TIMEOUT:
        sim->policy->timeout(sim, device);
        return;
    case SIM_SLOT_COUNT:
        break;
    }
    CHECK(id % SIM_SLOT_COUNT < SIM_SLOT_COUNT);
}

/* Who is left will install some day, unless somebody stopped it. */
static void add_the_rest(struct sim *sim)
{
    if (sim->result.halted || sim->result.held || isnan(sim->result.t80_h))
        return;
    for (uint32_t i = 0; i < sim->count; i++)
        sim->result.harmed += sim->devices[i].harmful && !sim->devices[i].exposed;
}

struct sim_result sim_run(struct sim *sim, const struct sim_scenario *scenario,
                          const struct sim_policy *policy, void *settings, uint64_t seed)
{
    sim->scenario = *scenario;
    sim->policy = policy;
    sim->settings = settings;
    sim->prng = prng_seeded(seed);
    sim->tick = 0;
    sim->stop = false;
    sim->last_install = 0;
    sim->result = (struct sim_result){.stop_h = NAN, .t80_h = NAN, .t90_h = NAN};
    draw_fleet(sim);
    policy->start(sim);
    for (uint32_t i = 0; policy->polls && i < sim->count; i++)
        contact_at(sim, i,
                   ticks_of(fleet_residual(sim->fleet, sim->devices[i].place.link, &sim->prng)));
    for (; sim->tick < SIM_TICKS; sim->tick++) {
        policy->tick(sim);
        for (uint32_t id = sim->heads[sim->tick]; id != NOTHING;) {
            uint32_t next = sim->nexts[id]; /* the slot may be used again at once */

            on_slot(sim, id);
            id = next;
        }
        if (sim->stop || sim->result.exposed >= ENOUGH * sim->count)
            break;
        sim->result.stalled = sim->tick > sim->last_install + PATIENCE;
        if (sim->result.stalled)
            break;
    }
    add_the_rest(sim);
    return sim->result;
}
