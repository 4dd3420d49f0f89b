#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device/timekeeper.h"

#define DAY_MS 86400000LL

static const struct utc built = {1767225600000};                    /* 2026-01-01 */
static const struct utc true_time = {1767225600000 + 300 * DAY_MS}; /* what it really is */
static const struct utc y1970 = {5000}, y2036 = {1767225600000 + 3650 * DAY_MS};

static struct utc now_by(const struct timekeeper *keeper, struct utc rtc)
{
    return timekeeper_now(keeper, rtc, (struct instant){0});
}

static void before_the_server_speaks_the_clock_counts_for_a_day_from_the_floor_on(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);
    struct utc same_day = {built.ms + DAY_MS}, next_day = {built.ms + DAY_MS + 1};

    (void)state;
    assert_int_equal(now_by(&keeper, same_day).ms, same_day.ms);
    assert_int_equal(now_by(&keeper, next_day).ms, built.ms);
    assert_int_equal(now_by(&keeper, y1970).ms, built.ms);
    assert_int_equal(now_by(&keeper, y2036).ms, built.ms); /* so nothing expires by it */
}

/* For what does no harm too early. */
static void a_guess_believes_the_clock_until_the_server_speaks(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);

    (void)state;
    assert_int_equal(timekeeper_guess(&keeper, y1970, (struct instant){0}).ms, built.ms);
    assert_int_equal(timekeeper_guess(&keeper, y2036, (struct instant){0}).ms, y2036.ms);
    timekeeper_tell(&keeper, (uint64_t)true_time.ms / 1000, (struct instant){0});
    assert_int_equal(timekeeper_guess(&keeper, y2036, (struct instant){0}).ms, true_time.ms);
}

/* What a signer has stated raises the floor, and nothing lowers it. */
static void proof_raises_the_floor(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);

    (void)state;
    timekeeper_prove(&keeper, true_time);
    assert_int_equal(now_by(&keeper, y1970).ms, true_time.ms);
    timekeeper_prove(&keeper, built);
    timekeeper_prove(&keeper, (struct utc){(int64_t)TIMEKEEPER_SERVER_S_MAX * 1000 + 1});
    timekeeper_prove(&keeper, (struct utc){INT64_MAX});
    assert_int_equal(keeper.floor.ms, true_time.ms);
    timekeeper_tell(&keeper, (uint64_t)built.ms / 1000, (struct instant){0}); /* too early now */
    assert_false(keeper.told);
}

/* Proof that comes after the server has spoken counts, too. */
static void proof_is_stronger_than_the_server(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);

    (void)state;
    timekeeper_tell(&keeper, (uint64_t)built.ms / 1000 + 5, (struct instant){0});
    timekeeper_prove(&keeper, true_time);
    assert_int_equal(now_by(&keeper, y1970).ms, true_time.ms);
    assert_int_equal(now_by(&keeper, y2036).ms, true_time.ms);
}

/* A year without power: the clock stands where it stood, the server says what it is now. */
static void dark_for_a_year(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);
    struct utc later = {true_time.ms + 365 * DAY_MS};

    (void)state;
    timekeeper_tell(&keeper, (uint64_t)later.ms / 1000, (struct instant){0});
    assert_int_equal(now_by(&keeper, true_time).ms, later.ms);
    keeper = timekeeper_from(built); /* the next run has forgotten what the server said */
    assert_int_equal(now_by(&keeper, y1970).ms, built.ms);
}

static void a_clock_that_contradicts_the_server_has_no_say(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);

    (void)state;
    timekeeper_tell(&keeper, (uint64_t)true_time.ms / 1000, (struct instant){1000});
    assert_int_equal(timekeeper_now(&keeper, y1970, (struct instant){1000}).ms, true_time.ms);
    assert_int_equal(timekeeper_now(&keeper, y2036, (struct instant){1000}).ms, true_time.ms);
    assert_int_equal(timekeeper_now(&keeper, y2036, (struct instant){8000}).ms,
                     true_time.ms + 7000);
}

static void a_clock_within_a_day_is_believed(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);
    struct utc ahead = {true_time.ms + DAY_MS}, too_far = {true_time.ms + DAY_MS + 1};

    (void)state;
    timekeeper_tell(&keeper, (uint64_t)true_time.ms / 1000, (struct instant){0});
    assert_int_equal(timekeeper_now(&keeper, ahead, (struct instant){0}).ms, ahead.ms);
    assert_int_equal(timekeeper_now(&keeper, too_far, (struct instant){0}).ms, true_time.ms);
}

static void a_server_cannot_go_below_the_floor(void **state)
{
    struct timekeeper keeper = timekeeper_from(built);

    (void)state;
    timekeeper_tell(&keeper, (uint64_t)built.ms / 1000 - 1, (struct instant){0});
    assert_false(keeper.told);
    assert_int_equal(timekeeper_now(&keeper, y1970, (struct instant){0}).ms, built.ms);
}

static void nonsense_from_the_server_is_no_time(void **state)
{
    static const uint64_t nonsense[] = {TIMEKEEPER_SERVER_S_MAX + 1, UINT64_C(253402300800),
                                        INT64_MAX / 1000 + UINT64_C(1), UINT64_MAX};
    struct timekeeper keeper = timekeeper_from(built);

    (void)state;
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        timekeeper_tell(&keeper, nonsense[i], (struct instant){0});
        assert_false(keeper.told);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_server_speaks_the_clock_counts_for_a_day_from_the_floor_on),
        cmocka_unit_test(a_guess_believes_the_clock_until_the_server_speaks),
        cmocka_unit_test(proof_raises_the_floor),
        cmocka_unit_test(proof_is_stronger_than_the_server),
        cmocka_unit_test(dark_for_a_year),
        cmocka_unit_test(a_clock_that_contradicts_the_server_has_no_say),
        cmocka_unit_test(a_clock_within_a_day_is_believed),
        cmocka_unit_test(a_server_cannot_go_below_the_floor),
        cmocka_unit_test(nonsense_from_the_server_is_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
