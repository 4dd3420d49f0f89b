#include "server/passes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "crypto/sha256.h"

struct passes {
    pthread_rwlock_t lock;
    struct pass *list; /* by digest, ascending */
    size_t count;
};

struct passes *passes_open(void)
{
    struct passes *passes = calloc(1, sizeof *passes);

    CHECK(passes);
    CHECK(pthread_rwlock_init(&passes->lock, NULL) == 0);
    return passes;
}

void passes_close(struct passes *passes)
{
    if (!passes)
        return;
    free(passes->list);
    (void)pthread_rwlock_destroy(&passes->lock);
    free(passes);
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const struct pass *)a)->sha256, ((const struct pass *)b)->sha256, DIGEST_SIZE);
}

void passes_replace(struct passes *passes, struct pass *list, size_t count)
{
    struct pass *old;

    if (count > 0)
        qsort(list, count, sizeof *list, by_digest);
    CHECK(pthread_rwlock_wrlock(&passes->lock) == 0);
    old = passes->list;
    passes->list = list;
    passes->count = count;
    CHECK(pthread_rwlock_unlock(&passes->lock) == 0);
    free(old);
}

/* The digest of a secret tells nothing about it that the time of a comparison could give away. */
static bool find(struct passes *passes, const uint8_t sha256[DIGEST_SIZE], struct utc now,
                 struct pass *out)
{
    const struct pass *found = NULL;
    struct pass key = {0};

    memcpy(key.sha256, sha256, DIGEST_SIZE);
    CHECK(pthread_rwlock_rdlock(&passes->lock) == 0);
    if (passes->count > 0)
        found = bsearch(&key, passes->list, passes->count, sizeof key, by_digest);
    if (found)
        *out = *found;
    CHECK(pthread_rwlock_unlock(&passes->lock) == 0);
    return found && (out->expires.ms == 0 || now.ms < out->expires.ms);
}

bool passes_find(struct passes *passes, struct span secret, struct utc now, struct pass *out)
{
    uint8_t sha256[DIGEST_SIZE];
    struct pass pass;

    if (secret.size == 0)
        return false;
    sha256_of(secret, sha256);
    if (!find(passes, sha256, now, &pass))
        return false;
    *out = pass;
    return true;
}

bool passes_hold(struct passes *passes, const uint8_t sha256[DIGEST_SIZE], struct utc now)
{
    struct pass pass;

    return find(passes, sha256, now, &pass);
}
