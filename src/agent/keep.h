/* A second place for the security floor, apart from the record: a variable of the boot loader, a
 * file on another partition, a monotonic counter in hardware.
 *
 * The record is two slots in one place, and whoever loses that place (a factory reset, a worn
 * block) must not get the floor of the factory with it. The keep is read once at each start and
 * written when the floor has risen, after the record; of the two the higher one counts. A device
 * may do without a keep. */
#pragma once

#include "base/err.h"

struct keep_ops {
    /* ERR_NOT_FOUND: nothing has been kept yet. */
    enum err (*read)(void *self, uint32_t *floor_out);

    /* Atomic under power loss and durable on ERR_OK. Never called with less than is kept. */
    enum err (*write)(void *self, uint32_t floor);
};

struct keep {
    const struct keep_ops *ops;
    void *self;
};
