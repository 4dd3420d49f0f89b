/* Seeded pseudo-random numbers for jitter, ordering and tests; never for secrets.
 *
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (xoshiro256**),
 * seeded by splitmix64 as the authors advise. Same seed, same numbers, on every machine. */
#pragma once

#include "base/types.h"

struct prng {
    uint64_t state[4];
};

struct prng prng_seeded(uint64_t seed);
uint64_t prng_next(struct prng *prng);

/* Uniform in [0, bound); `bound` at least 1. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
