#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "os/entropy.h"
#include "os/say.h"

#define PATH_SIZE_MAX    4096u /* bytes with NUL */
#define TEMPORARY_PREFIX ".tmp-"

void file_bytes_free(struct file_bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct file_bytes){0};
}

void file_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

enum err file_failed(struct why *why, const char *verb, const char *path)
{
    int number = errno;
    enum err err = ERR_STORAGE;

    if (number == ENOENT || number == ENOTDIR)
        err = ERR_NOT_FOUND;
    else if (number == EEXIST)
        err = ERR_CONFLICT;
    else if (number == EACCES || number == EPERM)
        err = ERR_DENIED;
    return say(why, err, NULL, "cannot %s %s: %s", verb, path, strerror(number));
}

/* Up to `size` bytes; short only at the end of the file. */
static ssize_t read_up_to(int fd, uint8_t *to, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = read(fd, to + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

enum err file_read(const char *path, size_t size_max, struct file_bytes *out, struct why *why)
{
    FILE_CLEANUP int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    size_t size;
    uint8_t *at;
    ssize_t got;

    if (fd < 0 || fstat(fd, &facts) != 0)
        return file_failed(why, "read", path);
    if (!S_ISREG(facts.st_mode))
        return say(why, ERR_INVALID, NULL, "cannot read %s: not a regular file", path);
    size = (size_t)facts.st_size;
    if (size > size_max)
        return say(why, ERR_TOO_BIG, NULL, "%s has %zu bytes, at most %zu are allowed", path, size,
                   size_max);
    at = malloc(size + 1);
    if (!at)
        return say(why, ERR_STORAGE, NULL, "cannot read %s: no memory for %zu bytes", path, size);
    got = read_up_to(fd, at, size);
    if (got < 0) {
        free(at);
        return file_failed(why, "read", path);
    }
    at[got] = '\0';
    *out = (struct file_bytes){.at = at, .size = (size_t)got};
    return ERR_OK;
}

enum err file_write_all(int fd, const void *from, size_t size)
{
    const uint8_t *at = from;
    size_t done = 0;

    while (done < size) {
        ssize_t put = write(fd, at + done, size - done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return ERR_STORAGE;
        done += (size_t)put;
    }
    return ERR_OK;
}

enum err file_pread_all(int fd, void *to, size_t size, uint64_t from)
{
    uint8_t *at = to;
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, at + done, size - done, (off_t)(from + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_STORAGE;
        if (got == 0)
            return ERR_CORRUPT;
        done += (size_t)got;
    }
    return ERR_OK;
}

enum err file_join(const char *directory, const char *name, char *to, size_t to_size)
{
    size_t size = strlen(directory);
    bool slash = size > 0 && directory[size - 1] == '/';
    int made = snprintf(to, to_size, "%s%s%s", directory, slash ? "" : "/", name);

    return made >= 0 && (size_t)made < to_size ? ERR_OK : ERR_TOO_BIG;
}

/* The directory part of `path`: "." when there is none. */
static enum err parent_of(const char *path, char *to, size_t to_size)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;

    if (!slash)
        return span_to_text(span_of("."), to, to_size) ? ERR_OK : ERR_TOO_BIG;
    if (size == 0)
        size = 1; /* the root itself */
    return span_to_text((struct span){(const uint8_t *)path, size}, to, to_size) ? ERR_OK
                                                                                 : ERR_TOO_BIG;
}

enum err file_sync_directory(const char *path, struct why *why)
{
    FILE_CLEANUP int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        return file_failed(why, "sync", path);
    return ERR_OK;
}

/* A durable temporary file with these bytes beside `path`. */
static enum err write_beside(const char *directory, struct span bytes, mode_t mode, char *temporary,
                             struct why *why)
{
    FILE_CLEANUP int fd = file_temporary(directory, temporary, PATH_SIZE_MAX, why);

    if (fd < 0)
        return ERR_STORAGE;
    if (fchmod(fd, mode) != 0 || file_write_all(fd, bytes.at, bytes.size) != ERR_OK ||
        fsync(fd) != 0) {
        enum err err = file_failed(why, "write", temporary);

        (void)unlink(temporary);
        return err;
    }
    return ERR_OK;
}

/* `fresh`: link(2) instead of rename(2), which refuses to replace. */
static enum err put_file(const char *path, struct span bytes, mode_t mode, bool fresh,
                         struct why *why)
{
    char directory[PATH_SIZE_MAX], temporary[PATH_SIZE_MAX];
    int failed;

    if (parent_of(path, directory, sizeof directory) != ERR_OK)
        return say(why, ERR_TOO_BIG, NULL, "the path %s is too long", path);
    TRY(write_beside(directory, bytes, mode, temporary, why));
    failed = fresh ? link(temporary, path) : rename(temporary, path);
    if (failed != 0) {
        enum err err = file_failed(why, fresh ? "create" : "replace", path);

        (void)unlink(temporary);
        return err;
    }
    if (fresh)
        (void)unlink(temporary); /* only a second name by now */
    return file_sync_directory(directory, why);
}

enum err file_replace(const char *path, struct span bytes, mode_t mode, struct why *why)
{
    return put_file(path, bytes, mode, false, why);
}

enum err file_create(const char *path, struct span bytes, mode_t mode, struct why *why)
{
    return put_file(path, bytes, mode, true, why);
}

enum err file_make_directory(const char *path, mode_t mode, struct why *why)
{
    struct stat facts;

    if (mkdir(path, mode) == 0)
        return ERR_OK;
    if (errno == EEXIST && stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return ERR_OK;
    return file_failed(why, "create directory", path);
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int file_temporary(const char *directory, char *path, size_t path_size, struct why *why)
{
    uint8_t random[8];
    char name[sizeof TEMPORARY_PREFIX + 2 * sizeof random];
    struct buf buf = buf_over(name, sizeof name);
    int fd;

    entropy_fill(random, sizeof random);
    buf_text(&buf, TEMPORARY_PREFIX);
    buf_hex(&buf, (struct span){random, sizeof random});
    if (file_join(directory, buf_finish_text(&buf), path, path_size) != ERR_OK) {
        why_say(why, NULL, "the path of a temporary file is too long");
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        (void)file_failed(why, "create", path);
    return fd;
}

void file_remove_temporaries(const char *directory)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, TEMPORARY_PREFIX, sizeof TEMPORARY_PREFIX - 1) == 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}
