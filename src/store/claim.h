/* Ways into the fleet: claim tokens and pre-authorised keys. Tokens are stored as SHA-256. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "store/db.h"

#define CLAIM_NOTE_SIZE_MAX 200u

struct claim_row {
    int64_t tenant, id;
    uint8_t token_sha256[DIGEST_SIZE];
    char device_name[NAME_SIZE_MAX + 1]; /* only for this name, then also with a new key; "" any */
    char note[CLAIM_NOTE_SIZE_MAX + 1];
    char created_by[NAME_SIZE_MAX + 1];
    struct utc created, expires, used; /* used 0: not yet */
    char used_by[NAME_SIZE_MAX + 1];   /* device name */
};

/* Sets row->id. */
enum err store_claim_add(struct db *db, struct claim_row *row) MUST_USE;

/* ERR_NOT_FOUND. Used and expired ones are found too. */
enum err store_claim_find(struct db *db, int64_t tenant, const uint8_t token_sha256[DIGEST_SIZE],
                          struct claim_row *out) MUST_USE;

/* Which tenant has made the claim; ERR_NOT_FOUND: none has. */
enum err store_claim_tenant(struct db *db, const uint8_t token_sha256[DIGEST_SIZE],
                            int64_t *tenant) MUST_USE;

/* ERR_CONFLICT when it was used already. */
enum err store_claim_use(struct db *db, int64_t tenant, int64_t id, struct span device_name,
                         struct utc at) MUST_USE;

/* Newest first, ids below `before` (0: all). */
enum err store_claim_list(struct db *db, int64_t tenant, int64_t before, uint32_t max,
                          struct claim_row *out, uint32_t *count) MUST_USE;
enum err store_claim_remove(struct db *db, int64_t tenant, int64_t id) MUST_USE;

struct preauthorized_row {
    int64_t tenant;
    char name[NAME_SIZE_MAX + 1];
    uint8_t key_sha256[DIGEST_SIZE];
    char created_by[NAME_SIZE_MAX + 1];
    struct utc created;
};

/* Adds, or replaces the key of the same name. */
enum err store_preauthorized_set(struct db *db, const struct preauthorized_row *row) MUST_USE;
enum err store_preauthorized_find(struct db *db, int64_t tenant, struct span name,
                                  struct preauthorized_row *out) MUST_USE;
enum err store_preauthorized_remove(struct db *db, int64_t tenant, struct span name) MUST_USE;
