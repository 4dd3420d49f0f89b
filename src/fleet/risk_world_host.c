#include "fleet/risk_world_host.h"

#include <string.h>

#include "base/check.h"

struct risk_rule world_rule(void)
{
    return (struct risk_rule){
        .harmed_max = 50,
        .first_max = 1000,
        .doubt_ppm = 10000,
        .floor_ppm = 30000,
        .false_alarm_ppm = 10000,
        .tolerance_permille = 1500,
        .tick_s = WORLD_TICK_S,
        .late_s = 3600,
        .bake_s = 6 * 3600,
        .site_s = 6 * 3600,
        .strata = 2,
        .curve_permille = {500, 800, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000,
                           1000, 1000, 1000, 1000},
    };
}

void world_start(struct world *world, const struct risk_rule *rule)
{
    uint32_t sizes[WORLD_COHORTS] = {0};
    struct risk_memory memory = {.cohorts = world->cohorts,
                                 .cohort_sizes = sizes,
                                 .cohort_count = WORLD_COHORTS,
                                 .strata = world->strata,
                                 .kinds = world->kinds,
                                 .kind_count = 2,
                                 .sites = world->sites,
                                 .site_count = WORLD_SITES};

    memset(world, 0, sizeof *world);
    for (uint32_t i = 0; i < 2; i++) {
        world->kinds[i] = (struct risk_kind){.reported_low_ppm = 5000,
                                             .reported_high_ppm = 10000,
                                             .lost_low_ppm = 1000,
                                             .silent_high_ppm = 12000,
                                             .absent_high_ppm = 2000,
                                             .health_low_ppm = 0,
                                             .health_high_ppm = 2000};
        world->strata[i] = (struct risk_stratum){
            .size = WORLD_DEVICES / 2, .silent_ppm = 8000, .absent_ppm = 1000};
    }
    for (uint32_t i = 0; i < WORLD_DEVICES; i++) {
        world->devices[i] = (struct risk_device){
            .cohorts = {COHORT_WHOLE, (uint16_t)(1 + i % 2), (uint16_t)(3 + i % 4)},
            .cohort_count = 3,
            .stratum = i % 2,
            .kind = i % 2,
            .site = i % 3 == 0 ? RISK_NO_SITE : i % WORLD_SITES,
            .due = {1, 2, 4},
        };
        for (uint32_t k = 0; k < 3; k++)
            sizes[world->devices[i].cohorts[k]]++;
    }
    CHECK(risk_start(&world->risk, rule, &memory, NULL) == ERR_OK);
}

struct risk_decision world_say(struct world *world, struct risk_event event)
{
    struct risk_decision decision;

    event.at_s = world->now_s;
    CHECK(risk_step(&world->risk, &event, &decision, NULL) == ERR_OK);
    return decision;
}

struct risk_decision world_tell(struct world *world, enum risk_event_kind kind, uint32_t device)
{
    return world_say(world, (struct risk_event){.kind = kind, .device = &world->devices[device]});
}

struct risk_decision world_wait(struct world *world, uint32_t ticks)
{
    world->now_s += ticks * WORLD_TICK_S;
    return world_say(world, (struct risk_event){.kind = RISK_TICK});
}

void world_due(struct world *world, uint32_t device, bool silent)
{
    uint32_t at = risk_next_due_s(&world->risk, &world->devices[device]);

    CHECK(at != RISK_NEVER);
    if (at > world->now_s)
        (void)world_wait(world, (at - world->now_s + WORLD_TICK_S - 1) / WORLD_TICK_S);
    (void)world_say(
        world,
        (struct risk_event){.kind = RISK_DUE, .device = &world->devices[device], .silent = silent});
}
