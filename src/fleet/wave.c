#include "fleet/wave.h"

#include "base/check.h"

static uint32_t gain_of(const struct risk_device *device, const uint8_t *covered)
{
    uint32_t gain = 0;

    for (uint32_t i = 0; i < device->cohort_count; i++)
        gain +=
            covered[device->cohorts[i]] < WAVE_COVER ? WAVE_COVER - covered[device->cohorts[i]] : 0;
    return gain;
}

static bool taken(const uint32_t *chosen, uint32_t count, uint32_t index)
{
    for (uint32_t i = 0; i < count; i++) {
        if (chosen[i] == index)
            return true;
    }
    return false;
}

uint32_t wave_choose(const struct risk_device *candidates, uint32_t candidate_count,
                     bool steady_first, uint32_t count, uint8_t *covered, uint32_t cohort_count,
                     uint32_t *chosen)
{
    uint32_t done = 0;

    CHECK(count <= WAVE_COUNT_MAX && cohort_count >= 1);
    memset(covered, 0, cohort_count);
    while (done < count) {
        uint32_t best = 0, best_gain = 0;

        for (uint32_t i = 0; i < candidate_count; i++) {
            uint32_t gain = gain_of(&candidates[i], covered);
            bool better = gain > best_gain || (gain == best_gain && gain > 0 && steady_first &&
                                               candidates[i].due[EXPOSURE_RUNGS - 1] <
                                                   candidates[best].due[EXPOSURE_RUNGS - 1]);

            if (better && !taken(chosen, done, i)) {
                best = i;
                best_gain = gain;
            }
        }
        if (best_gain == 0)
            break;
        chosen[done++] = best;
        for (uint32_t i = 0; i < candidates[best].cohort_count; i++)
            covered[candidates[best].cohorts[i]]++;
    }
    return done;
}
