/* The operator's health check: a shell command that ends with 0 in time, or the image is bad.
 *
 * It runs in a process group of its own with SLIPWAY_NAME, SLIPWAY_BANK (path of the running
 * bank) and SLIPWAY_VERSION in its environment. When time is up the whole group is killed. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/why.h"

struct health_check {
    const char *command; /* for /bin/sh -c; NULL or "": always healthy */
    int64_t timeout_s;   /* seconds, at least 1 */
    const char *name, *bank, *version;
};

/* ERR_OK: healthy. ERR_UNHEALTHY: it said no, was killed, took too long or cannot be run; `why`
 * says which, with the beginning of what it printed. */
enum err health_exec(const struct health_check *check, struct why *why) MUST_USE;
