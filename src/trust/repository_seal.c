#include "trust/repository_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "crypto/digest.h"
#include "crypto/sealing.h"
#include "crypto/wipe.h"
#include "format/chunks.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/content_key.h"

struct sealed_copy {
    int from, to;
    const char *path; /* of the plain image, for people */
    struct chunks chunks;
    struct sealing *sealing; /* NULL in the first pass */
    struct digest *plain, *sealed;
    uint8_t *room; /* a chunk and its tag */
    struct tuf_bytes list;
};

static enum err measure(struct sealed_copy *copy, struct why *why)
{
    struct stat info;
    uint64_t count;

    if (fstat(copy->from, &info) != 0)
        return say(why, ERR_STORAGE, NULL, "%s: %s", copy->path, strerror(errno));
    if (!S_ISREG(info.st_mode) || info.st_size == 0)
        return say(why, ERR_CORRUPT, NULL, "%s: is not a file with an image in it", copy->path);
    copy->chunks.length = (uint64_t)info.st_size;
    count = release_chunk_count(copy->chunks.length, copy->chunks.size);
    if (count > CHUNKS_MAX)
        return say(why, ERR_TOO_BIG, NULL,
                   "%s: would have %" PRIu64 " chunks; with larger ones at most %u", copy->path,
                   count, CHUNKS_MAX);
    if (chunks_check(&copy->chunks) != ERR_OK)
        return say(why, ERR_INVALID, "chunk_size", "a chunk's size is a power of two");
    return ERR_OK;
}

static enum err write_sealed(struct sealed_copy *copy, uint32_t index, struct span plain,
                             struct why *why)
{
    struct span sealed = {copy->room, plain.size + AEAD_TAG_SIZE};

    sealing_seal(copy->sealing, index, chunks_last(&copy->chunks, index), plain, copy->room);
    digest_update(copy->sealed, sealed);
    digest_of(DIGEST_SHA256, sealed, copy->list.at + copy->list.size);
    copy->list.size += DIGEST_SIZE;
    if (file_write_all(copy->to, sealed.at, sealed.size) != ERR_OK)
        return say(why, ERR_STORAGE, NULL, "the sealed %s cannot be written: %s", copy->path,
                   strerror(errno));
    return ERR_OK;
}

/* All chunks: into the plain digest, and sealed if there is a key already. */
static enum err pass(struct sealed_copy *copy, uint8_t digest[DIGEST_SIZE], struct why *why)
{
    for (uint32_t i = 0; i < chunks_count(&copy->chunks); i++) {
        struct span plain = {copy->room, chunks_size_of(&copy->chunks, i)};

        if (file_pread_all(copy->from, copy->room, plain.size, chunks_at(&copy->chunks, i)) !=
            ERR_OK)
            return say(why, ERR_STORAGE, NULL, "%s: cannot be read to its end", copy->path);
        digest_update(copy->plain, plain);
        if (copy->sealing)
            TRY(write_sealed(copy, i, plain, why));
    }
    digest_done(copy->plain, digest);
    return ERR_OK;
}

static enum err seal_pass(struct sealed_copy *copy, const struct release_facts *facts,
                          struct why *why)
{
    uint8_t again[DIGEST_SIZE];

    TRY(pass(copy, again, why));
    if (memcmp(again, facts->sha256, DIGEST_SIZE) != 0)
        return say(why, ERR_CONFLICT, NULL, "%s: was changed while it was read", copy->path);
    if (fsync(copy->to) != 0)
        return say(why, ERR_STORAGE, NULL, "the sealed %s cannot be written: %s", copy->path,
                   strerror(errno));
    return ERR_OK;
}

static enum err with_key(const char *dir, struct sealed_copy *copy, struct release_facts *facts,
                         struct why *why)
{
    struct sealing_image image = {.alg = facts->sealed.alg, .chunk_size = facts->chunk_size};
    uint8_t key[CONTENT_KEY_SIZE];
    enum err err;

    memcpy(image.sha256, facts->sha256, DIGEST_SIZE);
    TRY(content_key_make(dir, facts->sha256, key, why));
    copy->sealing = sealing_open(&image, key);
    sealing_check(&image, key, facts->sealed.key_check);
    wipe(key, sizeof key);
    err = seal_pass(copy, facts, why);
    sealing_close(copy->sealing);
    return err;
}

static enum err both_passes(const char *dir, struct sealed_copy *copy, struct release_facts *facts,
                            struct why *why)
{
    facts->length = copy->chunks.length;
    TRY(pass(copy, facts->sha256, why));
    TRY(with_key(dir, copy, facts, why));
    facts->sealed.used = true;
    facts->sealed.length = chunks_sent_length(&copy->chunks);
    digest_done(copy->sealed, facts->sealed.sha256);
    digest_of(DIGEST_SHA256, tuf_bytes_span(&copy->list), facts->chunks_sha256);
    return ERR_OK;
}

static enum err seal_open_files(const char *dir, struct sealed_copy *copy,
                                struct release_facts *facts, struct why *why)
{
    enum err err;

    TRY(measure(copy, why));
    copy->room = malloc((size_t)copy->chunks.size + AEAD_TAG_SIZE);
    copy->list.at = malloc(chunks_list_size(&copy->chunks));
    copy->plain = digest_open(DIGEST_SHA256);
    copy->sealed = digest_open(DIGEST_SHA256);
    CHECK(copy->room && copy->list.at);
    err = both_passes(dir, copy, facts, why);
    digest_close(copy->plain);
    digest_close(copy->sealed);
    wipe(copy->room, (size_t)copy->chunks.size + AEAD_TAG_SIZE);
    free(copy->room);
    return err;
}

enum err repository_seal_image(const char *dir, const char *path, const char *to,
                               struct release_facts *facts, struct tuf_bytes *chunks,
                               struct why *why)
{
    FILE_CLEANUP int from = open(path, O_RDONLY | O_CLOEXEC);
    FILE_CLEANUP int out = from < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct sealed_copy copy = {.from = from,
                               .to = out,
                               .path = path,
                               .chunks = {.size = facts->chunk_size, .tag = AEAD_TAG_SIZE}};
    struct release_facts measured = *facts;
    enum err err;

    if (out < 0)
        return say(why, ERR_STORAGE, NULL, "%s: %s", from < 0 ? path : to, strerror(errno));
    err = seal_open_files(dir, &copy, &measured, why);
    if (err != ERR_OK) {
        tuf_bytes_done(&copy.list);
        return err;
    }
    *facts = measured;
    *chunks = copy.list;
    return ERR_OK;
}
