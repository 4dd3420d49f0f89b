/* The inside of trust/repository.h: where its files are and how they move. */
#pragma once

#include "trust/envelope.h"
#include "trust/repository.h"

#define REPOSITORY_STAGED "staged"
#define REPOSITORY_BLOBS  "blobs"

/* What is staged, its form checked. ERR_NOT_FOUND: nothing. */
enum err repository_read_staged(const char *dir, enum tuf_role role, struct tuf_metadata **out,
                                struct why *why) MUST_USE;

/* The envelope a change goes into: a copy of what is staged, or of what is current with the next
 * version; without signatures either way, and with the new expiry. */
enum err repository_begin_change(const char *dir, enum tuf_role role, struct utc expires,
                                 json_t **out, struct why *why) MUST_USE;

/* Stage the envelope; takes it, whatever comes of it. */
enum err repository_stage(const char *dir, enum tuf_role role, json_t *envelope,
                          struct why *why) MUST_USE;
