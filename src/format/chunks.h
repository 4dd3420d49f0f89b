/* An image in chunks: all of one size but the last, each with its SHA-256 in a chunk list.
 *
 *     image       | chunk 0 | chunk 1 | ... | chunk n-1 (the rest) |
 *     chunk list  | 32 bytes | 32 bytes | ... | 32 bytes |
 *
 * The list is the plain concatenation of the digests. Its own digest is in the signed facts of
 * the release, so whoever has checked the list may check every chunk alone, in any order. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

/* The cut of one image; `length` and `size` as in the signed facts. */
struct chunks {
    uint64_t length; /* bytes of the image, at least 1 */
    uint32_t size;   /* bytes of a chunk, power of two, CHUNK_SIZE_MIN..CHUNK_SIZE_MAX */
};

/* ERR_INVALID if a limit above is broken, ERR_TOO_BIG if there are more than CHUNKS_MAX chunks. */
enum err chunks_check(const struct chunks *chunks) MUST_USE;

uint32_t chunks_count(const struct chunks *chunks);

/* Bytes of the chunk list. */
uint32_t chunks_list_size(const struct chunks *chunks);

/* Where chunk `index` starts in the image, and how long it is. */
uint64_t chunks_at(const struct chunks *chunks, uint32_t index);
uint32_t chunks_size_of(const struct chunks *chunks, uint32_t index);

/* Whether `bytes` is chunk `index` as `list` (of chunks_list_size() bytes) describes it. */
bool chunks_match(const struct chunks *chunks, struct span list, uint32_t index, struct span bytes);
