/* The messages of Slipway's own device protocol, as structs and as bytes.
 *
 * Each message is one CBOR map with small integer keys (codec/cbor.h says how strict); the keys,
 * types and limits are the tables in native.c, the annotated bytes are in docs/spec/native.md.
 * Unknown keys are skipped, so either side may be newer. A field that is empty, zero or not
 * `known` and that the message can do without is simply not sent.
 *
 * Spans in decoded messages borrow from the bytes they were decoded from. Decoding returns
 * ERR_CORRUPT for anything malformed and ERR_TOO_BIG past a limit, and then leaves `out` alone.
 * Encoding returns ERR_TOO_BIG when it does not fit and ERR_INVALID when a field breaks a limit
 * that the decoder on the other side would refuse. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

#define NATIVE_MIME                 "application/cbor"
#define NATIVE_INVENTORY_SIZE       8u /* bytes: the first of SHA-256 over the inventory message */
#define NATIVE_DER_SIZE_MAX         4096u /* bytes of one certificate or signing request */
#define NATIVE_SEALING_KEY_SIZE_MAX 66u   /* bytes: kind and public key, crypto/wrap.h */
#define NATIVE_NONCE_SIZE           16u   /* bytes: fresh for every poll */
#define NATIVE_SIGNED_SIZE_MAX      1024u /* bytes of a signed assignment, see format/mandate.h */

/* Known or not; when it is, all 32 bytes count. */
struct native_digest {
    bool known;
    uint8_t at[DIGEST_SIZE];
};

struct native_attribute {
    struct span name;  /* at most NAME_SIZE_MAX, not empty */
    struct span value; /* at most ATTRIBUTE_SIZE_MAX, may be empty */
};

/* Encoded in canonical key order: shorter names first, then bytewise; the caller's order does
 * not matter, duplicates are ERR_INVALID. */
struct native_attributes {
    struct native_attribute list[ATTRIBUTES_MAX];
    uint32_t count;
};

/* How far an agent is with its assignment. Sent on the wire: only ever append. */
enum native_phase {
    PHASE_DOWNLOADING,
    PHASE_STAGED,    /* bank read back and verified; asks leave to flip */
    PHASE_SWITCHING, /* about to reset into the new bank */
    PHASE_TRIAL,     /* running the new image on probation */
    PHASE_SUCCEEDED, /* booted, measured, healthy, confirmed: final */
    PHASE_FAILED,    /* gave up before the flip: final */
    PHASE_REVERTED,  /* the trial fell back: final */
    PHASE_REFUSED,   /* unsuitable, untrusted, no space; nothing was erased: final */
    PHASE_RECALLED,  /* obeyed a cancel before the flip: final */
    PHASE_COUNT
};

/* Word for people and logs ("downloading"); never NULL. */
const char *native_phase_name(enum native_phase phase);

/* Whether nothing more will come for the assignment. */
bool native_phase_final(enum native_phase phase);

enum native_answer_kind {
    NATIVE_NOTHING,  /* go on with what you have in hand, if anything */
    NATIVE_INSTALL,  /* `target` for `assignment` */
    NATIVE_CANCEL,   /* drop `assignment` unless it has flipped */
    NATIVE_ROLLBACK, /* boot the other bank if it holds `sha256`; no download */
    NATIVE_ANSWER_COUNT
};

enum native_verdict_kind {
    NATIVE_NOTED,
    NATIVE_PROCEED, /* leave to flip, now; given only to PHASE_STAGED */
    NATIVE_HOLD,    /* ask again in retry_s */
    NATIVE_DROP,    /* cancel: drop it and report PHASE_RECALLED */
    NATIVE_VERDICT_COUNT
};

#define NATIVE_WANT_INVENTORY 1u /* flags of an answer */
#define NATIVE_WANT_LOG       2u
#define NATIVE_WANT_RENEWAL   4u
#define NATIVE_WANT_ALL       7u

struct native_enroll {
    struct span name;  /* device name */
    struct span claim; /* token text; empty = none */
    struct span csr;   /* PKCS#10, DER */
    struct native_attributes attributes;
    struct span sealing_key; /* for content keys of sealed images; empty = it takes none */
};

struct native_enrolled {
    struct span certificate; /* X.509, DER */
    struct span ca;          /* X.509, DER */
    uint32_t poll_s;
};

