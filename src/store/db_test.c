/* The driver's promises: sticky errors, nesting, durability, and what a fault leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/db_failing.h"
#include "store/db_sqlite.h"
#include "store/migrate.h"

static struct db *open_memory(void)
{
    struct db *db;

    assert_int_equal(db_sqlite_open(":memory:", &db, NULL), ERR_OK);
    assert_int_equal(db_script(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL,"
                                   " blob BLOB NOT NULL) STRICT"),
                     ERR_OK);
    return db;
}

static enum err insert(struct db *db, int64_t id, const char *text)
{
    db_query(db, "INSERT INTO t (id, text, blob) VALUES ($1, $2, $3)");
    db_bind_int(db, id);
    db_bind_text(db, text);
    db_bind_bytes(db, "\0\1", 2);
    return db_run(db);
}

static int64_t rows(struct db *db)
{
    db_query(db, "SELECT count(*) FROM t");
    assert_int_equal(db_one(db), ERR_OK);
    return db_column_int(db, 0);
}

static void test_values_come_back(void **state)
{
    struct db *db = open_memory();
    char text[4];
    bool row;

    (void)state;
    assert_int_equal(insert(db, INT64_MIN, "h\xC3\xA9llo"), ERR_OK);
    assert_int_equal(insert(db, 1, NULL), ERR_OK); /* no text is the empty text, never NULL */
    db_query(db, "SELECT id, text, blob FROM t ORDER BY id");
    assert_int_equal(db_step(db, &row), ERR_OK);
    assert_true(row);
    assert_true(db_column_int(db, 0) == INT64_MIN);
    assert_true(span_is(db_column_span(db, 1), "h\xC3\xA9llo"));
    assert_int_equal(db_column_span(db, 2).size, 2);
    db_column_text(db, 1, text, sizeof text);
    assert_int_equal(strlen(text), 3);
    assert_int_equal(db_step(db, &row), ERR_OK);
    assert_true(row);
    assert_int_equal(db_column_span(db, 1).size, 0);
    assert_int_equal(db_step(db, &row), ERR_OK);
    assert_false(row);
    db_close(db);
}

static void test_errors_are_sticky_and_told_apart(void **state)
{
    struct db *db = open_memory();

    (void)state;
    assert_int_equal(insert(db, 1, "a"), ERR_OK);
    assert_int_equal(insert(db, 1, "b"), ERR_CONFLICT);
    assert_non_null(strstr(db_sentence(db), "UNIQUE"));
    assert_int_equal(rows(db), 1); /* the next query starts afresh */
    db_query(db, "SELECT nonsense FROM nowhere");
    db_bind_int(db, 1);
    assert_int_equal(db_one(db), ERR_STORAGE);
    db_query(db, "SELECT text FROM t WHERE id = $1");
    db_bind_int(db, 99);
    assert_int_equal(db_one(db), ERR_NOT_FOUND);
    db_close(db);
}

static void test_savepoints_nest(void **state)
{
    struct db *db = open_memory();

    (void)state;
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(insert(db, 1, "kept"), ERR_OK);
    assert_int_equal(db_savepoint(db), ERR_OK);
    assert_int_equal(insert(db, 2, "undone"), ERR_OK);
    assert_int_equal(db_savepoint(db), ERR_OK);
    assert_int_equal(insert(db, 3, "undone with it"), ERR_OK);
    assert_int_equal(db_release(db), ERR_OK);
    assert_int_equal(db_undo(db), ERR_OK);
    assert_int_equal(insert(db, 4, "kept"), ERR_OK);
    assert_int_equal(db_commit(db), ERR_OK);
    assert_int_equal(rows(db), 2);
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(insert(db, 5, "rolled back"), ERR_OK);
    db_rollback(db);
    assert_int_equal(rows(db), 2);
    db_close(db);
}

static void test_foreign_keys_hold_and_ids_are_never_reused(void **state)
{
    struct db *db = open_memory();
    int64_t id;

    (void)state;
    assert_int_equal(migrate(db, (struct utc){1}, NULL), ERR_OK);
    db_query(db, "INSERT INTO tag (tenant, device, name) VALUES ($1, $2, 'x')");
    db_bind_int(db, 1);
    db_bind_int(db, 1);
    assert_int_equal(db_run(db), ERR_CONFLICT);
    assert_int_equal(db_new_ids(db, 1, "device", 1, &id), ERR_OK);
    assert_int_equal(id, 1);
    assert_int_equal(db_new_ids(db, 1, "device", 10, &id), ERR_OK);
    assert_int_equal(id, 2);
    assert_int_equal(db_new_ids(db, 1, "device", 1, &id), ERR_OK);
    assert_int_equal(id, 12);
    assert_int_equal(db_new_ids(db, 1, "rollout", 1, &id), ERR_OK);
    assert_int_equal(id, 1);
    db_close(db);
}

