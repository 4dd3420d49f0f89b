/* Trust stores drawn up from a repository's keys and statements. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "crypto/cose_key.h"
#include "crypto/verify_openssl.h"
#include "os/say.h"
#include "trust/compact_inside.h"
#include "trust/policy.h"
#include "trust/repository_files.h"
#include "trust/tuf_file.h"

/* ---- The last one ---- */

static void name_store(uint64_t version, char name[TARGET_NAME_SIZE_MAX + 1])
{
    (void)snprintf(name, TARGET_NAME_SIZE_MAX + 1, COMPACT_TRUST_STORE "%" PRIu64, version);
}

static enum err note_version(void *self, const struct tuf_target *target, struct why *why)
{
    uint64_t *last = self, version;
    char name[TARGET_NAME_SIZE_MAX + 1];

    (void)why;
    if (!span_begins(span_of(target->name), COMPACT_TRUST_STORE))
        return ERR_OK;
    version = strtoull(target->name + strlen(COMPACT_TRUST_STORE), NULL, 10);
    name_store(version, name);
    if (strcmp(name, target->name) == 0 && version > *last && version < UINT32_MAX)
        *last = version;
    return ERR_OK;
}

/* The version listed last; 0: none. */
static enum err last_version(const char *dir, uint64_t *out, struct why *why)
{
    char role[REPOSITORY_NAME_SIZE];
    struct tuf_metadata *list;
    enum err err;

    *out = 0;
    TRY(repository_role_for(dir, COMPACT_TRUST_STORE "1", NULL, role, why));
    err = repository_read_newest(dir, role, &list, why);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    err = tuf_for_each_target(list, note_version, out, why);
    tuf_metadata_close(list);
    return err;
}

static enum err read_listed(const char *dir, const char *name, struct tuf_bytes *out,
                            struct why *why)
{
    char role[REPOSITORY_NAME_SIZE], path[PATH_MAX];
    struct tuf_metadata *list;
    struct tuf_target target;
    enum err err;

    TRY(repository_role_for(dir, name, NULL, role, why));
    TRY(repository_read_newest(dir, role, &list, why));
    err = tuf_find_target(list, name, &target, why);
    tuf_metadata_close(list);
    TRY(err);
    TRY(repository_blob_path(dir, target.file.sha256, path, sizeof path, why));
    TRY(tuf_file_read_path(path, COMPACT_SIZE_MAX, out, why));
    err = tuf_check_bytes(&target.file, tuf_bytes_span(out), why);
    if (err != ERR_OK)
        tuf_bytes_done(out);
    return err;
}

/* Store `version` as it was listed. */
static enum err read_store(const char *dir, uint64_t version, struct compact *out, struct why *why)
{
    char name[TARGET_NAME_SIZE_MAX + 1];
    struct tuf_bytes bytes;
    enum err err;

    name_store(version, name);
    TRY(read_listed(dir, name, &bytes, why));
    err = compact_read(tuf_bytes_span(&bytes), out, why);
    tuf_bytes_done(&bytes);
    if (err == ERR_OK && out->kind != COMPACT_IS_TRUST_STORE)
        err = ERR_CORRUPT;
    return say_where(why, err, "%s", name);
}

/* ---- Keys ---- */

static enum err put_key(struct trust_store *store, const struct verify_key *key, struct why *why)
{
    uint32_t at = 0;

    while (at < store->key_count && memcmp(store->keys[at].kid, key->kid, VERIFY_KID_SIZE) < 0)
        at++;
    if (at < store->key_count && verify_key_same(&store->keys[at], key))
        return ERR_OK;
    if (store->key_count == TRUST_KEYS_MAX)
        return say(why, ERR_TOO_BIG, NULL, "a trust store holds %u keys and no more",
                   TRUST_KEYS_MAX);
    memmove(&store->keys[at + 1], &store->keys[at],
            (store->key_count - at) * sizeof store->keys[0]);
    store->keys[at] = *key;
    store->key_count++;
    return ERR_OK;
}

/* The bits of the keys in `store`, where all of them are. */
static uint32_t bits_of(const struct trust_store *store, const struct verify_key *keys,
                        uint32_t count)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < store->key_count; i++) {
        for (uint32_t j = 0; j < count; j++) {
            if (verify_key_same(&store->keys[i], &keys[j]))
                bits |= UINT32_C(1) << i;
        }
    }
    return bits;
}

/* A role's public keys as devices need them. */
struct signers {
    struct verify_key keys[REPOSITORY_KEYS_MAX];
    uint32_t count, threshold;
};

/* Takes `keys`. */
static enum err take_signers(struct repository_keys *keys, struct signers *out, struct why *why)
{
    enum err err = ERR_OK;

