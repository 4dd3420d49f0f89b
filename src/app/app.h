/* The stories: what the server does, each one transaction with its audit entry.
 *
 * `struct app` holds what every story needs. It belongs to the engine thread; nothing here is
 * safe to call from another one. Time comes with every call. A story runs inside a savepoint of
 * the caller's transaction (app_begin, app_savepoint): when it returns anything but ERR_OK the
 * caller undoes it (app_undo), and then lets app_refused() write what must be remembered all the
 * same. Memory that others read (presence, shelf) changes in app_settled(), after the commit, so
 * that it never knows more than the disk.
 *
 *     begin { savepoint, story, release | undo + refused } ... tick ... commit, settled(true)
 *                                                                    | rollback, settled(false)
 *
 * Device-side stories are in app/device.h, the course of rollouts in app/course.h, publishing
 * in app/publish.h. */
#pragma once

#include "base/bucket.h"
#include "base/limits.h"
#include "base/prng.h"
#include "base/time.h"
#include "base/why.h"
#include "fleet/audit.h"
#include "fleet/refusal.h"
#include "store/blobs.h"
#include "store/db.h"
#include "store/device.h"
#include "store/rollout.h"

struct key;     /* crypto/key.h */
struct policy;  /* trust/policy.h */
struct survey;  /* app/survey.h */
struct hashing; /* app/foreign_release.c */
struct judge;   /* app/judge.h */
struct pace;    /* app/pace.h */

/* What the fronts are told of a device, to answer its quiet polls without the engine. */
struct device_presence {
    enum device_status status;
    uint8_t fingerprint[DIGEST_SIZE]; /* of the newest certificate; zeros: none */
    uint8_t running[DIGEST_SIZE], other[DIGEST_SIZE];
    uint8_t inventory[INVENTORY_DIGEST_SIZE];
    uint32_t boot_count;
    bool has_work; /* its next poll must reach the engine */
    struct utc last_seen;
};

struct presence_ops {
    void *self;
    void (*put)(void *self, const char *tenant, const char *device,
                const struct device_presence *facts);
    void (*remove)(void *self, const char *tenant, const char *device);
};

#define TOPIC_AUDIT "audit" /* the log's own: "events" leaves it out */

/* Tell live listeners; `json` is one line. The receiver holds it back until the commit and drops
 * it when the savepoint is undone. Topics: "events", "rollout/7", and TOPIC_AUDIT. */
struct publish_ops {
    void *self;
    void (*publish)(void *self, const char *tenant, const char *topic, const char *event,
                    struct span json);
};

/* Hand out a TUF metadata file from now on. */
struct shelf_ops {
    void *self;
    void (*put)(void *self, const char *tenant, const char *name, struct span bytes);
};

#define CERTIFICATE_SIZE_MAX 4096u /* bytes of DER */

struct issued_certificate {
    uint8_t fingerprint[DIGEST_SIZE];
    struct utc not_after;
    uint8_t der[CERTIFICATE_SIZE_MAX];
    size_t der_size;
};

/* The private CA. */
struct issuer_ops {
    void *self;

    /* Check the request's own signature and name its key. ERR_CORRUPT, ERR_UNTRUSTED. */
    enum err (*read)(void *self, struct span csr, uint8_t key_sha256[DIGEST_SIZE], struct why *why);

    /* Certify the key for this device. Names inside the request are ignored. */
    enum err (*issue)(void *self, struct span csr, const char *tenant, const char *device,
                      struct utc now, struct issued_certificate *out, struct why *why);

    /* The CA's own certificate, DER; lives as long as the issuer. */
    struct span (*ca)(void *self);
};

/* Keys that the server signs with itself, by what they sign. */
enum online_key {
    ONLINE_SNAPSHOT,
    ONLINE_TIMESTAMP,
    ONLINE_ASSIGNMENT,
    ONLINE_KEY_COUNT
};

#define ONLINE_KEYS_MAX 16u /* newer ones of a kind: a change a year, and some by mistake */

/* Keys that were made after the first one, by age. */
struct online_ring {
    const struct key *at[ONLINE_KEYS_MAX];
    uint32_t count;
};

struct online_ops {
    void *self;

    /* Make key number `number` (2 for the first newer one), durably; it lives as long as the app.
     */
    enum err (*make)(void *self, enum online_key kind, uint32_t number, const struct key **out,
                     struct why *why);
};

