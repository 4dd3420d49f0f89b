#include "tuf/target_folder.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "codec/hex.h"
#include "codec/percent.h"
#include "os/file.h"
#include "os/say.h"

#define FILE_NAME_SIZE (TUF_STORED_NAME_SIZE_MAX + 1u)
#define BLOCK_SIZE     65536u  /* bytes read at once */
#define STEP_NS        1000000 /* between the times of two files */

/* Bytes on their way through: counted, digested, perhaps written. */
struct flow {
    const struct tuf_file *file;
    struct digest *sha256, *sha512;
    uint64_t size;
    int fd; /* -1: they go nowhere */
};

static struct flow flow_open(const struct tuf_file *file, int fd)
{
    return (struct flow){.file = file,
                         .sha256 = digest_open(DIGEST_SHA256),
                         .sha512 = digest_open(DIGEST_SHA512),
                         .fd = fd};
}

static void flow_close(struct flow *flow)
{
    digest_close(flow->sha256);
    digest_close(flow->sha512);
}

static enum err flow_take(struct flow *flow, struct span bytes, struct why *why)
{
    if (bytes.size > flow->file->length - flow->size)
        return say(why, ERR_CORRUPT, NULL, "is longer than %" PRIu64 " bytes", flow->file->length);
    flow->size += bytes.size;
    if (flow->file->has_sha256)
        digest_update(flow->sha256, bytes);
    if (flow->file->has_sha512)
        digest_update(flow->sha512, bytes);
    if (flow->fd >= 0 && file_write_all(flow->fd, bytes.at, bytes.size) != ERR_OK)
        return file_failed(why, "write", "the target");
    return ERR_OK;
}

static bool is_digest(struct digest *digest, const uint8_t *expected, size_t size)
{
    uint8_t got[DIGEST_SIZE_MAX];

    digest_done(digest, got);
    return memcmp(got, expected, size) == 0;
}

/* Whether what went through is all of it and the right thing. */
static enum err flow_end(struct flow *flow, struct why *why)
{
    const struct tuf_file *file = flow->file;

    if (flow->size != file->length)
        return say(why, ERR_CORRUPT, NULL, "has %" PRIu64 " bytes instead of %" PRIu64, flow->size,
                   file->length);
    if (file->unmatchable || (!file->has_sha256 && !file->has_sha512))
        return say(why, ERR_CORRUPT, NULL, "has no hash of a known kind");
    if (file->has_sha256 && !is_digest(flow->sha256, file->sha256, sizeof file->sha256))
        return say(why, ERR_CORRUPT, NULL, "has another SHA-256 than it should");
    if (file->has_sha512 && !is_digest(flow->sha512, file->sha512, sizeof file->sha512))
        return say(why, ERR_CORRUPT, NULL, "has another SHA-512 than it should");
    return ERR_OK;
}

/* ---- Where it lies ---- */

/* A name that is too long for a file, or that begins as hidden and temporary files do, is stored
 * under its digest. */
static void file_name(const char *target, char out[FILE_NAME_SIZE])
{
    struct buf buf = buf_over(out, FILE_NAME_SIZE);
    uint8_t digest[DIGEST_SIZE];

    percent_put(&buf, span_of(target), "");
    (void)buf_finish_text(&buf);
    if (buf.overflow || *target == '.' || *target == '\0') {
        digest_of(DIGEST_SHA256, span_of(target), digest);
        hex_print((struct span){digest, sizeof digest}, out);
    }
}

/* "dir/HASH.name", or the name as it is. */
static char *url_path(const struct wanted_target *wanted)
{
    const char *slash = strrchr(wanted->name, '/');
    const char *base = slash ? slash + 1 : wanted->name;
    size_t room = strlen(wanted->name) + 2 * DIGEST_SIZE_MAX + 2;
    char hash[2 * DIGEST_SIZE_MAX + 1];
    char *path = malloc(room);

    CHECK(path);
    if (wanted->file.has_sha256)
        hex_print((struct span){wanted->file.sha256, DIGEST_SIZE}, hash);
    else
        hex_print((struct span){wanted->file.sha512, SHA512_SIZE}, hash);
    if (wanted->hash_in_url)
        (void)snprintf(path, room, "%.*s%s.%s", (int)(base - wanted->name), wanted->name, hash,
                       base);
    else
        (void)snprintf(path, room, "%s", wanted->name);
    return path;
}

/* ---- There already ---- */

