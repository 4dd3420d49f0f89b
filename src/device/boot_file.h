/* A boot selector in a small file, for simulations: what U-Boot keeps in its environment.
 *
 *     confirmed=a          the bank that boots when nothing else is said
 *     trial=b              armed or running trial; "none"
 *     tries=1              boots the trial has left
 *     running=a            the bank of this boot
 *     verdict=normal       normal, trial or reverted, of this boot
 *
 * The agent's half is struct boot; the boot loader's half is boot_file_power_on(), which
 * `slipway-agent boot` runs. The file is replaced as a whole, so a power cut leaves the old
 * content or the new one. A missing file means bank a, confirmed; a damaged one is an error. */
#pragma once

#include "agent/boot.h"
#include "agent/keep.h"
#include "base/why.h"

#define BOOT_FILE_PATH_SIZE 4096u /* bytes of a path with NUL */
#define BOOT_FILE_NONE      2u    /* no bank */

struct boot_file_state {
    uint8_t confirmed; /* bank 0 or 1 */
    uint8_t trial;     /* bank, or BOOT_FILE_NONE */
    uint32_t tries;
    uint8_t running;
    enum boot_verdict verdict;
};

struct boot_file {
    char path[BOOT_FILE_PATH_SIZE];
    uint32_t tries; /* boots a trial gets, at least 1 */
};

/* `boot` refers to `file`, so that one must not move. */
enum err boot_file_open(struct boot_file *file, const char *path, uint32_t tries, struct boot *boot,
                        struct why *why) MUST_USE;

/* The keep of such a device: PATH.floor, one decimal line. Refers to `file`. */
struct keep boot_file_keep(struct boot_file *file);

/* What the boot loader does at a reset: pick the bank, use up a try, write that down. */
enum err boot_file_power_on(const struct boot_file *file, struct boot_file_state *out,
                            struct why *why) MUST_USE;

enum err boot_file_load(const struct boot_file *file, struct boot_file_state *out,
                        struct why *why) MUST_USE;

/* 'a' and 'b'. */
char boot_file_bank_letter(uint8_t bank);
