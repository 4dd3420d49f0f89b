/* The signers' side: a directory in which a TUF repository is prepared offline.
 *
 *   DIR/root.json  N.root.json           the current root and every one so far
 *   DIR/targets.json  N.targets.json     likewise
 *   DIR/ROLE.json  N.ROLE.json           likewise, of each role that targets delegate to
 *   DIR/staged/root.json, targets.json, ROLE.json   the next version, collecting signatures
 *   DIR/blobs/SHA256                     images, chunk lists and statements, to be uploaded
 *
 * A change goes into the staged file, which loses the signatures it had. Signers add theirs one
 * by one, each on the machine that holds the key; with the last one needed the staged file
 * becomes current. Nothing that is current is ever changed. Snapshot and timestamp are made by
 * the server (trust/online.h); the repository holds their public keys only.
 *
 * Files are named by their role: "root", "targets", or one that targets delegate to, such as
 * "product-camera". A target goes to the first delegation that covers its name, and to the
 * top-level targets without one; what is listed somewhere already stays there.
 *
 * Not for two processes at once on the same directory. */
#pragma once

#include "base/time.h"
#include "crypto/key.h"
#include "trust/delegation.h"
#include "trust/metadata.h"

#define REPOSITORY_ROOT    "root"
#define REPOSITORY_TARGETS "targets"

#define REPOSITORY_PREPARED ".prepared" /* staged/ROLE.prepared, see trust/ceremony.h */

#define REPOSITORY_NAME_SIZE (TUF_ROLE_NAME_SIZE_MAX + 1u)
#define REPOSITORY_KEYS_MAX  16u  /* keys of one role: more people than will ever gather */
#define REPOSITORY_ROLES_MAX 256u /* delegated roles: products of one company */

/* How far a file is signed. */
struct repository_signing {
    uint64_t version;
    uint32_t have; /* valid signatures so far; of a root, by the rule that lacks most of them */
    uint32_t need;
    bool complete; /* it has become current */
};

struct repository_role {
    struct key *const *keys; /* public or private */
    uint32_t count;
    uint32_t threshold;
};

/* Make a repository: root 1 and an empty targets 1, staged. Keys that are private sign at once.
 * ERR_CONFLICT: there is a repository; ERR_INVALID: thresholds and keys make no sense. */
struct repository_plan {
    struct repository_role roles[TUF_ROLE_COUNT];
    struct repository_role assignment; /* who may sign assignments; none: said later */
    struct utc root_expires, targets_expires;
};
enum err repository_init(const char *dir, const struct repository_plan *plan,
                         struct why *why) MUST_USE;

/* ---- Roles ---- */

/* Let others list the targets that match `pattern`, for good (the delegation is terminating).
 * Stages targets and the role's first, empty file. ERR_CONFLICT: the role is there already, or
 * the pattern is another's. */
struct repository_delegation {
    const char *role;    /* letters, digits and "._-" */
    const char *pattern; /* "camera/x/y" with asterisks for x and y; see trust/path_pattern.h */
    struct repository_role keys;
    struct utc expires; /* of targets and of the role's file */
};
enum err repository_delegate(const char *dir, const struct repository_delegation *delegation,
                             struct why *why) MUST_USE;

/* Take the delegation back: what the role lists no longer counts. ERR_NOT_FOUND. */
enum err repository_undelegate(const char *dir, const char *role, struct utc targets_expires,
                               struct why *why) MUST_USE;

/* The names of the roles that the newest targets, staged or current, delegate to. */
struct repository_names {
    uint32_t count;
    char at[REPOSITORY_ROLES_MAX][REPOSITORY_NAME_SIZE];
};
enum err repository_roles(const char *dir, struct repository_names *out, struct why *why) MUST_USE;

/* Other keys or threshold for a role from its next delegator on: stages the root for the four
 * top-level roles, targets for a delegated one. ERR_NOT_FOUND: no such role. */
enum err repository_set_role(const char *dir, const char *role, const struct repository_role *to,
                             struct utc expires, struct why *why) MUST_USE;

/* The keys a role has in its newest delegator; the caller closes them. */
struct repository_keys {
    struct key *keys[REPOSITORY_KEYS_MAX];
    uint32_t count, threshold;
};
enum err repository_keys(const char *dir, const char *role, struct repository_keys *out,
                         struct why *why) MUST_USE;
void repository_keys_done(struct repository_keys *keys);

/* ---- Targets ---- */

/* A change of what is listed. Where the target belongs is found out, and told. */
struct repository_edit {
    const char *dir;
    struct utc expires;              /* of the file that is staged */
    char role[REPOSITORY_NAME_SIZE]; /* out: whose file that is */
};

