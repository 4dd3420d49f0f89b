#include "app/online_key.h"

#include <stdio.h>
#include <string.h>

#include "app/publish_inside.h"
#include "app/rules.h"
#include "base/check.h"
#include "crypto/cose_key.h"
#include "os/say.h"
#include "trust/online.h"

static const char *const names[ONLINE_KEY_COUNT] = {
    [ONLINE_SNAPSHOT] = "snapshot",
    [ONLINE_TIMESTAMP] = "timestamp",
    [ONLINE_ASSIGNMENT] = "assignment",
};

const char *online_key_name(enum online_key kind)
{
    CHECK((size_t)kind < COUNT_OF(names));
    return names[kind];
}

bool online_key_parse(struct span name, enum online_key *out)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (span_is(name, names[i])) {
            *out = (enum online_key)i;
            return true;
        }
    }
    return false;
}

/* The first key, and the newer ones in the order of their making. */
static uint32_t count_of(const struct app *app, enum online_key kind)
{
    const struct key *const first[] = {app->config.snapshot_key, app->config.timestamp_key,
                                       app->config.assignment_key};

    return first[kind] ? 1 + app->config.newer[kind].count : 0;
}

static const struct key *key_at(const struct app *app, enum online_key kind, uint32_t index)
{
    const struct key *const first[] = {app->config.snapshot_key, app->config.timestamp_key,
                                       app->config.assignment_key};

    return index == 0 ? first[kind] : app->config.newer[kind].at[index - 1];
}

const struct key *online_key_in_use(struct app *app, enum online_key kind,
                                    const struct tuf_metadata *root)
{
    enum tuf_role role = kind == ONLINE_SNAPSHOT ? TUF_SNAPSHOT : TUF_TIMESTAMP;
    uint32_t count = count_of(app, kind);

    CHECK(kind != ONLINE_ASSIGNMENT);
    if (count == 0 || !root)
        return count == 0 ? NULL : key_at(app, kind, count - 1);
    for (uint32_t i = count; i > 0; i--) {
        if (online_is_named(root, role, key_at(app, kind, i - 1)))
            return key_at(app, kind, i - 1);
    }
    return key_at(app, kind, 0);
}

static bool policy_names(const struct policy *policy, const struct key *key)
{
    struct verify_key form;

    if (key_to_verify(key, &form, NULL) != ERR_OK)
        return false;
    for (uint32_t i = 0; i < policy->assignment_key_count; i++) {
        if (verify_key_same(&policy->assignment_keys[i], &form))
            return true;
    }
    return false;
}

enum err online_key_for_mandates(struct app *app, int64_t tenant, const struct key **out)
{
    uint32_t count = count_of(app, ONLINE_ASSIGNMENT);
    const struct policy *policy;

    *out = count == 0 ? NULL : key_at(app, ONLINE_ASSIGNMENT, 0);
    if (count < 2)
        return ERR_OK;
    TRY(rules_of(app, tenant, &policy));
    for (uint32_t i = count; i > 0; i--) {
        if (policy_names(policy, key_at(app, ONLINE_ASSIGNMENT, i - 1))) {
            *out = key_at(app, ONLINE_ASSIGNMENT, i - 1);
            break;
        }
    }
    return ERR_OK;
}

static enum err key_in_use(struct app *app, int64_t tenant, enum online_key kind,
                           const struct key **out)
{
    struct tuf_metadata *root;
    enum err err;

    if (kind == ONLINE_ASSIGNMENT)
        return online_key_for_mandates(app, tenant, out);
    err = publish_load(app, tenant, METADATA_ROOT, &root, NULL);
    if (err != ERR_OK)
        return err;
    *out = online_key_in_use(app, kind, root);
    tuf_metadata_close(root);
    return ERR_OK;
}

enum err online_key_show(struct app *app, int64_t tenant, enum online_key kind,
                         struct online_key_pair *out)
{
    uint32_t count = count_of(app, kind);
    const struct key *newest = count == 0 ? NULL : key_at(app, kind, count - 1);
    const struct key *now = NULL;

    TRY(key_in_use(app, tenant, kind, &now));
    *out = (struct online_key_pair){.now = now, .next = newest == now ? NULL : newest};
    return ERR_OK;
}

static enum err make(struct app *app, int64_t tenant, const char *actor, enum online_key kind,
                     struct utc now, const struct key **out, struct why *why)
{
    struct online_ring *ring = &app->config.newer[kind];
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {
        .tenant = tenant, .actor = actor, .action = "trust.key", .object = object};

    if (!app->config.keys.make || count_of(app, kind) == 0)
        return say(why, ERR_INVALID, NULL, "this server makes no keys");
    if (ring->count == ONLINE_KEYS_MAX)
        return say(why, ERR_TOO_BIG, NULL, "%u %s keys have been made already", ONLINE_KEYS_MAX,
                   online_key_name(kind));
    TRY(app->config.keys.make(app->config.keys.self, kind, ring->count + 2, out, why));
    ring->at[ring->count++] = *out;
    (void)snprintf(object, sizeof object, "key:%s-%u", online_key_name(kind), ring->count + 1);
    return app_db_failed(app, app_audit(app, now, &deed), why);
}

enum err online_key_make(struct app *app, int64_t tenant, const char *actor, enum online_key kind,
                         struct utc now, const struct key **out, struct why *why)
{
    struct online_key_pair pair;

    TRY(app_db_failed(app, online_key_show(app, tenant, kind, &pair), why));
    if (pair.next) {
        *out = pair.next;
        return ERR_OK;
    }
    return make(app, tenant, actor, kind, now, out, why);
}
