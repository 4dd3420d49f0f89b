#include "server/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/say.h"
#include "server/front.h"
#include "server/stats.h"
#include "server/stream.h"

#define TICK_MS 1000
#define EVENTS_MAX \
    4096u /* of one batch; more are dropped, and readers told that they missed some */

struct engine {
    struct engine_config config;
    struct mailbox *mailbox;
    pthread_t thread;
    bool running;
    atomic_bool stopping;
    struct instant tick_due;
    struct mailbox_item *parked; /* handled again in the next batch, before what is new */
    size_t parked_count;

    /* Of the batch under way: what waits for the commit. */
    struct stream_text *events[EVENTS_MAX];
    size_t events_count, events_mark; /* the mark is where the savepoint began */
    bool events_lost;                 /* there were too many */

    uint64_t next_event_id;
    struct stream_history history;
};

struct engine *engine_open(const struct engine_config *config, struct why *why)
{
    struct engine *engine = calloc(1, sizeof *engine);

    CHECK(engine && config->mailbox_size > 0);
    CHECK(config->ops.begin && config->ops.commit && config->ops.rollback &&
          config->ops.savepoint && config->ops.release && config->ops.rollback_savepoint &&
          config->ops.handle && config->ops.tick);
    engine->config = *config;
    engine->mailbox = mailbox_open(config->mailbox_size);
    if (!engine->mailbox) {
        why_say(why, NULL, "no descriptors or memory left for the engine's mailbox");
        free(engine);
        return NULL;
    }
    /* Ids grow across restarts too, so that an old Last-Event-ID is never taken for a new one. */
    engine->next_event_id = (uint64_t)clock_utc().ms;
    return engine;
}

static void drop_events(struct engine *engine, size_t from)
{
    for (size_t i = from; i < engine->events_count; i++)
        stream_text_release(engine->events[i]);
    engine->events_count = from;
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    CHECK(!engine->running);
    drop_events(engine, 0);
    stream_history_close(&engine->history);
    mailbox_close(engine->mailbox);
    free(engine);
}

bool engine_submit(struct engine *engine, struct exchange *exchange)
{
    CHECK(exchange->front);
    exchange->stats = engine->config.stats;
    return mailbox_put(engine->mailbox, &exchange->item);
}

void engine_publish(struct engine *engine, const char *tenant, const char *topic, const char *event,
                    struct span json)
{
    if (engine->events_count == EVENTS_MAX) {
        if (!engine->events_lost)
            log_line(engine->config.log, LOG_LEVEL_WARN, "engine", "events-dropped",
                     "topic=%s event=%s reason=\"too many in one transaction\"", topic, event);
        engine->events_lost = true;
        return;
    }
    engine->events[engine->events_count++] =
        stream_text_open(engine->next_event_id++, tenant, topic, event, json);
}

/* ---- One batch ---- */

/* The story failed by itself: its refusal is kept in a savepoint of its own. */
static enum err note_refusal(struct engine *engine, struct exchange *exchange)
{
    const struct engine_ops *ops = &engine->config.ops;

    if (!ops->refused)
        return ERR_OK;
    TRY(ops->savepoint(ops->self));
    if (ops->refused(ops->self, exchange) == ERR_OK)
        return ops->release(ops->self);
    drop_events(engine, engine->events_mark);
    return ops->rollback_savepoint(ops->self);
}

/* Its answer is forgotten: it will be another one. */
static bool wants_another_turn(struct engine *engine, struct exchange *exchange)
{
    const struct engine_ops *ops = &engine->config.ops;

    exchange->parked = ops->unfinished && ops->unfinished(ops->self);
    if (exchange->parked)
        reply_forget(exchange);
    return exchange->parked;
}

/* Anything but ERR_OK means that the database is broken and the whole batch with it. */
static enum err handle_one(struct engine *engine, struct exchange *exchange)
{
    const struct engine_ops *ops = &engine->config.ops;
    enum err err;

    engine->events_mark = engine->events_count;
    exchange->parked = false;
    TRY(ops->savepoint(ops->self));
    err = ops->handle(ops->self, exchange);
    if (exchange->reply.status == 0)
        reply_error(exchange, err == ERR_OK ? ERR_NOT_FOUND : err, NULL);
    if (err == ERR_OK)
        return ops->release(ops->self);
    drop_events(engine, engine->events_mark);
    TRY(ops->rollback_savepoint(ops->self));
    return wants_another_turn(engine, exchange) ? ERR_OK : note_refusal(engine, exchange);
}

static enum err handle_tick(struct engine *engine)
{
    const struct engine_ops *ops = &engine->config.ops;
    enum err err;

    engine->events_mark = engine->events_count;
    TRY(ops->savepoint(ops->self));
    err = ops->tick(ops->self, clock_utc());
    if (err == ERR_OK && ops->has_more && ops->has_more(ops->self))
        engine->tick_due = clock_instant();
    if (err == ERR_OK)
        return ops->release(ops->self);
    log_line(engine->config.log, LOG_LEVEL_ERROR, "engine", "tick-failed",
             "err=%s next=\"trying again in %d ms\"", err_name(err), TICK_MS);
    drop_events(engine, engine->events_mark);
    return ops->rollback_savepoint(ops->self);
}

static enum err run_batch(struct engine *engine, struct mailbox_item *first, bool tick,
                          struct why *why)
{
    const struct engine_ops *ops = &engine->config.ops;