/* Any `ops` whose functions are NULL is simply not told. Everything is borrowed. */
struct app_config {
    struct db *db; /* open and migrated */
    struct blobs *blobs;
    struct issuer_ops issuer;
    struct presence_ops presence;
    struct publish_ops publish;
    struct shelf_ops shelf;
    const struct key *snapshot_key, *timestamp_key; /* NULL: metadata is not renewed */
    struct online_ring newer[ONLINE_KEY_COUNT];     /* see app/online_key.h */
    struct online_ops keys;
    const struct key *assignment_key; /* Ed25519, signs orders to devices; NULL: they go unsigned */
    const uint8_t *content_storage_key; /* 32 bytes: content keys are kept under it; NULL: none */
    uint32_t poll_interval_s;           /* 0: POLL_INTERVAL_DEFAULT_S */
    uint32_t poll_jitter_percent;
    int64_t history_ms; /* reports older than this are retired; 0: HISTORY_DEFAULT_MS */
    uint64_t seed;      /* for jitter */
};

#define POLL_INTERVAL_DEFAULT_S  60u
#define ENROLL_RETRY_S           60u                               /* a pending device asks again */
#define PENDING_DEVICES_MAX      10000u                            /* unknown devices at the door */
#define HISTORY_DEFAULT_MS       (INT64_C(400) * 24 * 3600 * 1000) /* a year and a bit */
#define ORPHAN_BLOB_KEPT_MS      (INT64_C(24) * 3600 * 1000)       /* an upload may take a day */
#define IDEMPOTENCY_KEPT_MS      (INT64_C(24) * 3600 * 1000)
#define CERTIFICATE_FORGOTTEN_MS (INT64_C(400) * 24 * 3600 * 1000) /* after its end */
#define CERTIFICATES_KEPT        8u                                /* of a device */
#define CERTIFICATES_PER_HOUR    6u /* a device that asks for more is told to wait */
#define CERTIFICATE_RETRY_S      3600u
#define GAP_FACTOR               3 /* absent longer than this many poll intervals is a gap */

#define ACTOR_SIZE_MAX 96u /* bytes of "token:alice" or "device:gw-7" with NUL */

/* What the audit is told of a deed. Texts are copied. */
struct deed {
    int64_t tenant;
    const char *actor;  /* "token:alice", "device:gw-7", "server" */
    const char *action; /* "rollout.start" */
    const char *object; /* "rollout:7"; NULL: none */
    const char *detail; /* a sentence; NULL: none */
    bool refused;
    bool stranger; /* of a refusal: whoever tried has proved nothing */
};

/* A device whose presence may have changed; the rest is read just before the commit. */
struct app_dirty {
    int64_t tenant, device;
    bool found;
    char tenant_name[NAME_SIZE_MAX + 1], name[NAME_SIZE_MAX + 1];
    struct device_presence facts;
};

/* Refusals by devices, by enum refusal. */
struct app_refusals {
    uint64_t count[REFUSAL_COUNT];
};

/* Answers of judges that went into a journal, by enum risk_answer. */
struct app_judged {
    uint64_t count[7]; /* RISK_ANSWER_COUNT */
};

/* Remembered by a story that fails, written by app_refused(). */
struct app_refusal {
    bool set, stranger;
    int64_t tenant;
    struct utc at;
    char actor[ACTOR_SIZE_MAX];
    char action[48];
    char object[ACTOR_SIZE_MAX];
    char detail[AUDIT_TEXT_MAX];
};

/* What is kept in memory of each tenant; losing it costs a look at the database. */
struct app_tenant {
    int64_t id;
    bool shelf_stale;          /* its metadata has changed and is not handed out yet */
    struct utc online_due;     /* snapshot and timestamp are looked at again then */
    struct why online_trouble; /* why they could not be renewed; "" they could */
    struct policy *policy;     /* what its signers state beyond releases, see app/rules.h */
    bool policy_stale;         /* and that is to be read again */
    struct why policy_trouble; /* why it could not be read; "" it could */
    struct utc expiring_due;   /* what runs out is told again then, see app/expiring.h */
};

struct app {
    struct app_config config;
    struct db *db; /* config.db */
    struct prng prng;
    struct app_refusal refusal;
    /* Refusals that leave an entry each; the rest is counted and told in the next one, so that a
     * flood fills neither disk nor log, and one of strangers hides nobody else's. */
    struct bucket strangers, known;
    struct pace *proofs; /* of keys by which devices ask for sessions, see app/mender.h */
    struct pace *asked;  /* of those sessions */

    /* What app_settled() will show. */
    struct app_dirty *dirty;
    size_t dirty_count, dirty_room;
    size_t dirty_mark; /* dirty_count at the savepoint */

