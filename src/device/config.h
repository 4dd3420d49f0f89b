/* What an operator says about one agent, read from its option table and checked. */
#pragma once

#include "base/limits.h"
#include "device/record_file.h"
#include "format/native.h"
#include "os/log.h"
#include "os/options.h"

extern const struct program config_program;

enum config_boot {
    CONFIG_BOOT_FILE,
    CONFIG_BOOT_UBOOT
};

/* How the device is reset. */
enum config_reboot {
    CONFIG_REBOOT_COMMAND, /* the operator's command */
    CONFIG_REBOOT_EXEC,    /* simulation: this process starts over; a start is a power-on */
    CONFIG_REBOOT_EXIT     /* simulation: this process ends with CONFIG_EXIT_REBOOT */
};

#define CONFIG_ATTRIBUTES_MAX  (ATTRIBUTES_MAX - 1u) /* one is left for the next: */
#define CONFIG_FLOOR_ATTRIBUTE "security_floor"      /* the agent's own, from its record */

#define CONFIG_EXIT_REBOOT 10 /* exit code: "reset me now" */

/* Texts belong to the options they were read from. */
struct config {
    const char *server, *ca_file, *name, *state_dir, *root_file;
    const char *product, *hardware, *factory_version;
    const char *claim_token_file, *lock_file, *health_command, *reboot_command, *power_command;
    const char *banks[2];
    uint64_t bank_size, space_reserve, bandwidth_limit; /* bytes, bytes, bytes per second */
    uint64_t factory_size;                              /* bytes; 0: all of the bank */
    uint32_t security_floor;
    enum config_boot boot;
    enum config_reboot reboot;
    const char *boot_file, *uboot_config, *kernel_cmdline;
    uint32_t boot_tries;
    struct native_attributes attributes; /* product, hw, agent and the operator's own */
    int64_t health_timeout_s;
    uint32_t trial_timeout_s, poll_interval_s, retry_min_s, retry_max_s;
    enum log_level log_level;

    /* For tests only. */
    bool once, fail_space;
    int64_t clock_s; /* 0: the machine's clock */
    enum record_file_crash crash;
    uint32_t crash_at;
};

/* ERR_INVALID with the option at fault in why->field. */
enum err config_read(const struct options *options, struct config *out, struct why *why) MUST_USE;
