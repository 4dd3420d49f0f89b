/* Every noun goes in and comes out as it was; pages, limits and keys do as their headers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/account.h"
#include "store/assignment.h"
#include "store/audit_log.h"
#include "store/claim.h"
#include "store/db_sqlite.h"
#include "store/device.h"
#include "store/metadata.h"
#include "store/migrate.h"
#include "store/release.h"
#include "store/report.h"
#include "store/rollout.h"

static int open_db(void **state)
{
    struct db *db;

    assert_int_equal(db_sqlite_open(":memory:", &db, NULL), ERR_OK);
    assert_int_equal(migrate(db, (struct utc){1}, NULL), ERR_OK);
    *state = db;
    return 0;
}

static int close_db(void **state)
{
    db_close(*state);
    return 0;
}

static int64_t add_device(struct db *db, const char *name)
{
    struct device_row row = {.tenant = 1, .status = DEVICE_ACTIVE, .created = {7}};

    (void)snprintf(row.name, sizeof row.name, "%s", name);
    assert_int_equal(store_device_add(db, &row), ERR_OK);
    return row.id;
}

static void test_device_state_round_trip(void **state)
{
    struct db *db = *state;
    struct device_row row, back;
    int64_t id = add_device(db, "gw-1");

    assert_int_equal(store_device_get(db, 1, id, &row), ERR_OK);
    assert_false(row.running_known);
    row.running_known = true;
    memset(row.running, 0xAB, sizeof row.running);
    memset(row.inventory, 0xCD, sizeof row.inventory);
    (void)snprintf(row.version, sizeof row.version, "1.2.3");
    row.boot_count = UINT32_MAX;
    row.last_seen.ms = 99;
    row.assignment = 5;
    row.wanted = DEVICE_WANTS_LOG;
    assert_int_equal(store_device_save_state(db, &row), ERR_OK);
    row.hold = true;
    row.utc_offset_min = -300;
    row.status = DEVICE_REVOKED;
    assert_int_equal(store_device_save(db, &row), ERR_OK);
    assert_int_equal(store_device_find(db, 1, SPAN_LITERAL("gw-1"), &back), ERR_OK);
    assert_memory_equal(&back.running, &row.running, DIGEST_SIZE);
    assert_memory_equal(&back.inventory, &row.inventory, INVENTORY_DIGEST_SIZE);
    assert_string_equal(back.version, "1.2.3");
    assert_true(back.boot_count == UINT32_MAX);
    assert_int_equal(back.assignment, 5);
    assert_int_equal(back.utc_offset_min, -300);
    assert_true(back.hold);
    assert_int_equal(back.status, DEVICE_REVOKED);
    assert_int_equal(store_device_seen(db, 1, SPAN_LITERAL("gw-1"), (struct utc){50}), ERR_OK);
    assert_int_equal(store_device_get(db, 1, id, &back), ERR_OK);
    assert_int_equal(back.last_seen.ms, 99); /* never backwards */
    assert_int_equal(store_device_find(db, 2, SPAN_LITERAL("gw-1"), &back), ERR_NOT_FOUND);
}

static void test_device_names_are_unique_and_plain(void **state)
{
    struct device_row row = {.tenant = 1, .name = "gw-1"};

    (void)add_device(*state, "gw-1");
    assert_int_equal(store_device_add(*state, &row), ERR_CONFLICT);
    assert_true(device_name_valid(SPAN_LITERAL("GW_1.a-b")));
    assert_false(device_name_valid(SPAN_LITERAL("")));
    assert_false(device_name_valid(SPAN_LITERAL(".hidden")));
    assert_false(device_name_valid(SPAN_LITERAL("a/b")));
    assert_false(device_name_valid(SPAN_LITERAL("a\0b")));
    assert_false(device_name_valid(
        SPAN_LITERAL("12345678901234567890123456789012345678901234567890123456789012345")));
}

