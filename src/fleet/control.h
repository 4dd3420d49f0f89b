/* Silence compared with silence: devices that have the release against devices that do not yet.
 *
 * A provider's outage makes both kinds overdue, so it must not speak against the release. In each
 * stratum (link class, region: whatever shares an outage) and each stretch of time, deadlines come
 * due in both arms. Of m devices found silent, x have the release; w is the release's share of
 * all deadlines. For an odds ratio t against the tolerated one t0,
 *
 *     (t/t0)^x * ((t0 w + 1 - w) / (t w + 1 - w))^m
 *
 * has expectation at most 1 if the release raises the odds of silence by t0 at most, whatever made
 * the m devices silent: given m, x is hypergeometric, its exponential moments are at most the
 * binomial ones (Hoeffding 1963, theorem 4), and for those the product is at most 1 as long as
 * t >= t0. This is the anytime-valid log-rank test with Breslow's ties (ter Schure, Perez-Ortiz,
 * Ly, Gruenwald 2024; Turner, Ly, Gruenwald 2024 for two streams). Stretches multiply.
 *
 * A stratum in which no device is left without the release falls back on the known background; one
 * that merely saw no control deadline in this stretch says nothing. Both are known beforehand, so
 * the choice does not spoil the test.
 *
 * One power cut is one event: of a site's devices that fall silent within a while, whatever the
 * arm, only the first is handed in as silent. */
#pragma once

#include "fleet/evidence.h"

struct control_arm {
    uint32_t due;       /* deadlines that passed */
    uint32_t silent;    /* of them without a sign of life */
    int64_t background; /* q32: silent ones to be expected, tolerance included */
};

/* Judge one stratum's stretch and leave the treated arm empty. `watched`: devices without the
 * release exist here. The control arm is shared by cohorts and is emptied by its owner. */
void control_judge(struct evidence *evidence, struct control_arm *treated,
                   const struct control_arm *control, bool watched, int64_t tolerance);
