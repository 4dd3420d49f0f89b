#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "lab/risk_policies.h"

#define MILLION        1e6
#define FIRST_CELL     (1u + FLEET_HARDWARE)
#define FIRST_LINK     (FIRST_CELL + FLEET_CELLS)
#define COVER          3u   /* devices of each cohort in a stratified first wave */
#define CONTROL_SAMPLE 200u /* devices looked at per tick */
#define WAVE_PATIENCE  16u  /* ticks that the first wave waits for its chosen devices */

struct risk_rule ours_rule(uint32_t harmed_max)
{
    return (struct risk_rule){
        .harmed_max = harmed_max,
        .first_max = 32,
        .doubt_ppm = 10000,
        .floor_ppm = 30000,
        .false_alarm_ppm = 10000,
        .tolerance_permille = 1500,
        .tick_s = FLEET_TICK_S,
        .late_s = 12 * 3600,
        .bake_s = 24 * 3600,
        .site_s = 6 * 3600,
        .strata = FLEET_CLASSES,
        /* Failures are reported within two hours of the grant. */
        .curve_permille = {0, 300, 700, 850, 930, 960, 980, 990, 1000, 1000, 1000, 1000, 1000, 1000,
                           1000, 1000},
    };
}

bool ours_open(struct ours *ours, uint32_t count, uint32_t site_count)
{
    bool whole = true;

    *ours = (struct ours){.rule = ours_rule(50), .assumed = 1, .control = true};
    ours->devices = calloc(count, sizeof *ours->devices);
    ours->sites = calloc(site_count, sizeof *ours->sites);
    for (uint32_t i = 0; i < FLEET_CLASSES; i++) {
        ours->due_control[i] = calloc(SIM_TICKS, sizeof *ours->due_control[i]);
        whole = whole && ours->due_control[i] != NULL;
    }
    if (whole && ours->devices != NULL && ours->sites != NULL)
        return true;
    ours_close(ours);
    return false;
}

void ours_close(struct ours *ours)
{
    free(ours->devices);
    free(ours->sites);
    for (uint32_t i = 0; i < FLEET_CLASSES; i++)
        free(ours->due_control[i]);
    *ours = (struct ours){0};
}

static struct risk_decision step(struct sim *sim, struct risk_event event)
{
    struct ours *ours = sim->settings;
    struct risk_decision decision;

    event.at_s = sim->tick * FLEET_TICK_S;
    CHECK(risk_step(&ours->risk, &event, &decision, NULL) == ERR_OK);
    if ((decision.answer == RISK_HOLD || decision.new_holds > 0) && !sim->result.held) {
        sim->result.held = true;
        sim->result.stop_h = sim_hours(sim);
        sim->result.exposed_at_stop = sim->result.exposed;
    }
    if (decision.answer == RISK_HALT)
        sim_halt(sim);
    return decision;
}

static void describe_device(struct ours *ours, const struct sim *sim, uint32_t device)
{
    const struct fleet_place *place = &sim->devices[device].place;
    const struct fleet_law *law = &sim->fleet->law[place->link];
    struct risk_device *at = &ours->devices[device];

    *at = (struct risk_device){
        .cohorts = {COHORT_WHOLE, (uint16_t)(1 + place->hardware),
                    (uint16_t)(FIRST_CELL + place->hardware * FLEET_VERSIONS + place->version),
                    (uint16_t)(FIRST_LINK + place->link)},
        .cohort_count = 4,
        .stratum = place->link,
        .kind = place->link,
        .site = place->site,
        .due = {law->due[0], law->due[1], law->due[2]},
    };
}

static uint32_t ppm(double share)
{
    return (uint32_t)(share * MILLION + 0.5);
}

static void ours_start(struct sim *sim)
{
    struct ours *ours = sim->settings;
    uint32_t sizes[OURS_COHORTS] = {0};
    struct risk_memory memory = {.cohorts = ours->cohorts,
                                 .cohort_sizes = sizes,
                                 .cohort_count = OURS_COHORTS,
                                 .strata = ours->strata,
                                 .kinds = ours->kinds,
                                 .kind_count = FLEET_CLASSES,
                                 .sites = ours->sites,
                                 .site_count = sim->site_count};

    for (uint32_t i = 0; i < FLEET_CLASSES; i++) {
        double f = ours->assumed;

        ours->kinds[i] = (struct risk_kind){
            .reported_low_ppm = ppm(f * FLEET_REPORTED),
            .reported_high_ppm = ppm(f * FLEET_REPORTED),
            .lost_low_ppm = ppm(f * FLEET_LOST),
            .silent_high_ppm = ppm(f * (FLEET_LOST + FLEET_SILENT)),
            .absent_high_ppm = ppm(f * FLEET_ABSENT),
            .health_low_ppm = ppm(f * FLEET_HEALTH),
            .health_high_ppm = ppm(f * FLEET_HEALTH),
        };
        ours->strata[i] = (struct risk_stratum){
            .silent_ppm = (uint32_t)(sim->fleet->law[i].gap_silent_ppm * (f < 1 ? f : 1)),
            .absent_ppm = ppm((f < 1 ? f : 1) * FLEET_ABSENT)};
        memset(ours->due_control[i], 0, SIM_TICKS * sizeof *ours->due_control[i]);
    }
    for (uint32_t i = 0; i < sim->count; i++) {
        describe_device(ours, sim, i);
        for (uint32_t k = 0; k < ours->devices[i].cohort_count; k++)
            sizes[ours->devices[i].cohorts[k]]++;
        ours->strata[ours->devices[i].stratum].size += ours->control;
    }
    ours->full_tick = SIM_NEVER;
    ours->decisions = 0;
    CHECK(risk_start(&ours->risk, &ours->rule, &memory, NULL) == ERR_OK);
}

