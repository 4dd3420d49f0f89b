/* The pieces that help texts and manual pages are made of; options.c and the command table of
 * `slipway` share them, so that every page looks alike. */
#pragma once

#include "os/options.h"

#define MANUAL_WIDTH 80u /* columns of help on a terminal */

/* `text` broken at spaces into lines of MANUAL_WIDTH, each after the first indented by `indent`
 * columns; the caller has already written `column` columns of the first. An empty line in `text`
 * stays one; a line that begins with two spaces is kept as it is. Ends with a newline. */
void manual_wrap(FILE *to, size_t column, size_t indent, const char *text);

/* The rows of a table as `--help` shows them, with bounds and fallbacks. */
void manual_help_options(FILE *to, const struct option_spec *table, size_t count);

/* Roff: the title line and the NAME section. */
void manual_roff_head(FILE *to, const char *name, unsigned section, const char *summary);

/* Roff: `text` with paragraphs, special characters escaped. Lines that begin with two spaces are
 * set as they stand. */
void manual_roff_text(FILE *to, const char *text);

/* Roff: a definition list of the options, and one of lines "term: text". */
void manual_roff_options(FILE *to, const struct option_spec *table, size_t count);
void manual_roff_terms(FILE *to, const char *lines);

/* The option as typed, "--poll-interval-s"; into `to`, returned. */
#define MANUAL_OPTION_SIZE 72u
const char *manual_option(const struct option_spec *spec, char to[MANUAL_OPTION_SIZE]);

/* The bounds of a numeric option as people write them: "1s to 1d", "0 or more". */
void manual_range(FILE *to, const struct option_spec *spec);
