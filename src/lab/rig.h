/* One device on a test bench: the shipped agent core on emulated flash, a boot loader, a power
 * supply that fails on demand, and as much of a server as one device needs. Time is virtual,
 * chance comes from one seed: the same setup gives the same run, byte for byte.
 *
 * After every boot the rig checks that the bank which runs holds a whole image. It ends when the
 * server has a final report for its last assignment and the device is idle again. */
#pragma once

#include <stdio.h>

#include "agent/agent.h"
#include "lab/flash.h"
#include "lab/loader.h"

#define RIG_IMAGE_SIZE 9700u /* bytes; no multiple of anything */
#define RIG_CHUNK_SIZE 1024u
#define RIG_BANK_SIZE  16384u
#define RIG_CHUNKS_MAX 16u

/* A story that the device is sent through. */
enum rig_flow {
    RIG_INSTALL,  /* version 1 to version 2 */
    RIG_RESUME,   /* the same over a link that breaks all the time */
    RIG_SPOILED,  /* the same, with chunks and lists spoiled on the way now and then */
    RIG_WEAK,     /* the same, on flash that loses a bit now and then */
    RIG_SEALED,   /* the same, encrypted, over a link that breaks all the time */
    RIG_REVERT,   /* version 2 is sick: back to version 1 */
    RIG_ROLLBACK, /* version 2 runs; back to version 1 in the other bank, no download */
    RIG_RECALL,   /* the server takes it back before the flip */
    RIG_FLOW_COUNT
};

const char *rig_flow_name(enum rig_flow flow);

struct rig_setup {
    enum rig_flow flow;
    uint64_t seed;
    uint64_t cuts[POWER_CUTS_MAX]; /* units of power after which it fails; ascending */
    uint32_t cut_count;
    FILE *trace;          /* every step as a line, NULL for none */
    uint8_t loader_tries; /* boots of one trial */
    uint32_t erase_size;  /* bytes of a flash block */
};

/* How a run ended. */
enum rig_end {
    RIG_CONVERGED,
    RIG_BRICK,    /* a bank was booted that holds no whole image */
    RIG_STUCK,    /* no end in sight */
    RIG_LOST,     /* a final report never came, or a second one contradicts it */
    RIG_WRONG,    /* the device runs something else than it reported */
    RIG_DOWNLOAD, /* bytes were fetched although none were needed */
    RIG_FLOOR,    /* the security floor fell, rose too early or above what can be booted */
};

const char *rig_end_name(enum rig_end end);

struct rig_result {
    enum rig_end end;
    uint64_t units; /* of power spent; more than the last cut means that it happened */
    uint32_t cuts_taken;
    uint32_t boots;
    uint32_t assignments; /* that the server gave */
    uint32_t image_bytes; /* fetched */
    uint32_t outcome;     /* enum native_phase of the last assignment */
};

/* Run one setup to its end. */
struct rig_result rig_run(const struct rig_setup *setup);

/* Units of power that had been spent when each durable operation of the last run began, at most
 * `count_max` of them. Returns their number. */
uint32_t rig_operations(uint64_t *out, uint32_t count_max);
