/* Query parameters, path patterns and byte ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_query.h"
#include "net/http_range.h"

static void decodes_percent_escapes(void **state)
{
    char text[16];

    (void)state;
    assert_int_equal(http_percent_decode(SPAN_LITERAL("a%20b+c%C3%A5"), true, text, sizeof text),
                     ERR_OK);
    assert_string_equal(text, "a b c\xc3\xa5");
    assert_int_equal(http_percent_decode(SPAN_LITERAL("a+b"), false, text, sizeof text), ERR_OK);
    assert_string_equal(text, "a+b");
    assert_int_equal(http_percent_decode(SPAN_LITERAL("%"), true, text, sizeof text), ERR_INVALID);
    assert_int_equal(http_percent_decode(SPAN_LITERAL("%4"), true, text, sizeof text), ERR_INVALID);
    assert_int_equal(http_percent_decode(SPAN_LITERAL("%4g"), true, text, sizeof text),
                     ERR_INVALID);
    assert_int_equal(http_percent_decode(SPAN_LITERAL("a%00b"), true, text, sizeof text),
                     ERR_INVALID);
    assert_int_equal(http_percent_decode(SPAN_LITERAL("1234567890123456"), true, text, sizeof text),
                     ERR_TOO_BIG);
    assert_int_equal(http_percent_decode(SPAN_LITERAL("123456789012345"), true, text, sizeof text),
                     ERR_OK);
}

static void finds_parameters(void **state)
{
    struct span query = SPAN_LITERAL("limit=50&selector=hw%20%3D%20%22a%22&empty=&flag&x=1&x=2");
    char text[32];
    uint64_t number = 7;

    (void)state;
    assert_int_equal(http_query_text(query, "selector", text, sizeof text), ERR_OK);
    assert_string_equal(text, "hw = \"a\"");
    assert_int_equal(http_query_text(query, "empty", text, sizeof text), ERR_OK);
    assert_string_equal(text, "");
    assert_int_equal(http_query_text(query, "flag", text, sizeof text), ERR_OK);
    assert_int_equal(http_query_text(query, "lim", text, sizeof text), ERR_NOT_FOUND);
    assert_int_equal(http_query_text(query, "x", text, sizeof text), ERR_INVALID);
    assert_int_equal(http_query_text(query, "selector", text, 4), ERR_TOO_BIG);
    assert_int_equal(http_query_uint(query, "limit", 1, 100, &number), ERR_OK);
    assert_int_equal(number, 50);
    assert_int_equal(http_query_uint(query, "limit", 1, 49, &number), ERR_INVALID);
    assert_int_equal(http_query_uint(query, "empty", 0, 9, &number), ERR_INVALID);
    assert_int_equal(http_query_uint(query, "none", 0, 9, &number), ERR_NOT_FOUND);
    assert_int_equal(
        http_query_uint(SPAN_LITERAL("n=18446744073709551616"), "n", 0, UINT64_MAX, &number),
        ERR_INVALID);
    assert_int_equal(
        http_query_uint(SPAN_LITERAL("n=18446744073709551615"), "n", 0, UINT64_MAX, &number),
        ERR_OK);
    assert_int_equal(http_query_uint(SPAN_LITERAL("n=-1"), "n", 0, 9, &number), ERR_INVALID);
    assert_int_equal(http_query_text((struct span){0}, "n", text, sizeof text), ERR_NOT_FOUND);
}

static void names_unknown_parameters(void **state)
{
    static const char *const known[] = {"limit", "cursor", NULL};
    char unknown[8];

    (void)state;
    assert_int_equal(
        http_query_known(SPAN_LITERAL("limit=1&cursor=&"), known, unknown, sizeof unknown), ERR_OK);
    assert_int_equal(
        http_query_known(SPAN_LITERAL("limit=1&offset_long=2"), known, unknown, sizeof unknown),
        ERR_INVALID);
    assert_string_equal(unknown, "offset_");
}

static void matches_paths(void **state)
{
    struct http_path_arguments arguments;

    (void)state;
    assert_true(http_path_match(SPAN_LITERAL("/api/v1/devices/gw%2D1/logs/7"),
                                "/api/v1/devices/{name}/logs/{id}", &arguments));
    assert_int_equal(arguments.count, 2);
    assert_string_equal(arguments.text[0], "gw-1");
    assert_string_equal(arguments.text[1], "7");
    assert_true(http_path_match(SPAN_LITERAL("/a"), "/a", &arguments));
    assert_int_equal(arguments.count, 0);
}

static void does_not_match_other_paths(void **state)
{
    static const char *const paths[] = {
        "/d/",  "/d",     "/d/a/", "/d/a/b", "d/a",      "",     "/d//",  "/d/%2e%2e", "/d/..",
        "/d/.", "/d/%2F", "/d/a%", "/d/%00", "/d/a%0ab", "/e/a", "//d/a", "/d%2Fa",    "/D/a",
    };
    struct http_path_arguments arguments;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (http_path_match(span_of(paths[i]), "/d/{name}", &arguments))
            fail_msg("%s matches", paths[i]);
    }
}

static void reads_ranges(void **state)
{
    static const struct {
        const char *header;
        enum err err;
        uint64_t from, size;
    } cases[] = {
        {"bytes=0-0", ERR_OK, 0, 1},
        {"bytes=0-", ERR_OK, 0, 1000},
        {"bytes=999-", ERR_OK, 999, 1},
        {"bytes=10-19", ERR_OK, 10, 10},
        {"bytes=990-5000", ERR_OK, 990, 10},
        {"bytes=-5", ERR_OK, 995, 5},
        {"bytes=-5000", ERR_OK, 0, 1000},
        {"Bytes=1-2", ERR_OK, 1, 2},
        {" bytes= 1 - 2 ", ERR_OK, 1, 2},
        {"bytes=0-18446744073709551615", ERR_OK, 0, 1000},
        {"bytes=1000-", ERR_INVALID, 0, 0},
        {"bytes=1000-2000", ERR_INVALID, 0, 0},
        {"bytes=-0", ERR_INVALID, 0, 0},
        {"bytes=5-4", ERR_NOT_FOUND, 0, 0},
        {"bytes=", ERR_NOT_FOUND, 0, 0},
        {"bytes=-", ERR_NOT_FOUND, 0, 0},
        {"bytes=a-b", ERR_NOT_FOUND, 0, 0},
        {"bytes=1-2,4-5", ERR_NOT_FOUND, 0, 0},
        {"bytes=1-2-3", ERR_NOT_FOUND, 0, 0},
        {"bytes=+1-2", ERR_NOT_FOUND, 0, 0},
        {"bytes=99999999999999999999-", ERR_NOT_FOUND, 0, 0},
        {"items=1-2", ERR_NOT_FOUND, 0, 0},
        {"", ERR_NOT_FOUND, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_range range = {0};
        enum err err = http_range_parse(span_of(cases[i].header), 1000, &range);

        if (err != cases[i].err || range.from != cases[i].from || range.size != cases[i].size)
            fail_msg("\"%s\": err %d, %llu + %llu", cases[i].header, (int)err,
                     (unsigned long long)range.from, (unsigned long long)range.size);
    }
}

static void an_empty_file_has_no_ranges(void **state)
{
    struct http_range range;

    (void)state;
    assert_int_equal(http_range_parse(SPAN_LITERAL("bytes=0-"), 0, &range), ERR_INVALID);
    assert_int_equal(http_range_parse(SPAN_LITERAL("bytes=-1"), 0, &range), ERR_INVALID);
}

#define ETAG "\"abc\""

static uint16_t status(const char *range, const char *if_range, const char *if_match,
                       const char *if_none_match)
{
    struct http_condition condition = {span_of(range), span_of(if_range), span_of(if_match),
                                       span_of(if_none_match)};
    struct http_range out;

    return http_condition_status(&condition, SPAN_LITERAL(ETAG), 1000, &out);
}

static void conditions_decide_the_status(void **state)
{
    (void)state;
    assert_int_equal(status("", "", "", ""), 200);
    assert_int_equal(status("bytes=1-2", "", "", ""), 206);
    assert_int_equal(status("bytes=1-2", ETAG, "", ""), 206);
    assert_int_equal(status("bytes=1-2", "\"old\"", "", ""), 200);
    assert_int_equal(status("bytes=1-2", "W/" ETAG, "", ""), 200);
    assert_int_equal(status("bytes=1-2", "Wed, 25 Nov 2026 10:00:00 GMT", "", ""), 200);
    assert_int_equal(status("bytes=5000-", ETAG, "", ""), 416);
    assert_int_equal(status("bytes=5000-", "\"old\"", "", ""), 200);
    assert_int_equal(status("", "", "", ETAG), 304);
    assert_int_equal(status("", "", "", "\"x\", W/" ETAG), 304);
    assert_int_equal(status("", "", "", "*"), 304);
    assert_int_equal(status("", "", "", "\"x\""), 200);
    assert_int_equal(status("", "", "\"x\"", ""), 412);
    assert_int_equal(status("", "", "\"x\"," ETAG, ""), 200);
    assert_int_equal(status("", "", "W/" ETAG, ""), 412);
    assert_int_equal(status("bytes=1-2", "", "*", ""), 206);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_percent_escapes),
        cmocka_unit_test(finds_parameters),
        cmocka_unit_test(names_unknown_parameters),
        cmocka_unit_test(matches_paths),
        cmocka_unit_test(does_not_match_other_paths),
        cmocka_unit_test(reads_ranges),
        cmocka_unit_test(an_empty_file_has_no_ranges),
        cmocka_unit_test(conditions_decide_the_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