static void test_pages_carry_labels_of_the_right_device(void **state)
{
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    const struct attribute attributes[] = {{"hw", "a"}, {"site", "oslo"}};
    static const char tags[][NAME_SIZE_MAX + 1] = {"blue", "red"};
    struct db *db = *state;
    uint32_t count;

    for (int i = 0; i < 10; i++) {
        char name[16];
        int64_t id;

        (void)snprintf(name, sizeof name, "gw-%d", i);
        id = add_device(db, name);
        if (i % 3 == 0)
            assert_int_equal(store_attributes_set(db, 1, id, attributes, 2), ERR_OK);
        if (i % 4 == 0)
            assert_int_equal(store_tags_set(db, 1, id, tags, 2), ERR_OK);
        if (i == 7)
            assert_int_equal(store_group_join(db, 1, id, SPAN_LITERAL("lab")), ERR_OK);
    }
    assert_int_equal(store_device_page(db, 1, 3, 4, page, &count), ERR_OK);
    assert_int_equal(count, 4);
    assert_string_equal(page[0].row.name, "gw-3");
    assert_int_equal(page[0].attribute_count, 2);
    assert_string_equal(page[0].attributes[1].value, "oslo");
    assert_int_equal(page[1].attribute_count, 0);
    assert_int_equal(page[1].tag_count, 2);
    assert_int_equal(store_device_page(db, 1, 7, 64, page, &count), ERR_OK);
    assert_int_equal(count, 3);
    assert_string_equal(page[0].groups[0], "lab");
    assert_int_equal(store_device_page(db, 1, 10, 64, page, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_device_facts(db, 1, 8, page), ERR_OK);
    assert_int_equal(page[0].group_count, 1);
    assert_int_equal(store_device_facts(db, 1, 11, page), ERR_NOT_FOUND);
    free(page);
}

/* A fleet of one revoked device and of nine that name their site; the fifth takes part in 1. */
static void furnish_walk(struct db *db)
{
    static const char tags[][NAME_SIZE_MAX + 1] = {"blue"};
    struct attribute attributes[] = {{"rack", "7"}, {"site", "oslo"}, {"zone", "n"}};

    for (int i = 0; i < 10; i++) {
        char name[16];
        int64_t id;

        (void)snprintf(name, sizeof name, "gw-%d", i);
        id = add_device(db, name);
        (void)snprintf(attributes[1].value, sizeof attributes[1].value, "site-%d", i);
        assert_int_equal(store_attributes_set(db, 1, id, attributes, 3), ERR_OK);
        assert_int_equal(store_tags_set(db, 1, id, tags, 1), ERR_OK);
    }
    assert_int_equal(
        db_script(db, "UPDATE device SET status = 3 WHERE id = 2;"
                      "INSERT INTO release VALUES (1, 1, 'p', '1', 't', '', '', 0, 0, 0, 1, x'',"
                      " 1, x'', 1024, x'', 1, 0, 1, 0, x'', x'', 0, 0);"
                      "INSERT INTO rollout VALUES (1, 1, 'r', 1, 'all', 1, '', 1, '', 1, 1, 0, 0,"
                      " 0, 0, 0, 0, 1, 0, '', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,"
                      " 0, 0, 0, 0);"
                      "INSERT INTO assignment VALUES (1, 9, 5, 1, 1, zeroblob(32), x'', 0, 0, 0, 0,"
                      " 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, '', 0, 0, '', 0, 0, '')"),
        ERR_OK);
}

static void test_a_walk_reads_what_it_was_told(void **state)
{
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    struct device_walk walk = {.tenant = 1, .status = DEVICE_ACTIVE, .rollout = 1};
    struct db *db = *state;
    uint32_t count;

    furnish_walk(db);
    walk.attributes[walk.attribute_count++] = SPAN_LITERAL("zone");
    walk.attributes[walk.attribute_count++] = SPAN_LITERAL("site");
    assert_int_equal(store_device_walk(db, &walk, 1, 4, page, &count), ERR_OK);
    assert_int_equal(count, 4); /* without the revoked one */
    assert_string_equal(page[0].row.name, "gw-2");
    assert_int_equal(page[0].row.status, DEVICE_ACTIVE);
    assert_int_equal(page[0].attribute_count, 2);
    assert_string_equal(page[0].attributes[0].name, "zone");
    assert_string_equal(page[0].attributes[1].value, "site-2");
    assert_string_equal(page[3].attributes[1].value, "site-5");
    assert_int_equal(page[0].tag_count, 0);
    assert_false(page[1].takes_part);
    assert_true(page[2].takes_part); /* id 5 */
    walk.attribute_count = DEVICE_WALK_NAMES_MAX + 1;
    walk.tags = true;
    walk.rollout = 0;
    assert_int_equal(store_device_walk(db, &walk, 4, 64, page, &count), ERR_OK);
    assert_int_equal(count, 6);
    assert_int_equal(page[0].attribute_count, 3);
    assert_int_equal(page[0].tag_count, 1);
    assert_false(page[0].takes_part);
    walk.status = DEVICE_REVOKED;
    assert_int_equal(store_device_walk(db, &walk, 0, 64, page, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_string_equal(page[0].row.name, "gw-1");
    free(page);
}

static void check_copies(struct db *db, int64_t id, const char *product, const char *hardware,
                         uint32_t floor)
{
    struct device_row row;

    assert_int_equal(store_device_get(db, 1, id, &row), ERR_OK);
    assert_string_equal(row.product, product);
    assert_string_equal(row.hardware, hardware);
    assert_true(row.security_floor == floor);
}

static void test_what_decides_is_copied_into_the_row(void **state)
{
    static const struct attribute first[] = {
        {"hardware", "old"}, {"hw", "a"}, {"product", "pump"}, {"security_floor", "007"}};
    static const struct attribute second[] = {{"hardware", "b"}, {"security_floor", "4294967296"}};
    static const struct attribute third[] = {{"security_floor", "7x"}};
    struct db *db = *state;
    int64_t id = add_device(db, "gw-1");

    check_copies(db, id, "", "", 0);
    assert_int_equal(store_attributes_set(db, 1, id, first, COUNT_OF(first)), ERR_OK);
    check_copies(db, id, "pump", "a", 7);
    assert_int_equal(store_attributes_set(db, 1, id, second, COUNT_OF(second)), ERR_OK);
    check_copies(db, id, "", "b", UINT32_MAX);
    assert_int_equal(store_attributes_set(db, 1, id, third, COUNT_OF(third)), ERR_OK);
    check_copies(db, id, "", "", UINT32_MAX);
    assert_int_equal(store_attributes_set(db, 1, id, NULL, 0), ERR_OK);
    check_copies(db, id, "", "", 0);
}

/* A database from before the copies gets the same ones. */
static void test_copies_are_made_of_what_was_there(void **state)
{
    size_t count;
    const struct migration *list = migrations(&count);
    struct db *db;

    (void)state;
    assert_int_equal(db_sqlite_open(":memory:", &db, NULL), ERR_OK);
    assert_int_equal(migrate_with(db, list, 1, (struct utc){1}, NULL), ERR_OK);
    assert_int_equal(
        db_script(db, "INSERT INTO device VALUES (1, 1, 'a', 1, x'', 0, 0, '', 1, 1),"
                      " (1, 2, 'b', 1, x'', 0, 0, '', 1, 1), (1, 3, 'c', 1, x'', 0, 0, '', 1, 1);"
                      "INSERT INTO device_state SELECT 1, id, x'', x'', '', x'', 0, 0, 0, 0, 0"
                      " FROM device;"
                      "INSERT INTO attribute VALUES (1, 1, 'hardware', 'old'), (1, 1, 'hw', 'x'),"
                      " (1, 1, 'product', 'pump'), (1, 1, 'security_floor', '007'),"
                      " (1, 2, 'hardware', 'y'), (1, 2, 'security_floor', '4294967296')"),
        ERR_OK);
    assert_int_equal(migrate(db, (struct utc){2}, NULL), ERR_OK);
    check_copies(db, 1, "pump", "x", 7);
    check_copies(db, 2, "", "y", UINT32_MAX);
    check_copies(db, 3, "", "", 0);
    db_close(db);
}

static void test_groups(void **state)
{
    struct db *db = *state;
    struct group_row rows[4];
    int64_t a = add_device(db, "a"), b = add_device(db, "b");
    char name[16];
    uint32_t count;

    assert_int_equal(store_group_join(db, 1, a, SPAN_LITERAL("lab")), ERR_OK);
    assert_int_equal(store_group_join(db, 1, a, SPAN_LITERAL("lab")), ERR_OK);
    assert_int_equal(store_group_join(db, 1, b, SPAN_LITERAL("lab")), ERR_OK);
    assert_int_equal(store_group_list(db, 1, span_of(""), 4, rows, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].devices, 2);
    assert_int_equal(store_group_leave(db, 1, b, SPAN_LITERAL("lab")), ERR_OK);
    assert_int_equal(store_group_leave(db, 1, b, SPAN_LITERAL("lab")), ERR_OK);
    for (unsigned i = 1; i < GROUPS_MAX; i++) {
        (void)snprintf(name, sizeof name, "g%u", i);
        assert_int_equal(store_group_join(db, 1, a, span_of(name)), ERR_OK);
    }
    assert_int_equal(store_group_join(db, 1, a, SPAN_LITERAL("one more")), ERR_TOO_BIG);
}

static void test_histories_keep_the_newest(void **state)
{
    struct db *db = *state;
    struct gap_row gaps[GAPS_KEPT + 1];
    struct log_row logs[LOGS_KEPT + 1];
    int64_t device = add_device(db, "a"), id = 0;
    struct span text;
    uint32_t count;

    for (int64_t i = 1; i <= GAPS_KEPT + 10; i++)
        assert_int_equal(store_gap_add(db, 1, device, (struct gap_row){{i * 1000}, i}), ERR_OK);
    assert_int_equal(
        store_gap_list(db, 1, device, (struct utc){INT64_MAX}, GAPS_KEPT + 1, gaps, &count),
        ERR_OK);
    assert_int_equal(count, GAPS_KEPT);
    assert_int_equal(gaps[0].away_ms, GAPS_KEPT + 10);
    for (int64_t i = 1; i <= LOGS_KEPT + 3; i++)
        assert_int_equal(
            store_log_add(db, 1, device, 0, (struct utc){i}, SPAN_LITERAL("rain"), &id), ERR_OK);
    assert_int_equal(id, LOGS_KEPT + 3);
    assert_int_equal(store_log_list(db, 1, device, LOGS_KEPT + 1, logs, &count), ERR_OK);
    assert_int_equal(count, LOGS_KEPT);
    assert_int_equal(store_log_text(db, 1, device, id, &text), ERR_OK);
    assert_true(span_is(text, "rain"));
    assert_int_equal(store_log_text(db, 1, device, 1, &text), ERR_NOT_FOUND);
}

static void test_certificates(void **state)
{
    struct db *db = *state;
    struct certificate_row row = {.tenant = 1, .issued = {1000}, .not_after = {91000}}, back;
    struct device_key keys[4];
    uint32_t count;

    row.device = add_device(db, "a");
    assert_int_equal(store_certificate_newest(db, 1, row.device, &back), ERR_NOT_FOUND);
    assert_int_equal(store_certificate_add(db, &row), ERR_OK);
    assert_int_equal(store_certificate_add(db, &row), ERR_CONFLICT);
    assert_int_equal(store_device_expiring(db, (struct utc){60000}, 4, keys, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_device_expiring(db, (struct utc){70000}, 4, keys, &count), ERR_OK);
    assert_int_equal(count, 1);
    row.fingerprint[0] = 1;
    row.issued.ms = 70000;
    row.not_after.ms = 160000;
    assert_int_equal(store_certificate_add(db, &row), ERR_OK);
    assert_int_equal(store_certificate_newest(db, 1, row.device, &back), ERR_OK);
    assert_int_equal(back.fingerprint[0], 1);
    assert_int_equal(store_certificates_prune(db, (struct utc){200000}), ERR_OK);
    row.fingerprint[0] = 0;
    assert_int_equal(store_certificate_find(db, 1, row.device, row.fingerprint, &back),
                     ERR_NOT_FOUND);
    row.fingerprint[0] = 1; /* the newest stays: it may renew, expired as it is */
    assert_int_equal(store_certificates_revoke(db, 1, row.device, (struct utc){5}), ERR_OK);
    assert_int_equal(store_certificate_find(db, 1, row.device, row.fingerprint, &back), ERR_OK);
    assert_int_equal(back.revoked.ms, 5);
}

static void test_claims_are_used_once(void **state)
{
    struct claim_row row = {.tenant = 1, .token_sha256 = {1}, .note = "rack 7", .expires = {9}};
    struct claim_row list[2];
    uint32_t count;

    assert_int_equal(store_claim_add(*state, &row), ERR_OK);
    assert_int_equal(store_claim_add(*state, &row), ERR_CONFLICT);
    assert_int_equal(store_claim_use(*state, 1, row.id, SPAN_LITERAL("gw"), (struct utc){3}),
                     ERR_OK);
    assert_int_equal(store_claim_use(*state, 1, row.id, SPAN_LITERAL("gx"), (struct utc){4}),
                     ERR_CONFLICT);
    assert_int_equal(store_claim_list(*state, 1, 0, 2, list, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].used_by, "gw");
    assert_string_equal(list[0].note, "rack 7");
    assert_int_equal(store_claim_remove(*state, 1, row.id), ERR_OK);
    assert_int_equal(store_claim_remove(*state, 1, row.id), ERR_NOT_FOUND);
}

static void test_tokens_and_replies(void **state)
{
    struct token_row row = {.tenant = 1, .name = "ada", .role = 3, .token_sha256 = {9}}, back;
    struct idempotency_row reply = {.tenant = 1,
                                    .token = 1,
                                    .key = "k",
                                    .status = 201,
                                    .content_type = "application/problem+json",
                                    .body = SPAN_LITERAL("{}")};
    bool found;

    assert_int_equal(store_token_add(*state, &row), ERR_OK);
    assert_int_equal(store_token_find(*state, row.token_sha256, &back), ERR_OK);
    assert_int_equal(back.role, 3);
    assert_int_equal(store_token_revoke(*state, 1, row.id, (struct utc){8}), ERR_OK);
    assert_int_equal(store_token_get(*state, 1, row.id, &back), ERR_OK);
    assert_int_equal(back.revoked.ms, 8);
    assert_int_equal(store_idempotency_find(*state, 1, 1, "k", &reply, &found), ERR_OK);
    assert_false(found);
    assert_int_equal(store_idempotency_add(*state, &reply, (struct utc){1}), ERR_OK);
    assert_int_equal(store_idempotency_find(*state, 1, 1, "k", &reply, &found), ERR_OK);
    assert_true(found);
    assert_int_equal(reply.status, 201);
    assert_string_equal(reply.content_type, "application/problem+json");
    assert_true(span_is(reply.body, "{}"));
    assert_int_equal(store_idempotency_prune(*state, (struct utc){2}), ERR_OK);
    assert_int_equal(store_idempotency_find(*state, 1, 1, "k", &reply, &found), ERR_OK);
    assert_false(found);
}

static void test_tokens_in_force(void **state)
{
    struct token_row rows[4] = {{.tenant = 1, .name = "a", .token_sha256 = {1}},
                                {.tenant = 1, .name = "b", .token_sha256 = {2}, .expires = {10}},
                                {.tenant = 1, .name = "c", .token_sha256 = {3}},
                                {.tenant = 1, .name = "d", .token_sha256 = {4}}};
    struct token_row found[4], from = {0};
    uint32_t count;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(store_token_add(*state, &rows[i]), ERR_OK);
    assert_int_equal(store_token_revoke(*state, 1, rows[2].id, (struct utc){8}), ERR_OK);
    assert_int_equal(store_token_in_force(*state, &from, (struct utc){9}, 2, found, &count),
                     ERR_OK);
    assert_int_equal(count, 2);
    assert_string_equal(found[1].name, "b");
    assert_int_equal(store_token_in_force(*state, &found[1], (struct utc){9}, 2, found, &count),
                     ERR_OK);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].name, "d");
    assert_int_equal(store_token_in_force(*state, &from, (struct utc){10}, 4, found, &count),
                     ERR_OK);
    assert_int_equal(count, 2); /* one has expired */
    assert_int_equal(store_token_list(*state, 1, 0, 4, found, &count), ERR_OK);
    assert_int_equal(count, 3); /* which is still shown */
}

static int64_t add_release(struct db *db, const char *version)
{
    struct release_row row = {.tenant = 1,
                              .product = "box",
                              .target = "box/x/image",
                              .hardware = "a b",
                              .bases = "1.0",
                              .length = UINT64_C(1) << 40,
                              .plain_sha256 = {1},
                              .chunk_size = 65536};

    (void)snprintf(row.version, sizeof row.version, "%s", version);
    assert_int_equal(store_release_add(db, &row), ERR_OK);
    return row.id;
}

static void test_sealed_releases(void **state)
{
    uint8_t room[CONTENT_KEY_STORED_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct release_row row = {.product = "box",
                              .version = "3.0",
                              .tenant = 1,
                              .sealed = true,
                              .alg = 1,
                              .key_check = {7},
                              .key_present = true};

    assert_int_equal(store_release_add(*state, &row), ERR_OK);
    assert_int_equal(store_release_get(*state, 1, row.id, &row), ERR_OK);
    assert_true(row.sealed);
    assert_int_equal(row.alg, 1);
    assert_int_equal(row.key_check[0], 7);
    assert_false(row.key_present);
    assert_int_equal(store_release_key(*state, 1, row.id, &out), ERR_NOT_FOUND);
    assert_int_equal(store_release_set_key(*state, 1, row.id + 1, SPAN_LITERAL("k")),
                     ERR_NOT_FOUND);
    assert_int_equal(store_release_set_key(*state, 1, row.id, SPAN_LITERAL("key")), ERR_OK);
    assert_int_equal(store_release_key(*state, 1, row.id, &out), ERR_OK);
    assert_true(span_is(buf_written(&out), "key"));
    assert_int_equal(store_release_get(*state, 1, row.id, &row), ERR_OK);
    assert_true(row.key_present);
    assert_int_equal(store_release_get(*state, 1, add_release(*state, "4.0"), &row), ERR_OK);
    assert_false(row.sealed);
    assert_false(row.key_present);
}

static void test_sealing_keys(void **state)
{
    uint8_t room[3];
    struct buf out = buf_over(room, sizeof room), small = buf_over(room, 2);
    struct device_row row;
    int64_t id = add_device(*state, "gw-1");

    assert_int_equal(store_device_get(*state, 1, id, &row), ERR_OK);
    assert_false(row.sealing_key_known);
    assert_int_equal(store_device_sealing_key(*state, 1, id, &out), ERR_NOT_FOUND);
    assert_int_equal(store_device_set_sealing_key(*state, 1, id, SPAN_LITERAL("key")), ERR_OK);
    assert_int_equal(store_device_sealing_key(*state, 1, id, &out), ERR_OK);
    assert_true(span_is(buf_written(&out), "key"));
    assert_int_equal(store_device_sealing_key(*state, 1, id, &small), ERR_TOO_BIG);
    assert_int_equal(store_device_save(*state, &row), ERR_OK);
    assert_int_equal(store_device_get(*state, 1, id, &row), ERR_OK);
    assert_true(row.sealing_key_known);
}

static void test_releases(void **state)
{
    struct release_row row;
    struct span product, version;
    char name[RELEASE_ID_SIZE];
    uint32_t count;
    int64_t id = add_release(*state, "1.0");

    (void)add_release(*state, "2.0");
    assert_int_equal(store_release_get(*state, 1, id, &row), ERR_OK);
    assert_true(row.length == UINT64_C(1) << 40);
    assert_string_equal(row.hardware, "a b");
    release_row_name(&row, name);
    assert_string_equal(name, "box@1.0");
    assert_true(release_name_split(SPAN_LITERAL("box@1.0"), &product, &version));
    assert_int_equal(store_release_find(*state, 1, product, version, &row), ERR_OK);
    assert_false(release_name_split(SPAN_LITERAL("box@"), &product, &version));
    assert_false(release_name_split(SPAN_LITERAL("@1"), &product, &version));
    assert_int_equal(store_release_by_image(*state, 1, row.plain_sha256, &row), ERR_OK);
    assert_string_equal(row.version, "2.0");
    assert_int_equal(store_release_confirm(*state, 1, id, 5), ERR_OK);
    assert_int_equal(store_release_withdraw_others(*state, 1, 5, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_release_add(*state, &row), ERR_CONFLICT);
}

static struct rollout_row add_rollout(struct db *db, const char *name)
{
    struct rollout_row row = {.tenant = 1,
                              .release = add_release(db, name),
                              .selector = "all",
                              .seed = UINT64_MAX,
                              .window = {.days = 3, .start_min = 90, .duration_s = 3600}};

    (void)snprintf(row.name, sizeof row.name, "%s", name);
    row.rollout.plan.stage_count = 2;
    row.rollout.plan.stages[0] = (struct rollout_stage){.count = 5, .soak_s = 60};
    row.rollout.plan.stages[1] =
        (struct rollout_stage){.permille = 1000, .gate = {.failures_permille = 10}};
    row.rollout.plan.deadline_s = 77;
    row.rollout.plan.needs_approval = true;
    assert_int_equal(store_rollout_add(db, &row), ERR_OK);
    return row;
}

static void test_rollouts_keep_their_course(void **state)
{
    struct rollout_row row = add_rollout(*state, "7"), back;
    struct rollout_key keys[4];
    uint32_t count;

    assert_int_equal(store_rollout_find(*state, 1, SPAN_LITERAL("7"), &back), ERR_OK);
    assert_int_equal(back.id, row.id);
    assert_int_equal(store_rollout_find(*state, 1, SPAN_LITERAL("1"), &back), ERR_OK);
    assert_int_equal(store_rollout_find(*state, 1, SPAN_LITERAL("x"), &back), ERR_NOT_FOUND);
    assert_int_equal(store_rollout_open_list(*state, (struct rollout_key){0}, 4, keys, &count),
                     ERR_OK);
    assert_int_equal(count, 0); /* a draft */
    row.rollout.state = ROLLOUT_RUNNING;
    row.rollout.stage = 1;
    row.rollout.soaking = true;
    row.rollout.selected = 1000;
    row.rollout.quiet_since.ms = 11;
    row.rollout.tally[1].at[STANDING_GOOD] = 3;
    row.rollout.tally[1].forgiven = (struct gate_evidence){1, 2, 3};
    row.rollout.whereabouts[WHEREABOUTS_STRANDED] = 4;
    assert_int_equal(store_rollout_save(*state, &row), ERR_OK);
    assert_int_equal(store_rollout_get(*state, 1, row.id, &back), ERR_OK);
    assert_int_equal(back.rollout.plan.stage_count, 2);
    assert_int_equal(back.rollout.plan.stages[0].soak_s, 60);
    assert_int_equal(back.rollout.plan.deadline_s, 77);
    assert_int_equal(back.rollout.state, ROLLOUT_RUNNING);
    assert_true(back.rollout.soaking);
    assert_int_equal(back.rollout.tally[1].at[STANDING_GOOD], 3);
    assert_int_equal(back.rollout.tally[1].forgiven.silent, 3);
    assert_int_equal(back.rollout.whereabouts[WHEREABOUTS_STRANDED], 4);
    assert_true(back.seed == UINT64_MAX);
    assert_int_equal(back.window.start_min, 90);
    assert_int_equal(store_rollout_open_list(*state, (struct rollout_key){0}, 4, keys, &count),
                     ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_rollout_open_list(*state, keys[0], 4, keys, &count), ERR_OK);
    assert_int_equal(count, 0);
}

static void test_assignments(void **state)
{
    struct db *db = *state;
    struct rollout_row rollout = add_rollout(db, "r");
    struct assignment_row row = {.tenant = 1, .rollout = rollout.id, .target = {1}}, back, list[2];
    struct assignment_key due[2];
    uint32_t counts[ASSIGNMENT_STATE_COUNT], count;
    struct device_row device;

    row.device = add_device(db, "a");
    assert_int_equal(db_new_ids(db, 1, "assignment", 1, &row.id), ERR_OK);
    row.assignment.state = ASSIGNMENT_STAGED;
    row.assignment.standing = STANDING_WAITING;
    row.assignment.heard_at.ms = 10;
    row.look.ms = 500;
    assert_int_equal(store_assignment_add(db, &row), ERR_OK);
    assert_int_equal(store_assignment_of(db, 1, row.device, rollout.id, &back), ERR_OK);
    assert_int_equal(back.assignment.state, ASSIGNMENT_STAGED);
    assert_int_equal(store_device_get(db, 1, row.device, &device), ERR_OK);
    device.last_seen.ms = 400; /* a poll is a word, too */
    assert_int_equal(store_device_save_state(db, &device), ERR_OK);
    assert_int_equal(store_assignment_get(db, 1, row.device, row.id, &back), ERR_OK);
    assert_int_equal(back.assignment.heard_at.ms, 400);
    assert_int_equal(
        store_assignment_list(db, 1, rollout.id, ASSIGNMENTS_WAITING, 0, 2, list, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_assignment_list(db, 1, rollout.id, ASSIGNMENTS_AWAY, 0, 2, list, &count),
                     ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_assignment_due(db, (struct utc){499}, 2, due, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_assignment_due(db, (struct utc){500}, 2, due, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_assignment_count(db, 1, rollout.id, counts), ERR_OK);
    assert_int_equal(counts[ASSIGNMENT_STAGED], 1);
    assert_int_equal(store_assignment_last_flip(db, 1, row.device, &back), ERR_NOT_FOUND);
    row.assignment.flipped_at.ms = 600;
    assert_int_equal(store_assignment_save(db, &row), ERR_OK);
    assert_int_equal(store_assignment_last_flip(db, 1, row.device, &back), ERR_OK);
    assert_int_equal(store_device_remove(db, 1, row.device), ERR_OK);
    assert_int_equal(store_assignment_get(db, 1, row.device, row.id, &back), ERR_NOT_FOUND);
}

static void test_reports_are_append_only(void **state)
{
    struct db *db = *state;
    struct report_row row = {.tenant = 1, .id = 1, .assignment = 3, .err = ERR_CORRUPT}, list[200];
    uint32_t count;

    row.device = add_device(db, "a");
    for (row.id = 1; row.id <= 2 * REPORTS_KEPT; row.id++) {
        row.received.ms = row.id;
        assert_int_equal(store_report_add(db, &row), ERR_OK);
    }
    row.id = 5;
    assert_int_equal(store_report_add(db, &row), ERR_CONFLICT);
    assert_int_equal(db_script(db, "UPDATE report SET verdict = 1"), ERR_CONFLICT);
    assert_int_equal(store_report_prune(db, 1, row.device, (struct utc){10}), ERR_OK);
    assert_int_equal(store_report_list(db, 1, row.device, 3, 0, 200, list, &count), ERR_OK);
    assert_int_equal(count, 2 * REPORTS_KEPT - 9);
    assert_int_equal(store_report_prune(db, 1, row.device, (struct utc){INT64_MAX}), ERR_OK);
    assert_int_equal(store_report_list(db, 1, row.device, 0, 0, 200, list, &count), ERR_OK);
    assert_int_equal(count, REPORTS_KEPT);
    assert_int_equal(list[0].err, ERR_CORRUPT);
    assert_int_equal(store_report_list(db, 1, row.device, 0, list[1].id, 200, list, &count),
                     ERR_OK);
    assert_int_equal(count, REPORTS_KEPT - 2);
}

static void test_metadata_by_version(void **state)
{
    struct metadata_row row = {.tenant = 1, .role = METADATA_ROOT, .version = 1}, back;

    assert_int_equal(store_metadata_find(*state, 1, METADATA_ROOT, 0, &back), ERR_NOT_FOUND);
    row.bytes = SPAN_LITERAL("one");
    assert_int_equal(store_metadata_add(*state, &row), ERR_OK);
    assert_int_equal(store_metadata_add(*state, &row), ERR_CONFLICT);
    row.version = 2;
    row.bytes = SPAN_LITERAL("two");
    assert_int_equal(store_metadata_add(*state, &row), ERR_OK);
    assert_int_equal(store_metadata_find(*state, 1, METADATA_ROOT, 0, &back), ERR_OK);
    assert_true(span_is(back.bytes, "two"));
    assert_int_equal(store_metadata_find(*state, 1, METADATA_ROOT, 1, &back), ERR_OK);
    assert_true(span_is(back.bytes, "one"));
    assert_int_equal(store_metadata_prune(*state, 1, METADATA_ROOT, 1), ERR_OK);
    assert_int_equal(store_metadata_find(*state, 1, METADATA_ROOT, 1, &back), ERR_NOT_FOUND);
}

static void test_audit_lines_in_order(void **state)
{
    struct audit_row row = {.seq = 1, .line = SPAN_LITERAL("first"), .hash = {1}}, back;
    struct audit_head head;
    bool found;

    assert_int_equal(store_audit_head(*state, 1, &head), ERR_OK);
    assert_true(head.seq == 0 && head.hash[0] == 0);
    assert_int_equal(store_audit_append(*state, 1, &row), ERR_OK);
    assert_int_equal(store_audit_append(*state, 1, &row), ERR_CONFLICT);
    assert_int_equal(store_audit_head(*state, 1, &head), ERR_OK);
    assert_true(head.seq == 1 && head.hash[0] == 1);
    assert_int_equal(store_audit_next(*state, 1, 0, &back, &found), ERR_OK);
    assert_true(found && span_is(back.line, "first"));
    assert_int_equal(store_audit_next(*state, 1, 1, &back, &found), ERR_OK);
    assert_false(found);
    assert_int_equal(store_audit_previous(*state, 1, UINT64_MAX, &back, &found), ERR_OK);
    assert_true(found);
}

#define ROWS(name) cmocka_unit_test_setup_teardown(name, open_db, close_db)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS(test_device_state_round_trip),
        ROWS(test_device_names_are_unique_and_plain),
        ROWS(test_pages_carry_labels_of_the_right_device),
        ROWS(test_a_walk_reads_what_it_was_told),
        ROWS(test_what_decides_is_copied_into_the_row),
        ROWS(test_copies_are_made_of_what_was_there),
        ROWS(test_groups),
        ROWS(test_histories_keep_the_newest),
        ROWS(test_certificates),
        ROWS(test_claims_are_used_once),
        ROWS(test_tokens_and_replies),
        ROWS(test_tokens_in_force),
        ROWS(test_releases),
        ROWS(test_sealed_releases),
        ROWS(test_sealing_keys),
        ROWS(test_rollouts_keep_their_course),
        ROWS(test_assignments),
        ROWS(test_reports_are_append_only),
        ROWS(test_metadata_by_version),
        ROWS(test_audit_lines_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
