/* Who may fail how often, and what a flood of addresses does to the memory of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/attempts.h"

static const struct utc start = {.ms = INT64_C(1795000000000)};

static struct utc later(int64_t ms)
{
    return (struct utc){start.ms + ms};
}

/* Fail until it is enough; how often that was. */
static unsigned exhaust(struct attempts *attempts, const char *address, struct utc now)
{
    uint32_t retry_s;
    unsigned count = 0;

    while (count < 10 * ATTEMPTS_BURST && attempts_take(attempts, address, now, &retry_s))
        count++;
    return count;
}

static void a_burst_and_then_one_at_a_time(void **state)
{
    struct attempts *attempts = attempts_open();
    uint32_t retry_s = 0;

    (void)state;
    assert_int_equal(exhaust(attempts, "192.0.2.1", start), ATTEMPTS_BURST);
    assert_false(attempts_take(attempts, "192.0.2.1", start, &retry_s));
    assert_in_range(retry_s, 1, ATTEMPTS_EVERY_MS / 1000 + 1);
    assert_false(attempts_take(attempts, "192.0.2.1", later(ATTEMPTS_EVERY_MS - 1), &retry_s));
    assert_int_equal(exhaust(attempts, "192.0.2.1", later(ATTEMPTS_EVERY_MS)), 1);
    assert_int_equal(exhaust(attempts, "192.0.2.1", later(4 * ATTEMPTS_EVERY_MS)), 3);
    assert_int_equal(exhaust(attempts, "192.0.2.1", later(INT64_C(86400000))), ATTEMPTS_BURST);
    attempts_close(attempts);
}

static void what_was_no_failure_is_given_back(void **state)
{
    struct attempts *attempts = attempts_open();
    uint32_t retry_s;

    (void)state;
    for (unsigned i = 0; i < 5 * ATTEMPTS_BURST; i++) {
        assert_true(attempts_take(attempts, "192.0.2.1", start, &retry_s));
        attempts_give(attempts, "192.0.2.1");
    }
    attempts_give(attempts, "192.0.2.1"); /* nobody gets more than the burst */
    attempts_give(attempts, "192.0.2.2");
    assert_int_equal(exhaust(attempts, "192.0.2.1", start), ATTEMPTS_BURST);
    attempts_close(attempts);
}

static void addresses_are_kept_apart(void **state)
{
    struct attempts *attempts = attempts_open();

    (void)state;
    assert_int_equal(exhaust(attempts, "192.0.2.1", start), ATTEMPTS_BURST);
    assert_int_equal(exhaust(attempts, "192.0.2.2", start), ATTEMPTS_BURST);
    assert_int_equal(exhaust(attempts, "2001:db8:0:1::1", start), ATTEMPTS_BURST);
    assert_int_equal(exhaust(attempts, "2001:db8:0:1:ffff::2", start), 0); /* the same machine */
    assert_int_equal(exhaust(attempts, "2001:db8:0:2::1", start), ATTEMPTS_BURST);
    assert_int_equal(exhaust(attempts, "::", start), ATTEMPTS_BURST);
    assert_int_equal(exhaust(attempts, "", start), ATTEMPTS_BURST); /* whatever that is */
    attempts_close(attempts);
}

/* The memory is bounded: newcomers push out whoever has failed the least, and hardly ever the one
 * who is being slowed. */
static void a_flood_of_addresses_frees_nobody(void **state)
{
    struct attempts *attempts = attempts_open();
    uint32_t retry_s;
    char address[48];

    (void)state;
    assert_int_equal(exhaust(attempts, "192.0.2.1", start), ATTEMPTS_BURST);
    for (unsigned i = 0; i < 20 * ATTEMPTS_ADDRESSES; i++) {
        (void)snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_true(attempts_take(attempts, address, start, &retry_s));
    }
    assert_false(attempts_take(attempts, "192.0.2.1", start, &retry_s));
    attempts_close(attempts);
}

static void a_clock_set_back_only_delays(void **state)
{
    struct attempts *attempts = attempts_open();

    (void)state;
    assert_int_equal(exhaust(attempts, "192.0.2.1", start), ATTEMPTS_BURST);
    assert_int_equal(exhaust(attempts, "192.0.2.1", later(-86400000)), 0);
    assert_int_equal(exhaust(attempts, "192.0.2.1", later(-86400000 + ATTEMPTS_EVERY_MS)), 1);
    attempts_close(attempts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_one_at_a_time),
        cmocka_unit_test(what_was_no_failure_is_given_back),
        cmocka_unit_test(addresses_are_kept_apart),
        cmocka_unit_test(a_flood_of_addresses_frees_nobody),
        cmocka_unit_test(a_clock_set_back_only_delays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
