/* A maintenance window: the hours in which a device may switch banks, on its own clock's
 * weekdays. Downloading is never restricted by it.
 *
 * A window belongs to the day it starts on: "fri 23:00 for 4 h" is open on Saturday at 02:00.
 * A device is described by its offset from UTC, as it stands today; daylight saving is a new
 * offset, which the device or an operator tells us.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "base/why.h"

#define WINDOW_EVERY_DAY      0x7fu
#define WINDOW_DURATION_MAX_S 86400u /* seconds; longer is "always" on that day and the next */
#define WINDOW_DURATION_MIN_S 60u    /* seconds; a shorter one would be missed by most polls */
#define WINDOW_OFFSET_MAX_MIN 840    /* minutes; UTC+14:00 is in use, UTC-12:00 too */

/* All zero: no window, always open. */
struct window {
    uint8_t days;        /* bit 0 is Monday, bit 6 Sunday; the day the window starts on */
    uint16_t start_min;  /* minutes after the device's midnight, 0..1439 */
    uint32_t duration_s; /* seconds; 0 = no window */
};

/* ERR_INVALID with field ("window.days") and sentence. An unset window is fine. */
enum err window_check(const struct window *window, struct why *why) MUST_USE;

bool window_set(const struct window *window);
bool window_open(const struct window *window, struct utc now, int32_t utc_offset_min);

/* Seconds until it opens, rounded up; 0 when it is open now. */
uint32_t window_opens_in_s(const struct window *window, struct utc now, int32_t utc_offset_min);

/* Seconds until it closes, rounded down, back-to-back windows taken together up to a week;
 * 0 when it is closed, UINT32_MAX when it never closes. */
uint32_t window_closes_in_s(const struct window *window, struct utc now, int32_t utc_offset_min);

/* "mon" .. "sun" to a bit of `days`, "02:00" to minutes; false for anything else. */
bool window_day_parse(struct span text, uint8_t *bit) MUST_USE;
bool window_start_parse(struct span text, uint16_t *start_min) MUST_USE;

/* 0..6 to "mon".."sun"; never NULL. */
const char *window_day_name(unsigned day);

/* "02:00". */
void window_start_format(uint16_t start_min, struct buf *out);

/* "mon,tue from 02:00 for 4 h", "every day from ...", "always". */
void window_explain(const struct window *window, struct buf *out);
