/* What makes a plan sensible; the sentences are for whoever typed it. */
#include "base/check.h"
#include "fleet/rollout.h"

static enum err fault(struct why *why, const char *field, const char *text)
{
    why_say(why, field, text);
    return ERR_INVALID;
}

static enum err stage_fault(struct why *why, uint8_t stage, const char *member, const char *text)
{
    char field[64];
    struct buf buf = buf_over(field, sizeof field);

    buf_text(&buf, "stages[");
    buf_uint(&buf, stage);
    buf_text(&buf, "].");
    buf_text(&buf, member);
    return fault(why, buf_finish_text(&buf), text);
}

static enum err check_size(const struct rollout_plan *plan, uint8_t i, struct why *why)
{
    const struct rollout_stage *stage = &plan->stages[i], *before = i > 0 ? stage - 1 : NULL;

    if ((stage->permille != 0) == (stage->count != 0))
        return stage_fault(why, i, "percent", "a stage has either a percentage or a count");
    if (stage->permille > 1000)
        return stage_fault(why, i, "percent", "is more than 100 %");
    if (before && stage->permille != 0 && before->permille >= stage->permille)
        return stage_fault(why, i, "percent",
                           "must be larger than in the stage before: stages are cumulative");
    if (before && stage->count != 0 && before->count >= stage->count)
        return stage_fault(why, i, "count",
                           "must be larger than in the stage before: stages are cumulative");
    return ERR_OK;
}

static enum err check_stage(const struct rollout_plan *plan, uint8_t i, struct why *why)
{
    const struct rollout_stage *stage = &plan->stages[i];

    TRY(check_size(plan, i, why));
    if (stage->soak_s > ROLLOUT_SOAK_MAX_S)
        return stage_fault(why, i, "soak_s", "is longer than a year");
    if (stage->gate.failures_permille > GATE_PERMILLE_OFF)
        return stage_fault(why, i, "failure_percent", "is more than 100 %");
    return ERR_OK;
}

enum err rollout_plan_check(const struct rollout_plan *plan, struct why *why)
{
    if (plan->stage_count == 0)
        return fault(why, "stages", "a rollout needs at least one stage");
    if (plan->stage_count > ROLLOUT_STAGES_MAX)
        return fault(why, "stages", "a rollout has at most 16 stages");
    for (uint8_t i = 0; i < plan->stage_count; i++)
        TRY(check_stage(plan, i, why));
    if (plan->deadline_s == 0)
        return fault(why, "deadline_s", "must be at least 1, or silence would never count");
    if (plan->deadline_s > ROLLOUT_DEADLINE_MAX_S)
        return fault(why, "deadline_s", "is longer than a year");
    if (plan->retry_limit > ROLLOUT_RETRY_MAX)
        return fault(why, "retry_limit", "is more than 10");
    if (plan->end_at.ms != 0 && plan->end_at.ms <= plan->start_at.ms)
        return fault(why, "end_at", "must be later than start_at");
    return ERR_OK;
}
