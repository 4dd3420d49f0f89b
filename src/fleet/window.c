#include "fleet/window.h"

#include "base/check.h"

#define DAY_S     86400
#define WEEK_DAYS 7
#define EPOCH_DAY 3 /* 1970-01-01 was a Thursday; Monday is 0 */
#define WEEK_S    (WEEK_DAYS * DAY_S)

static enum err fault(struct why *why, const char *field, const char *text)
{
    why_say(why, field, text);
    return ERR_INVALID;
}

enum err window_check(const struct window *window, struct why *why)
{
    if (!window_set(window))
        return ERR_OK;
    if (window->days == 0 || window->days > WINDOW_EVERY_DAY)
        return fault(why, "window.days", "name at least one day, mon to sun");
    if (window->start_min >= DAY_S / 60)
        return fault(why, "window.start", "is not a time of day, 00:00 to 23:59");
    if (window->duration_s < WINDOW_DURATION_MIN_S)
        return fault(why, "window.duration_s", "must be at least 60 seconds");
    if (window->duration_s > WINDOW_DURATION_MAX_S)
        return fault(why, "window.duration_s", "must be at most 86400 seconds, one day");
    return ERR_OK;
}

bool window_set(const struct window *window)
{
    return window->duration_s != 0;
}

/* Second of the device's week, 0 = Monday 00:00:00. */
static int64_t second_of_week(struct utc now, int32_t utc_offset_min)
{
    int64_t local = now.ms / 1000 + (int64_t)utc_offset_min * 60 + EPOCH_DAY * DAY_S;

    CHECK(now.ms >= 0);
    return (local % WEEK_S + WEEK_S) % WEEK_S;
}

/* Seconds since the window that starts on `day` last opened, 0..WEEK_S - 1. */
static int64_t since_opening(const struct window *window, int64_t second, unsigned day)
{
    int64_t opens = (int64_t)day * DAY_S + window->start_min * 60;

    return (second - opens + WEEK_S) % WEEK_S;
}

static bool starts_on(const struct window *window, unsigned day)
{
    return (window->days >> day & 1u) != 0;
}

bool window_open(const struct window *window, struct utc now, int32_t utc_offset_min)
{
    return window_opens_in_s(window, now, utc_offset_min) == 0;
}

uint32_t window_opens_in_s(const struct window *window, struct utc now, int32_t utc_offset_min)
{
    int64_t second = second_of_week(now, utc_offset_min), least = WEEK_S;

    if (!window_set(window))
        return 0;
    for (unsigned day = 0; day < WEEK_DAYS; day++) {
        int64_t since = since_opening(window, second, day);

        if (!starts_on(window, day))
            continue;
        if (since < window->duration_s)
            return 0;
        if (WEEK_S - since < least)
            least = WEEK_S - since;
    }
    CHECK(least > 0); /* whole seconds: the one that has begun counts in full */
    return (uint32_t)least;
}

/* Seconds until the last window that covers `second` closes; 0 when none does. */
static int64_t covered_for(const struct window *window, int64_t second)
{
    int64_t most = 0;

    for (unsigned day = 0; day < WEEK_DAYS; day++) {
        int64_t left = window->duration_s - since_opening(window, second, day);

        if (starts_on(window, day) && left > most)
            most = left;
    }
    return most;
}

uint32_t window_closes_in_s(const struct window *window, struct utc now, int32_t utc_offset_min)
{
    int64_t second = second_of_week(now, utc_offset_min), total = 0, more;

    if (!window_set(window))
        return UINT32_MAX;
    for (unsigned i = 0; i <= WEEK_DAYS; i++) { /* each round passes one window */
        more = covered_for(window, second);
        total += more;
        second = (second + more) % WEEK_S;
        if (more == 0)
            return (uint32_t)total;
    }
    return UINT32_MAX;
}

const char *window_day_name(unsigned day)
{
    static const char *const names[WEEK_DAYS] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

    CHECK(day < WEEK_DAYS);
    return names[day];
}

bool window_day_parse(struct span text, uint8_t *bit)
{
    for (unsigned day = 0; day < WEEK_DAYS; day++) {
        if (span_is(text, window_day_name(day))) {
            *bit = (uint8_t)(1u << day);
            return true;
        }
    }
    return false;
}

bool window_start_parse(struct span text, uint16_t *start_min)
{
    unsigned hour, minute;

    if (text.size != 5 || text.at[2] != ':')
        return false;
    for (size_t i = 0; i < 5; i++)
        if (i != 2 && (text.at[i] < '0' || text.at[i] > '9'))
            return false;
    hour = (text.at[0] - '0') * 10u + (text.at[1] - '0');
    minute = (text.at[3] - '0') * 10u + (text.at[4] - '0');
    if (hour > 23 || minute > 59)
        return false;
    *start_min = (uint16_t)(hour * 60 + minute);
    return true;
}

static void put_two(struct buf *out, unsigned value)
{
    buf_byte(out, (uint8_t)('0' + value / 10));
    buf_byte(out, (uint8_t)('0' + value % 10));
}

void window_start_format(uint16_t start_min, struct buf *out)
{
    CHECK(start_min < DAY_S / 60);
    put_two(out, start_min / 60u);
    buf_byte(out, ':');
    put_two(out, start_min % 60u);
}

static void put_days(const struct window *window, struct buf *out)
{
    bool first = true;

    if (window->days == WINDOW_EVERY_DAY) {
        buf_text(out, "every day");
        return;
    }
    for (unsigned day = 0; day < WEEK_DAYS; day++) {
        if (!starts_on(window, day))
            continue;
        if (!first)
            buf_byte(out, ',');
        buf_text(out, window_day_name(day));
        first = false;
    }
}

static void put_duration(uint32_t duration_s, struct buf *out)
{
    uint32_t divisor = duration_s % 3600 == 0 ? 3600 : duration_s % 60 == 0 ? 60 : 1;

    buf_uint(out, duration_s / divisor);
    buf_text(out, divisor == 3600 ? " h" : divisor == 60 ? " min" : " s");
}

void window_explain(const struct window *window, struct buf *out)
{
    if (!window_set(window)) {
        buf_text(out, "always");
        return;
    }
    put_days(window, out);
    buf_text(out, " from ");
    window_start_format(window->start_min, out);
    buf_text(out, " for ");
    put_duration(window->duration_s, out);
}
