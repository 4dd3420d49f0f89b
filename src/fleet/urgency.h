/* Which K? A larger one harms more devices if the release is bad and leaves fewer of them
 * vulnerable meanwhile if it is good. The recommended K is the one that costs least:
 *
 *     cost(K) = defect_share * harm_cost * harmed(K) + exploit_rate * exploit_cost * waiting(K)
 *
 * harmed(K) = K, the bound of fleet/exposure.h: pessimistic for every K alike. waiting(K) is
 * device-hours without the release: the fleet times the time it takes, as exposure grows by the
 * factor 1 + mean(K)/refute per round trip (docs/design/risk.md). A vulnerability that is being
 * exploited raises exploit_rate; nothing else about it is special. Above a limit the larger K needs
 * an approval, which is the caller's to ask for.
 *
 * Only powers of two times the least K are tried; the true optimum costs at most a little less. */
#pragma once

#include "base/types.h"

struct urgency {
    uint32_t devices;          /* at most 2^30 */
    uint32_t round_trip_h;     /* from leave to a deadline */
    uint32_t doubt_ppm;        /* as struct risk_rule */
    uint32_t defect_ppm;       /* chance that the release is bad */
    uint32_t harm_cost;        /* of one harmed device, any unit */
    uint32_t exploit_cost;     /* of one exploited device, the same unit */
    uint32_t exploit_ppm_day;  /* chance that one device is exploited, per day */
    uint32_t least_harmed_max; /* risk_least_harmed_max() */
    uint32_t approved_max;     /* above it an approval is needed */
};

struct urgency_advice {
    uint32_t harmed_max; /* K */
    uint32_t hours;      /* until nearly everybody has it, if all is well; rough */
    bool needs_approval;
};

struct urgency_advice urgency_advise(const struct urgency *urgency);

/* Hours until nearly everybody has it with that K, if all is well; rough. */
uint32_t urgency_hours(const struct urgency *urgency, uint32_t harmed_max);
