/* What signers state beyond releases, as targets whose `custom` is the statement:
 *
 *   authority/assignment   the server's keys that may sign assignments
 *   policy/block           images that must not be installed any more
 *   policy/grace           how long a device may act on metadata that it cannot renew
 *
 * Only top-level targets state them, or a role to which top-level targets delegate exactly the
 * one pattern "authority/x" or "policy/x" (x an asterisk): a role with a wider pattern, such as
 * one for all products, has no say here. Written by trust/repository.h.
 *
 * The device and the server read the same statements with the same code. */
#pragma once

#include "crypto/verify.h"
#include "trust/metadata.h"

#define POLICY_ASSIGNMENT "authority/assignment"
#define POLICY_BLOCK      "policy/block"
#define POLICY_GRACE      "policy/grace"

#define POLICY_AUTHORITY_PATTERN "authority/*"
#define POLICY_PATTERN           "policy/*"

/* Keys in `custom` and inside it. */
#define POLICY_AUTHORITY_KEY  "slipway-authority"
#define POLICY_KEY            "slipway-policy"
#define POLICY_KEYS_MEMBER    "assignment_keys"
#define POLICY_BLOCKED_MEMBER "blocked"
#define POLICY_STALE_MEMBER   "allow_stale_s"

#define POLICY_ASSIGNMENT_KEYS_MAX 4u   /* an old and a new one, and as many to spare */
#define POLICY_BLOCKED_MAX         256u /* digests; what was blocked for long is below the floor */
#define POLICY_STALE_MAX_S         (UINT32_C(366) * 24 * 3600)

struct policy {
    struct verify_key assignment_keys[POLICY_ASSIGNMENT_KEYS_MAX];
    uint32_t assignment_key_count;                    /* 0: nobody may sign assignments */
    uint8_t blocked[POLICY_BLOCKED_MAX][DIGEST_SIZE]; /* of plain images */
    uint32_t blocked_count;
    uint32_t allow_stale_s; /* 0: expired metadata stops updates at once */
};

/* Where the statements come from: metadata that is trusted already. */
struct policy_source {
    const struct tuf_metadata *targets; /* top-level */
    void *self;

    /* A role that `targets` delegate to, verified by that delegation; borrowed. NULL: there is
     * none. May be NULL itself when `targets` delegate nothing. */
    const struct tuf_metadata *(*role)(void *self, const char *name);
};

/* All statements; what nobody states is empty. ERR_CORRUPT, ERR_TOO_BIG: one is malformed or past
 * its limit, and then none counts. ERR_NOT_FOUND: a role that may state something is delegated to
 * but not there, so that leaving it away suppresses no block. */
enum err policy_read(const struct policy_source *source, struct policy *out,
                     struct why *why) MUST_USE;

/* Whether the image with this plain digest is blocked. */
bool policy_blocks(const struct policy *policy, const uint8_t sha256[DIGEST_SIZE]);
