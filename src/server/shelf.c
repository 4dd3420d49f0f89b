#include "server/shelf.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct item {
    struct shelf_file file; /* first: what the borrowers see */
    struct item *next;
    atomic_uint references;
    char tenant[NAME_SIZE_MAX + 1];
    char name[SHELF_NAME_SIZE_MAX + 1];
    uint8_t bytes[];
};

struct allowed {
    char tenant[NAME_SIZE_MAX + 1]; /* "": free */
    uint8_t sha256[DIGEST_SIZE];
};

/* A list: a tenant has a handful of current files plus its chain of roots. */
struct shelf {
    pthread_rwlock_t lock;
    struct item *first;
    struct allowed allowed[SHELF_BLOBS_MAX];
    size_t next_allowed; /* the oldest, once all are taken */
};

struct shelf *shelf_open(void)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);

    CHECK(shelf);
    CHECK(pthread_rwlock_init(&shelf->lock, NULL) == 0);
    return shelf;
}

void shelf_close(struct shelf *shelf)
{
    if (!shelf)
        return;
    while (shelf->first) {
        struct item *item = shelf->first;

        shelf->first = item->next;
        shelf_release(&item->file);
    }
    (void)pthread_rwlock_destroy(&shelf->lock);
    free(shelf);
}

static struct item *make_item(const char *tenant, const char *name, struct span bytes)
{
    struct item *item = calloc(1, sizeof *item + bytes.size);
    unsigned size = 0;

    CHECK(item);
    CHECK(span_to_text(span_of(tenant), item->tenant, sizeof item->tenant));
    CHECK(span_to_text(span_of(name), item->name, sizeof item->name));
    if (bytes.size > 0)
        memcpy(item->bytes, bytes.at, bytes.size);
    item->file.bytes = (struct span){item->bytes, bytes.size};
    CHECK(EVP_Digest(item->bytes, bytes.size, item->file.sha256, &size, EVP_sha256(), NULL) == 1);
    atomic_init(&item->references, 1);
    return item;
}

static bool is_item(const struct item *item, struct span tenant, struct span name)
{
    return span_is(tenant, item->tenant) && span_is(name, item->name);
}

static struct item *find(const struct shelf *shelf, struct span tenant, struct span name)
{
    struct item *item = shelf->first;

    while (item && !is_item(item, tenant, name))
        item = item->next;
    return item;
}

/* With the lock held. */
static void forget_allowed(struct shelf *shelf, const char *tenant)
{
    for (size_t i = 0; i < SHELF_BLOBS_MAX; i++) {
        if (strcmp(shelf->allowed[i].tenant, tenant) == 0)
            shelf->allowed[i].tenant[0] = '\0';
    }
}

static bool find_allowed(const struct shelf *shelf, struct span tenant,
                         const uint8_t sha256[DIGEST_SIZE])
{
    for (size_t i = 0; i < SHELF_BLOBS_MAX; i++) {
        const struct allowed *allowed = &shelf->allowed[i];

        if (memcmp(allowed->sha256, sha256, DIGEST_SIZE) == 0 && tenant.size > 0 &&
            span_is(tenant, allowed->tenant))
            return true;
    }
    return false;
}

void shelf_allow(struct shelf *shelf, struct span tenant, const uint8_t sha256[DIGEST_SIZE])
{
    struct allowed *place;

    CHECK(pthread_rwlock_wrlock(&shelf->lock) == 0);
    if (!find_allowed(shelf, tenant, sha256)) {
        place = &shelf->allowed[shelf->next_allowed];
        CHECK(span_to_text(tenant, place->tenant, sizeof place->tenant));
        memcpy(place->sha256, sha256, DIGEST_SIZE);
        shelf->next_allowed = (shelf->next_allowed + 1) % SHELF_BLOBS_MAX;
    }
    CHECK(pthread_rwlock_unlock(&shelf->lock) == 0);
}

bool shelf_allows(struct shelf *shelf, struct span tenant, const uint8_t sha256[DIGEST_SIZE])
{
    bool allowed;

    CHECK(pthread_rwlock_rdlock(&shelf->lock) == 0);
    allowed = find_allowed(shelf, tenant, sha256);
    CHECK(pthread_rwlock_unlock(&shelf->lock) == 0);
    return allowed;
}

/* "12.targets.json" into 12 and ".targets.json"; false for a name without a number. */
static bool split_name(struct span name, uint64_t *version, struct span *rest)
{
    size_t at = 0;

    *version = 0;
    for (; at < name.size && at < 18 && name.at[at] >= '0' && name.at[at] <= '9'; at++)
        *version = *version * 10 + (uint64_t)(name.at[at] - '0');
    *rest = (struct span){name.at + at, name.size - at};
    return at > 0;
}

/* Whether the item is so old a version of the same file that nobody can still be on his way to it.
 * The chain of roots has no such. */
static bool is_outdated(const struct item *item, const struct item *fresh)
{
    struct span rest, fresh_rest;
    uint64_t version, fresh_version;

    return strcmp(item->tenant, fresh->tenant) == 0 &&
           split_name(span_of(item->name), &version, &rest) &&
           split_name(span_of(fresh->name), &fresh_version, &fresh_rest) &&
           span_equal(rest, fresh_rest) && !span_is(rest, ".root.json") &&
           fresh_version >= version + SHELF_VERSIONS_KEPT;
}

/* Take out what `fresh` replaces or outdates; a list of it. */
static struct item *take_old(struct shelf *shelf, const struct item *fresh)
{
    struct item **link = &shelf->first, *old = NULL;

    while (*link) {
        struct item *item = *link;

        if (is_item(item, span_of(fresh->tenant), span_of(fresh->name)) ||
            is_outdated(item, fresh)) {
            *link = item->next;
            item->next = old;
            old = item;
        } else {
            link = &item->next;
        }
    }
    return old;
}

void shelf_put(struct shelf *shelf, const char *tenant, const char *name, struct span bytes)
{
    struct item *fresh = make_item(tenant, name, bytes), *old;

    CHECK(pthread_rwlock_wrlock(&shelf->lock) == 0);
    forget_allowed(shelf, tenant);
    old = take_old(shelf, fresh);
    fresh->next = shelf->first;
    shelf->first = fresh;
    CHECK(pthread_rwlock_unlock(&shelf->lock) == 0);
    while (old) {
        struct item *item = old;

        old = item->next;
        shelf_release(&item->file);
    }
}

const struct shelf_file *shelf_get(struct shelf *shelf, struct span tenant, struct span name)
{
    struct item *item;

    CHECK(pthread_rwlock_rdlock(&shelf->lock) == 0);
    item = find(shelf, tenant, name);
    if (item)
        (void)atomic_fetch_add(&item->references, 1);
    CHECK(pthread_rwlock_unlock(&shelf->lock) == 0);
    return item ? &item->file : NULL;
}

void shelf_release(const struct shelf_file *file)
{
    /* The file is the item's first member; borrowers see it const, its owner may free it. */
    union {
        const struct shelf_file *in;
        struct item *out;
    } item = {.in = file};

    if (file && atomic_fetch_sub(&item.out->references, 1) == 1)
        free(item.out);
}
