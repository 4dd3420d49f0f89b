/* slipway-lab risk: simulated rollouts under one policy and one scenario, and their figures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lab/command.h"
#include "lab/risk_policies.h"
#include "os/options.h"

static const struct option_spec table[] = {
    {"policy", 'p', OPTION_TEXT, "slipway", 0, 0, "slipway|hawkbit|aws|mender|azure",
     "Let this policy decide"},
    {"set", 's', OPTION_LIST, NULL, 0, 0, "NAME=NUMBER", "Change one of the policy's settings"},
    {"groups", 'g', OPTION_LIST, NULL, 0, 0, "PERMILLE",
     "Sizes of the groups or phases of hawkbit, mender; the last one takes the rest"},
    {"defect", 'd', OPTION_TEXT, "harmless", 0, 0, "harmless|reported|silent|late|late-silent",
     "Give the release this defect"},
    {"share_ppm", 0, OPTION_INT, "50000", 0, 1000000, "PPM", "Harm so many of those concerned"},
    {"cell", 0, OPTION_INT, "-1", -1, 11, "INDEX", "Concern one hardware and version; -1: all"},
    {"link", 0, OPTION_INT, "-1", -1, 3, "INDEX", "Concern one link class; -1: all"},
    {"outage", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Cut off a quarter of the fleet for 8 hours"},
    {"power_cuts", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Cut off 2 % of the sites for 3 days"},
    {"late_h", 0, OPTION_INT, "12", 1, 1000, "HOURS", "Let late defects show after that mean time"},
    {"devices", 'n', OPTION_INT, "20000", 10, 5000000, "DEVICES", "Simulate so many"},
    {"runs", 'r', OPTION_INT, "100", 1, 1000000, "RUNS", "Repeat so often"},
    {"seed", 0, OPTION_INT, "1", 0, INT64_MAX, "NUMBER", "Draw all chance from this number"},
    {"head", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Print the names of the columns first"},
};

static const struct program program = {
    .name = "slipway-lab risk",
    .section = 1,
    .summary = "simulate rollouts and count the harm they do",
    .description =
        "Brings a release to a synthetic fleet, over and over, and prints one line of figures "
        "separated by commas. The fleet, the defect and what befalls the fleet are the same for "
        "every policy.\n\nSettings of slipway: k, first, doubt, floor, false, tolerance "
        "(permille), late "
        "(hours), bake (hours), assumed (percent of the true background), control (0, 1), "
        "stratified (0, 1). Of hawkbit: success, error (percent). Of aws: rate, factor (percent), "
        "step, percent, executed, timeout (hours), all (0, 1). Of mender: interval (hours). Of "
        "azure: count, interval (hours), percent, failed.",
    .table = table,
    .count = COUNT_OF(table),
    .exits = "0: done\n1: not enough memory\n2: wrong usage",
};

#define COLUMNS                                                                                  \
    "runs,halted,held,stalled,harm_mean,harm_p50,harm_p99,harm_max,over_k,stop_exposed_p50,"     \
    "stop_exposed_p99,unstopped,t80_p50,t90_p50,t90_p90,finished,seconds_per_run,decisions_per_" \
    "run"

struct study {
    struct fleet fleet;
    struct sim sim;
    struct sim_scenario scenario;
    const struct sim_policy *policy;
    void *settings;
    struct hawkbit hawkbit;
    struct aws_jobs aws;
    struct mender mender;
    struct azure azure;
    struct ours ours;
};

static bool set_ours(struct ours *ours, const char *name, double value)
{
    struct risk_rule *rule = &ours->rule;

    if (strcmp(name, "k") == 0)
        rule->harmed_max = (uint32_t)value;
    else if (strcmp(name, "first") == 0)
        rule->first_max = (uint32_t)value;
    else if (strcmp(name, "doubt") == 0)
        rule->doubt_ppm = (uint32_t)value;
    else if (strcmp(name, "floor") == 0)
        rule->floor_ppm = (uint32_t)value;
    else if (strcmp(name, "false") == 0)
        rule->false_alarm_ppm = (uint32_t)value;
    else if (strcmp(name, "tolerance") == 0)
        rule->tolerance_permille = (uint32_t)value;
    else if (strcmp(name, "late") == 0)
        rule->late_s = (uint32_t)(3600 * value);
    else if (strcmp(name, "bake") == 0)
        rule->bake_s = (uint32_t)(3600 * value);
    else if (strcmp(name, "assumed") == 0)
        ours->assumed = value / 100;
    else if (strcmp(name, "control") == 0)
        ours->control = value != 0;
    else if (strcmp(name, "stratified") == 0)
        ours->stratified = value != 0;
    else
        return false;
    return true;
}

static bool set_aws(struct aws_jobs *aws, const char *name, double value)
{
    if (strcmp(name, "rate") == 0)
        aws->per_minute = value;
    else if (strcmp(name, "factor") == 0)
        aws->factor = value / 100;
    else if (strcmp(name, "step") == 0)
        aws->step = (uint32_t)value;
    else if (strcmp(name, "percent") == 0)
        aws->percent = value;
    else if (strcmp(name, "executed") == 0)
        aws->executed = (uint32_t)value;
    else if (strcmp(name, "timeout") == 0)
        aws->timeout_h = value;
    else if (strcmp(name, "all") == 0)
        aws->all_failures = value != 0;
    else
        return false;
    return true;
}

static bool set_others(struct study *study, const char *name, double value)
{
    if (study->settings == &study->hawkbit && strcmp(name, "success") == 0)
        study->hawkbit.success = value;
    else if (study->settings == &study->hawkbit && strcmp(name, "error") == 0)
        study->hawkbit.error = value;
    else if (study->settings == &study->mender && strcmp(name, "interval") == 0)
        study->mender.interval_h = value;
    else if (study->settings == &study->azure && strcmp(name, "count") == 0)
        study->azure.group_count = (uint32_t)value;
    else if (study->settings == &study->azure && strcmp(name, "interval") == 0)
        study->azure.interval_h = value;
    else if (study->settings == &study->azure && strcmp(name, "percent") == 0)
        study->azure.percent = value;
    else if (study->settings == &study->azure && strcmp(name, "failed") == 0)
        study->azure.failed_count = (uint32_t)value;
    else
        return false;
    return true;
}

static bool set(struct study *study, const char *text)
{
    char name[32];
    const char *equals = strchr(text, '=');
    size_t size = equals != NULL ? (size_t)(equals - text) : 0;
    char *end;
    double value;

    if (size == 0 || size >= sizeof name)
        return false;
    memcpy(name, text, size);
    name[size] = 0;
    value = strtod(equals + 1, &end);
    if (*end != 0 || end == equals + 1 || !(value >= 0 && value <= 4e9))
        return false;
    if (study->settings == &study->ours)
        return set_ours(&study->ours, name, value);
    if (study->settings == &study->aws)
        return set_aws(&study->aws, name, value);
    return set_others(study, name, value);
}

static void set_groups(struct study *study, const struct options *options)
{
    size_t count = 0;
    const char *const *list = options_list(options, "groups", &count);
    double shares[RIVAL_GROUPS_MAX] = {0.05, 0.15, 0.30, 0.50};
    uint32_t groups = 4;

    if (count > 0 && count <= RIVAL_GROUPS_MAX) {
        groups = (uint32_t)count;
        for (size_t i = 0; i < count; i++)
            shares[i] = strtod(list[i], NULL) / 1000;
    }
    study->hawkbit.group_count = study->mender.phase_count = groups;
    memcpy(study->hawkbit.shares, shares, sizeof shares);
    memcpy(study->mender.shares, shares, sizeof shares);
}

static void choose_policy(struct study *study, const char *name)
{
    study->hawkbit = (struct hawkbit){.success = 100, .error = 10};
    study->aws = (struct aws_jobs){.per_minute = 50,
                                   .factor = 2,
                                   .step = 1000,
                                   .percent = 20,
                                   .executed = 10,
                                   .timeout_h = 24,
                                   .all_failures = true};
    study->mender = (struct mender){.interval_h = 24};
    study->azure =
        (struct azure){.group_count = 1, .interval_h = 24, .percent = 5, .failed_count = 10};
    if (strcmp(name, "hawkbit") == 0) {
        study->policy = &hawkbit_policy;
        study->settings = &study->hawkbit;
    } else if (strcmp(name, "aws") == 0) {
        study->policy = &aws_policy;
        study->settings = &study->aws;
    } else if (strcmp(name, "mender") == 0) {
        study->policy = &mender_policy;
        study->settings = &study->mender;
    } else if (strcmp(name, "azure") == 0) {
        study->policy = &azure_policy;
        study->settings = &study->azure;
    } else {
        study->policy = &ours_policy;
        study->settings = &study->ours;
    }
}

static void choose_scenario(struct study *study, const struct options *options)
{
    static const char *const names[] = {"harmless", "reported", "silent", "late", "late-silent"};
    const char *name = options_text(options, "defect");

    study->scenario = (struct sim_scenario){
        .name = name,
        .share = (double)options_int(options, "share_ppm") / 1e6,
        .cell = (int)options_int(options, "cell"),
        .link = (int)options_int(options, "link"),
        .outage = options_flag(options, "outage"),
        .power_cuts = options_flag(options, "power_cuts"),
        .late_h = (double)options_int(options, "late_h"),
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0)
            study->scenario.defect = (enum sim_defect)i;
    }
}

/* ---- Figures ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* NAN counts as infinity. */
static double quantile(double *values, uint32_t count, double share)
{
    if (count == 0)
        return (double)NAN;
    for (uint32_t i = 0; i < count; i++)
        values[i] = isnan(values[i]) ? (double)INFINITY : values[i];
    qsort(values, count, sizeof *values, ascending);
    return values[(uint32_t)(share * (count - 1) + 0.5)];
}

