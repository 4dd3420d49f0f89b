/* Help and the manual page, from the command table. */
#include <string.h>

#include "cli/command.h"
#include "os/manual.h"

#define VERB_COLUMN 34u /* where the help of a command begins in a list */

static const char exits[] = "0: done; a watched rollout is done\n"
                            "1: an error without a code of its own\n"
                            "2: the command line, a file or a value makes no sense\n"
                            "3: the token is missing, unknown or may not do this\n"
                            "4: there is no such thing\n"
                            "5: the watched rollout halted: its gate was breached\n"
                            "6: some of several failed; a staged release list still lacks "
                            "signatures; the watched rollout was aborted\n"
                            "7: it exists already or has changed meanwhile\n"
                            "8: the server cannot be reached or trusted\n";

static const char description[] =
    "slipway is the command line of Slipway, which brings signed firmware to fleets of devices in "
    "stages.\n\n"
    "Commands that make and sign releases work offline on a repository directory; all others talk "
    "to the server's API with a token. Data goes to standard output, as tables or with -o json as "
    "the API's JSON; progress, questions and errors go to standard error. Nothing is asked where "
    "there is no terminal. No environment variable has any effect.\n";

static void print_name(FILE *to, const struct command *command)
{
    (void)fprintf(to, "%s%s%s%s%s", command->noun, command->verb ? " " : "",
                  command->verb ? command->verb : "", *command->args ? " " : "", command->args);
}

static size_t name_size(const struct command *command)
{
    return strlen(command->noun) + (command->verb ? 1 + strlen(command->verb) : 0) +
           (*command->args ? 1 + strlen(command->args) : 0);
}

void command_help_all(FILE *to, const char *noun)
{
    const char *last = "";

    (void)fprintf(to, "Usage: slipway [OPTION...] %s [ARGUMENT...]\n", noun ? "" : "NOUN VERB");
    if (!noun)
        (void)fputs("\nBring signed firmware to fleets of devices in stages.\n", to);
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands[i];
        size_t size = name_size(command);

        if (noun && strcmp(command->noun, noun) != 0)
            continue;
        if (strcmp(last, command->noun) != 0 && (command->verb || *last == '\0'))
            (void)fputc('\n', to);
        last = command->noun;
        (void)fputs("  ", to);
        print_name(to, command);
        if (size + 4 > VERB_COLUMN) {
            (void)fputc('\n', to);
            size = 0;
            (void)fputs("  ", to);
        }
        (void)fprintf(to, "%*s", (int)(VERB_COLUMN - 2 - size), "");
        manual_wrap(to, VERB_COLUMN, VERB_COLUMN, command->help);
    }
    (void)fputs("\nOptions of every command:\n", to);
    manual_help_options(to, global_options, global_options_count);
    (void)fputs("\nMore: slipway NOUN VERB --help, man 1 slipway.\n", to);
}

void command_help(FILE *to, const struct command *command)
{
    (void)fputs("Usage: slipway ", to);
    print_name(to, command);
    (void)fprintf(to, " [OPTION...]\n\n%s.\n", command->help);
    if (*command->more) {
        (void)fputc('\n', to);
        manual_wrap(to, 0, 0, command->more);
    }
    if (command->option_count > 0) {
        (void)fputs(*command->more ? "Options:\n" : "\nOptions:\n", to);
        manual_help_options(to, command->options, command->option_count);
    }
    (void)fputs(*command->more && command->option_count == 0 ? "Options of every command:\n"
                                                             : "\nOptions of every command:\n",
                to);
    manual_help_options(to, global_options, global_options_count);
}

static void man_command(FILE *to, const struct command *command)
{
    char sentence[256];

    (void)fprintf(to, ".SS slipway %s%s%s", command->noun, command->verb ? " " : "",
                  command->verb ? command->verb : "");
    if (*command->args)
        (void)fprintf(to, " %s", command->args);
    (void)snprintf(sentence, sizeof sentence, "%s.", command->help);
    (void)fputc('\n', to);
    manual_roff_text(to, sentence);
    if (*command->more) {
        (void)fputs(".PP\n", to);
        manual_roff_text(to, command->more);
    }
    manual_roff_options(to, command->options, command->option_count);
}

void command_man(FILE *to)
{
    manual_roff_head(to, "slipway", 1, "command line of the firmware-update orchestrator");
    (void)fputs(".SH SYNOPSIS\n\\fBslipway\\fR [\\fIOPTION\\fR...] \\fINOUN VERB\\fR "
                "[\\fIARGUMENT\\fR...]\n.SH DESCRIPTION\n",
                to);
    manual_roff_text(to, description);
    (void)fputs(".SH OPTIONS OF EVERY COMMAND\n", to);
    manual_roff_options(to, global_options, global_options_count);
    (void)fputs(".SH COMMANDS\n", to);
    for (size_t i = 0; i < commands_count; i++)
        man_command(to, &commands[i]);
    (void)fputs(".SH EXIT STATUS\n", to);
    manual_roff_terms(to, exits);
    (void)fputs(".SH FILES\n", to);
    manual_roff_terms(to, "~/.config/slipway/context.yaml: server, ca and token_file, as written "
                          "by slipway login\n"
                          "~/.config/slipway/token: the token, when login read it from standard "
                          "input\n");
    (void)fputs(".SH SEE ALSO\nslipwayd(8), slipway\\-agent(8), slipway\\-lab(1)\n", to);
}
