/* The inside of struct tuf_client, for the files that implement trust/client.h:
 * client.c walks from the root to the targets, client_step.c has what the steps share,
 * client_search.c goes on into delegated roles. */
#pragma once

#include <limits.h>

#include "trust/client.h"
#include "trust/delegation.h"

/* Targets of one role, delegated or top-level, that somebody has vouched for since the last
 * refresh. Vouching is per delegator: who has not verified it with its own keys has to. */
struct client_role {
    char name[TUF_ROLE_NAME_SIZE_MAX + 1];
    struct tuf_metadata *metadata;
    const struct client_role **delegators; /* who have verified it */
    size_t delegator_count;
    uint64_t visit; /* of which search; see client_search.c */
};

struct tuf_client {
    char dir[PATH_MAX];
    struct tuf_metadata *trusted[TUF_ROLE_COUNT]; /* the root always */
    struct utc now;                               /* of the last refresh, for all that follows */
    bool resuming;                                /* expiry is not looked at */
    bool settled;               /* the last refresh or resume went through: targets may be used */
    struct client_role **roles; /* the first, once there is one, is the top-level targets */
    size_t role_count;
    uint64_t visits; /* searches so far */
};

/* One refresh or search. */
struct refresh {
    struct tuf_client *client;
    const struct tuf_fetch *fetch; /* NULL: what is stored has to do */
};

/* Where targets of a role have to come from and who answers for them. */
struct role_source {
    const char *role;
    struct tuf_authority authority;
    struct tuf_file listed; /* by the snapshot */
};

/* ---- client_step.c ---- */

/* What DIR holds of a role, well-formed but not verified. */
enum err client_read_stored(const struct tuf_client *client, enum tuf_role kind, const char *role,
                            struct tuf_metadata **out, struct why *why) MUST_USE;

/* The received bytes, so that whoever is served from DIR gets what the signers made. */
enum err client_store(const struct tuf_client *client, const char *role,
                      const struct tuf_metadata *metadata, struct why *why) MUST_USE;

/* Fetch and read; `listed`, if there is one, limits the length and is checked before anything is
 * read. */
enum err client_fetch(const struct refresh *refresh, enum tuf_role kind, const char *role,
                      uint64_t version, const struct tuf_file *listed, struct tuf_metadata **out,
                      struct why *why) MUST_USE;

/* A versioned name where the root says so (5.5.1, 5.6.1), the plain one otherwise. */
uint64_t client_version_in_name(const struct tuf_client *client, const struct tuf_file *listed);

enum err client_check_fresh(const struct tuf_client *client, const char *role,
                            const struct tuf_metadata *metadata, struct why *why) MUST_USE;
enum err client_check_version(const char *role, const struct tuf_metadata *metadata,
                              uint64_t version, struct why *why) MUST_USE;

/* Chapter 5.6 for any role of the kind targets: the stored file if it will do, else the fetched
 * one, verified and stored. */
enum err client_get_targets(const struct refresh *refresh, const struct role_source *source,
                            struct tuf_metadata **out, struct why *why) MUST_USE;

/* ---- client_search.c ---- */

void client_roles_forget(struct tuf_client *client);
