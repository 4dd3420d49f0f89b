/* What runs out: one row for each thing that has an end, and for the certificates of devices one in
 * all. Certificates of the server itself are files, not rows. */
#pragma once

#include "base/time.h"
#include "store/db.h"

enum expiring_kind {
    EXPIRING_ROOT,
    EXPIRING_TARGETS,
    EXPIRING_SNAPSHOT,
    EXPIRING_TIMESTAMP,
    EXPIRING_DELEGATED,
    EXPIRING_TOKEN,
    EXPIRING_CLAIM,
    EXPIRING_DEVICES, /* `count` active devices; the first one's certificate ends at `expires` */
    EXPIRING_CA,
    EXPIRING_SERVER,
    EXPIRING_KIND_COUNT
};

#define EXPIRING_NAME_MAX 240u
#define EXPIRING_ROWS_MAX 2048u /* the first to end are told */

struct expiring_row {
    enum expiring_kind kind;
    char name[EXPIRING_NAME_MAX + 1]; /* of a role, token or claim; "" otherwise */
    struct utc from, expires;
    uint32_t count;
};

/* All but CA and server, the first to end first; devices only if `devices`, for they take a walk
 * over the fleet. What has been revoked, used or replaced does not count; claims that ended before
 * `now` neither. */
struct expiring_wanted {
    int64_t tenant;
    struct utc now;
    bool devices;
    uint32_t max;
};
enum err store_expiring(struct db *db, const struct expiring_wanted *wanted,
                        struct expiring_row *out, uint32_t *count) MUST_USE;
