/* Silence compared with silence: devices that have the release against devices that do not yet.
 *
 * A provider's outage makes both kinds overdue, so it must not speak against the release. In each
 * stratum (link class, region: whatever shares an outage) and each stretch of time, d deadlines of
 * treated devices and D of others come due; x and X find their device silent. Suppose the release
 * is harmless. A treated device is then silent by its background (b expected in all, tolerance
 * included) or by what befell the stratum, with some probability p that nobody knows; the others by
 * at least their background (B expected) and by p. For a tilt a = r - 1 and
 *
 *     c = 1 - a * tolerance * d / D,       0 < c <= 1
 *
 * the stake
 *
 *     (1 + a)^x * exp(-a b) * c^X * exp((1 - c) B)
 *
 * has expectation at most 1 whatever p is: E (1+a)^x <= exp(a b + a p d), E c^X <= exp(-(1 - c)
 * (B + p D)), and the terms in p cancel; the tolerance allows that the arms are not hit quite
 * alike. So it multiplies into the wealth of fleet/evidence.h. Where nothing befalls anybody and D
 * is large, it is the stake against the known background; where everybody falls silent, it is the
 * score of the log-rank test with (1+a)/c for the ratio of hazards (ter Schure, Perez-Ortiz, Ly,
 * Gruenwald 2024, anytime-valid log-rank; Turner, Ly, Gruenwald 2024, two streams). The log-rank
 * test alone would take a mere difference between two backgrounds for harm.
 *
 * A stratum where nobody looks at devices without the release goes by the known background. One
 * that is looked at but had no control deadline in this stretch says nothing, be it that none is
 * left: then nobody can tell an outage from harm. Both are known beforehand, so the choice does
 * not spoil the test. A part of each stratum kept back to the end keeps the test alive.
 *
 * One power cut is one event: of a site's devices that fall silent within a while, whatever the
 * arm, only the first is handed in as silent. */
#pragma once

#include "fleet/evidence.h"

struct control_arm {
    uint32_t due;       /* deadlines that passed */
    uint32_t silent;    /* of them without a sign of life */
    int64_t background; /* q32: silent ones to be expected: treated at most, tolerance included;
                           others at least */
};

/* Judge one stratum's stretch and leave the treated arm empty. `watched`: devices
 * without the release are looked at here. The control arm is shared by cohorts and is emptied by
 * its owner. */
void control_judge(struct evidence *evidence, struct control_arm *treated,
                   const struct control_arm *control, bool watched, int64_t tolerance);
