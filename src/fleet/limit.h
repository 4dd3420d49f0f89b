/* How large a rate may still be, given what has been seen, at every moment at once.
 *
 * limit_expected(): events of a counting process were seen. The largest compensator m that is not
 * yet refuted is where the mean of r^events * exp((1 - r) * m), over a fixed list of r below 1,
 * reaches e^refute. As in fleet/evidence.h this is a supermartingale if the true compensator is
 * at least m, so by Ville the true compensator ever exceeds the limit with probability at most
 * e^-refute. It is the same test as evidence, turned round: too *few* bad events for so much harm.
 *
 * limit_mean(): the largest Poisson mean that exceeds `count` with probability at most e^-refute.
 * A binomial count with that mean exceeds it more rarely still (Anderson and Samuels 1967), so a
 * release that harms each device with probability q harms more than `count` of the first
 * limit_mean() / q devices with at most that probability. The tail is bounded by its first term
 * and a geometric series, the factorial by Robbins 1955.
 *
 * Sources as in fleet/evidence.h; Garwood 1936 for the limit at a fixed time. */
#pragma once

#include "fleet/fixed.h"

#define LIMIT_RATES 10u

struct limit_rate {
    int64_t parts;           /* r in parts of 32 */
    int64_t log, log_weight; /* q32 */
};

extern const struct limit_rate limit_rates[LIMIT_RATES];

/* In q32; rounded up. `events` at most 2^30, `refute` a q32 above 0. */
int64_t limit_expected(uint32_t events, int64_t refute);

/* In q32; rounded down. `count` from 1 to 2^20. */
int64_t limit_mean(uint32_t count, int64_t refute);
