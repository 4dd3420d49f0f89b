/* A short powercut experiment for every story; `slipway-lab powercut` does the whole of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lab/powercut.h"

static void assert_survives(enum rig_flow flow, uint8_t tries, uint32_t erase_size)
{
    struct powercut_plan plan = {.flow = flow,
                                 .seed = 7,
                                 .stride = 0, /* every operation, not every byte of it */
                                 .pairs = 60,
                                 .loader_tries = tries,
                                 .erase_size = erase_size};
    struct powercut_figures figures;

    powercut_run(&plan, &figures);
    if (figures.failures > 0) {
        const struct rig_setup *worst = &figures.worst;

        fail_msg("%s: %s: seed %llu, %u cuts: %llu %llu %llu %llu", rig_flow_name(flow),
                 rig_end_name(figures.worst_result.end), (unsigned long long)worst->seed,
                 worst->cut_count, (unsigned long long)worst->cuts[0],
                 (unsigned long long)worst->cuts[1], (unsigned long long)worst->cuts[2],
                 (unsigned long long)worst->cuts[3]);
    }
    assert_true(figures.cuts > 100);
    print_message("%s: %llu cuts, at most %u boots\n", rig_flow_name(flow),
                  (unsigned long long)figures.cuts, figures.boots_max);
}

static void test_every_story_survives(void **state)
{
    (void)state;
    for (int flow = 0; flow < RIG_FLOW_COUNT; flow++)
        assert_survives((enum rig_flow)flow, 1, 1024);
}

static void test_loader_that_tries_twice(void **state)
{
    (void)state;
    assert_survives(RIG_INSTALL, 2, 1024);
    assert_survives(RIG_REVERT, 3, 1024);
}

/* Blocks larger than chunks: some checked chunks are given up again when work goes on. */
static void test_large_blocks(void **state)
{
    (void)state;
    assert_survives(RIG_INSTALL, 1, 4096);
    assert_survives(RIG_RESUME, 1, 4096);
    assert_survives(RIG_SEALED, 1, 4096);
}

/* Without a cut every story ends as told, and goes on from where it was. */
static void test_stories_without_a_cut(void **state)
{
    struct rig_setup setup = {.seed = 3, .loader_tries = 1, .erase_size = 1024};
    struct rig_result result;

    (void)state;
    setup.flow = RIG_INSTALL;
    result = rig_run(&setup);
    assert_int_equal(result.end, RIG_CONVERGED);
    assert_int_equal(result.outcome, PHASE_SUCCEEDED);
    assert_int_equal(result.boots, 2);
    assert_int_equal(result.image_bytes, RIG_IMAGE_SIZE);

    setup.flow = RIG_REVERT;
    result = rig_run(&setup);
    assert_int_equal(result.end, RIG_CONVERGED);
    assert_int_equal(result.outcome, PHASE_REVERTED);
    assert_int_equal(result.boots, 3);

    setup.flow = RIG_ROLLBACK;
    result = rig_run(&setup);
    assert_int_equal(result.end, RIG_CONVERGED);
    assert_int_equal(result.outcome, PHASE_SUCCEEDED);
    assert_int_equal(result.image_bytes, 0);

    setup.flow = RIG_RESUME; /* a broken link costs no byte twice but those on their way */
    result = rig_run(&setup);
    assert_int_equal(result.end, RIG_CONVERGED);
    assert_int_equal(result.image_bytes, RIG_IMAGE_SIZE);

    setup.flow = RIG_SEALED; /* nor do sealed ones; each chunk has its tag */
    result = rig_run(&setup);
    assert_int_equal(result.end, RIG_CONVERGED);
    assert_int_equal(result.image_bytes, RIG_IMAGE_SIZE + 10 * AEAD_TAG_SIZE);
}

/* Power lost late in the download: what was written before is not fetched again. */
static void test_resume_after_power_loss_keeps_chunks(void **state)
{
    struct rig_setup setup = {
        .flow = RIG_INSTALL, .seed = 3, .loader_tries = 1, .erase_size = 1024};
    struct rig_result whole = rig_run(&setup), cut;

    (void)state;
    setup.cut_count = 1;
    setup.cuts[0] = whole.units * 6 / 10;
    cut = rig_run(&setup);
    assert_int_equal(cut.end, RIG_CONVERGED);
    assert_int_equal(cut.cuts_taken, 1);
    assert_true(cut.image_bytes < RIG_IMAGE_SIZE + 3 * RIG_CHUNK_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories_without_a_cut),
        cmocka_unit_test(test_resume_after_power_loss_keeps_chunks),
        cmocka_unit_test(test_every_story_survives),
        cmocka_unit_test(test_loader_that_tries_twice),
        cmocka_unit_test(test_large_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
