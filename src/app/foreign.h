/* Stories of devices that speak somebody else's protocol. Adapters (wire/, server/) translate;
 * what is offered, granted and believed is decided here, by the same engine as for our own agent.
 *
 * A success that is only reported is a *claim*: see docs/design/foreign.md and fleet/assignment.h.
 * It is proven when the device comes back after it, or when the soak of its stage has passed.
 *
 * Each story is one transaction under the discipline of app/app.h. Every one but registration
 * begins with foreign_enter(). Rows in answers live in `struct foreign_call`.
 *
 * Ids: an offer is known to the device by a number below 2^31 that names the assignment and
 * whether it is the way there or the way back; adapters pass it on and never take it apart. */
#pragma once

#include "app/device.h"
#include "store/artifact.h"
#include "store/foreign.h"

#define FOREIGN_ASSIGNMENT_MAX    ((INT64_C(1) << 30) - 1) /* ids above are not offered any more */
#define FOREIGN_SECRET_SIZE       33u /* bytes of a token with NUL: 32 characters, as hawkBit has */
#define FOREIGN_VERSION_ATTRIBUTE "version" /* by which a hawkBit client shows what it runs */
#define FOREIGN_HASH_SLICE        (8u << 20) /* bytes of a file that one turn reads for its digests */
#define FOREIGN_MESSAGES_MAX      50u        /* in one report */

struct foreign_call {
    struct device_call
        call; /* device, actor, now; assignment, rollout, release of the last story */
    struct foreign_row foreign;
    struct foreign_credential_row credential; /* id 0: a gateway or a proxy has vouched for it */
    bool fresh;                               /* the device was registered by this call */
};

/* The number a device knows an assignment by, which management APIs show, too; and back. */
uint32_t foreign_id(const struct assignment_row *row, bool back);
int64_t foreign_id_assignment(uint32_t id, bool *back);

/* ---- the door ---- */

enum foreign_proof {
    FOREIGN_BY_TOKEN,   /* `secret` is the device's own token */
    FOREIGN_BY_GATEWAY, /* `secret` is a gateway token; unknown devices in its scope are let in */
    FOREIGN_BY_PROXY,   /* the adapter believes a trusted proxy; unknown devices are let in */
    FOREIGN_BY_SESSION, /* the adapter has checked a session that names credential `id` */
};

struct foreign_credential {
    enum protocol protocol;
    struct span tenant; /* as the path or session names it, in any case; "": default */
    struct span device; /* as the protocol names it; not used by FOREIGN_BY_SESSION */
    enum foreign_proof proof;
    struct span secret;
    int64_t id;
    const char *address; /* for the audit; NULL: unknown */
};

/* ERR_UNTRUSTED: no such device or a wrong secret (never says which); ERR_DENIED: the device is
 * pending, rejected or revoked, or outside the gateway's selector. Audited; the adapter limits
 * guesses by server/attempts.h. */
enum err foreign_enter(struct app *app, const struct foreign_credential *credential, struct utc now,
                       struct foreign_call *call, struct why *why) MUST_USE;

/* A new device, ACTIVE or PENDING, with a foreign row and no credential yet. */
struct foreign_order {
    int64_t tenant;
    enum protocol protocol;
    const char *name;               /* "": made from `external` */
    struct span external;           /* "": as `name` */
    const char *product, *hardware; /* said by an operator; "": the device will tell */
    enum device_status status;
    const char *actor;
};
/* ERR_CONFLICT: the name is taken; ERR_AGAIN: PENDING_DEVICES_MAX wait; ERR_INVALID. */
enum err foreign_register(struct app *app, const struct foreign_order *order, struct utc now,
                          struct foreign_call *call, struct why *why) MUST_USE;

/* A new target token for a hawkBit device; the one before is worth nothing from now on. The text is
 * shown once. `chosen`: bring an existing one (16..128 characters); empty: draw one. */
enum err foreign_token(struct app *app, int64_t tenant, struct span device, struct span chosen,
                       const char *actor, struct utc now, char secret[FOREIGN_SECRET_SIZE],
                       struct why *why) MUST_USE;

/* Gateway tokens. `row` names tenant, protocol, name, selector, created_by. */
enum err foreign_gateway_add(struct app *app, struct foreign_gateway_row *row, struct span chosen,
                             const char *actor, struct utc now, char secret[FOREIGN_SECRET_SIZE],
                             struct why *why) MUST_USE;
enum err foreign_gateway_remove(struct app *app, int64_t tenant, int64_t id, const char *actor,
                                struct utc now, struct why *why) MUST_USE;

/* Accept or reject one key of a device (Mender's auth sets). Accepting one makes the device ACTIVE
 * and rejects the one that was accepted before; rejecting the accepted one rejects the device. */
enum err foreign_key_judge(struct app *app, int64_t tenant, int64_t credential, bool accept,
                           const char *actor, struct utc now, struct why *why) MUST_USE;

/* ---- a poll ---- */

enum foreign_action {
    FOREIGN_NOTHING,
    FOREIGN_INSTALL,
    FOREIGN_CANCEL, /* drop `id` */
};

