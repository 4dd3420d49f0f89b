#include "os/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

struct mailbox {
    pthread_mutex_t mutex;
    struct mailbox_item *first, *last;
    size_t count, capacity;
    bool awake; /* for ever readable */
    int fd;     /* an eventfd: readable exactly while count > 0 */
};

struct mailbox *mailbox_open(size_t capacity)
{
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);

    if (!mailbox)
        return NULL;
    mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mailbox->fd < 0) {
        free(mailbox);
        return NULL;
    }
    CHECK(pthread_mutex_init(&mailbox->mutex, NULL) == 0);
    mailbox->capacity = capacity;
    return mailbox;
}

void mailbox_close(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    (void)close(mailbox->fd);
    (void)pthread_mutex_destroy(&mailbox->mutex);
    free(mailbox);
}

static void lock(struct mailbox *mailbox)
{
    CHECK(pthread_mutex_lock(&mailbox->mutex) == 0);
}

static void unlock(struct mailbox *mailbox)
{
    CHECK(pthread_mutex_unlock(&mailbox->mutex) == 0);
}

/* Wakes the reader only at the first item: a busy reader costs the writers no system call. */
bool mailbox_put(struct mailbox *mailbox, struct mailbox_item *item)
{
    const uint64_t one = 1;
    bool fits, was_empty;

    lock(mailbox);
    fits = mailbox->capacity == 0 || mailbox->count < mailbox->capacity;
    was_empty = mailbox->count == 0;
    if (fits) {
        item->next = NULL;
        if (was_empty)
            mailbox->first = item;
        else
            mailbox->last->next = item;
        mailbox->last = item;
        mailbox->count++;
        if (was_empty)
            CHECK(write(mailbox->fd, &one, sizeof one) == (ssize_t)sizeof one);
    }
    unlock(mailbox);
    return fits;
}

static struct mailbox_item *take_now(struct mailbox *mailbox, size_t count_max, size_t *count)
{
    struct mailbox_item *first, *end;
    size_t taken = 0;
    uint64_t ignored;

    lock(mailbox);
    first = mailbox->first;
    end = first;
    while (end && taken + 1 < count_max && end->next) {
        end = end->next;
        taken++;
    }
    if (end) {
        taken++;
        mailbox->first = end->next;
        end->next = NULL;
        mailbox->count -= taken;
        if (mailbox->count == 0 && !mailbox->awake)
            CHECK(read(mailbox->fd, &ignored, sizeof ignored) == (ssize_t)sizeof ignored);
    }
    unlock(mailbox);
    *count = taken;
    return first;
}

struct mailbox_item *mailbox_take(struct mailbox *mailbox, size_t count_max, int wait_ms,
                                  size_t *count)
{
    struct pollfd ready = {.fd = mailbox->fd, .events = POLLIN};
    struct mailbox_item *first;

    CHECK(count_max > 0);
    first = take_now(mailbox, count_max, count);
    if (first || wait_ms == 0)
        return first;
    CHECK(poll(&ready, 1, wait_ms) >= 0 || errno == EINTR);
    return take_now(mailbox, count_max, count);
}

void mailbox_wake(struct mailbox *mailbox)
{
    const uint64_t one = 1;

    lock(mailbox);
    mailbox->awake = true;
    CHECK(write(mailbox->fd, &one, sizeof one) == (ssize_t)sizeof one);
    unlock(mailbox);
}

int mailbox_fd(const struct mailbox *mailbox)
{
    return mailbox->fd;
}

size_t mailbox_count(struct mailbox *mailbox)
{
    size_t count;

    lock(mailbox);
    count = mailbox->count;
    unlock(mailbox);
    return count;
}
