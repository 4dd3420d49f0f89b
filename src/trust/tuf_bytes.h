/* Bytes on the heap that travel between modules: metadata as received, files as read. Whoever
 * holds the struct owns the block and frees it with tuf_bytes_done(). */
#pragma once

#include "base/err.h"
#include "base/span.h"

struct tuf_bytes {
    uint8_t *at; /* from malloc(); NULL when empty */
    size_t size; /* bytes */
};

struct tuf_bytes tuf_bytes_copy(struct span bytes);
void tuf_bytes_done(struct tuf_bytes *bytes); /* frees and empties */

static inline struct span tuf_bytes_span(const struct tuf_bytes *bytes)
{
    return (struct span){bytes->at, bytes->size};
}
