/* What devices do: enrol, renew, poll, report, tell, fetch. One function per story; messages
 * are those of format/native.h, whatever protocol the device speaks.
 *
 * Every story but enrolment begins with device_enter(), which says whether this certificate may
 * speak for this device at all. Spans in answers borrow from `struct device_call` and live as
 * long as it does. */
#pragma once

#include "app/app.h"
#include "format/native.h"
#include "store/assignment.h"
#include "store/release.h"
#include "store/rollout.h"

/* Who is calling, and room for what the answer borrows. */
struct device_call {
    struct utc now;
    struct device_row device;
    char actor[ACTOR_SIZE_MAX]; /* "device:NAME" */
    struct assignment_row assignment;
    struct rollout_row rollout;
    struct release_row release;
    struct issued_certificate certificate;
    uint8_t mandate[NATIVE_SIGNED_SIZE_MAX];
};

struct device_credential {
    struct span tenant, device; /* as the certificate names them */
    const uint8_t *fingerprint; /* DIGEST_SIZE bytes */
    bool expired;               /* only renewal may follow */
    const char *address;        /* for the audit; NULL: unknown */
};

/* ERR_UNTRUSTED: no such device or certificate; ERR_DENIED: revoked or rejected, or expired and
 * `renewing` is false. Refusals are audited. Fills call->device. */
enum err device_enter(struct app *app, const struct device_credential *credential, bool renewing,
                      struct utc now, struct device_call *call, struct why *why) MUST_USE;

/* Let a device in, or make it wait for an operator (*pending). `credential` has no fingerprint;
 * its tenant "" means "default". ERR_DENIED, ERR_CONFLICT (the name has another key),
 * ERR_CORRUPT, ERR_AGAIN (too many wait). Fills call->certificate unless pending. */
enum err device_enroll(struct app *app, const struct device_credential *credential,
                       const struct native_enroll *enroll, struct utc now, struct device_call *call,
                       bool *pending, struct why *why) MUST_USE;

/* A new certificate for a device that has one, expired or not. Fills call->certificate. */
enum err device_renew(struct app *app, struct device_call *call, const struct native_renew *renew,
                      struct why *why) MUST_USE;

enum err device_poll(struct app *app, struct device_call *call, const struct native_poll *poll,
                     struct native_answer *out) MUST_USE;

/* ERR_NOT_FOUND for an assignment that is not this device's. */
enum err device_details(struct app *app, struct device_call *call, uint64_t assignment,
                        struct native_details *out) MUST_USE;

/* Durable once the transaction is. The same report id gets the same verdict again and counts
 * once. ERR_NOT_FOUND: the assignment is not this device's. */
enum err device_report(struct app *app, struct device_call *call,
                       const struct native_report *report, struct native_verdict *out,
                       struct why *why) MUST_USE;

/* `digest` is of the inventory message as sent: the first bytes of its SHA-256. */
enum err device_inventory(struct app *app, struct device_call *call,
                          const struct native_inventory *inventory,
                          const uint8_t digest[INVENTORY_DIGEST_SIZE], struct why *why) MUST_USE;

/* ERR_TOO_BIG above LOG_UPLOAD_SIZE_MAX; ERR_NOT_FOUND for a foreign assignment (0: none). */
enum err device_log(struct app *app, struct device_call *call, uint64_t assignment,
                    struct span text, struct why *why) MUST_USE;

/* Whether this device may read the blob: it belongs to a release that is not withdrawn or that
 * the device has in hand, or is another file that the newest lists name (call->release is not
 * filled then). ERR_NOT_FOUND otherwise. */
enum err device_may_read(struct app *app, struct device_call *call,
                         const uint8_t sha256[DIGEST_SIZE]) MUST_USE;

/* ---- What an operator does to a device's standing (called by the management stories) ---- */

/* From pending; ERR_INVALID in any other state. */
enum err device_accept(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why) MUST_USE;
enum err device_reject(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why) MUST_USE;

/* Its certificates are worth nothing from now on; what it has not flipped is recalled. */
enum err device_revoke(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why) MUST_USE;

/* Ask for its log at its next poll. */
enum err device_request_log(struct app *app, int64_t tenant, struct span name, const char *actor,
                            struct utc now, struct why *why) MUST_USE;
enum err device_delete(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why) MUST_USE;
