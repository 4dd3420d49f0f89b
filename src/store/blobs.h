/* Blobs: immutable files by SHA-256. The waist between stories and a directory, or an object
 * store later.
 *
 * A blob without a release row is garbage that the tick retires; a release row without a blob
 * cannot exist, because publishing checks here first. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/time.h"
#include "base/why.h"

struct blobs;

struct blob_info {
    uint8_t sha256[DIGEST_SIZE];
    uint64_t size; /* bytes */
    struct utc stored;
};

/* DIR/ab/abcdef... for blobs, DIR/tmp/ for uploads under way. Creates both, and removes what
 * an earlier process left in tmp. `quota` in bytes, 0: none. */
enum err blobs_dir_open(const char *dir, uint64_t quota, struct blobs **out,
                        struct why *why) MUST_USE;

/* NULL-safe. */
void blobs_close(struct blobs *blobs);

/* The directory uploads stream into, for blobs_take(); lives with `blobs`. */
const char *blobs_upload_dir(const struct blobs *blobs);

/* Take in a finished upload: the file at `path` (in blobs_upload_dir()), whose `sha256` and
 * `size` the caller computed while it arrived. Durable when it returns: fsync, rename, fsync of
 * the directory. A blob that is there already makes the upload superfluous and is no error. On
 * failure the file is gone. ERR_TOO_BIG past the quota, ERR_STORAGE when the disk is full. */
enum err blobs_take(struct blobs *blobs, const char *path, const uint8_t sha256[DIGEST_SIZE],
                    uint64_t size, struct why *why) MUST_USE;

/* Store bytes from memory: digest is computed here. */
enum err blobs_put(struct blobs *blobs, const void *bytes, size_t size, uint8_t sha256[DIGEST_SIZE],
                   struct why *why) MUST_USE;

/* ERR_NOT_FOUND. */
enum err blobs_stat(const struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE],
                    struct blob_info *out) MUST_USE;

/* An open descriptor for reading, and the size of the whole; the caller seeks and closes. */
enum err blobs_open(const struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE], int *fd,
                    uint64_t *size) MUST_USE;

/* Fill `room` from offset `from`; ERR_CORRUPT when the blob is shorter. */
enum err blobs_read(const struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE], uint64_t from,
                    void *room, size_t size) MUST_USE;

/* Removing what is not there is no error. */
enum err blobs_drop(struct blobs *blobs, const uint8_t sha256[DIGEST_SIZE]) MUST_USE;

/* Bytes in use. */
uint64_t blobs_used(const struct blobs *blobs);

/* Call `visit` for every blob; it returns false to stop. Order is the directory's. */
typedef bool blobs_visit(void *self, const struct blob_info *info);
enum err blobs_each(const struct blobs *blobs, blobs_visit *visit, void *self) MUST_USE;
