/* One line per event on stderr, in logfmt: `time level module event key=value ...`.
 *
 * A line is one write(2), so lines of several threads never mix. Secrets and whole URLs with
 * tokens are never logged. Texts that come from outside pass through log_quote(). */
#pragma once

#include "base/span.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

struct log {
    int fd;
    enum log_level level; /* lines above it are dropped */
    bool plain;           /* without the time: the journal adds its own */
};

#define LOG_LINE_SIZE_MAX  1024u /* bytes of one line; longer ones are cut and end with "..." */
#define LOG_QUOTE_SIZE_MAX 200u  /* bytes of a quoted text with quotes, escapes and NUL */

/* "error", "warn", "info" or "debug"; false for anything else. */
bool log_level_parse(struct span text, enum log_level *out) MUST_USE;

/* `log` may be NULL: stderr, level info. `event` is one word with dashes, `format` the key=value
 * pairs in printf's language, "" for none. */
void log_line(const struct log *log, enum log_level level, const char *module, const char *event,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* `text` as a value that cannot break a line: quoted, control bytes and quotes escaped, cut at
 * LOG_QUOTE_SIZE_MAX. Returns `to`. */
const char *log_quote(struct span text, char to[LOG_QUOTE_SIZE_MAX]);
