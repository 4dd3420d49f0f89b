#include "app/pace.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct place {
    uint64_t key;
    uint64_t from; /* hash of where it came from; 0: not known */
    struct bucket bucket;
};

struct pace {
    uint32_t burst;
    int64_t every_ms;
    struct place places[PACE_PLACES];
};

struct pace *pace_open(uint32_t burst, int64_t every_ms)
{
    struct pace *pace = calloc(1, sizeof *pace);

    CHECK(pace);
    pace->burst = burst;
    pace->every_ms = every_ms;
    return pace;
}

void pace_close(struct pace *pace)
{
    free(pace);
}

static struct place *place_of(struct pace *pace, uint64_t key)
{
    /* Fibonacci hashing (Knuth, 6.4): ids that follow each other do not meet. */
    struct place *place = &pace->places[(key * 0x9e3779b97f4a7c15u >> 32) % PACE_PLACES];

    CHECK(key != 0);
    if (place->key != key)
        *place = (struct place){.key = key, .bucket = bucket_full(pace->burst, pace->every_ms)};
    return place;
}

bool pace_take(struct pace *pace, uint64_t key, struct utc now)
{
    return bucket_take(&place_of(pace, key)->bucket, now);
}

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return hash != 0 ? hash : 1;
}

bool pace_moved(struct pace *pace, uint64_t key, const char *from)
{
    struct place *place = place_of(pace, key);
    uint64_t hash = hash_of(from);

    if (place->from == hash)
        return false;
    place->from = hash;
    return true;
}
