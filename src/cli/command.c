#include "cli/command.h"

#include <stdarg.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"

/* Whether `word` is a global option that takes the next word as its value. */
static bool takes_next(const char *word)
{
    for (size_t i = 0; i < global_options_count; i++) {
        const struct option_spec *spec = &global_options[i];
        char name[64];
        size_t at = 0;

        if (spec->kind == OPTION_FLAG)
            continue;
        if (word[1] == spec->letter && spec->letter && word[2] == '\0')
            return true;
        for (; spec->name[at] != '\0' && at + 1 < sizeof name; at++)
            name[at] = spec->name[at] == '_' ? '-' : spec->name[at];
        name[at] = '\0';
        if (strcmp(word + 2, name) == 0 || strcmp(word + 2, spec->name) == 0)
            return true;
    }
    return false;
}

int command_word(int argc, char **argv, int from)
{
    while (from < argc && argv[from][0] == '-' && argv[from][1] != '\0') {
        if (strcmp(argv[from], "--") == 0)
            return argc;
        from += takes_next(argv[from]) ? 2 : 1;
    }
    return from < argc ? from : argc;
}

void command_take_out(int *argc, char **argv, int at)
{
    memmove(&argv[at], &argv[at + 1], (size_t)(*argc - at) * sizeof *argv);
    (*argc)--;
}

static bool is_noun(const char *word)
{
    for (size_t i = 0; i < commands_count; i++)
        if (strcmp(commands[i].noun, word) == 0)
            return true;
    return false;
}

static const struct command *find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->noun, noun) != 0)
            continue;
        if (!command->verb || (verb && strcmp(command->verb, verb) == 0))
            return command;
    }
    return NULL;
}

enum err command_find(int *argc, char **argv, const struct command **out, const char **noun,
                      struct why *why)
{
    int first = command_word(*argc, argv, 1), second;
    const struct command *command;

    *noun = NULL;
    if (first >= *argc)
        return say(why, ERR_NOT_FOUND, NULL, "a command is missing; try --help");
    if (!is_noun(argv[first]))
        return say(why, ERR_NOT_FOUND, NULL, "there is no command \"%.40s\"; try --help",
                   argv[first]);
    *noun = argv[first];
    second = command_word(*argc, argv, first + 1);
    command = find(*noun, second < *argc ? argv[second] : NULL);
    if (!command && second < *argc)
        return say(why, ERR_NOT_FOUND, NULL, "there is no command \"%s %.40s\"; try %s --help",
                   *noun, argv[second], *noun);
    if (!command)
        return say(why, ERR_NOT_FOUND, NULL, "%s what? Try %s --help", *noun, *noun);
    if (command->verb)
        command_take_out(argc, argv, second);
    command_take_out(argc, argv, first);
    *out = command;
    return ERR_OK;
}

enum err command_parse(struct cli *cli, int argc, char **argv, struct why *why)
{
    const struct command *command = cli->command;
    size_t count = 0;

    CHECK(global_options_count + command->option_count <= COUNT_OF(cli->table));
    for (size_t i = 0; i < global_options_count; i++)
        cli->table[count++] = global_options[i];
    for (size_t i = 0; i < command->option_count; i++)
        cli->table[count++] = command->options[i];
    TRY(options_parse(cli->table, count, argc, argv, NULL, &cli->options, why));
    if (cli->options.check_only || cli->options.request == OPTIONS_EXAMPLE)
        return say(why, ERR_INVALID, NULL,
                   "--check and --example are for programs with a "
                   "configuration file; try --help");
    if (cli->options.request != OPTIONS_RUN)
        return ERR_OK;
    cli->args = cli->options.operands;
    cli->arg_count = cli->options.operand_count;
    cli->json = strcmp(options_text(&cli->options, "output"), "json") == 0;
    if (cli->arg_count < command->args_min)
        return say(why, ERR_INVALID, NULL, "%s is missing; try --help", command->args);
    if (cli->arg_count > command->args_max)
        return say(why, ERR_INVALID, NULL, "\"%.60s\" is one argument too many; try --help",
                   cli->args[command->args_max]);
    return ERR_OK;
}

int complain(struct cli *cli, int code, const char *format, ...)
{
    va_list list;

    (void)fputs("slipway: ", cli->err);
    va_start(list, format);
    (void)vfprintf(cli->err, format, list);
    va_end(list);
    (void)fputc('\n', cli->err);
    return code;
}

int complain_why(struct cli *cli, enum err err, const struct why *why)
{
    static const int codes[ERR_COUNT] = {
        [ERR_AGAIN] = CODE_UNREACHABLE, [ERR_LINK] = CODE_UNREACHABLE,
        [ERR_STORAGE] = CODE_ERROR,     [ERR_CORRUPT] = CODE_ERROR,
        [ERR_UNTRUSTED] = CODE_ERROR,   [ERR_DENIED] = CODE_DENIED,
        [ERR_UNSUITABLE] = CODE_ERROR,  [ERR_NOT_FOUND] = CODE_NOT_FOUND,
        [ERR_CONFLICT] = CODE_CONFLICT, [ERR_INVALID] = CODE_USAGE,
        [ERR_TOO_BIG] = CODE_ERROR,     [ERR_UNHEALTHY] = CODE_ERROR,
    };

    CHECK(err != ERR_OK && err < ERR_COUNT);
    return complain(cli, codes[err], "%s", why->text[0] ? why->text : err_text(err));
}

int confirm(struct cli *cli, const char *question)
{
    char answer[16] = "";

    if (options_flag(&cli->options, "yes"))
        return CODE_OK;
    if (!cli->in_tty || !cli->err_tty)
        return complain(cli, CODE_USAGE, "%s Nobody can be asked here: give --yes", question);
    (void)fprintf(cli->err, "%s [y/N] ", question);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return CODE_OK;
    return complain(cli, CODE_ERROR, "nothing done");
}