static enum err read_through(struct flow *flow, int fd)
{
    uint8_t *block = malloc(BLOCK_SIZE);
    ssize_t got = 1;
    enum err err = ERR_OK;

    CHECK(block);
    while (err == ERR_OK && got > 0) {
        got = read(fd, block, BLOCK_SIZE);
        if (got > 0)
            err = flow_take(flow, (struct span){block, (size_t)got}, NULL);
    }
    free(block);
    return got < 0 ? ERR_STORAGE : err;
}

static bool is_there(const struct wanted_target *wanted, const char *path)
{
    FILE_CLEANUP int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat facts;
    struct flow flow;
    enum err err;

    if (fd < 0 || fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) ||
        (uint64_t)facts.st_size != wanted->file.length)
        return false;
    flow = flow_open(&wanted->file, -1);
    err = read_through(&flow, fd);
    if (err == ERR_OK)
        err = flow_end(&flow, NULL);
    flow_close(&flow);
    return err == ERR_OK;
}

/* ---- Fetched ---- */

struct transfer {
    struct flow flow;
    struct why *why;
};

static enum err take(void *self, struct span bytes)
{
    struct transfer *transfer = self;

    return flow_take(&transfer->flow, bytes, transfer->why);
}

static enum err fetch_to(const struct wanted_target *wanted, struct source *source, int fd,
                         struct why *why)
{
    struct why reason = {0};
    struct transfer transfer = {.flow = flow_open(&wanted->file, fd), .why = &reason};
    const struct http_sink sink = {.take = take, .self = &transfer};
    char *path = url_path(wanted);
    enum err err = source_get_target(source, path, &sink, why);

    if (reason.text[0] != '\0')
        why_say(why, NULL, reason.text);
    if (err == ERR_OK)
        err = flow_end(&transfer.flow, why);
    free(path);
    flow_close(&transfer.flow);
    return err;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* The kernel's times are some milliseconds coarse; a file that would seem as old as the one before
 * it is made a little younger. */
static bool set_time(int fd, struct timespec *latest)
{
    struct timespec next = {latest->tv_sec, latest->tv_nsec + STEP_NS};
    struct timespec times[2] = {{0, UTIME_OMIT}, next};
    struct stat facts;

    if (next.tv_nsec >= 1000000000)
        times[1] = (struct timespec){next.tv_sec + 1, next.tv_nsec - 1000000000};
    if (fstat(fd, &facts) != 0)
        return false;
    if (is_later(&facts.st_mtim, &times[1]))
        times[1] = facts.st_mtim;
    else if (futimens(fd, times) != 0)
        return false;
    *latest = times[1];
    return true;
}

static enum err put_in_place(int fd, const char *temporary, const char *path,
                             struct target_folder *folder, struct why *why)
{
    if (fchmod(fd, 0644) != 0 || !set_time(fd, &folder->latest) || fsync(fd) != 0)
        return file_failed(why, "write", temporary);
    if (rename(temporary, path) != 0)
        return file_failed(why, "replace", path);
    return file_sync_directory(folder->path, why);
}

static enum err fetch(const struct wanted_target *wanted, struct source *source,
                      struct target_folder *folder, const char *path, struct why *why)
{
    char temporary[PATH_MAX];
    FILE_CLEANUP int fd = file_temporary(folder->path, temporary, sizeof temporary, why);
    enum err err;

    if (fd < 0)
        return ERR_STORAGE;
    err = fetch_to(wanted, source, fd, why);
    if (err == ERR_OK)
        err = put_in_place(fd, temporary, path, folder, why);
    if (err != ERR_OK)
        (void)unlink(temporary);
    return err;
}

enum err target_folder_get(struct target_folder *folder, const struct wanted_target *wanted,
                           struct source *source, struct why *why)
{
    char name[FILE_NAME_SIZE], path[PATH_MAX];

    file_name(wanted->name, name);
    if (file_join(folder->path, name, path, sizeof path) != ERR_OK)
        return say(why, ERR_TOO_BIG, NULL, "%.100s/%.100s: the path is too long", folder->path,
                   name);
    if (is_there(wanted, path))
        return ERR_OK;
    if (wanted->file.unmatchable || (!wanted->file.has_sha256 && !wanted->file.has_sha512))
        return say(why, ERR_CORRUPT, NULL, "target %.80s: has no hash of a known kind",
                   wanted->name);
    return say_where(why, fetch(wanted, source, folder, path, why), "target %.80s", wanted->name);
}
