#include "codec/cbor.h"

#include "base/check.h"
#include "codec/utf8.h"

/* RFC 8949 3: the major types, in the upper three bits of an item's first byte. */
enum major {
    MAJOR_UINT,
    MAJOR_NEGATIVE,
    MAJOR_BYTES,
    MAJOR_TEXT,
    MAJOR_ARRAY,
    MAJOR_MAP,
    MAJOR_TAG,
    MAJOR_SIMPLE
};

#define SIMPLE_FALSE 20u
#define SIMPLE_TRUE  21u

struct cbor_reader cbor_reader_over(struct span bytes)
{
    CHECK(bytes.at || bytes.size == 0);
    /* An empty span may have no pointer at all, and adding to that is undefined. */
    return (struct cbor_reader){.at = bytes.at,
                                .end = bytes.size ? bytes.at + bytes.size : bytes.at};
}

static enum err stuck(struct cbor_reader *reader, enum err err)
{
    if (reader->err == ERR_OK)
        reader->err = err;
    return reader->err;
}

static size_t left(const struct cbor_reader *reader)
{
    return reader->at ? (size_t)(reader->end - reader->at) : 0;
}

enum cbor_kind cbor_peek(const struct cbor_reader *reader)
{
    /* clang-format off */
    static const enum cbor_kind kinds[] = {
        [MAJOR_UINT] = CBOR_UINT,   [MAJOR_NEGATIVE] = CBOR_NEGATIVE, [MAJOR_BYTES] = CBOR_BYTES,
        [MAJOR_TEXT] = CBOR_TEXT,   [MAJOR_ARRAY] = CBOR_ARRAY,       [MAJOR_MAP] = CBOR_MAP,
        [MAJOR_TAG] = CBOR_BAD,     [MAJOR_SIMPLE] = CBOR_BAD,
    };
    /* clang-format on */

    if (reader->err != ERR_OK)
        return CBOR_BAD;
    if (left(reader) == 0)
        return CBOR_END;
    if (*reader->at == (MAJOR_SIMPLE << 5 | SIMPLE_FALSE) ||
        *reader->at == (MAJOR_SIMPLE << 5 | SIMPLE_TRUE))
        return CBOR_BOOL;
    return kinds[*reader->at >> 5];
}

/* The argument in 1, 2, 4 or 8 bytes after the first; refused when fewer bytes would do. */
static enum err read_long(struct cbor_reader *reader, uint32_t size, uint64_t *out)
{
    static const uint64_t too_small[] = {[1] = 24, [2] = 1u << 8, [4] = 1u << 16, [8] = 1ull << 32};
    uint64_t value = 0;

    if (left(reader) < size)
        return stuck(reader, ERR_CORRUPT);
    for (uint32_t i = 0; i < size; i++)
        value = value << 8 | reader->at[i];
    if (value < too_small[size])
        return stuck(reader, ERR_CORRUPT);
    reader->at += size;
    *out = value;
    return ERR_OK;
}

/* Take the head of an item of type `major`. */
static enum err read_head(struct cbor_reader *reader, enum major major, uint64_t *out)
{
    uint8_t first, low;

    if (reader->err != ERR_OK)
        return reader->err;
    if (left(reader) == 0)
        return stuck(reader, ERR_CORRUPT);
    first = *reader->at;
    low = first & 31;
    if (first >> 5 != (uint8_t)major || low > 27) /* 28..30 reserved, 31 indefinite */
        return stuck(reader, ERR_CORRUPT);
    reader->at++;
    if (low >= 24)
        return read_long(reader, 1u << (low - 24), out);
    *out = low;
    return ERR_OK;
}

enum err cbor_read_uint(struct cbor_reader *reader, uint64_t *out)
{
    return read_head(reader, MAJOR_UINT, out);
}

enum err cbor_read_int(struct cbor_reader *reader, int64_t *out)
{
    bool negative = cbor_peek(reader) == CBOR_NEGATIVE;
    uint64_t value;

