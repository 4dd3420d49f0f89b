/* A bounded queue between threads: many writers, one reader. It carries items that embed
 * struct mailbox_item as their first member and owns none of them.
 *
 *   front 1 --\
 *   front 2 ---> [ mailbox ] --> engine          full: the writer answers "retry later" itself
 *
 * The reader waits in mailbox_take(), or watches mailbox_fd() in an event loop. */
#pragma once

#include "base/types.h"

struct mailbox_item {
    struct mailbox_item *next;
};

struct mailbox;

/* At most `capacity` items at once; 0 = as many as come (for answers, whose number is bounded
 * by the questions). NULL when the system is out of descriptors or memory. */
struct mailbox *mailbox_open(size_t capacity) MUST_USE;

/* Forgets the items that are still inside: drain it first. */
void mailbox_close(struct mailbox *mailbox);

/* False when it is full; the item is then still the caller's. Any thread. */
bool mailbox_put(struct mailbox *mailbox, struct mailbox_item *item) MUST_USE;

/* Up to `count_max` items in the order of arrival as a chained list, *count of them. Waits up to
 * `wait_ms` for the first (0: not at all, -1: for ever); NULL when none came. One reader. */
struct mailbox_item *mailbox_take(struct mailbox *mailbox, size_t count_max, int wait_ms,
                                  size_t *count);

/* End the reader's wait, and every later one: for telling it to stop. Any thread. */
void mailbox_wake(struct mailbox *mailbox);

/* Readable while something is inside. The reader must not read it itself. */
int mailbox_fd(const struct mailbox *mailbox);

/* How many are inside now; for metrics. Any thread. */
size_t mailbox_count(struct mailbox *mailbox);
