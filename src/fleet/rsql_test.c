/* hawkBit's filters and what they are here. Every result must be a selector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/rsql.h"
#include "fleet/selector.h"

static void filters_become_selectors(void **state)
{
    static const struct {
        const char *rsql, *selector;
    } cases[] = {
        {"id==gw-7", "name = \"gw-7\""},
        {"controllerId==gw-*", "name ~ \"gw-*\""},
        {"name!=gw-*", "name !~ \"gw-*\""},
        {"attribute.hw==b;tag==canary", "hw = \"b\" and tag = \"canary\""},
        {"tag==a,tag==b;group==c", "tag = \"a\" or tag = \"b\" and group = \"c\""},
        {"(tag==a or tag==b) and group==c", "(tag = \"a\" or tag = \"b\") and group = \"c\""},
        {"tag=in=(a, 'b c',\"d\")", "tag in (\"a\", \"b c\", \"d\")"},
        {"tag=out=(a)", "tag not in (\"a\")"},
        {"attribute.ram=ge=512", "ram >= \"512\""},
        {"attribute.ram<512", "ram < \"512\""},
        {"installedds.version=lt=2.1", "version < \"2.1\""},
        {"installedDs.name==pump", "product = \"pump\""},
        {"attribute.serial==''", "(not has serial or serial = \"\")"},
        {"attribute.serial!=''", "(has serial and serial != \"\")"},
        {"attribute.serial=is=null", "(not has serial or serial = \"\")"},
        {"attribute.serial=not=null", "(has serial and serial != \"\")"},
        {"attribute.serial=is='null'", "serial = \"null\""},
        {"attribute.serial=eq=5", "serial = \"5\""},
        {"name=='a\\*b'", "name = \"a*b\""},
        {"name=='a\"b\\\\c'", "name = \"a\\\"b\\\\c\""},
        {"name=='a?'", "name = \"a?\""},
        {" ( ( id == a ) ) ", "((name = \"a\"))"},
        {"id==and", "name = \"and\""},
    };
    struct selector selector;
    char text[2048];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf = buf_over(text, sizeof text);
        struct rsql_fault fault;

        if (rsql_to_selector(span_of(cases[i].rsql), &buf, &fault) != ERR_OK)
            fail_msg("%s: column %u", cases[i].rsql, fault.column);
        assert_string_equal(buf_finish_text(&buf), cases[i].selector);
        assert_int_equal(selector_parse(span_of(text), &selector, NULL, NULL), ERR_OK);
    }
}

static void bad_filters_are_refused(void **state)
{
    static const struct {
        const char *rsql;
        enum rsql_fault_kind kind;
        uint32_t column;
    } cases[] = {
        {"", RSQL_SYNTAX, 1},
        {"id", RSQL_SYNTAX, 3},
        {"id=a", RSQL_SYNTAX, 3},
        {"id==", RSQL_SYNTAX, 5},
        {"==a", RSQL_SYNTAX, 1},
        {"id==a;", RSQL_SYNTAX, 7},
        {"id==a b", RSQL_SYNTAX, 7},
        {"(id==a", RSQL_SYNTAX, 7},
        {"id==a)", RSQL_SYNTAX, 6},
        {"id=='a", RSQL_SYNTAX, 5},
        {"id==a\\", RSQL_SYNTAX, 7},
        {"id=in=a", RSQL_SYNTAX, 7},
        {"id=in=(a", RSQL_SYNTAX, 9},
        {"id=in=()", RSQL_SYNTAX, 8},
        {"updatestatus==error", RSQL_FIELD, 1},
        {"attribute.==a", RSQL_FIELD, 1},
        {"attribute.9x==a", RSQL_FIELD, 1},
        {"attribute.not==a", RSQL_FIELD, 1},
        {"attribute.a$b==a", RSQL_FIELD, 1},
        {"tag==x;nothing==a", RSQL_FIELD, 8},
        {"name=='a*\\*'", RSQL_VALUE, 7},
        {"name==a*?", RSQL_VALUE, 7},
    };
    char text[2048];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf = buf_over(text, sizeof text);
        struct rsql_fault fault;

        if (rsql_to_selector(span_of(cases[i].rsql), &buf, &fault) != ERR_INVALID)
            fail_msg("accepted: %s", cases[i].rsql);
        if (fault.kind != cases[i].kind || fault.column != cases[i].column)
            fail_msg("%s: %d at %u", cases[i].rsql, (int)fault.kind, fault.column);
    }
}

static void filters_have_limits(void **state)
{
    char text[2048], rsql[RSQL_SIZE_MAX + 2];
    struct buf buf = buf_over(text, sizeof text);
    struct rsql_fault fault;

    (void)state;
    memset(rsql, ' ', sizeof rsql);
    assert_int_equal(
        rsql_to_selector((struct span){(const uint8_t *)rsql, sizeof rsql}, &buf, &fault),
        ERR_TOO_BIG);
    memset(rsql, '(', sizeof rsql);
    assert_int_equal(rsql_to_selector((struct span){(const uint8_t *)rsql, 100}, &buf, &fault),
                     ERR_TOO_BIG);
    buf = buf_over(text, 5);
    assert_int_equal(rsql_to_selector(SPAN_LITERAL("id==a"), &buf, &fault), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_become_selectors),
        cmocka_unit_test(bad_filters_are_refused),
        cmocka_unit_test(filters_have_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
