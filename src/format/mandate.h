/* A mandate: what the server's assignment key signs for one device, "you, now, this image". It is
 * the signed form of an assignment (fleet/assignment.h is its life on the server).
 *
 * A mandate selects among releases; it vouches for none of them. The bytes here are the payload of
 * a COSE_Sign1 (format/cose.h) with MANDATE_AAD as its external_aad, signed by a key that the
 * release authority names in the target `authority/assignment`. The whole message takes at most
 * MANDATE_SIZE_MAX bytes. Annotated bytes: docs/spec/assignment.md.
 *
 *     COSE_Sign1( { 1: "SWA1", 2: device, 3: sequence, 4: nonce, 5: issued, 6: id, 7: action,
 *                   8: sha256, 9: target, ... } )
 *
 * Pure, and no signatures in here; whether to obey is agent/accept.h. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

#define MANDATE_AAD          "slipway assignment 1" /* external_aad, without NUL */
#define MANDATE_SIZE_MAX     1024u                  /* bytes of the signed message */
#define MANDATE_PAYLOAD_MAX  938u /* bytes of the payload: the rest is COSE_SIGN1_OVERHEAD */
#define MANDATE_NONCE_SIZE   16u
#define MANDATE_KEY_SIZE_MAX 256u                  /* bytes of a wrapped content key */
#define MANDATE_TIME_S_MAX   UINT64_C(32503680000) /* the year 3000: later is no time */

/* Sent on the wire: only ever append. */
enum mandate_action {
    MANDATE_HOLD,     /* stay as you are */
    MANDATE_INSTALL,  /* a release newer than what runs */
    MANDATE_ROLLBACK, /* an older one; the security floor holds all the same */
    MANDATE_RECOVER,  /* any, older or newer, for a device that is to be mended; floor as above */
    MANDATE_ACTION_COUNT
};

/* Spans borrow: on reading from the bytes, on writing from the caller. */
struct mandate {
    struct span device; /* name; 1 to NAME_SIZE_MAX bytes */
    uint64_t sequence;  /* grows per device and key, never 0 */
    bool nonce_known;   /* absent: made in advance, for devices behind an offline gateway */
    uint8_t nonce[MANDATE_NONCE_SIZE]; /* of the poll that this answers */
    uint64_t issued_s;                 /* unix time at the server */
    uint64_t id;                       /* the assignment, as in reports; not 0 */
    enum mandate_action action;
    uint8_t sha256[DIGEST_SIZE]; /* of the plain image */
    struct span target;          /* TUF target name; 1 to TARGET_NAME_SIZE_MAX bytes */
    uint64_t not_before_s;       /* unix time; 0 = none */
    uint64_t deadline_s;         /* unix time; 0 = none */
    struct span content_key;     /* wrapped for this device; empty = the image is not encrypted */
    uint32_t
        root_version_min;   /* of the release authority's root that a device must know; 0 = any */
    uint32_t allow_stale_s; /* how old this and the metadata may be, as far as the signed policy
                               allows it, too; 0 = not at all */
};

/* Read a payload. Strict: unknown keys, other orders and other spellings are refused, since a key
 * that is not understood here could be a condition. ERR_CORRUPT, ERR_TOO_BIG; `out` untouched. */
enum err mandate_read(struct span payload, struct mandate *out) MUST_USE;

/* Write a payload. ERR_INVALID for what a reader would refuse, ERR_TOO_BIG when it does not fit. */
enum err mandate_write(const struct mandate *mandate, struct buf *out) MUST_USE;
