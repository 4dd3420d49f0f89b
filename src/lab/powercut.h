/* Cut the power inside every durable operation of every update story, and look whether the device
 * comes up again, ends where it should, and the server hears of it. */
#pragma once

#include "lab/rig.h"

struct powercut_plan {
    enum rig_flow flow;
    uint64_t seed;
    uint32_t stride; /* units between two single cuts; 1 = after every byte */
    uint32_t pairs;  /* random runs with two to four cuts */
    uint8_t loader_tries;
    uint32_t erase_size; /* bytes */
};

struct powercut_figures {
    uint64_t units;         /* of power that the story takes without a cut: the places to cut at */
    uint64_t singles;       /* runs with one cut */
    uint64_t pairs;         /* runs with several */
    uint64_t cuts;          /* that happened, in all of them */
    uint64_t failures;      /* runs that did not converge */
    uint64_t bricks;        /* of them: a bank without a whole image was booted */
    uint32_t boots_max;     /* of one run */
    struct rig_setup worst; /* the first run that failed, to be repeated */
    struct rig_result worst_result;
};

void powercut_run(const struct powercut_plan *plan, struct powercut_figures *out);
