/* why_say() and why_wrap() with printf's formatting, for this layer. */
#pragma once

#include "base/err.h"
#include "base/why.h"

/* Returns `err`, so that refusing is one line. `why` may be NULL. */
enum err tuf_say(struct why *why, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts the formatted context in front and returns `err`; does nothing when that is ERR_OK. */
enum err tuf_wrap(struct why *why, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
