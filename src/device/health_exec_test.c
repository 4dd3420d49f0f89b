#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device/health_exec.h"
#include "os/clock.h"

static enum err check_with(const char *command, struct why *why)
{
    struct health_check check = {
        .command = command, .timeout_s = 1, .name = "cam-1", .bank = "/banks/b", .version = "2.0"};

    why_clear(why);
    return health_exec(&check, why);
}

static void exit_0_is_healthy(void **state)
{
    struct why why;

    (void)state;
    assert_int_equal(check_with("true", &why), ERR_OK);
    assert_int_equal(check_with("", &why), ERR_OK);
    assert_int_equal(check_with(NULL, &why), ERR_OK);
    assert_int_equal(check_with("yes | head -n 100000", &why), ERR_OK);
}

static void anything_else_is_not(void **state)
{
    struct why why;

    (void)state;
    assert_int_equal(check_with("echo no sensor; exit 3", &why), ERR_UNHEALTHY);
    assert_string_equal(why.text, "the health check ended with 3: no sensor");
    assert_int_equal(check_with("kill -SEGV $$", &why), ERR_UNHEALTHY);
    assert_string_equal(why.text, "the health check died of signal 11");
    assert_int_equal(check_with("/no/such/program 2>/dev/null", &why), ERR_UNHEALTHY);
    assert_string_equal(why.text, "the health check ended with 127");
}

static void the_environment_names_the_image(void **state)
{
    struct why why;

    (void)state;
    assert_int_equal(check_with("test $SLIPWAY_NAME$SLIPWAY_BANK$SLIPWAY_VERSION = "
                                "cam-1/banks/b2.0",
                                &why),
                     ERR_OK);
}

static void late_is_unhealthy_and_killed_with_its_children(void **state)
{
    struct instant begin = clock_instant();
    struct why why;

    (void)state;
    assert_int_equal(check_with("echo waiting; sleep 30 & sleep 30", &why), ERR_UNHEALTHY);
    assert_string_equal(why.text, "the health check took longer than 1 s: waiting");
    assert_true(clock_instant().ms - begin.ms < 5000);
}

static void a_child_left_behind_does_not_hold_us(void **state)
{
    struct instant begin = clock_instant();
    struct why why;

    (void)state;
    assert_int_equal(check_with("sleep 3 & exit 0", &why), ERR_OK);
    assert_true(clock_instant().ms - begin.ms < 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_0_is_healthy),
        cmocka_unit_test(anything_else_is_not),
        cmocka_unit_test(the_environment_names_the_image),
        cmocka_unit_test(late_is_unhealthy_and_killed_with_its_children),
        cmocka_unit_test(a_child_left_behind_does_not_hold_us),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
