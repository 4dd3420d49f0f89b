/* The only place that asks what time it is. Everything else is told. */
#pragma once

#include "base/time.h"

/* Monotonic; for timeouts. */
struct instant clock_instant(void);

/* Monotonic in microseconds; for measuring. */
int64_t clock_us(void);

/* Calendar time of this machine; may jump. */
struct utc clock_utc(void);
