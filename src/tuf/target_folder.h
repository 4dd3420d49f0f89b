/* A folder of downloaded targets: each is there already, or fetched and put there whole.
 *
 * A file is called as its target, percent-encoded whole, so that no name leads out of the folder
 * or looks like another. Nothing that was not verified to the last byte ever has that name. The
 * times of the files tell in which order they were put there, however fast that went. */
#pragma once

#include <time.h>

#include "tuf/source.h"

struct target_folder {
    const char *path;
    struct timespec latest; /* the time of the last file put there; zero at first */
};

struct wanted_target {
    const char *name;
    struct tuf_file file; /* what the metadata says of it */
    bool hash_in_url;     /* the repository makes consistent snapshots (TUF 1.0.34, 5.7.3) */
};

/* See that the folder holds it. Asks the network only if it does not yet. ERR_CORRUPT: what came
 * is not what the metadata says; ERR_STORAGE and others as source_get_target(). */
enum err target_folder_get(struct target_folder *folder, const struct wanted_target *wanted,
                           struct source *source, struct why *why) MUST_USE;
