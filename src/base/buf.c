#include "base/buf.h"

#include "base/check.h"

struct buf buf_over(void *at, size_t room)
{
    CHECK(at || room == 0);
    return (struct buf){.at = at, .room = room};
}

void buf_put(struct buf *buf, const void *bytes, size_t size)
{
    if (buf->overflow || size > buf->room - buf->size) {
        buf->overflow = true;
        return;
    }
    if (size != 0)
        memcpy(buf->at + buf->size, bytes, size);
    buf->size += size;
}

void buf_byte(struct buf *buf, uint8_t byte)
{
    buf_put(buf, &byte, 1);
}

void buf_text(struct buf *buf, const char *text)
{
    buf_span(buf, span_of(text));
}

void buf_span(struct buf *buf, struct span span)
{
    buf_put(buf, span.at, span.size);
}

void buf_uint(struct buf *buf, uint64_t value)
{
    uint8_t digits[20]; /* UINT64_MAX has 20 */
    size_t at = sizeof digits;

    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buf_put(buf, digits + at, sizeof digits - at);
}

void buf_int(struct buf *buf, int64_t value)
{
    if (value < 0) {
        buf_byte(buf, '-');
        buf_uint(buf, 0u - (uint64_t)value);
    } else {
        buf_uint(buf, (uint64_t)value);
    }
}

void buf_hex(struct buf *buf, struct span span)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < span.size; i++) {
        buf_byte(buf, (uint8_t)digits[span.at[i] >> 4]);
        buf_byte(buf, (uint8_t)digits[span.at[i] & 15]);
    }
}

struct span buf_written(const struct buf *buf)
{
    return buf->overflow ? (struct span){buf->at, 0} : (struct span){buf->at, buf->size};
}

const char *buf_finish_text(struct buf *buf)
{
    CHECK(buf->room > 0);
    if (buf->overflow || buf->size == buf->room) {
        buf->overflow = true;
        buf->at[0] = '\0';
        return (const char *)buf->at;
    }
    buf->at[buf->size] = '\0';
    return (const char *)buf->at;
}
