#include "base/check.h"
#include "fleet/limit.h"
#include "fleet/risk.h"

static void put_percent(struct buf *out, int64_t share)
{
    fixed_put(out, share * 100, 2);
    buf_text(out, " %");
}

/* e to a q32 as "1 in 3.2e5"-like text would frighten; the logarithm to base ten does. */
static void put_odds(struct buf *out, int64_t log)
{
    buf_text(out, "10^");
    fixed_put(out, log / 10000 * 4343, 1); /* 1 / ln 10 */
}

static void put_window(const struct risk *risk, const struct risk_decision *decision,
                       struct span name, struct buf *out)
{
    const struct exposure_view *view = &decision->view;

    buf_uint(out, view->exposed);
    buf_text(out, " devices of ");
    buf_span(out, name);
    buf_text(out, " have it, ");
    buf_uint(out, view->bad);
    buf_text(out, " look bad, and evidence worth ");
    fixed_put(out, view->revealed, 1);
    buf_text(out, " is in: up to ");
    put_percent(out, view->price);
    buf_text(out, " may be harmed");
    (void)risk;
}

static void put_evidence(const struct risk_decision *decision, struct buf *out)
{
    buf_uint(out, decision->events);
    buf_byte(out, ' ');
    buf_text(out, cohort_channel_name((enum cohort_channel)decision->channel));
    buf_text(out, " where ");
    fixed_put(out, decision->background, 1);
    buf_text(out, " would be tolerated, evidence ");
    put_odds(out, decision->log);
    buf_text(out, " of ");
    put_odds(out, decision->goal);
}

static void put_asked(const struct risk *risk, const struct risk_decision *decision,
                      struct span name, struct buf *out)
{
    static const char *const ends[EXPOSURE_FINDING_COUNT] = {
        [EXPOSURE_SMALL] = "; the cohort is no larger than the limit of ",
        [EXPOSURE_WITHIN] = "; one more keeps harm within ",
        [EXPOSURE_CLEARED] = "; harm above the floor is refuted, one more stays within ",
        [EXPOSURE_UNHEARD] = "; too many of them have not said that they are well, the limit is ",
        [EXPOSURE_FULL] = "; one more could bring harm above ",
    };

    buf_text(out, decision->answer == RISK_GRANT ? "leave is given: " : "waits for evidence: ");
    put_window(risk, decision, name, out);
    buf_text(out, ends[decision->view.finding]);
    buf_uint(out, risk->rule.harmed_max);
    buf_text(out, " devices");
}

void risk_explain(const struct risk *risk, const struct risk_decision *decision,
                  struct span cohort_name, struct buf *out)
{
    switch (decision->answer) {
    case RISK_NOTED:
        buf_text(out, "noted");
        return;
    case RISK_GRANT:
    case RISK_WAIT:
        put_asked(risk, decision, cohort_name, out);
        return;
    case RISK_HELD:
    case RISK_HOLD:
        buf_span(out, cohort_name);
        buf_text(out, " is held: ");
        put_evidence(decision, out);
        return;
    case RISK_HALTED:
    case RISK_HALT:
        buf_text(out, "the rollout is halted: ");
        put_evidence(decision, out);
        return;
    case RISK_ANSWER_COUNT:
        break;
    }
    CHECK(decision->answer < RISK_ANSWER_COUNT);
}

const char *risk_answer_name(enum risk_answer answer)
{
    static const char *const names[RISK_ANSWER_COUNT] = {
#define X(code, wire) [RISK_##code] = wire,
        RISK_ANSWER_MAP(X)
#undef X
    };

    CHECK(answer < RISK_ANSWER_COUNT);
    return names[answer];
}

const char *risk_event_name(enum risk_event_kind kind)
{
    static const char *const names[RISK_EVENT_COUNT] = {
        [RISK_ASK] = "ask",         [RISK_GOOD] = "good",
        [RISK_BAD] = "bad",         [RISK_WORSE] = "worse",
        [RISK_UNUSED] = "unused",   [RISK_DUE] = "due",
        [RISK_CONTROL] = "control", [RISK_CONTROL_SILENT] = "control-silent",
        [RISK_TICK] = "tick",       [RISK_LIFT] = "lift",
    };

    CHECK(kind < RISK_EVENT_COUNT);
    return names[kind];
}

/* ---- The least K ---- */

static uint64_t square_root(uint64_t value)
{
    uint64_t root = 0;

    for (uint64_t bit = UINT64_C(1) << 31; bit != 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= value)
            root |= bit;
    }
    return root;
}

/* Devices' worth of good evidence after which the floor is refuted nine times out of ten. */
static uint64_t evidence_needed(int64_t refute, int64_t floor, int64_t background)
{
    uint64_t worth = 4;

    while (worth < UINT64_C(1) << 30) {
        int64_t expected = (int64_t)worth * background;
        uint64_t whole = (uint64_t)expected >> 32;
        /* The ninth decile of a Poisson count: mean + 1.29 sqrt(mean), rounded up. */
        uint64_t bad = whole + (square_root(whole * 10000 + 10000) * 129) / 10000 + 1;
        int64_t limit = limit_expected(background == 0 ? 0 : (uint32_t)bad, refute);

        if (limit - expected <= (int64_t)worth * floor)
            return worth;
        worth += worth / 16 + 1;
    }
    return worth;
}

uint32_t risk_least_harmed_max(uint32_t doubt_ppm, uint32_t floor_ppm, uint32_t background_ppm)
{
    int64_t refute = fixed_ln(fixed_ratio(2 * EXPOSURE_RUNGS * 1000000u, doubt_ppm));
    int64_t tail = fixed_ln(fixed_ratio(2 * 1000000u, doubt_ppm));
    int64_t floor = fixed_ratio(floor_ppm, 1000000u);
    int64_t background = fixed_ratio(background_ppm, 1000000u);
    uint32_t low = 1, high = RISK_HARMED_MAX;
    uint64_t worth;

    CHECK(doubt_ppm >= 1 && doubt_ppm <= 500000 && floor_ppm >= 1 && floor_ppm <= 1000000 &&
          background_ppm <= 500000);
    worth = evidence_needed(refute, floor, background);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (limit_mean(middle, tail) >= (int64_t)worth * floor)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
