/* slipway-lab: experiments on the shipped code. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "lab/command.h"
#include "os/options.h"

static const struct lab_command commands[] = {
    {"powercut", "cut the power inside every durable operation of the device core", lab_powercut},
    {"load", "load a server with many devices", lab_load},
    {"stolen-server", "give a device an attacker for its server", lab_stolen},
    {"seal", "measure what sealed images cost", lab_seal},
    {"judge", "judge a manifest and an assignment as a microcontroller does", lab_judge},
    {"risk", "simulate rollouts and count the harm they do", lab_risk},
};

/* The program as a whole: what it says before a command is chosen. */
static const char *describe(char *room, size_t size)
{
    struct buf text = buf_over(room, size);

    buf_text(&text, "Runs one experiment. Each command has options of its own, which `slipway-lab "
                    "COMMAND --help' lists; `slipway-lab COMMAND --man' is its manual page.");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        buf_text(&text, "\n\n");
        buf_text(&text, commands[i].name);
        buf_text(&text, ": ");
        buf_text(&text, commands[i].summary);
    }
    return buf_finish_text(&text);
}

static void print_help(const struct program *program, FILE *to)
{
    options_print_help(program, to);
    (void)fprintf(to, "\nCommands:\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        (void)fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
}

static int without_command(int argc, char **argv)
{
    static const struct option_spec none[1];
    char description[2048];
    struct program program = {
        .name = "slipway-lab",
        .section = 1,
        .summary = "experiments on the shipped code of Slipway",
        .description = describe(description, sizeof description),
        .operands = "COMMAND [OPTION...]",
        .table = none,
        .count = 0,
        .exits = "0: the experiment held\n1: it found a failure\n2: wrong usage",
        .see_also = "slipwayd(8), slipway-agent(8), slipway(1)",
    };
    struct options options;
    int code;

    if (argc < 2) {
        print_help(&program, stderr);
        return LAB_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(&program, stdout);
        return LAB_HELD;
    }
    code = options_start(&program, argc, argv, &options);
    if (code == OPTIONS_GO_ON)
        options_close(&options);
    return code == OPTIONS_GO_ON ? LAB_USAGE : code;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-')
        return without_command(argc, argv);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "slipway-lab: there is no command '%s'; see slipway-lab --help\n",
                  argv[1]);
    return LAB_USAGE;
}
