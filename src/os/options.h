/* A program's options: one table from which parsing, the configuration file, --help, the manual
 * page, the commented example file and the effective configuration all come.
 *
 * An option has one name. It is a key of the YAML configuration file as it stands in the table
 * (`poll_interval_s: 30`) and an option of the command line with either kind of dash
 * (`--poll-interval-s 30`, `--poll_interval_s=30`). The command line wins over the file, the file
 * over the table's fallback. There are no environment variables. Unknown names, wrong types,
 * values out of range and names given twice are errors that name the line.
 *
 *     static const struct option_spec table[] = {
 *         {"config", 'c', OPTION_PATH, "/etc/slipway/slipwayd.yaml", 0, 0, "FILE", "Read this"},
 *         {"listen", 'l', OPTION_TEXT, "127.0.0.1:8443", 0, 0, "ADDRESS", "Listen here"},
 *         {"log_level", 0, OPTION_TEXT, "info", 0, 0, "error|warn|info|debug", "Say this much"},
 *         {"poll_interval_s", 0, OPTION_DURATION_S, "5m", 1, 86400, "TIME", "Devices ask so
 * often"},
 *     };
 *     static const struct program program = {.name = "slipwayd", .section = 8, ...};
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct options options;
 *         int code = options_start(&program, argc, argv, &options);
 *
 *         if (code != OPTIONS_GO_ON)
 *             return code;
 *         if (options_check_only(&options)) { check the rest; options_print_effective(...); }
 *         ... options_text(&options, "listen") ...
 *         options_close(&options);
 *     }
 *
 * Every program also understands, without a row: -h --help, --version, --man (its manual page in
 * roff), --example (a commented configuration file) and -n --check (see options_check_only). */
#pragma once

#include <stdio.h>

#include "base/err.h"
#include "base/why.h"

#define OPTIONS_COUNT_MAX      64u             /* rows of one table */
#define OPTIONS_ITEMS_MAX      4096u           /* items of one list, and operands */
#define OPTIONS_FILE_SIZE_MAX  (1024u * 1024u) /* bytes of a configuration file */
#define OPTIONS_VALUE_SIZE_MAX 4096u           /* bytes of one value */

enum option_kind {
    OPTION_FLAG,       /* command line: present or =true/=false; file: true or false */
    OPTION_INT,        /* decimal, may be negative */
    OPTION_SIZE,       /* bytes: 65536, 64K, 1M, 2G (powers of 1024) */
    OPTION_TEXT,       /* any text */
    OPTION_PATH,       /* a file; completed as one by shells; used as it stands */
    OPTION_DURATION_S, /* seconds: 90, 90s, 10m, 1h30m, 2d, 1w */
    OPTION_LIST,       /* texts; command line: repeated or a,b,c; file: a sequence */
    OPTION_TEXTS       /* the same, but a comma is a character like others; repeated only */
};

struct option_spec {
    const char *name; /* lower case, digits and _ */
    char letter;      /* 0: none */
    enum option_kind kind;
    const char *fallback; /* in the command line's form; NULL: not set */
    int64_t min, max;     /* of INT, SIZE and DURATION_S; both 0: no bounds */
    const char *unit;     /* stands for the value in help; "a|b|c" allows a TEXT these words only */
    const char *help;     /* one line, a statement in the imperative, no final period */
};

/* What `--help` and the manual page need to know besides the table. */
struct program {
    const char *name;          /* as installed, "slipwayd" */
    unsigned section;          /* of the manual: 1 or 8 */
    const char *summary;       /* one line, lower case start, no period */
    const char *description;   /* paragraphs, divided by an empty line */
    const char *operands;      /* as in the synopsis, "" or NULL: none are allowed */
    const char *config_option; /* the row whose value is the configuration file; NULL: no file */
    const struct option_spec *table;
    size_t count;
    const char *files;    /* for the manual; paragraphs "path: what", may be NULL */
    const char *exits;    /* for the manual; lines "code: what", may be NULL */
    const char *see_also; /* "slipway(1), slipway-agent(8)", may be NULL */
};

enum options_request {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_MAN,
    OPTIONS_EXAMPLE
};

enum option_source {
    OPTION_FALLBACK,
    OPTION_FILE,
    OPTION_COMMAND_LINE
};

struct option_value {
    enum option_source source;
    bool set;
    int64_t number; /* FLAG INT SIZE DURATION_S */
    char *text;     /* TEXT PATH; owned */
    char **items;   /* LIST TEXTS; owned */
    size_t count;   /* of items */
};

/* The values of one run. Read it through the functions below. */
struct options {
    const struct option_spec *table;
    size_t count;
    enum options_request request;
    bool check_only;
    char **operands; /* into argv: not owned */
    size_t operand_count;
    struct option_value values[OPTIONS_COUNT_MAX];
};

/* Parse `argv` (after argv[0]) and, when `config_option` names a row with a value, that YAML file.
 * A file that only the fallback names may be missing. On failure `out` is closed, `why->field` is
 * the option and `why->text` a sentence with file and line. Options and operands may be mixed;
 * "--" ends the options. When a request other than OPTIONS_RUN is found, nothing after it and no
 * file is read. The texts of `argv` must outlive `out`. */
enum err options_parse(const struct option_spec *table, size_t count, int argc, char **argv,
                       const char *config_option, struct options *out, struct why *why) MUST_USE;

/* Read YAML bytes as if they were the configuration file `name`: for tests and fuzzing. `out` has
 * fallbacks for everything else. */
enum err options_parse_text(const struct option_spec *table, size_t count, const char *name,
                            const char *text, size_t size, struct options *out,
                            struct why *why) MUST_USE;

/* NULL-safe and idempotent. */
void options_close(struct options *options);

#define OPTIONS_GO_ON (-1)

/* options_parse() for a main(): answers --help, --version, --man and --example on stdout, says what
 * is wrong on stderr (`NAME: sentence`). OPTIONS_GO_ON, or the exit code (0, or 2 for wrong usage);
 * in that case `out` needs no closing. */
int options_start(const struct program *program, int argc, char **argv,
                  struct options *out) MUST_USE;

/* -n or --check was given: the program shall check its configuration as far as it can without
 * changing anything, print the effective one and exit with 0 or 1. */
bool options_check_only(const struct options *options);

/* Values by name. A name that is not in the table or of another kind is a bug of the caller.
 * Texts and lists belong to `options`. */
bool options_flag(const struct options *options, const char *name);
int64_t options_int(const struct options *options, const char *name);        /* unset: 0 */
uint64_t options_size(const struct options *options, const char *name);      /* bytes; unset: 0 */
const char *options_text(const struct options *options, const char *name);   /* unset: NULL */
const char *options_path(const struct options *options, const char *name);   /* unset: NULL */
int64_t options_duration_s(const struct options *options, const char *name); /* unset: 0 */
/* Unset: NULL and a count of 0. */
const char *const *options_list(const struct options *options, const char *name, size_t *count);
const char *const *options_texts(const struct options *options, const char *name, size_t *count);

/* Whether the value came from the command line or the file, not from the fallback. */
bool options_given(const struct options *options, const char *name);

/* Generators. All write to `to` and cannot fail for reasons other than `to` itself. */
void options_print_help(const struct program *program, FILE *to);
void options_print_version(const struct program *program, FILE *to);
void options_print_man(const struct program *program, FILE *to);
void options_print_example(const struct program *program, FILE *to);
/* The values in force, as a configuration file; what came from elsewhere than the fallback is
 * marked by a comment that says from where. */
void options_print_effective(const struct options *options, FILE *to);
