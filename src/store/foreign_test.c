/* Rows of devices of other protocols: artifacts, identities, credentials, gateways, words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "store/assignment.h"
#include "store/db_sqlite.h"
#include "store/device.h"
#include "store/foreign.h"
#include "store/migrate.h"

static int open_db(void **state)
{
    struct db *db;

    assert_int_equal(db_sqlite_open(":memory:", &db, NULL), ERR_OK);
    assert_int_equal(migrate(db, (struct utc){1}, NULL), ERR_OK);
    assert_int_equal(db_begin(db), ERR_OK);
    *state = db;
    return 0;
}

static int close_db(void **state)
{
    struct db *db = *state;

    assert_int_equal(db_commit(db), ERR_OK);
    db_close(db);
    return 0;
}

static int64_t add_device(struct db *db, const char *name, enum protocol protocol)
{
    struct device_row row = {.tenant = 1, .status = DEVICE_ACTIVE, .protocol = protocol};
    struct device_row back;

    (void)snprintf(row.name, sizeof row.name, "%s", name);
    assert_int_equal(store_device_add(db, &row), ERR_OK);
    assert_int_equal(store_device_get(db, 1, row.id, &back), ERR_OK);
    assert_int_equal(back.protocol, protocol);
    return row.id;
}

static struct release_row add_release(struct db *db, const char *version, enum protocol authority)
{
    struct release_row row = {
        .tenant = 1, .product = "box", .no_image = true, .authority = authority, .listing = 1};
    struct release_row back;

    (void)snprintf(row.version, sizeof row.version, "%s", version);
    assert_int_equal(store_release_add(db, &row), ERR_OK);
    assert_int_equal(store_release_get(db, 1, row.id, &back), ERR_OK);
    assert_true(back.no_image);
    assert_int_equal(back.authority, authority);
    return row;
}

static struct artifact_row artifact(int64_t release, enum artifact_format format, uint8_t digest)
{
    return (struct artifact_row){.tenant = 1,
                                 .release = release,
                                 .format = format,
                                 .file = "box.swu",
                                 .part = "os",
                                 .name = "box-2.0",
                                 .target = "box/2.0/box.swu",
                                 .hardware = "rev-a rev-b",
                                 .length = 7,
                                 .sha256 = {digest},
                                 .listing = 1,
                                 .created = {5}};
}

static void test_artifacts(void **state)
{
    struct db *db = *state;
    struct release_row release = add_release(db, "2.0", PROTOCOL_NATIVE);
    struct artifact_row row = artifact(release.id, ARTIFACT_SWU, 1), back, list[ARTIFACTS_MAX];
    uint32_t count;
    bool needed;

    assert_int_equal(store_artifact_add(db, &row), ERR_OK);
    assert_int_equal(store_artifact_get(db, 1, row.id, &back), ERR_OK);
    assert_memory_equal(&back, &row, sizeof row);
    assert_int_equal(store_artifact_get(db, 2, row.id, &back), ERR_NOT_FOUND);
    row = artifact(release.id, ARTIFACT_MENDER, 2);
    assert_int_equal(store_artifact_add(db, &row), ERR_OK);
    assert_int_equal(store_artifact_list(db, 1, release.id, ARTIFACTS_MAX, list, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(store_artifact_of_blob(db, 1, row.sha256, &back), ERR_OK);
    assert_int_equal(back.id, row.id);
    assert_int_equal(store_artifact_of_blob(db, 2, row.sha256, &back), ERR_NOT_FOUND);
    assert_int_equal(store_release_needs_blob(db, row.sha256, &needed), ERR_OK);
    assert_true(needed);

    assert_int_equal(store_artifact_confirm(db, 1, row.id, 2), ERR_OK);
    assert_int_equal(store_artifact_withdraw_others(db, 1, 2), ERR_OK);
    assert_int_equal(store_artifact_list(db, 1, release.id, ARTIFACTS_MAX, list, &count), ERR_OK);
    assert_true(list[0].withdrawn);
    assert_false(list[1].withdrawn);
    assert_int_equal(store_artifact_remove(db, 1, row.id), ERR_OK);
    assert_int_equal(store_artifact_remove(db, 1, row.id), ERR_NOT_FOUND);
    assert_int_equal(store_release_needs_blob(db, row.sha256, &needed), ERR_OK);
    assert_false(needed);
}

static void test_artifacts_by_what_they_call_themselves(void **state)
{
    struct db *db = *state;
    struct release_row release = add_release(db, "4.0", PROTOCOL_NATIVE);
    struct artifact_row row = artifact(release.id, ARTIFACT_SWU, 1), back;

    row.name[0] = '\0'; /* it is called as the version */
    assert_int_equal(store_artifact_add(db, &row), ERR_OK);
    row = artifact(release.id, ARTIFACT_MENDER, 2);
    assert_int_equal(store_artifact_add(db, &row), ERR_OK);
    assert_int_equal(
        store_artifact_named(db, 1, span_of("box"), PROTOCOL_HAWKBIT, span_of("4.0"), &back),
        ERR_OK);
    assert_int_equal(back.format, ARTIFACT_SWU);
    assert_int_equal(
        store_artifact_named(db, 1, span_of("box"), PROTOCOL_MENDER, span_of("box-2.0"), &back),
        ERR_OK);
    assert_int_equal(back.format, ARTIFACT_MENDER);
    assert_int_equal(
        store_artifact_named(db, 1, span_of("box"), PROTOCOL_MENDER, span_of("4.0"), &back),
        ERR_NOT_FOUND);
    assert_int_equal(
        store_artifact_named(db, 1, span_of("camera"), PROTOCOL_HAWKBIT, span_of("4.0"), &back),
        ERR_NOT_FOUND);
}

