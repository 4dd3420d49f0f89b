/* Small files of this layer by folder and name; see os/file.h for what is durable. */
#pragma once

#include "base/why.h"
#include "trust/tuf_bytes.h"

/* "DIR/NAME" in `to`, which has `size` bytes. ERR_TOO_BIG. */
enum err tuf_file_path(const char *dir, const char *name, char *to, size_t size,
                       struct why *why) MUST_USE;

/* ERR_NOT_FOUND; ERR_TOO_BIG: more than `size_max`; see file_read() for others. */
enum err tuf_file_read(const char *dir, const char *name, size_t size_max, struct tuf_bytes *out,
                       struct why *why) MUST_USE;

enum err tuf_file_read_path(const char *path, size_t size_max, struct tuf_bytes *out,
                            struct why *why) MUST_USE;

/* As file_replace(), but every failure is ERR_STORAGE: a folder that is gone must not look like
 * the end of a root chain. */
enum err tuf_file_replace(const char *dir, const char *name, struct span bytes,
                          struct why *why) MUST_USE;

/* Take a file away, durably; one that is not there is fine. */
enum err tuf_file_remove(const char *dir, const char *name, struct why *why) MUST_USE;

bool tuf_file_exists(const char *dir, const char *name);
