/* API tokens and the replies remembered for idempotency keys. Secrets are stored as SHA-256. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "store/db.h"

struct token_row {
    int64_t tenant, id;
    char name[NAME_SIZE_MAX + 1];
    uint32_t role; /* enum access_role of fleet/access.h */
    uint8_t token_sha256[DIGEST_SIZE];
    char created_by[NAME_SIZE_MAX + 1];
    struct utc created, expires, revoked; /* 0: never */
};

/* ERR_NOT_FOUND. */
enum err store_tenant_find(struct db *db, struct span name, int64_t *id) MUST_USE;
enum err store_tenant_name(struct db *db, int64_t id, char out[NAME_SIZE_MAX + 1]) MUST_USE;

/* Ids behind `after`, in order. */
enum err store_tenant_list(struct db *db, int64_t after, uint32_t max, int64_t *out,
                           uint32_t *count) MUST_USE;

/* Sets row->id. */
enum err store_token_add(struct db *db, struct token_row *row) MUST_USE;

/* By the hash of the secret, whatever tenant; ERR_NOT_FOUND. Expired and revoked ones too. */
enum err store_token_find(struct db *db, const uint8_t token_sha256[DIGEST_SIZE],
                          struct token_row *out) MUST_USE;
enum err store_token_get(struct db *db, int64_t tenant, int64_t id, struct token_row *out) MUST_USE;

/* Those that are not revoked, ids above `after`. */
enum err store_token_list(struct db *db, int64_t tenant, int64_t after, uint32_t max,
                          struct token_row *out, uint32_t *count) MUST_USE;

/* Of all tenants, neither revoked nor expired at `now`; the ones behind `after` (zeros: from the
 * start), of which only tenant and id count. */
enum err store_token_in_force(struct db *db, const struct token_row *after, struct utc now,
                              uint32_t max, struct token_row *out, uint32_t *count) MUST_USE;
enum err store_token_revoke(struct db *db, int64_t tenant, int64_t id, struct utc at) MUST_USE;

struct idempotency_row {
    int64_t tenant, token;
    const char *key; /* borrowed; at most NAME_SIZE_MAX bytes */
    uint8_t request_sha256[DIGEST_SIZE];
    uint16_t status;
    const char *content_type;
    struct span body; /* borrowed */
};

/* *found false: first time. On found, `out` borrows until the next db_ call. */
enum err store_idempotency_find(struct db *db, int64_t tenant, int64_t token, const char *key,
                                struct idempotency_row *out, bool *found) MUST_USE;
enum err store_idempotency_add(struct db *db, const struct idempotency_row *row,
                               struct utc at) MUST_USE;
enum err store_idempotency_prune(struct db *db, struct utc before) MUST_USE;
