/* How long a device stays away, and when its absence begins to mean something.
 *
 * A *return gap* is the time between two contacts. From its own last GAP_KEPT gaps a device gets
 * a deadline by split-conformal prediction: the ceil((n + 1)(1 - p))-th smallest of n gaps is
 * exceeded by the next one with probability at most p, whatever the distribution, if the next gap
 * is as good as a shuffled one of the history (Vovk, Gammerman, Shafer 2005; Lei et al. 2018).
 * For p = 1 % that takes 99 gaps: with n = 50 the longest gap seen is still exceeded with
 * probability 1/51. A device with fewer gaps takes the deadline of its class.
 *
 * A class keeps the Kaplan-Meier estimate (1958) of its gaps. Devices that are away now are gaps
 * censored by the present; without them the curve would know talkers only.
 *
 * Gaps are kept as codes, 64 to a doubling from a minute on, rounded up: a deadline is at most
 * 1.1 % late and never early. Nothing here knows when an update was installed; who uses a
 * deadline after a flip adds the time that flips take. */
#pragma once

#include "base/types.h"

#define GAP_KEPT  99u   /* gaps per device: the fewest that support p = 1 % */
#define GAP_CODES 1344u /* the last one ends after 4 years */
#define GAP_NONE  UINT32_MAX

/* One device's last gaps, 200 bytes, oldest overwritten first. */
struct gap_history {
    uint8_t count; /* at most GAP_KEPT */
    uint8_t next;  /* where the next one goes */
    uint16_t code[GAP_KEPT];
};

/* The gaps of one class of devices, ended and not ended, by code. */
struct gap_curve {
    uint32_t ended[GAP_CODES];
    uint32_t absent[GAP_CODES]; /* devices away now, by how long so far */
};

/* The code whose span of time `seconds` falls into, and the end of a code's span. */
uint16_t gap_code(uint32_t seconds);
uint32_t gap_end_s(uint16_t code);

void gap_history_add(struct gap_history *history, uint32_t gap_s);

/* The deadline in seconds that the next gap exceeds with probability at most `share_ppm`;
 * GAP_NONE when the history is too short to say. */
uint32_t gap_own_deadline_s(const struct gap_history *history, uint32_t share_ppm);

void gap_curve_ended(struct gap_curve *curve, uint32_t gap_s);
void gap_curve_absent(struct gap_curve *curve, uint32_t so_far_s);

/* The shortest time that at most `share_ppm` of the class's gaps exceed; GAP_NONE when the curve
 * never falls so low, as when too many devices are away. */
uint32_t gap_class_deadline_s(const struct gap_curve *curve, uint32_t share_ppm);

/* How long ago a device of the class was last heard of at a random moment: the shortest time that
 * at most `share_ppm` of moments exceed. Longer than the deadline for the same share, since a
 * random moment falls into a long gap more likely than into a short one (the inspection paradox);
 * a roll call must use this one. GAP_NONE when no gap has ended yet. */
uint32_t gap_class_watch_s(const struct gap_curve *curve, uint32_t share_ppm);

/* The device's own deadline if its history supports it, else the class's, else `otherwise_s`. */
uint32_t gap_deadline_s(const struct gap_history *history, const struct gap_curve *curve,
                        uint32_t share_ppm, uint32_t otherwise_s);
