/* Tables as people see them, to the character; ages; texts that try to steer the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "cli/fields.h"
#include "cli/table.h"

static char text[4096];

static void print(const struct table *table)
{
    FILE *to = fmemopen(text, sizeof text, "w");

    assert_non_null(to);
    table_print(table, to);
    (void)fclose(to);
}

static void test_columns_are_aligned(void **state)
{
    static const char *const columns[] = {"NAME", "STATUS", "TAGS"};
    struct table *table = table_open(columns, COUNT_OF(columns));

    (void)state;
    print(table);
    assert_string_equal(text, "NAME  STATUS  TAGS\n");
    table_cell(table, "gw-1");
    table_cell(table, "active");
    table_cell(table, "canary, lab");
    table_cell(table, "gateway-in-troms\xc3\xb8");
    table_cell_format(table, "%s, hold", "active");
    table_cell(table, NULL);
    table_cell(table, "x");
    table_cell(table, "");
    table_cell(table, "y");
    print(table);
    assert_string_equal(text, "NAME               STATUS        TAGS\n"
                              "gw-1               active        canary, lab\n"
                              "gateway-in-troms\xc3\xb8  active, hold  -\n"
                              "x                  -             y\n");
    table_close(table);
    table_close(NULL);
}

static void test_control_characters_are_shown(void **state)
{
    static const char *const columns[] = {"A"};
    struct table *table = table_open(columns, COUNT_OF(columns));

    (void)state;
    table_cell(table, "\033[2J\a\nx\x7f\xc2\x9b"
                      "31m");
    print(table);
    assert_string_equal(text, "A\n?[2J??x??31m\n");
    table_close(table);
}

static void test_ages(void **state)
{
    static const struct {
        const char *at, *age;
    } cases[] = {
        {"2026-11-25T10:00:00Z", "now"},
        {"2026-11-25T09:59:48Z", "12s"},
        {"2026-11-25T09:58:30Z", "90s"},
        {"2026-11-25T09:30:00Z", "30m"},
        {"2026-11-23T11:00:00Z", "47h"},
        {"2026-11-15T10:00:00Z", "10d"},
        {"2026-11-25T10:00:07Z", "now"},
        {"", "-"},
        {"yesterday", "-"},
    };
    struct utc now;
    char age[AGE_SIZE];

    (void)state;
    assert_true(utc_parse(span_of("2026-11-25T10:00:00Z"), &now));
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(field_age(cases[i].at, now.ms / 1000, age), cases[i].age);
}

static void test_fields(void **state)
{
    json_t *json =
        json_loads("{\"a\":\"x\",\"b\":7,\"c\":true,\"d\":null,\"e\":[\"p\",\"q\",3]}", 0, NULL);
    char joined[8];

    (void)state;
    assert_string_equal(field_text(json, "a"), "x");
    assert_string_equal(field_text(json, "b"), "");
    assert_string_equal(field_text(json, "d"), "");
    assert_string_equal(field_text(NULL, "a"), "");
    assert_int_equal(field_int(json, "b"), 7);
    assert_int_equal(field_int(json, "a"), 0);
    assert_true(field_bool(json, "c"));
    assert_false(field_bool(json, "zz"));
    assert_string_equal(field_joined(json, "e", joined, sizeof joined), "p, q, ");
    assert_string_equal(field_joined(json, "e", joined, 4), "p, ");
    assert_string_equal(field_joined(json, "zz", joined, sizeof joined), "");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_aligned),
        cmocka_unit_test(test_control_characters_are_shown),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
