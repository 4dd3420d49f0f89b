/* U-Boot's environment in a file, redundant as on a board; U-Boot itself is played by functions
 * that do what its boot counter and our scripts do, through fw_setenv where it is installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/crc32.h"
#include "device/boot_uboot.h"

#define ENVIRONMENT_SIZE 8192u /* bytes of each of the two copies */

static char directory[] = "/tmp/boot_uboot_test_XXXXXX";
static char environment[64], config[64], cmdline[64];
static struct boot_uboot uboot;
static struct boot boot;

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *out = fopen(path, "w");

    assert_true(out && fwrite(bytes, 1, size, out) == size);
    (void)fclose(out);
}

static void set_cmdline(const char *text)
{
    write_file(cmdline, text, strlen(text));
}

/* Two copies, the first in force: CRC-32, flag, then "name=value" texts. */
static void make_environment(void)
{
    static uint8_t bytes[2 * ENVIRONMENT_SIZE];
    char text[128];
    int size;

    memset(bytes, 0, sizeof bytes);
    bytes[4] = 1;
    memcpy(bytes + 5, "slipway_confirmed=a\0board=test\0", 32);
    store_le32(bytes, crc32(0, bytes + 5, ENVIRONMENT_SIZE - 5));
    store_le32(bytes + ENVIRONMENT_SIZE, 12345); /* the second copy is damaged */
    write_file(environment, bytes, sizeof bytes);
    size = snprintf(text, sizeof text, "%s 0x0 0x%x\n%s 0x%x 0x%x\n", environment, ENVIRONMENT_SIZE,
                    environment, ENVIRONMENT_SIZE, ENVIRONMENT_SIZE);
    write_file(config, text, (size_t)size);
}

static void begin(void)
{
    struct why why = {0};

    make_environment();
    set_cmdline("console=ttyS0 slipway.bank=a root=/dev/mmcblk0p2\n");
    assert_int_equal(boot_uboot_open(&uboot, config, cmdline, 2, &boot, &why), ERR_OK);
}

/* A variable as a second program sees it: fw_printenv of the tools package. */
static void expect_variable(const char *name, const char *expected)
{
    char command[256], value[64] = "";
    FILE *out;

    if (system("command -v fw_printenv >/dev/null") != 0)
        return;
    (void)snprintf(command, sizeof command, "fw_printenv -c %s -n %s 2>/dev/null", config, name);
    out = popen(command, "r");
    assert_non_null(out);
    if (fscanf(out, "%63s", value) != 1)
        value[0] = '\0';
    (void)pclose(out);
    assert_string_equal(value, expected);
}

static void set_variable(const char *name, const char *value)
{
    char command[256];

    (void)snprintf(command, sizeof command, "fw_setenv -c %s %s %s", config, name, value);
    assert_int_equal(system(command), 0);
}

static void expect(enum boot_verdict verdict, uint8_t running)
{
    struct boot_view view;

    assert_int_equal(boot.ops->look(boot.self, &view), ERR_OK);
    assert_int_equal(view.verdict, verdict);
    assert_int_equal(view.running, running);
}

static void a_trial_is_armed_and_confirmed(void **state)
{
    (void)state;
    begin();
    expect(BOOT_NORMAL, 0);
    assert_int_equal(boot.ops->try_once(boot.self, 1), ERR_OK);
    expect(BOOT_NORMAL, 0);
    expect_variable("slipway_trial", "b");
    expect_variable("upgrade_available", "1");
    expect_variable("bootcount", "0");
    expect_variable("bootlimit", "2");
    expect_variable("board", "test"); /* what others keep there stays */
    set_cmdline("slipway.bank=b");    /* U-Boot boots it */
    expect(BOOT_TRIAL, 1);
    assert_int_equal(boot.ops->confirm(boot.self), ERR_OK);
    expect(BOOT_NORMAL, 1);
    expect_variable("slipway_confirmed", "b");
    expect_variable("slipway_trial", "");
    expect_variable("upgrade_available", "0");
    assert_int_equal(boot.ops->confirm(boot.self), ERR_OK);
}

