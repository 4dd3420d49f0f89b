/* A bank: a region of storage that can hold one whole firmware image.
 *
 * Flash, a partition and a plain file all fit. Calls are synchronous, and what they did is
 * durable when they return ERR_OK. Power may fail inside any of them: the range being erased or
 * written then holds anything, everything else is as it was. ERR_STORAGE when it cannot be done;
 * the agent never assumes anything about the range after that.
 *
 * A file or block device has no erased state of its own: its erase may do nothing at all, or
 * give the space back. A write is always preceded by an erase of the same range. */
#pragma once

#include "base/err.h"

struct bank_ops {
    /* Read [at, at + size) into `to`; any alignment. */
    enum err (*read)(void *self, uint64_t at, void *to, uint32_t size);

    /* Erase [at, at + size). Both are multiples of erase_size. */
    enum err (*erase)(void *self, uint64_t at, uint64_t size);

    /* Write an erased range, once. Both are multiples of write_size. */
    enum err (*write)(void *self, uint64_t at, const void *from, uint32_t size);
};

struct bank {
    const struct bank_ops *ops;
    void *self;
    uint64_t size;       /* bytes, multiple of erase_size */
    uint32_t erase_size; /* bytes, power of two */
    uint32_t write_size; /* bytes, power of two, at most CHUNK_SIZE_MIN and erase_size */
};
