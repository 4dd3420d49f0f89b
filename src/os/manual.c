#include "os/manual.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "os/quantity.h"

#define HELP_COLUMN 30u /* where the help of an option begins */

const char *manual_option(const struct option_spec *spec, char to[MANUAL_OPTION_SIZE])
{
    int size = snprintf(to, MANUAL_OPTION_SIZE, "--%s", spec->name);

    CHECK(size > 0 && (size_t)size < MANUAL_OPTION_SIZE);
    for (char *at = to; *at != '\0'; at++)
        if (*at == '_')
            *at = '-';
    return to;
}

static void spaces(FILE *to, size_t count)
{
    (void)fprintf(to, "%*s", (int)count, "");
}

/* One line of input, up to '\n' or the end. */
static void wrap_line(FILE *to, size_t column, size_t indent, const char *text, size_t size)
{
    size_t at = 0;
    bool first = true;

    if (size >= 2 && text[0] == ' ' && text[1] == ' ') {
        (void)fprintf(to, "%.*s\n", (int)size, text);
        return;
    }
    while (at < size) {
        const char *space = memchr(text + at, ' ', size - at);
        size_t word = space ? (size_t)(space - text) - at : size - at;

        if (!first && column + 1 + word > MANUAL_WIDTH) {
            (void)fputc('\n', to);
            spaces(to, indent);
            column = indent;
            first = true;
        }
        (void)fprintf(to, "%s%.*s", first ? "" : " ", (int)word, text + at);
        column += word + !first;
        first = false;
        at += word + 1;
    }
    (void)fputc('\n', to);
}

void manual_wrap(FILE *to, size_t column, size_t indent, const char *text)
{
    for (;;) {
        size_t size = strcspn(text, "\n");

        wrap_line(to, column, indent, text, size);
        if (text[size] == '\0')
            return;
        text += size + 1;
        column = indent;
        if (*text != '\0' && *text != '\n' && *text != ' ')
            spaces(to, indent);
    }
}

static bool has_bounds(const struct option_spec *spec)
{
    return spec->min != 0 || spec->max != 0;
}

/* "300s" takes longer to understand than "5m": numbers as a person would write them. */
static void print_number(FILE *to, const struct option_spec *spec, int64_t number)
{
    char text[QUANTITY_TEXT_SIZE];

    unsigned power = 0;

    if (spec->kind == OPTION_DURATION_S) {
        (void)fputs(quantity_print_duration(number, text), to);
        return;
    }
    while (spec->kind == OPTION_SIZE && number != 0 && number % 1024 == 0 && power < 4) {
        number /= 1024;
        power++;
    }
    if (power > 0)
        (void)fprintf(to, "%" PRId64 "%c", number, "KMGT"[power - 1]);
    else
        (void)fprintf(to, "%" PRId64, number);
}

void manual_range(FILE *to, const struct option_spec *spec)
{
    print_number(to, spec, spec->min);
    (void)fputs(spec->max == INT64_MAX ? " or more" : " to ", to);
    if (spec->max != INT64_MAX)
        print_number(to, spec, spec->max);
}

/* "(1s to 1d; default 5m)", or nothing. */
static void print_bounds(FILE *to, const struct option_spec *spec)
{
    bool fallback = spec->fallback && spec->kind != OPTION_FLAG;

    if (!has_bounds(spec) && !fallback)
        return;
    (void)fputs(" (", to);
    if (has_bounds(spec))
        manual_range(to, spec);
    if (fallback)
        (void)fprintf(to, "%sdefault %s", has_bounds(spec) ? "; " : "", spec->fallback);
    (void)fputc(')', to);
}

static const char *unit_of(const struct option_spec *spec)
{
    if (spec->kind == OPTION_FLAG)
        return "";
    return spec->unit && *spec->unit ? spec->unit : "VALUE";
}