    struct app_tenant *tenants; /* see app_tenant() */
    size_t tenants_count;

    /* Since the start: those that are durable, and of the batch, and as it was at the savepoint. */
    struct app_refusals refusals, refusals_new, refusals_mark;
    struct app_judged judged, judged_new, judged_mark;

    struct judge *judges[16]; /* JUDGES_MAX, see app/judge.h */
    uint64_t judge_uses;

    /* Long walks over the fleet go on in slices, see app/survey.h. */
    struct survey *surveys[16]; /* SURVEYS_MAX */
    uint32_t walk_left;         /* devices that this transaction may still read */
    struct hashing *hashing;    /* a file whose older digests are being computed; NULL: none */
    bool unfinished;            /* the story needs another turn */
    bool more;                  /* the tick has more to do at once */

    /* The tick's own memory; losing it costs a scan. */
    struct utc ticked; /* at the last tick */
    struct utc retire_due, recount_due, renewals_due;
    struct utc scan_due;        /* the fleet is not walked again before, see app_may_scan() */
    uint64_t walked;            /* devices the last one looked at */
    struct rollout_key scanned; /* for whom it was; those behind it come first next time */
    uint32_t open_rollouts;
};

/* Fills presence and shelf from the database. `app` is the caller's memory and must not move. */
enum err app_open(struct app *app, const struct app_config *config, struct why *why) MUST_USE;

/* NULL-safe; closes nothing of `config`. */
void app_close(struct app *app);

/* ---- The transaction, as struct engine_ops wants it ---- */

enum err app_begin(struct app *app, struct why *why) MUST_USE;
enum err app_commit(struct app *app, struct why *why) MUST_USE;
void app_rollback(struct app *app);
enum err app_savepoint(struct app *app) MUST_USE;
enum err app_release(struct app *app) MUST_USE;
enum err app_undo(struct app *app) MUST_USE;

/* After a story that has failed and been undone: whether it is to be told again, from the start,
 * in the next transaction. Then it has not been refused. */
bool app_wants_another_turn(struct app *app);

/* Whether another tick should follow at once. */
bool app_has_more(const struct app *app);

/* After app_undo(): the audit entry of the refusal, if the story left one and there are not too
 * many. */
enum err app_refused(struct app *app) MUST_USE;

/* After commit or rollback: bring presence and shelf up to date, or forget. */
void app_settled(struct app *app, bool committed);

/* Everything that time makes happen: rollouts, schedules, silence, TUF renewal, retirement. Call
 * about once a second, inside a transaction. */
enum err app_tick(struct app *app, struct utc now) MUST_USE;

/* The fronts' last-seen times, in batches, inside a transaction. */
enum err app_seen(struct app *app, const char *tenant, const char *device, struct utc at) MUST_USE;

/* ---- For stories ---- */

/* What is remembered of a tenant. Valid until the next call. */
struct app_tenant *app_tenant(struct app *app, int64_t id);

/* Look for tenants that are not known yet. */
enum err app_find_tenants(struct app *app) MUST_USE;
void app_forget_tenants(struct app *app);

/* Append to the audit log, in the transaction of the deed itself. */
enum err app_audit(struct app *app, struct utc now, const struct deed *deed) MUST_USE;

/* Note that an attempt was refused, for app_refused(), and return `err`. The detail is the text
 * of `why`, or the error's own sentence. Only the first note until app_refused() counts. */
enum err app_refuse(struct app *app, struct utc now, const struct deed *deed, enum err err,
                    const struct why *why);

/* Whether a walk over the whole fleet that may well be for nothing is due. Walks take about a
 * tenth of the engine's time at most; rollouts that compete for one take turns. */
bool app_may_scan(const struct app *app, struct utc now);

/* A walk has been made for this rollout. */
void app_scanned(struct app *app, const struct rollout_row *row, struct utc now);

/* A device has refused an order; counted when that is durable. */
void app_count_refusal(struct app *app, enum refusal refusal);

/* Presence of this device must be looked at after the commit. */
void app_touch(struct app *app, int64_t tenant, int64_t device);

/* The device is gone; takes it out of presence at once, which only makes its polls fail. */
void app_forget(struct app *app, int64_t tenant, const char *device);

/* Publish one line of JSON; a NULL callback is fine. */
void app_publish(struct app *app, int64_t tenant, const char *topic, const char *event,
                 const char *json);

/* Wrap a database error: `why` gets the engine's sentence. */
enum err app_db_failed(struct app *app, enum err err, struct why *why);
