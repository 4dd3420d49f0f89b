/* The boot selector's story, told as the sequence of what is seen after each reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/boot_file.h"

static char directory[] = "/tmp/boot_file_test_XXXXXX";
static char path[64];
static struct boot_file file;
static struct boot boot;

static void begin(uint32_t tries)
{
    (void)unlink(path);
    assert_int_equal(boot_file_open(&file, path, tries, &boot, NULL), ERR_OK);
}

static struct boot_view look(void)
{
    struct boot_view view;

    assert_int_equal(boot.ops->look(boot.self, &view), ERR_OK);
    return view;
}

static void expect(enum boot_verdict verdict, uint8_t running)
{
    struct boot_view view = look();

    assert_int_equal(view.verdict, verdict);
    assert_int_equal(view.running, running);
}

static void reset_and_expect(enum boot_verdict verdict, uint8_t running)
{
    struct boot_file_state state;

    assert_int_equal(boot_file_power_on(&file, &state, NULL), ERR_OK);
    assert_int_equal(state.running, running);
    expect(verdict, running);
}

static void try_bank(uint8_t bank)
{
    assert_int_equal(boot.ops->try_once(boot.self, bank), ERR_OK);
}

static void confirm(void)
{
    assert_int_equal(boot.ops->confirm(boot.self), ERR_OK);
}

static void bank_a_boots_from_the_factory(void **state)
{
    (void)state;
    begin(1);
    expect(BOOT_NORMAL, 0);
    reset_and_expect(BOOT_NORMAL, 0);
    reset_and_expect(BOOT_NORMAL, 0);
}

static void a_confirmed_trial_stays(void **state)
{
    (void)state;
    begin(1);
    try_bank(1);
    expect(BOOT_NORMAL, 0); /* armed, not yet reset */
    reset_and_expect(BOOT_TRIAL, 1);
    confirm();
    confirm();
    expect(BOOT_NORMAL, 1);
    reset_and_expect(BOOT_NORMAL, 1);
}

static void an_unconfirmed_trial_ends_at_the_next_reset(void **state)
{
    (void)state;
    begin(1);
    try_bank(1);
    reset_and_expect(BOOT_TRIAL, 1);
    reset_and_expect(BOOT_REVERTED, 0);
    reset_and_expect(BOOT_REVERTED, 0); /* until somebody took note */
    confirm();
    expect(BOOT_NORMAL, 0);
    reset_and_expect(BOOT_NORMAL, 0);
}

static void a_trial_may_have_several_boots(void **state)
{
    (void)state;
    begin(3);
    try_bank(1);
    reset_and_expect(BOOT_TRIAL, 1);
    reset_and_expect(BOOT_TRIAL, 1);
    reset_and_expect(BOOT_TRIAL, 1);
    reset_and_expect(BOOT_REVERTED, 0);
}

static void a_new_trial_after_a_failed_one(void **state)
{
    (void)state;
    begin(1);
    try_bank(1);
    reset_and_expect(BOOT_TRIAL, 1);
    reset_and_expect(BOOT_REVERTED, 0);
    try_bank(1);
    expect(BOOT_NORMAL, 0);
    reset_and_expect(BOOT_TRIAL, 1);
    confirm();
    try_bank(0);
    reset_and_expect(BOOT_TRIAL, 0);
    reset_and_expect(BOOT_REVERTED, 1);
}

static void damage_is_an_error(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "confirmed=c\ntrial=none\ntries=0\nrunning=a\nverdict=normal\n",
        "confirmed=none\ntrial=none\ntries=0\nrunning=a\nverdict=normal\n",
        "confirmed=a\ntrial=none\ntries=0\nrunning=a\nverdict=fine\n",
        "confirmed=a\ntrial=none\ntries=999\nrunning=a\nverdict=normal\n",
        "confirmed=a\ntrial=none\ntries=0\nrunning=a\n",
        "confirmed=a\ntrial=none\ntries=0\nrunning=a\nverdict=normal\nmore=1\n",
    };
    struct boot_view view;
    struct why why = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        FILE *out = fopen(path, "w");

        assert_true(out && fputs(bad[i], out) >= 0);
        (void)fclose(out);
        assert_int_equal(boot_file_open(&file, path, 1, &boot, &why), ERR_CORRUPT);
        assert_int_equal(boot.ops->look(boot.self, &view), ERR_STORAGE);
    }
    assert_non_null(strstr(why.text, "is not the state of a boot selector"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bank_a_boots_from_the_factory),
        cmocka_unit_test(a_confirmed_trial_stays),
        cmocka_unit_test(an_unconfirmed_trial_ends_at_the_next_reset),
        cmocka_unit_test(a_trial_may_have_several_boots),
        cmocka_unit_test(a_new_trial_after_a_failed_one),
        cmocka_unit_test(damage_is_an_error),
    };
    int failed;

    if (!mkdtemp(directory))
        return 1;
    (void)snprintf(path, sizeof path, "%s/boot", directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)rmdir(directory);
    return failed;
}