    TRY(read_head(reader, negative ? MAJOR_NEGATIVE : MAJOR_UINT, &value));
    if (value > INT64_MAX)
        return stuck(reader, ERR_CORRUPT);
    *out = negative ? -1 - (int64_t)value : (int64_t)value;
    return ERR_OK;
}

enum err cbor_read_bool(struct cbor_reader *reader, bool *out)
{
    if (cbor_peek(reader) != CBOR_BOOL)
        return stuck(reader, ERR_CORRUPT);
    *out = *reader->at++ == (MAJOR_SIMPLE << 5 | SIMPLE_TRUE);
    return ERR_OK;
}

static enum err read_string(struct cbor_reader *reader, enum major major, struct span *out)
{
    uint64_t size;

    TRY(read_head(reader, major, &size));
    if (size > left(reader))
        return stuck(reader, ERR_CORRUPT);
    *out = (struct span){reader->at, (size_t)size};
    reader->at += size;
    return ERR_OK;
}

bool cbor_text_valid(struct span text)
{
    while (text.size > 0) {
        size_t size = utf8_size(text);

        if (size == 0)
            return false;
        text.at += size;
        text.size -= size;
    }
    return true;
}

enum err cbor_read_bytes(struct cbor_reader *reader, struct span *out)
{
    return read_string(reader, MAJOR_BYTES, out);
}

enum err cbor_read_exactly(struct cbor_reader *reader, uint8_t *to, size_t size)
{
    struct span bytes;

    TRY(cbor_read_bytes(reader, &bytes));
    if (bytes.size != size)
        return stuck(reader, ERR_CORRUPT);
    memcpy(to, bytes.at, size);
    return ERR_OK;
}

enum err cbor_read_text(struct cbor_reader *reader, struct span *out)
{
    struct span text;

    TRY(read_string(reader, MAJOR_TEXT, &text));
    if (!cbor_text_valid(text))
        return stuck(reader, ERR_CORRUPT);
    *out = text;
    return ERR_OK;
}

/* Every item takes at least one byte, which bounds what a count may claim. */
static enum err read_count(struct cbor_reader *reader, enum major major, uint32_t per,
                           uint32_t *out)
{
    uint64_t count;

    TRY(read_head(reader, major, &count));
    if (count > left(reader) / per || count > UINT32_MAX)
        return stuck(reader, ERR_CORRUPT);
    *out = (uint32_t)count;
    return ERR_OK;
}

enum err cbor_read_array(struct cbor_reader *reader, uint32_t *count_out)
{
    return read_count(reader, MAJOR_ARRAY, 1, count_out);
}

enum err cbor_read_array_of(struct cbor_reader *reader, uint32_t count)
{
    uint32_t found;

    TRY(cbor_read_array(reader, &found));
    return found == count ? ERR_OK : stuck(reader, ERR_CORRUPT);
}

enum err cbor_read_map(struct cbor_reader *reader, uint32_t *count_out)
{
    return read_count(reader, MAJOR_MAP, 2, count_out);
}

enum err cbor_read_key(struct cbor_reader *reader, int64_t *last)
{
    uint64_t key;

    TRY(cbor_read_uint(reader, &key));
    if (key > INT64_MAX || (int64_t)key <= *last)
        return stuck(reader, ERR_CORRUPT);
    *last = (int64_t)key;
    return ERR_OK;
}

enum err cbor_read_text_key(struct cbor_reader *reader, struct span *last)
{
    struct span key;

    TRY(cbor_read_text(reader, &key));
    if (key.size < last->size || key.size == 0)
        return stuck(reader, ERR_CORRUPT);
    if (key.size == last->size && memcmp(key.at, last->at, key.size) <= 0)
        return stuck(reader, ERR_CORRUPT);
    *last = key;
    return ERR_OK;
}

