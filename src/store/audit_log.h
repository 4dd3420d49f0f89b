/* The audit log: lines in canonical form, each hashed with the hash before it. Append-only; the
 * database itself refuses to change or delete a line. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "store/db.h"

struct audit_head {
    uint64_t seq; /* of the last entry; 0: none */
    uint8_t hash[DIGEST_SIZE];
};

struct audit_row {
    uint64_t seq;
    uint8_t hash[DIGEST_SIZE];
    struct span line; /* borrowed until the next db_ call */
};

enum err store_audit_head(struct db *db, int64_t tenant, struct audit_head *out) MUST_USE;

/* Append the line whose seq is head.seq + 1, and make it the head. */
enum err store_audit_append(struct db *db, int64_t tenant, const struct audit_row *row) MUST_USE;

/* One entry: the first with seq > `after` (ascending) or the last with seq < `before`. *found
 * false at the end. */
enum err store_audit_next(struct db *db, int64_t tenant, uint64_t after, struct audit_row *out,
                          bool *found) MUST_USE;
enum err store_audit_previous(struct db *db, int64_t tenant, uint64_t before, struct audit_row *out,
                              bool *found) MUST_USE;
