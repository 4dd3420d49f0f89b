#include "fleet/evidence.h"

#include "base/check.h"

#define LN_COUNT INT64_C(8357620451) /* ln 7 in q32 */

/* Close together where a moderate defect has to be found soon, wide where anything finds it. */
const uint8_t evidence_effects[EVIDENCE_EFFECTS] = {4, 5, 6, 8, 12, 24, 80};

/* ln of the effect sizes in q32; the test compares them with fixed_ln(). */
static const int64_t ln_effects[EVIDENCE_EFFECTS] = {
    2977044472, 3935438727, 4718503851, 5954088944, 7695548323, 10672592794, 15843616614};

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

int64_t evidence_tilt(uint32_t effect, int64_t most)
{
    int64_t tilt = (evidence_effects[effect] - 2) * (FIXED_ONE / 2);

    CHECK(effect < EVIDENCE_EFFECTS && most >= 0);
    return tilt < most ? tilt : most;
}

void evidence_add(struct evidence *evidence, uint32_t effect, int64_t log)
{
    CHECK(effect < EVIDENCE_EFFECTS);
    evidence->log[effect] += log;
}

int64_t evidence_log(const struct evidence *evidence)
{
    return fixed_ln_sum(evidence->log, EVIDENCE_EFFECTS) - LN_COUNT;
}
