/* The audit log: what was done or refused, by whom, in an order nobody can change unnoticed.
 *
 * Each entry has one canonical text (JSON, fixed order of members) and a hash over the hash
 * before it:
 *
 *     hash[0] = 32 zero bytes        hash[n] = SHA-256(hash[n-1] || canonical text of entry n)
 *
 * An export is lines of text, one entry each, and a signed last line:
 *
 *     {"entry":{"seq":1,"at":"...",...},"hash":"<64 hex>"}
 *     {"entry":{"seq":2,...},"hash":"..."}
 *     {"head":{"seq":2,"hash":"...","signature":"<hex>","key":"<hex>"}}
 *
 * The verifier needs nothing but the lines and a way to check the head's signature. It finds
 * altered, dropped, swapped, repeated and inserted entries, and says at which line; a cut tail
 * shows because the signed head is then missing or names another sequence number. What it cannot
 * find is a whole log rewritten by somebody who also holds the audit key.
 *
 * Source of the construction: Haber and Stornetta, "How to time-stamp a digital document" (1991),
 * linear linking.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/time.h"
#include "base/why.h"

#define AUDIT_TEXT_MAX  400u  /* bytes of an entry's detail; longer is cut by the caller */
#define AUDIT_ENTRY_MAX 4096u /* bytes of the canonical text, escapes included */
#define AUDIT_LINE_MAX  (AUDIT_ENTRY_MAX + 128u)

/* Borrowed texts; they may hold any bytes and are escaped. */
struct audit_entry {
    uint64_t seq; /* from 1, no gaps */
    struct utc at;
    struct span tenant;
    struct span actor;  /* "token:alice", "device:gw-7", "server" */
    struct span action; /* "rollout.start", "device.enroll" */
    struct span object; /* "rollout:7", "device:gw-7"; may be empty */
    bool refused;       /* an attempt that was not allowed, or failed */
    struct span detail; /* a sentence; may be empty */
};

/* The canonical text. Bytes that are not UTF-8 are written as U+FFFD, so that it is always valid
 * JSON. Overflow of `out` is the caller's to check. */
void audit_entry_print(const struct audit_entry *entry, struct buf *out);

/* hash = SHA-256(previous || canonical); `hash` may be `previous`. */
void audit_chain(const uint8_t previous[DIGEST_SIZE], struct span canonical,
                 uint8_t hash[DIGEST_SIZE]);

/* One line of an export, without the line feed. */
void audit_line_print(struct span canonical, const uint8_t hash[DIGEST_SIZE], struct buf *out);

/* What the audit key signs: names the purpose, the last sequence number and its hash. */
void audit_head_signed_text(uint64_t seq, const uint8_t hash[DIGEST_SIZE], struct buf *out);

/* The last line, without the line feed; `signature` and `key` are raw bytes. */
void audit_head_print(uint64_t seq, const uint8_t hash[DIGEST_SIZE], struct span signature,
                      struct span key, struct buf *out);

/* Checks `signature` over `text` by the audit key; raw bytes. The caller decides whether it
 * trusts `key`. */
typedef bool audit_signature_check(void *self, struct span text, struct span signature,
                                   struct span key);

struct audit_verifier {
    uint64_t line;             /* lines seen */
    uint64_t seq;              /* of the last good entry */
    uint8_t hash[DIGEST_SIZE]; /* after it */
    bool headed;               /* the head has been seen and is good */
    audit_signature_check *check;
    void *self;
};

struct audit_verifier audit_verifier_init(audit_signature_check *check, void *self);

/* Feed one line without its line feed. ERR_CORRUPT for anything but the next entry or the head
 * that fits, ERR_UNTRUSTED for a bad signature; `why` says which line and entry. The verifier
 * does not move on after a failure. */
enum err audit_verify_line(struct audit_verifier *verifier, struct span line,
                           struct why *why) MUST_USE;

/* After the last line: ERR_CORRUPT when the head is missing (a cut tail). */
enum err audit_verify_end(const struct audit_verifier *verifier, struct why *why) MUST_USE;