/* One release to add. `facts.length`, `sha256` and `chunks_sha256` are computed here;
 * `chunk_size` 0 means the default. */
struct repository_release {
    bool seal; /* encrypt it by facts.sealed.alg; the content key is kept, trust/content_key.h */
    const char *image; /* path of the plain image */
    const char *file;  /* its name as a target's last part; NULL: that of `image` */
    struct release_facts facts;
};

/* Whether a release of this product is listed sealed, staged or current: then others should be,
 * too. */
enum err repository_seals(const char *dir, const char *product, bool *out,
                          struct why *why) MUST_USE;

/* Copy the image, sealed if that is wanted, and its chunk list into blobs/ and list both. `out` is
 * the image's target. ERR_CONFLICT: the name is taken by other bytes or other facts. */
enum err repository_add_release(struct repository_edit *edit,
                                const struct repository_release *release, struct tuf_target *out,
                                struct why *why) MUST_USE;

/* A file in the format of another client, for the same product and version as the image, or
 * instead of one. */
struct repository_artifact {
    const char *path;
    const char *file; /* its name as a target's last part; NULL: that of `path` */
    struct artifact_facts facts;
};

/* Copy it into blobs/ and list it. ERR_CONFLICT: the name is taken by something else. */
enum err repository_add_artifact(struct repository_edit *edit,
                                 const struct repository_artifact *artifact, struct tuf_target *out,
                                 struct why *why) MUST_USE;

/* Take a release's targets out of the list they are in; its blobs stay. ERR_NOT_FOUND. */
enum err repository_remove_release(struct repository_edit *edit, const char *product,
                                   const char *version, struct why *why) MUST_USE;

/* The facts of a release that is listed, staged or current. ERR_NOT_FOUND. */
enum err repository_find_release(const char *dir, const char *product, const char *version,
                                 struct release_facts *out, struct why *why) MUST_USE;

/* Statements, as in trust/policy.h. Who may sign assignments from now on; `count` 0: nobody. */
enum err repository_set_assignment(struct repository_edit *edit, const struct repository_role *to,
                                   struct why *why) MUST_USE;

/* The keys of the newest list, staged or current; none is no error. */
enum err repository_assignment(const char *dir, struct repository_keys *out,
                               struct why *why) MUST_USE;

/* Block the image with this plain digest, or let it pass again. ERR_CONFLICT: it is blocked;
 * ERR_NOT_FOUND: it is not; ERR_TOO_BIG: too many are. */
enum err repository_block(struct repository_edit *edit, const uint8_t sha256[DIGEST_SIZE],
                          bool blocked, struct why *why) MUST_USE;

/* For how long devices may act on expired metadata; 0: not at all. */
enum err repository_set_grace(struct repository_edit *edit, uint32_t allow_stale_s,
                              struct why *why) MUST_USE;

/* ---- Signing ---- */

/* Stage the next version of a file with nothing changed but the expiry: before it runs out, or to
 * sign it anew after its keys changed. */
enum err repository_renew(const char *dir, const char *role, struct utc expires,
                          struct why *why) MUST_USE;

/* Add `key`'s signature to a staged file; signing twice changes nothing. What waited for this file
 * to become current, as targets for the root, may become current with it.
 * ERR_NOT_FOUND: nothing is staged; ERR_UNTRUSTED: the key has no say in this role. */
enum err repository_sign(const char *dir, const char *role, const struct key *key,
                         struct repository_signing *out, struct why *why) MUST_USE;

/* How far the staged file is signed. ERR_NOT_FOUND: nothing is staged. */
enum err repository_staged(const char *dir, const char *role, struct repository_signing *out,
                           struct why *why) MUST_USE;

/* A current file, verified. ERR_NOT_FOUND: none is complete yet; ERR_UNTRUSTED: it is signed by
 * keys that its current delegator no longer names (repository_renew()). */
enum err repository_current(const char *dir, const char *role, struct tuf_metadata **out,
                            struct why *why) MUST_USE;

/* A root of the past, for servers that missed some. ERR_NOT_FOUND. */
enum err repository_root(const char *dir, uint64_t version, struct tuf_metadata **out,
                         struct why *why) MUST_USE;

/* The path of a blob: DIR/blobs/SHA256. ERR_TOO_BIG: longer than `size`. */
enum err repository_blob_path(const char *dir, const uint8_t sha256[DIGEST_SIZE], char *to,
                              size_t size, struct why *why) MUST_USE;
