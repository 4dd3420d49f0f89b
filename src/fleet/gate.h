/* The gate judges one stage of a rollout by the outcomes it has produced so far.
 *
 * It counts outcomes only: a device that has not flipped, or flipped a minute ago, is neither
 * good nor bad, so offline devices cannot dilute a rate. Silence after the flip is bad.
 *
 * A gate is a pure function from (rule, evidence) to a verdict that carries its own numbers.
 * A richer judge (per cohort, sequential tests) takes the same evidence, kept by channel, and
 * ends a rollout through ROLLOUT_EV_HALT; nothing in rollout.c depends on this arithmetic.
 */
#pragma once

#include "base/buf.h"

#define GATE_PERMILLE_OFF 1000u /* a share that can never be exceeded */

struct gate_rule {
    uint16_t failures_permille; /* a larger share of bad outcomes is a breach; 0 = none allowed */
    uint32_t failures_count;    /* so many bad outcomes are a breach at once; 0 = no such limit */
    uint32_t sample_min;        /* outcomes before the share may be judged */
};

/* Outcomes by the channel they came through. */
struct gate_evidence {
    uint32_t good;
    uint32_t reported; /* failures and fallbacks the devices told us of */
    uint32_t silent;   /* flipped and not heard of within the deadline */
};

enum gate_finding {
    GATE_TOO_EARLY, /* fewer outcomes than sample_min, and no absolute limit reached */
    GATE_CLEAR,
    GATE_BREACH_SHARE,
    GATE_BREACH_COUNT,
    GATE_FINDING_COUNT
};

struct gate_verdict {
    enum gate_finding finding;
    struct gate_evidence evidence; /* what was judged */
    struct gate_rule rule;         /* by which rule */
};

struct gate_verdict gate_judge(const struct gate_rule *rule, const struct gate_evidence *evidence);

bool gate_breached(const struct gate_verdict *verdict);
uint32_t gate_outcomes(const struct gate_evidence *evidence);
uint32_t gate_bad(const struct gate_evidence *evidence);

/* One sentence with the numbers, no final period: "4 of 20 outcomes are bad (1 reported, 3
 * silent): 20.0 %, the limit is 10.0 %". */
void gate_explain(const struct gate_verdict *verdict, struct buf *out);
const char *gate_finding_name(enum gate_finding finding);
