/* Signatures that do not suffice, metadata that goes back, stands still or does not belong
 * together, and clocks that are wrong. */
#include "trust/client_case.h"

#include <stdio.h>
#include <string.h>

#include "trust/tuf_key.h"

/* ---- Signatures ---- */

static void test_unsigned_metadata(void **state)
{
    static const enum tuf_role order[] = {TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS};
    static const char *const stored[] = {"1 - - -", "1 3 - -", "1 4 4 -"};
    struct client_case *it = *state;

    for (size_t i = 0; i < COUNT_OF(order); i++) {
        uint32_t *signers = &it->forge->roles[order[i]].signer_count;

        *signers -= 1;
        forge_next_all(it->forge);
        assert_refused(it, ERR_UNTRUSTED, "has 0 of 1 valid signatures", stored[i]);
        *signers += 1;
    }
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

static void test_signed_by_a_stranger(void **state)
{
    struct client_case *it = *state;
    struct forge_role *role = &it->forge->roles[TUF_TARGETS];
    struct key *own = role->signers[0];

    assert_int_equal(key_generate(KEY_ED25519, &role->signers[0], NULL), ERR_OK);
    forge_next_all(it->forge);
    assert_refused(it, ERR_UNTRUSTED, "targets version 2 has 0 of 1", "1 2 2 -");
    key_close(role->signers[0]);
    role->signers[0] = own;
}

static void test_threshold_of_two(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;

    forge_add_key(forge, TUF_TARGETS, KEY_ECDSA_P256);
    forge_add_key(forge, TUF_TARGETS, KEY_ED25519);
    forge->roles[TUF_TARGETS].threshold = 2;
    forge_next(forge, TUF_ROOT);
    forge->roles[TUF_TARGETS].signer_count = 1;
    forge_next_all(forge);
    assert_refused(it, ERR_UNTRUSTED, "has 1 of 2 valid signatures", "2 2 2 -");
    forge->roles[TUF_TARGETS].signer_count = 2;
    forge_next_all(forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge->roles[TUF_TARGETS].signer_count = 3;
    forge_next_all(forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

/* The root names fewer keys than it demands signatures: nobody can ever satisfy it. */
static void test_threshold_above_the_keys(void **state)
{
    struct client_case *it = *state;

    it->forge->roles[TUF_SNAPSHOT].threshold = 2;
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "snapshot version 1 has 1 of 2", "2 1 - -");
}

/* Rewrite the stored file through `change`, which gets its "signatures" array. */
static void alter_signatures(struct forge *forge, const char *name, void (*change)(json_t *))
{
    struct tuf_bytes *bytes = forge_file(forge, name), altered;
    json_t *json = json_loadb((const char *)bytes->at, bytes->size, 0, NULL);

    assert_non_null(json);
    change(json_object_get(json, "signatures"));
    altered = tuf_envelope_bytes(json);
    json_decref(json);
    tuf_bytes_done(bytes);
    *bytes = altered;
}

static void repeat_first(json_t *signatures)
{
    json_array_append(signatures, json_array_get(signatures, 0));
}

static void rename_second(json_t *signatures)
{
    json_t *copy = json_deep_copy(json_array_get(signatures, 0));

    json_object_set_new(copy, "keyid", json_string("00"));
    json_array_append_new(signatures, copy);
}

static void add_rubbish(json_t *signatures)
{
    json_array_append_new(signatures, json_pack("{s:s, s:s}", "keyid", "aa", "sig", ""));
    json_array_append_new(signatures, json_pack("{s:s, s:s}", "keyid", "bb", "sig", "no hex"));
    json_array_insert_new(signatures, 0,
                          json_pack("{s:s, s:s, s:i}", "keyid", "cc", "sig", "00", "new", 1));
}

static void spoil(json_t *signatures)
{
    json_object_set_new(json_array_get(signatures, 0), "sig", json_string(""));
}

static void test_repeated_signatures_do_not_count_twice(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;

    forge_add_key(forge, TUF_TIMESTAMP, KEY_ED25519);
    forge->roles[TUF_TIMESTAMP].threshold = 2;
    forge_next(forge, TUF_ROOT);
    forge->roles[TUF_TIMESTAMP].signer_count = 1;
    forge_next(forge, TUF_TIMESTAMP);
    alter_signatures(forge, "timestamp.json", repeat_first);
    assert_refused(it, ERR_CORRUPT, "one keyid and sig per key", "2 - - -");
    forge_write(forge, TUF_TIMESTAMP);
    alter_signatures(forge, "timestamp.json", rename_second);
    assert_refused(it, ERR_UNTRUSTED, "has 1 of 2", "2 - - -");
}

static void test_rubbish_beside_good_signatures(void **state)
{
    struct client_case *it = *state;

    alter_signatures(it->forge, "timestamp.json", add_rubbish);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    alter_signatures(it->forge, "timestamp.json", spoil);
    assert_int_equal(client_case_refresh(it), ERR_OK); /* spoils what add_rubbish put first */
    forge_next(it->forge, TUF_TIMESTAMP);
    alter_signatures(it->forge, "timestamp.json", spoil);
    assert_refused(it, ERR_UNTRUSTED, "has 0 of 1", "1 1 1 1");
}

/* One key named twice, under two ids that are both right: one of the two objects has a field
 * more. It still is one key. */
static void test_one_key_under_two_ids_counts_once(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;
    const struct forge_role *timestamp = &forge->roles[TUF_TIMESTAMP];
    char first[DIGEST_HEX_SIZE], second[DIGEST_HEX_SIZE], root_id[DIGEST_HEX_SIZE];
    json_t *key = tuf_key_to_json(timestamp->keys[0]), *twin = json_copy(key);
    json_t *keys, *role, *envelope;
    struct tuf_bytes bytes;

    json_object_set_new(twin, "x-twin", json_true());
    tuf_key_id(timestamp->keys[0], first);
    assert_int_equal(tuf_key_id_of_json(twin, second, NULL), ERR_OK);
    tuf_key_id(forge->roles[TUF_ROOT].keys[0], root_id);

    envelope =
        json_loadb((const char *)forge->last[TUF_ROOT].at, forge->last[TUF_ROOT].size, 0, NULL);
    keys = json_object_get(tuf_envelope_signed(envelope), "keys");
    role = json_object_get(json_object_get(tuf_envelope_signed(envelope), "roles"), "timestamp");
    json_object_set(keys, second, twin);
    json_array_append_new(json_object_get(role, "keyids"), json_string(second));
    json_object_set_new(role, "threshold", json_integer(2));
    tuf_envelope_set_version(envelope, 2);
    assert_int_equal(tuf_envelope_sign(envelope, forge->roles[TUF_ROOT].keys[0], root_id, NULL),
                     ERR_OK);
    bytes = tuf_envelope_bytes(envelope);
    forge_put(forge, "2.root.json", tuf_bytes_span(&bytes));
    tuf_bytes_done(&bytes);
    json_decref(envelope);

    envelope = json_loadb((const char *)forge->last[TUF_TIMESTAMP].at,
                          forge->last[TUF_TIMESTAMP].size, 0, NULL);
    assert_int_equal(tuf_envelope_sign(envelope, timestamp->keys[0], second, NULL), ERR_OK);
    bytes = tuf_envelope_bytes(envelope);
    forge_put(forge, "timestamp.json", tuf_bytes_span(&bytes));
    tuf_bytes_done(&bytes);
    json_decref(envelope);
    json_decref(key);
    json_decref(twin);
    assert_refused(it, ERR_UNTRUSTED, "has 1 of 2 valid signatures by different keys", "2 - - -");
}

static void test_key_under_a_wrong_id(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;
    json_t *keys = json_object(), *extra;

    for (int i = 0; i < TUF_ROLE_COUNT; i++) {
        char id[DIGEST_HEX_SIZE];

        tuf_key_id(forge->roles[i].keys[0], id);
        id[0] = id[0] == '0' ? '1' : '0';
        json_object_set_new(keys, id, tuf_key_to_json(forge->roles[i].keys[0]));
    }
    extra = json_pack("{s:o}", "keys", keys);
    forge->extra = extra;
    forge_next(forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "0 of 1 valid signatures", "1 - - -");
}

/* ---- Going back ---- */

static void test_timestamp_rollback(void **state)
{
    struct client_case *it = *state;

    it->forge->roles[TUF_TIMESTAMP].version = 5;
    forge_write(it->forge, TUF_TIMESTAMP);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->forge->roles[TUF_TIMESTAMP].version = 4;
    forge_write(it->forge, TUF_TIMESTAMP);
    assert_refused(it, ERR_CONFLICT, "version 4 is older than the known 5", "1 5 1 1");
}

/* Same version, other content: not news, and no error. */
static void test_timestamp_that_changes_without_a_version(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_next(it->forge, TUF_TARGETS);
    forge_next(it->forge, TUF_SNAPSHOT);
    forge_write(it->forge, TUF_TIMESTAMP);
    assert_refresh(it, ERR_OK, "2.root.json timestamp.json");
    assert_stored(it, "1 1 1 1");
}

static void test_snapshot_rollback(void **state)
{
    struct client_case *it = *state;

    forge_next(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->forge->roles[TUF_SNAPSHOT].version = 1;
    forge_write(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_refused(it, ERR_CONFLICT, "names snapshot version 1, older than the known 2", "1 2 2 1");
}

static void test_targets_rollback(void **state)
{
    struct client_case *it = *state;

    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->forge->roles[TUF_TARGETS].version = 1;
    forge_write(it->forge, TUF_TARGETS);
    forge_next(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_refused(it, ERR_CONFLICT, "lists targets.json version 1, older than 2", "1 3 2 2");
}

/* The stored snapshot is stale in every way, and still says what was known. */
static void test_targets_rollback_after_missing_much(void **state)
{
    struct client_case *it = *state;

    forge_next_all(it->forge);
    it->forge->roles[TUF_SNAPSHOT].expires = (struct utc){FORGE_NOW.ms + DAY_MS};
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->now.ms += 2 * DAY_MS;
    it->forge->roles[TUF_SNAPSHOT].expires = (struct utc){FORGE_NOW.ms + 30 * DAY_MS};
    it->forge->roles[TUF_SNAPSHOT].version = 9;
    it->forge->roles[TUF_TARGETS].version = 2;
    forge_write(it->forge, TUF_TARGETS);
    forge_write(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_refused(it, ERR_CONFLICT, "lists targets.json version 2, older than 3", "1 4 3 3");
    assert_int_equal(client_case_restart(it), ERR_CONFLICT);
}

static void test_file_that_a_snapshot_no_longer_lists(void **state)
{
    struct client_case *it = *state;

    it->forge->extra = json_pack("{s:{s:{s:i}, s:{s:i}}}", "meta", "targets.json", "version", 1,
                                 "product.json", "version", 7);
    forge_next(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_next(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_refused(it, ERR_CONFLICT, "no longer lists product.json", "1 3 2 1");
}

/* ---- Not belonging together ---- */

/* Each file by itself is signed and fresh; they are not of one moment. */
static void test_mix_and_match(void **state)
{
    struct client_case *it = *state;
    struct tuf_bytes old = tuf_bytes_copy(tuf_bytes_span(&it->forge->last[TUF_TARGETS]));

    forge_release(it->forge, "camera", "2.0");
    forge_next_all(it->forge);
    forge_put(it->forge, "2.targets.json", tuf_bytes_span(&old));
    assert_refused(it, ERR_CORRUPT, "2.targets.json", "1 2 2 -");
    it->forge->hashes = false;
    forge_next(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_refused(it, ERR_CONFLICT, "is version 1 instead of 2", "1 3 3 -");
    tuf_bytes_done(&old);
}

/* A version number that ran away is recovered from by rotating the key that signed it. */
static void test_fast_forward_of_timestamp_and_snapshot(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;

    forge->roles[TUF_TARGETS].version = 99998;
    forge->roles[TUF_SNAPSHOT].version = 99998;
    forge->roles[TUF_TIMESTAMP].version = 99998;
    forge_next_all(forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge->roles[TUF_TARGETS].version = 1;
    forge->roles[TUF_SNAPSHOT].version = 1;
    forge->roles[TUF_TIMESTAMP].version = 1;
    forge_next_all(forge);
    assert_refused(it, ERR_CONFLICT, "older than the known 99999", "1 99999 99999 99999");
    forge_replace_keys(forge, TUF_TIMESTAMP);
    forge_replace_keys(forge, TUF_SNAPSHOT);
    forge_next(forge, TUF_ROOT);
    forge_next_all(forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "2 3 3 3");
}

/* ---- Time ---- */

static void test_each_role_expired(void **state)
{
    static const enum tuf_role order[] = {TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS};
    static const char *const stored[] = {"1 - - -", "1 3 - -", "1 4 4 -"};
    struct client_case *it = *state;

    for (size_t i = 0; i < COUNT_OF(order); i++) {
        struct utc *expires = &it->forge->roles[order[i]].expires, kept = *expires;

        *expires = it->now; /* in the very second of its expiry it has expired */
        forge_next_all(it->forge);
        assert_refused(it, ERR_UNTRUSTED, "expired at 2026-06-01T00:00:00Z", stored[i]);
        *expires = kept;
    }
    for (int role = 0; role < TUF_ROLE_COUNT; role++)
        it->forge->roles[role].expires = (struct utc){it->now.ms + 1000}; /* a second to live */
    forge_next(it->forge, TUF_ROOT);
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

/* An expired root is stored, and a newer one is still found through it. */
static void test_expired_root(void **state)
{
    struct client_case *it = *state;
    struct utc kept = it->forge->roles[TUF_ROOT].expires;

    it->forge->roles[TUF_ROOT].expires = (struct utc){FORGE_NOW.ms - 1000};
    forge_next(it->forge, TUF_ROOT);
    assert_refused(it, ERR_UNTRUSTED, "root version 2 expired", "2 - - -");
    assert_string_equal(it->forge->log, "2.root.json 3.root.json ");
    it->forge->roles[TUF_ROOT].expires = kept;
    forge_next(it->forge, TUF_ROOT);
    assert_refresh(it, ERR_OK,
                   "3.root.json 4.root.json timestamp.json 1.snapshot.json 1.targets.json");
}

/* Frozen: the repository goes on saying what it said. */
static void test_freeze(void **state)
{
    struct client_case *it = *state;

    it->forge->roles[TUF_TIMESTAMP].expires = (struct utc){FORGE_NOW.ms + 7 * DAY_MS};
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->now.ms += 7 * DAY_MS - 1;
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->now.ms += 1;
    assert_refused(it, ERR_UNTRUSTED, "timestamp version 2 expired at 2026-06-08", "1 2 1 1");
    forge_next(it->forge, TUF_TIMESTAMP); /* still as expired */
    assert_refused(it, ERR_UNTRUSTED, "timestamp version 3 expired", "1 2 1 1");
    it->forge->roles[TUF_TIMESTAMP].expires.ms += 7 * DAY_MS;
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

/* After months in a drawer everything stored has expired; all of it is still the floor. */
static void test_long_offline(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->now.ms += 300 * DAY_MS;
    for (int role = 0; role < TUF_ROLE_COUNT; role++)
        it->forge->roles[role].expires.ms += 300 * DAY_MS;
    forge_next(it->forge, TUF_ROOT);
    forge_next(it->forge, TUF_ROOT);
    forge_next_all(it->forge);
    assert_int_equal(client_case_restart(it), ERR_OK);
    assert_stored(it, "3 2 2 2");
}

/* A clock at 1970 accepts what has expired, but no version that is older than known. */
static void test_clock_at_1970(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->now.ms = 0;
    it->forge->roles[TUF_TIMESTAMP].expires = (struct utc){FORGE_NOW.ms - DAY_MS};
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->forge->roles[TUF_TIMESTAMP].version = 1;
    forge_write(it->forge, TUF_TIMESTAMP);
    assert_refused(it, ERR_CONFLICT, "older than the known 2", "1 2 2 2");
}

/* A clock ten years ahead refuses everything, says why, and loses nothing. */
static void test_clock_ten_years_ahead(void **state)
{
    struct client_case *it = *state;
    struct tuf_target target;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->now.ms += 3650 * DAY_MS;
    assert_refused(it, ERR_UNTRUSTED, "it is now 2036-05-29T00:00:00Z", "1 1 1 1");
    assert_int_equal(tuf_client_resume(it->client, NULL), ERR_OK);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image", &target, NULL),
                     ERR_OK);
    it->now = FORGE_NOW;
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, client_case_open, client_case_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_unsigned_metadata),
        CASE(test_signed_by_a_stranger),
        CASE(test_threshold_of_two),
        CASE(test_threshold_above_the_keys),
        CASE(test_repeated_signatures_do_not_count_twice),
        CASE(test_rubbish_beside_good_signatures),
        CASE(test_one_key_under_two_ids_counts_once),
        CASE(test_key_under_a_wrong_id),
        CASE(test_timestamp_rollback),
        CASE(test_timestamp_that_changes_without_a_version),
        CASE(test_snapshot_rollback),
        CASE(test_targets_rollback),
        CASE(test_targets_rollback_after_missing_much),
        CASE(test_file_that_a_snapshot_no_longer_lists),
        CASE(test_mix_and_match),
        CASE(test_fast_forward_of_timestamp_and_snapshot),
        CASE(test_each_role_expired),
        CASE(test_expired_root),
        CASE(test_freeze),
        CASE(test_long_offline),
        CASE(test_clock_at_1970),
        CASE(test_clock_ten_years_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
