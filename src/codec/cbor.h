/* The part of CBOR (RFC 8949) that our messages use, read strictly and written canonically.
 *
 * Known here: unsigned and negative integers, byte strings, text strings (valid UTF-8), arrays,
 * maps, false and true. Everything else is refused: floats, null and undefined, tags, indefinite
 * lengths, numbers longer than they need be. Map keys must be unsigned integers in strictly
 * ascending order, which also finds duplicates (RFC 8949 4.2.1, core deterministic encoding).
 *
 * Pull style: the caller asks for the next item by type. After the first failure the reader is
 * stuck on it and every later call fails too, so a caller may read a whole message and look at
 * the result once. Nothing is allocated, nothing recurses. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define CBOR_DEPTH_MAX 8u /* nested arrays and maps that cbor_skip() walks through */

enum cbor_kind {
    CBOR_UINT,
    CBOR_NEGATIVE,
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_BOOL,
    CBOR_END, /* no bytes left */
    CBOR_BAD, /* the reader has failed, or the next byte starts nothing we know */
};

/* Borrows the bytes; fields are the reader's business. */
struct cbor_reader {
    const uint8_t *at, *end;
    enum err err;
};

struct cbor_reader cbor_reader_over(struct span bytes);

/* What the next item is, without taking it. */
enum cbor_kind cbor_peek(const struct cbor_reader *reader);

/* Take the next item. ERR_CORRUPT if it is of another type or not well-formed. */
enum err cbor_read_uint(struct cbor_reader *reader, uint64_t *out) MUST_USE;
enum err cbor_read_int(struct cbor_reader *reader, int64_t *out) MUST_USE;
enum err cbor_read_bool(struct cbor_reader *reader, bool *out) MUST_USE;
enum err cbor_read_bytes(struct cbor_reader *reader, struct span *out) MUST_USE; /* borrowed */
enum err cbor_read_text(struct cbor_reader *reader, struct span *out) MUST_USE;  /* borrowed */

/* Take a byte string of that size, no other, copied. */
enum err cbor_read_exactly(struct cbor_reader *reader, uint8_t *to, size_t size) MUST_USE;

/* Take the head of an array or map; `count_out` items or pairs follow. A count that cannot fit
 * into the bytes left is refused here already. */
enum err cbor_read_array(struct cbor_reader *reader, uint32_t *count_out) MUST_USE;
enum err cbor_read_array_of(struct cbor_reader *reader, uint32_t count) MUST_USE; /* no other */
enum err cbor_read_map(struct cbor_reader *reader, uint32_t *count_out) MUST_USE;

/* Take an unsigned map key greater than the last one. `last` starts at CBOR_NO_KEY. */
#define CBOR_NO_KEY (-1)
enum err cbor_read_key(struct cbor_reader *reader, int64_t *last) MUST_USE;

/* Take a text map key that comes after the last one in canonical order (shorter first, then
 * bytewise). `last` starts as an empty span; an empty key is refused. */
enum err cbor_read_text_key(struct cbor_reader *reader, struct span *last) MUST_USE;

/* Take one whole item of any type, nested at most CBOR_DEPTH_MAX deep. It must be well-formed;
 * the order of keys in maps that nobody reads is not looked at. */
enum err cbor_skip(struct cbor_reader *reader) MUST_USE;

/* ERR_OK if nothing failed and nothing is left over. */
enum err cbor_finish(const struct cbor_reader *reader) MUST_USE;

/* Whether `text` is well-formed UTF-8. */
bool cbor_text_valid(struct span text);

/* Canonical writing; the caller writes map keys in ascending order. Overflow: see struct buf. */
void cbor_write_uint(struct buf *buf, uint64_t value);
void cbor_write_int(struct buf *buf, int64_t value);
void cbor_write_bool(struct buf *buf, bool value);
void cbor_write_bytes(struct buf *buf, struct span bytes);
void cbor_write_text(struct buf *buf, struct span text); /* cbor_text_valid() */
void cbor_write_array(struct buf *buf, uint32_t count);
void cbor_write_map(struct buf *buf, uint32_t count);
