/* What options.h generates from the table, and the start of every main(). */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "os/manual.h"
#include "os/options.h"
#include "os/quantity.h"

/* Shown in help and manual pages; parsed in options.c. */
static const struct option_spec common[] = {
    {"help", 'h', OPTION_FLAG, NULL, 0, 0, NULL, "Print this help and exit"},
    {"version", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Print the version and exit"},
    {"man", 0, OPTION_FLAG, NULL, 0, 0, NULL, "Print the manual page in roff and exit"},
};

static const struct option_spec common_config[] = {
    {"check", 'n', OPTION_FLAG, NULL, 0, 0, NULL,
     "Check the configuration, print the one in force and exit"},
    {"example", 0, OPTION_FLAG, NULL, 0, 0, NULL,
     "Print a commented example configuration and exit"},
};

void options_print_version(const struct program *program, FILE *to)
{
    (void)fprintf(to, "%s %s\n", program->name, SLIPWAY_VERSION);
}

static void help_sentence(FILE *to, const char *summary)
{
    char sentence[256];

    (void)snprintf(sentence, sizeof sentence, "%s.", summary);
    if (sentence[0] >= 'a' && sentence[0] <= 'z')
        sentence[0] = (char)(sentence[0] - 'a' + 'A');
    manual_wrap(to, 0, 0, sentence);
}

void options_print_help(const struct program *program, FILE *to)
{
    (void)fprintf(to, "Usage: %s [OPTION...]%s%s\n\n", program->name,
                  program->operands && *program->operands ? " " : "",
                  program->operands ? program->operands : "");
    help_sentence(to, program->summary);
    (void)fputs("\nOptions:\n", to);
    manual_help_options(to, program->table, program->count);
    if (program->config_option)
        manual_help_options(to, common_config, COUNT_OF(common_config));
    manual_help_options(to, common, COUNT_OF(common));
    if (program->config_option)
        (void)fputs("\nAll options are also keys of the configuration file; see --example.\n", to);
    (void)fprintf(to, "The whole manual: man %u %s\n", program->section, program->name);
}

static void man_section(FILE *to, const char *title, const char *text)
{
    if (!text || *text == '\0')
        return;
    (void)fprintf(to, ".SH %s\n", title);
    manual_roff_text(to, text);
}

static void man_terms(FILE *to, const char *title, const char *lines)
{
    if (!lines || *lines == '\0')
        return;
    (void)fprintf(to, ".SH %s\n", title);
    manual_roff_terms(to, lines);
}

void options_print_man(const struct program *program, FILE *to)
{
    manual_roff_head(to, program->name, program->section, program->summary);
    (void)fputs(".SH SYNOPSIS\n\\fB", to);
    manual_roff_text(to, program->name);
    (void)fputs("\\fR[\\fIOPTION\\fR...]", to);
    if (program->operands && *program->operands)
        (void)fprintf(to, " \\fI%s\\fR", program->operands);
    (void)fputc('\n', to);
    man_section(to, "DESCRIPTION", program->description);
    (void)fputs(".SH OPTIONS\n", to);
    manual_roff_options(to, program->table, program->count);
    if (program->config_option)
        manual_roff_options(to, common_config, COUNT_OF(common_config));
    manual_roff_options(to, common, COUNT_OF(common));
    if (program->config_option)
        man_section(to, "CONFIGURATION",
                    "The configuration file is YAML: one line \"name: value\" for each option, "
                    "with the name as\nabove, without dashes in front and with _ instead of -. "
                    "Lists are YAML sequences. Unknown names,\nwrong types and names given twice "
                    "are errors. The command line wins over the file.\n\n"
                    "Durations are written as 90s, 10m, 1h30m or 2d; a number alone means "
                    "seconds. Sizes are written\nas 65536, 64K, 1M or 2G; a number alone means "
                    "bytes.\n");
    man_terms(to, "FILES", program->files);
    man_terms(to, "EXIT STATUS", program->exits);
    man_section(to, "SEE ALSO", program->see_also);
}

/* ---- YAML ---- */

/* In quotes unless it is plainly a word or a number of ours. */
static void yaml_scalar(FILE *to, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./";

    if (*text != '\0' && strspn(text, plain) == strlen(text) && strcmp(text, "null") != 0) {
        (void)fputs(text, to);
        return;
    }
    (void)fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            (void)fprintf(to, "\\%c", c);
        else if (c < 0x20)
            (void)fprintf(to, "\\x%02x", c);
        else
            (void)fputc(c, to);
    }
    (void)fputc('"', to);
}

