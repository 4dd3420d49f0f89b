/* why_say() with printf's formatting: the sentence is cut at its limit, never more.
 *
 *     return say(why, ERR_STORAGE, "data_dir", "cannot write %s: %s", path, strerror(errno)); */
#pragma once

#include "base/err.h"
#include "base/why.h"

/* Returns `err`, so that refusing is one line. `field` may be NULL; `why` may be NULL. */
enum err say(struct why *why, enum err err, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* why_wrap() with formatting. */
void say_wrap(struct why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* say_wrap() unless `err` is ERR_OK; returns `err`. */
enum err say_where(struct why *why, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