static void test_releases_without_signers(void **state)
{
    struct db *db = *state;
    struct release_row ours = add_release(db, "1.0", PROTOCOL_NATIVE);
    struct release_row theirs = add_release(db, "2.0", PROTOCOL_HAWKBIT), back;
    uint32_t withdrawn;

    assert_int_equal(store_release_withdraw_others(db, 1, 9, &withdrawn), ERR_OK);
    assert_int_equal(withdrawn, 1); /* no list vouches for theirs, and none can take it away */
    assert_int_equal(store_release_get(db, 1, theirs.id, &back), ERR_OK);
    assert_false(back.withdrawn);
    assert_int_equal(store_release_remove(db, 1, theirs.id), ERR_OK);
    assert_int_equal(store_release_remove(db, 1, ours.id), ERR_NOT_FOUND);
}

static void test_a_release_gets_its_image(void **state)
{
    struct db *db = *state;
    struct release_row row = add_release(db, "3.0", PROTOCOL_NATIVE), back;

    row.no_image = false;
    row.sha256[0] = row.plain_sha256[0] = row.chunks_sha256[0] = 9;
    row.length = row.plain_length = 100;
    assert_int_equal(store_release_set_image(db, &row), ERR_OK);
    assert_int_equal(store_release_by_image(db, 1, row.plain_sha256, &back), ERR_OK);
    assert_int_equal(back.id, row.id);
    assert_false(back.no_image);
    assert_int_equal(back.length, 100);
}

static void test_digests_are_kept(void **state)
{
    const uint8_t sha256[DIGEST_SIZE] = {1};
    const struct blob_digests digests = {.sha1 = {2}, .md5 = {3}};
    struct blob_digests back;
    struct db *db = *state;

    assert_int_equal(store_blob_digests(db, sha256, &back), ERR_NOT_FOUND);
    assert_int_equal(store_blob_digests_put(db, sha256, &digests), ERR_OK);
    assert_int_equal(store_blob_digests_put(db, sha256, &digests), ERR_OK);
    assert_int_equal(store_blob_digests(db, sha256, &back), ERR_OK);
    assert_memory_equal(&back, &digests, sizeof digests);
}

