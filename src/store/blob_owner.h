/* Which tenant has brought which blob. The bytes themselves are kept once, see store/blobs.h. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "store/db.h"

/* Again is no fault. */
enum err store_blob_owner_add(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                              struct utc at) MUST_USE;
enum err store_blob_owner_has(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                              bool *has) MUST_USE;

/* The blob is gone, for all tenants. */
enum err store_blob_owner_forget(struct db *db, const uint8_t sha256[DIGEST_SIZE]) MUST_USE;
