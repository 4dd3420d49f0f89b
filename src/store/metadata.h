/* TUF metadata as received or made, byte for byte, every version. */
#pragma once

#include "base/time.h"
#include "store/db.h"

enum metadata_role {
    METADATA_ROOT,
    METADATA_TARGETS,
    METADATA_SNAPSHOT,
    METADATA_TIMESTAMP,
    METADATA_ROLE_COUNT
};

struct metadata_row {
    int64_t tenant;
    enum metadata_role role;
    uint64_t version;
    struct span bytes; /* borrowed; out of a find it lives until the next db_ call */
    struct utc expires, stored;
};

/* ERR_CONFLICT when this version of the role exists. */
enum err store_metadata_add(struct db *db, const struct metadata_row *row) MUST_USE;

/* `version` 0: the newest. ERR_NOT_FOUND. */
enum err store_metadata_find(struct db *db, int64_t tenant, enum metadata_role role,
                             uint64_t version, struct metadata_row *out) MUST_USE;

/* Drop all but the `kept` newest versions of a role. */
enum err store_metadata_prune(struct db *db, int64_t tenant, enum metadata_role role,
                              uint32_t kept) MUST_USE;

/* Drop versions at or above `version`: disowned ones, in the way of a role that begins anew. */
enum err store_metadata_disown(struct db *db, int64_t tenant, enum metadata_role role,
                               uint64_t version) MUST_USE;
