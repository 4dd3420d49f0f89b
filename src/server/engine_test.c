/* The engine with stories that only write down what happens to them: the order of a batch, what is
 * undone, and that nothing is heard before it is durable. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/check.h"
#include "os/log.h"
#include "server/engine.h"
#include "server/front.h"
#include "server/stream.h"

#define TRACE_SIZE 65536u

/* Where the engine delivers to: instead of a front. The linker takes this one, because nothing
 * else of front.c is used here. */
struct front {
    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    char trace[TRACE_SIZE]; /* of the stories, then the deliveries, as they happen */
    int replies;
    bool fail_commit, fail_savepoint;
    int turns_left; /* that "/long" still needs */
    struct engine *engine;
    struct exchange *kept[16];
    unsigned lost; /* how often its readers were told that they missed something */
};

static void trace(struct front *front, const char *text)
{
    (void)pthread_mutex_lock(&front->mutex);
    if (strcmp(text, "tick") != 0 && strlen(front->trace) + strlen(text) + 2 < TRACE_SIZE) {
        size_t at = strlen(front->trace);

        (void)snprintf(front->trace + at, sizeof front->trace - at, "%s ", text);
    }
    (void)pthread_mutex_unlock(&front->mutex);
}

void front_deliver_event(struct front *front, struct stream_text *event)
{
    char text[TOPIC_SIZE_MAX + 16];

    (void)snprintf(text, sizeof text, "event:%s", event->topic);
    trace(front, text);
}

void front_lose_events(struct front *front)
{
    front->lost++;
}

void front_deliver(struct front *front, struct mailbox_item *item)
{
    char text[16];

    (void)snprintf(text, sizeof text, "reply:%u", ((struct exchange *)item)->reply.status);
    trace(front, text);
    (void)pthread_mutex_lock(&front->mutex);
    exchange_close(front->kept[front->replies % 16]);
    front->kept[front->replies++ % 16] = (struct exchange *)item;
    (void)pthread_cond_signal(&front->arrived);
    (void)pthread_mutex_unlock(&front->mutex);
}

/* ---- Stories that leave a trace. A batch of nothing but a tick leaves none. ---- */

static enum err on_begin(void *self, struct why *why)
{
    (void)self;
    (void)why;
    return ERR_OK;
}

static enum err on_commit(void *self, struct why *why)
{
    struct front *front = self;

    if (front->fail_commit) {
        why_say(why, NULL, "the disk is full");
        return ERR_STORAGE;
    }
    return ERR_OK;
}

static void on_rollback(void *self)
{
    trace(self, "rollback");
}

static enum err on_savepoint(void *self)
{
    return ((struct front *)self)->fail_savepoint ? ERR_STORAGE : ERR_OK;
}

static enum err on_release(void *self)
{
    (void)self;
    return ERR_OK;
}

static enum err on_undo(void *self)
{
    trace(self, "undo");
    return ERR_OK;
}

static enum err on_refused(void *self, struct exchange *exchange)
{
    (void)exchange;
    trace(self, "refused");
    return ERR_OK;
}

static enum err on_handle(void *self, struct exchange *exchange)
{
    struct front *front = self;
    struct span path = exchange->request.path;
    char text[32];

    CHECK(span_to_text(path, text, sizeof text));
    trace(front, text);
    engine_publish(front->engine, "default", text, "e", SPAN_LITERAL("{}"));
    for (int i = 0; span_is(path, "/flood") && i < 5000; i++)
        engine_publish(front->engine, "default", text, "e", SPAN_LITERAL("{}"));
    if (span_is(path, "/denied")) {
        reply_problem(exchange, 403, ERR_DENIED, NULL, "no");
        return ERR_DENIED;
    }
    if (span_is(path, "/silent"))
        return ERR_OK;
    if (span_is(path, "/long") && front->turns_left > 0) {
        reply_problem(exchange, 503, ERR_AGAIN, NULL, "not yet");
        return ERR_AGAIN;
    }
    if (span_is(path, "/lost"))
        return ERR_CONFLICT;
    if (span_is(path, "/stream"))
        reply_stream(exchange, "default", "events");
    else
        reply_empty(exchange, 204);
    return ERR_OK;
}

