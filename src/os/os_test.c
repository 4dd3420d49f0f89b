/* Files, mailbox, log, loop, process and signals, against the real system. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/mailbox.h"
#include "os/process.h"
#include "os/signals.h"

struct place {
    char directory[64];
};

static int make_place(void **state)
{
    struct place *place = malloc(sizeof *place);

    (void)snprintf(place->directory, sizeof place->directory, "%s", "/tmp/slipway-os-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    *state = place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;
    char command[128];

    (void)snprintf(command, sizeof command, "rm -rf %s", place->directory);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

static void path_in(void **state, const char *name, char to[256])
{
    struct place *place = *state;

    assert_int_equal(file_join(place->directory, name, to, 256), ERR_OK);
}

static void replaces_a_file_and_reads_it_back(void **state)
{
    struct file_bytes bytes = {0};
    struct why why = {0};
    struct stat facts;
    char path[256];

    path_in(state, "a", path);
    assert_int_equal(file_replace(path, SPAN_LITERAL("one"), 0600, &why), ERR_OK);
    assert_int_equal(file_replace(path, SPAN_LITERAL("two!"), 0640, &why), ERR_OK);
    assert_int_equal(file_read(path, 4, &bytes, &why), ERR_OK);
    assert_int_equal(bytes.size, 4);
    assert_string_equal((const char *)bytes.at, "two!");
    file_bytes_free(&bytes);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0640);
}

static void refuses_what_is_too_big_or_missing(void **state)
{
    struct file_bytes bytes = {0};
    struct why why = {0};
    char path[256];

    path_in(state, "a", path);
    assert_int_equal(file_read(path, 10, &bytes, &why), ERR_NOT_FOUND);
    assert_non_null(strstr(why.text, "cannot read"));
    assert_int_equal(file_replace(path, SPAN_LITERAL("12345"), 0600, &why), ERR_OK);
    assert_int_equal(file_read(path, 4, &bytes, &why), ERR_TOO_BIG);
    assert_null(bytes.at);
    path_in(state, "no/such/directory", path);
    assert_int_equal(file_replace(path, SPAN_LITERAL("x"), 0600, &why), ERR_STORAGE);
    assert_int_equal(file_read("/tmp", 10, &bytes, &why), ERR_INVALID);
}

static void creates_only_what_is_not_there(void **state)
{
    struct file_bytes bytes = {0};
    struct why why = {0};
    char path[256];

    path_in(state, "secret", path);
    assert_int_equal(file_create(path, SPAN_LITERAL("first"), 0600, &why), ERR_OK);
    assert_int_equal(file_create(path, SPAN_LITERAL("second"), 0600, &why), ERR_CONFLICT);
    assert_int_equal(file_read(path, 10, &bytes, &why), ERR_OK);
    assert_string_equal((const char *)bytes.at, "first");
    file_bytes_free(&bytes);
}

static void temporaries_go_and_others_stay(void **state)
{
    struct place *place = *state;
    char path[256], kept[256];
    struct why why = {0};
    int fd = file_temporary(place->directory, path, sizeof path, &why);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, "abc", 3), ERR_OK);
    assert_int_equal(file_pread_all(fd, kept, 3, 0), ERR_OK);
    assert_int_equal(file_pread_all(fd, kept, 4, 0), ERR_CORRUPT);
    (void)close(fd);
    path_in(state, "kept", kept);
    assert_int_equal(file_replace(kept, SPAN_LITERAL("x"), 0600, &why), ERR_OK);
    file_remove_temporaries(place->directory);
    assert_false(file_exists(path));
    assert_true(file_exists(kept));
}

static void a_full_disk_is_storage(void **state)
{
    int fd = open("/dev/full", O_WRONLY);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, "x", 1), ERR_STORAGE);
    (void)close(fd);
}

static void makes_directories_once(void **state)
{
    struct why why = {0};
    char path[256];

    path_in(state, "sub", path);
    assert_int_equal(file_make_directory(path, 0700, &why), ERR_OK);
    assert_int_equal(file_make_directory(path, 0700, &why), ERR_OK);
    path_in(state, "file", path);
    assert_int_equal(file_replace(path, SPAN_LITERAL("x"), 0600, &why), ERR_OK);
    assert_int_equal(file_make_directory(path, 0700, &why), ERR_CONFLICT);
}

static void mailbox_keeps_order_and_limit(void **state)
{
    struct mailbox *mailbox = mailbox_open(3);
    struct mailbox_item items[4], *first;
    size_t count;

    (void)state;
    assert_null(mailbox_take(mailbox, 10, 0, &count));
    for (int i = 0; i < 3; i++)
        assert_true(mailbox_put(mailbox, &items[i]));
    assert_false(mailbox_put(mailbox, &items[3]));
    first = mailbox_take(mailbox, 2, 0, &count);
    assert_ptr_equal(first, &items[0]);
    assert_ptr_equal(first->next, &items[1]);
    assert_null(first->next->next);
    assert_int_equal(count, 2);
    assert_true(mailbox_put(mailbox, &items[3]));
    first = mailbox_take(mailbox, 10, 1000, &count);
    assert_int_equal(count, 2);
    assert_ptr_equal(first->next, &items[3]);
    assert_null(mailbox_take(mailbox, 1, 5, &count));
    assert_int_equal(mailbox_count(mailbox), 0);
    mailbox_close(mailbox);
}

#define WRITERS      4u
#define WRITER_ITEMS 20000u

struct writer {
    struct mailbox *mailbox;
    struct numbered {
        struct mailbox_item item;
        size_t writer, number;
    } items[WRITER_ITEMS];
};

static void *write_items(void *argument)
{
    struct writer *writer = argument;

    for (size_t i = 0; i < WRITER_ITEMS; i++) {
        while (!mailbox_put(writer->mailbox, &writer->items[i].item))
            (void)usleep(10);
    }
    return NULL;
}

/* Nothing is lost, and each writer's items arrive in its order. */
static void mailbox_between_threads(void **state)
{
    struct mailbox *mailbox = mailbox_open(64);
    struct writer *writers = calloc(WRITERS, sizeof *writers);
    size_t next[WRITERS] = {0}, total = 0, count;
    pthread_t threads[WRITERS];

    (void)state;
    for (size_t w = 0; w < WRITERS; w++) {
        writers[w].mailbox = mailbox;
        for (size_t i = 0; i < WRITER_ITEMS; i++) {
            writers[w].items[i].writer = w;
            writers[w].items[i].number = i;
        }
        assert_int_equal(pthread_create(&threads[w], NULL, write_items, &writers[w]), 0);
    }
    while (total < WRITERS * WRITER_ITEMS) {
        struct mailbox_item *item = mailbox_take(mailbox, 16, 5000, &count);

        assert_non_null(item);
        for (; item; item = item->next) {
            const struct numbered *numbered = (const struct numbered *)item;

            assert_int_equal(numbered->number, next[numbered->writer]++);
            total++;
        }
    }
    for (size_t w = 0; w < WRITERS; w++)
        (void)pthread_join(threads[w], NULL);
    free(writers);
    mailbox_close(mailbox);
}

