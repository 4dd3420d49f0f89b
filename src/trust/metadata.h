/* One file of TUF metadata: read, checked for form, asked for what it says, verified.
 *
 * A struct tuf_metadata is immutable and keeps the bytes exactly as received, because those
 * bytes are what is stored and passed on. Reading one checks its form only. It becomes trusted
 * by tuf_verify() against somebody who is trusted already.
 *
 * Unknown fields are kept and count for signatures and key ids; they have no other meaning.
 *
 * Source: TUF 1.0.34, chapters 4 and 5. */
#pragma once

#include <jansson.h>

#include "base/time.h"
#include "base/why.h"
#include "crypto/digest.h"
#include "format/release.h"
#include "trust/artifact_json.h"
#include "trust/tuf_bytes.h"

enum tuf_role {
    TUF_ROOT,
    TUF_TIMESTAMP,
    TUF_SNAPSHOT,
    TUF_TARGETS,
    TUF_ROLE_COUNT
};

/* Most bytes of each role's file, unless metadata that is trusted already says less. The
 * numbers are python-tuf's, so that a repository which serves its clients serves ours. */
#define TUF_ROOT_SIZE_MAX        512000u
#define TUF_TIMESTAMP_SIZE_MAX   16384u
#define TUF_SNAPSHOT_SIZE_MAX    2000000u
#define TUF_TARGETS_SIZE_MAX     METADATA_SIZE_MAX
#define TUF_STORED_NAME_SIZE_MAX 255u /* bytes of a name in a folder: what Linux allows */
#define TUF_FILE_NAME_SIZE       280u /* bytes of "VERSION.ROLE.json" with NUL, any role's */

struct tuf_metadata;

/* "root", "timestamp", "snapshot", "targets". */
const char *tuf_role_name(enum tuf_role role);
size_t tuf_role_size_max(enum tuf_role role);

/* "ROLE.json", or "VERSION.ROLE.json" when `version` is not 0. */
void tuf_file_name(enum tuf_role role, uint64_t version, char out[TUF_FILE_NAME_SIZE]);

/* Read and check the form; copies `bytes`. ERR_CORRUPT: not metadata of that role, or of
 * another major version of the specification; ERR_TOO_BIG: more than tuf_role_size_max(). */
enum err tuf_metadata_read(enum tuf_role role, struct span bytes, struct tuf_metadata **out,
                           struct why *why) MUST_USE;
void tuf_metadata_close(struct tuf_metadata *metadata); /* NULL-safe */

enum tuf_role tuf_metadata_role(const struct tuf_metadata *metadata);
uint64_t tuf_metadata_version(const struct tuf_metadata *metadata);
struct utc tuf_metadata_expires(const struct tuf_metadata *metadata);
bool tuf_metadata_expired(const struct tuf_metadata *metadata, struct utc now);
struct span tuf_metadata_bytes(const struct tuf_metadata *metadata); /* as received */

/* The parsed `signed` part and `signatures`; borrowed, not to be changed. */
const json_t *tuf_metadata_signed(const struct tuf_metadata *metadata);
const json_t *tuf_metadata_signatures(const struct tuf_metadata *metadata);

/* ---- Who may sign what ---- */

/* What a delegator says of a role: its keys and how many of them must sign. The delegator is a
 * root, or targets that delegate (trust/delegation.h). Borrowed from the delegator. */
struct tuf_authority {
    const json_t *keys;   /* object: key id -> key */
    const json_t *keyids; /* array of the key ids of the role */
    uint32_t threshold;   /* different keys that must sign */
};

struct tuf_authority tuf_root_authority(const struct tuf_metadata *root, enum tuf_role role);

/* How many different keys of the authority have validly signed. */
uint32_t tuf_signature_count(const struct tuf_authority *authority,
                             const struct tuf_metadata *metadata);

/* ERR_UNTRUSTED: fewer good signatures than the threshold. */
enum err tuf_verify(const struct tuf_authority *authority, const struct tuf_metadata *metadata,
                    struct why *why) MUST_USE;

/* As tuf_verify(), with the authority that `root` gives to the role of `metadata`. */
enum err tuf_verify_by_root(const struct tuf_metadata *root, const struct tuf_metadata *metadata,
                            struct why *why) MUST_USE;

