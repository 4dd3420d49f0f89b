/* The risk window: how many devices of one cohort may hold a release before enough is known.
 *
 * The promise. Suppose a release harms each device of the cohort with probability q, no matter
 * which. Leave is given to the (n+1)-th device only while, for every q at or above the floor that
 * is not refuted yet,
 *
 *     (n + 1) * q <= mean        with P(Poisson(mean) > K) <= doubt / 2
 *
 * and a q is refuted when too few bad signs came for it, at every moment at once with probability
 * at most doubt / 2 (fleet/limit.h). Before q is refuted at most mean/q devices were exposed, and
 * more than K of them are harmed with probability at most doubt/2. So P(harmed > K) <= doubt, for
 * every q at or above the floor. No factor for the number of cohorts: a defect of one cohort is
 * stopped by that cohort's own window, and the others can only stop it sooner (an
 * intersection-union test, Berger 1982).
 *
 * The largest q not refuted is the *price* of exposing one more device. Under the floor the
 * window is *cleared*: the promise needs nothing more, and what is left is the caution that the
 * harm still hidden, unrevealed * price, stays within the mean.
 *
 * Bad signs are counted on three *rungs*: not back by a time that a quarter, a twentieth, a
 * hundredth of harmless absences exceed, or reported bad. A harmed device that falls silent is
 * counted on every rung, so each bounds the harm by itself, however wrong its time is; the early
 * ones are coarse and quick. A device that comes back late and well is taken off again: what
 * remains are at least the harmed ones. From each count the background is subtracted that fails
 * or is lost for good without the release, as far as it is certain.
 *
 * A device past its rung reveals 1 - exp(-age/late) of what it could: failures that come late, on
 * the average `late` after the flip, are insured against. A bad one reveals no more after that.
 *
 * Before any evidence the window would let in `mean` devices at once. That keeps the promise and is
 * still rash: a release that bricks everything would brick them all. So those that have leave and
 * have not said that they are well are never more than `first_max` and half of those that have.
 * Good devices report soon, so this costs little time; it is caution and no part of the proof.
 *
 * Numbers are devices; q32 where they may be fractions. */
#pragma once

#include "fleet/fixed.h"

#define EXPOSURE_RUNGS  3u
#define EXPOSURE_LIMITS 1024u /* limits kept in a table: a decision stays below 10 us */

struct exposure_rung {
    uint32_t bad;       /* devices that look harmed from here */
    uint32_t live;      /* devices past the rung that do not */
    int64_t fading;     /* q32: sum of exp(-age/late) over them */
    int64_t settled;    /* q32: what bad ones revealed until they were bad */
    int64_t background; /* q32: bad ones to be expected anyway, at least */
    uint32_t limit_of;
    int64_t limit; /* q32: limit_expected(limit_of); 0 = not asked yet */
};

struct exposure {
    uint32_t size;    /* devices of the cohort in this rollout */
    uint32_t exposed; /* with leave given */
    uint32_t well;    /* of them, heard of and not bad */
    struct exposure_rung rung[EXPOSURE_RUNGS];
};

/* The same for all cohorts of a rollout. */
struct exposure_rule {
    uint32_t harmed_max;             /* K, at least 1 */
    uint32_t first_max;              /* devices let in before the first ones are heard of */
    int64_t mean;                    /* q32: limit_mean(K, ln(2 / doubt)) */
    int64_t refute;                  /* q32: ln(2 * EXPOSURE_RUNGS / doubt) */
    int64_t floor;                   /* q32: smallest share of harm that is promised about */
    int64_t sound;                   /* q32: share of harmless devices that look well, at least */
    int64_t limits[EXPOSURE_LIMITS]; /* q32: limit_expected() by count; see below */
};

enum exposure_finding {
    EXPOSURE_SMALL,   /* no more than K devices: nothing to bound */
    EXPOSURE_WITHIN,  /* one more keeps the promise */
    EXPOSURE_CLEARED, /* harm at or above the floor is refuted, one more is hidden harm enough */
    EXPOSURE_UNHEARD, /* wait until more of them are heard of */
    EXPOSURE_FULL,    /* wait for evidence */
    EXPOSURE_FINDING_COUNT
};

/* What was found, with its numbers. */
struct exposure_view {
    enum exposure_finding finding;
    uint32_t exposed;
    uint32_t bad;     /* on the rung that set the price */
    uint8_t rung;     /* that rung */
    int64_t revealed; /* q32: there */
    int64_t price;    /* q32: at most 1 */
};

/* Fill in rule->limits from rule->refute. */
void exposure_tabulate(struct exposure_rule *rule);

void exposure_grant(struct exposure *exposure);

/* A device passes a rung and looks well; `fade` (q32) is exp(-age/late). */
void exposure_pass(struct exposure *exposure, uint32_t rung, int64_t fade);

/* A device that had passed turns bad; one that had not yet counts by exposure_miss(). */
void exposure_turn(struct exposure *exposure, uint32_t rung, int64_t fade);
void exposure_miss(struct exposure *exposure, uint32_t rung, int64_t revealed);

/* A device that counted as bad on this rung is back and well. `revealed` is what it had revealed
 * when it turned bad, `fade` is exp(-age/late) now. */
void exposure_forgive(struct exposure *exposure, uint32_t rung, int64_t revealed, int64_t fade);

/* A device was never exposed after all: take it off this rung, where it counted as bad or as
 * well, and its background with it. */
void exposure_withdraw(struct exposure *exposure, uint32_t rung, bool bad, int64_t fade,
                       int64_t background);

/* Background that has had its chance to show on a rung; q32. */
void exposure_expect(struct exposure *exposure, uint32_t rung, int64_t background);
void exposure_expect_all(struct exposure *exposure, int64_t background);

/* A while has passed: `factor` (q32) is exp(-while/late). */
void exposure_age(struct exposure *exposure, int64_t factor);

/* q32: devices' worth of evidence on that rung. */
int64_t exposure_revealed(const struct exposure *exposure, uint32_t rung);

/* Whether one more device may be exposed. Remembers limits it has computed. */
struct exposure_view exposure_look(struct exposure *exposure, const struct exposure_rule *rule);

const char *exposure_finding_name(enum exposure_finding finding);
