#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device/config.h"

#define GOOD                                 \
    "server: https://updates.example:8443\n" \
    "ca_file: /etc/slipway/ca.crt\n"         \
    "name: cam-1\n"                          \
    "product: cam\n"                         \
    "hardware: rev-a\n"                      \
    "bank_a: /dev/mmcblk0p2\n"               \
    "bank_b: /dev/mmcblk0p3\n"

static struct options options;

static enum err read_text(const char *text, struct config *config, struct why *why)
{
    assert_int_equal(options_parse_text(config_program.table, config_program.count, "agent.yaml",
                                        text, strlen(text), &options, why),
                     ERR_OK);
    return config_read(&options, config, why);
}

static void expect_refusal(const char *text, const char *field)
{
    struct config config;
    struct why why = {0};

    assert_int_equal(read_text(text, &config, &why), ERR_INVALID);
    assert_string_equal(why.field, field);
    assert_string_not_equal(why.text, "");
    options_close(&options);
}

static void the_least_configuration_works(void **state)
{
    struct config config;
    struct why why = {0};

    (void)state;
    assert_int_equal(read_text(GOOD, &config, &why), ERR_OK);
    assert_string_equal(config.name, "cam-1");
    assert_string_equal(config.banks[1], "/dev/mmcblk0p3");
    assert_int_equal(config.boot, CONFIG_BOOT_UBOOT);
    assert_int_equal(config.reboot, CONFIG_REBOOT_COMMAND);
    assert_int_equal(config.boot_tries, 1);
    assert_int_equal(config.bank_size, 1u << 30);
    assert_int_equal(config.crash, RECORD_CRASH_NEVER);
    assert_false(config.once || config.fail_space);
    options_close(&options);
}

static void the_operators_attributes_join_our_own(void **state)
{
    struct config config;
    struct why why = {0};

    (void)state;
    assert_int_equal(
        read_text(GOOD "attributes: [site=oslo, \"note=a=b\", empty=]\n", &config, &why), ERR_OK);
    assert_int_equal(config.attributes.count, 6);
    assert_true(span_is(config.attributes.list[0].name, "product"));
    assert_true(span_is(config.attributes.list[1].value, "rev-a"));
    assert_true(span_is(config.attributes.list[4].name, "note"));
    assert_true(span_is(config.attributes.list[4].value, "a=b"));
    assert_true(span_is(config.attributes.list[5].value, ""));
    options_close(&options);
}

static void what_is_missing_or_wrong_is_named(void **state)
{
    (void)state;
    expect_refusal("name: cam-1\n", "server");
    expect_refusal("server: https://a\nname: c\nproduct: p\nhardware: h\n", "ca_file");
    expect_refusal(GOOD "attributes: [oslo]\n", "attributes");
    expect_refusal(GOOD "attributes: [\"=oslo\"]\n", "attributes");
    expect_refusal(GOOD "attributes: [a=1, a=2]\n", "attributes");
    expect_refusal(GOOD "attributes: [product=x]\n", "attributes");
    expect_refusal(GOOD "reboot_command: exec\n", "reboot_command");
    expect_refusal(GOOD "health_timeout_s: 11m\n", "health_timeout_s");
    expect_refusal(GOOD "retry_min_s: 2h\n", "retry_min_s");
    expect_refusal(GOOD "factory_version: \"a b\"\n", "factory_version");
}

static void names_are_checked(void **state)
{
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"server: http://a\nname: c\nproduct: p\nhardware: h\n", "server"},
        {"server: https://a/\nname: c\nproduct: p\nhardware: h\n", "server"},
        {"server: https://a\nname: c/d\nproduct: p\nhardware: h\n", "name"},
        {"server: https://a\nname: c\nproduct: ..\nhardware: h\n", "product"},
        {"server: https://a\nname: c\nproduct: p\nhardware: \"h h\"\n", "hardware"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];

        (void)snprintf(text, sizeof text, "ca_file: x\nbank_a: y\nbank_b: z\n%s", cases[i].text);
        expect_refusal(text, cases[i].field);
    }
    expect_refusal("ca_file: x\nbank_a: y\nbank_b: y\nserver: https://a\nname: c\nproduct: p\n"
                   "hardware: h\n",
                   "bank_b");
}

static void simulations_and_faults(void **state)
{
    struct config config;
    struct why why = {0};

    (void)state;
    assert_int_equal(read_text(GOOD "boot: file\nreboot_command: exec\ncrash_torn: 7\n"
                                    "clock: 5\nfail_space: true\n",
                               &config, &why),
                     ERR_OK);
    assert_int_equal(config.reboot, CONFIG_REBOOT_EXEC);
    assert_int_equal(config.crash, RECORD_CRASH_TORN);
    assert_int_equal(config.crash_at, 7);
    assert_int_equal(config.clock_s, 5);
    assert_true(config.fail_space);
    options_close(&options);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_configuration_works),
        cmocka_unit_test(the_operators_attributes_join_our_own),
        cmocka_unit_test(what_is_missing_or_wrong_is_named),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(simulations_and_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