static void log_lines_are_logfmt_and_whole(void **state)
{
    int ends[2];
    char line[2048], quote[LOG_QUOTE_SIZE_MAX];
    struct log log = {.level = LOG_LEVEL_INFO, .plain = true};
    ssize_t got;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    log.fd = ends[1];
    log_line(&log, LOG_LEVEL_DEBUG, "test", "dropped", "a=%d", 1);
    log_line(&log, LOG_LEVEL_WARN, "test", "seen", "name=%s",
             log_quote(SPAN_LITERAL("a\"b\nc"), quote));
    got = read(ends[0], line, sizeof line);
    assert_true(got > 0);
    line[got] = '\0';
    assert_string_equal(line, "<4>warn test seen name=\"a\\x22b\\x0ac\"\n");
    log_line(&log, LOG_LEVEL_INFO, "test", "long", "%01500d", 7);
    got = read(ends[0], line, sizeof line);
    assert_int_equal(got, LOG_LINE_SIZE_MAX);
    assert_memory_equal(line + got - 4, "...\n", 4);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void log_levels_parse(void **state)
{
    enum log_level level = LOG_LEVEL_ERROR;

    (void)state;
    assert_true(log_level_parse(SPAN_LITERAL("debug"), &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_false(log_level_parse(SPAN_LITERAL("loud"), &level));
}

struct echo {
    struct loop_watch watch; /* first */
    struct loop *loop;
    struct echo *other;
    int ready, ticks;
};

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct echo *echo = (struct echo *)watch;
    char byte;

    assert_true((events & LOOP_IN) != 0);
    assert_int_equal(read(watch->fd, &byte, 1), 1);
    echo->ready++;
    if (echo->other) { /* the other one must not be called any more, although it is ready too */
        loop_remove(echo->loop, &echo->other->watch);
        echo->other = NULL;
    }
}

static void on_tick(void *self)
{
    struct echo *echo = self;

    if (++echo->ticks == 3)
        loop_stop(echo->loop);
}

static void loop_handles_events_and_ticks(void **state)
{
    struct loop *loop = loop_open();
    int a[2], b[2];
    struct echo one = {.loop = loop, .watch.ready = on_ready};
    struct echo two = {.loop = loop, .watch.ready = on_ready};

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    one.watch.fd = a[0];
    two.watch.fd = b[0];
    one.other = &two;
    two.other = &one;
    assert_int_equal(loop_add(loop, &one.watch, LOOP_IN), ERR_OK);
    assert_int_equal(loop_add(loop, &two.watch, LOOP_IN), ERR_OK);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    loop_set_tick(loop, 5, on_tick, &one);
    loop_defer_free(loop, malloc(10));
    loop_run(loop);
    assert_int_equal(one.ready + two.ready, 1);
    assert_int_equal(one.ticks, 3);
    loop_close(loop);
    for (int i = 0; i < 2; i++) {
        (void)close(a[i]);
        (void)close(b[i]);
    }
}

static void process_tells_how_it_ended(void **state)
{
    const char *const good[] = {"sh", "-c", "echo hello; exit 3", NULL};
    const char *const slow[] = {"sh", "-c", "sleep 30", NULL};
    const char *const none[] = {"no-such-program-at-all", NULL};
    char text[64];
    struct buf output = buf_over(text, sizeof text);
    struct why why = {0};
    int status = -1;

    (void)state;
    assert_int_equal(process_run(&(struct process_run){good, 5000, &output}, &status, &why),
                     ERR_OK);
    assert_int_equal(status, 3);
    assert_string_equal(buf_finish_text(&output), "hello\n");
    assert_int_equal(process_run(&(struct process_run){slow, 50, NULL}, &status, &why), ERR_AGAIN);
    assert_int_equal(process_run(&(struct process_run){none, 5000, NULL}, &status, &why),
                     ERR_NOT_FOUND);
}

static void signals_are_read_like_bytes(void **state)
{
    int fd = signal_open();

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(signal_take(fd), 0);
    (void)raise(SIGTERM);
    assert_int_equal(signal_take(fd), SIGTERM);
    assert_int_equal(signal_take(fd), 0);
    (void)close(fd);
    signal_reset();
}

static void clocks_and_entropy_move(void **state)
{
    (void)state;
    assert_true(clock_utc().ms > 1600000000000);
    assert_true(clock_instant().ms > 0);
    assert_true(entropy_seed() != entropy_seed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replaces_a_file_and_reads_it_back, make_place, drop_place),
        cmocka_unit_test_setup_teardown(refuses_what_is_too_big_or_missing, make_place, drop_place),
        cmocka_unit_test_setup_teardown(creates_only_what_is_not_there, make_place, drop_place),
        cmocka_unit_test_setup_teardown(temporaries_go_and_others_stay, make_place, drop_place),
        cmocka_unit_test_setup_teardown(makes_directories_once, make_place, drop_place),
        cmocka_unit_test(a_full_disk_is_storage),
        cmocka_unit_test(mailbox_keeps_order_and_limit),
        cmocka_unit_test(mailbox_between_threads),
        cmocka_unit_test(log_lines_are_logfmt_and_whole),
        cmocka_unit_test(log_levels_parse),
        cmocka_unit_test(loop_handles_events_and_ticks),
        cmocka_unit_test(process_tells_how_it_ended),
        cmocka_unit_test(signals_are_read_like_bytes),
        cmocka_unit_test(clocks_and_entropy_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
