/* What the fronts must know of every device to answer a quiet poll without the engine.
 *
 * Written by the engine (through app's presence_ops), read by all fronts. It holds nothing that
 * is not in the database, except the last-seen times on their way there: the fronts note them
 * here, the engine takes them in batches and writes them with its next tick.
 *
 * Memory: one record of ~130 bytes plus the name per device, found through an open-addressing
 * index; 64 shards with a mutex each. */
#pragma once

#include "base/limits.h"
#include "base/span.h"
#include "base/time.h"

enum presence_status {
    PRESENCE_ABSENT,  /* unknown here: the engine decides */
    PRESENCE_PENDING, /* enrolment waits for an operator */
    PRESENCE_ACTIVE,
    PRESENCE_REVOKED,
};

#define PRESENCE_INVENTORY_SIZE 8u /* bytes of SHA-256 that a poll carries */

struct presence_facts {
    enum presence_status status;
    uint8_t fingerprint[DIGEST_SIZE]; /* of the device's current certificate */
    uint8_t running[DIGEST_SIZE];     /* as it reported it last */
    uint8_t other[DIGEST_SIZE];       /* the other bank as reported; zeros = not reported */
    uint8_t inventory[PRESENCE_INVENTORY_SIZE];
    uint32_t boot_count;
    bool has_work;   /* something waits for it, or is asked of it: ask the engine */
    uint32_t poll_s; /* its poll interval; 0 = the server's default */
    struct utc seen; /* last contact */
};

struct presence;

struct presence *presence_open(void) MUST_USE;
void presence_close(struct presence *presence);

/* Insert or replace. ERR-free: out of memory stops the program (systemd restarts it). */
void presence_put(struct presence *presence, struct span tenant, struct span device,
                  const struct presence_facts *facts);

void presence_remove(struct presence *presence, struct span tenant, struct span device);

/* A copy of what is known; false (status PRESENCE_ABSENT) for an unknown device. */
bool presence_get(struct presence *presence, struct span tenant, struct span device,
                  struct presence_facts *out);

/* What a poll says of the device, for the comparison. */
struct presence_poll {
    const uint8_t *fingerprint; /* DIGEST_SIZE, from TLS */
    const uint8_t *running;     /* DIGEST_SIZE */
    const uint8_t *other;       /* DIGEST_SIZE, or NULL when absent */
    const uint8_t *inventory;   /* PRESENCE_INVENTORY_SIZE */
    uint32_t boot_count;
    struct utc now;
    int64_t gap_ms; /* a silence longer than this is a gap that the engine records */
};

/* True when nothing has changed and nothing waits: the device's contact is noted, *poll_s is its
 * interval (0 = default), and the front may answer "nothing". */
bool presence_quiet(struct presence *presence, struct span tenant, struct span device,
                    const struct presence_poll *poll, uint32_t *poll_s);

/* Note a contact that is not a poll. */
void presence_touch(struct presence *presence, struct span tenant, struct span device,
                    struct utc now);

struct presence_seen {
    char tenant[NAME_SIZE_MAX + 1];
    char device[NAME_SIZE_MAX + 1];
    struct utc seen;
};

/* Take up to `max` last-seen times that nobody has taken yet. Returns their number. */
size_t presence_take_seen(struct presence *presence, struct presence_seen *out, size_t max);

size_t presence_count(struct presence *presence);

/* Bytes of memory in use, for metrics and the benchmark. */
size_t presence_memory(struct presence *presence);