/* In the first wave, a device is let in when one of its cohorts still lacks examples. */
static bool wave_wants(const struct ours *ours, const struct sim *sim, uint32_t device)
{
    const struct risk_device *at = &ours->devices[device];

    if (!ours->stratified || sim->tick >= WAVE_PATIENCE)
        return true;
    for (uint32_t i = 1; i < at->cohort_count; i++) {
        if (ours->cohorts[at->cohorts[i]].exposure.exposed < COVER)
            return true;
    }
    return false;
}

static bool ours_may_install(struct sim *sim, uint32_t device)
{
    struct ours *ours = sim->settings;
    struct risk_device *at = &ours->devices[device];
    struct risk_decision decision;
    uint32_t due = sim->tick + sim->fleet->law[at->stratum].gap_due;

    if (ours->full_tick == sim->tick || !wave_wants(ours, sim, device)) {
        decision.answer = RISK_WAIT;
    } else {
        decision = step(sim, (struct risk_event){.kind = RISK_ASK, .device = at});
        ours->decisions++;
        if (decision.answer == RISK_WAIT && decision.cohort == COHORT_WHOLE)
            ours->full_tick = sim->tick; /* spare the simulation the same answer */
    }
    if (decision.answer == RISK_GRANT)
        sim_at(sim, device, SIM_DUE, risk_next_due_s(&ours->risk, at) / FLEET_TICK_S);
    else if (ours->control && due < SIM_TICKS)
        ours->due_control[at->stratum][due]++; /* its next absence is watched */
    return decision.answer == RISK_GRANT;
}

static void ours_outcome(struct sim *sim, uint32_t device, enum sim_outcome outcome)
{
    static const enum risk_event_kind kinds[] = {RISK_GOOD, RISK_BAD, RISK_WORSE};
    struct ours *ours = sim->settings;

    ours->full_tick = SIM_NEVER;
    (void)step(sim, (struct risk_event){.kind = kinds[outcome], .device = &ours->devices[device]});
}

static void ours_due(struct sim *sim, uint32_t device)
{
    struct ours *ours = sim->settings;
    struct risk_device *at = &ours->devices[device];
    struct risk_event event = {.kind = RISK_DUE, .device = at};
    uint32_t next;

    if ((at->passed & 4) != 0) /* a roll call */
        event.silent = !sim_heard_within(sim, device, 2u * sim->fleet->law[at->stratum].due[2]);
    (void)step(sim, event);
    next = risk_next_due_s(&ours->risk, at);
    if (next != RISK_NEVER)
        sim_at(sim, device, SIM_DUE, next / FLEET_TICK_S);
    ours->full_tick = SIM_NEVER;
}

static void ours_absent(struct sim *sim, uint32_t device)
{
    struct ours *ours = sim->settings;
    const struct risk_device *at = &ours->devices[device];
    const struct control_arm *arm = &ours->strata[at->stratum].silent;

    if (ours->control && arm->silent < arm->due)
        (void)step(sim, (struct risk_event){
                            .kind = RISK_CONTROL_SILENT, .stratum = at->stratum, .site = at->site});
}

/* A look at a sample of devices without the release, once a tick. */
static void sample_control(struct sim *sim)
{
    struct ours *ours = sim->settings;
    uint32_t at = (uint32_t)prng_below(&sim->prng, sim->count);

    for (uint32_t i = 0; i < CONTROL_SAMPLE; i++) {
        uint32_t device = sim->order[(at + i) % sim->count];
        const struct risk_device *it = &ours->devices[device];
        struct risk_event event = {.kind = RISK_CONTROL,
                                   .stratum = it->stratum,
                                   .site = it->site,
                                   .count = 1,
                                   .roll_call = true};

        if (sim->devices[device].exposed)
            continue;
        (void)step(sim, event);
        event.kind = RISK_CONTROL_SILENT;
        if (!sim_reachable_within(sim, device, 2u * sim->fleet->law[it->stratum].due[2]))
            (void)step(sim, event);
    }
}

static void ours_tick(struct sim *sim)
{
    struct ours *ours = sim->settings;

    (void)step(sim, (struct risk_event){.kind = RISK_TICK});
    for (uint8_t i = 0; i < FLEET_CLASSES && ours->control; i++)
        (void)step(sim, (struct risk_event){.kind = RISK_CONTROL,
                                            .stratum = i,
                                            .count = ours->due_control[i][sim->tick]});
    if (ours->control)
        sample_control(sim);
    if (sim->tick % 96 == 95 && risk_exhausted(&ours->risk)) {
        sim->result.stalled = true;
        sim->stop = true;
        sim->result.stop_h = sim_hours(sim);
    }
}

const struct sim_policy ours_policy = {.name = "Slipway",
                                       .polls = true,
                                       .start = ours_start,
                                       .may_install = ours_may_install,
                                       .outcome = ours_outcome,
                                       .due = ours_due,
                                       .timeout = ours_due,
                                       .absent = ours_absent,
                                       .tick = ours_tick};
