/* The whole table of roles and permissions, written out as people would agree on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/access.h"

static const struct {
    const char *permission;
    const char *roles; /* viewer, operator, release manager, admin */
} table[] = {
    {"read", "yyyy"},          {"log.read", "-yyy"},           {"audit.read", "-yyy"},
    {"device.edit", "-yyy"},   {"device.request-log", "-yyy"}, {"device.accept", "-yyy"},
    {"device.revoke", "-yyy"}, {"device.delete", "---y"},      {"claim.edit", "-yyy"},
    {"rollout.draft", "-yyy"}, {"rollout.approve", "--yy"},    {"rollout.run", "-yyy"},
    {"rollout.stop", "-yyy"},  {"rollout.rollback", "-yyy"},   {"release.publish", "--yy"},
    {"trust.root", "---y"},    {"token.edit", "---y"},
};

static void test_table(void **state)
{
    (void)state;
    assert_int_equal(COUNT_OF(table), PERMISSION_COUNT);
    for (enum permission i = 0; i < PERMISSION_COUNT; i++) {
        assert_string_equal(permission_name(i), table[i].permission);
        assert_true(permission_text(i)[0] != '\0');
        for (enum role role = 0; role < ROLE_COUNT; role++)
            assert_int_equal(access_allows(role, i), table[i].roles[role] == 'y');
        assert_true(access_allows(access_least_role(i), i));
        if (access_least_role(i) > ROLE_VIEWER)
            assert_false(access_allows((enum role)(access_least_role(i) - 1), i));
    }
}

static void test_names(void **state)
{
    static const char *const bad[] = {"", "Admin", "root", "viewer ", "release-manager"};
    enum role role;

    (void)state;
    for (enum role i = 0; i < ROLE_COUNT; i++) {
        assert_int_equal(role_parse(span_of(role_name(i)), &role), ERR_OK);
        assert_int_equal(role, i);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(role_parse(span_of(bad[i]), &role), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