/* Take one item, or the head of an array or map; `inside` gets the items that follow it. */
static enum err skip_one(struct cbor_reader *reader, uint64_t *inside)
{
    uint32_t count = 0;
    struct span string;
    bool truth;
    int64_t number;
    uint64_t positive;

    *inside = 0;
    switch (cbor_peek(reader)) {
    case CBOR_UINT:
        return cbor_read_uint(reader, &positive);
    case CBOR_NEGATIVE:
        return cbor_read_int(reader, &number);
    case CBOR_BYTES:
        return cbor_read_bytes(reader, &string);
    case CBOR_TEXT:
        return cbor_read_text(reader, &string);
    case CBOR_BOOL:
        return cbor_read_bool(reader, &truth);
    case CBOR_ARRAY:
        TRY(cbor_read_array(reader, &count));
        *inside = count;
        return ERR_OK;
    case CBOR_MAP:
        TRY(cbor_read_map(reader, &count));
        *inside = 2 * (uint64_t)count;
        return ERR_OK;
    case CBOR_END:
    case CBOR_BAD:
        break;
    }
    return stuck(reader, ERR_CORRUPT);
}

enum err cbor_skip(struct cbor_reader *reader)
{
    uint64_t open[CBOR_DEPTH_MAX]; /* items still to come, one number per level */
    uint32_t depth = 0;
    uint64_t inside;

    TRY(skip_one(reader, &inside));
    if (inside > 0)
        open[depth++] = inside;
    while (depth > 0) {
        open[depth - 1]--;
        TRY(skip_one(reader, &inside));
        if (inside > 0) {
            if (depth == CBOR_DEPTH_MAX)
                return stuck(reader, ERR_CORRUPT);
            open[depth++] = inside;
        }
        while (depth > 0 && open[depth - 1] == 0)
            depth--;
    }
    return ERR_OK;
}

enum err cbor_finish(const struct cbor_reader *reader)
{
    if (reader->err != ERR_OK)
        return reader->err;
    return left(reader) == 0 ? ERR_OK : ERR_CORRUPT;
}

static void write_head(struct buf *buf, enum major major, uint64_t value)
{
    uint32_t size = value < 24 ? 0 : value < 1u << 8 ? 1 : value < 1u << 16 ? 2 : 4;
    static const uint8_t low[] = {[1] = 24, [2] = 25, [4] = 26, [8] = 27};

    if (value > UINT32_MAX)
        size = 8;
    buf_byte(buf, (uint8_t)((uint32_t)major << 5 | (size == 0 ? (uint32_t)value : low[size])));
    for (uint32_t i = size; i > 0; i--)
        buf_byte(buf, (uint8_t)(value >> (8 * (i - 1))));
}

void cbor_write_uint(struct buf *buf, uint64_t value)
{
    write_head(buf, MAJOR_UINT, value);
}

void cbor_write_int(struct buf *buf, int64_t value)
{
    if (value < 0)
        write_head(buf, MAJOR_NEGATIVE, (uint64_t)(-1 - value));
    else
        write_head(buf, MAJOR_UINT, (uint64_t)value);
}

void cbor_write_bool(struct buf *buf, bool value)
{
    write_head(buf, MAJOR_SIMPLE, value ? SIMPLE_TRUE : SIMPLE_FALSE);
}

void cbor_write_bytes(struct buf *buf, struct span bytes)
{
    write_head(buf, MAJOR_BYTES, bytes.size);
    buf_span(buf, bytes);
}

void cbor_write_text(struct buf *buf, struct span text)
{
    CHECK(cbor_text_valid(text));
    write_head(buf, MAJOR_TEXT, text.size);
    buf_span(buf, text);
}

void cbor_write_array(struct buf *buf, uint32_t count)
{
    write_head(buf, MAJOR_ARRAY, count);
}

void cbor_write_map(struct buf *buf, uint32_t count)
{
    write_head(buf, MAJOR_MAP, count);
}
