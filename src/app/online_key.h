/* The server's own keys over time: those of snapshot, timestamp and assignments.
 *
 * A new key is made when somebody asks for one and is used as soon as signers name it: the root for
 * snapshot and timestamp, authority/assignment for assignments. So nothing is switched by hand, and
 * each tenant changes over when its own signers do. Old keys stay; they sign nothing that counts.
 */
#pragma once

#include "app/app.h"

struct tuf_metadata;

/* "snapshot", "timestamp", "assignment". */
const char *online_key_name(enum online_key kind);
bool online_key_parse(struct span name, enum online_key *out) MUST_USE;

/* The newest key that the root names; else the oldest. `root` NULL: nothing is named yet, and the
 * newest is the one to name. NULL: there is no key at all. */
const struct key *online_key_in_use(struct app *app, enum online_key kind,
                                    const struct tuf_metadata *root);

/* The key with which assignments are signed: the newest that the tenant's signers name, else the
 * first. NULL: there is none. */
enum err online_key_for_mandates(struct app *app, int64_t tenant, const struct key **out) MUST_USE;

/* For people: the one in use for this tenant, and a newer one that its signers do not name yet;
 * each may be NULL. */
struct online_key_pair {
    const struct key *now, *next;
};
enum err online_key_show(struct app *app, int64_t tenant, enum online_key kind,
                         struct online_key_pair *out) MUST_USE;

/* A new key for the tenant's signers to name: the one that waits for that, or a fresh one.
 * ERR_TOO_BIG: ONLINE_KEYS_MAX were made; ERR_INVALID: this server makes none. */
enum err online_key_make(struct app *app, int64_t tenant, const char *actor, enum online_key kind,
                         struct utc now, const struct key **out, struct why *why) MUST_USE;
