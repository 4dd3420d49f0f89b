/* Whole files and directories, durable where it matters. Every failure says what and where in
 * `why`; the enum tells what to do: ERR_NOT_FOUND, ERR_CONFLICT (exists already), ERR_DENIED,
 * ERR_TOO_BIG, otherwise ERR_STORAGE. */
#pragma once

#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/span.h"
#include "base/why.h"

/* Bytes on the heap; file_bytes_free() gives them back and forgets them. There is always one
 * NUL byte behind them that does not count, so a text file can be used as a string. */
struct file_bytes {
    uint8_t *at;
    size_t size;
};

void file_bytes_free(struct file_bytes *bytes);

/* Close at the end of a scope: `FILE_CLEANUP int fd = open(...)`; negative is left alone. */
#define FILE_CLEANUP __attribute__((cleanup(file_close)))
void file_close(const int *fd);

/* The whole file, ERR_TOO_BIG above `size_max`. */
enum err file_read(const char *path, size_t size_max, struct file_bytes *out,
                   struct why *why) MUST_USE;

/* Replace `path` atomically and durably: temporary file beside it, fsync, rename, fsync of the
 * directory. After power loss there is the old content or the new one. */
enum err file_replace(const char *path, struct span bytes, mode_t mode, struct why *why) MUST_USE;

/* The same, but ERR_CONFLICT if `path` exists; nobody else's file is overwritten. */
enum err file_create(const char *path, struct span bytes, mode_t mode, struct why *why) MUST_USE;

/* Create a directory if it is missing; its parent must exist. */
enum err file_make_directory(const char *path, mode_t mode, struct why *why) MUST_USE;

/* Make the names inside a directory durable. */
enum err file_sync_directory(const char *path, struct why *why) MUST_USE;

bool file_exists(const char *path);

/* Join with one '/' between; ERR_TOO_BIG when it does not fit. */
enum err file_join(const char *directory, const char *name, char *to, size_t to_size) MUST_USE;

/* Read exactly `size` bytes at `from`, retrying short reads; ERR_CORRUPT at an early end. */
enum err file_pread_all(int fd, void *to, size_t size, uint64_t from) MUST_USE;

/* Write all, retrying short writes. ERR_STORAGE when the disk is full or broken. */
enum err file_write_all(int fd, const void *from, size_t size) MUST_USE;

/* A new empty file in `directory`, mode 0600, with an unpredictable name written to `path`.
 * Returns its descriptor, or -1 with `why`. */
int file_temporary(const char *directory, char *path, size_t path_size, struct why *why) MUST_USE;

/* Remove everything that file_temporary() left behind in `directory` before a crash. */
void file_remove_temporaries(const char *directory);

/* "cannot VERB PATH: reason from errno" into `why`; returns the enum err that errno means. */
enum err file_failed(struct why *why, const char *verb, const char *path);
