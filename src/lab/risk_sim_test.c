/* The short version of bench/risk: the promises hold in a few dozen simulated rollouts, the same
 * seed tells the same story, and the peers do what their documentation says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lab/risk_policies.h"

#define DEVICES 20000u
#define ANY     (-1)

static struct fleet fleet;
static struct sim sim;
static struct ours ours;

static int open_world(void **state)
{
    (void)state;
    fleet_make(&fleet, 7);
    if (!sim_open(&sim, &fleet, DEVICES) || !ours_open(&ours, DEVICES, sim.site_count))
        return -1;
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    sim_close(&sim);
    ours_close(&ours);
    return 0;
}

static struct sim_scenario harmless(void)
{
    return (struct sim_scenario){.name = "harmless", .cell = ANY, .link = ANY};
}

static struct sim_scenario defective(enum sim_defect defect, double share)
{
    return (struct sim_scenario){
        .name = "defective", .defect = defect, .share = share, .cell = ANY, .link = ANY};
}

static struct sim_result run(const struct sim_scenario *scenario, uint32_t harmed_max,
                             uint64_t seed)
{
    ours.rule.harmed_max = harmed_max;
    return sim_run(&sim, scenario, &ours_policy, &ours, seed);
}

/* At 1 % false alarms, three in thirty happen once in four hundred thousand. */
static void test_good_releases_arrive(void **state)
{
    (void)state;
    for (int outage = 0; outage < 2; outage++) {
        struct sim_scenario scenario = harmless();
        uint32_t alarms = 0, finished = 0;

        scenario.outage = outage == 1;
        scenario.power_cuts = outage == 1;
        for (uint64_t seed = 1; seed <= 30; seed++) {
            struct sim_result result = run(&scenario, 400, seed);

            alarms += result.halted || result.held;
            finished += result.t90_h < 100 ? 1 : 0;
            assert_int_equal(result.harmed, 0);
        }
        assert_true(alarms <= 2);
        assert_true(finished >= 27);
    }
}

static void test_harm_stays_within_k(void **state)
{
    static const struct {
        enum sim_defect defect;
        double share;
        int cell, link;
    } rows[] = {{SIM_REPORTED, 0.05, ANY, ANY}, {SIM_REPORTED, 1, ANY, ANY},
                {SIM_SILENT, 0.05, ANY, ANY},   {SIM_SILENT, 1, ANY, ANY},
                {SIM_LATE, 0.05, ANY, ANY},     {SIM_LATE, 0.5, ANY, ANY},
                {SIM_SILENT, 0.5, ANY, 1},      {SIM_SILENT, 1, 8, ANY}};
    uint32_t over = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sim_scenario scenario = defective(rows[i].defect, rows[i].share);

        scenario.cell = rows[i].cell;
        scenario.link = rows[i].link;
        for (uint64_t seed = 1; seed <= 10; seed++)
            over += run(&scenario, 200, seed).harmed > 200;
    }
    assert_true(over <= 3); /* of 80, at 1 % each */
}

static void test_same_seed_same_story(void **state)
{
    struct sim_scenario scenario = defective(SIM_SILENT, 0.05);
    struct sim_result first, second;

    (void)state;
    first = run(&scenario, 200, 3);
    second = run(&scenario, 200, 3);
    assert_int_equal(first.harmed, second.harmed);
    assert_int_equal(first.exposed, second.exposed);
    assert_true(first.stop_h == second.stop_h);
}

/* Silence never stops hawkBit or Mender; AWS is stopped by its timeout, also when all is well. */
static void test_peers(void **state)
{
    struct hawkbit hawkbit = {
        .group_count = 4, .shares = {0.05, 0.15, 0.3, 0.5}, .success = 80, .error = 2};
    struct mender mender = {.phase_count = 3, .shares = {0.05, 0.15, 0.8}, .interval_h = 24};
    struct azure azure = {.group_count = 1, .interval_h = 24, .percent = 1, .failed_count = 10};
    struct aws_jobs aws = {.per_minute = 50,
                           .factor = 2,
                           .step = 1000,
                           .percent = 5,
                           .executed = 100,
                           .timeout_h = 1,
                           .all_failures = true};
    struct sim_scenario good = harmless(), silent = defective(SIM_SILENT, 0.05),
                        reported = defective(SIM_REPORTED, 0.3);

    (void)state;
    assert_in_range(sim_run(&sim, &silent, &hawkbit_policy, &hawkbit, 1).harmed, 900, 1100);
    assert_in_range(sim_run(&sim, &silent, &mender_policy, &mender, 1).harmed, 900, 1100);
    assert_in_range(sim_run(&sim, &silent, &azure_policy, &azure, 1).harmed, 900, 1100);
    assert_true(sim_run(&sim, &good, &aws_policy, &aws, 1).halted);
    assert_false(sim_run(&sim, &good, &hawkbit_policy, &hawkbit, 1).halted);
    assert_true(sim_run(&sim, &reported, &hawkbit_policy, &hawkbit, 1).harmed < 400);
    assert_true(sim_run(&sim, &reported, &azure_policy, &azure, 1).halted);
    assert_true(run(&silent, 400, 1).harmed < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_releases_arrive),
        cmocka_unit_test(test_harm_stays_within_k),
        cmocka_unit_test(test_same_seed_same_story),
        cmocka_unit_test(test_peers),
    };

    return cmocka_run_group_tests(tests, open_world, close_world);
}
