#include "device/timekeeper.h"

#include "base/check.h"

struct timekeeper timekeeper_from(struct utc floor)
{
    CHECK(floor.ms > 0);
    return (struct timekeeper){.floor = floor};
}

void timekeeper_prove(struct timekeeper *keeper, struct utc past)
{
    if (past.ms > keeper->floor.ms && past.ms <= (int64_t)TIMEKEEPER_SERVER_S_MAX * 1000)
        keeper->floor = past;
}

void timekeeper_tell(struct timekeeper *keeper, uint64_t server_s, struct instant now)
{
    struct utc server;

    if (server_s > TIMEKEEPER_SERVER_S_MAX)
        return;
    server.ms = (int64_t)server_s * 1000;
    if (server.ms < keeper->floor.ms)
        return;
    keeper->told = true;
    keeper->session = server;
    keeper->told_at = now;
}

struct utc timekeeper_guess(const struct timekeeper *keeper, struct utc rtc, struct instant now)
{
    if (keeper->told)
        return timekeeper_now(keeper, rtc, now);
    return rtc.ms >= keeper->floor.ms ? rtc : keeper->floor;
}

struct utc timekeeper_now(const struct timekeeper *keeper, struct utc rtc, struct instant now)
{
    struct utc base = keeper->floor, session;

    CHECK(now.ms >= keeper->told_at.ms);
    session.ms = keeper->session.ms + (now.ms - keeper->told_at.ms);
    if (keeper->told && session.ms > base.ms)
        base = session;
    return rtc.ms >= base.ms && rtc.ms - base.ms <= TIMEKEEPER_SLACK_MS ? rtc : base;
}
