/* A bounded output buffer over the caller's memory, with sticky overflow: write everything,
 * then ask once whether it fitted. It never allocates and never writes past `room`. */
#pragma once

#include "base/span.h"

struct buf {
    uint8_t *at;
    size_t room; /* bytes at `at` */
    size_t size; /* bytes written; on overflow, what would have been written */
    bool overflow;
};

/* `at` stays the caller's and must outlive the buf. */
struct buf buf_over(void *at, size_t room);

void buf_put(struct buf *buf, const void *bytes, size_t size);
void buf_byte(struct buf *buf, uint8_t byte);
void buf_text(struct buf *buf, const char *text);
void buf_span(struct buf *buf, struct span span);
void buf_uint(struct buf *buf, uint64_t value);  /* decimal */
void buf_int(struct buf *buf, int64_t value);    /* decimal */
void buf_hex(struct buf *buf, struct span span); /* lower case */

/* What was written; an empty span after an overflow. */
struct span buf_written(const struct buf *buf);

/* NUL-terminate and return the text; "" after an overflow. Needs one byte of room for the NUL,
 * or counts as an overflow too. */
const char *buf_finish_text(struct buf *buf);
