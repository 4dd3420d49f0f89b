/* The time floor across runs: DIRECTORY/time_floor, unix seconds as a decimal line.
 *
 * Only times that an offline key has signed, or that a build proves, may get in here. Written at
 * most once per day of progress, so that flash does not wear. */
#pragma once

#include "base/err.h"
#include "base/time.h"
#include "base/why.h"

#define TIME_FLOOR_STEP_MS (24 * 3600 * INT64_C(1000)) /* progress that is worth a write */

/* What is stored. A missing or damaged file is no time at all: 1970. */
struct utc time_floor_load(const char *directory);

/* Store `floor` if it is a step or more after what `stored` says; `stored` then follows. */
enum err time_floor_store(const char *directory, struct utc floor, struct utc *stored,
                          struct why *why) MUST_USE;
