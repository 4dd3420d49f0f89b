#include "os/clock.h"

#include <time.h>

#include "base/check.h"

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct instant clock_instant(void)
{
    return (struct instant){now_ms(CLOCK_MONOTONIC)};
}

int64_t clock_us(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct utc clock_utc(void)
{
    return (struct utc){now_ms(CLOCK_REALTIME)};
}
