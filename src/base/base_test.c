/* The words every module speaks: errors, sentences, spans, buffers, time, random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bucket.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/crc32.h"
#include "base/err.h"
#include "base/prng.h"
#include "base/time.h"
#include "base/why.h"

static void test_every_error_has_name_and_sentence(void **state)
{
    (void)state;
    for (enum err err = ERR_OK; err < ERR_COUNT; err++) {
        assert_true(err_name(err)[0] != '\0');
        assert_true(err_text(err)[0] != '\0');
    }
}

static void test_why_wraps_and_cuts(void **state)
{
    struct why why;
    char longer[2 * WHY_TEXT_MAX];

    (void)state;
    why_say(&why, "stages[1].share", "must be at most 100 %");
    why_wrap(&why, "rollout");
    assert_string_equal(why.field, "stages[1].share");
    assert_string_equal(why.text, "rollout: must be at most 100 %");

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    why_say(&why, NULL, longer);
    assert_int_equal(strlen(why.text), WHY_TEXT_MAX - 1);
    why_say(NULL, NULL, "nobody listens");
}

static void test_buf_overflow_is_sticky(void **state)
{
    char room[8];
    struct buf buf = buf_over(room, sizeof room);

    (void)state;
    buf_text(&buf, "12345");
    buf_text(&buf, "6789");
    buf_text(&buf, "x");
    assert_true(buf.overflow);
    assert_int_equal(buf_written(&buf).size, 0);
    assert_string_equal(buf_finish_text(&buf), "");
}

static void test_buf_numbers(void **state)
{
    char room[64];
    struct buf buf = buf_over(room, sizeof room);

    (void)state;
    buf_int(&buf, INT64_MIN);
    buf_byte(&buf, ' ');
    buf_uint(&buf, UINT64_MAX);
    buf_byte(&buf, ' ');
    buf_hex(&buf, SPAN_LITERAL("\x01\xFE"));
    assert_string_equal(buf_finish_text(&buf), "-9223372036854775808 18446744073709551615 01fe");
}

static void test_utc_round_trip(void **state)
{
    static const struct {
        const char *text;
        int64_t s;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2000-02-29T23:59:59Z", 951868799},
                {"2026-11-25T10:02:34Z", 1795600954},
                {"9999-12-31T23:59:59Z", 253402300799}};
    static const char *const bad[] = {
        "",
        "2026-11-25T10:02:34",
        "2026-11-25 10:02:34Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-01-01T00:00:00Z",
        "2026-11-25T24:00:00Z",
        "2026-11-25T10:02:34.5Z",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct utc utc;
        char text[UTC_TEXT_SIZE];

        assert_true(utc_parse(span_of(good[i].text), &utc));
        assert_true(utc.ms == good[i].s * 1000);
        utc_format(utc, text);
        assert_string_equal(text, good[i].text);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct utc utc = {.ms = 7};

        assert_false(utc_parse(span_of(bad[i]), &utc));
        assert_true(utc.ms == 7);
    }
}

static void test_bucket_lets_a_burst_and_then_a_rate(void **state)
{
    struct bucket bucket = bucket_full(3, 1000);
    struct utc now = {1000000};

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(bucket_take(&bucket, now));
    assert_false(bucket_take(&bucket, now));
    now.ms += 999;
    assert_false(bucket_take(&bucket, now));
    now.ms += 1;
    assert_true(bucket_take(&bucket, now));
    assert_false(bucket_take(&bucket, now));
    assert_int_equal(bucket_told(&bucket), 3);
    assert_int_equal(bucket_told(&bucket), 0);

    now.ms -= 500000; /* a clock that was set back delays the next one by a period, not more */
    assert_false(bucket_take(&bucket, now));
    now.ms += 1000;
    assert_true(bucket_take(&bucket, now));
    now.ms += INT64_C(1) << 50;
    for (int i = 0; i < 3; i++)
        assert_true(bucket_take(&bucket, now));
    assert_false(bucket_take(&bucket, now));
}

static void test_prng_is_reproducible_and_bounded(void **state)
{
    struct prng a = prng_seeded(1), b = prng_seeded(1);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(prng_next(&a) == prng_next(&b));
        assert_true(prng_below(&a, 7) < 7);
        (void)prng_below(&b, 7);
    }
}

static void test_crc32_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32(0, "123456789", 9), 0xCBF43926u); /* the CRC catalogue's check value */
}

static void test_bytes_round_trip(void **state)
{
    uint8_t room[8];

    (void)state;
    store_le64(room, 0x0102030405060708u);
    assert_int_equal(room[0], 8);
    assert_true(load_le64(room) == 0x0102030405060708u);
    store_be64(room, 0x0102030405060708u);
    assert_int_equal(room[0], 1);
    assert_true(load_be64(room) == 0x0102030405060708u);
}

static void test_span_to_text_refuses_nul_and_overlong(void **state)
{
    char text[4];

    (void)state;
    assert_true(span_to_text(SPAN_LITERAL("abc"), text, sizeof text));
    assert_string_equal(text, "abc");
    assert_false(span_to_text(SPAN_LITERAL("abcd"), text, sizeof text));
    assert_false(span_to_text(SPAN_LITERAL("a\0c"), text, sizeof text));
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_has_name_and_sentence),
        cmocka_unit_test(test_why_wraps_and_cuts),
        cmocka_unit_test(test_buf_overflow_is_sticky),
        cmocka_unit_test(test_buf_numbers),
        cmocka_unit_test(test_utc_round_trip),
        cmocka_unit_test(test_bucket_lets_a_burst_and_then_a_rate),
        cmocka_unit_test(test_prng_is_reproducible_and_bounded),
        cmocka_unit_test(test_crc32_check_value),
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_span_to_text_refuses_nul_and_overlong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
