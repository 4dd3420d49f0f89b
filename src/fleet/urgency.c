#include "fleet/urgency.h"

#include "base/check.h"
#include "fleet/exposure.h"
#include "fleet/limit.h"

#define MILLION 1000000u
#define K_MAX   (1u << 20)

uint32_t urgency_hours(const struct urgency *urgency, uint32_t harmed_max)
{
    int64_t refute = fixed_ln(fixed_ratio(2 * EXPOSURE_RUNGS * MILLION, urgency->doubt_ppm));
    int64_t tail = fixed_ln(fixed_ratio(2 * MILLION, urgency->doubt_ppm));
    int64_t mean = limit_mean(harmed_max, tail);
    int64_t growth = FIXED_ONE + fixed_div(mean, refute);
    int64_t reach = (int64_t)urgency->devices << 32, rounds;

    if (mean < FIXED_ONE)
        return UINT32_MAX; /* not one device may be exposed */
    rounds = reach <= mean ? 0 : fixed_div(fixed_ln(fixed_div(reach, mean)), fixed_ln(growth));
    rounds = fixed_mul(rounds + FIXED_ONE, (int64_t)urgency->round_trip_h << 32);
    return rounds >> 32 >= UINT32_MAX ? UINT32_MAX : (uint32_t)(rounds >> 32);
}

/* In millionths of the cost's unit; saturates. */
static uint64_t cost_of(const struct urgency *urgency, uint32_t harmed_max)
{
    uint64_t hours = urgency_hours(urgency, harmed_max);
    uint64_t harm = (uint64_t)urgency->defect_ppm * urgency->harm_cost;
    uint64_t exploit = (uint64_t)urgency->exploit_ppm_day * urgency->exploit_cost;
    uint64_t waiting = hours * urgency->devices / 24;

    if (harm > UINT64_MAX / 2 / harmed_max)
        return UINT64_MAX;
    harm *= harmed_max;
    if (waiting != 0 && exploit > UINT64_MAX / 2 / waiting)
        return UINT64_MAX;
    return harm + exploit * waiting;
}

struct urgency_advice urgency_advise(const struct urgency *urgency)
{
    struct urgency_advice advice = {0};
    uint64_t least = UINT64_MAX;
    uint32_t most = urgency->devices < K_MAX ? urgency->devices : K_MAX;

    CHECK(urgency->devices >= 1 && urgency->devices <= 1u << 30 && urgency->doubt_ppm >= 1 &&
          urgency->doubt_ppm <= MILLION / 2 && urgency->least_harmed_max >= 1 &&
          urgency->least_harmed_max <= K_MAX);
    for (uint64_t k = urgency->least_harmed_max; k <= most || advice.harmed_max == 0; k *= 2) {
        uint32_t harmed_max = k < K_MAX ? (uint32_t)k : K_MAX;
        uint64_t cost = cost_of(urgency, harmed_max);

        if (cost < least || advice.harmed_max == 0) {
            least = cost;
            advice.harmed_max = harmed_max;
        }
    }
    advice.hours = urgency_hours(urgency, advice.harmed_max);
    advice.needs_approval = advice.harmed_max > urgency->approved_max;
    return advice;
}