    TRY(ops->begin(ops->self, why));
    for (struct mailbox_item *item = first; item; item = item->next) {
        enum err err = handle_one(engine, (struct exchange *)item);

        if (err != ERR_OK)
            return say(why, err, NULL, "a savepoint failed");
    }
    if (tick)
        TRY(handle_tick(engine));
    return ops->commit(ops->self, why);
}

/* Whoever missed something, now or when coming back, must look at the whole again. */
static void tell_lost(struct engine *engine)
{
    for (size_t f = 0; f < engine->config.fronts_count; f++)
        front_lose_events(engine->config.fronts[f]);
    stream_history_close(&engine->history);
    engine->events_lost = false;
}

static void send_events(struct engine *engine)
{
    for (size_t i = 0; i < engine->events_count; i++) {
        struct stream_text *text = engine->events[i];

        for (size_t f = 0; f < engine->config.fronts_count; f++)
            front_deliver_event(engine->config.fronts[f], text);
        stream_history_add(&engine->history, text);
    }
    engine->events_count = 0;
    if (engine->events_lost)
        tell_lost(engine);
}

/* What was said was not made durable, so it must not be heard. */
static void take_back(struct exchange *exchange)
{
    exchange->reply.headers_count = 0;
    reply_problem(exchange, 503, ERR_AGAIN, NULL,
                  "the server could not store the outcome; nothing has changed");
}

/* In the order in which they came. */
static void park(struct engine *engine, struct mailbox_item *item)
{
    struct mailbox_item **end = &engine->parked;

    while (*end)
        end = &(*end)->next;
    item->next = NULL;
    *end = item;
    engine->parked_count++;
}

static void send_replies(struct engine *engine, struct mailbox_item *first, bool committed)
{
    struct mailbox_item *next;

    for (struct mailbox_item *item = first; item; item = next) {
        struct exchange *exchange = (struct exchange *)item;

        next = item->next;
        if (committed && exchange->parked) {
            park(engine, item);
            continue;
        }
        if (!committed)
            take_back(exchange);
        else if (exchange->reply.has_stream)
            stream_history_replay(&engine->history, exchange);
        front_deliver(exchange->front, item);
    }
}

static void settle(struct engine *engine, bool committed)
{
    const struct engine_ops *ops = &engine->config.ops;

    if (!committed) {
        ops->rollback(ops->self);
        drop_events(engine, 0);
        engine->events_lost = false;
    }
    if (ops->settled)
        ops->settled(ops->self, committed);
}

static bool tick_is_due(struct engine *engine, struct instant now)
{
    if (!instant_reached(now, engine->tick_due))
        return false;
    engine->tick_due = instant_after(now, TICK_MS);
    return true;
}

static void do_batch(struct engine *engine, struct mailbox_item *first, size_t count, bool tick)
{
    struct stats *stats = engine->config.stats;
    int64_t began_us = clock_us();
    struct why why = {0};
    enum err err = run_batch(engine, first, tick, &why);

    if (err != ERR_OK) {
        log_line(engine->config.log, LOG_LEVEL_ERROR, "engine", "batch-failed",
                 "err=%s requests=%zu reason=\"%s\" next=\"requests are answered with 503\"",
                 err_name(err), count, why.text);
        STATS_ADD(stats, engine_failed, 1);
    }
    settle(engine, err == ERR_OK);
    /* Subscriptions of this batch get its events with their replay, so events first. */
    send_events(engine);
    send_replies(engine, first, err == ERR_OK);
    STATS_ADD(stats, engine_batches, 1);
    STATS_ADD(stats, engine_exchanges, (int64_t)count);
    stats_note_batch(stats, count);
    STATS_ADD(stats, engine_busy_us, clock_us() - began_us);
}

/* What is parked comes before what is new; together they are a batch. */
static struct mailbox_item *take(struct engine *engine, bool stopping, size_t *count)
{
    int64_t wait_ms = engine->tick_due.ms - clock_instant().ms;
    struct mailbox_item *first = engine->parked, **end = &first;
    size_t parked = engine->parked_count;

    if (stopping || parked > 0 || wait_ms < 0)
        wait_ms = 0;
    while (*end)
        end = &(*end)->next;
    *end = mailbox_take(engine->mailbox, ENGINE_BATCH_MAX, (int)wait_ms, count);
    *count += parked;
    engine->parked = NULL;
    engine->parked_count = 0;
    return first;
}

static void *run(void *argument)
{
    struct engine *engine = argument;

    engine->tick_due = clock_instant();
    for (;;) {
        bool stopping = atomic_load(&engine->stopping);
        struct mailbox_item *first;
        size_t count;
        bool tick;

        first = take(engine, stopping, &count);
        STATS_SET(engine->config.stats, engine_waiting, (int64_t)mailbox_count(engine->mailbox));
        tick = tick_is_due(engine, clock_instant());
        if (first || tick)
            do_batch(engine, first, count, tick);
        else if (stopping)
            return NULL;
    }
}

enum err engine_start(struct engine *engine, struct why *why)
{
    CHECK(!engine->running);
    if (pthread_create(&engine->thread, NULL, run, engine) != 0)
        return say(why, ERR_STORAGE, NULL, "the engine's thread cannot be started");
    engine->running = true;
    return ERR_OK;
}

void engine_stop(struct engine *engine)
{
    if (!engine->running)
        return;
    atomic_store(&engine->stopping, true);
    mailbox_wake(engine->mailbox);
    CHECK(pthread_join(engine->thread, NULL) == 0);
    engine->running = false;
}
