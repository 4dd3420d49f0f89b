/* CBOR: what is read, what is refused, what is written. Vectors from RFC 8949 appendix A where
 * they belong to our subset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/cbor.h"

#define READER(bytes) cbor_reader_over(SPAN_LITERAL(bytes))

static void test_unsigned_integers_both_ways(void **state)
{
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t size;
    } cases[] = {
        {0, "\x00", 1},
        {23, "\x17", 1},
        {24, "\x18\x18", 2},
        {255, "\x18\xFF", 2},
        {256, "\x19\x01\x00", 3},
        {65535, "\x19\xFF\xFF", 3},
        {65536, "\x1A\x00\x01\x00\x00", 5},
        {4294967295u, "\x1A\xFF\xFF\xFF\xFF", 5},
        {4294967296u, "\x1B\x00\x00\x00\x01\x00\x00\x00\x00", 9},
        {UINT64_MAX, "\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t room[16];
        struct buf buf = buf_over(room, sizeof room);
        struct cbor_reader reader;
        uint64_t value = 7;

        cbor_write_uint(&buf, cases[i].value);
        assert_int_equal(buf.size, cases[i].size);
        assert_memory_equal(room, cases[i].bytes, buf.size);
        reader = cbor_reader_over(buf_written(&buf));
        assert_int_equal(cbor_peek(&reader), CBOR_UINT);
        assert_int_equal(cbor_read_uint(&reader, &value), ERR_OK);
        assert_true(value == cases[i].value);
        assert_int_equal(cbor_finish(&reader), ERR_OK);
    }
}

static void test_negative_integers_both_ways(void **state)
{
    static const int64_t values[] = {-1, -24, -25, -256, -257, -65537, INT64_MIN, 0, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        uint8_t room[16];
        struct buf buf = buf_over(room, sizeof room);
        struct cbor_reader reader;
        int64_t value = 7;

        cbor_write_int(&buf, values[i]);
        reader = cbor_reader_over(buf_written(&buf));
        assert_int_equal(cbor_read_int(&reader, &value), ERR_OK);
        assert_true(value == values[i]);
    }
}

static void test_strings_and_booleans(void **state)
{
    struct cbor_reader reader = READER("\x43"
                                       "abc"
                                       "\x62\xC3\xBC"
                                       "\xF5\xF4");
    struct span span;
    bool truth = false;

    (void)state;
    assert_int_equal(cbor_read_bytes(&reader, &span), ERR_OK);
    assert_true(span_is(span, "abc"));
    assert_int_equal(cbor_peek(&reader), CBOR_TEXT);
    assert_int_equal(cbor_read_text(&reader, &span), ERR_OK);
    assert_true(span_is(span, "\xC3\xBC"));
    assert_int_equal(cbor_read_bool(&reader, &truth), ERR_OK);
    assert_true(truth);
    assert_int_equal(cbor_read_bool(&reader, &truth), ERR_OK);
    assert_false(truth);
    assert_int_equal(cbor_peek(&reader), CBOR_END);
}

static void test_of_one_size_only(void **state)
{
    struct cbor_reader reader = READER("\x43"
                                       "abc"
                                       "\x82\x01\x02");
    struct cbor_reader longer = reader, shorter = reader, array = READER("\x82\x01\x02");
    uint8_t to[4] = {7, 7, 7, 7};

    (void)state;
    assert_int_equal(cbor_read_exactly(&longer, to, 4), ERR_CORRUPT);
    assert_int_equal(cbor_read_exactly(&shorter, to, 2), ERR_CORRUPT);
    assert_int_equal(to[0], 7);
    assert_int_equal(cbor_finish(&shorter), ERR_CORRUPT);
    assert_int_equal(cbor_read_exactly(&reader, to, 3), ERR_OK);
    assert_memory_equal(to, "abc\x07", 4);
    assert_int_equal(cbor_read_array_of(&reader, 2), ERR_OK);
    assert_int_equal(cbor_read_array_of(&array, 3), ERR_CORRUPT);
    assert_int_equal(cbor_finish(&array), ERR_CORRUPT);
}

/* Each of these is refused by cbor_skip(), whatever type the reader expects. */
static void test_what_is_no_item_of_ours(void **state)
{
    static const struct {
        const char *what, *bytes;
        size_t size;
    } cases[] = {
        {"nothing", "", 0},
        {"24 in two bytes where one does", "\x18\x17", 2},
        {"255 in three bytes", "\x19\x00\xFF", 3},
        {"65535 in five bytes", "\x1A\x00\x00\xFF\xFF", 5},
        {"2^32-1 in nine bytes", "\x1B\x00\x00\x00\x00\xFF\xFF\xFF\xFF", 9},
        {"cut integer", "\x19\x01", 2},
        {"reserved 28", "\x1C", 1},
        {"reserved 30", "\x1E", 1},
        {"indefinite bytes", "\x5F\x41\x61\xFF", 4},
        {"indefinite text", "\x7F\x61\x61\xFF", 4},
        {"indefinite array", "\x9F\xFF", 2},
        {"indefinite map", "\xBF\xFF", 2},
        {"break", "\xFF", 1},
        {"half float", "\xF9\x3C\x00", 3},
        {"single float", "\xFA\x47\xC3\x50\x00", 5},
        {"double float", "\xFB\x3F\xF1\x99\x99\x99\x99\x99\x9A", 9},
        {"null", "\xF6", 1},
        {"undefined", "\xF7", 1},
        {"simple 16", "\xF0", 1},
        {"simple in two bytes", "\xF8\xFF", 2},
        {"tag 0", "\xC0\x61\x61", 3},
        {"negative past int64", "\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9},
        {"bytes past the end", "\x44\x01\x02\x03", 4},
        {"text past the end", "\x64\x61\x61\x61", 4},
        {"huge text", "\x7B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x61", 10},
        {"huge array", "\x9B\x00\x00\x00\x01\x00\x00\x00\x00", 9},
        {"array with too few items", "\x82\x01", 2},
        {"map with too few pairs", "\xA1\x01", 2},
        {"lone continuation byte", "\x61\x80", 2},
        {"overlong slash", "\x62\xC0\xAF", 3},
        {"surrogate", "\x63\xED\xA0\x80", 4},
        {"past U+10FFFF", "\x64\xF4\x90\x80\x80", 5},
        {"overlong three bytes", "\x63\xE0\x80\x80", 4},
        {"overlong four bytes", "\x64\xF0\x80\x80\x80", 5},
        {"cut sequence", "\x61\xC3", 2},
        {"nine arrays deep", "\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01", 10},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct span bytes = {(const uint8_t *)cases[i].bytes, cases[i].size};
        struct cbor_reader reader = cbor_reader_over(bytes);

        if (cbor_skip(&reader) != ERR_CORRUPT)
            fail_msg("taken: %s", cases[i].what);
        assert_int_equal(cbor_peek(&reader), CBOR_BAD);
        assert_int_equal(cbor_finish(&reader), ERR_CORRUPT);
    }
}

static void test_skip_takes_exactly_one_item(void **state)
{
    struct cbor_reader reader = READER("\x82\x01\xA1\x61\x61\x83\x02\x40\xF5\x18\x2A");
    struct cbor_reader deep = READER("\x81\x81\x81\x81\x81\x81\x81\x81\x01");
    uint64_t value = 0;

    (void)state;
    assert_int_equal(cbor_skip(&reader), ERR_OK);
    assert_int_equal(cbor_read_uint(&reader, &value), ERR_OK);
    assert_int_equal(value, 42);
    assert_int_equal(cbor_finish(&reader), ERR_OK);
    assert_int_equal(cbor_skip(&deep), ERR_OK);
}

static void test_keys_must_ascend(void **state)
{
    struct cbor_reader good = READER("\x01\x02\x18\x20"), twice = READER("\x01\x01"),
                       back = READER("\x02\x01"),
                       huge = READER("\x1B\xFF\xFF\xFF\xFF\xFF\xFF"
                                     "\xFF\xFF");
    int64_t last = CBOR_NO_KEY;

    (void)state;
    assert_int_equal(cbor_read_key(&good, &last), ERR_OK);
    assert_int_equal(cbor_read_key(&good, &last), ERR_OK);
    assert_int_equal(cbor_read_key(&good, &last), ERR_OK);
    assert_int_equal(last, 32);
    last = CBOR_NO_KEY;
    assert_int_equal(cbor_read_key(&twice, &last), ERR_OK);
    assert_int_equal(cbor_read_key(&twice, &last), ERR_CORRUPT);
    last = CBOR_NO_KEY;
    assert_int_equal(cbor_read_key(&back, &last), ERR_OK);
    assert_int_equal(cbor_read_key(&back, &last), ERR_CORRUPT);
    last = CBOR_NO_KEY;
    assert_int_equal(cbor_read_key(&huge, &last), ERR_CORRUPT);
}

static void test_text_keys_shorter_first(void **state)
{
    struct cbor_reader good = READER("\x61z\x62"
                                     "aa"
                                     "\x62"
                                     "ab"),
                       twice = READER("\x61z\x61z"),
                       back = READER("\x62"
                                     "aa"
                                     "\x61z"),
                       empty = READER("\x60");
    struct span last = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(cbor_read_text_key(&good, &last), ERR_OK);
    last = (struct span){0};
    assert_int_equal(cbor_read_text_key(&twice, &last), ERR_OK);
    assert_int_equal(cbor_read_text_key(&twice, &last), ERR_CORRUPT);
    last = (struct span){0};
    assert_int_equal(cbor_read_text_key(&back, &last), ERR_OK);
    assert_int_equal(cbor_read_text_key(&back, &last), ERR_CORRUPT);
    last = (struct span){0};
    assert_int_equal(cbor_read_text_key(&empty, &last), ERR_CORRUPT);
}

static void test_failure_is_sticky_and_outputs_stay(void **state)
{
    struct cbor_reader reader = READER("\x61z\x01");
    uint64_t value = 7;
    struct span span = {0};
    bool truth = true;

    (void)state;
    assert_int_equal(cbor_read_uint(&reader, &value), ERR_CORRUPT);
    assert_int_equal(cbor_read_text(&reader, &span), ERR_CORRUPT); /* would have fitted */
    assert_int_equal(cbor_read_bool(&reader, &truth), ERR_CORRUPT);
    assert_int_equal(value, 7);
    assert_null(span.at);
    assert_true(truth);
}

static void test_trailing_bytes_are_refused(void **state)
{
    struct cbor_reader reader = READER("\x01\x02");
    uint64_t value;

    (void)state;
    assert_int_equal(cbor_read_uint(&reader, &value), ERR_OK);
    assert_int_equal(cbor_finish(&reader), ERR_CORRUPT);
}

static void test_writing_past_the_room_only_overflows(void **state)
{
    uint8_t room[4] = {0};
    struct buf buf = buf_over(room, 3);

    (void)state;
    cbor_write_map(&buf, 1);
    cbor_write_uint(&buf, 1);
    cbor_write_text(&buf, SPAN_LITERAL("long"));
    assert_true(buf.overflow);
    assert_int_equal(room[3], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned_integers_both_ways),
        cmocka_unit_test(test_negative_integers_both_ways),
        cmocka_unit_test(test_strings_and_booleans),
        cmocka_unit_test(test_of_one_size_only),
        cmocka_unit_test(test_what_is_no_item_of_ours),
        cmocka_unit_test(test_skip_takes_exactly_one_item),
        cmocka_unit_test(test_keys_must_ascend),
        cmocka_unit_test(test_text_keys_shorter_first),
        cmocka_unit_test(test_failure_is_sticky_and_outputs_stay),
        cmocka_unit_test(test_trailing_bytes_are_refused),
        cmocka_unit_test(test_writing_past_the_room_only_overflows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
