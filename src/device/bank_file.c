#include "device/bank_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "base/span.h"
#include "crypto/digest.h"
#include "os/file.h"
#include "os/say.h"

#define HASH_PIECE 65536u

static enum err sync_writes(struct bank_file *file)
{
    if (file->unsynced == 0)
        return ERR_OK;
    if (fdatasync(file->fd) != 0)
        return ERR_STORAGE;
    /* So that reading back asks the medium, not our own memory of what we wrote. */
    (void)posix_fadvise(file->fd, (off_t)file->written_from,
                        (off_t)(file->written_to - file->written_from), POSIX_FADV_DONTNEED);
    file->unsynced = 0;
    return ERR_OK;
}

enum err bank_file_read(void *self, uint64_t at, void *to, uint32_t size)
{
    struct bank_file *file = self;
    uint8_t *bytes = to;
    uint32_t done = 0;

    TRY(sync_writes(file));
    while (done < size) {
        ssize_t got = pread(file->fd, bytes + done, size - done, (off_t)(at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_STORAGE;
        if (got == 0) { /* past the end of the file: never written */
            memset(bytes + done, 0xFF, size - done);
            return ERR_OK;
        }
        done += (uint32_t)got;
    }
    return ERR_OK;
}

/* The running bank stays open for reading only. A device that is mounted is busy (O_EXCL). */
static enum err make_writable(struct bank_file *file)
{
    int fd;

    if (file->writable)
        return ERR_OK;
    fd = open(file->path, O_RDWR | O_CLOEXEC | (file->device ? O_EXCL : 0));
    if (fd < 0)
        return ERR_STORAGE;
    (void)close(file->fd);
    file->fd = fd;
    file->writable = true;
    return ERR_OK;
}

static enum err erase(void *self, uint64_t at, uint64_t size)
{
    struct bank_file *file = self;
    uint64_t now;

    TRY(bank_file_size(file, &now, NULL));
    if (at >= now || at + size < now)
        return ERR_OK;
    TRY(make_writable(file));
    TRY(sync_writes(file));
    if (ftruncate(file->fd, (off_t)at) != 0 || fsync(file->fd) != 0)
        return ERR_STORAGE;
    return ERR_OK;
}

static void remember(struct bank_file *file, uint64_t at, uint32_t size)
{
    if (file->unsynced == 0) {
        file->written_from = at;
        file->written_to = at + size;
    }
    if (at < file->written_from)
        file->written_from = at;
    if (at + size > file->written_to)
        file->written_to = at + size;
    file->unsynced += size;
}

enum err bank_file_write(void *self, uint64_t at, const void *from, uint32_t size)
{
    struct bank_file *file = self;
    const uint8_t *bytes = from;
    uint32_t done = 0;

    TRY(make_writable(file));
    remember(file, at, size);
    while (done < size) {
        ssize_t put = pwrite(file->fd, bytes + done, size - done, (off_t)(at + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return ERR_STORAGE;
        done += (uint32_t)put;
    }
    return file->unsynced >= BANK_FILE_SYNC_SIZE ? sync_writes(file) : ERR_OK;
}

static const struct bank_ops file_ops = {
    .read = bank_file_read, .erase = erase, .write = bank_file_write};

enum err bank_file_open(struct bank_file *file, const char *path, uint64_t size, struct bank *bank,
                        struct why *why)
{
    *file = (struct bank_file){.fd = -1};
    if (!span_to_text(span_of(path), file->path, sizeof file->path) || size < BANK_FILE_ERASE_SIZE)
        return say(why, ERR_INVALID, NULL, "%s: the path is too long or the bank too small", path);
    file->fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file->fd < 0)
        return file_failed(why, "open", path);
    *bank = (struct bank){.ops = &file_ops,
                          .self = file,
                          .size = size - size % BANK_FILE_ERASE_SIZE,
                          .erase_size = BANK_FILE_ERASE_SIZE,
                          .write_size = 1};
    return ERR_OK;
}

void bank_file_close(struct bank_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    file->fd = -1;
}

bool bank_file_same(const struct bank_file *a, const struct bank_file *b)
{
    struct stat of_a, of_b;

    if (fstat(a->fd, &of_a) != 0 || fstat(b->fd, &of_b) != 0)
        return false; /* what cannot be used is not written either */
    if (S_ISBLK(of_a.st_mode) && S_ISBLK(of_b.st_mode))
        return of_a.st_rdev == of_b.st_rdev;
    return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

enum err bank_file_size(const struct bank_file *file, uint64_t *out, struct why *why)
{
    off_t end = lseek(file->fd, 0, SEEK_END); /* works on block devices too */

    if (end < 0)
        return file_failed(why, "measure", file->path);
    *out = (uint64_t)end;
    return ERR_OK;
}

enum err bank_file_room(const struct bank_file *file, uint64_t length, uint64_t reserve,
                        struct why *why)
{
    struct stat status;
    struct statvfs space;
    uint64_t available, occupied;

    if (file->device)
        return ERR_OK; /* its space is its own; the size of the bank was checked already */
    if (fstat(file->fd, &status) != 0 || fstatvfs(file->fd, &space) != 0)
        return file_failed(why, "measure", file->path);
    available = (uint64_t)space.f_bavail * space.f_frsize;
    occupied = (uint64_t)status.st_blocks * 512u;
    if (length > occupied && length - occupied + reserve > available)
        return say(why, ERR_TOO_BIG, NULL,
                   "%s: an image of %llu bytes needs %llu more, only %llu are free and %llu stay "
                   "in reserve",
                   file->path, (unsigned long long)length, (unsigned long long)(length - occupied),
                   (unsigned long long)available, (unsigned long long)reserve);
    return ERR_OK;
}

enum err bank_file_digest(const struct bank_file *file, uint64_t length, uint8_t out[32],
                          struct why *why)
{
    struct digest *digest = digest_open(DIGEST_SHA256);
    uint8_t piece[HASH_PIECE];
    enum err err = ERR_OK;

    for (uint64_t at = 0; at < length && err == ERR_OK; at += sizeof piece) {
        size_t size = length - at < sizeof piece ? (size_t)(length - at) : sizeof piece;

        err = file_pread_all(file->fd, piece, size, at);
        digest_update(digest, (struct span){piece, size});
    }
    if (err == ERR_OK)
        digest_done(digest, out);
    else
        (void)say(why, err, NULL, "cannot read %llu bytes of %s", (unsigned long long)length,
                  file->path);
    digest_close(digest);
    return err;
}
