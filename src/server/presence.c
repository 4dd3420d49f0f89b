#include "server/presence.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/entropy.h"

#define SHARDS    64u
#define NO_RECORD 0u /* index entries hold a record's number + 1 */
#define INDEX_MIN 64u

/* One device. `name` is "tenant\0device" on the heap: names are short, and most are shorter than
 * their limit by far. */
struct record {
    char *name; /* NULL: free, `next_free` counts */
    uint8_t tenant_size, device_size;
    uint8_t status;
    bool has_work;
    bool seen_new; /* in the list of times to be taken */
    uint32_t hash;
    uint32_t boot_count, poll_s;
    uint32_t next; /* of the free list, or of the seen list; number + 1 */
    int64_t seen_ms;
    uint8_t fingerprint[DIGEST_SIZE], running[DIGEST_SIZE], other[DIGEST_SIZE];
    uint8_t inventory[PRESENCE_INVENTORY_SIZE];
};

struct shard {
    pthread_mutex_t mutex;
    uint32_t *index; /* open addressing by linear probing; a power of two, at most 3/4 full */
    uint32_t index_size;
    struct record *records;
    uint32_t records_count, records_room; /* ever used, and allocated */
    uint32_t used;                        /* in use now */
    uint32_t free_first, seen_first;
    size_t names_size; /* bytes */
};

struct presence {
    uint64_t seed; /* so that nobody can choose names that collide */
    struct shard shards[SHARDS];
};

struct presence *presence_open(void)
{
    struct presence *presence = calloc(1, sizeof *presence);

    CHECK(presence);
    presence->seed = entropy_seed();
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &presence->shards[i];

        CHECK(pthread_mutex_init(&shard->mutex, NULL) == 0);
        shard->index = calloc(INDEX_MIN, sizeof *shard->index);
        CHECK(shard->index);
        shard->index_size = INDEX_MIN;
    }
    return presence;
}

void presence_close(struct presence *presence)
{
    if (!presence)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &presence->shards[i];

        for (uint32_t r = 0; r < shard->records_count; r++)
            free(shard->records[r].name);
        free(shard->records);
        free(shard->index);
        (void)pthread_mutex_destroy(&shard->mutex);
    }
    free(presence);
}

