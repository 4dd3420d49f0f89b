/* What a rollout that is judged by evidence keeps: how its devices were sorted, what it knew of
 * each of them, and its journal. The journal is the state: fleet/risk.h computed over it again
 * gives the engine as it was (app/judge.h). Nothing here is ever changed but the two marks of a
 * device. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "fleet/risk_journal.h"
#include "store/db.h"

/* Entries of one rollout. Past it nobody gets leave any more; what is to be learnt of devices that
 * have it is still written, some twenty entries for each. */
#define RISK_JOURNAL_MAX 1000000u
#define RISK_LABEL_MAX   200u /* bytes of a cohort's name */

/* What the engine was started with. Kept, because defaults may change and the journal must not. */
struct risk_terms {
    struct risk_rule rule;
    struct risk_kind kind; /* of every device */
};

struct risk_row {
    int64_t tenant, rollout;
    struct utc opened; /* when its devices had been sorted: second 0 of the journal */
    int64_t entries;   /* of the journal; the last one's number */
    struct risk_terms terms;
};

enum err store_risk_add(struct db *db, const struct risk_row *row) MUST_USE;

/* ERR_NOT_FOUND: its devices have not been sorted yet. */
enum err store_risk_get(struct db *db, int64_t tenant, int64_t rollout,
                        struct risk_row *out) MUST_USE;

enum risk_label_kind {
    RISK_LABEL_COHORT,
    RISK_LABEL_STRATUM,
    RISK_LABEL_SITE
};

struct risk_label_row {
    enum risk_label_kind kind;
    uint32_t number;
    char name[RISK_LABEL_MAX + 1];
    uint32_t size;                  /* devices when they were sorted */
    uint32_t due_s[EXPOSURE_RUNGS]; /* STRATUM: deadlines of devices without a history */
    uint32_t watch_s; /* STRATUM: few moments find a device away for longer; 0: not known */
};

enum err store_risk_label_add(struct db *db, int64_t tenant, int64_t rollout,
                              const struct risk_label_row *row) MUST_USE;

/* Those of a kind with a number of at least `from`, in order. */
enum err store_risk_labels(struct db *db, int64_t tenant, int64_t rollout,
                           enum risk_label_kind kind, uint32_t from, uint32_t max,
                           struct risk_label_row *out, uint32_t *count) MUST_USE;

struct risk_device_row {
    uint32_t number;         /* in the journal; from 0 */
    int64_t device;          /* it may be deleted; the number stays */
    struct risk_device risk; /* the first block; the rest is zero */
    struct utc watched;      /* as one without the release: since then; 0: not */
    int64_t answered;        /* number of the entry with the last answer to it; 0: none */
};

enum err store_risk_device_add(struct db *db, int64_t tenant, int64_t rollout,
                               const struct risk_device_row *row) MUST_USE;

/* Its two marks. */
enum err store_risk_device_save(struct db *db, int64_t tenant, int64_t rollout,
                                const struct risk_device_row *row) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_risk_device_number(struct db *db, int64_t tenant, int64_t rollout, int64_t device,
                                  uint32_t *out) MUST_USE;
enum err store_risk_devices(struct db *db, int64_t tenant, int64_t rollout, uint32_t from,
                            uint32_t max, struct risk_device_row *out, uint32_t *count) MUST_USE;

struct risk_entry_row {
    int64_t number; /* from 1, without holes */
    uint8_t bytes[RISK_ENTRY_SIZE_MAX];
    size_t size;
};

/* Append; its number is row->entries + 1, which is counted up. */
enum err store_risk_append(struct db *db, struct risk_row *row, struct span entry) MUST_USE;

/* Behind `after`, in order. */
enum err store_risk_entries(struct db *db, int64_t tenant, int64_t rollout, int64_t after,
                            uint32_t max, struct risk_entry_row *out, uint32_t *count) MUST_USE;
