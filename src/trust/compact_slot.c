/* The digest of a whole bank: the image, then one byte over and over. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "os/say.h"
#include "trust/compact.h"

#define PIECE_SIZE 65536u /* bytes */

static enum err measure_image(int fd, struct digest *digest, uint64_t length, struct why *why)
{
    uint8_t piece[PIECE_SIZE];

    while (length > 0) {
        ssize_t got = read(fd, piece, length < sizeof piece ? (size_t)length : sizeof piece);

        if (got <= 0)
            return say(why, ERR_STORAGE, NULL, "the image cannot be read: %s",
                       got < 0 ? strerror(errno) : "it is too short");
        digest_update(digest, (struct span){piece, (size_t)got});
        length -= (uint64_t)got;
    }
    return ERR_OK;
}

static void measure_fill(struct digest *digest, uint64_t length, uint8_t fill)
{
    uint8_t piece[PIECE_SIZE];

    memset(piece, fill, sizeof piece);
    while (length > 0) {
        size_t size = length < sizeof piece ? (size_t)length : sizeof piece;

        digest_update(digest, (struct span){piece, size});
        length -= size;
    }
}

static enum err measure(const char *path, uint64_t image, uint64_t rest, uint8_t fill,
                        uint8_t out[DIGEST_SIZE], struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct digest *digest;
    enum err err;

    if (fd < 0)
        return say(why, ERR_STORAGE, NULL, "%s: %s", path, strerror(errno));
    digest = digest_open(DIGEST_SHA256);
    err = measure_image(fd, digest, image, why);
    (void)close(fd);
    measure_fill(digest, rest, fill);
    digest_done(digest, out);
    digest_close(digest);
    return err;
}

enum err compact_measure_slot(const char *dir, const struct release_facts *facts, uint64_t length,
                              uint8_t fill, struct manifest_slot *out, struct why *why)
{
    struct manifest_slot slot = {.known = true, .length = length, .fill = fill};
    char path[PATH_MAX];

    if (facts->sealed.used)
        return say(why, ERR_INVALID, "slot_length",
                   "the repository keeps the image encrypted, so its bank cannot be measured here");
    if (length < facts->length)
        return say(why, ERR_INVALID, "slot_length", "the image is longer than the bank");
    TRY(repository_blob_path(dir, facts->sha256, path, sizeof path, why));
    TRY(measure(path, facts->length, length - facts->length, fill, slot.sha256, why));
    *out = slot;
    return ERR_OK;
}