static void example_option(FILE *to, const struct option_spec *spec)
{
    (void)fputs("\n# ", to);
    (void)fprintf(to, "%s.", spec->help);
    if (spec->kind == OPTION_TEXT && spec->unit && strchr(spec->unit, '|'))
        (void)fprintf(to, " One of: %s.", spec->unit);
    if (spec->min != 0 || spec->max != 0) {
        (void)fputs(" Allowed: ", to);
        manual_range(to, spec);
        (void)fputc('.', to);
    }
    (void)fprintf(to, "\n#%s: ", spec->name);
    if (spec->kind == OPTION_LIST || spec->kind == OPTION_TEXTS)
        (void)fprintf(to, "[%s]", spec->fallback ? spec->fallback : "");
    else if (spec->kind == OPTION_FLAG)
        (void)fputs(spec->fallback ? spec->fallback : "false", to);
    else if (spec->fallback)
        yaml_scalar(to, spec->fallback);
    (void)fputc('\n', to);
}

void options_print_example(const struct program *program, FILE *to)
{
    (void)fprintf(to,
                  "# Configuration of %s %s: every option with what holds without it.\n"
                  "# Take the '#' away to change one. See %s(%u).\n",
                  program->name, SLIPWAY_VERSION, program->name, program->section);
    for (size_t i = 0; i < program->count; i++)
        if (!program->config_option || strcmp(program->table[i].name, program->config_option) != 0)
            example_option(to, &program->table[i]);
}

static void effective_value(FILE *to, const struct option_spec *spec,
                            const struct option_value *value)
{
    char text[QUANTITY_TEXT_SIZE];

    switch (spec->kind) {
    case OPTION_FLAG:
        (void)fputs(value->number ? "true" : "false", to);
        break;
    case OPTION_INT:
    case OPTION_SIZE:
        (void)fprintf(to, "%" PRId64, value->number);
        break;
    case OPTION_DURATION_S:
        (void)fputs(quantity_print_duration(value->number, text), to);
        break;
    case OPTION_TEXT:
    case OPTION_PATH:
        yaml_scalar(to, value->text);
        break;
    case OPTION_LIST:
    case OPTION_TEXTS:
        (void)fputc('[', to);
        for (size_t i = 0; i < value->count; i++) {
            (void)fputs(i ? ", " : "", to);
            yaml_scalar(to, value->items[i]);
        }
        (void)fputc(']', to);
        break;
    }
}

void options_print_effective(const struct options *options, FILE *to)
{
    static const char *const sources[] = {[OPTION_FALLBACK] = "",
                                          [OPTION_FILE] = " # file",
                                          [OPTION_COMMAND_LINE] = " # command line"};

    for (size_t i = 0; i < options->count; i++) {
        const struct option_spec *spec = &options->table[i];
        const struct option_value *value = &options->values[i];

        (void)fprintf(to, "%s%s: ", value->set ? "" : "#", spec->name);
        if (value->set)
            effective_value(to, spec, value);
        (void)fprintf(to, "%s\n", sources[value->source]);
    }
}

/* ---- main() ---- */

static int complain(const struct program *program, const struct why *why)
{
    (void)fprintf(stderr, "%s: %s\n", program->name, why->text);
    return 2;
}

int options_start(const struct program *program, int argc, char **argv, struct options *out)
{
    struct why why;
    enum options_request request;

    why_clear(&why);
    if (options_parse(program->table, program->count, argc, argv, program->config_option, out,
                      &why) != ERR_OK)
        return complain(program, &why);
    request = out->request;
    if (request == OPTIONS_RUN && out->operand_count > 0 &&
        (!program->operands || *program->operands == '\0')) {
        (void)fprintf(stderr, "%s: \"%s\" is not an option; try --help\n", program->name,
                      out->operands[0]);
        options_close(out);
        return 2;
    }
    if (request == OPTIONS_RUN)
        return OPTIONS_GO_ON;
    if (request == OPTIONS_HELP)
        options_print_help(program, stdout);
    else if (request == OPTIONS_VERSION)
        options_print_version(program, stdout);
    else if (request == OPTIONS_MAN)
        options_print_man(program, stdout);
    else
        options_print_example(program, stdout);
    options_close(out);
    return fflush(stdout) == 0 ? 0 : 1;
}
