/* slipway: the command line of Slipway. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/api.h"
#include "cli/command.h"

static int print_version(void)
{
    (void)printf("slipway %s\n", SLIPWAY_VERSION);
    return CODE_OK;
}

/* Words that stand alone in front of any command. -1: none of them. */
static int without_command(int argc, char **argv)
{
    if (argc < 2) {
        command_help_all(stderr, NULL);
        return CODE_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    if (strcmp(argv[1], "--man") == 0)
        command_man(stdout);
    else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
             (strcmp(argv[1], "help") == 0 && argc == 2))
        command_help_all(stdout, NULL);
    else
        return -1;
    return CODE_OK;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int answer_request(const struct cli *cli)
{
    if (cli->options.request == OPTIONS_VERSION)
        return print_version();
    if (cli->options.request == OPTIONS_MAN)
        command_man(stdout);
    else
        command_help(stdout, cli->command);
    return CODE_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct why why;
    const char *noun;
    bool help = argc > 1 && strcmp(argv[1], "help") == 0; /* "slipway help device list" */
    enum err err;

    why_clear(&why);
    if (help) {
        argv[1] = argv[0];
        argc--;
        argv++;
    }
    help |= asks_for_help(argc, argv);
    err = command_find(&argc, argv, &cli->command, &noun, &why);
    if (err != ERR_OK && noun && help) {
        command_help_all(stdout, noun);
        return CODE_OK;
    }
    if (err != ERR_OK)
        return complain(cli, CODE_USAGE, "%s", why.text);
    if (help) {
        command_help(stdout, cli->command);
        return CODE_OK;
    }
    if (command_parse(cli, argc, argv, &why) != ERR_OK)
        return complain(cli, CODE_USAGE, "%s", why.text);
    if (cli->options.request != OPTIONS_RUN)
        return answer_request(cli);
    return cli->command->run(cli);
}

int main(int argc, char **argv)
{
    struct cli cli = {.out = stdout, .err = stderr};
    int code = without_command(argc, argv);

    cli.in_tty = isatty(STDIN_FILENO) == 1;
    cli.out_tty = isatty(STDOUT_FILENO) == 1;
    cli.err_tty = isatty(STDERR_FILENO) == 1;
    if (code < 0)
        code = run(&cli, argc, argv);
    api_close(cli.api);
    options_close(&cli.options);
    if (fflush(stdout) != 0 && code == CODE_OK)
        code = complain(&cli, CODE_ERROR, "cannot write to standard output");
    return code;
}
