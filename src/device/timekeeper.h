/* What time it is, for a device whose clock may be wrong.
 *
 * Three sources, none of which is believed for everything:
 *   floor    a time that is certainly past: the latest of when this program was built, what a
 *            signer's offline key stated as the time of signing, and the floor of former runs
 *            (time_floor.h). No server can move it.
 *   session  what the server said in this run, moved on by the monotonic clock. Never stored: a
 *            server in the wrong hands must not be able to push a device into the future for good.
 *   rtc      the machine's clock.
 * base = the later of floor and session. The clock is believed when it is at base or up to a day
 * later; else base is the time. So a clock at 1970 cannot make expired metadata good again, and
 * one in the year 2099 cannot make everything expire. What remains: a server in the wrong hands
 * may say a time as early as the floor, and so hide that metadata it holds back has expired; it
 * cannot make a device take older metadata than the device has. */
#pragma once

#include "base/time.h"

struct timekeeper {
    struct utc floor; /* only ever rises */
    bool told;        /* the server has said something in this run */
    struct utc session;
    struct instant told_at;
};

#define TIMEKEEPER_SLACK_MS (24 * 3600 * 1000) /* how far the clock may be after base */

struct timekeeper timekeeper_from(struct utc floor);

/* Times after it are no answer: unix time of the year 3000. */
#define TIMEKEEPER_SERVER_S_MAX UINT64_C(32503680000)

/* It is proved that `past` is past: by the build, by an offline signature, by a former run. Times
 * after the year 3000 prove nothing but a mistake and are ignored. */
void timekeeper_prove(struct timekeeper *keeper, struct utc past);

/* The server says it is `server_s` now, unix time. Times before the floor and after the year 3000
 * are ignored. */
void timekeeper_tell(struct timekeeper *keeper, uint64_t server_s, struct instant now);

/* What time it probably is, for what does no harm when it is done too early, such as renewing a
 * certificate: until the server has spoken the clock is believed from the floor on. */
struct utc timekeeper_guess(const struct timekeeper *keeper, struct utc rtc, struct instant now);

/* The time to judge by. */
struct utc timekeeper_now(const struct timekeeper *keeper, struct utc rtc, struct instant now);
