#include "lab/powercut.h"

static void count(struct powercut_figures *figures, const struct rig_setup *setup,
                  const struct rig_result *result)
{
    figures->cuts += result->cuts_taken;
    if (result->boots > figures->boots_max)
        figures->boots_max = result->boots;
    if (result->end == RIG_CONVERGED)
        return;
    if (figures->failures == 0) {
        figures->worst = *setup;
        figures->worst_result = *result;
    }
    figures->failures++;
    figures->bricks += result->end == RIG_BRICK;
}

static struct rig_setup setup_of(const struct powercut_plan *plan)
{
    return (struct rig_setup){.flow = plan->flow,
                              .seed = plan->seed,
                              .loader_tries = plan->loader_tries,
                              .erase_size = plan->erase_size};
}

static bool cut_once(const struct powercut_plan *plan, uint64_t at,
                     struct powercut_figures *figures)
{
    struct rig_setup setup = setup_of(plan);
    struct rig_result result;

    setup.cut_count = 1;
    setup.cuts[0] = at;
    result = rig_run(&setup);
    count(figures, &setup, &result);
    figures->singles += result.cuts_taken > 0;
    return result.cuts_taken > 0;
}

/* One run for every place, until a run ends before its cut. */
static void cut_at_every_place(const struct powercut_plan *plan, struct powercut_figures *figures)
{
    for (uint64_t at = 0; cut_once(plan, at, figures); at += plan->stride)
        continue;
}

static void cut_in_every_operation(const struct powercut_plan *plan,
                                   struct powercut_figures *figures)
{
    static uint64_t ops[POWER_OPS_MAX];
    uint32_t op_count = rig_operations(ops, POWER_OPS_MAX); /* of the run without a cut */

    for (uint32_t i = 0; i < op_count; i++) {
        uint64_t end = i + 1 < op_count ? ops[i + 1] : figures->units;

        (void)cut_once(plan, ops[i], figures);
        if (end - ops[i] > 1)
            (void)cut_once(plan, ops[i] + 1, figures);
        if (end - ops[i] > 3)
            (void)cut_once(plan, ops[i] + (end - ops[i]) / 2, figures);
    }
}

static void cut_at_random(const struct powercut_plan *plan, struct powercut_figures *figures)
{
    struct prng prng = prng_seeded(plan->seed);

    for (uint32_t i = 0; i < plan->pairs; i++) {
        struct rig_setup setup = setup_of(plan);
        struct rig_result result;
        uint64_t at = 0;

        setup.seed = prng_next(&prng) >> 1; /* fits an option, to be repeated */
        setup.cut_count = 2 + (uint32_t)prng_below(&prng, POWER_CUTS_MAX - 1);
        for (uint32_t cut = 0; cut < setup.cut_count; cut++) {
            /* Every second one soon after the last: the recovery is cut as well. */
            at += prng_below(&prng, cut % 2 == 1 ? 600 : figures->units);
            setup.cuts[cut] = at;
        }
        result = rig_run(&setup);
        count(figures, &setup, &result);
        figures->pairs++;
    }
}

void powercut_run(const struct powercut_plan *plan, struct powercut_figures *out)
{
    struct rig_setup setup = setup_of(plan);
    struct rig_result whole = rig_run(&setup);

    *out = (struct powercut_figures){.units = whole.units};
    count(out, &setup, &whole);
    if (plan->stride == 0)
        cut_in_every_operation(plan, out);
    else
        cut_at_every_place(plan, out);
    cut_at_random(plan, out);
}
