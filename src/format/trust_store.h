/* The compact trust store: whom a device believes that cannot walk a TUF repository.
 *
 * It names public keys and what each may sign: the next trust store (root), releases of a product,
 * assignments; with a threshold where there is more than one signer. Besides it carries what the
 * signed policy says to every device. It is the payload of a COSE_Sign (format/cose.h) with
 * TRUST_STORE_AAD as its external_aad.
 *
 *     COSE_Sign( { 1: "SWT1", 2: version, 3: root version, 4: issued, 5: expires, 6: [ keys ],
 *                  7: root, 8: [ releases ], 9: assignment, 10: grace, 11: blocked } )
 *
 *      version n in hand          offered                      in hand afterwards
 *      +-------------+   n+1, signed by the root     +----------------------------+
 *      | root keys n | ----------------------------> | n+1 if both, else n as is  |
 *      +-------------+   of n AND by its own root    +----------------------------+
 *
 * That is TUF's rule for root metadata (5.3): there is no way past a version, and none back.
 * The first one comes with the device. Pure; annotated bytes: docs/spec/trust_store.md. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "crypto/verify.h"
#include "format/cose.h"

#define TRUST_STORE_AAD      "slipway trust store 1" /* external_aad, without NUL */
#define TRUST_STORE_SIZE_MAX 3584u                   /* bytes of the signed message */
#define TRUST_KEYS_MAX       16u                     /* keys in all, one bit each in a set */
#define TRUST_PRODUCTS_MAX   4u  /* entries for releases; a device has one product */
#define TRUST_ASSIGNMENT_MAX 4u  /* keys for assignments: the old, the new, and to spare */
#define TRUST_BLOCKED_MAX    32u /* digests; what was blocked for long is below the floor */
#define TRUST_ROOM_SIZE      (TRUST_STORE_SIZE_MAX + 64u) /* bytes to check the largest one in */

#define TRUST_ANY_PRODUCT "*" /* the entry for products that have none */

/* Who may sign: at least `threshold` of the keys whose bits are set in `keys`. */
struct trust_role {
    uint32_t threshold;
    uint32_t keys;
};

struct trust_release {
    char product[NAME_SIZE_MAX + 1]; /* or TRUST_ANY_PRODUCT */
    uint32_t security_floor;         /* no release below it is to be installed */
    struct trust_role role;
};

struct trust_store {
    uint32_t version;                       /* at least 1 */
    uint32_t root_version;                  /* of the TUF root that it was made from */
    uint64_t issued_s;                      /* unix time; no device's clock is right before it */
    uint64_t expires_s;                     /* unix time; 0 = never */
    struct verify_key keys[TRUST_KEYS_MAX]; /* by ascending key id */
    uint32_t key_count;
    struct trust_role root;
    struct trust_release releases[TRUST_PRODUCTS_MAX]; /* by ascending product */
    uint32_t release_count;
    uint32_t assignment_keys; /* any one of them signs assignments; 0 = nobody may */
    uint32_t allow_stale_s;   /* what POLICY_GRACE says; 0 = nothing */
    struct span blocked;      /* digests of plain images, one after the other; borrowed */
};

/* A payload. Strict like manifest_read(), and `out` is all zero on failure as there. */
enum err trust_store_read(struct span payload, struct trust_store *out) MUST_USE;

/* ERR_INVALID for what a reader would refuse, ERR_TOO_BIG when it does not fit. */
enum err trust_store_write(const struct trust_store *store, struct buf *out) MUST_USE;

/* How to check: the port's function, and TRUST_ROOM_SIZE bytes of memory (less is enough for
 * messages that are shorter by as much; those that do not fit are ERR_UNTRUSTED). */
struct trust_check {
    const struct verify *verify;
    void *room;
    size_t room_size;
};

/* A signed store that the device holds already, or its first one: it must be signed by its own
 * root. ERR_CORRUPT, ERR_TOO_BIG: malformed; ERR_UNTRUSTED. `out` is all zero on failure and
 * borrows from `message`. */
enum err trust_store_open(struct span message, const struct trust_check *check,
                          struct trust_store *out) MUST_USE;

/* The store that follows `now`. Besides the above ERR_CONFLICT: not exactly the next version, or
 * issued earlier, or made from an older root, or with a lower floor for a product. */
enum err trust_store_follow(const struct trust_store *now, struct span message,
                            const struct trust_check *check, struct trust_store *out) MUST_USE;

/* Whether `next` may come after `now`, signatures aside. */
bool trust_store_follows(const struct trust_store *now, const struct trust_store *next);

/* Whether enough of the role's keys have signed, as the kind of message that `aad` says. */
bool trust_role_signed(const struct trust_store *store, const struct trust_role *role,
                       const struct cose_sign *message, struct span aad,
                       const struct trust_check *check) MUST_USE;

/* Who signs releases of `product`; NULL: nobody. */
const struct trust_release *trust_store_release(const struct trust_store *store,
                                                const char *product);

/* The keys that may sign assignments; returns how many there are. */
uint32_t trust_store_assignment_keys(const struct trust_store *store,
                                     struct verify_key out[TRUST_ASSIGNMENT_MAX]);

/* Whether the image with this plain digest is blocked. */
bool trust_store_blocks(const struct trust_store *store, const uint8_t sha256[DIGEST_SIZE]);
