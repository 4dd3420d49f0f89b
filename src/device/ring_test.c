#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "device/ring.h"

#define SIZE_MAX_HERE 8192u

static char directory[] = "/tmp/ring_test_XXXXXX";
static char text[65536];

static const char *read_ring(const struct ring *ring, size_t room)
{
    struct buf out = buf_over(text, room);

    assert_int_equal(ring_read(ring, &out, NULL), ERR_OK);
    return buf_finish_text(&out);
}

static void forget(const struct ring *ring)
{
    (void)unlink(ring->path);
    (void)unlink(ring->older);
}

static void lines_survive_a_restart(void **state)
{
    struct ring ring;

    (void)state;
    assert_int_equal(ring_open(&ring, directory, SIZE_MAX_HERE, LOG_LEVEL_INFO, NULL), ERR_OK);
    ring_note(&ring, LOG_LEVEL_INFO, "first", "n=%d", 1);
    ring_note(&ring, LOG_LEVEL_DEBUG, "unseen", "n=%d", 2);
    ring_close(&ring);
    assert_int_equal(ring_open(&ring, directory, SIZE_MAX_HERE, LOG_LEVEL_INFO, NULL), ERR_OK);
    ring_note(&ring, LOG_LEVEL_WARN, "second", "n=%d", 3);
    (void)read_ring(&ring, 1000);
    assert_non_null(strstr(text, "first n=1\n"));
    assert_null(strstr(text, "unseen"));
    assert_true(strstr(text, "second n=3\n") > strstr(text, "first"));
    ring_close(&ring);
    forget(&ring);
}

static void it_never_outgrows_its_limit(void **state)
{
    struct ring ring;
    struct stat newer, older;
    unsigned last = 0;

    (void)state;
    assert_int_equal(ring_open(&ring, directory, SIZE_MAX_HERE, LOG_LEVEL_INFO, NULL), ERR_OK);
    for (unsigned i = 0; i < 1000; i++)
        ring_note(&ring, LOG_LEVEL_INFO, "tick", "n=%u", i);
    assert_int_equal(stat(ring.path, &newer), 0);
    assert_int_equal(stat(ring.older, &older), 0);
    assert_true(newer.st_size + older.st_size <= SIZE_MAX_HERE);
    /* What is left is the end without a gap. */
    for (const char *at = strstr(read_ring(&ring, sizeof text), "n="); at;
         at = strstr(at + 2, "n=")) {
        unsigned n = (unsigned)strtoul(at + 2, NULL, 10);

        if (last)
            assert_int_equal(n, last + 1);
        last = n;
    }
    assert_int_equal(last, 999);
    ring_close(&ring);
    forget(&ring);
}

static void a_small_room_gets_whole_newest_lines(void **state)
{
    struct ring ring;

    (void)state;
    assert_int_equal(ring_open(&ring, directory, SIZE_MAX_HERE, LOG_LEVEL_INFO, NULL), ERR_OK);
    for (unsigned i = 0; i < 10; i++)
        ring_note(&ring, LOG_LEVEL_INFO, "tick", "n=%u", i);
    (void)read_ring(&ring, 150);
    assert_non_null(strstr(text, "n=9\n"));
    assert_int_not_equal(text[0], '\n');
    assert_int_equal(strncmp(text, "20", 2), 0); /* begins with the time of a line */
    ring_close(&ring);
    forget(&ring);
}

static void without_a_directory_it_says_so(void **state)
{
    struct ring ring;
    struct why why = {0};

    (void)state;
    assert_int_equal(ring_open(&ring, "/nowhere", SIZE_MAX_HERE, LOG_LEVEL_INFO, &why),
                     ERR_STORAGE);
    assert_non_null(strstr(why.text, "/nowhere/agent.log"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_survive_a_restart),
        cmocka_unit_test(it_never_outgrows_its_limit),
        cmocka_unit_test(a_small_room_gets_whole_newest_lines),
        cmocka_unit_test(without_a_directory_it_says_so),
    };
    int failed;

    if (!mkdtemp(directory) || !freopen("/dev/null", "w", stderr))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(directory);
    return failed;
}