static bool on_unfinished(void *self)
{
    struct front *front = self;

    return front->turns_left > 0 && front->turns_left-- > 0;
}

static enum err on_tick(void *self, struct utc now)
{
    (void)now;
    trace(self, "tick");
    return ERR_OK;
}

struct world {
    struct front front;
    struct front *fronts[1];
    struct stats stats;
};

static const struct log quiet = {.fd = -1, .level = LOG_LEVEL_ERROR};

static struct world *open_world(size_t mailbox_size)
{
    struct world *world = calloc(1, sizeof *world);
    struct front *front = &world->front;
    struct engine_config config = {
        .ops = {front, on_begin, on_commit, on_rollback, on_savepoint, on_release, on_undo,
                on_handle, on_refused, on_tick, NULL, on_unfinished, NULL},
        .fronts = world->fronts,
        .fronts_count = 1,
        .mailbox_size = mailbox_size,
        .log = &quiet,
        .stats = &world->stats,
    };
    struct why why = {0};

    world->fronts[0] = front;
    (void)pthread_mutex_init(&front->mutex, NULL);
    (void)pthread_cond_init(&front->arrived, NULL);
    front->engine = engine_open(&config, &why);
    assert_non_null(front->engine);
    return world;
}

static void close_world(struct world *world)
{
    engine_stop(world->front.engine);
    engine_close(world->front.engine);
    for (size_t i = 0; i < COUNT_OF(world->front.kept); i++)
        exchange_close(world->front.kept[i]);
    free(world);
}

static struct exchange *request(struct world *world, const char *path)
{
    struct exchange_parts parts = {.request.path = span_of(path)};
    struct exchange *exchange = exchange_open(&parts);

    assert_non_null(exchange);
    exchange->front = &world->front;
    return exchange;
}

/* Before the start, so that all of them are one batch. */
static void submit(struct world *world, const char *path)
{
    assert_true(engine_submit(world->front.engine, request(world, path)));
}

static void run_until(struct world *world, int replies)
{
    struct front *front = &world->front;
    struct timespec until = {.tv_sec = time(NULL) + 5};
    struct why why = {0};

    assert_int_equal(engine_start(front->engine, &why), ERR_OK);
    (void)pthread_mutex_lock(&front->mutex);
    while (front->replies < replies &&
           pthread_cond_timedwait(&front->arrived, &front->mutex, &until) == 0)
        continue;
    (void)pthread_mutex_unlock(&front->mutex);
    engine_stop(front->engine);
    assert_int_equal(front->replies, replies);
}

static void replies_follow_the_commit(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    submit(world, "/a");
    submit(world, "/b");
    run_until(world, 2);
    assert_string_equal(world->front.trace, "/a /b event:/a event:/b reply:204 reply:204 ");
    assert_int_equal(STATS_GET(&world->stats, engine_exchanges), 2);
    close_world(world);
}

static void a_refusal_undoes_its_own_share_only(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    submit(world, "/a");
    submit(world, "/denied");
    submit(world, "/b");
    run_until(world, 3);
    assert_string_equal(world->front.trace, "/a /denied undo refused /b event:/a event:/b "
                                            "reply:204 reply:403 reply:204 ");
    close_world(world);
}

/* It is handled from the start each time, and nobody waits for it. */
static void what_takes_long_takes_several_turns(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    world->front.turns_left = 2;
    submit(world, "/long");
    submit(world, "/b");
    run_until(world, 2);
    assert_string_equal(world->front.trace, "/long undo /b event:/b reply:204 /long undo /long "
                                            "event:/long reply:204 ");
    close_world(world);
}

static void a_failed_commit_ends_what_takes_long(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    world->front.turns_left = 2;
    world->front.fail_commit = true;
    submit(world, "/long");
    run_until(world, 1);
    assert_non_null(strstr(world->front.trace, "rollback reply:503 "));
    close_world(world);
}

