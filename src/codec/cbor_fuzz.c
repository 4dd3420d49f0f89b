/* Any bytes: the reader stays inside them, and what it takes is written back byte for byte. */
#include "base/check.h"
#include "codec/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read one flat item and write it again. False when there is none. */
static bool echo(struct cbor_reader *reader, struct buf *out)
{
    uint64_t number;
    int64_t negative;
    struct span span;
    uint32_t count;
    bool truth;

    switch (cbor_peek(reader)) {
    case CBOR_UINT:
        if (cbor_read_uint(reader, &number) == ERR_OK)
            cbor_write_uint(out, number);
        break;
    case CBOR_NEGATIVE:
        if (cbor_read_int(reader, &negative) == ERR_OK)
            cbor_write_int(out, negative);
        break;
    case CBOR_BYTES:
        if (cbor_read_bytes(reader, &span) == ERR_OK)
            cbor_write_bytes(out, span);
        break;
    case CBOR_TEXT:
        if (cbor_read_text(reader, &span) == ERR_OK)
            cbor_write_text(out, span);
        break;
    case CBOR_ARRAY:
        if (cbor_read_array(reader, &count) == ERR_OK)
            cbor_write_array(out, count);
        break;
    case CBOR_MAP:
        if (cbor_read_map(reader, &count) == ERR_OK)
            cbor_write_map(out, count);
        break;
    case CBOR_BOOL:
        if (cbor_read_bool(reader, &truth) == ERR_OK)
            cbor_write_bool(out, truth);
        break;
    case CBOR_END:
    case CBOR_BAD:
        return false;
    }
    return reader->err == ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[1u << 20];
    struct cbor_reader reader = cbor_reader_over((struct span){data, size});
    struct cbor_reader skipper = reader;
    struct buf out = buf_over(room, sizeof room);

    if (size > sizeof room)
        return 0;
    while (echo(&reader, &out))
        CHECK(out.size == (size_t)(reader.at - data));
    CHECK(size == 0 || memcmp(room, data, out.size) == 0);
    while (cbor_skip(&skipper) == ERR_OK)
        CHECK(skipper.at <= skipper.end);
    return 0;
}
