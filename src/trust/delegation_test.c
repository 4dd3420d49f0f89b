#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "trust/delegation.h"
#include "trust/envelope.h"

#define EXPIRES ((struct utc){INT64_C(1893456000000)}) /* 2030 */

/* Targets with these delegations, signed by nobody. */
static struct tuf_metadata *targets_with(const char *delegations)
{
    json_t *envelope = tuf_envelope_new(TUF_TARGETS, 1, EXPIRES);
    json_t *part = tuf_envelope_signed(envelope);
    struct tuf_metadata *targets = NULL;
    struct tuf_bytes bytes;
    struct why why = {0};

    assert_int_equal(json_object_set_new(part, "targets", json_object()), 0);
    if (delegations) {
        json_t *json = json_loads(delegations, 0, NULL);

        assert_non_null(json);
        assert_int_equal(json_object_set_new(part, "delegations", json), 0);
    }
    bytes = tuf_envelope_bytes(envelope);
    if (tuf_metadata_read(TUF_TARGETS, tuf_bytes_span(&bytes), &targets, &why) != ERR_OK)
        fail_msg("%s", why.text);
    tuf_bytes_done(&bytes);
    json_decref(envelope);
    return targets;
}

/* The roles in their order, each followed by a space, or by '!' if it terminates. */
static void assert_roles(const struct tuf_metadata *targets, const char *path, const char *expected)
{
    struct tuf_delegation delegation;
    char roles[256] = "";
    uint64_t at = 0;

    while (tuf_delegation_next(targets, path, &at, &delegation)) {
        size_t used = strlen(roles);

        (void)snprintf(roles + used, sizeof roles - used, "%s%s", delegation.role,
                       delegation.terminating ? "!" : " ");
    }
    assert_string_equal(roles, expected);
}

static void test_none(void **state)
{
    struct tuf_metadata *targets = targets_with(NULL);
    struct tuf_delegation delegation;

    (void)state;
    assert_roles(targets, NULL, "");
    assert_roles(targets, "a", "");
    assert_false(tuf_delegation_to(targets, "a", &delegation));
    tuf_metadata_close(targets);
}

#define ROLE(name, end, threshold, paths)                                                        \
    "{\"name\":\"" name "\",\"keyids\":[\"k\"],\"threshold\":" threshold ",\"terminating\":" end \
    "," paths "}"

static void test_by_path(void **state)
{
    struct tuf_metadata *targets = targets_with(
        "{\"keys\":{},\"roles\":[" ROLE("one", "false", "1", "\"paths\":[\"a/*\",\"x\"]") "," ROLE(
            "two", "true", "2", "\"paths\":[\"*/*\"]") "," ROLE("three", "false", "3",
                                                                "\"path_hash_prefixes\":[\"c\", "
                                                                "\"2d71\"]") "," ROLE("four",
                                                                                      "false", "4",
                                                                                      "\"paths\":["
                                                                                      "]") "]}");
    struct tuf_delegation delegation;

    (void)state;
    assert_roles(targets, NULL, "one two!three four ");
    assert_roles(targets, "a/b", "one two!three "); /* its SHA-256 begins with c14cddc0 */
    assert_roles(targets, "x", "one three ");       /* 2d711642 */
    assert_roles(targets, "y", "");                 /* a1fce436 */
    assert_roles(targets, "b/c", "two!");           /* 1a7b1b26 */
    assert_true(tuf_delegation_to(targets, "two", &delegation));
    assert_int_equal(delegation.authority.threshold, 2);
    assert_int_equal(json_array_size(delegation.authority.keyids), 1);
    assert_true(delegation.terminating);
    assert_false(tuf_delegation_to(targets, "five", &delegation));
    tuf_metadata_close(targets);
}

static void test_bins(void **state)
{
    struct tuf_metadata *targets =
        targets_with("{\"keys\":{},\"succinct_roles\":{\"keyids\":[\"k\"],\"threshold\":7,"
                     "\"bit_length\":2,\"name_prefix\":\"bin\"}}");
    struct tuf_metadata *many =
        targets_with("{\"keys\":{},\"succinct_roles\":{\"keyids\":[],\"threshold\":1,"
                     "\"bit_length\":32,\"name_prefix\":\"\"}}");
    struct tuf_delegation delegation;

    (void)state;
    assert_roles(targets, NULL, "bin-0!bin-1!bin-2!bin-3!");
    assert_roles(targets, "x", "bin-0!");
    assert_roles(targets, "y", "bin-2!");
    assert_roles(many, "y", "-a1fce436!");
    assert_true(tuf_delegation_to(targets, "bin-3", &delegation));
    assert_int_equal(delegation.authority.threshold, 7);
    assert_true(tuf_delegation_to(many, "-ffffffff", &delegation));
    assert_false(tuf_delegation_to(targets, "bin-4", &delegation));
    assert_false(tuf_delegation_to(targets, "bin-03", &delegation));
    assert_false(tuf_delegation_to(targets, "bin-", &delegation));
    assert_false(tuf_delegation_to(targets, "bin-A", &delegation));
    assert_false(tuf_delegation_to(targets, "other-1", &delegation));
    assert_false(tuf_delegation_to(many, "-FFFFFFFF", &delegation));
    tuf_metadata_close(targets);
    tuf_metadata_close(many);
}

static void test_file_names(void **state)
{
    char name[TUF_FILE_NAME_SIZE], longest[252] = "", quoted[100] = "";

    (void)state;
    assert_true(tuf_role_file_name("root", 0, name));
    assert_string_equal(name, "root.json");
    assert_true(tuf_role_file_name("../a b", UINT64_MAX, name));
    assert_string_equal(name, "18446744073709551615...%2Fa%20b.json");
    memset(longest, 'a', 250);
    assert_true(tuf_role_file_name(longest, UINT64_MAX, name));
    memset(longest, 'a', 251);
    assert_false(tuf_role_file_name(longest, 0, name));
    memset(quoted, '/', 83);
    assert_true(tuf_role_file_name(quoted, UINT64_MAX, name));
    memset(quoted, '/', 84);
    assert_false(tuf_role_file_name(quoted, 0, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_by_path),
        cmocka_unit_test(test_bins),
        cmocka_unit_test(test_file_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
