/* Selectors: what they mean, how they are printed, and where a mistake is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/selector.h"

/* One gateway in Oslo. */
static const struct {
    const char *field, *value;
} facts[] = {
    {"name", "gw-7"},      {"hw", "a"},         {"site", "oslo"},   {"version", "2.0.9"},
    {"tag", "canary"},     {"tag", "beta two"}, {"group", "north"}, {"ram_mb", "512"},
    {"offset", "-60"},     {"empty", ""},       {"odd", "a\"b\\c"}, {"kernel", "6.1.0-18"},
    {"build", "nonsense"}, {"all-in.one", "x"},
};

static bool lookup(void *self, struct span field, uint32_t index, struct span *value)
{
    (void)self;
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        if (!span_is(field, facts[i].field) || index-- != 0)
            continue;
        *value = span_of(facts[i].value);
        return true;
    }
    return false;
}

static struct selector selector;

static const char *const yes[] = {
    "all",
    "ALL",
    "hw = a",
    "hw=\"a\"",
    "hardware = a",
    "hw == a",
    "hw = \"a\" and site in (\"oslo\", \"rome\") and version < 2.1",
    "site in (oslo)",
    "site not in (rome)",
    "not site = rome",
    "site != rome",
    "version = 2.0.9",
    "version = v2.0.9.0",
    "version in (1, 2.00.9)",
    "version >= 2.0.9 and version <= 2.0.9",
    "version > 2.0.9-rc.1",
    "kernel < 6.1",
    "kernel > 6.1.0-9",
    "ram_mb > 64", /* as numbers: as text it would be less */
    "ram_mb <= 512",
    "offset < 0",
    "offset = -60",
    "offset > -100",
    "tag = canary",
    "tag = \"beta two\"",
    "tag in (alpha, \"beta two\")",
    "tag ~ \"beta*\"",
    "tag ~ \"*a*y\"",
    "name ~ \"gw-?\"",
    "name !~ \"gw-??\"",
    "site ~ \"*\"",
    "empty = \"\"",
    "empty ~ \"*\"",
    "has tag",
    "has empty",
    "not has owner",
    "owner != me", /* != is not "=" */
    "owner not in (me, you)",
    "owner !~ \"*\"",
    "odd = \"a\\\"b\\\\c\"",
    "hw = b or hw = a and site = oslo",
    "hw = a or hw = b and site = rome",
    "not hw = b and site = oslo",
    "not (hw = a and site = rome)",
    "not not hw = a",
    "((((hw = a))))",
    "all-in.one = x",
    " \t\r\n hw = a ",
};
static const char *const no[] = {
    "not all",
    "hw = A",
    "hw = b",
    "hw != a",
    "hw not in (a)",
    "hw = a and site = rome",
    "(hw = b or hw = a) and site = rome",
    "not (hw = a or site = rome)",
    "version < 2.0.9",
    "version > 2.0.9",
    "kernel = 6.1.0-18.0", /* only the version's "=" compares as versions */
    "tag != canary",
    "tag = beta",
    "tag ~ \"beta\"",
    "tag ~ \"\"",
    "name ~ \"gw-7?\"",
    "owner = me",
    "owner < 5",
    "owner ~ \"*\"",
    "has owner",
    "build < 5",  /* nonsense is neither below */
    "build >= 5", /* nor above anything */
    "empty > 0",
};

static void test_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(yes) + COUNT_OF(no); i++) {
        const char *text = i < COUNT_OF(yes) ? yes[i] : no[i - COUNT_OF(yes)];
        struct why why = {0};

        if (selector_parse(span_of(text), &selector, NULL, &why) != ERR_OK)
            fail_msg("%s: %s", text, why.text);
        if (selector_matches(&selector, lookup, NULL) != (i < COUNT_OF(yes)))
            fail_msg("wrong: %s", text);
    }
}

