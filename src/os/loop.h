/* An event loop over epoll for one thread: descriptors and one regular tick.
 *
 * Level-triggered: a handler that leaves bytes behind is called again. A watch is embedded in
 * its owner and may be removed, and its owner freed, inside any handler only through
 * loop_defer_free(): events of the same round may still point to it. */
#pragma once

#include "base/err.h"
#include "base/time.h"

#define LOOP_IN     1u /* readable, or the other side has finished sending */
#define LOOP_OUT    2u /* writable */
#define LOOP_HANGUP 4u /* broken or closed in both directions; always reported */

struct loop_watch {
    void (*ready)(struct loop_watch *watch, unsigned events);
    int fd;
    unsigned events; /* what is asked for now: LOOP_HANGUP alone = nothing but that; 0 = removed */
};

struct loop;

struct loop *loop_open(void) MUST_USE;
void loop_close(struct loop *loop);

/* Watch `watch->fd`. The watch stays the caller's and must stay until loop_remove(). */
enum err loop_add(struct loop *loop, struct loop_watch *watch, unsigned events) MUST_USE;

/* Ask for other events; costs nothing when they are the same. */
void loop_change(struct loop *loop, struct loop_watch *watch, unsigned events);
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* free(memory) after the events of this round have been handled. */
void loop_defer_free(struct loop *loop, void *memory);

/* Call `tick` about every `period_ms`; one per loop. */
void loop_set_tick(struct loop *loop, int64_t period_ms, void (*tick)(void *self), void *self);

/* The time at the start of this round. */
struct instant loop_now(const struct loop *loop);

/* Handle events until loop_stop() is called inside a handler. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
