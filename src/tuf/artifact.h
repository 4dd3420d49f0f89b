/* A target as a file in a folder: there already, or fetched and put there whole.
 *
 * The file is called as the target, percent-encoded whole, so that no name leads out of the folder
 * or looks like another. Nothing that was not verified to the last byte ever has that name. */
#pragma once

#include <time.h>

#include "tuf/source.h"

struct artifact {
    const char *name;     /* of the target */
    struct tuf_file file; /* what the metadata says of it */
    bool hash_in_url;     /* the repository makes consistent snapshots (TUF 1.0.34, 5.7.3) */
};

/* Where artifacts go. */
struct artifact_folder {
    const char *path;
    struct timespec latest; /* the time of the last file put there; zero at first */
};

/* See that `folder` holds it. Asks the network only if it does not yet. ERR_CORRUPT: what came is
 * not what the metadata says; ERR_STORAGE and others as source_get_target(). */
enum err artifact_get(const struct artifact *artifact, struct source *source,
                      struct artifact_folder *folder, struct why *why) MUST_USE;
