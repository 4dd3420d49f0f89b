/* Statements of signers: who may make them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/cose_key.h"
#include "trust/envelope.h"
#include "trust/policy.h"
#include "trust/tuf_key.h"

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* Targets that list statements, from JSON: {"policy/grace": {"slipway-policy": ...}}; and, if not
 * NULL, delegations: [["role", "pattern"], ...]. */
static struct tuf_metadata *targets_of(json_t *statements, json_t *roles)
{
    json_t *envelope = tuf_envelope_new(TUF_TARGETS, 1, (struct utc){INT64_C(1900000000000)});
    json_t *targets = json_object(), *delegated = json_array(), *custom, *pair;
    struct tuf_metadata *metadata;
    struct tuf_bytes bytes;
    const char *name;
    size_t i;

    assert_non_null(statements);
    json_object_foreach(statements, name, custom)
    {
        json_t *entry = tuf_file_to_json(SPAN_LITERAL("x"), 0);

        if (!json_is_null(custom))
            assert_int_equal(json_object_set(entry, "custom", custom), 0);
        assert_int_equal(json_object_set_new(targets, name, entry), 0);
    }
    json_array_foreach(roles, i, pair)
    {
        json_t *one =
            json_pack("{s:O, s:[s], s:i, s:b, s:[O]}", "name", json_array_get(pair, 0), "keyids",
                      "00", "threshold", 1, "terminating", 1, "paths", json_array_get(pair, 1));

        assert_int_equal(json_array_append_new(delegated, one), 0);
    }
    assert_int_equal(json_object_set_new(tuf_envelope_signed(envelope), "targets", targets), 0);
    if (roles)
        assert_int_equal(json_object_set_new(tuf_envelope_signed(envelope), "delegations",
                                             json_pack("{s:{}, s:O}", "keys", "roles", delegated)),
                         0);
    bytes = tuf_envelope_bytes(envelope);
    assert_int_equal(tuf_metadata_read(TUF_TARGETS, tuf_bytes_span(&bytes), &metadata, NULL),
                     ERR_OK);
    tuf_bytes_done(&bytes);
    json_decref(envelope);
    json_decref(delegated);
    json_decref(statements);
    json_decref(roles);
    return metadata;
}

static struct policy policy;

static enum err read_one(json_t *statements)
{
    struct tuf_metadata *targets = targets_of(statements, NULL);
    const struct policy_source source = {.targets = targets};
    enum err err = policy_read(&source, &policy, NULL);

    tuf_metadata_close(targets);
    return err;
}

static json_t *key_json(enum key_kind kind, struct verify_key *form)
{
    struct key *key;
    json_t *json;

    assert_int_equal(key_generate(kind, &key, NULL), ERR_OK);
    assert_int_equal(key_to_verify(key, form, NULL), ERR_OK);
    json = tuf_key_to_json(key);
    key_close(key);
    return json;
}

static void test_nothing_is_stated(void **state)
{
    (void)state;
    memset(&policy, 0xff, sizeof policy);
    assert_int_equal(read_one(json_object()), ERR_OK);
    assert_int_equal(policy.assignment_key_count, 0);
    assert_int_equal(policy.blocked_count, 0);
    assert_int_equal(policy.allow_stale_s, 0);
}

static void test_everything_is_stated(void **state)
{
    struct verify_key one, two;
    json_t *a = key_json(KEY_ED25519, &one), *b = key_json(KEY_ECDSA_P256, &two);
    uint8_t digest[DIGEST_SIZE];

    (void)state;
    assert_int_equal(
        read_one(json_pack("{s:{s:{s:[o,o]}}, s:{s:{s:[s,s]}}, s:{s:{s:i}}}", POLICY_ASSIGNMENT,
                           POLICY_AUTHORITY_KEY, POLICY_KEYS_MEMBER, a, b, POLICY_BLOCK, POLICY_KEY,
                           POLICY_BLOCKED_MEMBER, DIGEST_A, DIGEST_B, POLICY_GRACE, POLICY_KEY,
                           POLICY_STALE_MEMBER, 3600)),
        ERR_OK);
    assert_int_equal(policy.assignment_key_count, 2);
    assert_true(verify_key_same(&policy.assignment_keys[0], &one));
    assert_true(verify_key_same(&policy.assignment_keys[1], &two));
    assert_int_equal(policy.allow_stale_s, 3600);
    memset(digest, 0xbb, sizeof digest);
    assert_true(policy_blocks(&policy, digest));
    digest[31] = 0;
    assert_false(policy_blocks(&policy, digest));
}

/* ---- Malformed ---- */

static json_t *block_of(const char *members)
{
    json_t *inner = json_loads(members, 0, NULL);

    assert_non_null(inner);
    return json_pack("{s:{s:o}}", POLICY_BLOCK, POLICY_KEY, inner);
}

static json_t *grace_of(const char *members)
{
    json_t *inner = json_loads(members, 0, NULL);

    assert_non_null(inner);
    return json_pack("{s:{s:o}}", POLICY_GRACE, POLICY_KEY, inner);
}

