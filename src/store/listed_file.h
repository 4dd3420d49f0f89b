/* Files that lists of targets name beside images: chunk lists, manifests, trust stores, statements.
 * They are kept, and devices may read them, as long as the newest lists name them. */
#pragma once

#include "base/limits.h"
#include "store/db.h"

/* The file is in the lists of this number (store/release.h). */
enum err store_listed_file_put(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                               uint32_t listing) MUST_USE;

/* Forget what no list of this number names. */
enum err store_listed_file_drop_others(struct db *db, int64_t tenant, uint32_t listing) MUST_USE;

/* Whether the tenant's lists name it; `tenant` 0: anybody's. */
enum err store_listed_file_has(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                               bool *has) MUST_USE;
