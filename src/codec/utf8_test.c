/* Which bytes are a character, after the table of the Unicode standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "codec/utf8.h"

struct example {
    struct span text;
    size_t size;
};

static void sizes_are_those_of_the_standard(void **state)
{
    const struct example examples[] = {
        {SPAN_LITERAL("\0"), 1},
        {SPAN_LITERAL("a\xff"), 1},
        {SPAN_LITERAL("\x7f"), 1},
        {SPAN_LITERAL("\xc2\x80"), 2},
        {SPAN_LITERAL("\xdf\xbf!"), 2},
        {SPAN_LITERAL("\xe0\xa0\x80"), 3},
        {SPAN_LITERAL("\xed\x9f\xbf"), 3},
        {SPAN_LITERAL("\xee\x80\x80"), 3},
        {SPAN_LITERAL("\xf0\x90\x80\x80"), 4},
        {SPAN_LITERAL("\xf4\x8f\xbf\xbf"), 4},
        {SPAN_LITERAL("\x80"), 0},             /* begins nothing */
        {SPAN_LITERAL("\xbf"), 0},             /* nor does this */
        {SPAN_LITERAL("\xc0\x80"), 0},         /* overlong */
        {SPAN_LITERAL("\xc1\xbf"), 0},         /* overlong */
        {SPAN_LITERAL("\xe0\x9f\xbf"), 0},     /* overlong */
        {SPAN_LITERAL("\xf0\x8f\xbf\xbf"), 0}, /* overlong */
        {SPAN_LITERAL("\xed\xa0\x80"), 0},     /* a surrogate */
        {SPAN_LITERAL("\xf4\x90\x80\x80"), 0}, /* past U+10FFFF */
        {SPAN_LITERAL("\xf5\x80\x80\x80"), 0}, /* past U+10FFFF */
        {SPAN_LITERAL("\xc2"), 0},             /* cut short */
        {SPAN_LITERAL("\xe2\x82"), 0},         /* cut short */
        {SPAN_LITERAL("\xf0\x90\x80"), 0},     /* cut short */
        {SPAN_LITERAL("\xe2\x28\xac"), 0},     /* something else in between */
        {SPAN_LITERAL("\xe2\x82\x28"), 0},     /* and at the end */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        if (utf8_size(examples[i].text) != examples[i].size)
            fail_msg("example %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes_are_those_of_the_standard)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
