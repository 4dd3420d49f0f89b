#include "fleet/control.h"

#include "base/check.h"

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
        evidence_compare(evidence, treated->silent, treated->silent + control->silent,
                         fixed_ratio(treated->due, treated->due + control->due), tolerance);
    }
    *treated = (struct control_arm){0};
}
