/* One line of progress on a terminal, drawn over itself; silent anywhere else.
 *
 *     router-2.1.img  [##########----------]  50%  12.0 MiB/s
 */
#pragma once

#include <stdio.h>

#include "base/time.h"

struct progress {
    FILE *to;
    bool shown;
    const char *label;
    struct instant began, drawn;
};

/* `terminal` false: nothing is ever drawn. `label` is borrowed. */
struct progress progress_begin(FILE *to, bool terminal, const char *label, struct instant now);

/* Draw at most ten times a second; `total` 0 is unknown. */
void progress_bytes(struct progress *progress, uint64_t done, uint64_t total, struct instant now);

/* A bar for `done` of `total` things with a text behind it. */
void progress_count(struct progress *progress, uint64_t done, uint64_t total, const char *text);

/* Take the line away, so that other output can follow. */
void progress_clear(struct progress *progress);