struct figures {
    uint32_t runs, halted, held, stalled, over, unstopped, finished, stops;
    double harm_sum, *harm, *t80, *t90, *stop, seconds;
    uint64_t decisions;
};

static void add(struct figures *figures, const struct sim_result *result, uint32_t harmed_max)
{
    uint32_t i = figures->runs++;

    figures->halted += result->halted;
    figures->held += result->held;
    figures->stalled += result->stalled;
    figures->over += result->harmed > harmed_max ? 1 : 0;
    figures->unstopped += result->halted || result->held || result->stalled ? 0 : 1;
    figures->finished += isnan(result->t90_h) ? 0 : 1;
    figures->harm_sum += result->harmed;
    figures->harm[i] = result->harmed;
    figures->t80[i] = result->t80_h;
    figures->t90[i] = result->t90_h;
    if (result->halted || result->held)
        figures->stop[figures->stops++] = result->exposed_at_stop;
}

static void print(struct figures *f)
{
    double mean = f->harm_sum / f->runs;
    double p50 = quantile(f->harm, f->runs, 0.5), p99 = quantile(f->harm, f->runs, 0.99);

    printf("%u,%u,%u,%u,%.2f,%.0f,%.0f,%.0f,%u,%.0f,%.0f,%u,%.2f,", f->runs, f->halted, f->held,
           f->stalled, mean, p50, p99, f->harm[f->runs - 1], f->over,
           quantile(f->stop, f->stops, 0.5), quantile(f->stop, f->stops, 0.99), f->unstopped,
           quantile(f->t80, f->runs, 0.5));
    printf("%.2f,%.2f,%u,%.4f,%.0f\n", quantile(f->t90, f->runs, 0.5),
           quantile(f->t90, f->runs, 0.9), f->finished, f->seconds / f->runs,
           (double)f->decisions / f->runs);
}

