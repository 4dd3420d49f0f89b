/* What the agent asks of a boot loader; MCUboot, U-Boot and a file in a simulation implement it.
 *
 *                 try_once(b)          reset
 *     NORMAL on a -----------> (armed) -----> TRIAL on b --confirm--> NORMAL on b
 *        ^                                      |
 *        |                                      | reset without confirm, tries used up
 *        +--------------confirm------------ REVERTED on a
 *
 * Contract: each call is atomic under power loss and durable on return. A trial that is not
 * confirmed ends by itself at a reset, at the latest when the boot loader's tries are used up.
 * REVERTED stays until confirm() or the next try_once(), through any number of resets. */
#pragma once

#include "base/err.h"

enum boot_verdict {
    BOOT_NORMAL,   /* running the confirmed image */
    BOOT_TRIAL,    /* running a new image on probation */
    BOOT_REVERTED, /* a trial failed; running the confirmed image again */
};

struct boot_view {
    enum boot_verdict verdict;
    uint8_t running; /* bank 0 or 1 */
};

struct boot_ops {
    /* What happened at this boot. Same answer until confirm() or a reset. */
    enum err (*look)(void *self, struct boot_view *out);

    /* Arm a trial of `bank` at the next reset. */
    enum err (*try_once)(void *self, uint8_t bank);

    /* Keep the running bank, forget about any trial, armed or running. Harmless when repeated. */
    enum err (*confirm)(void *self);
};

struct boot {
    const struct boot_ops *ops;
    void *self;
};
