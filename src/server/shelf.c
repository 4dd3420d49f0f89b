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

/* The link that points to the item, or to the NULL at the end. */
static struct item **find(struct shelf *shelf, struct span tenant, struct span name)
{
    struct item **link = &shelf->first;

    while (*link && !is_item(*link, tenant, name))
        link = &(*link)->next;
    return link;
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

/* Put `fresh` in the place of the old one; NULL only takes the old one away. */
static void replace(struct shelf *shelf, const char *tenant, const char *name, struct item *fresh)
{
    struct item **link, *old;

    CHECK(pthread_rwlock_wrlock(&shelf->lock) == 0);
    forget_allowed(shelf, tenant);
    link = find(shelf, span_of(tenant), span_of(name));
    old = *link;
    if (old)
        *link = old->next;
    if (fresh) {
        fresh->next = shelf->first;
        shelf->first = fresh;
    }
    CHECK(pthread_rwlock_unlock(&shelf->lock) == 0);
    if (old)
        shelf_release(&old->file);
}

void shelf_put(struct shelf *shelf, const char *tenant, const char *name, struct span bytes)
{
    replace(shelf, tenant, name, make_item(tenant, name, bytes));
}

void shelf_remove(struct shelf *shelf, const char *tenant, const char *name)
{
    replace(shelf, tenant, name, NULL);
}

const struct shelf_file *shelf_get(struct shelf *shelf, struct span tenant, struct span name)
{
    struct item *item;

    CHECK(pthread_rwlock_rdlock(&shelf->lock) == 0);
    item = *find(shelf, tenant, name);
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
