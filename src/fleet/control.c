#include "fleet/control.h"

#include "base/check.h"

#define BALANCE_MAX (FIXED_ONE / 20 * 19) /* 1 - c at most: a silent control device costs e^3 */

static void compare(struct evidence *evidence, const struct control_arm *treated,
                    const struct control_arm *control, int64_t tolerance)
{
    int64_t share = fixed_mul(fixed_ratio(treated->due, control->due), tolerance) + 1;
    int64_t most = fixed_div(BALANCE_MAX, share);

    evidence->events += treated->silent;
    evidence->background += treated->background;
    for (uint32_t i = 0; i < EVIDENCE_EFFECTS; i++) {
        int64_t tilt = evidence_tilt(i, most), balance = fixed_mul(tilt, share) + 1;
        int64_t log = fixed_mul(balance, control->background) - 2;

        log -= fixed_mul(tilt, treated->background);
        if (treated->silent != 0)
            log += treated->silent * fixed_ln(FIXED_ONE + tilt);
        if (control->silent != 0)
            log += control->silent * fixed_ln(FIXED_ONE - balance);
        evidence_add(evidence, i, log);
    }
}

void control_judge(struct evidence *evidence, struct control_arm *treated,
                   const struct control_arm *control, bool watched, int64_t tolerance)
{
    CHECK(treated->silent <= treated->due && control->silent <= control->due);
    if (treated->due == 0)
        return;
    if (!watched) {
        for (uint32_t i = 0; i < treated->silent; i++)
            evidence_event(evidence);
        evidence_charge(evidence, treated->background);
    } else if (control->due != 0) {
        compare(evidence, treated, control, tolerance);
    }
    *treated = (struct control_arm){0};
}
