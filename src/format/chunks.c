#include "format/chunks.h"

#include "base/check.h"
#include "crypto/sha256.h"

enum err chunks_check(const struct chunks *chunks)
{
    uint32_t size = chunks->size;

    if (size < CHUNK_SIZE_MIN || size > CHUNK_SIZE_MAX || (size & (size - 1)) != 0)
        return ERR_INVALID;
    if (chunks->length == 0 || chunks->tag > CHUNK_TAG_MAX)
        return ERR_INVALID;
    return (chunks->length - 1) / size < CHUNKS_MAX ? ERR_OK : ERR_TOO_BIG;
}

uint32_t chunks_count(const struct chunks *chunks)
{
    CHECK(chunks_check(chunks) == ERR_OK);
    return (uint32_t)((chunks->length - 1) / chunks->size) + 1;
}

uint32_t chunks_list_size(const struct chunks *chunks)
{
    return chunks_count(chunks) * DIGEST_SIZE;
}

uint64_t chunks_at(const struct chunks *chunks, uint32_t index)
{
    CHECK(index < chunks_count(chunks));
    return (uint64_t)index * chunks->size;
}

uint32_t chunks_size_of(const struct chunks *chunks, uint32_t index)
{
    uint64_t rest = chunks->length - chunks_at(chunks, index);

    return rest < chunks->size ? (uint32_t)rest : chunks->size;
}

uint64_t chunks_sent_at(const struct chunks *chunks, uint32_t index)
{
    return chunks_at(chunks, index) + (uint64_t)index * chunks->tag;
}

uint32_t chunks_sent_size_of(const struct chunks *chunks, uint32_t index)
{
    return chunks_size_of(chunks, index) + chunks->tag;
}

uint64_t chunks_sent_length(const struct chunks *chunks)
{
    return chunks->length + (uint64_t)chunks_count(chunks) * chunks->tag;
}

bool chunks_last(const struct chunks *chunks, uint32_t index)
{
    return index == chunks_count(chunks) - 1;
}

bool chunks_match(const struct chunks *chunks, struct span list, uint32_t index, struct span bytes)
{
    uint8_t digest[DIGEST_SIZE];

    CHECK(list.size == chunks_list_size(chunks));
    if (bytes.size != chunks_sent_size_of(chunks, index))
        return false;
    sha256_of(bytes, digest);
    return memcmp(digest, list.at + (size_t)index * DIGEST_SIZE, DIGEST_SIZE) == 0;
}