static json_t *keys_of(const char *members)
{
    json_t *inner = json_loads(members, 0, NULL);

    assert_non_null(inner);
    return json_pack("{s:{s:o}}", POLICY_ASSIGNMENT, POLICY_AUTHORITY_KEY, inner);
}

static json_t *many(size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(DIGEST_A));
    return json_pack("{s:{s:{s:o}}}", POLICY_BLOCK, POLICY_KEY, POLICY_BLOCKED_MEMBER, list);
}

static void test_malformed(void **state)
{
    (void)state;
    assert_int_equal(read_one(block_of("{}")), ERR_CORRUPT);
    assert_int_equal(read_one(block_of("{\"blocked\":{}}")), ERR_CORRUPT);
    assert_int_equal(read_one(block_of("{\"blocked\":[7]}")), ERR_CORRUPT);
    assert_int_equal(read_one(block_of("{\"blocked\":[\"abcd\"]}")), ERR_CORRUPT);
    assert_int_equal(read_one(many(POLICY_BLOCKED_MAX)), ERR_OK);
    assert_int_equal(read_one(many(POLICY_BLOCKED_MAX + 1)), ERR_TOO_BIG);
    assert_int_equal(read_one(grace_of("{}")), ERR_CORRUPT);
    assert_int_equal(read_one(grace_of("{\"allow_stale_s\":-1}")), ERR_CORRUPT);
    assert_int_equal(read_one(grace_of("{\"allow_stale_s\":\"1\"}")), ERR_CORRUPT);
    assert_int_equal(read_one(grace_of("{\"allow_stale_s\":99999999999}")), ERR_TOO_BIG);
    assert_int_equal(read_one(keys_of("{}")), ERR_CORRUPT);
    assert_int_equal(read_one(keys_of("{\"assignment_keys\":[{}]}")), ERR_CORRUPT);
    assert_int_equal(read_one(keys_of("{\"assignment_keys\":[0,0,0,0,0]}")), ERR_TOO_BIG);
    assert_int_equal(read_one(keys_of("{\"assignment_keys\":[]}")), ERR_OK);
    assert_int_equal(read_one(keys_of("{\"assignment_keys\":[{\"keytype\":\"rsa\",\"scheme\":"
                                      "\"rsassa-pss-sha256\",\"keyval\":{\"public\":\"x\"}}]}")),
                     ERR_CORRUPT);
    /* A key of small order would let anybody sign. */
    assert_int_equal(
        read_one(keys_of("{\"assignment_keys\":[{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\","
                         "\"keyval\":{\"public\":\"01000000000000000000000000000000000000000000000"
                         "00000000000000000\"}}]}")),
        ERR_CORRUPT);
    assert_int_equal(read_one(json_pack("{s:n}", POLICY_GRACE)), ERR_CORRUPT); /* no custom */
}

/* ---- Who may state ---- */

static struct tuf_metadata *role_there; /* the list of the role "guard", NULL: not there */

static const struct tuf_metadata *find_role(void *self, const char *name)
{
    (void)self;
    return strcmp(name, "guard") == 0 ? role_there : NULL;
}

/* Grace as the top level (0: silent) and the role "guard" state it, by a delegation of `pattern`.
 */
static enum err read_both(int top, int guard, const char *pattern)
{
    json_t *own =
        top ? json_pack("{s:{s:{s:i}}}", POLICY_GRACE, POLICY_KEY, POLICY_STALE_MEMBER, top)
            : json_object();
    struct tuf_metadata *targets = targets_of(own, json_pack("[[s,s]]", "guard", pattern));
    const struct policy_source source = {.targets = targets, .role = find_role};
    enum err err;

    role_there = guard < 0 ? NULL
                           : targets_of(json_pack("{s:{s:{s:i}}}", POLICY_GRACE, POLICY_KEY,
                                                  POLICY_STALE_MEMBER, guard),
                                        NULL);
    err = policy_read(&source, &policy, NULL);
    tuf_metadata_close(targets);
    tuf_metadata_close(role_there);
    return err;
}

static void test_who_may_state(void **state)
{
    (void)state;
    assert_int_equal(read_both(0, 60, "policy/*"), ERR_OK);
    assert_int_equal(policy.allow_stale_s, 60);
    assert_int_equal(read_both(30, 60, "policy/*"), ERR_OK); /* the top level has the first word */
    assert_int_equal(policy.allow_stale_s, 30);
    assert_int_equal(read_both(0, 60, "*/*"), ERR_OK); /* wider, so it has no say */
    assert_int_equal(policy.allow_stale_s, 0);
    assert_int_equal(read_both(0, 60, "policy/grace"), ERR_OK);
    assert_int_equal(policy.allow_stale_s, 0);
    assert_int_equal(read_both(0, -1, "policy/*"), ERR_NOT_FOUND); /* leaving it away is no way */
    assert_int_equal(read_both(0, -1, "camera/*/*"), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_stated),
        cmocka_unit_test(test_everything_is_stated),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_who_may_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