struct native_pending {
    uint32_t retry_s; /* an operator has to accept the device first */
};

struct native_renew {
    struct span csr;         /* PKCS#10, DER */
    struct span sealing_key; /* the one to use from now on; empty = as before */
};

struct native_poll {
    struct native_digest running; /* what the device measured of its running bank */
    struct span version;          /* of the running image, for people */
    uint32_t boot_count;
    uint32_t agent_state; /* enum agent_state; for people, nothing is decided on it */
    bool inventory_known;
    uint8_t inventory[NATIVE_INVENTORY_SIZE];
    uint64_t assignment;        /* in hand; 0 = none */
    struct native_digest other; /* whole verified image in the other bank */
    bool nonce_known;
    uint8_t nonce[NATIVE_NONCE_SIZE]; /* comes back in the signed assignment */
};

struct native_answer {
    enum native_answer_kind kind;
    uint32_t next_poll_s;
    uint64_t assignment;
    struct span target; /* TUF target name */
    uint32_t flags;     /* NATIVE_WANT_* */
    uint64_t server_s;  /* unix time of the server; advice only, never trusted */
    uint32_t not_before_s;
    struct native_digest sha256;   /* of the target */
    struct span signed_assignment; /* NATIVE_INSTALL and NATIVE_ROLLBACK: who chose this */
};

struct native_details {
    uint64_t assignment;
    struct span target, version, rollout;
    uint32_t attempt, retry_limit;
    uint64_t deadline_s; /* unix time; 0 = none */
    struct native_digest sha256;
    uint64_t length; /* bytes */
};

struct native_report {
    uint64_t id; /* unique per device and epoch, and growing; the same id is the same report */
    uint64_t assignment;
    enum native_phase phase;
    struct span err; /* err_name(); empty = ok */
    struct native_digest running;
    struct span detail; /* a sentence for people */
    uint32_t percent;
    uint32_t boot_count;
    struct span reason; /* why it said no, see agent/accept.h: "floor"; empty = none */
    uint32_t epoch;     /* drawn at random when the device's record was made: ids start afresh */
};

struct native_verdict {
    enum native_verdict_kind kind;
    uint32_t retry_s;
};

struct native_inventory {
    struct native_attributes attributes;
};

struct native_error {
    struct span err;    /* err_name() */
    struct span detail; /* a sentence for people */
};

enum err native_enroll_encode(const struct native_enroll *in, struct buf *out) MUST_USE;
enum err native_enroll_decode(struct span in, struct native_enroll *out) MUST_USE;
enum err native_enrolled_encode(const struct native_enrolled *in, struct buf *out) MUST_USE;
enum err native_enrolled_decode(struct span in, struct native_enrolled *out) MUST_USE;
enum err native_pending_encode(const struct native_pending *in, struct buf *out) MUST_USE;
enum err native_pending_decode(struct span in, struct native_pending *out) MUST_USE;
enum err native_renew_encode(const struct native_renew *in, struct buf *out) MUST_USE;
enum err native_renew_decode(struct span in, struct native_renew *out) MUST_USE;
enum err native_poll_encode(const struct native_poll *in, struct buf *out) MUST_USE;
enum err native_poll_decode(struct span in, struct native_poll *out) MUST_USE;
enum err native_answer_encode(const struct native_answer *in, struct buf *out) MUST_USE;
enum err native_answer_decode(struct span in, struct native_answer *out) MUST_USE;
enum err native_details_encode(const struct native_details *in, struct buf *out) MUST_USE;
enum err native_details_decode(struct span in, struct native_details *out) MUST_USE;
enum err native_report_encode(const struct native_report *in, struct buf *out) MUST_USE;
enum err native_report_decode(struct span in, struct native_report *out) MUST_USE;
enum err native_verdict_encode(const struct native_verdict *in, struct buf *out) MUST_USE;
enum err native_verdict_decode(struct span in, struct native_verdict *out) MUST_USE;
enum err native_inventory_encode(const struct native_inventory *in, struct buf *out) MUST_USE;
enum err native_inventory_decode(struct span in, struct native_inventory *out) MUST_USE;
enum err native_error_encode(const struct native_error *in, struct buf *out) MUST_USE;
enum err native_error_decode(struct span in, struct native_error *out) MUST_USE;
