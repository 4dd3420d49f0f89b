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
 * Where devices without the release can be watched beside, fleet/control.h balances each stake with
 * what happens to them, in the same wealth.
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

/* r - 1 of an effect in q32, but at most `most`: who has to balance a stake may not be able to
 * balance a large one. */
int64_t evidence_tilt(uint32_t effect, int64_t most);

/* Add to ln W of one effect. */
void evidence_add(struct evidence *evidence, uint32_t effect, int64_t log);

/* ln E in q32. */
int64_t evidence_log(const struct evidence *evidence);

/* The effect sizes, in halves: r = evidence_effects[i] / 2. */
extern const uint8_t evidence_effects[EVIDENCE_EFFECTS];
