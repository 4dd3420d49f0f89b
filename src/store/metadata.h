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
    uint32_t version;
    struct span bytes; /* borrowed; out of a find it lives until the next db_ call */
    struct utc expires, stored;
};

/* ERR_CONFLICT when this version of the role exists. */
enum err store_metadata_add(struct db *db, const struct metadata_row *row) MUST_USE;

/* `version` 0: the newest. ERR_NOT_FOUND. */
enum err store_metadata_find(struct db *db, int64_t tenant, enum metadata_role role,
                             uint32_t version, struct metadata_row *out) MUST_USE;

/* Drop versions of a role below `below`. */
enum err store_metadata_prune(struct db *db, int64_t tenant, enum metadata_role role,
                              uint32_t below) MUST_USE;
