/* Lists of roles that targets delegate to, as received, byte for byte, every version; and for each
 * role at most one that waits for targets that delegate to its signers. */
#pragma once

#include "base/time.h"
#include "store/db.h"

#define DELEGATED_NAME_MAX  240u /* bytes; trust/delegation.h has no longer ones */
#define DELEGATED_ROLES_MAX 256u /* of a tenant, waiting ones included */

struct delegated_row {
    int64_t tenant;
    char role[DELEGATED_NAME_MAX + 1];
    uint64_t version;
    struct span bytes; /* borrowed; out of a find it lives until the next db_ call */
    struct utc expires, stored;
};

/* ERR_CONFLICT when this version of the role exists. */
enum err store_delegated_add(struct db *db, const struct delegated_row *row) MUST_USE;

/* `version` 0: the newest that does not wait. ERR_NOT_FOUND. */
enum err store_delegated_find(struct db *db, int64_t tenant, const char *role, uint64_t version,
                              struct delegated_row *out) MUST_USE;

/* The one that waits; another that did goes. And to find it. */
enum err store_delegated_wait(struct db *db, const struct delegated_row *row) MUST_USE;
enum err store_delegated_waiting(struct db *db, int64_t tenant, const char *role,
                                 struct delegated_row *out) MUST_USE;

/* The waiting one of the role no longer waits: it counts. */
enum err store_delegated_promote(struct db *db, int64_t tenant, const char *role) MUST_USE;

/* Names of all roles of the tenant, in their order, waiting ones only if `waiting`; at most
 * DELEGATED_ROLES_MAX. */
struct delegated_names {
    uint32_t count;
    char at[DELEGATED_ROLES_MAX][DELEGATED_NAME_MAX + 1];
};
enum err store_delegated_names(struct db *db, int64_t tenant, bool waiting,
                               struct delegated_names *out) MUST_USE;
