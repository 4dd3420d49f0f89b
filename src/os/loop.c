#include "os/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"

#define EVENTS_MAX 128 /* per round */

struct loop {
    int fd;
    bool stopped;
    struct instant now, tick_due;
    int64_t tick_period_ms; /* 0 = no tick */
    void (*tick)(void *self);
    void *tick_self;
    void **deferred; /* memory to free after this round */
    size_t deferred_count, deferred_room;
};

struct loop *loop_open(void)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (!loop)
        return NULL;
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->fd < 0) {
        free(loop);
        return NULL;
    }
    loop->now = clock_instant();
    return loop;
}

static void free_deferred(struct loop *loop)
{
    for (size_t i = 0; i < loop->deferred_count; i++)
        free(loop->deferred[i]);
    loop->deferred_count = 0;
}

void loop_close(struct loop *loop)
{
    if (!loop)
        return;
    free_deferred(loop);
    free(loop->deferred);
    (void)close(loop->fd);
    free(loop);
}

static uint32_t to_epoll(unsigned events)
{
    return ((events & LOOP_IN) != 0 ? (uint32_t)EPOLLIN | (uint32_t)EPOLLRDHUP : 0u) |
           ((events & LOOP_OUT) != 0 ? (uint32_t)EPOLLOUT : 0u);
}

static unsigned from_epoll(uint32_t events)
{
    return ((events & (EPOLLIN | EPOLLRDHUP)) != 0 ? LOOP_IN : 0u) |
           ((events & EPOLLOUT) != 0 ? LOOP_OUT : 0u) |
           ((events & (EPOLLHUP | EPOLLERR)) != 0 ? LOOP_HANGUP : 0u);
}

enum err loop_add(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};

    CHECK(watch->ready);
    if (epoll_ctl(loop->fd, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        return ERR_STORAGE;
    watch->events = events;
    return ERR_OK;
}

void loop_change(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};

    if (watch->events == events)
        return;
    CHECK(epoll_ctl(loop->fd, EPOLL_CTL_MOD, watch->fd, &event) == 0);
    watch->events = events;
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    CHECK(epoll_ctl(loop->fd, EPOLL_CTL_DEL, watch->fd, NULL) == 0);
    watch->events = 0;
}

void loop_defer_free(struct loop *loop, void *memory)
{
    if (loop->deferred_count == loop->deferred_room) {
        size_t room = loop->deferred_room ? 2 * loop->deferred_room : 64;
        void **grown = realloc(loop->deferred, room * sizeof *grown);

        CHECK(grown);
        loop->deferred = grown;
        loop->deferred_room = room;
    }
    loop->deferred[loop->deferred_count++] = memory;
}

void loop_set_tick(struct loop *loop, int64_t period_ms, void (*tick)(void *self), void *self)
{
    CHECK(period_ms > 0);
    loop->tick_period_ms = period_ms;
    loop->tick_due = instant_after(loop->now, period_ms);
    loop->tick = tick;
    loop->tick_self = self;
}

struct instant loop_now(const struct loop *loop)
{
    return loop->now;
}

static int wait_ms(const struct loop *loop)
{
    int64_t left;

    if (loop->tick_period_ms == 0)
        return -1;
    left = loop->tick_due.ms - clock_instant().ms;
    return left > 0 ? (int)left : 0;
}

static void run_tick(struct loop *loop)
{
    if (loop->tick_period_ms == 0 || !instant_reached(loop->now, loop->tick_due))
        return;
    loop->tick_due = instant_after(loop->now, loop->tick_period_ms);
    loop->tick(loop->tick_self);
}

void loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS_MAX];

    loop->stopped = false;
    while (!loop->stopped) {
        int count = epoll_wait(loop->fd, events, EVENTS_MAX, wait_ms(loop));

        CHECK(count >= 0 || errno == EINTR);
        loop->now = clock_instant();
        for (int i = 0; i < count; i++) {
            struct loop_watch *watch = events[i].data.ptr;

            /* 0 = removed by an earlier handler of this round. A watch that only waits for
             * hang-ups keeps its place with LOOP_HANGUP. */
            if (watch->events != 0)
                watch->ready(watch, from_epoll(events[i].events));
        }
        run_tick(loop);
        free_deferred(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