static void help_option(FILE *to, const struct option_spec *spec)
{
    char option[MANUAL_OPTION_SIZE], letter[5] = "    ";
    char text[1024];
    FILE *memory = fmemopen(text, sizeof text, "w");
    int column;

    CHECK(memory != NULL);
    (void)fputs(spec->help, memory);
    print_bounds(memory, spec);
    (void)fclose(memory);
    text[sizeof text - 1] = '\0';
    if (spec->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", spec->letter);
    column = fprintf(to, "  %s%s %s", letter, manual_option(spec, option), unit_of(spec));
    CHECK(column > 0);
    if ((size_t)column + 1 > HELP_COLUMN) {
        (void)fputc('\n', to);
        column = 0;
    }
    spaces(to, HELP_COLUMN - (size_t)column);
    manual_wrap(to, HELP_COLUMN, HELP_COLUMN, text);
}

void manual_help_options(FILE *to, const struct option_spec *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        help_option(to, &table[i]);
}

/* ---- roff ---- */

/* groff_char(7): what typographers would change in text that people shall copy. */
static const char *roff_name(char c)
{
    switch (c) {
    case '-':
        return "\\-";
    case '\\':
        return "\\e";
    case '\'':
        return "\\(aq";
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    default:
        return NULL;
    }
}

/* A line may not begin with '.', nor with "'", which has a name of its own. */
static void escape(FILE *to, const char *text, size_t size)
{
    if (size > 0 && text[0] == '.')
        (void)fputs("\\&", to);
    for (size_t i = 0; i < size; i++) {
        const char *name = roff_name(text[i]);

        if (name)
            (void)fputs(name, to);
        else
            (void)fputc(text[i], to);
    }
}

static void escape_text(FILE *to, const char *text)
{
    escape(to, text, strlen(text));
}

void manual_roff_head(FILE *to, const char *name, unsigned section, const char *summary)
{
    (void)fprintf(to, ".\\\" Made by %s --man; do not edit.\n.TH \"", name);
    for (const char *at = name; *at != '\0'; at++)
        (void)fputc(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at, to);
    (void)fprintf(to, "\" %u \"\" \"Slipway %s\" \"Slipway\"\n.nh\n.ad l\n.SH NAME\n", section,
                  SLIPWAY_VERSION);
    escape_text(to, name);
    (void)fputs(" \\- ", to);
    escape_text(to, summary);
    (void)fputc('\n', to);
}

void manual_roff_text(FILE *to, const char *text)
{
    bool literal = false;

    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        bool now = size >= 2 && text[0] == ' ' && text[1] == ' ';

        if (now != literal)
            (void)fputs(now ? ".PP\n.nf\n" : ".fi\n", to);
        literal = now;
        if (size == 0)
            (void)fputs(".PP\n", to);
        else {
            escape(to, text, size);
            (void)fputc('\n', to);
        }
        text += size + (text[size] == '\n');
    }
    if (literal)
        (void)fputs(".fi\n", to);
}

void manual_roff_options(FILE *to, const struct option_spec *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct option_spec *spec = &table[i];
        char option[MANUAL_OPTION_SIZE];

        (void)fputs(".TP\n", to);
        if (spec->letter)
            (void)fprintf(to, "\\fB\\-%c\\fR, ", spec->letter);
        (void)fputs("\\fB", to);
        escape_text(to, manual_option(spec, option));
        (void)fputs("\\fR", to);
        if (spec->kind != OPTION_FLAG) {
            (void)fputs(" \\fI", to);
            escape_text(to, unit_of(spec));
            (void)fputs("\\fR", to);
        }
        (void)fputc('\n', to);
        escape_text(to, spec->help);
        print_bounds(to, spec);
        (void)fputs(".\n", to);
    }
}

void manual_roff_terms(FILE *to, const char *lines)
{
    while (*lines != '\0') {
        size_t size = strcspn(lines, "\n");
        const char *colon = memchr(lines, ':', size);
        size_t term = colon ? (size_t)(colon - lines) : size;

        if (size > 0) {
            (void)fputs(".TP\n\\fB", to);
            escape(to, lines, term);
            (void)fputs("\\fR\n", to);
            for (term += term < size; term < size && lines[term] == ' ';)
                term++;
            escape(to, lines + term, size - term);
            (void)fputc('\n', to);
        }
        lines += size + (lines[size] == '\n');
    }
}
