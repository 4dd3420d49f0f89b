/* slipway-lab powercut: the experiment with options, and its figures as a table. */
#include <stdio.h>
#include <stdlib.h>

#include "lab/command.h"
#include "lab/powercut.h"
#include "os/options.h"

static const struct option_spec table[] = {
    {"flow", 'f', OPTION_TEXT, "all", 0, 0,
     "all|install|resume|spoiled|weak|sealed|revert|rollback|recall",
     "Send the device through this story"},
    {"stride", 's', OPTION_INT, "1", 0, 100000, "UNITS",
     "Cut once after every so many units of power; 1: after every byte; 0: in every operation"},
    {"pairs", 'p', OPTION_INT, "2000", 0, 100000000, "RUNS",
     "Do so many runs more per story with two to four cuts at random places"},
    {"seed", 0, OPTION_INT, "1", 0, INT64_MAX, "NUMBER", "Draw all chance from this number"},
    {"tries", 0, OPTION_INT, "1", 1, 9, "BOOTS", "Let the boot loader try a trial so often"},
    {"erase_size", 0, OPTION_SIZE, "1K", 1024, 16384, "BYTES",
     "Erase flash in blocks of this size"},
    {"cut", 0, OPTION_LIST, NULL, 0, 0, "UNITS",
     "Run one story once with a trace, cutting after these units (ascending)"},
};

static const struct program program = {
    .name = "slipway-lab powercut",
    .section = 1,
    .summary = "cut the power of a device inside every durable operation",
    .description =
        "Runs the shipped device core on emulated NOR flash and a boot loader with two banks, "
        "through whole update stories, once for every place at which power can fail: after every "
        "programmed byte, inside every erase, before every change of the boot loader's state. "
        "What is cut is left torn. Each run must come up on a whole image, end where the story "
        "ends, and tell the server.\n\nA failed run is printed with its seed and its cuts; "
        "--cut repeats it with every step shown.",
    .table = table,
    .count = COUNT_OF(table),
    .exits = "0: every run converged\n1: a run did not\n2: wrong usage",
};

static void print_failure(const struct powercut_figures *figures)
{
    const struct rig_setup *worst = &figures->worst;

    printf(
        "  first failure: %s; repeat with: slipway-lab powercut --flow %s --seed %llu --tries %u "
        "--erase-size %u",
        rig_end_name(figures->worst_result.end), rig_flow_name(worst->flow),
        (unsigned long long)worst->seed, worst->loader_tries, worst->erase_size);
    for (uint32_t i = 0; i < worst->cut_count; i++)
        printf(" --cut %llu", (unsigned long long)worst->cuts[i]);
    printf("\n");
}

static struct powercut_plan plan_of(const struct options *options, enum rig_flow flow)
{
    return (struct powercut_plan){
        .flow = flow,
        .seed = (uint64_t)options_int(options, "seed"),
        .stride = (uint32_t)options_int(options, "stride"),
        .pairs = (uint32_t)options_int(options, "pairs"),
        .loader_tries = (uint8_t)options_int(options, "tries"),
        .erase_size = (uint32_t)options_size(options, "erase_size"),
    };
}

static int run_once(const struct options *options, enum rig_flow flow)
{
    struct powercut_plan plan = plan_of(options, flow);
    struct rig_setup setup = {.flow = flow,
                              .seed = plan.seed,
                              .loader_tries = plan.loader_tries,
                              .erase_size = plan.erase_size,
                              .trace = stdout};
    size_t count = 0;
    const char *const *cuts = options_list(options, "cut", &count);
    struct rig_result result;

    for (size_t i = 0; i < count && i < POWER_CUTS_MAX; i++)
        setup.cuts[setup.cut_count++] = strtoull(cuts[i], NULL, 10);
    result = rig_run(&setup);
    printf("%s after %u boots, %u cuts\n", rig_end_name(result.end), result.boots,
           result.cuts_taken);
    return result.end == RIG_CONVERGED ? LAB_HELD : LAB_FAILED;
}

static void add(struct powercut_figures *sum, const struct powercut_figures *part)
{
    sum->singles += part->singles;
    sum->pairs += part->pairs;
    sum->cuts += part->cuts;
    sum->failures += part->failures;
    sum->bricks += part->bricks;
    sum->units += part->units;
    if (part->boots_max > sum->boots_max)
        sum->boots_max = part->boots_max;
}

static void print_row(const char *name, const struct powercut_figures *figures)
{
    printf("%-10s %8llu %9llu %9llu %9llu %6u %9llu %7llu\n", name,
           (unsigned long long)figures->units, (unsigned long long)figures->singles,
           (unsigned long long)figures->pairs, (unsigned long long)figures->cuts,
           figures->boots_max, (unsigned long long)figures->failures,
           (unsigned long long)figures->bricks);
}

static int run_all(const struct options *options, const char *only)
{
    struct powercut_figures sum = {0};

    printf("seed %lld\n%-10s %8s %9s %9s %9s %6s %9s %7s\n",
           (long long)options_int(options, "seed"), "story", "places", "singles", "multiple",
           "cuts", "boots", "failures", "bricks");
    for (int flow = 0; flow < RIG_FLOW_COUNT; flow++) {
        const char *name = rig_flow_name((enum rig_flow)flow);
        struct powercut_plan plan = plan_of(options, (enum rig_flow)flow);
        struct powercut_figures figures;

        if (!span_is(span_of(only), "all") && !span_equal(span_of(only), span_of(name)))
            continue;
        powercut_run(&plan, &figures);
        print_row(name, &figures);
        if (figures.failures > 0)
            print_failure(&figures);
        (void)fflush(stdout);
        add(&sum, &figures);
    }
    print_row("all", &sum);
    return sum.failures == 0 ? LAB_HELD : LAB_FAILED;
}

static enum rig_flow flow_named(const char *name)
{
    for (int flow = 0; flow < RIG_FLOW_COUNT; flow++) {
        if (span_equal(span_of(name), span_of(rig_flow_name((enum rig_flow)flow))))
            return (enum rig_flow)flow;
    }
    return RIG_INSTALL;
}

int lab_powercut(int argc, char **argv)
{
    struct options options;
    int code = options_start(&program, argc, argv, &options);
    const char *flow;

    if (code != OPTIONS_GO_ON)
        return code;
    flow = options_text(&options, "flow");
    if (options_given(&options, "cut"))
        code = run_once(&options, flow_named(flow));
    else
        code = run_all(&options, flow);
    options_close(&options);
    return code;
}
