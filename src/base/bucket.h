/* A token bucket: lets a burst through, then one at a time, and counts what it held back. Keeps
 * something that strangers can cause as often as they like, such as an audit entry, from filling
 * a disk.
 *
 * Source: the token bucket of RFC 2697, with whole tokens and calendar time. */
#pragma once

#include "base/time.h"

struct bucket {
    uint32_t burst;    /* tokens it holds at most */
    int64_t every_ms;  /* a new token comes so often */
    uint32_t left;     /* tokens */
    uint64_t held;     /* refused since bucket_told() */
    struct utc filled; /* when the last token came */
};

/* Full at first. `burst` and `every_ms` at least 1. */
struct bucket bucket_full(uint32_t burst, int64_t every_ms);

/* Take one token; false, counted in `held`, when there is none. A clock that was set back only
 * delays the next token by one period. */
bool bucket_take(struct bucket *bucket, struct utc now) MUST_USE;

/* How many were held back, and forget them: somebody is being told. */
uint64_t bucket_told(struct bucket *bucket);