struct foreign_offer {
    enum foreign_action action;
    uint32_t id;
    /* INSTALL: those of one format that fit its hardware; the first is the one that counts. */
    struct artifact_row artifacts[ARTIFACTS_MAX];
    uint32_t artifact_count;
    struct utc deadline;   /* of the rollout; 0: none */
    bool open;             /* of foreign_deployment(): the device may still report about it */
    bool leave;            /* it has leave to install already */
    uint32_t installed;    /* id of the last one it has proven; 0: none */
    bool wants_attributes; /* ask for its attributes */
    uint32_t next_poll_s;
};

/* It has come back. `runs`: the version or artifact name that the device says it runs; empty when
 * its poll does not say. Applies what that proves, then decides. INSTALL is only answered while the
 * rollout moves, nothing holds the device and its maintenance window is open. */
enum err foreign_poll(struct app *app, struct foreign_call *call, struct span runs,
                      struct foreign_offer *out, struct why *why) MUST_USE;

/* One deployment by its id, begun or not, over or not. `begins`: the device fetches it in order to
 * install it (DOWNLOADING). ERR_NOT_FOUND: not this device's, or taken back. */
enum err foreign_deployment(struct app *app, struct foreign_call *call, uint32_t id, bool begins,
                            struct foreign_offer *out, struct why *why) MUST_USE;

/* ---- artifacts ---- */

/* Whether the device may read the file now: it is offered to it, or it has it in hand or installed.
 * `file` names it; empty: the first one. ERR_NOT_FOUND. */
enum err foreign_artifact(struct app *app, struct foreign_call *call, uint32_t id, struct span file,
                          struct artifact_row *out, struct why *why) MUST_USE;

/* SHA-1 and MD5, from the store or computed now: a large file takes several turns. ERR_AGAIN with
 * app->unfinished: the engine tells the story again. */
enum err foreign_digests(struct app *app, const struct artifact_row *artifact,
                         struct blob_digests *out, struct why *why) MUST_USE;

/* What is half computed, when the app is closed. */
void foreign_hashing_forget(struct app *app);

/* The last byte is about to leave: protocols that do not ask flip from here on. Call before the
 * answer that has it. ERR_DENIED: the engine gives no leave now, so do not send it. */
enum err foreign_leave(struct app *app, struct foreign_call *call, uint32_t id,
                       struct why *why) MUST_USE;

/* ---- reports ---- */

enum foreign_phase {
    FOREIGN_NOTE,        /* words and no more */
    FOREIGN_DOWNLOADING, /* begun, or goes on */
    FOREIGN_INSTALLING,  /* Mender: asks for leave, and again before it commits */
    FOREIGN_REBOOTING,   /* switches now */
    FOREIGN_CLAIMED,     /* says that it has succeeded */
    FOREIGN_FAILED,      /* says that it has failed and runs what it ran before */
    FOREIGN_DROPPED,     /* canceled as told */
    FOREIGN_KEEPS,       /* would not cancel */
};

struct foreign_report {
    uint32_t id;
    enum foreign_phase phase;
    uint32_t percent;
    int32_t code;                /* 0: none */
    const char *words;           /* in the protocol's terms: "closed/failure" */
    const struct span *messages; /* kept word for word, at most FOREIGN_MESSAGES_MAX */
    uint32_t message_count;
};

enum foreign_verdict {
    FOREIGN_NOTED,
    FOREIGN_PROCEED, /* to INSTALLING: leave is given */
    FOREIGN_DROP,    /* recalled, or no leave now: Mender's 409 */
    FOREIGN_OVER,    /* it was over before: hawkBit's 410. Nothing has changed */
    FOREIGN_FLOODED, /* FOREIGN_WORDS_MAX are kept: hawkBit's 429 */
};

/* ERR_NOT_FOUND: not this device's. Durable once the transaction is. */
enum err foreign_report(struct app *app, struct foreign_call *call,
                        const struct foreign_report *report, enum foreign_verdict *out,
                        struct why *why) MUST_USE;

enum foreign_mode {
    FOREIGN_MERGE, /* an attribute without `value.at` is removed */
    FOREIGN_REPLACE,
    FOREIGN_REMOVE
};

struct foreign_attribute {
    struct span name, value;
};

/* What an operator has said of product and hardware stays until the device says otherwise.
 * ERR_TOO_BIG: past ATTRIBUTES_MAX; ERR_INVALID: a name or value too long. */
enum err foreign_attributes(struct app *app, struct foreign_call *call, enum foreign_mode mode,
                            const struct foreign_attribute *list, uint32_t count,
                            struct why *why) MUST_USE;

/* A log about a deployment; 0: about none. */
enum err foreign_log(struct app *app, struct foreign_call *call, uint32_t id, struct span text,
                     struct why *why) MUST_USE;

/* ---- releases that came in through a compatible management API ---- */

struct foreign_release {
    int64_t tenant;
    enum protocol protocol; /* whose devices may have it, and nobody else's */
    const char *product, *version;
    struct artifact_row *artifacts; /* format, file, part, name, hardware, length, sha256 */
    uint32_t artifact_count;
    const char *actor;
};

/* Blobs must be there. ERR_CONFLICT: the version exists. Audited as not signed by anybody. */
enum err foreign_release_add(struct app *app, const struct foreign_release *release, struct utc now,
                             struct release_row *out, struct why *why) MUST_USE;

/* ERR_CONFLICT: it is signed, or a rollout is about it. */
enum err foreign_release_remove(struct app *app, int64_t tenant, int64_t id, const char *actor,
                                struct utc now, struct why *why) MUST_USE;