static void test_identities(void **state)
{
    struct db *db = *state;
    struct foreign_row row = {.tenant = 1,
                              .device = add_device(db, "a", PROTOCOL_HAWKBIT),
                              .protocol = PROTOCOL_HAWKBIT,
                              .external = "02:00:00:00:00:01",
                              .wants_attributes = true};
    struct foreign_row back;
    int64_t tenant;

    assert_int_equal(store_foreign_add(db, &row), ERR_OK);
    assert_int_equal(
        store_foreign_find(db, 1, PROTOCOL_HAWKBIT, span_of("02:00:00:00:00:01"), &back), ERR_OK);
    assert_memory_equal(&back, &row, sizeof row);
    assert_int_equal(store_foreign_find(db, 1, PROTOCOL_MENDER, span_of(row.external), &back),
                     ERR_NOT_FOUND);
    assert_int_equal(store_foreign_find(db, 2, PROTOCOL_HAWKBIT, span_of(row.external), &back),
                     ERR_NOT_FOUND);
    (void)snprintf(row.runs, sizeof row.runs, "release-1");
    row.wants_attributes = false;
    assert_int_equal(store_foreign_save(db, &row), ERR_OK);
    assert_int_equal(store_foreign_get(db, 1, row.device, &back), ERR_OK);
    assert_memory_equal(&back, &row, sizeof row);
    assert_int_equal(store_foreign_tenant(db, span_of("DEFAULT"), &tenant), ERR_OK);
    assert_int_equal(tenant, 1);
    assert_int_equal(store_foreign_tenant(db, span_of("other"), &tenant), ERR_NOT_FOUND);
    assert_int_equal(store_device_remove(db, 1, row.device), ERR_OK);
    assert_int_equal(store_foreign_get(db, 1, row.device, &back), ERR_NOT_FOUND);
}

static void test_two_devices_have_two_names(void **state)
{
    struct db *db = *state;
    struct foreign_row row = {.tenant = 1, .protocol = PROTOCOL_MENDER, .external = "x"};

    row.device = add_device(db, "a", PROTOCOL_MENDER);
    assert_int_equal(store_foreign_add(db, &row), ERR_OK);
    row.device = add_device(db, "b", PROTOCOL_MENDER);
    assert_int_equal(db_savepoint(db), ERR_OK);
    assert_int_equal(store_foreign_add(db, &row), ERR_CONFLICT);
    assert_int_equal(db_undo(db), ERR_OK);
}

static void test_credentials(void **state)
{
    struct db *db = *state;
    struct foreign_credential_row row = {.tenant = 1,
                                         .device = add_device(db, "a", PROTOCOL_MENDER),
                                         .kind = FOREIGN_KEY,
                                         .status = DEVICE_PENDING,
                                         .sha256 = {4},
                                         .key = {1, 2, 3},
                                         .key_size = 3,
                                         .created = {8}};
    struct foreign_credential_row *list = calloc(FOREIGN_CREDENTIALS_MAX, sizeof *list), back;
    uint32_t count;

    assert_non_null(list);
    assert_int_equal(store_foreign_credential_add(db, &row), ERR_OK);
    row.status = DEVICE_ACTIVE;
    assert_int_equal(store_foreign_credential_save(db, &row), ERR_OK);
    assert_int_equal(
        store_foreign_credential_find(db, 1, row.device, FOREIGN_KEY, row.sha256, &back), ERR_OK);
    assert_memory_equal(&back, &row, sizeof row);
    assert_int_equal(
        store_foreign_credential_find(db, 1, row.device, FOREIGN_TOKEN, row.sha256, &back),
        ERR_NOT_FOUND);
    assert_int_equal(store_foreign_credential_get(db, 2, row.id, &back), ERR_NOT_FOUND);
    for (uint8_t i = 1; i < FOREIGN_CREDENTIALS_MAX; i++) {
        row.sha256[1] = i;
        assert_int_equal(store_foreign_credential_add(db, &row), ERR_OK);
    }
    row.sha256[1] = 200;
    assert_int_equal(store_foreign_credential_add(db, &row), ERR_TOO_BIG);
    assert_int_equal(
        store_foreign_credential_list(db, 1, row.device, FOREIGN_CREDENTIALS_MAX, list, &count),
        ERR_OK);
    assert_int_equal(count, FOREIGN_CREDENTIALS_MAX);
    assert_int_equal(store_foreign_credential_remove(db, 1, list[0].id), ERR_OK);
    assert_int_equal(store_foreign_credential_get(db, 1, list[0].id, &back), ERR_NOT_FOUND);
    free(list);
}

