/* Blobs: what is taken is there, whole and once; what fails leaves nothing. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/sha256.h"
#include "store/blobs.h"

static char dir[64];

static int open_dir(void **state)
{
    struct blobs *blobs;

    (void)snprintf(dir, sizeof dir, "/tmp/slipway-blobs-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(blobs_dir_open(dir, 100, &blobs, NULL), ERR_OK);
    *state = blobs;
    return 0;
}

static int close_dir(void **state)
{
    char command[96];

    blobs_close(*state);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static void upload(struct blobs *blobs, const char *name, const char *text, char path[128])
{
    FILE *file;

    (void)snprintf(path, 128, "%s/%s", blobs_upload_dir(blobs), name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_an_upload_becomes_a_blob(void **state)
{
    struct blobs *blobs = *state, *again;
    uint8_t sha256[DIGEST_SIZE];
    struct blob_info info;
    char path[128], room[6] = "";
    uint64_t size;
    int fd;

    sha256_of(SPAN_LITERAL("hello"), sha256);
    assert_int_equal(blobs_stat(blobs, sha256, &info), ERR_NOT_FOUND);
    upload(blobs, "a", "hello", path);
    assert_int_equal(blobs_take(blobs, path, sha256, 5, NULL), ERR_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(blobs_open(blobs, sha256, &fd, &size), ERR_OK);
    assert_int_equal(size, 5);
    (void)close(fd);
    assert_int_equal(blobs_read(blobs, sha256, 1, room, 4), ERR_OK);
    assert_string_equal(room, "ello");
    assert_int_equal(blobs_read(blobs, sha256, 1, room, 5), ERR_CORRUPT);
    upload(blobs, "b", "hello", path); /* once more is no error */
    assert_int_equal(blobs_take(blobs, path, sha256, 5, NULL), ERR_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(blobs_used(blobs), 5);
    assert_int_equal(blobs_dir_open(dir, 0, &again, NULL), ERR_OK);
    assert_int_equal(blobs_used(again), 5);
    assert_int_equal(blobs_drop(again, sha256), ERR_OK);
    assert_int_equal(blobs_drop(again, sha256), ERR_OK);
    assert_int_equal(blobs_used(again), 0);
    blobs_close(again);
}

static void test_the_quota_holds(void **state)
{
    struct blobs *blobs = *state;
    uint8_t sha256[DIGEST_SIZE] = {1};
    char text[62];
    struct blob_info info;
    struct why why;
    char path[128];

    memset(text, 'x', sizeof text);
    assert_int_equal(blobs_put(blobs, text, 60, sha256, &why), ERR_OK);
    assert_int_equal(blobs_put(blobs, text, 61, sha256, &why), ERR_TOO_BIG);
    assert_non_null(strstr(why.text, "quota of 100 bytes"));
    assert_int_equal(blobs_stat(blobs, sha256, &info), ERR_NOT_FOUND);
    upload(blobs, "c", "y", path);
    assert_int_equal(blobs_take(blobs, path, sha256, UINT64_MAX, &why), ERR_TOO_BIG);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(blobs_used(blobs), 60);
}

static void test_a_disk_that_refuses_is_told_and_leaves_nothing(void **state)
{
    struct blobs *blobs = *state;
    struct rlimit old, small = {20, 20};
    uint8_t sha256[DIGEST_SIZE];
    char text[50] = "", command[128];
    struct why why;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(blobs_put(blobs, text, sizeof text, sha256, &why), ERR_STORAGE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(why.text, "cannot write"));
    (void)snprintf(command, sizeof command, "test -z \"$(ls -A %s/tmp)\"", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(blobs_used(blobs), 0);
}

static void test_leftovers_of_a_crash_are_reclaimed(void **state)
{
    struct blobs *again;
    char path[128];

    upload(*state, "half", "hel", path);
    assert_int_equal(blobs_dir_open(dir, 0, &again, NULL), ERR_OK);
    assert_int_equal(access(path, F_OK), -1);
    blobs_close(again);
}

static bool count(void *self, const struct blob_info *info)
{
    (void)info;
    ++*(int *)self;
    return true;
}

static void test_foreign_files_are_left_alone(void **state)
{
    uint8_t sha256[DIGEST_SIZE];
    char path[128];
    int blobs = 0, fd;

    assert_int_equal(blobs_put(*state, "a", 1, sha256, NULL), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/%02x/README", dir, sha256[0]);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(blobs_each(*state, count, &blobs), ERR_OK);
    assert_int_equal(blobs, 1);
}

static void test_a_directory_that_cannot_be_made(void **state)
{
    struct blobs *blobs;
    struct why why;

    (void)state;
    assert_int_not_equal(blobs_dir_open("/proc/blobs", 0, &blobs, &why), ERR_OK);
    assert_true(why.text[0] != '\0');
}

#define BLOBS(name) cmocka_unit_test_setup_teardown(name, open_dir, close_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLOBS(test_an_upload_becomes_a_blob),
        BLOBS(test_the_quota_holds),
        BLOBS(test_a_disk_that_refuses_is_told_and_leaves_nothing),
        BLOBS(test_leftovers_of_a_crash_are_reclaimed),
        BLOBS(test_foreign_files_are_left_alone),
        cmocka_unit_test(test_a_directory_that_cannot_be_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
