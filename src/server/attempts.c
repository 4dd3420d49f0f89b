#include "server/attempts.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bucket.h"
#include "base/check.h"
#include "os/entropy.h"

#define SETS (ATTEMPTS_ADDRESSES / ATTEMPTS_WAYS)

struct entry {
    uint64_t key; /* 0: free */
    struct bucket bucket;
};

struct attempts {
    pthread_mutex_t mutex;
    uint64_t seed; /* so that nobody can choose addresses that share a set */
    struct entry entries[SETS][ATTEMPTS_WAYS];
};

struct attempts *attempts_open(void)
{
    struct attempts *attempts = calloc(1, sizeof *attempts);

    CHECK(attempts);
    CHECK(pthread_mutex_init(&attempts->mutex, NULL) == 0);
    attempts->seed = entropy_seed();
    return attempts;
}

void attempts_close(struct attempts *attempts)
{
    if (!attempts)
        return;
    (void)pthread_mutex_destroy(&attempts->mutex);
    free(attempts);
}

/* The part of the address that counts, as a number that is not 0. What is no address is one. */
static uint64_t key_of(const char *address)
{
    uint8_t bytes[16] = {0};
    uint64_t key = 0;

    if (inet_pton(AF_INET, address, bytes + 4) == 1)
        bytes[0] = 4; /* no IPv6 address that anybody has begins so */
    else if (inet_pton(AF_INET6, address, bytes) != 1)
        memset(bytes, 0xff, sizeof bytes);
    for (size_t i = 0; i < 8; i++)
        key = key << 8 | bytes[i];
    return key == 0 ? 1 : key;
}

/* The finaliser of splitmix64. */
static size_t set_of(const struct attempts *attempts, uint64_t key)
{
    uint64_t hash = key ^ attempts->seed;

    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((hash ^ (hash >> 31)) % SETS);
}

/* Whether `a` has failed less than `b`, or as much but longer ago. */
static bool is_better(const struct entry *a, const struct entry *b)
{
    if (a->bucket.left != b->bucket.left)
        return a->bucket.left > b->bucket.left;
    return a->bucket.filled.ms < b->bucket.filled.ms;
}

static struct entry *find(struct attempts *attempts, uint64_t key)
{
    struct entry *set = attempts->entries[set_of(attempts, key)];

    for (size_t i = 0; i < ATTEMPTS_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
    }
    return NULL;
}

static struct entry *make(struct attempts *attempts, uint64_t key)
{
    struct entry *set = attempts->entries[set_of(attempts, key)];
    struct entry *place = &set[0];

    for (size_t i = 0; i < ATTEMPTS_WAYS && place->key != 0; i++) {
        if (set[i].key == 0 || is_better(&set[i], place))
            place = &set[i];
    }
    *place = (struct entry){.key = key, .bucket = bucket_full(ATTEMPTS_BURST, ATTEMPTS_EVERY_MS)};
    return place;
}

bool attempts_take(struct attempts *attempts, const char *address, struct utc now,
                   uint32_t *retry_s)
{
    uint64_t key = key_of(address);
    struct entry *entry;
    bool taken;

    CHECK(pthread_mutex_lock(&attempts->mutex) == 0);
    entry = find(attempts, key);
    if (!entry)
        entry = make(attempts, key);
    taken = bucket_take(&entry->bucket, now);
    if (!taken)
        *retry_s = (uint32_t)((entry->bucket.filled.ms + ATTEMPTS_EVERY_MS - now.ms) / 1000) + 1;
    CHECK(pthread_mutex_unlock(&attempts->mutex) == 0);
    return taken;
}

void attempts_give(struct attempts *attempts, const char *address)
{
    struct entry *entry;

    CHECK(pthread_mutex_lock(&attempts->mutex) == 0);
    entry = find(attempts, key_of(address));
    if (entry && entry->bucket.left < entry->bucket.burst)
        entry->bucket.left++;
    CHECK(pthread_mutex_unlock(&attempts->mutex) == 0);
}
