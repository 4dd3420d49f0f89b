#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "trust/json_canon.h"

static void assert_canonical(const char *text, const char *expected)
{
    struct why why = {0};
    struct tuf_bytes bytes;
    json_t *json = NULL;

    if (json_read(span_of(text), &json, &why) != ERR_OK)
        fail_msg("%s: %s", text, why.text);
    assert_int_equal(json_canonical(json, &bytes, &why), ERR_OK);
    assert_int_equal(bytes.size, strlen(expected));
    assert_memory_equal(bytes.at, expected, bytes.size);
    tuf_bytes_done(&bytes);
    json_decref(json);
}

static void test_canonical_form(void **state)
{
    (void)state;
    assert_canonical("{ }", "{}");
    assert_canonical(" [ ] ", "[]");
    assert_canonical("[1, -2, 0, -0, true, false, null]", "[1,-2,0,0,true,false,null]");
    assert_canonical("{\"b\": 1, \"a\": {\"d\": [], \"c\": {}}}",
                     "{\"a\":{\"c\":{},\"d\":[]},\"b\":1}");
    assert_canonical("[\"\\u0041\\n\\t\\/\\\"\\\\\"]", "[\"A\n\t/\\\"\\\\\"]");
    assert_canonical("[9007199254740993, 9223372036854775807, -9223372036854775808]",
                     "[9007199254740993,9223372036854775807,-9223372036854775808]");
}

/* By code point: "Z" before "a" before e-acute before a character outside the first plane. */
static void test_order_of_keys(void **state)
{
    (void)state;
    assert_canonical("{\"\\ud83d\\ude00\":4, \"\xc3\xa9\":3, \"a\":2, \"Z\":1, \"\":0, \"aa\":5}",
                     "{\"\":0,\"Z\":1,\"a\":2,\"aa\":5,\"\xc3\xa9\":3,\"\xf0\x9f\x98\x80\":4}");
}

static void test_refuses_what_parsers_disagree_about(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "1",
        "\"text\"",
        "{} {}",
        "{}x",
        "{\"a\":1,\"a\":1}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"a\":1,}",
        "[1,]",
        "['a']",
        "[1.5]",
        "[1.0]",
        "[1e3]",
        "{\"a\":[{\"b\":1E0}]}",
        "[9223372036854775808]",
        "[01]",
        "[+1]",
        "[\"\\u0000\"]",
        "{\"\\u0000\":1}",
        "[\"\\ud800\"]",
        "[\"\xff\"]",
        "[\"\xc0\x80\"]",
        "[\"\n\"]",
        "[NaN]",
        "[Infinity]",
        "// comment\n[]",
        "\xef\xbb\xbf[]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct why why = {0};
        json_t *json = NULL;

        if (json_read(span_of(bad[i]), &json, &why) != ERR_CORRUPT)
            fail_msg("accepted: %s", bad[i]);
        assert_null(json);
        assert_true(why.text[0] != '\0');
    }
}

static void test_depth(void **state)
{
    char text[2 * (JSON_DEPTH_MAX + 1) + 1];
    json_t *json = NULL;
    size_t depth = JSON_DEPTH_MAX;

    (void)state;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(json_read((struct span){(uint8_t *)text, 2 * depth}, &json, NULL), ERR_OK);
    json_decref(json);
    json = NULL;
    depth++;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(json_read((struct span){(uint8_t *)text, 2 * depth}, &json, NULL),
                     ERR_CORRUPT);
    assert_null(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_form),
        cmocka_unit_test(test_order_of_keys),
        cmocka_unit_test(test_refuses_what_parsers_disagree_about),
        cmocka_unit_test(test_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
