#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "trust/path_pattern.h"

static const struct {
    const char *pattern, *path;
    bool matches;
} cases[] = {
    {"", "", true},
    {"a", "a", true},
    {"a", "A", false},
    {"a", "", false},
    {"", "a", false},
    {"*", "", true},
    {"*", "abc", true},
    {"*", "a/b", false},
    {"*/*", "a/b", true},
    {"*/*", "a/b/c", false},
    {"a/*", "a/", true},
    {"a/*", "a", false},
    {"a*b*c", "aXbXbXc", true},
    {"a*b*c", "aXbXbXcd", false},
    {"*.tgz", "foo.tgz", true},
    {"*.tgz", "dir/foo.tgz", false},
    {"**", "a", true},
    {"**", "a/b", false},
    {"?", "a", true},
    {"?", "/", false},
    {"?", "", false},
    {"?", "\xc3\xa9", true},
    {"??", "\xc3\xa9", false},
    {"a?c/*.bin", "abc/x.bin", true},
    {"[ab]", "b", true},
    {"[ab]", "c", false},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]x", "dx", true},
    {"[!a-c]x", "bx", false},
    {"[]]", "]", true},
    {"[!]]", "]", false},
    {"[!]]", "a", true},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[z-a]", "m", false},
    {"[^a]", "^", true},
    {"[^a]", "b", false},
    {"[", "[", true},
    {"[a", "[a", true},
    {"[a/b]", "[a/b]", true},
    {"[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true},
    {"\\*", "\\x", true},
    {"\\*", "*", false},
    {"*a", "aaaa", true},
    {"*/a*", "x/b/a", false},
    {"a*/b", "aXX/b", true},
    {"a*/b", "aXX/c", false},
    {"*x/*y", "ax/by", true},
    {".*", ".hidden", true},
    {"*", ".hidden", true},
    {"\xff*", "\xff\xc3", true},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (path_pattern_matches(cases[i].pattern, cases[i].path) != cases[i].matches)
            fail_msg("\"%s\" against \"%s\"", cases[i].pattern, cases[i].path);
    }
}

/* Each of these stars doubles the time of a matcher that tries everything. */
static void test_many_stars(void **state)
{
    char pattern[128], path[4096];

    (void)state;
    for (size_t i = 0; i < 60; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    memcpy(pattern + 120, "b", 2);
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_false(path_pattern_matches(pattern, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_many_stars),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
