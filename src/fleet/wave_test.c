/* The first wave meets every cohort; at random it would not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "fleet/wave.h"

#define CANDIDATES 2000u
#define CELLS      40u

static struct risk_device candidates[CANDIDATES];
static uint8_t covered[1 + CELLS];
static uint32_t chosen[WAVE_COUNT_MAX];

/* Cell i is a share of about 1/2, 1/4, ... of what is left, the last ones a handful. */
static void make(uint64_t seed)
{
    struct prng prng = prng_seeded(seed);

    for (uint32_t i = 0; i < CANDIDATES; i++) {
        uint32_t cell = i < CELLS * WAVE_COVER ? i % CELLS : (uint32_t)prng_below(&prng, 5);

        candidates[i] = (struct risk_device){.cohorts = {COHORT_WHOLE, (uint16_t)(1 + cell)},
                                             .cohort_count = 2,
                                             .due = {1, 2, (uint16_t)(4 + prng_below(&prng, 9))}};
    }
}

static void test_covers(void **state)
{
    uint32_t count;

    (void)state;
    make(1);
    count = wave_choose(candidates, CANDIDATES, false, 200, covered, 1 + CELLS, chosen);
    assert_int_equal(count, CELLS * WAVE_COVER);
    for (uint32_t cell = 1; cell <= CELLS; cell++)
        assert_true(covered[cell] >= WAVE_COVER);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < i; k++)
            assert_int_not_equal(chosen[i], chosen[k]);
    }
    count = wave_choose(candidates, CANDIDATES, false, CELLS, covered, 1 + CELLS, chosen);
    assert_int_equal(count, CELLS); /* each cell once before any twice */
    for (uint32_t cell = 1; cell <= CELLS; cell++)
        assert_int_equal(covered[cell], 1);
    assert_int_equal(wave_choose(candidates, 0, true, 10, covered, 1 + CELLS, chosen), 0);
}

static void test_steady_first(void **state)
{
    uint32_t count;

    (void)state;
    make(2);
    count = wave_choose(candidates, CANDIDATES, true, CELLS, covered, 1 + CELLS, chosen);
    for (uint32_t i = 0; i < count; i++) {
        const struct risk_device *device = &candidates[chosen[i]];

        for (uint32_t k = 0; k < CANDIDATES; k++) {
            if (candidates[k].cohorts[1] == device->cohorts[1])
                assert_true(candidates[k].due[2] >= device->due[2]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covers),
        cmocka_unit_test(test_steady_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
