/* The server's share of a TUF repository: the snapshot and the timestamp, which say what is
 * current and for how long. Made and renewed with the two online keys; root and targets are
 * passed through as their signers made them.
 *
 * Pure but for the signing: bytes in, bytes out, the clock is an argument. */
#pragma once

#include "base/time.h"
#include "base/why.h"
#include "crypto/key.h"
#include "trust/tuf_bytes.h"

#define ONLINE_SNAPSHOT_LIFETIME_MS  (INT64_C(30) * 24 * 3600 * 1000)
#define ONLINE_TIMESTAMP_LIFETIME_MS (INT64_C(7) * 24 * 3600 * 1000)

struct online_state {
    struct span root;      /* current */
    struct span targets;   /* current, signed as the root demands */
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

/* Make what is due: a snapshot when root or targets make the last one wrong or half of its life
 * is over, a timestamp likewise. Nothing due is no error. Store both, snapshot first, before
 * serving either. ERR_UNTRUSTED: the root does not name these keys, or did not sanction these
 * targets; ERR_CORRUPT. */
enum err online_make(const struct online_state *state, const struct online_keys *keys,
                     const struct online_terms *terms, struct utc now, struct online_made *out,
                     struct why *why) MUST_USE;
void online_made_done(struct online_made *made);