    out->count = 0;
    out->threshold = keys->threshold;
    for (uint32_t i = 0; i < keys->count && err == ERR_OK; i++) {
        err = key_to_verify(keys->keys[i], &out->keys[i], why);
        out->count += err == ERR_OK;
    }
    repository_keys_done(keys);
    return err;
}

/* Everybody a store names: root, the signers of each product, assignment. */
struct everybody {
    struct signers root, products[TRUST_PRODUCTS_MAX], assignment;
};

static enum err signers_of(const char *dir, const char *role, struct signers *out, struct why *why)
{
    struct repository_keys keys;

    TRY(repository_keys(dir, role, &keys, why));
    return take_signers(&keys, out, why);
}

static enum err product_signers(const char *dir, const char *product, struct signers *out,
                                struct why *why)
{
    char role[REPOSITORY_NAME_SIZE], target[NAME_SIZE_MAX + 8];

    if (strcmp(product, TRUST_ANY_PRODUCT) == 0)
        return signers_of(dir, REPOSITORY_TARGETS, out, why);
    if (!release_name_ok(product))
        return say(why, ERR_INVALID, "product", "%.80s: is no name of a product", product);
    (void)snprintf(target, sizeof target, "%s/1/x", product);
    TRY(repository_role_for(dir, target, NULL, role, why));
    return signers_of(dir, role, out, why);
}

static enum err find_everybody(const char *dir, const struct compact_plan *plan,
                               struct everybody *out, struct why *why)
{
    struct repository_keys keys;

    TRY(signers_of(dir, REPOSITORY_ROOT, &out->root, why));
    for (uint32_t i = 0; i < plan->product_count; i++)
        TRY(product_signers(dir, plan->products[i].name, &out->products[i], why));
    TRY(repository_assignment(dir, &keys, why));
    return take_signers(&keys, &out->assignment, why);
}

static enum err put_signers(struct trust_store *store, const struct signers *signers,
                            struct why *why)
{
    for (uint32_t i = 0; i < signers->count; i++)
        TRY(put_key(store, &signers->keys[i], why));
    return ERR_OK;
}

static enum err put_everybody(struct trust_store *store, const struct everybody *all,
                              uint32_t products, struct why *why)
{
    TRY(put_signers(store, &all->root, why));
    for (uint32_t i = 0; i < products; i++)
        TRY(put_signers(store, &all->products[i], why));
    return put_signers(store, &all->assignment, why);
}

static struct trust_role role_of(const struct trust_store *store, const struct signers *signers)
{
    return (struct trust_role){signers->threshold, bits_of(store, signers->keys, signers->count)};
}

/* By ascending product, as the format wants it; "*" comes before all names. */
static void put_release(struct trust_store *store, const struct compact_product *product,
                        const struct signers *signers)
{
    uint32_t at = store->release_count;

    for (; at > 0 && strcmp(store->releases[at - 1].product, product->name) > 0; at--)
        store->releases[at] = store->releases[at - 1];
    store->releases[at] = (struct trust_release){.security_floor = product->security_floor,
                                                 .role = role_of(store, signers)};
    (void)snprintf(store->releases[at].product, sizeof store->releases[at].product, "%s",
                   product->name);
    store->release_count++;
}

/* ---- Statements ---- */

/* Delegated roles stay open as long as the statements are read. */
struct lists {
    const char *dir;
    struct tuf_metadata *open[REPOSITORY_ROLES_MAX];
    uint32_t count;
};

static const struct tuf_metadata *find_list(void *self, const char *name)
{
    struct lists *lists = self;

    if (lists->count == REPOSITORY_ROLES_MAX ||
        repository_read_newest(lists->dir, name, &lists->open[lists->count], NULL) != ERR_OK)
        return NULL;
    return lists->open[lists->count++];
}

static enum err read_policy(const char *dir, struct policy *out, struct why *why)
{
    struct lists *lists = calloc(1, sizeof *lists);
    struct policy_source source = {.self = lists, .role = find_list};
    struct tuf_metadata *targets = NULL;
    enum err err;

    CHECK(lists);
    lists->dir = dir;
    err = repository_read_newest(dir, REPOSITORY_TARGETS, &targets, why);
    source.targets = targets;
    if (err == ERR_OK)
        err = policy_read(&source, out, why);
    for (uint32_t i = 0; i < lists->count; i++)
        tuf_metadata_close(lists->open[i]);
    tuf_metadata_close(targets);
    free(lists);
    return err;
}

