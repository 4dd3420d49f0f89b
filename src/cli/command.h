/* The commands of `slipway`: one table of noun and verb from which parsing, help, the manual page
 * and the shells' completions come.
 *
 *     slipway [OPTION...] NOUN VERB [ARGUMENT...] [OPTION...]
 *
 * A command returns its exit code, having said on stderr what was wrong. Codes never change their
 * meaning: scripts depend on them (docs/manual/cli.md). */
#pragma once

#include <stdio.h>

#include "os/options.h"

enum exit_code {
    CODE_OK = 0,
    CODE_ERROR = 1,       /* anything without a code of its own */
    CODE_USAGE = 2,       /* the command line, a file or a value makes no sense */
    CODE_DENIED = 3,      /* the token is missing, unknown or may not do this */
    CODE_NOT_FOUND = 4,   /* there is no such thing */
    CODE_HALTED = 5,      /* the rollout halted: its gate was breached */
    CODE_PARTIAL = 6,     /* some of several failed or waits; a watched rollout was aborted */
    CODE_CONFLICT = 7,    /* it exists already or has changed meanwhile */
    CODE_UNREACHABLE = 8, /* the server cannot be reached or trusted */
};

struct cli;
typedef int command_run(struct cli *cli);

struct command {
    const char *noun;
    const char *verb; /* NULL: the noun is the whole command */
    const char *args; /* as in the synopsis, "" if none; "a|b" are words to choose from */
    size_t args_min, args_max;
    bool args_are_files; /* for completion */
    const char *help;    /* one line, imperative, no final period */
    const char *more;    /* paragraphs for help and manual; "" if none */
    const struct option_spec *options;
    size_t option_count;
    command_run *run;
};

/* All of them, grouped by noun. */
extern const struct command commands[];
extern const size_t commands_count;

/* What every command understands. */
extern const struct option_spec global_options[];
extern const size_t global_options_count;

#define ARGS_MAX 4096u /* operands where any number may be given */

struct api;

/* One run. */
struct cli {
    const struct command *command;
    struct option_spec table[OPTIONS_COUNT_MAX]; /* global rows, then the command's */
    struct options options;
    char **args; /* operands */
    size_t arg_count;
    bool json;                     /* -o json */
    bool in_tty, out_tty, err_tty; /* whether a person sits there */
    FILE *out, *err;
    struct api *api; /* opened by the first call; see api.h */
};

/* The index of the next word from `from` that is neither a global option nor its value; `argc` if
 * there is none. And to take a word out of the line. */
int command_word(int argc, char **argv, int from);
void command_take_out(int *argc, char **argv, int at);

/* Find the command named in `argv` and take its words out (argv[0] stays, `*argc` shrinks).
 * ERR_NOT_FOUND: no or unknown words, with a sentence; `noun` then is the noun typed if there are
 * commands for it, else NULL. */
enum err command_find(int *argc, char **argv, const struct command **out, const char **noun,
                      struct why *why) MUST_USE;

/* Parse the rest of the line into `cli`. */
enum err command_parse(struct cli *cli, int argc, char **argv, struct why *why) MUST_USE;

/* Generated from the table. `noun` NULL: all commands. */
void command_help_all(FILE *to, const char *noun);
void command_help(FILE *to, const struct command *command);
void command_man(FILE *to);
void command_complete_bash(FILE *to);
void command_complete_zsh(FILE *to);

/* "slipway: sentence" on stderr; returns `code`. */
int complain(struct cli *cli, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from what a library said: field in front, code from `err`. */
int complain_why(struct cli *cli, enum err err, const struct why *why);

/* Ask "question [y/N]" of a person. CODE_OK to go on: --yes was given or the answer was yes.
 * Without a terminal and without --yes it refuses. */
int confirm(struct cli *cli, const char *question);
