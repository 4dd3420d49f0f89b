/* When API tokens were last used, and what the rules about people ask of all tokens in force. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "store/db.h"

/* 0 when it never was. */
enum err store_token_used(struct db *db, int64_t tenant, int64_t token, struct utc *out) MUST_USE;
enum err store_token_use(struct db *db, int64_t tenant, int64_t token, struct utc at) MUST_USE;

/* Tokens of at least `role` that are neither revoked nor expired at `now`. */
enum err store_token_count(struct db *db, int64_t tenant, uint32_t role, struct utc now,
                           int64_t *count) MUST_USE;

/* Whether a token of this name is in force. */
enum err store_token_name_taken(struct db *db, int64_t tenant, struct span name, struct utc now,
                                bool *taken) MUST_USE;
