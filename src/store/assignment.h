/* Assignments as rows: struct assignment of fleet/assignment.h and whose it is. */
#pragma once

#include "base/limits.h"
#include "fleet/assignment.h"
#include "store/artifact.h"
#include "store/db.h"

struct assignment_row {
    int64_t tenant, id, device, rollout, release;
    uint8_t target[DIGEST_SIZE]; /* plain digest that shall run in the end */
    bool previous_known;
    uint8_t previous[DIGEST_SIZE]; /* what ran when it was admitted */
    struct assignment assignment;
    struct utc look; /* the tick must look at it then; 0: never */
    uint32_t percent;
    char ran[ARTIFACT_NAME_SIZE_MAX + 1]; /* what it said it ran when admitted; "": nothing */
    char detail[DETAIL_SIZE_MAX + 1];
    char reason[NAME_SIZE_MAX + 1]; /* of the last report: which rule of the device said no */
    int64_t sequence;    /* of its mandate, see store_device_next_sequence(); 0: none yet */
    int64_t report_last; /* id of the newest report about it */
};

/* Insert with row->id as reserved by db_new_ids(..., "assignment", ...). */
enum err store_assignment_add(struct db *db, const struct assignment_row *row) MUST_USE;

/* All but the keys. */
enum err store_assignment_save(struct db *db, const struct assignment_row *row) MUST_USE;

/* ERR_NOT_FOUND. In both, assignment.heard_at is at least the device's last contact. */
enum err store_assignment_get(struct db *db, int64_t tenant, int64_t device, int64_t id,
                              struct assignment_row *out) MUST_USE;
enum err store_assignment_of(struct db *db, int64_t tenant, int64_t device, int64_t rollout,
                             struct assignment_row *out) MUST_USE;

/* Of one device, newest first, ids below `before` (0: all). */
enum err store_assignment_history(struct db *db, int64_t tenant, int64_t device, int64_t before,
                                  uint32_t max, struct assignment_row *out,
                                  uint32_t *count) MUST_USE;

/* The one by which the device switched banks last; ERR_NOT_FOUND. */
enum err store_assignment_last_flip(struct db *db, int64_t tenant, int64_t device,
                                    struct assignment_row *out) MUST_USE;

/* Which assignments of a rollout to walk. */
enum assignment_filter {
    ASSIGNMENTS_ALL,
    ASSIGNMENTS_WAITING, /* standing WAITING */
    ASSIGNMENTS_AWAY,    /* whereabouts AWAY */
};

/* In order of id, behind `after`. */
enum err store_assignment_list(struct db *db, int64_t tenant, int64_t rollout,
                               enum assignment_filter filter, int64_t after, uint32_t max,
                               struct assignment_row *out, uint32_t *count) MUST_USE;

/* Of a rollout in one state, in order of id, behind `after`. */
enum err store_assignment_in_state(struct db *db, int64_t tenant, int64_t rollout,
                                   enum assignment_state state, int64_t after, uint32_t max,
                                   struct assignment_row *out, uint32_t *count) MUST_USE;

/* Devices of a rollout that are away and whose security floor bars what they ran before; names of
 * the first ones. */
enum err store_assignment_barred(struct db *db, int64_t tenant, int64_t rollout, uint32_t max,
                                 char (*names)[NAME_SIZE_MAX + 1], uint32_t *count) MUST_USE;

struct assignment_key {
    int64_t tenant, device, id;
};

/* Those whose `look` has come, of all tenants, earliest first. */
enum err store_assignment_due(struct db *db, struct utc now, uint32_t max,
                              struct assignment_key *out, uint32_t *count) MUST_USE;

/* Devices of a rollout per state. */
enum err store_assignment_count(struct db *db, int64_t tenant, int64_t rollout,
                                uint32_t counts[ASSIGNMENT_STATE_COUNT]) MUST_USE;

/* Devices of a rollout per proof: those that have succeeded, and, of PROOF_CLAIM, those on trial.
 */
enum err store_assignment_proofs(struct db *db, int64_t tenant, int64_t rollout,
                                 uint32_t counts[PROOF_COUNT]) MUST_USE;

/* Its device is deleted: where it stood stays counted, as a number. */
enum err store_assignment_depart(struct db *db, const struct assignment_row *row) MUST_USE;
