#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/span.h"
#include "device/time_floor.h"
#include "os/file.h"

#define DAY_MS INT64_C(86400000)

static char directory[64], path[96];

static int make_directory(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/time_floor_test_XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(path, sizeof path, "%s/time_floor", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void a_new_device_has_no_floor(void **state)
{
    (void)state;
    assert_int_equal(time_floor_load(directory).ms, 0);
    assert_int_equal(time_floor_load("/no/such/directory").ms, 0);
}

static void a_floor_outlives_the_run(void **state)
{
    struct utc floor = {INT64_C(1795600954000)}, stored = {0};

    (void)state;
    assert_int_equal(time_floor_store(directory, floor, &stored, NULL), ERR_OK);
    assert_int_equal(stored.ms, floor.ms);
    assert_int_equal(time_floor_load(directory).ms, floor.ms);
}

/* Flash is spared: less than a day is not written, nor is a step back. */
static void small_steps_are_not_written(void **state)
{
    struct utc floor = {INT64_C(1795600954000)}, stored = {0};

    (void)state;
    assert_int_equal(time_floor_store(directory, floor, &stored, NULL), ERR_OK);
    assert_int_equal(
        time_floor_store(directory, (struct utc){floor.ms + DAY_MS - 1}, &stored, NULL), ERR_OK);
    assert_int_equal(time_floor_store(directory, (struct utc){5000}, &stored, NULL), ERR_OK);
    assert_int_equal(time_floor_load(directory).ms, floor.ms);
    assert_int_equal(time_floor_store(directory, (struct utc){floor.ms + DAY_MS}, &stored, NULL),
                     ERR_OK);
    assert_int_equal(time_floor_load(directory).ms, floor.ms + DAY_MS);
}

static void damage_is_no_time(void **state)
{
    static const char *const bad[] = {"",
                                      "\n",
                                      "12",
                                      "12 \n",
                                      "-5\n",
                                      "1e9\n",
                                      "32503680001\n",
                                      "99999999999999999999999999999\n",
                                      "17956009541795600954\n"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(file_replace(path, span_of(bad[i]), 0600, NULL), ERR_OK);
        assert_int_equal(time_floor_load(directory).ms, 0);
    }
}

static void a_directory_that_is_not_there(void **state)
{
    struct utc stored = {0};

    (void)state;
    assert_int_not_equal(
        time_floor_store("/no/such/directory", (struct utc){DAY_MS}, &stored, NULL), ERR_OK);
    assert_int_equal(stored.ms, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_device_has_no_floor, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_floor_outlives_the_run, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(small_steps_are_not_written, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(damage_is_no_time, make_directory, remove_directory),
        cmocka_unit_test(a_directory_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
