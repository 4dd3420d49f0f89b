/* The agent's own log, kept on disk so that a trial that falls back can still be explained: the
 * last lines, never more than a fixed number of bytes, through restarts and power loss.
 *
 *     agent.log.1 | older half |   agent.log | newer half, appended to |
 *
 * When the newer half is full it becomes the older one. Each line goes to stderr as well. Lines
 * are not synced: after a power cut the very last ones may be missing, which harms nobody. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"
#include "os/log.h"

#define RING_PATH_SIZE 4096u /* bytes of a path with NUL */

struct ring {
    int fd;                  /* of the newer half */
    uint64_t size, half_max; /* bytes in the newer half, and at most */
    enum log_level level;
    char path[RING_PATH_SIZE], older[RING_PATH_SIZE];
};

/* Keep at most `size_max` bytes in `directory`. ERR_STORAGE when it cannot be written. */
enum err ring_open(struct ring *ring, const char *directory, uint64_t size_max,
                   enum log_level level, struct why *why) MUST_USE;
void ring_close(struct ring *ring);

/* One line, as log_line(). A full disk loses it; the line on stderr is still written. */
void ring_note(struct ring *ring, enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The newest whole lines that fit into `out`, oldest first. */
enum err ring_read(const struct ring *ring, struct buf *out, struct why *why) MUST_USE;
