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

static bool has_word(int argc, char **argv, const char *word, const char *other)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0 || (other && strcmp(argv[i], other) == 0))
            return true;
    return false;
}

/* What can be asked without naming a command. -1: nothing was. */
static int without_command(int argc, char **argv, bool help)
{
    if (has_word(argc, argv, "--version", NULL))
        return print_version();
    if (has_word(argc, argv, "--man", NULL)) {
        command_man(stdout);
        return CODE_OK;
    }
    if (help || argc < 2) {
        command_help_all(help ? stdout : stderr, NULL);
        return help ? CODE_OK : CODE_USAGE;
    }
    return -1;
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
    int first = command_word(argc, argv, 1);
    bool help = first < argc && strcmp(argv[first], "help") == 0; /* slipway help device list */
    enum err err;

    why_clear(&why);
    if (help)
        command_take_out(&argc, argv, first);
    help |= has_word(argc, argv, "--help", "-h");
    err = command_find(&argc, argv, &cli->command, &noun, &why);
    if (err != ERR_OK && !noun) {
        int code = without_command(argc, argv, help);

        return code >= 0 ? code : complain(cli, CODE_USAGE, "%s", why.text);
    }
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
    int code;

    cli.in_tty = isatty(STDIN_FILENO) == 1;
    cli.out_tty = isatty(STDOUT_FILENO) == 1;
    cli.err_tty = isatty(STDERR_FILENO) == 1;
    code = run(&cli, argc, argv);
    api_close(cli.api);
    options_close(&cli.options);
    if (fflush(stdout) != 0 && code == CODE_OK)
        code = complain(&cli, CODE_ERROR, "cannot write to standard output");
    return code;
}
