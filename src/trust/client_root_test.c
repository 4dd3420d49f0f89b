/* The root chain, and what new keys and thresholds do to the other roles. */
#include "trust/client_case.h"

#include <string.h>

/* Drops the role's keys that the root names, but keeps everybody as signers. */
static void new_keys_old_signers_too(struct forge *forge, enum tuf_role role, unsigned count)
{
    struct forge_role *it = &forge->roles[role];

    for (uint32_t i = 0; i < it->key_count; i++)
        key_close(it->keys[i]);
    it->key_count = 0;
    for (unsigned i = 0; i < count; i++)
        forge_add_key(forge, role, KEY_ED25519);
}

/* Only the newest `count` signers sign from now on. */
static void only_last_signers(struct forge *forge, enum tuf_role role, uint32_t count)
{
    struct forge_role *it = &forge->roles[role];

    while (it->signer_max > count) {
        key_close(it->signers[0]);
        memmove(&it->signers[0], &it->signers[1], sizeof it->signers - sizeof it->signers[0]);
        it->signer_max--;
    }
    it->signer_count = it->signer_max;
}

static void test_many_roots_at_once(void **state)
{
    struct client_case *it = *state;

    for (int i = 0; i < 20; i++) {
        if (i % 3 == 0)
            new_keys_old_signers_too(it->forge, TUF_ROOT, 1);
        forge_next(it->forge, TUF_ROOT);
        if (i % 3 == 0)
            only_last_signers(it->forge, TUF_ROOT, 1);
    }
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "21 1 1 1");
}

static void test_new_root_key(void **state)
{
    struct client_case *it = *state;

    new_keys_old_signers_too(it->forge, TUF_ROOT, 1);
    forge_next(it->forge, TUF_ROOT);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    only_last_signers(it->forge, TUF_ROOT, 1);
    forge_next(it->forge, TUF_ROOT);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "3 1 1 1");
}

static void test_new_root_not_signed_by_the_old_keys(void **state)
{
    struct client_case *it = *state;

    new_keys_old_signers_too(it->forge, TUF_ROOT, 1);
    only_last_signers(it->forge, TUF_ROOT, 1);
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "by the rule of root version 1", "1 - - -");
}

static void test_new_root_not_signed_by_the_new_keys(void **state)
{
    struct client_case *it = *state;

    new_keys_old_signers_too(it->forge, TUF_ROOT, 1);
    it->forge->roles[TUF_ROOT].signer_count = 1;
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "by its own rule", "1 - - -");
}

/* Thresholds count for the root that states them: raised, then lowered again. */
static void test_root_threshold_up_and_down(void **state)
{
    struct client_case *it = *state;
    struct forge_role *root = &it->forge->roles[TUF_ROOT];

    forge_add_key(it->forge, TUF_ROOT, KEY_ED25519);
    forge_add_key(it->forge, TUF_ROOT, KEY_ECDSA_P256);
    root->threshold = 3;
    root->signer_count = 2;
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "by its own rule: root version 2 has 2 of 3", "1 - - -");
    root->signer_count = 3;
    forge_write(it->forge, TUF_ROOT);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    root->threshold = 1;
    root->signer_count = 1;
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "by the rule of root version 2: root version 3 has 1 of 3",
                   "2 1 1 1");
    root->signer_count = 3;
    forge_write(it->forge, TUF_ROOT);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    root->signer_count = 1;
    forge_next(it->forge, TUF_ROOT);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "4 1 1 1");
}

/* Signatures by keys that the new root no longer needs do no harm. */
static void test_more_root_signatures_than_needed(void **state)
{
    struct client_case *it = *state;

    new_keys_old_signers_too(it->forge, TUF_ROOT, 2);
    forge_next(it->forge, TUF_ROOT);
    new_keys_old_signers_too(it->forge, TUF_ROOT, 1);
    forge_next(it->forge, TUF_ROOT);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "3 1 1 1");
}

static void test_root_that_repeats_its_version(void **state)
{
    struct client_case *it = *state;

    forge_put(it->forge, "2.root.json", tuf_bytes_span(&it->forge->last[TUF_ROOT]));
    assert_refused(it, ERR_CONFLICT, "root version 1 cannot follow 1", "1 - - -");
}

/* Roots before the bad one stay stored. */
static void test_bad_root_in_the_middle(void **state)
{
    struct client_case *it = *state;

    forge_next(it->forge, TUF_ROOT);
    forge_next(it->forge, TUF_ROOT);
    it->forge->roles[TUF_ROOT].signer_count = 0;
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "has 0 of 1", "3 - - -");
}

static void test_root_that_drops_a_role(void **state)
{
    struct client_case *it = *state;

    it->forge->extra = json_pack("{s:{}}", "roles");
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_CORRUPT, "keyids of role root", "1 - - -");
}

/* ---- The other roles ---- */

static void test_each_role_gets_new_keys(void **state)
{
    static const enum tuf_role order[] = {TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS};
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        forge_replace_keys(it->forge, order[i]);
        forge_next(it->forge, TUF_ROOT);
        assert_int_equal(client_case_refresh(it), ERR_UNTRUSTED); /* still signed by the old */
        forge_next_all(it->forge);
        assert_int_equal(client_case_refresh(it), ERR_OK);
    }
    assert_stored(it, "4 4 4 4");
}

/* Stored targets whose key was revoked are not used, even though nothing else is new. */
static void test_revoked_targets_key(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_replace_keys(it->forge, TUF_TARGETS);
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "targets version 1 has 0 of 1", "2 1 1 1");
    assert_int_equal(tuf_client_resume(it->client, NULL), ERR_UNTRUSTED);
}

static void test_role_threshold_up(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_add_key(it->forge, TUF_TARGETS, KEY_ED25519);
    it->forge->roles[TUF_TARGETS].threshold = 2;
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "targets version 1 has 1 of 2", "2 1 1 1");
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

/* Two signers exchange places: nobody new, so nothing is forgotten. */
static void test_threshold_down_keeps_what_is_stored(void **state)
{
    struct client_case *it = *state;

    forge_add_key(it->forge, TUF_SNAPSHOT, KEY_ED25519);
    it->forge->roles[TUF_SNAPSHOT].threshold = 2;
    forge_next(it->forge, TUF_ROOT);
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->forge->roles[TUF_SNAPSHOT].threshold = 1;
    forge_next(it->forge, TUF_ROOT);
    assert_refresh(it, ERR_OK, "3.root.json 4.root.json timestamp.json");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, client_case_open, client_case_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_many_roots_at_once),
        CASE(test_new_root_key),
        CASE(test_new_root_not_signed_by_the_old_keys),
        CASE(test_new_root_not_signed_by_the_new_keys),
        CASE(test_root_threshold_up_and_down),
        CASE(test_more_root_signatures_than_needed),
        CASE(test_root_that_repeats_its_version),
        CASE(test_bad_root_in_the_middle),
        CASE(test_root_that_drops_a_role),
        CASE(test_each_role_gets_new_keys),
        CASE(test_revoked_targets_key),
        CASE(test_role_threshold_up),
        CASE(test_threshold_down_keeps_what_is_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