static void silence_is_answered_too(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    submit(world, "/silent");
    submit(world, "/lost");
    run_until(world, 2);
    assert_string_equal(world->front.trace,
                        "/silent /lost undo refused event:/silent reply:404 reply:409 ");
    close_world(world);
}

/* What could not be made durable must not be heard: no event, and every reply becomes a 503. */
static void a_failed_commit_takes_everything_back(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    world->front.fail_commit = true;
    submit(world, "/a");
    submit(world, "/stream");
    run_until(world, 2);
    assert_string_equal(world->front.trace, "/a /stream rollback reply:503 reply:503 ");
    for (int i = 0; i < 2; i++) {
        assert_false(world->front.kept[i]->reply.has_stream);
        assert_string_equal(world->front.kept[i]->reply.headers[0].name, "Retry-After");
    }
    assert_true(STATS_GET(&world->stats, engine_failed) >= 1);
    close_world(world);
}

static void a_failed_savepoint_fails_the_batch(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    world->front.fail_savepoint = true;
    submit(world, "/a");
    run_until(world, 1);
    assert_string_equal(world->front.trace, "rollback reply:503 ");
    close_world(world);
}

static void a_full_mailbox_refuses(void **state)
{
    struct world *world = open_world(2);
    struct exchange *third = request(world, "/c");

    (void)state;
    submit(world, "/a");
    submit(world, "/b");
    assert_false(engine_submit(world->front.engine, third));
    exchange_close(third);
    run_until(world, 2);
    close_world(world);
}

static void batches_are_bounded(void **state)
{
    struct world *world = open_world(1024);

    (void)state;
    for (unsigned i = 0; i < ENGINE_BATCH_MAX + 10; i++)
        submit(world, "/a");
    world->front.fail_commit = false;
    {
        /* Only the last 16 are kept by the test's front: count, do not look. */
        struct why why = {0};

        assert_int_equal(engine_start(world->front.engine, &why), ERR_OK);
        engine_stop(world->front.engine);
    }
    assert_int_equal(STATS_GET(&world->stats, engine_exchanges), ENGINE_BATCH_MAX + 10);
    assert_true(STATS_GET(&world->stats, engine_batches) >= 2);
    close_world(world);
}

static void too_many_events_are_told(void **state)
{
    struct world *world = open_world(16);

    (void)state;
    submit(world, "/a");
    run_until(world, 1);
    assert_int_equal(world->front.lost, 0);
    close_world(world);
    world = open_world(16);
    submit(world, "/flood");
    run_until(world, 1);
    assert_int_equal(world->front.lost, 1);
    close_world(world);
}

static void new_streams_get_what_they_missed(void **state)
{
    struct world *world = open_world(16);
    struct exchange_parts parts = {
        .request = {.path = SPAN_LITERAL("/stream"), .last_event_id = SPAN_LITERAL("5")}};
    struct exchange *exchange = exchange_open(&parts);

    (void)state;
    exchange->front = &world->front;
    submit(world, "/a");
    assert_true(engine_submit(world->front.engine, exchange));
    run_until(world, 2);
    exchange = world->front.kept[1];
    assert_true(exchange->reply.has_stream);
    /* 5 is long ago: the reader has to look at the whole again. */
    assert_int_equal(exchange->reply.body_size, strlen(STREAM_LOST));
    close_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_follow_the_commit),
        cmocka_unit_test(a_refusal_undoes_its_own_share_only),
        cmocka_unit_test(what_takes_long_takes_several_turns),
        cmocka_unit_test(a_failed_commit_ends_what_takes_long),
        cmocka_unit_test(silence_is_answered_too),
        cmocka_unit_test(a_failed_commit_takes_everything_back),
        cmocka_unit_test(a_failed_savepoint_fails_the_batch),
        cmocka_unit_test(a_full_mailbox_refuses),
        cmocka_unit_test(batches_are_bounded),
        cmocka_unit_test(too_many_events_are_told),
        cmocka_unit_test(new_streams_get_what_they_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
