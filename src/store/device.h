/* Devices: identity, hot state, attributes, tags, groups, certificates, gaps and logs.
 *
 * Nothing here decides or audits; stories in app/ do. Every function that changes something
 * must run inside a transaction. Lists come in pages after a key, never with an offset. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "base/time.h"
#include "fleet/decide.h" /* enum device_status */
#include "store/db.h"

/* What a device is asked for at its next poll; the flags of the native answer follow these. */
#define DEVICE_WANTS_INVENTORY 1u
#define DEVICE_WANTS_LOG       2u
#define DEVICE_WANTS_RENEWAL   4u

#define INVENTORY_DIGEST_SIZE 8u
#define TAGS_MAX              16u  /* tags of one device */
#define GROUPS_MAX            16u  /* groups one device may be in */
#define NOTE_SIZE_MAX         200u /* bytes of an operator's note */
#define DEVICE_PAGE_MAX       64u  /* devices read at a time */

struct device_row {
    int64_t tenant, id;
    char name[NAME_SIZE_MAX + 1];
    enum device_status status;
    enum protocol protocol; /* set when it is added, for good; see store/foreign.h */
    uint8_t key_sha256[DIGEST_SIZE];
    int32_t utc_offset_min;
    bool hold;
    char note[NOTE_SIZE_MAX + 1];
    struct utc created, status_since;

    /* Copies of attributes, see store_attributes_set(); "" and 0: none */
    char product[ATTRIBUTE_SIZE_MAX + 1], hardware[ATTRIBUTE_SIZE_MAX + 1];
    uint32_t security_floor; /* UINT32_MAX: cannot be read, so it may be any */
    bool sealing_key_known;  /* it can be sent sealed images; see store_device_sealing_key() */

    /* device_state */
    bool running_known, other_known;
    uint8_t running[DIGEST_SIZE], other[DIGEST_SIZE];
    char version[VERSION_SIZE_MAX + 1];
    uint8_t inventory[INVENTORY_DIGEST_SIZE]; /* zeros: none yet */
    uint32_t boot_count, agent_state;
    struct utc last_seen; /* 0: never */
    int64_t assignment;   /* the open one, or 0 */
    uint32_t wanted;      /* DEVICE_WANTS_* */

    /* Its reports are stored as base + its own number, see docs/spec/native.md. */
    uint32_t report_epoch, report_epoch_left;
    int64_t report_base, report_last;
};

struct attribute {
    char name[NAME_SIZE_MAX + 1];
    char value[ATTRIBUTE_SIZE_MAX + 1];
};

/* Everything a selector may ask about one device. Large: keep it on the heap. */
struct device_facts {
    struct device_row row;
    struct attribute attributes[ATTRIBUTES_MAX];
    uint32_t attribute_count;
    char tags[TAGS_MAX][NAME_SIZE_MAX + 1];
    uint32_t tag_count;
    char groups[GROUPS_MAX][NAME_SIZE_MAX + 1];
    uint32_t group_count;
    bool takes_part; /* store_device_walk() only: in its rollout */
};

/* Whether it is 1..64 characters of [A-Za-z0-9._-] and does not begin with a dot. */
bool device_name_valid(struct span name) MUST_USE;

/* Insert `row` (name, status, key, created) with an empty state; sets row->id. ERR_CONFLICT
 * when the name is taken. */
enum err store_device_add(struct db *db, struct device_row *row) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_device_find(struct db *db, int64_t tenant, struct span name,
                           struct device_row *out) MUST_USE;
enum err store_device_get(struct db *db, int64_t tenant, int64_t id,
                          struct device_row *out) MUST_USE;

/* Write status, status_since, key, offset, hold, note. */
enum err store_device_save(struct db *db, const struct device_row *row) MUST_USE;

/* The device's public sealing key, as in docs/spec/sealed.md. ERR_NOT_FOUND: it has none;
 * ERR_TOO_BIG: longer than `out` takes. */
enum err store_device_set_sealing_key(struct db *db, int64_t tenant, int64_t id,
                                      struct span key) MUST_USE;
enum err store_device_sealing_key(struct db *db, int64_t tenant, int64_t id,
                                  struct buf *out) MUST_USE;

/* Write device_state whole. */
enum err store_device_save_state(struct db *db, const struct device_row *row) MUST_USE;

/* The sequence number of the next order to this device: above all it had, and at least the time,
 * so that a server which lost some of its memory does not use one twice. */
enum err store_device_next_sequence(struct db *db, int64_t tenant, int64_t device, struct utc now,
                                    int64_t *out) MUST_USE;

/* Only the time of last contact; unknown devices are no error. */
enum err store_device_seen(struct db *db, int64_t tenant, struct span name, struct utc at) MUST_USE;

/* Note which assignment the device has or shall get; detaching another one changes nothing. */
enum err store_device_attached(struct db *db, int64_t tenant, int64_t device,
                               int64_t *assignment) MUST_USE; /* 0: none */
enum err store_device_attach(struct db *db, int64_t tenant, int64_t device,
                             int64_t assignment) MUST_USE;
enum err store_device_detach(struct db *db, int64_t tenant, int64_t device,
                             int64_t assignment) MUST_USE;

/* Set and clear bits of DEVICE_WANTS_*. */
enum err store_device_want(struct db *db, int64_t tenant, int64_t device, uint32_t set,
                           uint32_t clear) MUST_USE;

struct device_key {
    int64_t tenant, device;
};

/* Active devices whose newest certificate has less than a third of its life left, and which
 * have not been asked to renew it. */
enum err store_device_expiring(struct db *db, struct utc now, uint32_t max, struct device_key *out,
                               uint32_t *count) MUST_USE;

