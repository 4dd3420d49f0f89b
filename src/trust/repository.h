/* The signers' side: a directory in which a TUF repository is prepared offline.
 *
 *   DIR/root.json  N.root.json        the current root and every one so far
 *   DIR/targets.json  N.targets.json  likewise
 *   DIR/staged/root.json, targets.json   the next version, collecting signatures
 *   DIR/blobs/SHA256                  images and chunk lists, to be uploaded
 *
 * A change goes into the staged file, which loses the signatures it had. Signers add theirs one
 * by one, each on the machine that holds the key; with the last one needed the staged file
 * becomes current. Nothing that is current is ever changed. Snapshot and timestamp are made by
 * the server (trust/online.h); the repository holds their public keys only.
 *
 * Not for two processes at once on the same directory. */
#pragma once

#include "base/time.h"
#include "crypto/key.h"
#include "trust/metadata.h"

#define REPOSITORY_KEYS_MAX 16u /* keys of one role: more people than will ever gather */

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
    struct utc root_expires, targets_expires;
};
enum err repository_init(const char *dir, const struct repository_plan *plan,
                         struct why *why) MUST_USE;

/* One release to add. `facts.length`, `sha256` and `chunks_sha256` are computed here;
 * `chunk_size` 0 means the default. */
struct repository_release {
    bool seal; /* encrypt it by facts.sealed.alg; the content key is kept, trust/content_key.h */
    const char *image; /* path of the plain image */
    const char *file;  /* its name as a target's last part; NULL: that of `image` */
    struct release_facts facts;
    struct utc targets_expires; /* of the staged targets */
};

/* Copy the image and its chunk list into blobs/ and list both in the staged targets. `out` is
 * the image's target. ERR_CONFLICT: the name is taken by other bytes or other facts. */
enum err repository_add_release(const char *dir, const struct repository_release *release,
                                struct tuf_target *out, struct why *why) MUST_USE;

/* Take a release's targets out of the staged targets; its blobs stay. ERR_NOT_FOUND. */
enum err repository_remove_release(const char *dir, const char *product, const char *version,
                                   struct utc targets_expires, struct why *why) MUST_USE;

/* The next root with other keys or threshold for one role; stages it if nothing is staged. */
enum err repository_set_role(const char *dir, enum tuf_role role, const struct repository_role *to,
                             struct utc root_expires, struct why *why) MUST_USE;

/* Stage the next version of root or targets with nothing changed but the expiry: before it runs
 * out, or to sign targets anew after their keys changed. */
enum err repository_renew(const char *dir, enum tuf_role role, struct utc expires,
                          struct why *why) MUST_USE;

/* Add `key`'s signature to the staged root or targets; signing twice changes nothing.
 * ERR_NOT_FOUND: nothing is staged; ERR_UNTRUSTED: the key has no say in this role. */
enum err repository_sign(const char *dir, enum tuf_role role, const struct key *key,
                         struct repository_signing *out, struct why *why) MUST_USE;

/* How far the staged file is signed. ERR_NOT_FOUND: nothing is staged. */
enum err repository_staged(const char *dir, enum tuf_role role, struct repository_signing *out,
                           struct why *why) MUST_USE;

/* The current root or targets, verified. ERR_NOT_FOUND: none is complete yet; ERR_UNTRUSTED:
 * targets are signed by keys that the current root no longer names (repository_renew()). */
enum err repository_current(const char *dir, enum tuf_role role, struct tuf_metadata **out,
                            struct why *why) MUST_USE;

/* A root of the past, for servers that missed some. ERR_NOT_FOUND. */
enum err repository_root(const char *dir, uint64_t version, struct tuf_metadata **out,
                         struct why *why) MUST_USE;

/* The path of a blob: DIR/blobs/SHA256. ERR_TOO_BIG: longer than `size`. */
enum err repository_blob_path(const char *dir, const uint8_t sha256[DIGEST_SIZE], char *to,
                              size_t size, struct why *why) MUST_USE;
