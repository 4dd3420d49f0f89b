#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/record_file.h"

static char directory[] = "/tmp/record_file_test_XXXXXX";
static struct record_file file;
static struct record_slots slots;

static void begin(void)
{
    assert_int_equal(record_file_open(&file, directory, &slots, NULL), ERR_OK);
    for (unsigned i = 0; i < RECORD_SLOTS; i++)
        (void)unlink(file.paths[i]);
}

static void save_state(uint32_t state, uint32_t *sequence)
{
    struct record record = {.state = state};

    assert_int_equal(record_save(&slots, &record, sequence), ERR_OK);
}

static uint32_t load_state(void)
{
    struct record record;
    uint32_t sequence;

    assert_int_equal(record_load(&slots, &record, &sequence), ERR_OK);
    return record.state;
}

static void the_newest_record_is_found(void **state)
{
    struct record record;
    uint32_t sequence = 0;

    (void)state;
    begin();
    assert_int_equal(record_load(&slots, &record, &sequence), ERR_NOT_FOUND);
    for (uint32_t i = 1; i <= 5; i++) {
        save_state(i, &sequence);
        assert_int_equal(load_state(), i);
    }
}

/* A child that dies at its third write; what does the parent find? */
static uint32_t state_after_crash(enum record_file_crash crash)
{
    uint32_t sequence = 0;
    int status;
    pid_t child;

    begin();
    file.crash = crash;
    file.crash_at = 3;
    child = fork();
    if (child == 0) {
        for (uint32_t i = 1; i <= 5; i++)
            save_state(i, &sequence);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), crash == RECORD_CRASH_NEVER ? 0 : RECORD_FILE_CRASH);
    return load_state();
}

static void a_death_at_a_write_leaves_the_state_before_or_after(void **state)
{
    (void)state;
    assert_int_equal(state_after_crash(RECORD_CRASH_NEVER), 5);
    assert_int_equal(state_after_crash(RECORD_CRASH_BEFORE), 2);
    assert_int_equal(state_after_crash(RECORD_CRASH_TORN), 2);
    assert_int_equal(state_after_crash(RECORD_CRASH_AFTER), 3);
}

static void no_room_for_the_record_is_an_error(void **state)
{
    struct record record = {0};
    uint32_t sequence = 0;

    (void)state;
    assert_int_equal(record_file_open(&file, "/nowhere", &slots, NULL), ERR_OK);
    assert_int_equal(record_save(&slots, &record, &sequence), ERR_STORAGE);
    assert_int_equal(sequence, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_record_is_found),
        cmocka_unit_test(a_death_at_a_write_leaves_the_state_before_or_after),
        cmocka_unit_test(no_room_for_the_record_is_an_error),
    };
    int failed;

    if (!mkdtemp(directory))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    begin();
    (void)rmdir(directory);
    return failed;
}
