/* U-Boot's environment as boot selector, through libubootenv.
 *
 *   variable            who writes    meaning
 *   slipway_confirmed   agent         bank that boots when nothing else is said: a or b
 *   slipway_trial       both          bank on trial; absent: none
 *   slipway_reverted    both          1: the trial failed; absent: no
 *   upgrade_available   both          1: U-Boot counts boots (bootcount, bootlimit)
 *   bootcount           both          boots of this trial so far
 *   bootlimit           agent         boots a trial gets; one more runs altbootcmd
 *   slipway_floor       agent         the security floor, in a second place (agent/keep.h)
 *
 * Which bank really runs is on the kernel's command line, where U-Boot's script puts
 * `slipway.bank=a`; it is never guessed from the environment. The scripts for U-Boot are in
 * docs/manual/agent.md. Setting several variables is one write of the environment; with the
 * redundant environment (CONFIG_SYS_REDUNDAND_ENVIRONMENT) that is atomic under power loss. */
#pragma once

#include "agent/boot.h"
#include "agent/keep.h"
#include "base/why.h"

#define BOOT_UBOOT_PATH_SIZE 4096u /* bytes of a path with NUL */

struct boot_uboot {
    char config[BOOT_UBOOT_PATH_SIZE];  /* as for fw_printenv: /etc/fw_env.config */
    char cmdline[BOOT_UBOOT_PATH_SIZE]; /* /proc/cmdline */
    uint32_t tries;                     /* boots a trial gets, at least 1 */
};

/* `boot` refers to `uboot`, so that one must not move. ERR_STORAGE: the environment cannot be
 * read; ERR_INVALID: the command line does not say which bank runs. */
enum err boot_uboot_open(struct boot_uboot *uboot, const char *config, const char *cmdline,
                         uint32_t tries, struct boot *boot, struct why *why) MUST_USE;

/* The keep in the environment; refers to `uboot`. */
struct keep boot_uboot_keep(struct boot_uboot *uboot);

/* The bank named by " slipway.bank=a" among the words of a kernel command line. */
bool boot_uboot_parse_cmdline(const char *text, uint8_t *bank_out) MUST_USE;
