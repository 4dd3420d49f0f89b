/* Maintenance windows, checked against a clock that looks at every minute of the week. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/window.h"

#define MON 1u
#define FRI 16u
#define SUN 64u

static struct utc time_of(const char *text)
{
    struct utc utc = {-1};

    assert_true(utc_parse(span_of(text), &utc));
    return utc;
}

struct row {
    struct window window;
    const char *now; /* 2026-11-23 is a Monday */
    int32_t offset_min;
    uint32_t opens_in_s, closes_in_s;
};

static const struct row rows[] = {
    {{0}, "2026-11-25T10:00:00Z", 0, 0, UINT32_MAX},
    {{MON, 120, 3600}, "2026-11-23T01:59:59Z", 0, 1, 0},
    {{MON, 120, 3600}, "2026-11-23T02:00:00Z", 0, 0, 3600},
    {{MON, 120, 3600}, "2026-11-23T02:59:59Z", 0, 0, 1},
    {{MON, 120, 3600}, "2026-11-23T03:00:00Z", 0, 604800 - 3600, 0},
    /* The device's own Monday, not ours. */
    {{MON, 120, 3600}, "2026-11-23T01:00:00Z", 60, 0, 3600},
    {{MON, 120, 3600}, "2026-11-22T14:30:00Z", 690, 0, 3600},
    {{MON, 120, 3600}, "2026-11-23T14:00:00Z", -720, 0, 3600},
    /* Over midnight: it belongs to the day it starts on. */
    {{FRI, 1380, 14400}, "2026-11-28T02:00:00Z", 0, 0, 3600},
    {{FRI, 1380, 14400}, "2026-11-27T02:00:00Z", 0, 75600, 0},
    /* Over the end of the week. */
    {{SUN, 1380, 14400}, "2026-11-23T02:00:00Z", 0, 0, 3600},
    {{SUN, 1380, 14400}, "2026-11-23T03:00:00Z", 0, 604800 - 14400, 0},
    /* Days that touch are one window. */
    {{MON | 2, 0, 86400}, "2026-11-23T12:00:00Z", 0, 0, 129600},
    {{WINDOW_EVERY_DAY, 300, 86400}, "2026-11-23T12:00:00Z", 0, 0, UINT32_MAX},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct utc now = time_of(rows[i].now);

        assert_int_equal(window_opens_in_s(&rows[i].window, now, rows[i].offset_min),
                         rows[i].opens_in_s);
        assert_int_equal(window_closes_in_s(&rows[i].window, now, rows[i].offset_min),
                         rows[i].closes_in_s);
        assert_int_equal(window_open(&rows[i].window, now, rows[i].offset_min),
                         rows[i].opens_in_s == 0);
        assert_int_equal(window_check(&rows[i].window, NULL), ERR_OK);
    }
}

/* Waiting as long as it says, and not a second less, finds it open. */
static void test_promises_are_kept(void **state)
{
    const struct window windows[] = {{MON | FRI, 1430, 1200}, {SUN, 0, 60}, {FRI, 1439, 86400}};
    struct utc monday = time_of("2026-11-23T00:00:30Z");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(windows); i++) {
        for (int64_t minute = 0; minute < 7 * 1440; minute++) {
            struct utc now = {monday.ms + minute * 60000}, then = now;
            uint32_t wait = window_opens_in_s(&windows[i], now, -210);

            then.ms += (int64_t)wait * 1000;
            assert_true(window_open(&windows[i], then, -210));
            then.ms -= 1000;
            if (wait != 0)
                assert_false(window_open(&windows[i], then, -210));
            then.ms = now.ms + (int64_t)window_closes_in_s(&windows[i], now, -210) * 1000;
            assert_false(window_open(&windows[i], then, -210) && wait == 0);
        }
    }
}

static void test_check_names_the_field(void **state)
{
    static const struct {
        struct window window;
        const char *field;
    } cases[] = {
        {{0, 0, 3600}, "window.days"},          {{128, 0, 3600}, "window.days"},
        {{MON, 1440, 3600}, "window.start"},    {{MON, 0, 59}, "window.duration_s"},
        {{MON, 0, 86401}, "window.duration_s"},
    };
    struct why why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(window_check(&cases[i].window, &why), ERR_INVALID);
        assert_string_equal(why.field, cases[i].field);
    }
}

static void test_texts(void **state)
{
    static const char *const bad[] = {"", "2:00", "24:00", "02:60", "02-00", "02:0a", "02:000"};
    const struct window some = {MON | FRI, 125, 5400}, daily = {WINDOW_EVERY_DAY, 0, 7200};
    char room[64];
    struct buf buf = buf_over(room, sizeof room);
    uint16_t start = 0;
    uint8_t bit = 0;

    (void)state;
    assert_true(window_start_parse(span_of("23:59"), &start));
    assert_int_equal(start, 1439);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(window_start_parse(span_of(bad[i]), &start));
    for (unsigned day = 0; day < 7; day++) {
        assert_true(window_day_parse(span_of(window_day_name(day)), &bit));
        assert_int_equal(bit, 1u << day);
    }
    assert_false(window_day_parse(span_of("monday"), &bit));
    window_explain(&some, &buf);
    assert_string_equal(buf_finish_text(&buf), "mon,fri from 02:05 for 90 min");
    buf = buf_over(room, sizeof room);
    window_explain(&daily, &buf);
    assert_string_equal(buf_finish_text(&buf), "every day from 00:00 for 2 h");
    buf = buf_over(room, sizeof room);
    window_explain(&(struct window){0}, &buf);
    assert_string_equal(buf_finish_text(&buf), "always");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_promises_are_kept),
        cmocka_unit_test(test_check_names_the_field),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