static double seconds_of_processor(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool run_all(struct study *study, uint32_t runs, uint64_t seed)
{
    double *room = calloc((size_t)runs * 4, sizeof *room), begun;
    struct figures figures = {.harm = room};

    if (room == NULL)
        return false;
    figures.t80 = room + runs;
    figures.t90 = room + 2 * (size_t)runs;
    figures.stop = room + 3 * (size_t)runs;
    begun = seconds_of_processor();
    for (uint32_t i = 0; i < runs; i++) {
        struct sim_result result = sim_run(&study->sim, &study->scenario, study->policy,
                                           study->settings, seed * 1000003u + i);

        add(&figures, &result, study->ours.rule.harmed_max);
        figures.decisions += study->ours.decisions;
    }
    figures.seconds = seconds_of_processor() - begun;
    print(&figures);
    free(room);
    return true;
}

static int run_study(struct study *study, const struct options *options)
{
    size_t count = 0;
    const char *const *list = options_list(options, "set", &count);
    uint32_t devices = (uint32_t)options_int(options, "devices");

    choose_policy(study, options_text(options, "policy"));
    choose_scenario(study, options);
    set_groups(study, options);
    fleet_make(&study->fleet, 7);
    if (!sim_open(&study->sim, &study->fleet, devices) ||
        !ours_open(&study->ours, devices, study->sim.site_count))
        return LAB_FAILED;
    for (size_t i = 0; i < count; i++) {
        if (!set(study, list[i])) {
            (void)fprintf(stderr, "slipway-lab risk: no such setting or value: %s\n", list[i]);
            return LAB_USAGE;
        }
    }
    if (options_flag(options, "head"))
        puts(COLUMNS);
    return run_all(study, (uint32_t)options_int(options, "runs"),
                   (uint64_t)options_int(options, "seed"))
               ? LAB_HELD
               : LAB_FAILED;
}

int lab_risk(int argc, char **argv)
{
    struct options options;
    struct study *study;
    int code = options_start(&program, argc, argv, &options);

    if (code != OPTIONS_GO_ON)
        return code;
    study = calloc(1, sizeof *study);
    code = study != NULL ? run_study(study, &options) : LAB_FAILED;
    if (study != NULL) {
        sim_close(&study->sim);
        ours_close(&study->ours);
    }
    free(study);
    options_close(&options);
    return code;
}
