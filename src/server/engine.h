/* The one thread that decides: takes requests from the mailbox, runs them in batches of one
 * transaction each, and lets the answers go only after the commit.
 *
 *   take <= 256  ->  begin  ->  { savepoint, handle, release | rollback } each  ->  commit
 *                                                                  -> replies, events
 *
 * No turn should be long. A request that needs more time fails as unfinished, waits for the next
 * batch and is handled again there, until it is answered.
 *
 * It knows nothing of databases: `struct engine_ops` (filled from app/app.h in main.c) does.
 * Once a second a tick runs inside a batch. */
#pragma once

#include "base/err.h"
#include "server/exchange.h"

struct engine;
struct front;
struct log;
struct stats;

struct engine_ops {
    void *self;
    enum err (*begin)(void *self, struct why *why);
    enum err (*commit)(void *self, struct why *why); /* durable when it returns */
    void (*rollback)(void *self);
    enum err (*savepoint)(void *self);
    enum err (*release)(void *self);            /* keep what was done since the savepoint */
    enum err (*rollback_savepoint)(void *self); /* undo it */
    enum err (*handle)(void *self, struct exchange *exchange);

    /* After a handler's failure and rollback: what must be kept all the same (the audit entry of
     * a refusal). Runs in a savepoint of its own. May be NULL. */
    enum err (*refused)(void *self, struct exchange *exchange);
    enum err (*tick)(void *self, struct utc now);

    /* After a batch: it is durable, or it is not and memory must forget it. May be NULL. */
    void (*settled)(void *self, bool committed);

    /* After a handler's failure and rollback: whether the request is to be handled again, from the
     * start, in the next batch, because it needs more time than one turn. May be NULL. */
    bool (*unfinished)(void *self);

    /* After a tick: whether another one should follow at once. May be NULL. */
    bool (*has_more)(void *self);
};

struct engine_config {
    struct engine_ops ops;
    struct front *const *fronts; /* for events; they outlive the engine */
    size_t fronts_count;
    size_t mailbox_size; /* requests that may wait */
    const struct log *log;
    struct stats *stats;
};

#define ENGINE_BATCH_MAX 256u /* measured: durable updates per second peak here */

struct engine *engine_open(const struct engine_config *config, struct why *why) MUST_USE;
enum err engine_start(struct engine *engine, struct why *why) MUST_USE;

/* Hand a request over; false = overload, the exchange is still the caller's. Any thread. */
bool engine_submit(struct engine *engine, struct exchange *exchange) MUST_USE;

/* Work off what is waiting, then end the thread. Nothing may be submitted any more. */
void engine_stop(struct engine *engine);
void engine_close(struct engine *engine);

/* Tell subscribers of `topic` within `tenant`; `json` is one line of text. Called by handlers and
 * ticks in the engine thread. Goes out after the commit, and not at all if the savepoint or the
 * batch is rolled back. */
void engine_publish(struct engine *engine, const char *tenant, const char *topic, const char *event,
                    struct span json);
