/* slipway-lab stolen-server: the experiment with options, and its figures as a table. */
#include <stdio.h>

#include "lab/command.h"
#include "lab/stolen.h"
#include "os/options.h"

static const struct option_spec table[] = {
    {"steps", 's', OPTION_INT, "1000000", 1, INT64_MAX, "COUNT",
     "Let the attacker answer so often"},
    {"life", 'l', OPTION_INT, "2000", 1, INT64_MAX, "COUNT",
     "Take a new device, with other releases, after so many answers"},
    {"seed", 0, OPTION_INT, "1", 0, INT64_MAX, "NUMBER", "Draw all chance from this number"},
};

static const struct program program = {
    .name = "slipway-lab stolen-server",
    .section = 1,
    .summary = "give a device an attacker for its server",
    .description =
        "An attacker with the whole key material of the server (assignment key, online metadata "
        "keys, TLS identity) answers a device at random: releases signed and unsigned, for other "
        "hardware, below the floor, blocked, altered; assignments of his own, altered, expired, "
        "played back; old and spoiled trust stores; wrong bytes; any time of day. The device is "
        "the "
        "shipped core behind the shipped checks. It is reset and loses its record now and then.\n\n"
        "Nothing may run that the signers have not signed for this product and hardware, nothing "
        "below the security floor, nothing blocked; the floor never falls; and no assignment is "
        "accepted that has anything wrong with it. The keys are drawn anew in every run, all else "
        "follows from the seed.",
    .table = table,
    .count = COUNT_OF(table),
    .exits = "0: the attacker got nothing he may not have\n1: he did\n2: wrong usage",
};

static void print_line(const char *what, uint64_t count)
{
    printf("  %-24s %10llu\n", what, (unsigned long long)count);
}

static void print_figures(const struct stolen_figures *figures)
{
    printf("%llu answers to %llu devices: %llu offers, %llu of them without fault\n",
           (unsigned long long)figures->steps, (unsigned long long)figures->devices,
           (unsigned long long)figures->offers, (unsigned long long)figures->honest);
    printf("refused for\n");
    for (int reason = 1; reason < AGENT_REASON_COUNT; reason++) {
        if (figures->refused[reason] > 0)
            print_line(agent_reason_name((enum agent_reason)reason), figures->refused[reason]);
    }
    printf("ended as\n");
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        if (figures->ended[phase] > 0)
            print_line(native_phase_name((enum native_phase)phase), figures->ended[phase]);
    }
    printf("what came of it\n");
    print_line("assignments accepted", figures->accepted);
    print_line("trials begun", figures->armed);
    print_line("images confirmed", figures->confirmed);
    print_line("older than before", figures->went_back);
    print_line("boots", figures->boots);
    print_line("records lost", figures->records_lost);
    printf("what must not happen\n");
    print_line("unsigned", figures->unsigned_run);
    print_line("for others", figures->foreign_run);
    print_line("below the floor", figures->below_floor);
    print_line("blocked", figures->blocked_run);
    print_line("floor fell", figures->floor_fell);
    print_line("wrongly accepted", figures->wrongly_taken);
}

int lab_stolen(int argc, char **argv)
{
    struct options options;
    int code = options_start(&program, argc, argv, &options);
    struct stolen_figures figures;
    struct stolen_plan plan;

    if (code != OPTIONS_GO_ON)
        return code;
    plan = (struct stolen_plan){.seed = (uint64_t)options_int(&options, "seed"),
                                .steps = (uint64_t)options_int(&options, "steps"),
                                .life = (uint64_t)options_int(&options, "life")};
    options_close(&options);
    stolen_run(&plan, &figures);
    print_figures(&figures);
    if (stolen_harm(&figures) == 0)
        return LAB_HELD;
    printf("first at step %llu\n", (unsigned long long)figures.worst_step);
    return LAB_FAILED;
}