static void test_a_full_database_loses_the_transaction_as_a_whole(void **state)
{
    struct db *db = open_memory();
    static char big[200000];
    enum err err = ERR_OK;

    (void)state;
    memset(big, 'x', sizeof big - 1);
    assert_int_equal(db_script(db, "PRAGMA max_page_count = 60"), ERR_OK);
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(insert(db, 1, "small"), ERR_OK);
    for (int64_t id = 2; err == ERR_OK && id < 10; id++)
        err = insert(db, id, big);
    assert_int_equal(err, ERR_STORAGE);
    assert_non_null(strstr(db_sentence(db), "full"));
    db_rollback(db);
    assert_int_equal(rows(db), 0);
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(insert(db, 1, "small"), ERR_OK);
    assert_int_equal(db_commit(db), ERR_OK);
    assert_int_equal(rows(db), 1);
    db_close(db);
}

static void test_a_fault_stays_until_it_is_disarmed(void **state)
{
    struct db *db = db_failing_open(open_memory());

    (void)state;
    db_failing_arm(db, 2);
    assert_int_equal(insert(db, 1, "a"), ERR_OK);
    assert_int_equal(insert(db, 2, "b"), ERR_STORAGE);
    assert_int_equal(insert(db, 3, "c"), ERR_STORAGE);
    assert_true(db_failing_happened(db));
    db_failing_arm(db, 0);
    assert_int_equal(rows(db), 1);
    db_close(db);
}

static void test_a_file_that_is_no_database_is_refused(void **state)
{
    char path[] = "/tmp/slipway-db-XXXXXX";
    int fd = mkstemp(path);
    struct why why;
    struct db *db;

    (void)state;
    assert_true(fd >= 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "this is no database of any kind\n", 32), 32);
    assert_int_equal(db_sqlite_open(path, &db, &why), ERR_CORRUPT);
    assert_string_equal(why.field, "data_dir");
    assert_int_equal(db_sqlite_open("/nowhere/at/all.db", &db, &why), ERR_STORAGE);
    (void)close(fd);
    (void)unlink(path);
}

static void test_migrations_run_once_and_in_order(void **state)
{
    static const struct migration two[] = {{1, "first", "CREATE TABLE a (x INTEGER)"},
                                           {2, "second", "ALTER TABLE a ADD COLUMN y INTEGER"}};
    static const struct migration changed[] = {{1, "first", "CREATE TABLE a (x TEXT)"}};
    static const struct migration broken[] = {
        {1, "first", "CREATE TABLE a (x INTEGER)"},
        {2, "second", "ALTER TABLE a ADD COLUMN y INTEGER"},
        {3, "third", "CREATE TABLE b (x INTEGER); CREATE TABLE nonsense"}};
    struct db *db;
    struct why why;

    (void)state;
    assert_int_equal(db_sqlite_open(":memory:", &db, NULL), ERR_OK);
    assert_int_equal(migrate_with(db, two, 1, (struct utc){5}, &why), ERR_OK);
    assert_int_equal(migrate_with(db, two, 2, (struct utc){6}, &why), ERR_OK);
    assert_int_equal(migrate_with(db, two, 2, (struct utc){7}, &why), ERR_OK);
    assert_int_equal(migrate_with(db, two, 1, (struct utc){8}, &why), ERR_UNSUITABLE);
    assert_int_equal(migrate_with(db, broken, 3, (struct utc){9}, &why), ERR_STORAGE);
    assert_non_null(strstr(why.text, "migration 3 (third)"));
    db_query(db, "SELECT count(*) FROM sqlite_master WHERE name = 'b'");
    assert_int_equal(db_one(db), ERR_OK);
    assert_int_equal(db_column_int(db, 0), 0); /* all of the third or nothing */
    assert_int_equal(db_script(db, "DELETE FROM migration WHERE number = 2"), ERR_OK);
    assert_int_equal(migrate_with(db, changed, 1, (struct utc){9}, &why), ERR_CORRUPT);
    db_close(db);
}

static void test_append_only_tables_are(void **state)
{
    struct db *db = open_memory();

    (void)state;
    assert_int_equal(migrate(db, (struct utc){1}, NULL), ERR_OK);
    assert_int_equal(db_script(db, "INSERT INTO audit VALUES (1, 1, x'00', x'00')"), ERR_OK);
    assert_int_equal(db_script(db, "UPDATE audit SET line = x'01'"), ERR_CONFLICT);
    assert_int_equal(db_script(db, "DELETE FROM audit"), ERR_CONFLICT);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_errors_are_sticky_and_told_apart),
        cmocka_unit_test(test_savepoints_nest),
        cmocka_unit_test(test_foreign_keys_hold_and_ids_are_never_reused),
        cmocka_unit_test(test_a_full_database_loses_the_transaction_as_a_whole),
        cmocka_unit_test(test_a_fault_stays_until_it_is_disarmed),
        cmocka_unit_test(test_a_file_that_is_no_database_is_refused),
        cmocka_unit_test(test_migrations_run_once_and_in_order),
        cmocka_unit_test(test_append_only_tables_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
