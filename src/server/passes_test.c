/* Which secrets the fronts take for tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/sha256.h"
#include "server/passes.h"

#define COUNT 1000u

static struct span secret_of(unsigned number, char to[16])
{
    (void)snprintf(to, 16, "swt_%u", number);
    return span_of(to);
}

static struct pass *make_list(unsigned count)
{
    struct pass *list = calloc(count, sizeof *list);
    char secret[16];

    assert_non_null(list);
    for (unsigned i = 0; i < count; i++) {
        sha256_of(secret_of(i, secret), list[i].sha256);
        list[i].role = (enum role)(i % ROLE_COUNT);
        list[i].expires.ms = i % 2 == 0 ? 0 : 1000 + i;
    }
    return list;
}

static void nobody_is_known_at_first(void **state)
{
    struct passes *passes = passes_open();
    struct pass pass;

    (void)state;
    assert_false(passes_find(passes, SPAN_LITERAL("swt_0"), (struct utc){0}, &pass));
    assert_false(passes_find(passes, (struct span){0}, (struct utc){0}, &pass));
    passes_replace(passes, NULL, 0);
    assert_false(passes_find(passes, SPAN_LITERAL("swt_0"), (struct utc){0}, &pass));
    passes_close(passes);
}

static void each_secret_has_its_role_until_its_end(void **state)
{
    struct passes *passes = passes_open();
    struct pass pass;
    char secret[16];

    (void)state;
    passes_replace(passes, make_list(COUNT), COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(passes_find(passes, secret_of(i, secret), (struct utc){999 + i}, &pass));
        assert_int_equal(pass.role, i % ROLE_COUNT);
        assert_true(passes_hold(passes, pass.sha256, (struct utc){999 + i}));
        assert_int_equal(passes_find(passes, secret_of(i, secret), (struct utc){1000 + i}, &pass),
                         i % 2 == 0);
    }
    assert_false(passes_find(passes, secret_of(COUNT, secret), (struct utc){0}, &pass));
    passes_close(passes);
}

static void a_new_list_replaces_the_old_one(void **state)
{
    struct passes *passes = passes_open();
    struct pass pass;

    (void)state;
    passes_replace(passes, make_list(3), 3);
    assert_true(passes_find(passes, SPAN_LITERAL("swt_2"), (struct utc){0}, &pass));
    passes_replace(passes, make_list(2), 2);
    assert_false(passes_find(passes, SPAN_LITERAL("swt_2"), (struct utc){0}, &pass));
    assert_false(passes_hold(passes, pass.sha256, (struct utc){0}));
    assert_true(passes_find(passes, SPAN_LITERAL("swt_1"), (struct utc){0}, &pass));
    passes_close(passes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_known_at_first),
        cmocka_unit_test(each_secret_has_its_role_until_its_end),
        cmocka_unit_test(a_new_list_replaces_the_old_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
