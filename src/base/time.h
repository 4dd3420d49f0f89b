/* Time is an argument, never a call: pure code is told what time it is.
 *
 * Monotonic and calendar time are different types, so that mixing them does not compile. */
#pragma once

#include "base/span.h"

struct instant {
    int64_t ms; /* since an arbitrary start; never goes back */
};

struct utc {
    int64_t ms; /* since 1970-01-01T00:00:00Z; may jump */
};

#define UTC_TEXT_SIZE 21u /* bytes of "2026-11-25T10:00:00Z" with NUL */

static inline struct instant instant_after(struct instant from, int64_t ms)
{
    return (struct instant){from.ms + ms};
}

static inline bool instant_reached(struct instant now, struct instant due)
{
    return now.ms >= due.ms;
}

/* RFC 3339 in UTC with whole seconds, as TUF metadata and our API use it:
 * "YYYY-MM-DDTHH:MM:SSZ". False for anything else, years before 1970 included. */
bool utc_parse(struct span text, struct utc *out) MUST_USE;

/* The same form into `to`, cut to whole seconds. Years 1970 to 9999. */
void utc_format(struct utc utc, char to[UTC_TEXT_SIZE]);