/* FNV-1a with a secret start, then the finaliser of splitmix64. */
static uint64_t hash_of(const struct presence *presence, struct span tenant, struct span device)
{
    uint64_t hash = presence->seed ^ UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < tenant.size; i++)
        hash = (hash ^ tenant.at[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ 0u) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < device.size; i++)
        hash = (hash ^ device.at[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}

/* A key, hashed, and its shard locked. */
struct lookup {
    struct shard *shard;
    struct span tenant, device;
    uint32_t hash;
};

static struct lookup enter(struct presence *presence, struct span tenant, struct span device)
{
    uint64_t hash = hash_of(presence, tenant, device);
    struct lookup lookup = {.shard = &presence->shards[hash >> 58],
                            .tenant = tenant,
                            .device = device,
                            .hash = (uint32_t)hash};

    CHECK_STATIC(SHARDS == 64);
    CHECK(pthread_mutex_lock(&lookup.shard->mutex) == 0);
    return lookup;
}

static void leave(struct shard *shard)
{
    CHECK(pthread_mutex_unlock(&shard->mutex) == 0);
}

static bool is_named(const struct record *record, const struct lookup *lookup)
{
    return record->hash == lookup->hash && record->tenant_size == lookup->tenant.size &&
           record->device_size == lookup->device.size &&
           memcmp(record->name, lookup->tenant.at, lookup->tenant.size) == 0 &&
           memcmp(record->name + record->tenant_size + 1, lookup->device.at, lookup->device.size) ==
               0;
}

/* The record, or NULL. *slot is its place in the index, or the free one where it would go. */
static struct record *find(const struct lookup *lookup, uint32_t *slot)
{
    const struct shard *shard = lookup->shard;
    uint32_t mask = shard->index_size - 1, at = lookup->hash & mask;

    for (uint32_t i = 0; i < shard->index_size; i++) {
        uint32_t number = shard->index[at];

        *slot = at;
        if (number == NO_RECORD)
            return NULL;
        if (is_named(&shard->records[number - 1], lookup))
            return &shard->records[number - 1];
        at = (at + 1) & mask;
    }
    CHECK(false); /* the index is never full */
    return NULL;
}

static void grow_index(struct shard *shard)
{
    uint32_t size = 2 * shard->index_size, mask = size - 1;
    uint32_t *index = calloc(size, sizeof *index);

    CHECK(index);
    for (uint32_t i = 0; i < shard->index_size; i++) {
        uint32_t number = shard->index[i], at;

        if (number == NO_RECORD)
            continue;
        at = shard->records[number - 1].hash & mask;
        while (index[at] != NO_RECORD)
            at = (at + 1) & mask;
        index[at] = number;
    }
    free(shard->index);
    shard->index = index;
    shard->index_size = size;
}

/* A free record's number + 1. */
static uint32_t take_record(struct shard *shard)
{
    uint32_t number = shard->free_first;

    if (number != NO_RECORD) {
        shard->free_first = shard->records[number - 1].next;
        return number;
    }
    if (shard->records_count == shard->records_room) {
        /* By a quarter: at 100,000 devices the unused room stays below a tenth on average. */
        uint32_t room = shard->records_room + shard->records_room / 4 + 16;

        shard->records = realloc(shard->records, room * sizeof *shard->records);
        CHECK(shard->records);
        shard->records_room = room;
    }
    return ++shard->records_count;
}

static struct record *insert(const struct lookup *lookup)
{
    struct shard *shard = lookup->shard;
    size_t name_size = lookup->tenant.size + lookup->device.size + 2;
    struct record *record;
    uint32_t number, slot;

    if (4 * (shard->used + 1) > 3 * shard->index_size)
        grow_index(shard);
    CHECK(!find(lookup, &slot));
    number = take_record(shard);
    record = &shard->records[number - 1];
    *record = (struct record){.tenant_size = (uint8_t)lookup->tenant.size,
                              .device_size = (uint8_t)lookup->device.size,
                              .hash = lookup->hash};
    record->name = calloc(1, name_size);
    CHECK(record->name);
    memcpy(record->name, lookup->tenant.at, lookup->tenant.size);
    memcpy(record->name + lookup->tenant.size + 1, lookup->device.at, lookup->device.size);
    shard->index[slot] = number;
    shard->used++;
    shard->names_size += name_size;
    return record;
}

void presence_put(struct presence *presence, struct span tenant, struct span device,
                  const struct presence_facts *facts)
{
    struct lookup lookup;
    struct record *record;
    uint32_t slot;

    CHECK(tenant.size <= NAME_SIZE_MAX && device.size <= NAME_SIZE_MAX);
    lookup = enter(presence, tenant, device);
    record = find(&lookup, &slot);
    if (!record)
        record = insert(&lookup);
    record->status = (uint8_t)facts->status;
    record->has_work = facts->has_work;
    record->boot_count = facts->boot_count;
    record->poll_s = facts->poll_s;
    if (facts->seen.ms > record->seen_ms)
        record->seen_ms = facts->seen.ms;
    memcpy(record->fingerprint, facts->fingerprint, DIGEST_SIZE);
    memcpy(record->running, facts->running, DIGEST_SIZE);
    memcpy(record->other, facts->other, DIGEST_SIZE);
    memcpy(record->inventory, facts->inventory, PRESENCE_INVENTORY_SIZE);
    leave(lookup.shard);
}

/* Close the gap at `slot`: move back every later entry of the run that may go there. */
static void remove_slot(struct shard *shard, uint32_t slot)
{
    uint32_t mask = shard->index_size - 1, at = slot;

    for (;;) {
        uint32_t home;

        shard->index[slot] = NO_RECORD;
        do {
            at = (at + 1) & mask;
            if (shard->index[at] == NO_RECORD)
                return;
            home = shard->records[shard->index[at] - 1].hash & mask;
        } while (((at - home) & mask) < ((at - slot) & mask));
        shard->index[slot] = shard->index[at];
        slot = at;
    }
}

static void unlink_seen(struct shard *shard, struct record *record)
{
    uint32_t *link = &shard->seen_first;
    uint32_t number = (uint32_t)(record - shard->records) + 1;

    while (*link != number)
        link = &shard->records[*link - 1].next;
    *link = record->next;
}

void presence_remove(struct presence *presence, struct span tenant, struct span device)
{
    struct lookup lookup = enter(presence, tenant, device);
    struct shard *shard = lookup.shard;
    uint32_t slot, number;
    struct record *record = find(&lookup, &slot);

    if (record) {
        if (record->seen_new)
            unlink_seen(shard, record);
        number = shard->index[slot];
        remove_slot(shard, slot);
        shard->names_size -= (size_t)record->tenant_size + record->device_size + 2;
        free(record->name);
        *record = (struct record){.next = shard->free_first};
        shard->free_first = number;
        shard->used--;
    }
    leave(shard);
}

bool presence_get(struct presence *presence, struct span tenant, struct span device,
                  struct presence_facts *out)
{
    struct lookup lookup = enter(presence, tenant, device);
    uint32_t slot;
    const struct record *record = find(&lookup, &slot);

    *out = (struct presence_facts){.status = PRESENCE_ABSENT};
    if (record) {
        out->status = (enum presence_status)record->status;
        out->has_work = record->has_work;
        out->boot_count = record->boot_count;
        out->poll_s = record->poll_s;
        out->seen.ms = record->seen_ms;
        memcpy(out->fingerprint, record->fingerprint, DIGEST_SIZE);
        memcpy(out->running, record->running, DIGEST_SIZE);
        memcpy(out->other, record->other, DIGEST_SIZE);
        memcpy(out->inventory, record->inventory, PRESENCE_INVENTORY_SIZE);
    }
    leave(lookup.shard);
    return record != NULL;
}

static void note_seen(struct shard *shard, struct record *record, struct utc now)
{
    record->seen_ms = now.ms;
    if (record->seen_new)
        return;
    record->seen_new = true;
    record->next = shard->seen_first;
    shard->seen_first = (uint32_t)(record - shard->records) + 1;
}

static bool is_quiet(const struct record *record, const struct presence_poll *poll)
{
    static const uint8_t none[DIGEST_SIZE];

    return record->status == PRESENCE_ACTIVE && !record->has_work &&
           record->boot_count == poll->boot_count &&
           poll->now.ms - record->seen_ms <= poll->gap_ms && poll->now.ms >= record->seen_ms &&
           memcmp(record->fingerprint, poll->fingerprint, DIGEST_SIZE) == 0 &&
           memcmp(record->running, poll->running, DIGEST_SIZE) == 0 &&
           memcmp(record->other, poll->other ? poll->other : none, DIGEST_SIZE) == 0 &&
           memcmp(record->inventory, poll->inventory, PRESENCE_INVENTORY_SIZE) == 0;
}

bool presence_quiet(struct presence *presence, struct span tenant, struct span device,
                    const struct presence_poll *poll, uint32_t *poll_s)
{
    struct lookup lookup = enter(presence, tenant, device);
    uint32_t slot;
    struct record *record = find(&lookup, &slot);
    bool quiet = record && is_quiet(record, poll);

    if (quiet) {
        note_seen(lookup.shard, record, poll->now);
        *poll_s = record->poll_s;
    }
    leave(lookup.shard);
    return quiet;
}

void presence_touch(struct presence *presence, struct span tenant, struct span device,
                    struct utc now)
{
    struct lookup lookup = enter(presence, tenant, device);
    uint32_t slot;
    struct record *record = find(&lookup, &slot);

    if (record)
        note_seen(lookup.shard, record, now);
    leave(lookup.shard);
}

static void take_one(struct shard *shard, struct presence_seen *out)
{
    struct record *record = &shard->records[shard->seen_first - 1];

    memcpy(out->tenant, record->name, (size_t)record->tenant_size + 1);
    memcpy(out->device, record->name + record->tenant_size + 1, (size_t)record->device_size + 1);
    out->seen.ms = record->seen_ms;
    shard->seen_first = record->next;
    record->seen_new = false;
    record->next = NO_RECORD;
}

size_t presence_take_seen(struct presence *presence, struct presence_seen *out, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < SHARDS && count < max; i++) {
        struct shard *shard = &presence->shards[i];

        CHECK(pthread_mutex_lock(&shard->mutex) == 0);
        while (count < max && shard->seen_first != NO_RECORD)
            take_one(shard, &out[count++]);
        leave(shard);
    }
    return count;
}

size_t presence_count(struct presence *presence)
{
    size_t count = 0;

    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &presence->shards[i];

        CHECK(pthread_mutex_lock(&shard->mutex) == 0);
        count += shard->used;
        leave(shard);
    }
    return count;
}

size_t presence_memory(struct presence *presence)
{
    size_t size = sizeof *presence;

    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &presence->shards[i];

        CHECK(pthread_mutex_lock(&shard->mutex) == 0);
        size += shard->index_size * sizeof *shard->index;
        size += shard->records_room * sizeof *shard->records;
        size += shard->names_size + shard->used * 16u; /* malloc's own, about */
        leave(shard);
    }
    return size;
}