static void need_tools(void)
{
    if (system("command -v fw_setenv >/dev/null") != 0)
        skip();
}

static void a_trial_that_used_up_its_boots_is_reverted(void **state)
{
    (void)state;
    need_tools();
    begin();
    assert_int_equal(boot.ops->try_once(boot.self, 1), ERR_OK);
    set_variable("bootcount", "2"); /* two boots of b, then altbootcmd boots a */
    set_cmdline("slipway.bank=b");
    expect(BOOT_TRIAL, 1);
    set_variable("bootcount", "3");
    set_cmdline("slipway.bank=a");
    expect(BOOT_REVERTED, 0);
    expect(BOOT_REVERTED, 0);
    assert_int_equal(boot.ops->confirm(boot.self), ERR_OK);
    expect(BOOT_NORMAL, 0);
    expect_variable("slipway_confirmed", "a");
}

static void a_script_may_note_the_fall_back_itself(void **state)
{
    (void)state;
    need_tools();
    begin();
    assert_int_equal(boot.ops->try_once(boot.self, 1), ERR_OK);
    set_variable("slipway_trial", "");
    set_variable("upgrade_available", "0");
    set_variable("slipway_reverted", "1");
    expect(BOOT_REVERTED, 0);
    assert_int_equal(boot.ops->try_once(boot.self, 1), ERR_OK);
    expect(BOOT_NORMAL, 0);
    expect_variable("slipway_reverted", "");
}

static void the_running_bank_is_never_guessed(void **state)
{
    struct boot_view view;
    struct why why = {0};

    (void)state;
    begin();
    set_cmdline("console=ttyS0 xslipway.bank=b slipway.bank=c");
    assert_int_equal(boot.ops->look(boot.self, &view), ERR_INVALID);
    assert_int_equal(boot_uboot_open(&uboot, config, cmdline, 2, &boot, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "does not say slipway.bank="));
}

static void command_lines(void **state)
{
    uint8_t bank = 9;

    (void)state;
    assert_true(boot_uboot_parse_cmdline("slipway.bank=a", &bank) && bank == 0);
    assert_true(boot_uboot_parse_cmdline("quiet slipway.bank=b\n", &bank) && bank == 1);
    assert_true(boot_uboot_parse_cmdline("slipway.bank=x slipway.bank=a ro", &bank) && bank == 0);
    assert_false(boot_uboot_parse_cmdline("", &bank));
    assert_false(boot_uboot_parse_cmdline("slipway.bank=", &bank));
    assert_false(boot_uboot_parse_cmdline("slipway.bank=ab", &bank));
    assert_false(boot_uboot_parse_cmdline("my-slipway.bank=a", &bank));
}

static void an_unreadable_environment_says_so(void **state)
{
    struct why why = {0};

    (void)state;
    begin();
    assert_int_equal(truncate(environment, 10), 0);
    assert_int_equal(boot_uboot_open(&uboot, config, cmdline, 2, &boot, &why), ERR_STORAGE);
    assert_int_equal(boot_uboot_open(&uboot, "/nowhere", cmdline, 2, &boot, &why), ERR_STORAGE);
    assert_non_null(strstr(why.text, "/nowhere"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_is_armed_and_confirmed),
        cmocka_unit_test(a_trial_that_used_up_its_boots_is_reverted),
        cmocka_unit_test(a_script_may_note_the_fall_back_itself),
        cmocka_unit_test(the_running_bank_is_never_guessed),
        cmocka_unit_test(command_lines),
        cmocka_unit_test(an_unreadable_environment_says_so),
    };
    int failed;

    if (!mkdtemp(directory))
        return 1;
    (void)snprintf(environment, sizeof environment, "%s/env", directory);
    (void)snprintf(config, sizeof config, "%s/fw_env.config", directory);
    (void)snprintf(cmdline, sizeof cmdline, "%s/cmdline", directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(environment);
    (void)unlink(config);
    (void)unlink(cmdline);
    (void)rmdir(directory);
    return failed;
}