static enum err put_policy(struct trust_store *store, const struct policy *policy, struct why *why)
{
    if (policy->blocked_count > TRUST_BLOCKED_MAX)
        return say(why, ERR_TOO_BIG, NULL,
                   "%u images are blocked and a trust store holds %u; raise the security floor, "
                   "then unblock what is below it",
                   policy->blocked_count, TRUST_BLOCKED_MAX);
    store->allow_stale_s = policy->allow_stale_s;
    store->blocked = (struct span){policy->blocked[0], (size_t)policy->blocked_count * DIGEST_SIZE};
    return ERR_OK;
}

/* ---- A draft ---- */

static enum err put_versions(const char *dir, const struct compact_plan *plan,
                             struct trust_store *store, struct why *why)
{
    struct tuf_metadata *root;
    uint64_t last;

    TRY(last_version(dir, &last, why));
    TRY(repository_current(dir, REPOSITORY_ROOT, &root, why));
    store->version = (uint32_t)last + 1;
    store->root_version = (uint32_t)tuf_metadata_version(root);
    store->issued_s = (uint64_t)(plan->now.ms / 1000);
    store->expires_s = (uint64_t)(plan->expires.ms / 1000);
    tuf_metadata_close(root);
    return ERR_OK;
}

static enum err draw_up(const char *dir, const struct compact_plan *plan,
                        const struct policy *policy, struct trust_store *store, struct why *why)
{
    struct everybody all;

    TRY(put_versions(dir, plan, store, why));
    TRY(find_everybody(dir, plan, &all, why));
    TRY(put_everybody(store, &all, plan->product_count, why));
    store->root = role_of(store, &all.root);
    store->assignment_keys = bits_of(store, all.assignment.keys, all.assignment.count);
    for (uint32_t i = 0; i < plan->product_count; i++)
        put_release(store, &plan->products[i], &all.products[i]);
    return put_policy(store, policy, why);
}

static enum err write_store(const struct trust_store *store, struct compact *out, struct why *why)
{
    uint8_t room[COMPACT_SIZE_MAX];
    struct buf payload = buf_over(room, sizeof room);
    enum err err = trust_store_write(store, &payload);

    if (err == ERR_OK)
        err = compact_take_payload(out, &payload);
    if (err == ERR_OK)
        return ERR_OK;
    return say(why, err, NULL, "no trust store can say so: %s",
               err == ERR_TOO_BIG ? "it would be too long"
                                  : "products twice, or a threshold past what devices count");
}

enum err compact_draft_store(const char *dir, const struct compact_plan *plan, struct compact *out,
                             struct why *why)
{
    struct policy *policy = calloc(1, sizeof *policy);
    struct trust_store store = {0};
    enum err err;

    CHECK(policy);
    CHECK(plan->product_count > 0 && plan->product_count <= TRUST_PRODUCTS_MAX);
    err = read_policy(dir, policy, why);
    if (err == ERR_OK)
        err = draw_up(dir, plan, policy, &store, why);
    if (err == ERR_OK)
        err = write_store(&store, out, why);
    free(policy);
    return err;
}

/* ---- Signatures ---- */

static struct repository_signing count_root(const struct compact *compact,
                                            const struct trust_store *by)
{
    struct verify_key keys[TRUST_KEYS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < by->key_count; i++) {
        if ((by->root.keys >> i & 1) != 0)
            keys[count++] = by->keys[i];
    }
    return (struct repository_signing){.version = compact->store.version,
                                       .have = compact_signatures(compact, keys, count),
                                       .need = by->root.threshold};
}

static enum err check_follows(const struct compact *last, const struct compact *compact,
                              struct why *why)
{
    if (trust_store_follows(&last->store, &compact->store))
        return ERR_OK;
    return say(why, ERR_CONFLICT, NULL,
               "the trust store does not follow version %u: it must be the next, not older, and "
               "keep each product's security floor",
               last->store.version);
}

enum err compact_count_store(const char *dir, const struct compact *compact,
                             struct repository_signing *out, struct why *why)
{
    struct repository_signing own = count_root(compact, &compact->store), old;
    struct compact *last;
    uint64_t version;
    enum err err;

    TRY(last_version(dir, &version, why));
    *out = own;
    if (version == 0 && compact->store.version == 1)
        return ERR_OK;
    if (version == 0)
        return say(why, ERR_CONFLICT, NULL, "the first trust store has version 1");
    last = calloc(1, sizeof *last);
    CHECK(last);
    err = read_store(dir, version, last, why);
    if (err == ERR_OK)
        err = check_follows(last, compact, why);
    old = count_root(compact, &last->store);
    free(last);
    if ((int64_t)old.need - old.have > (int64_t)own.need - own.have)
        *out = old;
    return err;
}
