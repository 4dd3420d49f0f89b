/* An image in chunks: all of one size but the last, each with its SHA-256 in a chunk list.
 *
 *     image       | chunk 0 | chunk 1 | ... | chunk n-1 (the rest) |
 *     chunk list  | 32 bytes | 32 bytes | ... | 32 bytes |
 *
 * The list is the plain concatenation of the digests. Its own digest is in the signed facts of
 * the release, so whoever has checked the list may check every chunk alone, in any order.
 *
 * Of a sealed image each chunk is sent and listed encrypted, with a tag behind it; then the
 * digests are of that, and servers and caches check it without a key (docs/spec/sealed.md). */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

#define CHUNK_TAG_MAX 16u /* bytes */

/* The cut of one image; `length` and `size` as in the signed facts. */
struct chunks {
    uint64_t length; /* bytes of the plain image, at least 1 */
    uint32_t size;   /* bytes of a plain chunk, power of two, CHUNK_SIZE_MIN..CHUNK_SIZE_MAX */
    uint32_t tag;    /* bytes each chunk is longer when it is sent; 0 for an image in the clear */
};

/* ERR_INVALID if a limit above is broken, ERR_TOO_BIG if there are more than CHUNKS_MAX chunks. */
enum err chunks_check(const struct chunks *chunks) MUST_USE;

uint32_t chunks_count(const struct chunks *chunks);

/* Bytes of the chunk list. */
uint32_t chunks_list_size(const struct chunks *chunks);

/* Where chunk `index` starts in the plain image, and how long it is there. */
uint64_t chunks_at(const struct chunks *chunks, uint32_t index);
uint32_t chunks_size_of(const struct chunks *chunks, uint32_t index);

/* The same as it is sent, and the length of all that is sent. */
uint64_t chunks_sent_at(const struct chunks *chunks, uint32_t index);
uint32_t chunks_sent_size_of(const struct chunks *chunks, uint32_t index);
uint64_t chunks_sent_length(const struct chunks *chunks);

bool chunks_last(const struct chunks *chunks, uint32_t index);

/* Whether `bytes` is chunk `index` as it is sent, by `list` (of chunks_list_size() bytes). */
bool chunks_match(const struct chunks *chunks, struct span list, uint32_t index, struct span bytes);
