#include "fleet/evidence.h"

#include "base/check.h"

#define LN_COUNT INT64_C(8357620451) /* ln 7 in q32 */

/* Close together where a moderate defect has to be found soon, wide where anything finds it. */
const uint8_t evidence_effects[EVIDENCE_EFFECTS] = {3, 4, 6, 9, 16, 32, 80};

/* ln of the effect sizes in q32; the test compares them with fixed_ln(). */
static const int64_t ln_effects[EVIDENCE_EFFECTS] = {
    1741459379, 2977044472, 4718503851, 6459963230, 8931133415, 11908177887, 15843616614};

void evidence_start(struct evidence *evidence)
{
    *evidence = (struct evidence){0};
}

void evidence_event(struct evidence *evidence)
{
    evidence->events++;
    for (uint32_t i = 0; i < EVIDENCE_EFFECTS; i++)
        evidence->log[i] += ln_effects[i];
}

void evidence_charge(struct evidence *evidence, int64_t background)
{
    CHECK(background >= 0);
    evidence->background += background;
    for (uint32_t i = 0; i < EVIDENCE_EFFECTS;
         i++) /* r - 1 in halves; rounded against the gambler */
        evidence->log[i] -= ((evidence_effects[i] - 2) * background + 1) / 2;
}

void evidence_compare(struct evidence *evidence, uint32_t treated, uint32_t events, int64_t share,
                      int64_t tolerance)
{
    int64_t rest = FIXED_ONE - share, harmless;

    CHECK(treated <= events && share >= 0 && share <= FIXED_ONE && tolerance >= FIXED_ONE);
    if (events == 0 || share == 0)
        return;
    harmless = fixed_ln(fixed_mul(tolerance, share) + rest);
    evidence->events += treated;
    for (uint32_t i = 0; i < EVIDENCE_EFFECTS; i++) {
        int64_t odds = tolerance * evidence_effects[i] / 2;
        int64_t harmful = fixed_ln(fixed_mul(odds, share) + rest);

        evidence->log[i] += treated * ln_effects[i] - events * (harmful - harmless);
    }
}

int64_t evidence_log(const struct evidence *evidence)
{
    return fixed_ln_sum(evidence->log, EVIDENCE_EFFECTS) - LN_COUNT;
}
