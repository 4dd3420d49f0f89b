/* Evidence that a release does more harm than background does, safe to look at all the time.
 *
 * One channel of one cohort is a counting process of bad events. *Background* says how many it
 * would show if the release were harmless: the compensator, which grows only with evidence that
 * could have arrived by now, so that early failures do not look like a spike and devices that
 * are offline neither block nor dilute. For each effect size r in a fixed list the gambler's
 * wealth is
 *
 *     W_r = r^events * exp(-(r - 1) * background)
 *
 * and the evidence is their mean, E = mean of W_r. Where the true rate is at most the background
 * charged, each W_r is a nonnegative supermartingale that starts at 1, and so is E. By Ville's
 * inequality E ever reaches 1/alpha with probability at most alpha, however often one looks.
 *
 * The charge may come early and be too large, never late or too small: a larger charge lowers
 * every W_r at once. A device whose failure may be reported at a random time is charged p/(1-p)
 * times the share reported by then, because the rate of failing *given that it has not failed
 * yet* is that much above p.
 *
 * Where devices without the release can be watched beside (fleet/control.h), a step compares
 * arms instead of trusting the background, and multiplies into the same wealth.
 *
 * Sources: Ville 1939; Robbins and Siegmund 1974 (mixtures); Kulldorff et al. 2011 (MaxSPRT,
 * vaccine safety); Howard, Ramdas, McAuliffe, Sekhon 2020 ("Time-uniform Chernoff bounds via
 * nonnegative supermartingales"); Waudby-Smith and Ramdas 2024 ("Estimating means of bounded
 * random variables by betting"). */
#pragma once

#include "fleet/fixed.h"

#define EVIDENCE_EFFECTS 7u

struct evidence {
    uint32_t events;
    int64_t background;            /* charged so far, events in q32, tolerance included */
    int64_t log[EVIDENCE_EFFECTS]; /* ln W_r in q32 */
};

void evidence_start(struct evidence *evidence);

/* One bad event. */
void evidence_event(struct evidence *evidence);

/* Background that could have shown by now; q32, at least 0. */
void evidence_charge(struct evidence *evidence, int64_t background);

/* Two arms were watched side by side: `events` bad ones in all, `treated` of them with the
 * release, which was the share `share` (q32) of all that were due. At least as much odds as
 * `tolerance` (q32, at least 1) is harmless. See fleet/control.h for why this may be
 * multiplied in. */
void evidence_compare(struct evidence *evidence, uint32_t treated, uint32_t events, int64_t share,
                      int64_t tolerance);

/* ln E in q32. */
int64_t evidence_log(const struct evidence *evidence);

/* The effect sizes, in halves: r = evidence_effects[i] / 2. */
extern const uint8_t evidence_effects[EVIDENCE_EFFECTS];
