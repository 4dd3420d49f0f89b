/* Publishing: signed root and targets come in, releases come out.
 *
 * Nothing is believed that is not signed as the root demands: see trust/metadata.h. Bytes are
 * kept as received. Online roles (snapshot, timestamp) are made here too. */
#pragma once

#include "app/app.h"
#include "store/metadata.h"
#include "store/release.h"
#include "trust/tuf_bytes.h"

/* The next root, or the first. On success also renews snapshot and timestamp when targets
 * exist. *version is its version. ERR_UNTRUSTED, ERR_CONFLICT (not the next version; the same
 * bytes again are no error), ERR_CORRUPT. */
enum err publish_root(struct app *app, int64_t tenant, const char *actor, struct span bytes,
                      struct utc now, uint32_t *version, struct why *why) MUST_USE;

struct published {
    uint32_t targets_version;
    uint32_t added, confirmed, withdrawn; /* releases */
    int64_t ids[64];                      /* of the first added ones */
};

/* New targets: verified against the newest root; every image and chunk list must be in the blob
 * store with the right length, and the list must be the one the facts name and match the image's
 * cut. ERR_NOT_FOUND with the digest in `why` when a blob is missing. The same bytes again are no
 * error. */
enum err publish_targets(struct app *app, int64_t tenant, const char *actor, struct span bytes,
                         struct utc now, struct published *out, struct why *why) MUST_USE;

/* A list of a role that targets delegate to. One that the present targets do not vouch for waits
 * for targets that do (at most one a role; not yet checked further), and becomes current with them;
 * targets that delegate to a role without a good list are refused (ERR_CONFLICT). The same bytes
 * again are no error. Otherwise as for targets. ERR_INVALID: no such name for a role. */
struct delegated_upload {
    const char *role;
    struct span bytes;
};
struct delegated {
    uint64_t version;
    bool waits;
    struct published published;
};
enum err publish_delegated(struct app *app, int64_t tenant, const char *actor,
                           const struct delegated_upload *upload, struct utc now,
                           struct delegated *out, struct why *why) MUST_USE;

/* The newest list of a role as `targets` vouch for it, which the caller closes; NULL: none. */
struct tuf_metadata;
enum err publish_delegated_newest(struct app *app, int64_t tenant,
                                  const struct tuf_metadata *targets, const char *role,
                                  struct tuf_metadata **out) MUST_USE;

/* The newest bytes of a role, which the caller frees; none is no error. */
enum err publish_newest(struct app *app, int64_t tenant, enum metadata_role role,
                        struct tuf_bytes *out) MUST_USE;

/* Make new snapshot and timestamp when due (see trust/online.h). Called by the tick and by the
 * two above. Nothing to do without keys, root or targets. */
enum err publish_online(struct app *app, int64_t tenant, struct utc now, struct why *why) MUST_USE;

/* Put all current metadata on the shelf. */
enum err publish_shelf(struct app *app, int64_t tenant) MUST_USE;
