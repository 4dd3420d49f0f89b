#include "fleet/cohort.h"

#include "base/check.h"

void cohort_start(struct cohort *cohort, uint32_t size)
{
    *cohort = (struct cohort){.exposure = {.size = size}};
}

void cohort_expose(struct cohort *cohort, const struct cohort_rule *rule, int64_t reported,
                   int64_t health_per_tick)
{
    uint32_t before = 0;

    exposure_grant(&cohort->exposure);
    for (uint32_t i = 0; i < COHORT_CURVE_TICKS; i++) {
        uint32_t share = rule->curve_permille[i] - before;

        before = rule->curve_permille[i];
        if (share != 0)
            cohort->coming[(cohort->turn + i) % COHORT_CURVE_TICKS] += reported * share / 1000 + 1;
    }
    /* The present tick's share is charged at once: early is safe, late is not. */
    evidence_charge(&cohort->evidence[COHORT_REPORTED],
                    fixed_mul(cohort->coming[cohort->turn], rule->tolerance));
    cohort->coming[cohort->turn] = 0;
    cohort->baking += health_per_tick;
    evidence_charge(&cohort->evidence[COHORT_HEALTH], fixed_mul(health_per_tick, rule->tolerance));
}

void cohort_baked(struct cohort *cohort, int64_t health_per_tick)
{
    CHECK(cohort->baking >= health_per_tick);
    cohort->baking -= health_per_tick;
}

void cohort_tick(struct cohort *cohort, const struct cohort_rule *rule)
{
    if (cohort->exposure.exposed == 0)
        return;
    exposure_age(&cohort->exposure, rule->fade);
    cohort->turn = (uint8_t)((cohort->turn + 1) % COHORT_CURVE_TICKS);
    if (cohort->coming[cohort->turn] != 0)
        evidence_charge(&cohort->evidence[COHORT_REPORTED],
                        fixed_mul(cohort->coming[cohort->turn], rule->tolerance));
    cohort->coming[cohort->turn] = 0;
    if (cohort->baking != 0)
        evidence_charge(&cohort->evidence[COHORT_HEALTH],
                        fixed_mul(cohort->baking, rule->tolerance));
}

void cohort_stretch(struct cohort *cohort, const struct cohort_rule *rule,
                    const struct cohort_control *control, uint32_t strata)
{
    CHECK(strata <= COHORT_STRATA_MAX);
    for (uint32_t i = 0; i < strata; i++) {
        control_judge(&cohort->evidence[COHORT_SILENT], &cohort->silent[i], &control[i].silent,
                      control[i].watched, rule->tolerance);
        control_judge(&cohort->evidence[COHORT_LOST], &cohort->lost[i], &control[i].lost,
                      control[i].watched, rule->tolerance);
    }
}

bool cohort_convicted(const struct cohort *cohort, const struct cohort_rule *rule, bool whole,
                      enum cohort_channel *channel_out)
{
    const int64_t *goals = whole ? rule->halt_log : rule->hold_log;
    int64_t most = -1;

    for (uint32_t i = 0; i < COHORT_CHANNEL_COUNT && !cohort->held; i++) {
        int64_t above;

        if (cohort->evidence[i].events == 0)
            continue;
        above = evidence_log(&cohort->evidence[i]) - goals[i];
        if (above > most) {
            most = above;
            *channel_out = (enum cohort_channel)i;
        }
    }
    return most >= 0;
}

void cohort_hold(struct cohort *cohort, enum cohort_channel channel)
{
    cohort->held = true;
    cohort->held_by = (uint8_t)channel;
}

void cohort_lift(struct cohort *cohort)
{
    cohort->held = false;
    for (uint32_t i = 0; i < COHORT_CHANNEL_COUNT; i++)
        evidence_start(&cohort->evidence[i]);
}

const char *cohort_channel_name(enum cohort_channel channel)
{
    static const char *const names[COHORT_CHANNEL_COUNT] = {
#define X(code, wire) [COHORT_##code] = wire,
        COHORT_CHANNEL_MAP(X)
#undef X
    };

    CHECK(channel < COHORT_CHANNEL_COUNT);
    return names[channel];
}
