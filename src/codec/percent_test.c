#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/percent.h"

static void assert_encoded(const char *text, const char *safe, const char *expected)
{
    char room[64];
    struct buf buf = buf_over(room, sizeof room);

    percent_put(&buf, span_of(text), safe);
    assert_string_equal(buf_finish_text(&buf), expected);
}

static void test_encoded(void **state)
{
    (void)state;
    assert_encoded("", "", "");
    assert_encoded("abcXYZ019-._~", "", "abcXYZ019-._~");
    assert_encoded("../a b?#%", "", "..%2Fa%20b%3F%23%25");
    assert_encoded("a/b", "/", "a/b");
    assert_encoded("\xc3\xa9\x01\x7f", "", "%C3%A9%01%7F");
}

static void test_too_long(void **state)
{
    char room[4];
    struct buf buf = buf_over(room, sizeof room);

    (void)state;
    percent_put(&buf, span_of("//"), "");
    assert_true(buf.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
