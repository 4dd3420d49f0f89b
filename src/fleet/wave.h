/* Who comes first. With n devices drawn at random, a cohort that is a share w of the fleet is not
 * met at all with probability (1 - w)^n; of a cohort of 1 %, three examples take 838 devices. The
 * first wave is therefore chosen: it covers as many cohorts as it can, each up to WAVE_COVER
 * times, before it takes anybody twice.
 *
 * Greedy: the next device is the one whose cohorts lack most examples; it covers at least 63 % of
 * what the best choice could (Nemhauser, Wolsey, Fisher 1978). Among equals a critical release
 * takes the steadiest link, whose word comes soonest; otherwise the first in the caller's order.
 * Costs count * candidates comparisons; a few thousand candidates drawn at random are enough. */
#pragma once

#include "fleet/risk.h"

#define WAVE_COVER     3u
#define WAVE_COUNT_MAX 4096u

/* Choose up to `count` of `candidates` and put their indices into `chosen`, in order; returns how
 * many. `covered` is room for one count per cohort. Devices without a cohort still lacking
 * examples are not chosen: from there on the risk window decides by itself. */
uint32_t wave_choose(const struct risk_device *candidates, uint32_t candidate_count,
                     bool steady_first, uint32_t count, uint8_t *covered, uint32_t cohort_count,
                     uint32_t *chosen);
