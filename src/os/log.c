#include "os/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

/* The journal reads "<N>" at the start of a line as syslog's severity. */
static const char *const journal_marks[] = {
    [LOG_LEVEL_ERROR] = "<3>",
    [LOG_LEVEL_WARN] = "<4>",
    [LOG_LEVEL_INFO] = "<6>",
    [LOG_LEVEL_DEBUG] = "<7>",
};

static const struct log fallback = {.fd = STDERR_FILENO, .level = LOG_LEVEL_INFO};

bool log_level_parse(struct span text, enum log_level *out)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (span_is(text, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* The part before the pairs; returns its size. */
static size_t put_head(const struct log *log, enum log_level level, const char *module,
                       const char *event, char *line, size_t size)
{
    char time[UTC_TEXT_SIZE];
    int made;

    if (log->plain) {
        made = snprintf(line, size, "%s%s %s %s", journal_marks[level], level_names[level], module,
                        event);
    } else {
        utc_format(clock_utc(), time);
        made = snprintf(line, size, "%s %s %s %s", time, level_names[level], module, event);
    }
    CHECK(made > 0);
    return (size_t)made < size ? (size_t)made : size - 1;
}

void log_line(const struct log *log, enum log_level level, const char *module, const char *event,
              const char *format, ...)
{
    char line[LOG_LINE_SIZE_MAX];
    size_t at;
    va_list list;

    if (!log)
        log = &fallback;
    if (level > log->level)
        return;
    at = put_head(log, level, module, event, line, sizeof line - 1);
    if (format[0] != '\0') {
        line[at++] = ' ';
        va_start(list, format);
        at += (size_t)vsnprintf(line + at, sizeof line - at, format, list);
        va_end(list);
    }
    if (at > sizeof line - 1) {
        at = sizeof line - 1;
        memcpy(line + at - 3, "...", 3);
    }
    line[at++] = '\n';
    (void)!write(log->fd, line, at); /* nowhere left to complain to */
}

const char *log_quote(struct span text, char to[LOG_QUOTE_SIZE_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    to[at++] = '"';
    for (size_t i = 0; i < text.size && at < LOG_QUOTE_SIZE_MAX - 6; i++) {
        uint8_t byte = text.at[i];

        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            to[at++] = (char)byte;
        } else {
            to[at++] = '\\';
            to[at++] = 'x';
            to[at++] = digits[byte >> 4];
            to[at++] = digits[byte & 15];
        }
    }
    to[at++] = '"';
    to[at] = '\0';
    return to;
}