static void test_canonical_text(void **state)
{
    static const char *const pairs[][2] = {
        {"All", "all"},
        {"hardware==a", "hw = \"a\""},
        {"( hw=a )", "hw = \"a\""},
        {"a=1 AND b=2 or c=3", "a = \"1\" and b = \"2\" or c = \"3\""},
        {"a=1 and (b=2 or c=3)", "a = \"1\" and (b = \"2\" or c = \"3\")"},
        {"(a=1 and b=2) and c=3", "a = \"1\" and b = \"2\" and c = \"3\""},
        {"a=1 and (b=2 and c=3)", "a = \"1\" and (b = \"2\" and c = \"3\")"},
        {"not (a=1)", "not a = \"1\""},
        {"not (a=1 and b=2)", "not (a = \"1\" and b = \"2\")"},
        {"not not a!=1", "not not a != \"1\""},
        {"(not a=1) and b=2", "not a = \"1\" and b = \"2\""},
        {"a in(1,\"2\" , x/y:z@w+v)", "a in (\"1\", \"2\", \"x/y:z@w+v\")"},
        {"a NOT IN (1)", "a not in (\"1\")"},
        {"a<=1 or a>=2 or a<3 or a>4", "a <= \"1\" or a >= \"2\" or a < \"3\" or a > \"4\""},
        {"a~\"*\\\\\"", "a ~ \"*\\\\\""},
        {"a!~\"\\\"\"", "a !~ \"\\\"\""},
        {"has a", "has a"},
        {"not has a", "not has a"},
    };
    char room[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        for (int round = 0; round < 2; round++) { /* its own canonical text prints the same */
            struct buf buf = buf_over(room, sizeof room);

            assert_int_equal(selector_parse(span_of(pairs[i][round]), &selector, NULL, NULL),
                             ERR_OK);
            selector_print(&selector, &buf);
            assert_string_equal(buf_finish_text(&buf), pairs[i][1]);
        }
    }
}

