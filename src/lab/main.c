/* slipway-lab: experiments on the shipped code. */
#include <stdio.h>
#include <string.h>

#include "base/types.h"
#include "lab/command.h"

static const struct lab_command commands[] = {
    {"powercut", "cut the power inside every durable operation of the device core", lab_powercut},
    {"load", "load a server with many devices", lab_load},
};

static int usage(FILE *to, int code)
{
    (void)fprintf(to, "usage: slipway-lab COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        (void)fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
    (void)fprintf(to, "\nslipway-lab COMMAND --help tells about its options.\n");
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, LAB_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return usage(stdout, LAB_HELD);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "slipway-lab: there is no command '%s'\n", argv[1]);
    return usage(stderr, LAB_USAGE);
}
