/* The TUF client: keeps a directory of trusted metadata and moves it forward as chapter 5 of the
 * specification says, in its order. Used alike by agent, server and command line.
 *
 *   root, root+1, ... -> timestamp -> snapshot -> targets -> delegated roles, as far as a search
 *   goes -> a target's length, digest, facts
 *
 * It owns DIR: root.json, timestamp.json, snapshot.json, targets.json and a file per delegated
 * role, each the bytes as they were received, each replaced atomically and only after it was
 * verified. Cutting the power at any moment leaves a directory from which the next refresh goes
 * on.
 *
 * It fetches through the caller's struct tuf_fetch, is told the time, and installs nothing. */
#pragma once

#include "trust/metadata.h"

#define TUF_ROOT_ROTATIONS_MAX 256u  /* root versions one refresh walks, as python-tuf */
#define TUF_DELEGATIONS_MAX    32u   /* delegated roles one search asks, as python-tuf */
#define TUF_ROLES_MAX          1024u /* delegated roles tuf_client_load_all() takes */

/* Where metadata comes from. `name` is "2.root.json", "timestamp.json", "7.snapshot.json", or
 * "3.ROLE.json" of a delegated role, percent-encoded: it stands for one segment of a path.
 * The answer is the whole file, at most `size_max` bytes, in `out`, which the client frees.
 * ERR_NOT_FOUND: the repository says that it has no such file. ERR_TOO_BIG: longer than
 * `size_max`; stop reading there. Any other failure ends the refresh with that failure. */
struct tuf_fetch {
    void *self;
    enum err (*get)(void *self, const char *name, size_t size_max, struct tuf_bytes *out,
                    struct why *why);
};

struct tuf_client;

/* `dir` is made if missing. `trusted_root` is what the device was provisioned with: used when
 * `dir` holds no usable root of the same or a newer version; may be empty when it does.
 * Touches no network. ERR_NOT_FOUND: no root at all; ERR_UNTRUSTED, ERR_CORRUPT: none usable. */
enum err tuf_client_open(const char *dir, struct span trusted_root, struct tuf_client **out,
                         struct why *why) MUST_USE;
void tuf_client_close(struct tuf_client *client); /* NULL-safe */

/* The whole workflow. `now` is the fixed start time of chapter 5.1: every expiry is compared
 * with it. After a failure no targets are trusted until a refresh succeeds; what was verified
 * on the way stays stored.
 * ERR_UNTRUSTED: too few signatures, or expired (see `why`); ERR_CONFLICT: older than what is
 * known (a rollback), or not the version its parent names; ERR_CORRUPT: wrong length, digest or
 * form; ERR_NOT_FOUND, ERR_TOO_BIG, ERR_LINK, ...: as the fetch said; ERR_STORAGE. */
enum err tuf_client_refresh(struct tuf_client *client, const struct tuf_fetch *fetch,
                            struct utc now, struct why *why) MUST_USE;

/* Trust what is stored without asking anybody: after a restart, to go on with an update that
 * was found good before it. Every check of a refresh but freshness: expiry is not looked at. */
enum err tuf_client_resume(struct tuf_client *client, struct why *why) MUST_USE;

/* Search the targets trusted now and the roles they delegate to, in the order of chapter 5.6.7.
 * Roles on the way are taken from DIR if they are what the snapshot names, or fetched, verified by
 * the role that delegates here, and stored; with `fetch` NULL, only what is in DIR counts. The
 * time is still that of the refresh.
 * ERR_NOT_FOUND: nobody lists the target, or a role that had to be asked is not to be had;
 * ERR_INVALID: no targets are trusted (refresh first); otherwise as a refresh. */
enum err tuf_client_target(struct tuf_client *client, const struct tuf_fetch *fetch,
                           const char *name, struct tuf_target *out, struct why *why) MUST_USE;

/* The same search for the file alone: its facts are not looked at and `name` has no limit. */
enum err tuf_client_target_file(struct tuf_client *client, const struct tuf_fetch *fetch,
                                const char *name, struct tuf_file *out, struct why *why) MUST_USE;

/* Get hold of every delegated role that the snapshot lists, as a search would. One that is
 * delegated to but not in the snapshot has not released anything yet and is left out. */
enum err tuf_client_load_all(struct tuf_client *client, const struct tuf_fetch *fetch,
                             struct why *why) MUST_USE;

/* The targets of a delegated role that are at hand, verified by the top-level targets themselves;
 * borrowed until the next search or refresh. NULL: there are none. */
const struct tuf_metadata *tuf_client_delegated(const struct tuf_client *client, const char *role);

/* When the first of the targets at hand expires, top-level or delegated. There are some: a refresh
 * and a search went through. */
struct utc tuf_client_targets_expire(const struct tuf_client *client);

/* Every target that a search finds in the roles at hand (after tuf_client_load_all(): all), once,
 * in the order of their names, as the search finds it. Stops at the first failure, bad facts
 * or that of `each`. */
enum err tuf_client_for_each_target(struct tuf_client *client, tuf_each_target *each, void *self,
                                    struct why *why) MUST_USE;

/* The trusted metadata of a role, borrowed until the next refresh; NULL when there is none. */
const struct tuf_metadata *tuf_client_metadata(const struct tuf_client *client, enum tuf_role role);