static void test_mistakes_are_located(void **state)
{
    static const struct {
        const char *text;
        uint32_t column;
        const char *sentence;
    } cases[] = {
        {"", 1, "the selector is empty; to mean every device, write \"all\""},
        {"   ", 4, "the selector is empty; to mean every device, write \"all\""},
        {"hw", 3, "expected =, !=, <, <=, >, >=, ~, !~ or \"in\""},
        {"hw =", 5, "expected a value"},
        {"hw = and", 6, "to use this word as a value, put it in double quotes"},
        {"hw a", 4, "expected =, !=, <, <=, >, >=, ~, !~ or \"in\""},
        {"hw = a site = b", 8, "expected \"and\", \"or\" or the end"},
        {"hw = a,", 7, "expected \"and\", \"or\" or the end"},
        {"hw = a and", 11, "expected a field name, \"has\", \"not\" or \"(\""},
        {"and hw = a", 1, "this word is part of the language and cannot be a field"},
        {"\"hw\" = a", 1, "a field name stands without quotes"},
        {"7up = a", 1, "a field name begins with a letter"},
        {"hw:x = a", 3, "this character cannot stand in a field name"},
        {"hw = \"a", 6, "this quote is never closed"},
        {"hw = \"a\\", 6, "this quote is never closed"},
        {"hw = \"a\\n\"", 8, "only \\\" and \\\\ may be escaped"},
        {"hw = \"a\nb\"", 8, "a control character cannot stand in text"},
        {"(hw = a", 1, "this parenthesis is never closed"},
        {"hw = a)", 7, "this parenthesis was never opened"},
        {"hw in a", 7, "expected \"(\" after \"in\""},
        {"hw in ()", 8, "expected a value"},
        {"hw in (a", 7, "this parenthesis is never closed"},
        {"hw in (a b)", 10, "expected \",\" or \")\""},
        {"hw in (a,)", 10, "expected a value"},
        {"hw not = a", 8, "expected \"in\" after \"not\""},
        {"hw = a && site = b", 8, "write \"and\" and \"or\" as words"},
        {"hw = a | site = b", 8, "write \"and\" and \"or\" as words"},
        {"!has a", 1, "write \"not\" as a word, or != for a value"},
        {"hw = 'a'", 6, "texts stand in double quotes"},
        {"hw = *", 6, "this character has no meaning here"},
        {"version < banana", 11, "<, <=, > and >= need a whole number or a version"},
        {"hw = a\xc3\xa9", 7, "this character has no meaning here"},
        {"all all", 5, "expected \"and\", \"or\" or the end"},
        {"has", 4, "expected a field name, \"has\", \"not\" or \"(\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct selector_fault fault = {0};
        struct why why = {0};
        char expected[WHY_TEXT_MAX + 32];

        assert_int_equal(selector_parse(span_of(cases[i].text), &selector, &fault, &why),
                         ERR_INVALID);
        (void)snprintf(expected, sizeof expected, "column %u: %s", cases[i].column,
                       cases[i].sentence);
        assert_string_equal(why.text, expected);
        assert_string_equal(why.field, "selector");
        assert_int_equal(fault.column, cases[i].column);
    }
}

static enum err parse_repeated(const char *first, const char *piece, unsigned count,
                               const char *last)
{
    static char text[2 * SELECTOR_SIZE_MAX];
    struct buf buf = buf_over(text, sizeof text);

    buf_text(&buf, first);
    for (unsigned i = 0; i < count; i++)
        buf_text(&buf, piece);
    buf_text(&buf, last);
    return selector_parse(buf_written(&buf), &selector, NULL, NULL);
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("", "(", 31, "a=b"), ERR_INVALID);
    assert_int_equal(parse_repeated("", "(", 33, "a=b"), ERR_TOO_BIG);
    assert_int_equal(parse_repeated("", "not ", 32, "a=b"), ERR_OK);
    assert_true(selector_matches(&selector, lookup, NULL) == false);
    assert_int_equal(parse_repeated("", "not ", 33, "a=b"), ERR_TOO_BIG);
    assert_int_equal(parse_repeated("a=b", " and a=b", 84, ""), ERR_OK);
    assert_int_equal(parse_repeated("a=b", " and a=b", 86, ""), ERR_TOO_BIG);
    assert_int_equal(parse_repeated("a in (b", ",b", 254, ")"), ERR_OK);
    assert_int_equal(parse_repeated("a in (b", ",b", 255, ")"), ERR_TOO_BIG);
    assert_int_equal(parse_repeated("a=", "b", 2046, ""), ERR_OK);
    assert_int_equal(parse_repeated("a=", "b", 2047, ""), ERR_TOO_BIG);
    assert_int_equal(parse_repeated("a=b or (", "a=b and (", 14, "a=b"), ERR_INVALID);
    assert_int_equal(parse_repeated("a=b or (", "a=b and (", 16, "a=b"), ERR_TOO_BIG);
}

static void test_everybody_is_recognised(void **state)
{
    (void)state;
    assert_int_equal(selector_parse(span_of("(all)"), &selector, NULL, NULL), ERR_OK);
    assert_true(selector_is_all(&selector));
    assert_int_equal(selector_parse(span_of("all and hw = a"), &selector, NULL, NULL), ERR_OK);
    assert_false(selector_is_all(&selector));
}

/* A pattern that would take for ever if "*" backtracked into itself. */
static void test_patterns_take_linear_time(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("name ~ \"", "*?", 900, "\""), ERR_OK);
    assert_false(selector_matches(&selector, lookup, NULL));
}

static void test_fields_are_named_once(void **state)
{
    struct span fields[3];

    (void)state;
    assert_int_equal(selector_parse(span_of("hw = a and (site in (oslo, rome) or not has note) and "
                                            "hardware != b and version < 2"),
                                    &selector, NULL, NULL),
                     ERR_OK);
    assert_int_equal(selector_fields(&selector, fields, COUNT_OF(fields)), 4);
    assert_true(span_is(fields[0], "hw"));
    assert_true(span_is(fields[1], "site"));
    assert_true(span_is(fields[2], "note"));
    assert_int_equal(selector_parse(span_of("all"), &selector, NULL, NULL), ERR_OK);
    assert_int_equal(selector_fields(&selector, fields, COUNT_OF(fields)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_canonical_text),
        cmocka_unit_test(test_mistakes_are_located),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_everybody_is_recognised),
        cmocka_unit_test(test_patterns_take_linear_time),
        cmocka_unit_test(test_fields_are_named_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
