/* One device's power supply. Everything that changes durable state is paid for in units (a byte
 * programmed, a piece of a block erased, a word of the boot loader), so that a test can end the
 * world inside any operation, after any unit of it. */
#pragma once

#include <setjmp.h>

#include "base/prng.h"

#define POWER_CUTS_MAX 4u
#define POWER_NO_CUT   UINT64_MAX
#define POWER_OPS_MAX  4096u /* operations whose beginnings are noted */

struct power {
    uint64_t spent;                 /* units since the world began */
    uint64_t cuts[POWER_CUTS_MAX];  /* power fails after that many units; ascending */
    uint32_t cut_count, cuts_taken; /* of them, those that have happened */
    uint64_t ops[POWER_OPS_MAX];    /* units spent when each operation began */
    uint32_t op_count;
    struct prng *prng; /* what half-written cells hold */
    jmp_buf off;       /* where the world continues after a failure */
};

/* Pay for `units`. Returns how many of them still complete; when that is fewer, the caller leaves
 * its work half done and calls power_off(). */
uint64_t power_spend(struct power *power, uint64_t units);

/* Does not return: the device under test stops here, exactly as in life. */
_Noreturn void power_off(struct power *power);