/* Forget it with everything it has, assignments and history included. */
enum err store_device_remove(struct db *db, int64_t tenant, int64_t id) MUST_USE;

/* Devices with id > `after`, in order of id, with everything; *count 0 at the end. `max` at
 * most DEVICE_PAGE_MAX. */
enum err store_device_page(struct db *db, int64_t tenant, int64_t after, uint32_t max,
                           struct device_facts *out, uint32_t *count) MUST_USE;

#define DEVICE_WALK_NAMES_MAX 8u /* attributes a walk may name; more cost no less than all */

/* Which devices a walk sees, and what it reads of them: it may be a hundred thousand. */
struct device_walk {
    int64_t tenant;
    enum device_status status;
    int64_t rollout; /* 0: none */
    bool tags, groups;
    uint32_t attribute_count; /* past DEVICE_WALK_NAMES_MAX: all attributes */
    struct span attributes[DEVICE_WALK_NAMES_MAX];
};

/* As store_device_page(), but only devices with that status, only the attributes named, and of
 * the row only id, name, status, protocol, offset, hold, running, version, last_seen and
 * assignment. */
enum err store_device_walk(struct db *db, const struct device_walk *walk, int64_t after,
                           uint32_t max, struct device_facts *out, uint32_t *count) MUST_USE;

/* The facts of one device. */
enum err store_device_facts(struct db *db, int64_t tenant, int64_t id,
                            struct device_facts *out) MUST_USE;

/* Devices per status. */
enum err store_device_count(struct db *db, int64_t tenant,
                            int64_t counts[DEVICE_STATUS_COUNT]) MUST_USE;

/* What a device says of itself in its inventory that decides about updates. */
#define ATTRIBUTE_PRODUCT      "product"
#define ATTRIBUTE_HARDWARE     "hw"
#define ATTRIBUTE_HARDWARE_TOO "hardware" /* another word for it */
#define ATTRIBUTE_FLOOR        "security_floor"

/* Replace the attributes, and their copies in the device's row; `count` at most ATTRIBUTES_MAX. */
enum err store_attributes_set(struct db *db, int64_t tenant, int64_t device,
                              const struct attribute *attributes, uint32_t count) MUST_USE;

/* Replace the tags; `count` at most TAGS_MAX. */
enum err store_tags_set(struct db *db, int64_t tenant, int64_t device,
                        const char (*tags)[NAME_SIZE_MAX + 1], uint32_t count) MUST_USE;

/* Joining twice and leaving what one is not in are no errors. ERR_TOO_BIG past GROUPS_MAX. */
enum err store_group_join(struct db *db, int64_t tenant, int64_t device,
                          struct span group) MUST_USE;
enum err store_group_leave(struct db *db, int64_t tenant, int64_t device,
                           struct span group) MUST_USE;

struct group_row {
    char name[NAME_SIZE_MAX + 1];
    int64_t devices;
};

/* Groups with a name > `after` (""), in order. */
enum err store_group_list(struct db *db, int64_t tenant, struct span after, uint32_t max,
                          struct group_row *out, uint32_t *count) MUST_USE;

struct certificate_row {
    int64_t tenant, device;
    uint8_t fingerprint[DIGEST_SIZE];
    struct utc issued, not_after, revoked; /* revoked 0: not */
};

enum err store_certificate_add(struct db *db, const struct certificate_row *row) MUST_USE;
enum err store_certificate_find(struct db *db, int64_t tenant, int64_t device,
                                const uint8_t fingerprint[DIGEST_SIZE],
                                struct certificate_row *out) MUST_USE;

/* How many were issued after `since`. */
enum err store_certificates_issued(struct db *db, int64_t tenant, int64_t device, struct utc since,
                                   uint32_t *count) MUST_USE;

/* Drop all but the `kept` that were issued last. */
enum err store_certificates_keep(struct db *db, int64_t tenant, int64_t device,
                                 uint32_t kept) MUST_USE;

/* The one issued last; ERR_NOT_FOUND. */
enum err store_certificate_newest(struct db *db, int64_t tenant, int64_t device,
                                  struct certificate_row *out) MUST_USE;
enum err store_certificates_revoke(struct db *db, int64_t tenant, int64_t device,
                                   struct utc at) MUST_USE;

/* Drop those that expired before `before`, but never a device's newest one. */
enum err store_certificates_prune(struct db *db, struct utc before) MUST_USE;

struct gap_row {
    struct utc at;   /* back at */
    int64_t away_ms; /* duration */
};

/* Remember a return; keeps the newest GAPS_KEPT. */
#define GAPS_KEPT 99u /* the fewest that support a deadline of 1 %, see fleet/gap.h */
enum err store_gap_add(struct db *db, int64_t tenant, int64_t device, struct gap_row gap) MUST_USE;

/* Gaps before `before`, newest first. */
enum err store_gap_list(struct db *db, int64_t tenant, int64_t device, struct utc before,
                        uint32_t max, struct gap_row *out, uint32_t *count) MUST_USE;

struct log_row {
    int64_t id, assignment;
    struct utc at;
    int64_t size; /* bytes */
};

/* Keep the newest LOGS_KEPT of a device. */
#define LOGS_KEPT 16u
enum err store_log_add(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                       struct utc at, struct span text, int64_t *id) MUST_USE;

/* Newest first. */
enum err store_log_list(struct db *db, int64_t tenant, int64_t device, uint32_t max,
                        struct log_row *out, uint32_t *count) MUST_USE;

/* The text lives until the next db_ call. ERR_NOT_FOUND. */
enum err store_log_text(struct db *db, int64_t tenant, int64_t device, int64_t id,
                        struct span *out) MUST_USE;
