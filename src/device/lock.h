/* "Busy, not now": an advisory lock (flock) on a file that a machine's other programs may hold
 * while they must not be disturbed, and that the agent holds while it works on a bank.
 *
 * A shell keeps the agent away with `flock /run/slipway.lock command...`. The kernel drops the
 * lock when its holder dies, so no crash leaves it behind. */
#pragma once

#include "base/err.h"
#include "base/why.h"

struct lock {
    int fd; /* -1: not held */
};

#define LOCK_FREE ((struct lock){.fd = -1})

/* Take it without waiting; the file is made if missing. ERR_AGAIN: somebody else holds it, `why`
 * names the file; ERR_STORAGE: the file cannot be opened. `lock` must not be held. */
enum err lock_take(struct lock *lock, const char *path, struct why *why) MUST_USE;

/* Give it back; nothing happens when it is not held. */
void lock_give(struct lock *lock);

static inline bool lock_held(const struct lock *lock)
{
    return lock->fd >= 0;
}