static void test_gateways(void **state)
{
    struct db *db = *state;
    struct foreign_gateway_row row = {.tenant = 1,
                                      .protocol = PROTOCOL_HAWKBIT,
                                      .name = "site-oslo",
                                      .sha256 = {7},
                                      .selector = "site = oslo",
                                      .created_by = "ada",
                                      .created = {3}};
    struct foreign_gateway_row back, list[2];
    uint32_t count;

    assert_int_equal(store_foreign_gateway_add(db, &row), ERR_OK);
    assert_int_equal(store_foreign_gateway_find(db, 1, PROTOCOL_HAWKBIT, row.sha256, &back),
                     ERR_OK);
    assert_memory_equal(&back, &row, sizeof row);
    assert_int_equal(store_foreign_gateway_find(db, 2, PROTOCOL_HAWKBIT, row.sha256, &back),
                     ERR_NOT_FOUND);
    assert_int_equal(store_foreign_gateway_list(db, 1, 0, 2, list, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_foreign_gateway_list(db, 1, row.id, 2, list, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_foreign_gateway_remove(db, 1, row.id), ERR_OK);
    assert_int_equal(store_foreign_gateway_remove(db, 1, row.id), ERR_NOT_FOUND);
}

static void test_words_are_limited(void **state)
{
    struct db *db = *state;
    int64_t device = add_device(db, "a", PROTOCOL_HAWKBIT);
    struct foreign_word word = {.at = {9}, .phase = "closed/failure", .code = -3}, list[2];
    char long_text[FOREIGN_WORD_SIZE_MAX + 2];
    uint32_t count;

    memset(long_text, 'x', sizeof long_text);
    assert_int_equal(store_foreign_word_add(db, 1, device, 5, &word, span_of("no space\nleft")),
                     ERR_OK);
    assert_int_equal(store_foreign_word_add(db, 1, device, 5, &word,
                                            (struct span){(uint8_t *)long_text, sizeof long_text}),
                     ERR_OK);
    assert_int_equal(store_foreign_words(db, 1, device, 5, 0, 2, list, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(strlen(list[0].text), FOREIGN_WORD_SIZE_MAX);
    assert_string_equal(list[1].text, "no space\nleft");
    assert_string_equal(list[1].phase, "closed/failure");
    assert_int_equal(list[1].code, -3);
    for (uint32_t i = 2; i < FOREIGN_WORDS_MAX; i++)
        assert_int_equal(store_foreign_word_add(db, 1, device, 5, &word, span_of("")), ERR_OK);
    assert_int_equal(store_foreign_word_add(db, 1, device, 5, &word, span_of("")), ERR_TOO_BIG);
    assert_int_equal(store_foreign_word_add(db, 1, device, 6, &word, span_of("")), ERR_OK);
}

int main(void)
{
#define ROWS(test) cmocka_unit_test_setup_teardown(test, open_db, close_db)
    const struct CMUnitTest tests[] = {
        ROWS(test_artifacts),
        ROWS(test_artifacts_by_what_they_call_themselves),
        ROWS(test_releases_without_signers),
        ROWS(test_a_release_gets_its_image),
        ROWS(test_digests_are_kept),
        ROWS(test_identities),
        ROWS(test_two_devices_have_two_names),
        ROWS(test_credentials),
        ROWS(test_gateways),
        ROWS(test_words_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
