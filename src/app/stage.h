/* A stage for tests of stories: a database, a blob store, a fake CA, and devices that say what
 * they are told to. Every helper is one whole transaction as the engine runs it. */
#pragma once

#include "app/course.h"
#include "app/device.h"
#include "store/db_failing.h"

#define STAGE_DEVICES_MAX 128u

/* What a front would know of a device. */
struct stage_presence {
    char tenant[NAME_SIZE_MAX + 1], name[NAME_SIZE_MAX + 1];
    struct device_presence facts;
    bool gone;
};

struct stage_device {
    char name[NAME_SIZE_MAX + 1];
    uint8_t fingerprint[DIGEST_SIZE];
    uint8_t running[DIGEST_SIZE], other[DIGEST_SIZE];
    char version[VERSION_SIZE_MAX + 1], hw[NAME_SIZE_MAX + 1];
    uint64_t report_id;
    uint32_t epoch;                    /* of its reports */
    const char *err, *reason, *detail; /* of its next ones; NULL: none */
    uint64_t assignment;               /* in hand */
    uint32_t boot_count;
    uint8_t nonce[NATIVE_NONCE_SIZE];        /* of its last poll */
    uint8_t mandate[NATIVE_SIGNED_SIZE_MAX]; /* of the last answer */
    size_t mandate_size;                     /* 0: it was not signed */
};

struct stage {
    char dir[64];
    struct db *db; /* a failing one; not armed */
    struct blobs *blobs;
    struct app app;
    struct key *assignment_key;
    int64_t tenant; /* whose devices, releases and rollouts the helpers are about */
    char tenant_name[NAME_SIZE_MAX + 1];
    struct utc now;
    uint64_t certificates; /* issued */
    struct stage_presence presence[STAGE_DEVICES_MAX];
    struct stage_presence spare; /* for who finds no room above */
    uint32_t presence_count;
    uint32_t published; /* events */
    bool turn_wanted;   /* the last story that failed wants to be told again */
    struct why why;
};

/* In memory, or in the file `dir`/test.db when `durable`. */
void stage_open(struct stage *stage, bool durable);

/* As a restart after power loss: closes without a word and opens the file again. */
void stage_restart(struct stage *stage);
void stage_close(struct stage *stage);

/* Go on as this tenant, which is made when it is new. */
void stage_tenant(struct stage *stage, const char *name);

/* 32 bytes that stand for the image of `version`. */
void stage_image(const char *version, uint8_t out[DIGEST_SIZE]);

/* Run a story: begin, savepoint, `story`, release or undo + refused, commit, settled. Returns
 * what the story returned, or ERR_STORAGE when the transaction itself failed. */
typedef enum err stage_story(struct stage *stage, void *self);
enum err stage_run(struct stage *stage, stage_story *story, void *self);

/* A claim token for `name` ("" any). */
void stage_claim(struct stage *stage, const char *token, const char *name, int64_t lifetime_ms);

/* `key` is the text that stands for a CSR with that key; `claim` may be NULL. */
enum err stage_enroll(struct stage *stage, const char *name, const char *key, const char *claim,
                      bool *pending, struct stage_device *out);

/* An enrolled device with product "box", hardware `hw`, running `version`, polled once. */
void stage_device(struct stage *stage, const char *name, const char *hw, const char *version,
                  struct stage_device *out);

/* Returns the release's id. Its security version is 1; the floors of devices are 0. */
int64_t stage_release(struct stage *stage, const char *version);

/* The device reports attributes: product "box", its hardware, and this floor. */
void stage_floor(struct stage *stage, struct stage_device *device, uint32_t floor);

/* A started rollout with one stage per share in `permille` (0 ends the list), gate: halts at more
 * than 20 % failures of at least 2; deadline 1000 s, no soak, one retry. Returns its id. */
int64_t stage_rollout(struct stage *stage, const char *name, int64_t release,
                      const uint16_t *permille);

/* One that is judged by evidence, started: a single stage without a gate, deadline 1000 s. */
int64_t stage_judged(struct stage *stage, const char *name, int64_t release,
                     const struct risk_plan *plan);

/* The same as stage_rollout(), not started. */
int64_t stage_draft(struct stage *stage, const char *name, int64_t release,
                    const uint16_t *permille);
void stage_rollout_read(struct stage *stage, int64_t id, struct rollout_row *out);
enum err stage_steer(struct stage *stage, int64_t id, enum rollout_event_kind kind);

enum err stage_tick(struct stage *stage);
enum err stage_poll(struct stage *stage, struct stage_device *device, struct native_answer *out);

/* With a fresh report id. */
enum err stage_report(struct stage *stage, struct stage_device *device, enum native_phase phase,
                      struct native_verdict *out);

/* The same report again. */
enum err stage_repeat(struct stage *stage, struct stage_device *device, enum native_phase phase,
                      struct native_verdict *out);

/* With an id of its past. */
enum err stage_late(struct stage *stage, struct stage_device *device, uint64_t id,
                    enum native_phase phase, struct native_verdict *out);

/* Flip banks and run what `version` stands for. */
void stage_boot(struct stage_device *device, const char *version);

/* A single number from the database. */
int64_t stage_number(struct stage *stage, const char *sql);

/* SHA-256 over every row of every table; `durable` stages only. */
void stage_digest(struct stage *stage, uint8_t out[DIGEST_SIZE]);

/* NULL when the fronts know nothing of it in this tenant. */
const struct device_presence *stage_seen(const struct stage *stage, const char *name);

/* Every invariant that must hold between transactions, whatever happened: tallies equal what
 * the assignments say, the audit chain is whole, what stands is attached. */
void stage_check(struct stage *stage);
