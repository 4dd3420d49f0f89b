/* Blobs in a directory: DIR/ab/abcdef... The two-digit level keeps directories short. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "crypto/digest.h"
#include "os/file.h"
#include "os/say.h"
#include "store/blobs.h"

#define DIR_MAX       3072u                            /* bytes of the directory's own path */
#define BLOB_PATH_MAX (DIR_MAX + 4u + DIGEST_HEX_SIZE) /* bytes of a blob's path with NUL */

struct blobs {
    char dir[DIR_MAX];
    char upload_dir[DIR_MAX + 8u];
    uint64_t quota, used; /* bytes; quota 0: none */
};

/* Where the blob is, or its directory. */
static void path_of(const struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE],
                    char out[BLOB_PATH_MAX], bool directory)
{
    struct buf buf = buf_over(out, BLOB_PATH_MAX);

    buf_text(&buf, blobs->dir);
    buf_byte(&buf, '/');
    buf_hex(&buf, (struct span){sha256, 1});
    if (!directory) {
        buf_byte(&buf, '/');
        buf_hex(&buf, (struct span){sha256, DIGEST_SIZE});
    }
    (void)buf_finish_text(&buf);
    CHECK(!buf.overflow);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False for names that are no blob's, such as an editor's leavings. */
static bool digest_of_name(const char *name, uint8_t out[DIGEST_SIZE])
{
    if (strlen(name) != DIGEST_HEX_SIZE - 1)
        return false;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        int high = digit(name[2 * i]), low = digit(name[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

enum err blobs_stat(const struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE],
                    struct blob_info *out)
{
    char path[BLOB_PATH_MAX];
    struct stat stat_;

    path_of(blobs, sha256, path, false);
    if (stat(path, &stat_) != 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_STORAGE;
    memcpy(out->sha256, sha256, DIGEST_SIZE);
    out->size = (uint64_t)stat_.st_size;
    out->stored.ms = (int64_t)stat_.st_mtim.tv_sec * 1000 + stat_.st_mtim.tv_nsec / 1000000;
    return ERR_OK;
}

/* One of the 256 directories; false when the visitor has had enough. */
static bool each_in(const struct blobs *blobs, uint8_t first, blobs_visit *visit, void *self)
{
    uint8_t sha256[DIGEST_SIZE] = {first};
    char path[BLOB_PATH_MAX];
    struct dirent *entry;
    bool more = true;
    DIR *dir;

    path_of(blobs, sha256, path, true);
    dir = opendir(path);
    if (!dir)
        return true; /* made when the first blob of it comes */
    while (more && (entry = readdir(dir))) {
        struct blob_info info;

        if (digest_of_name(entry->d_name, sha256) && blobs_stat(blobs, sha256, &info) == ERR_OK)
            more = visit(self, &info);
    }
    (void)closedir(dir); /* nothing was written */
    return more;
}

enum err blobs_each(const struct blobs *blobs, blobs_visit *visit, void *self)
{
    for (unsigned first = 0; first < 256; first++) {
        if (!each_in(blobs, (uint8_t)first, visit, self))
            break;
    }
    return ERR_OK;
}

static bool add_up(void *self, const struct blob_info *info)
{
    ((struct blobs *)self)->used += info->size;
    return true;
}

/* What a crash left behind. */
static void empty_uploads(const struct blobs *blobs)
{
    DIR *dir = opendir(blobs->upload_dir);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0); /* tried again at the next start */
    }
    (void)closedir(dir); /* nothing was written through it */
}

static enum err open_dirs(struct blobs *blobs, const char *dir, struct why *why)
{
    int size = snprintf(blobs->dir, sizeof blobs->dir, "%s", dir);

    if (size < 0 || (size_t)size >= sizeof blobs->dir)
        return say(why, ERR_TOO_BIG, "data_dir", "the path of the blob directory is too long");
    CHECK(snprintf(blobs->upload_dir, sizeof blobs->upload_dir, "%s/tmp", blobs->dir) > 0);
    TRY(file_make_directory(blobs->dir, 0700, why));
    TRY(file_make_directory(blobs->upload_dir, 0700, why));
    return file_sync_directory(blobs->dir, why);
}

enum err blobs_dir_open(const char *dir, uint64_t quota, struct blobs **out, struct why *why)
{
    struct blobs *blobs = calloc(1, sizeof *blobs);
    enum err err;

    CHECK(blobs);
    blobs->quota = quota;
    err = open_dirs(blobs, dir, why);
    if (err != ERR_OK) {
        free(blobs);
        return err;
    }
    empty_uploads(blobs);
    err = blobs_each(blobs, add_up, blobs);
    CHECK(err == ERR_OK);
    *out = blobs;
    return ERR_OK;
}

void blobs_close(struct blobs *blobs)
{
    free(blobs);
}

const char *blobs_upload_dir(const struct blobs *blobs)
{
    return blobs->upload_dir;
}

static enum err sync_file(const char *path, struct why *why)
{
    FILE_CLEANUP int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return file_failed(why, "open", path);
    return fsync(fd) == 0 ? ERR_OK : file_failed(why, "write", path);
}

static enum err move_in(struct blobs *blobs, const char *path, const uint8_t sha256[DIGEST_SIZE],
                        struct why *why)
{
    char to[BLOB_PATH_MAX], directory[BLOB_PATH_MAX];

    path_of(blobs, sha256, to, false);
    path_of(blobs, sha256, directory, true);
    TRY(sync_file(path, why));
    TRY(file_make_directory(directory, 0700, why));
    if (rename(path, to) != 0)
        return file_failed(why, "rename", path);
    TRY(file_sync_directory(directory, why));
    return file_sync_directory(blobs->dir, why);
}

enum err blobs_take(struct blobs *blobs, const char *path, const uint8_t sha256[DIGEST_SIZE],
                    uint64_t size, struct why *why)
{
    struct blob_info info;
    enum err err;

    if (blobs_stat(blobs, sha256, &info) == ERR_OK && info.size == size) {
        (void)unlink(path); /* superfluous; otherwise the next start removes it */
        return ERR_OK;
    }
    if (blobs->quota != 0 && (size > blobs->quota || blobs->used > blobs->quota - size))
        err = say(why, ERR_TOO_BIG, NULL,
                  "the blob store would exceed its quota of %llu bytes (%llu in use)",
                  (unsigned long long)blobs->quota, (unsigned long long)blobs->used);
    else
        err = move_in(blobs, path, sha256, why);
    if (err != ERR_OK) {
        (void)unlink(path); /* otherwise the next start removes it */
        return err;
    }
    blobs->used += size;
    return ERR_OK;
}

static enum err write_temporary(struct blobs *blobs, struct span bytes, char path[BLOB_PATH_MAX],
                                struct why *why)
{
    FILE_CLEANUP int fd = file_temporary(blobs->upload_dir, path, BLOB_PATH_MAX, why);
    enum err err;

    if (fd < 0)
        return ERR_STORAGE;
    err = file_write_all(fd, bytes.at, bytes.size);
    if (err != ERR_OK) {
        (void)file_failed(why, "write", path);
        (void)unlink(path); /* otherwise the next start removes it */
    }
    return err;
}

enum err blobs_put(struct blobs *blobs, const void *bytes, size_t size, uint8_t sha256[DIGEST_SIZE],
                   struct why *why)
{
    struct span span = {(const uint8_t *)bytes, size};
    char path[BLOB_PATH_MAX];

    digest_of(DIGEST_SHA256, span, sha256);
    TRY(write_temporary(blobs, span, path, why));
    return blobs_take(blobs, path, sha256, size, why);
}

enum err blobs_open(const struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE], int *fd,
                    uint64_t *size)
{
    char path[BLOB_PATH_MAX];
    struct stat stat_;
    int opened;

    path_of(blobs, sha256, path, false);
    opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_STORAGE;
    if (fstat(opened, &stat_) != 0) {
        (void)close(opened); /* nothing was written */
        return ERR_STORAGE;
    }
    *fd = opened;
    *size = (uint64_t)stat_.st_size;
    return ERR_OK;
}

enum err blobs_read(const struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE], uint64_t from,
                    void *room, size_t size)
{
    FILE_CLEANUP int fd = -1;
    uint64_t whole;

    TRY(blobs_open(blobs, sha256, &fd, &whole));
    return file_pread_all(fd, room, size, from);
}

enum err blobs_drop(struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE])
{
    char path[BLOB_PATH_MAX];
    struct blob_info info;
    enum err err = blobs_stat(blobs, sha256, &info);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    path_of(blobs, sha256, path, false);
    if (unlink(path) != 0)
        return ERR_STORAGE;
    blobs->used -= info.size < blobs->used ? info.size : blobs->used;
    return ERR_OK;
}

uint64_t blobs_used(const struct blobs *blobs)
{
    return blobs->used;
}
