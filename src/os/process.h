/* Run another program and wait for it, with a limit of time and a cut of what it says. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"

struct process_run {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    int64_t timeout_ms;      /* then its whole process group is killed */
    struct buf *output;      /* stdout and stderr, as far as they fit; may be NULL */
};

/* ERR_OK: it ran, *exit_status is its exit code (128 + n when signal n ended it).
 * ERR_AGAIN: it took too long and was killed. ERR_NOT_FOUND: no such program. */
enum err process_run(const struct process_run *run, int *exit_status, struct why *why) MUST_USE;
