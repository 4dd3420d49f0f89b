/* What the fronts know of the API tokens in force, so that a request can be refused before its body
 * is read and without the engine.
 *
 * A sorted list of digests with roles, replaced as a whole by the engine when tokens have changed
 * and before that answer leaves: a token that somebody has been told of is always in it. It decides
 * only whether a body may come; what its bearer may do is decided by the engine, again.
 *
 * Memory: 48 bytes for each of at most TOKENS_MAX tokens of a tenant (app/account.h). */
#pragma once

#include "base/limits.h"
#include "base/span.h"
#include "base/time.h"
#include "fleet/access.h"

struct pass {
    uint8_t sha256[DIGEST_SIZE]; /* of the secret */
    struct utc expires;          /* 0: never */
    enum role role;
};

struct passes;

struct passes *passes_open(void) MUST_USE;
void passes_close(struct passes *passes); /* NULL-safe */

/* Takes over `list`, `count` passes on the heap in any order (NULL with 0). */
void passes_replace(struct passes *passes, struct pass *list, size_t count);

/* False when the secret belongs to no token in force. Any thread. */
bool passes_find(struct passes *passes, struct span secret, struct utc now, struct pass *out);

/* Whether the token with this digest is still in force. Any thread. */
bool passes_hold(struct passes *passes, const uint8_t sha256[DIGEST_SIZE], struct utc now);
