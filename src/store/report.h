/* What devices said about assignments, in order, never changed. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "store/db.h"

struct report_row {
    int64_t tenant, device;
    int64_t id; /* increasing: the base of the device's epoch and its own number */
    int64_t assignment;
    uint32_t phase; /* of the native protocol */
    enum err err;
    uint32_t percent, boot_count;
    bool running_known;
    uint8_t running[DIGEST_SIZE];
    char detail[DETAIL_SIZE_MAX + 1];
    char reason[NAME_SIZE_MAX + 1]; /* which rule of the device said no: "floor" */
    struct utc received;
    uint32_t verdict, retry_s; /* what it was answered with */
};

/* ERR_CONFLICT when this device has used the id. */
enum err store_report_add(struct db *db, const struct report_row *row) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_report_find(struct db *db, int64_t tenant, int64_t device, int64_t id,
                           struct report_row *out) MUST_USE;

/* Newest first, ids below `before` (0: all). `assignment` 0: of any. */
enum err store_report_list(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                           int64_t before, uint32_t max, struct report_row *out,
                           uint32_t *count) MUST_USE;

/* Drop this device's reports that are older than `before`, and all but its newest REPORTS_MAX.
 * Its newest REPORTS_KEPT stay in any case, so that repeats are still recognised. */
#define REPORTS_KEPT 64u
#define REPORTS_MAX  4096u
enum err store_report_prune(struct db *db, int64_t tenant, int64_t device,
                            struct utc before) MUST_USE;
