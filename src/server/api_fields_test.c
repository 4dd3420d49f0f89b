/* Reading fields: what is good, what each kind of wrong is told, and writing JSON. */
#include "server/api_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api_json.h"
#include "server/exchange.h"

static struct why why;

static struct fields over(const char *text)
{
    why_clear(&why);
    return fields_open(span_of(text), FIELD_REQUIRED, &why);
}

static void check_refused(struct fields *fields, const char *field, const char *part)
{
    assert_int_equal(fields_done(fields), ERR_INVALID);
    assert_string_equal(why.field, field);
    if (!strstr(why.text, part))
        fail_msg("\"%s\" does not say \"%s\"", why.text, part);
    fields_close(fields);
}

static void good_fields_are_read(void **state)
{
    struct fields fields =
        over("{\"n\":-3,\"b\":true,\"t\":\"x\\ty\",\"name\":\"a.B-9_\",\"p\":2.5,\"at\":"
             "\"2026-11-25T10:00:00Z\",\"list\":[\"a\",\"b\"],\"in\":{\"z\":1}}");
    char name[NAME_SIZE_MAX + 1];
    struct span text, item;
    struct fields inner;
    const json_t *list;
    uint16_t permille;
    struct utc at;
    int64_t n, z;
    bool b;

    (void)state;
    assert_true(fields_int(&fields, "n", FIELD_REQUIRED, -3, 3, &n));
    assert_true(fields_bool(&fields, "b", FIELD_REQUIRED, &b));
    assert_true(fields_text(&fields, "t", FIELD_REQUIRED, 3, &text));
    assert_true(fields_name(&fields, "name", FIELD_REQUIRED, name));
    assert_true(fields_percent(&fields, "p", FIELD_REQUIRED, 1, &permille));
    assert_true(fields_utc(&fields, "at", FIELD_REQUIRED, &at));
    assert_true(fields_array(&fields, "list", FIELD_REQUIRED, 2, 2, &list));
    assert_true(fields_item_text(&fields, "list", list, 1, &item));
    assert_true(fields_object(&fields, "in", FIELD_REQUIRED, &inner));
    assert_true(fields_int(&inner, "z", FIELD_REQUIRED, 1, 1, &z));
    fields_item_done(&fields, &inner);
    assert_false(fields_int(&fields, "absent", FIELD_OPTIONAL, 0, 1, &n));
    assert_int_equal(fields_done(&fields), ERR_OK);
    assert_int_equal(n, -3);
    assert_true(span_is(text, "x\ty") && span_is(item, "b") && b);
    assert_string_equal(name, "a.B-9_");
    assert_int_equal(permille, 25);
    assert_true(at.ms > 0 && z == 1);
    fields_close(&fields);
    fields_close(&fields); /* safe to repeat */
}

static void the_first_fault_wins(void **state)
{
    struct fields fields = over("{\"a\":1,\"b\":2,\"c\":3}");
    bool flag = true;
    int64_t n = 42;

    (void)state;
    assert_false(fields_bool(&fields, "a", FIELD_REQUIRED, &flag));
    assert_false(fields_int(&fields, "b", FIELD_REQUIRED, 0, 1, &n));
    assert_true(flag && n == 42); /* untouched */
    check_refused(&fields, "a", "true or false");
}

static void unknown_fields_are_refused(void **state)
{
    struct fields fields = over("{\"soak_s\":1,\"soak\":2}");
    int64_t n;

    (void)state;
    assert_true(fields_int(&fields, "soak_s", FIELD_REQUIRED, 0, 9, &n));
    check_refused(&fields, "soak", "no such field");
}

static void faults_inside_lists_name_their_place(void **state)
{
    struct fields fields = over("{\"stages\":[{\"count\":1},{\"count\":\"2\"}]}");
    const json_t *list;

    (void)state;
    assert_true(fields_array(&fields, "stages", FIELD_REQUIRED, 1, 16, &list));
    for (size_t i = 0; i < 2; i++) {
        struct fields item = fields_item(&fields, "stages", list, i);
        int64_t n;

        (void)fields_int(&item, "count", FIELD_REQUIRED, 1, 9, &n); /* asked at the end */
        fields_item_done(&fields, &item);
    }
    check_refused(&fields, "stages[1].count", "whole number from 1 to 9");
}

static void percentages_have_one_decimal(void **state)
{
    static const struct {
        const char *json;
        int permille; /* -1: refused */
    } cases[] = {{"0", 0},      {"0.1", 1},   {"100", 1000}, {"100.0", 1000}, {"33.3", 333},
                 {"99.9", 999}, {"0.05", -1}, {"100.1", -1}, {"-1", -1},      {"1e300", -1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[64] = "{\"p\":";
        struct fields fields;
        uint16_t permille = 7;
        bool good;

        (void)strncat(strncat(text, cases[i].json, 20), "}", 2);
        fields = over(text);
        good = fields_percent(&fields, "p", FIELD_REQUIRED, 0, &permille);
        assert_int_equal(good, cases[i].permille >= 0);
        assert_int_equal(permille, good ? cases[i].permille : 7);
        fields_close(&fields);
    }
}

static void documents_must_be_whole(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "empty"},
        {"{", "too early"},
        {"{} x", "nothing may follow"},
        {"[]", "JSON object"},
        {"{\"a\":1,\"a\":1}", "twice"},
        {"{\"a\":\"\xff\"}", "UTF-8"},
        {"{\"a\":\"\\u0000\"}", "NUL"},
        {"{\"a\":1e999}", "too large"},
        {"{a:1}", "not JSON"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fields fields = over(cases[i].text);

        check_refused(&fields, "", cases[i].part);
    }
}

static void replies_are_valid_json(void **state)
{
    static const uint8_t digest[DIGEST_SIZE] = {0xab};
    struct exchange_parts parts = {0};
    struct exchange *exchange = exchange_open(&parts);
    struct json_out out = out_begin(exchange, 201);
    json_error_t error;
    json_t *json;

    (void)state;
    out_text(&out, "quo\"te", "a\"b\\c\nd\x01\x7f\xc3\xa9\xff\xed\xa0\x80");
    out_array(&out, "list");
    out_int(&out, NULL, INT64_MIN);
    out_object(&out, NULL);
    out_object_end(&out);
    out_bool(&out, NULL, false);
    out_array_end(&out);
    out_utc(&out, "never", (struct utc){0});
    out_utc(&out, "at", (struct utc){1000});
    out_digest(&out, "sha256", digest);
    out_permille(&out, "half", 5);
    out_permille(&out, "all", 1000);
    out_finish(&out);
    json = json_loadb((const char *)exchange->reply.body, exchange->reply.body_size,
                      JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s: %.*s", error.text, (int)exchange->reply.body_size,
                 (const char *)exchange->reply.body);
    assert_string_equal(
        json_string_value(json_object_get(json, "quo\"te")),
        "a\"b\\c\nd\x01\x7f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(json_string_value(json_object_get(json, "at")), "1970-01-01T00:00:01Z");
    assert_true(json_is_null(json_object_get(json, "never")));
    assert_true(json_real_value(json_object_get(json, "half")) == 0.5);
    assert_int_equal(json_integer_value(json_object_get(json, "all")), 100);
    json_decref(json);
    exchange_close(exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_fields_are_read),
        cmocka_unit_test(the_first_fault_wins),
        cmocka_unit_test(unknown_fields_are_refused),
        cmocka_unit_test(faults_inside_lists_name_their_place),
        cmocka_unit_test(percentages_have_one_decimal),
        cmocka_unit_test(documents_must_be_whole),
        cmocka_unit_test(replies_are_valid_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
