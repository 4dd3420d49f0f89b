#include "device/config.h"

#include <string.h>

#include "base/check.h"
#include "format/release.h"
#include "os/say.h"

#define DAY_S (24 * 3600)

/* clang-format off */
static const struct option_spec table[] = {
    {"config", 'c', OPTION_PATH, "/etc/slipway/agent.yaml", 0, 0, "FILE", "Read this configuration file"},
    {"server", 's', OPTION_TEXT, NULL, 0, 0, "URL", "Ask this server, https://host:port"},
    {"ca_file", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Trust servers with a certificate by these CAs (PEM) and no others"},
    {"name", 0, OPTION_TEXT, NULL, 0, 0, "NAME", "Be this device: 1 to 64 of letters, digits, dot, dash, underscore"},
    {"state_dir", 0, OPTION_PATH, "/var/lib/slipway-agent", 0, 0, "DIRECTORY", "Keep key, certificate, metadata, record and log here"},
    {"root_file", 0, OPTION_PATH, "/etc/slipway/root.json", 0, 0, "FILE", "Start from this root of the release authority (TUF root.json)"},
    {"claim_token_file", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Enrol with the claim token in this file; without one an operator must accept the device"},

    {"product", 0, OPTION_TEXT, NULL, 0, 0, "NAME", "Install releases of this product only"},
    {"hardware", 0, OPTION_TEXT, NULL, 0, 0, "NAME", "Install releases for this hardware only"},
    {"attributes", 'a', OPTION_LIST, NULL, 0, 0, "KEY=VALUE", "Tell the server these facts about the device"},
    {"factory_version", 0, OPTION_TEXT, NULL, 0, 0, "VERSION", "Say this version of the image the device was made with"},
    {"factory_size", 0, OPTION_SIZE, "0", 0, 0, "BYTES", "Take so much of the bank as that image; 0: all of it"},
    {"security_floor", 0, OPTION_INT, "0", 0, UINT32_MAX, "NUMBER", "Refuse releases below this security version from the first start on"},

    {"bank_a", 0, OPTION_PATH, NULL, 0, 0, "PATH", "Use this file or block device as bank a"},
    {"bank_b", 0, OPTION_PATH, NULL, 0, 0, "PATH", "Use this file or block device as bank b"},
    {"bank_size", 0, OPTION_SIZE, "1G", 4096, INT64_MAX, "BYTES", "Let a bank in a file grow to this size"},
    {"space_reserve", 0, OPTION_SIZE, "16M", 0, 0, "BYTES", "Leave so much of the file system free when a bank in a file grows"},
    {"boot", 0, OPTION_TEXT, "uboot", 0, 0, "file|uboot", "Switch banks by this boot selector; file is for simulations"},
    {"boot_file", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Keep the file boot selector here; fallback: STATE_DIR/boot"},
    {"boot_tries", 0, OPTION_INT, "1", 1, 100, "COUNT", "Give a trial so many boots to be confirmed"},
    {"uboot_config", 0, OPTION_PATH, "/etc/fw_env.config", 0, 0, "FILE", "Find the U-Boot environment by this file, as fw_printenv does"},
    {"kernel_cmdline", 0, OPTION_PATH, "/proc/cmdline", 0, 0, "FILE", "Read slipway.bank=a or b, the running bank, from here"},
    {"reboot_command", 0, OPTION_TEXT, "systemctl reboot", 0, 0, "COMMAND", "Reset the device so; exec: start over in this process; exit: end with code 10"},

    {"health_command", 0, OPTION_TEXT, NULL, 0, 0, "COMMAND", "Hold a new image for healthy when this shell command ends with 0"},
    {"health_timeout_s", 0, OPTION_DURATION_S, "60s", 1, DAY_S, "TIME", "Give the health command so long"},
    {"trial_timeout_s", 0, OPTION_DURATION_S, "10m", 1, DAY_S, "TIME", "Fall back when a new image is not healthy and in touch with the server by then"},
    {"power_command", 0, OPTION_TEXT, NULL, 0, 0, "COMMAND", "Begin an update, and reset for it, only when this shell command ends with 0: there is enough power"},
    {"lock_file", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Start nothing while another program holds a lock (flock) on this file"},

    {"poll_interval_s", 0, OPTION_DURATION_S, "5m", 1, 7 * DAY_S, "TIME", "Ask the server so often until it says otherwise"},
    {"retry_min_s", 0, OPTION_DURATION_S, "5s", 1, DAY_S, "TIME", "Wait up to this after a first failure"},
    {"retry_max_s", 0, OPTION_DURATION_S, "1h", 1, 7 * DAY_S, "TIME", "Wait up to this after many failures"},
    {"bandwidth_limit", 0, OPTION_SIZE, "0", 0, 0, "BYTES", "Download at most so many bytes a second; 0: no limit"},
    {"log_level", 0, OPTION_TEXT, "info", 0, 0, "error|warn|info|debug", "Say this much"},

    {"once", 0, OPTION_FLAG, NULL, 0, 0, NULL, "End when a poll was answered and nothing is left to do (for tests)"},
    {"clock", 0, OPTION_INT, "0", 0, INT64_MAX / 2000, "SECONDS", "Believe that the machine's clock shows this unix time at the start (for tests)"},
    {"fail_space", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Believe that the disk has no room for an image (for tests)"},
    {"crash_at", 0, OPTION_INT, "0", 0, UINT32_MAX, "NUMBER", "Die right after saving the record with this number (for tests)"},
    {"crash_before", 0, OPTION_INT, "0", 0, UINT32_MAX, "NUMBER", "Die right before saving the record with this number (for tests)"},
    {"crash_torn", 0, OPTION_INT, "0", 0, UINT32_MAX, "NUMBER", "Die with half of the record with this number written (for tests)"},
};
/* clang-format on */

const struct program config_program = {
    .name = "slipway-agent",
    .section = 8,
    .summary = "keep the firmware of one device up to date",
    .description =
        "Asks a Slipway server whether there is an update for this device, verifies by the signed "
        "metadata of the release authority that it is meant for it, writes it to the bank that is "
        "not running, reads it back, and boots it on trial. A trial is confirmed when the "
        "operator's health command succeeds and the server can be reached; otherwise the boot "
        "loader falls back to the image before.\n\n"
        "Power may fail at any moment. The server can choose among signed releases and do nothing "
        "else.\n\n"
        "With the operand boot the program plays the boot loader of a simulated device once: it "
        "picks the bank to run, uses up one boot of a trial, prints both and ends.",
    .operands = "[boot]",
    .config_option = "config",
    .table = table,
    .count = COUNT_OF(table),
    .files = "STATE_DIR/device.key, device.crt: the identity of the device\n\n"
             "STATE_DIR/record.0, record.1: how far an update has come\n\n"
             "STATE_DIR/tuf: verified metadata of the release authority\n\n"
             "STATE_DIR/agent.log, agent.log.1: the agent's own log, of bounded size",
    .exits = "0: stopped by SIGTERM or SIGINT, or done (--once)\n"
             "1: cannot go on; the last line on stderr says why\n"
             "2: wrong usage or configuration\n"
             "3: the server could not be asked (--once)\n"
             "10: wants to be reset (reboot_command: exit)",
    .see_also = "slipway(1), slipwayd(8), fw_printenv(1), flock(1)",
};

static enum err need(const char *text, const char *name, struct why *why)
{
    return text && text[0] ? ERR_OK : say(why, ERR_INVALID, name, "%s is not set", name);
}

static enum err need_all(const struct options *options, struct why *why)
{
    static const char *const texts[] = {"server", "name", "product", "hardware"};
    static const char *const paths[] = {"ca_file", "state_dir", "bank_a", "bank_b"};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        TRY(need(options_text(options, texts[i]), texts[i], why));
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        TRY(need(options_path(options, paths[i]), paths[i], why));
    return ERR_OK;
}

static enum err check_names(const struct config *config, struct why *why)
{
    if (strncmp(config->server, "https://", 8) != 0 ||
        config->server[strlen(config->server) - 1] == '/')
        return say(why, ERR_INVALID, "server", "server must be https://host:port without a path");
    if (!release_name_ok(config->name))
        return say(why, ERR_INVALID, "name", "name \"%s\" is not a device name", config->name);
    if (!release_name_ok(config->product))
        return say(why, ERR_INVALID, "product", "product \"%s\" is not a name", config->product);
    if (!release_name_ok(config->hardware))
        return say(why, ERR_INVALID, "hardware", "hardware \"%s\" is not a name", config->hardware);
    if (config->factory_version && !release_version_ok(config->factory_version))
        return say(why, ERR_INVALID, "factory_version", "factory_version \"%s\" is not a version",
                   config->factory_version);
    if (strcmp(config->banks[0], config->banks[1]) == 0)
        return say(why, ERR_INVALID, "bank_b", "bank_a and bank_b are the same");
    return ERR_OK;
}

static enum err check_times(const struct config *config, struct why *why)
{
    if (config->health_timeout_s > config->trial_timeout_s)
        return say(why, ERR_INVALID, "health_timeout_s",
                   "health_timeout_s is longer than trial_timeout_s");
    if (config->retry_min_s > config->retry_max_s)
        return say(why, ERR_INVALID, "retry_min_s", "retry_min_s is longer than retry_max_s");
    return ERR_OK;
}

static void add_attribute(struct native_attributes *list, struct span name, struct span value)
{
    CHECK(list->count < ATTRIBUTES_MAX);
    list->list[list->count++] = (struct native_attribute){name, value};
}

static bool attribute_known(const struct native_attributes *list, struct span name)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (span_equal(list->list[i].name, name))
            return true;
    }
    return false;
}

static enum err take_attribute(const char *text, struct native_attributes *out, struct why *why)
{
    const char *equals = strchr(text, '=');
    struct span name, value;

    if (!equals || equals == text)
        return say(why, ERR_INVALID, "attributes", "attribute \"%s\" is not KEY=VALUE", text);
    name = (struct span){(const uint8_t *)text, (size_t)(equals - text)};
    value = span_of(equals + 1);
    if (name.size > NAME_SIZE_MAX || value.size > ATTRIBUTE_SIZE_MAX)
        return say(why, ERR_INVALID, "attributes", "attribute \"%.40s\" is too long", text);
    if (attribute_known(out, name))
        return say(why, ERR_INVALID, "attributes", "attribute %.*s is given twice", (int)name.size,
                   text);
    if (out->count == CONFIG_ATTRIBUTES_MAX)
        return say(why, ERR_INVALID, "attributes", "there may be %u attributes at most",
                   CONFIG_ATTRIBUTES_MAX);
    if (span_is(name, CONFIG_FLOOR_ATTRIBUTE))
        return say(why, ERR_INVALID, "attributes", "attribute %s is the agent's own",
                   CONFIG_FLOOR_ATTRIBUTE);
    add_attribute(out, name, value);
    return ERR_OK;
}

static enum err read_attributes(const struct options *options, struct config *config,
                                struct why *why)
{
    struct native_attributes *out = &config->attributes;
    size_t count;
    const char *const *items = options_list(options, "attributes", &count);

    out->count = 0;
    add_attribute(out, SPAN_LITERAL("product"), span_of(config->product));
    add_attribute(out, SPAN_LITERAL("hw"), span_of(config->hardware));
    add_attribute(out, SPAN_LITERAL("agent"), SPAN_LITERAL("slipway-agent " SLIPWAY_VERSION));
    for (size_t i = 0; i < count; i++)
        TRY(take_attribute(items[i], out, why));
    return ERR_OK;
}

static enum config_reboot reboot_kind(const char *command)
{
    return strcmp(command, "exec") == 0   ? CONFIG_REBOOT_EXEC
           : strcmp(command, "exit") == 0 ? CONFIG_REBOOT_EXIT
                                          : CONFIG_REBOOT_COMMAND;
}

static void read_texts(const struct options *options, struct config *out)
{
    out->server = options_text(options, "server");
    out->ca_file = options_path(options, "ca_file");
    out->name = options_text(options, "name");
    out->state_dir = options_path(options, "state_dir");
    out->root_file = options_path(options, "root_file");
    out->product = options_text(options, "product");
    out->hardware = options_text(options, "hardware");
    out->factory_version = options_text(options, "factory_version");
    out->claim_token_file = options_path(options, "claim_token_file");
    out->lock_file = options_path(options, "lock_file");
    out->health_command = options_text(options, "health_command");
    out->reboot_command = options_text(options, "reboot_command");
    out->power_command = options_text(options, "power_command");
    out->banks[0] = options_path(options, "bank_a");
    out->banks[1] = options_path(options, "bank_b");
    out->boot_file = options_path(options, "boot_file");
    out->uboot_config = options_path(options, "uboot_config");
    out->kernel_cmdline = options_path(options, "kernel_cmdline");
}

static void read_numbers(const struct options *options, struct config *out)
{
    out->bank_size = options_size(options, "bank_size");
    out->space_reserve = options_size(options, "space_reserve");
    out->bandwidth_limit = options_size(options, "bandwidth_limit");
    out->factory_size = options_size(options, "factory_size");
    out->security_floor = (uint32_t)options_int(options, "security_floor");
    out->boot_tries = (uint32_t)options_int(options, "boot_tries");
    out->health_timeout_s = options_duration_s(options, "health_timeout_s");
    out->trial_timeout_s = (uint32_t)options_duration_s(options, "trial_timeout_s");
    out->poll_interval_s = (uint32_t)options_duration_s(options, "poll_interval_s");
    out->retry_min_s = (uint32_t)options_duration_s(options, "retry_min_s");
    out->retry_max_s = (uint32_t)options_duration_s(options, "retry_max_s");
}

static void read_test_options(const struct options *options, struct config *out)
{
    static const struct {
        const char *name;
        enum record_file_crash crash;
    } crashes[] = {{"crash_at", RECORD_CRASH_AFTER},
                   {"crash_before", RECORD_CRASH_BEFORE},
                   {"crash_torn", RECORD_CRASH_TORN}};

    out->once = options_flag(options, "once");
    out->fail_space = options_flag(options, "fail_space");
    out->clock_s = options_int(options, "clock");
    for (size_t i = 0; i < COUNT_OF(crashes); i++) {
        uint32_t at = (uint32_t)options_int(options, crashes[i].name);

        if (at == 0)
            continue;
        out->crash = crashes[i].crash;
        out->crash_at = at;
    }
}

enum err config_read(const struct options *options, struct config *out, struct why *why)
{
    struct config config = {0};

    TRY(need_all(options, why));
    read_texts(options, &config);
    read_numbers(options, &config);
    read_test_options(options, &config);
    config.boot =
        strcmp(options_text(options, "boot"), "file") == 0 ? CONFIG_BOOT_FILE : CONFIG_BOOT_UBOOT;
    config.reboot = reboot_kind(config.reboot_command);
    if (config.reboot == CONFIG_REBOOT_EXEC && config.boot != CONFIG_BOOT_FILE)
        return say(why, ERR_INVALID, "reboot_command", "exec is for boot: file only");
    if (!log_level_parse(span_of(options_text(options, "log_level")), &config.log_level))
        return say(why, ERR_INVALID, "log_level", "log_level is not a level");
    TRY(check_names(&config, why));
    TRY(check_times(&config, why));
    TRY(read_attributes(options, &config, why));
    *out = config;
    return ERR_OK;
}
