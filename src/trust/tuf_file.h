/* The files of this layer: small ones read whole, and replaced so that after a power cut there
 * is either the old content or the new. */
#pragma once

#include "base/why.h"
#include "trust/tuf_bytes.h"

/* ERR_NOT_FOUND; ERR_TOO_BIG: more than `size_max`; ERR_STORAGE. */
enum err tuf_file_read(const char *dir, const char *name, size_t size_max, struct tuf_bytes *out,
                       struct why *why) MUST_USE;

enum err tuf_file_read_path(const char *path, size_t size_max, struct tuf_bytes *out,
                            struct why *why) MUST_USE;

/* Write beside, fsync, rename, fsync the folder. ERR_STORAGE; the old file is then untouched. */
enum err tuf_file_replace(const char *dir, const char *name, struct span bytes,
                          struct why *why) MUST_USE;

/* Take a file away, durably; one that is not there is fine. */
enum err tuf_file_remove(const char *dir, const char *name, struct why *why) MUST_USE;

/* Make `dir` if it is missing; its parent must exist. */
enum err tuf_folder_make(const char *dir, struct why *why) MUST_USE;

/* fsync of a folder: the names in it survive a power cut. */
enum err tuf_folder_sync(const char *dir, struct why *why) MUST_USE;

bool tuf_file_exists(const char *dir, const char *name);

/* "DIR/NAME" in `to`, which has `size` bytes. ERR_TOO_BIG. */
enum err tuf_path(const char *dir, const char *name, char *to, size_t size,
                  struct why *why) MUST_USE;
