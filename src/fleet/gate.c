#include "fleet/gate.h"

#include "base/check.h"

uint32_t gate_bad(const struct gate_evidence *evidence)
{
    return evidence->reported + evidence->silent;
}

uint32_t gate_outcomes(const struct gate_evidence *evidence)
{
    return evidence->good + gate_bad(evidence);
}

struct gate_verdict gate_judge(const struct gate_rule *rule, const struct gate_evidence *evidence)
{
    struct gate_verdict verdict = {.evidence = *evidence, .rule = *rule};
    uint64_t bad = gate_bad(evidence), outcomes = gate_outcomes(evidence);

    CHECK(rule->failures_permille <= GATE_PERMILLE_OFF);
    CHECK(outcomes >= bad);
    if (rule->failures_count != 0 && bad >= rule->failures_count)
        verdict.finding = GATE_BREACH_COUNT;
    else if (outcomes == 0 || outcomes < rule->sample_min)
        verdict.finding = GATE_TOO_EARLY;
    else if (bad * 1000u > outcomes * rule->failures_permille)
        verdict.finding = GATE_BREACH_SHARE;
    else
        verdict.finding = GATE_CLEAR;
    return verdict;
}

bool gate_breached(const struct gate_verdict *verdict)
{
    return verdict->finding == GATE_BREACH_SHARE || verdict->finding == GATE_BREACH_COUNT;
}

/* 125 as "12.5 %". */
static void put_permille(struct buf *out, uint64_t permille)
{
    buf_uint(out, permille / 10);
    buf_byte(out, '.');
    buf_uint(out, permille % 10);
    buf_text(out, " %");
}

static void put_counts(struct buf *out, const struct gate_evidence *evidence)
{
    uint32_t outcomes = gate_outcomes(evidence), bad = gate_bad(evidence);

    if (bad == 0)
        buf_text(out, "none");
    else
        buf_uint(out, bad);
    buf_text(out, " of ");
    buf_uint(out, outcomes);
    buf_text(out, outcomes == 1 ? " outcome " : " outcomes ");
    buf_text(out, bad <= 1 ? "is bad" : "are bad");
    if (bad != 0) {
        buf_text(out, " (");
        buf_uint(out, evidence->reported);
        buf_text(out, " reported, ");
        buf_uint(out, evidence->silent);
        buf_text(out, " silent)");
    }
}

void gate_explain(const struct gate_verdict *verdict, struct buf *out)
{
    uint32_t outcomes = gate_outcomes(&verdict->evidence);

    put_counts(out, &verdict->evidence);
    switch (verdict->finding) {
    case GATE_TOO_EARLY:
        buf_text(out, ", the share is judged from ");
        buf_uint(out, verdict->rule.sample_min > 0 ? verdict->rule.sample_min : 1);
        buf_text(out, " on");
        break;
    case GATE_BREACH_COUNT:
        buf_text(out, ", the limit is ");
        buf_uint(out, verdict->rule.failures_count);
        break;
    case GATE_CLEAR:
    case GATE_BREACH_SHARE:
        buf_text(out, ": ");
        put_permille(out, (uint64_t)gate_bad(&verdict->evidence) * 1000u / outcomes);
        buf_text(out, ", the limit is ");
        put_permille(out, verdict->rule.failures_permille);
        break;
    case GATE_FINDING_COUNT:
        break;
    }
}

const char *gate_finding_name(enum gate_finding finding)
{
    static const char *const names[GATE_FINDING_COUNT] = {
        [GATE_TOO_EARLY] = "too-early",
        [GATE_CLEAR] = "clear",
        [GATE_BREACH_SHARE] = "breach-share",
        [GATE_BREACH_COUNT] = "breach-count",
    };

    CHECK(finding < GATE_FINDING_COUNT);
    return names[finding];
}