/* The step from one root to the next: signed as both demand, version exactly one more.
 * Expiry is the caller's business. ERR_UNTRUSTED; ERR_CONFLICT: another version. */
enum err tuf_verify_next_root(const struct tuf_metadata *old, const struct tuf_metadata *next,
                              struct why *why) MUST_USE;

/* Whether the root demands N.snapshot.json and N.targets.json instead of unversioned names. */
bool tuf_consistent_snapshot(const struct tuf_metadata *root);

/* ---- What timestamp and snapshot say of other files ---- */

struct tuf_file {
    uint64_t version;
    bool has_length;
    uint64_t length; /* bytes */
    bool has_sha256, has_sha512;
    bool has_hashes;  /* any at all, of kinds unknown to us too */
    bool unmatchable; /* a hash of a known kind is none of that kind: no bytes have it */
    uint8_t sha256[DIGEST_SIZE];
    uint8_t sha512[SHA512_SIZE];
};

/* What a timestamp says of "snapshot.json", or a snapshot of "targets.json" or of a delegated
 * "ROLE.json" (the role's name as it is, not quoted). False: nothing. */
bool tuf_listed_file(const struct tuf_metadata *metadata, const char *name,
                     struct tuf_file *out) MUST_USE;

/* What targets say of a target, facts aside. False: they do not list it themselves. */
bool tuf_target_file(const struct tuf_metadata *targets, const char *name,
                     struct tuf_file *out) MUST_USE;

/* Length and every hash of a known kind; hashes of unknown kinds only are refused.
 * ERR_CORRUPT: differs. */
enum err tuf_check_bytes(const struct tuf_file *file, struct span bytes, struct why *why) MUST_USE;

/* No file the old snapshot lists is missing from the new one or older in it (chapter 5.5.5).
 * ERR_CONFLICT: it is. */
enum err tuf_check_snapshot_rollback(const struct tuf_metadata *old, const struct tuf_metadata *now,
                                     struct why *why) MUST_USE;

/* ---- What targets say ---- */

struct tuf_target {
    char name[TARGET_NAME_SIZE_MAX + 1];
    struct tuf_file file; /* version is 0 */
    bool has_facts;       /* false for a chunk list and other plain files */
    struct release_facts facts;
    bool has_artifact; /* a file in the format of another client; never with facts */
    struct artifact_facts artifact;
};

/* ERR_NOT_FOUND: no such target; ERR_CORRUPT, ERR_TOO_BIG: its facts are bad. */
enum err tuf_find_target(const struct tuf_metadata *targets, const char *name,
                         struct tuf_target *out, struct why *why) MUST_USE;

/* Call `each` for every target in the order of their names; stops at the first failure, its own
 * (bad facts, a name too long) or that of `each`, and returns it. */
typedef enum err tuf_each_target(void *self, const struct tuf_target *target, struct why *why);
enum err tuf_for_each_target(const struct tuf_metadata *targets, tuf_each_target *each, void *self,
                             struct why *why) MUST_USE;

/* ---- What somebody who keeps a repository online accepts from its signers ---- */

/* The next root after `old` (NULL: the first one, which must be signed as it demands itself),
 * not expired. */
enum err tuf_accept_root(const struct tuf_metadata *old, struct span bytes, struct utc now,
                         struct tuf_metadata **out, struct why *why) MUST_USE;

/* Targets signed as `root` demands, not expired, newer than `old` (NULL: none yet), whose facts
 * are all well-formed and whose images all have their chunk lists beside them.
 * ERR_CONFLICT: not newer. */
enum err tuf_accept_targets(const struct tuf_metadata *root, const struct tuf_metadata *old,
                            struct span bytes, struct utc now, struct tuf_metadata **out,
                            struct why *why) MUST_USE;

/* The list of a role that `delegator`, trusted targets, delegate to: as for targets, and every
 * target is one that the delegation covers. ERR_NOT_FOUND: no delegation to it; ERR_UNSUITABLE:
 * it delegates further, which this keeper does not serve. */
enum err tuf_accept_delegated(const struct tuf_metadata *delegator, const char *role,
                              const struct tuf_metadata *old, struct span bytes, struct utc now,
                              struct tuf_metadata **out, struct why *why) MUST_USE;
