/* The server's share of a TUF repository: the snapshot and the timestamp, which say what is
 * current and for how long. Made and renewed with the two online keys; root, targets and delegated
 * lists are passed through as their signers made them.
 *
 * A version is the unix time in seconds at which it is made, or one more than the last if that is
 * higher. So a server that is restored from a backup, and has forgotten what it published since,
 * still publishes nothing that devices would call a rollback. The last one counts only while the
 * root names the key that signed it: new keys begin at the time again, which is how versions that
 * ran ahead (a clock years ahead, a stolen key) are recovered from.
 *
 * Pure but for the signing: bytes in, bytes out, the clock is an argument. */
#pragma once

#include "base/time.h"
#include "base/why.h"
#include "crypto/key.h"
#include "trust/metadata.h"
#include "trust/tuf_bytes.h"

#define ONLINE_SNAPSHOT_LIFETIME_MS  (INT64_C(30) * 24 * 3600 * 1000)
#define ONLINE_TIMESTAMP_LIFETIME_MS (INT64_C(7) * 24 * 3600 * 1000)

/* A role that targets delegate to, or did once: what a snapshot has listed it lists for ever. */
struct online_role_file {
    const char *role;
    struct span bytes; /* the newest list of its signers */
};

struct online_state {
    struct span root;    /* current */
    struct span targets; /* current, signed as the root demands */
    const struct online_role_file *roles;
    size_t role_count;
    struct span snapshot;  /* the last one made; empty: none yet */
    struct span timestamp; /* likewise */
};

struct online_keys {
    const struct key *snapshot;
    const struct key *timestamp;
};

struct online_terms {
    int64_t snapshot_lifetime_ms;  /* 0: the default */
    int64_t timestamp_lifetime_ms; /* 0: the default */
};

struct online_made {
    bool snapshot_changed, timestamp_changed;     /* whether the bytes below are there */
    uint64_t snapshot_version, timestamp_version; /* current ones, changed or not */
    struct utc due; /* when to call again at the latest: half of the shorter life is then over */
    struct tuf_bytes snapshot, timestamp;
};

/* Make what is due: a snapshot when root, targets or a delegated list make the last one wrong or
 * half of its life is over, a timestamp likewise. Nothing due is no error. Store both, snapshot
 * first, before serving either. ERR_UNTRUSTED: the root does not name these keys, or did not
 * sanction these targets; ERR_CONFLICT: a list would go back; ERR_CORRUPT. */
enum err online_make(const struct online_state *state, const struct online_keys *keys,
                     const struct online_terms *terms, struct utc now, struct online_made *out,
                     struct why *why) MUST_USE;
void online_made_done(struct online_made *made);

/* Whether `root` names this key for the role, TUF_SNAPSHOT or TUF_TIMESTAMP. */
bool online_is_named(const struct tuf_metadata *root, enum tuf_role role, const struct key *key);
