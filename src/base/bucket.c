#include "base/bucket.h"

#include "base/check.h"

struct bucket bucket_full(uint32_t burst, int64_t every_ms)
{
    CHECK(burst > 0 && every_ms > 0);
    return (struct bucket){.burst = burst, .every_ms = every_ms, .left = burst};
}

static void refill(struct bucket *bucket, struct utc now)
{
    int64_t periods, room = (int64_t)bucket->burst - bucket->left;

    if (now.ms < bucket->filled.ms) /* the clock was set back */
        bucket->filled = now;
    periods = (now.ms - bucket->filled.ms) / bucket->every_ms;
    if (periods >= room) {
        bucket->left = bucket->burst;
        bucket->filled = now;
        return;
    }
    bucket->left += (uint32_t)periods;
    bucket->filled.ms += periods * bucket->every_ms;
}

bool bucket_take(struct bucket *bucket, struct utc now)
{
    refill(bucket, now);
    CHECK(bucket->left <= bucket->burst);
    if (bucket->left == 0) {
        bucket->held++;
        return false;
    }
    bucket->left--;
    return true;
}

uint64_t bucket_told(struct bucket *bucket)
{
    uint64_t held = bucket->held;

    bucket->held = 0;
    return held;
}
