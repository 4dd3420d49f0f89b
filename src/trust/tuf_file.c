#include "trust/tuf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "trust/tuf_say.h"

enum err tuf_path(const char *dir, const char *name, char *to, size_t size, struct why *why)
{
    int length = snprintf(to, size, "%s/%s", dir, name);

    if (length < 0 || (size_t)length >= size)
        return tuf_say(why, ERR_TOO_BIG, "%s/%s: the path is too long", dir, name);
    return ERR_OK;
}

static enum err storage_error(struct why *why, const char *path)
{
    return tuf_say(why, ERR_STORAGE, "%s: %s", path, strerror(errno));
}

/* Fill `out` from the file, which must end within `size_max` bytes. */
static enum err read_all(int fd, const char *path, size_t size_max, struct tuf_bytes *out,
                         struct why *why)
{
    struct stat info;
    struct tuf_bytes bytes = {0};
    ssize_t got = 1;

    if (fstat(fd, &info) != 0)
        return storage_error(why, path);
    if (!S_ISREG(info.st_mode))
        return tuf_say(why, ERR_STORAGE, "%s: is not a file", path);
    if (info.st_size > (off_t)size_max)
        return tuf_say(why, ERR_TOO_BIG, "%s: has more than %zu bytes", path, size_max);
    bytes.at = malloc((size_t)info.st_size + 1);
    CHECK(bytes.at);
    while (got > 0 && bytes.size < (size_t)info.st_size) {
        got = read(fd, bytes.at + bytes.size, (size_t)info.st_size - bytes.size);
        bytes.size += got > 0 ? (size_t)got : 0;
    }
    if (got < 0) {
        tuf_bytes_done(&bytes);
        return storage_error(why, path);
    }
    *out = bytes;
    return ERR_OK;
}

enum err tuf_file_read_path(const char *path, size_t size_max, struct tuf_bytes *out,
                            struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err err;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return tuf_say(why, ERR_NOT_FOUND, "%s: there is no such file", path);
    if (fd < 0)
        return storage_error(why, path);
    err = read_all(fd, path, size_max, out, why);
    (void)close(fd);
    return err;
}

enum err tuf_file_read(const char *dir, const char *name, size_t size_max, struct tuf_bytes *out,
                       struct why *why)
{
    char path[PATH_MAX];

    TRY(tuf_path(dir, name, path, sizeof path, why));
    return tuf_file_read_path(path, size_max, out, why);
}

static bool write_all(int fd, struct span bytes)
{
    size_t at = 0;

    while (at < bytes.size) {
        ssize_t put = write(fd, bytes.at + at, bytes.size - at);

        if (put < 0)
            return false;
        at += (size_t)put;
    }
    return fsync(fd) == 0;
}

enum err tuf_folder_sync(const char *dir, struct why *why)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = ERR_OK;

    if (fd < 0)
        return storage_error(why, dir);
    if (fsync(fd) != 0)
        err = storage_error(why, dir);
    (void)close(fd);
    return err;
}

enum err tuf_file_replace(const char *dir, const char *name, struct span bytes, struct why *why)
{
    char path[PATH_MAX], beside[PATH_MAX + 8];
    bool good;
    int fd;

    TRY(tuf_path(dir, name, path, sizeof path, why));
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return storage_error(why, beside);
    good = write_all(fd, bytes);
    good = close(fd) == 0 && good;
    if (!good || rename(beside, path) != 0) {
        enum err err = storage_error(why, path);

        (void)unlink(beside); /* the next replacement would write over it anyway */
        return err;
    }
    return tuf_folder_sync(dir, why);
}

enum err tuf_file_remove(const char *dir, const char *name, struct why *why)
{
    char path[PATH_MAX];

    TRY(tuf_path(dir, name, path, sizeof path, why));
    if (unlink(path) != 0)
        return errno == ENOENT ? ERR_OK : storage_error(why, path);
    return tuf_folder_sync(dir, why);
}

enum err tuf_folder_make(const char *dir, struct why *why)
{
    struct stat info;

    if (mkdir(dir, 0755) == 0)
        return ERR_OK;
    if (errno != EEXIST)
        return storage_error(why, dir);
    if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode))
        return tuf_say(why, ERR_STORAGE, "%s: is not a folder", dir);
    return ERR_OK;
}

bool tuf_file_exists(const char *dir, const char *name)
{
    char path[PATH_MAX];

    return tuf_path(dir, name, path, sizeof path, NULL) == ERR_OK && access(path, F_OK) == 0;
}
