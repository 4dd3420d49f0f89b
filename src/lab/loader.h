/* A boot loader with two banks and a trial, as agent/boot.h wants it. Its own word of state is
 * atomic: power fails before or after a change, never inside. */
#pragma once

#include "agent/boot.h"
#include "lab/power.h"

struct loader {
    uint8_t confirmed, trial; /* banks */
    bool armed;               /* a trial is wanted at the next reset */
    bool on_trial;            /* the trial runs and nobody has confirmed it */
    bool reverted;            /* the last trial failed, and nobody has taken note */
    uint8_t tries_max;        /* boots that one trial gets */
    uint8_t tries;            /* boots it has had */
    struct power *power;      /* borrowed */
};

/* Reset: choose the bank to run. */
uint8_t loader_boot(struct loader *loader);

struct boot loader_boot_ops(struct loader *loader);
