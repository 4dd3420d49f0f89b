#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/lock.h"

static char directory[] = "/tmp/lock_test_XXXXXX";
static char path[64];

static void one_holder_at_a_time(void **state)
{
    struct lock first = LOCK_FREE, second = LOCK_FREE;
    struct why why = {0};

    (void)state;
    assert_int_equal(lock_take(&first, path, &why), ERR_OK);
    assert_true(lock_held(&first));
    assert_int_equal(lock_take(&second, path, &why), ERR_AGAIN);
    assert_non_null(strstr(why.text, path));
    assert_false(lock_held(&second));
    lock_give(&first);
    assert_int_equal(lock_take(&second, path, &why), ERR_OK);
    lock_give(&second);
    lock_give(&second);
}

static void it_goes_with_a_killed_holder(void **state)
{
    struct lock lock = LOCK_FREE;
    int ready[2];
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        _exit(lock_take(&lock, path, NULL) == ERR_OK && write(ready[1], "x", 1) == 1 && pause());
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(lock_take(&lock, path, NULL), ERR_AGAIN);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(lock_take(&lock, path, NULL), ERR_OK);
    lock_give(&lock);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void an_impossible_path_is_not_busy(void **state)
{
    struct lock lock = LOCK_FREE;

    (void)state;
    assert_int_equal(lock_take(&lock, "/nowhere/at/all", NULL), ERR_STORAGE);
    assert_int_equal(lock_take(&lock, directory, NULL), ERR_STORAGE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_holder_at_a_time),
        cmocka_unit_test(it_goes_with_a_killed_holder),
        cmocka_unit_test(an_impossible_path_is_not_busy),
    };
    int failed;

    if (!mkdtemp(directory))
        return 1;
    (void)snprintf(path, sizeof path, "%s/lock", directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)rmdir(directory);
    return failed;
}
