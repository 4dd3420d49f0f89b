#include "app/rules.h"

#include <stdlib.h>

#include "app/course.h"
#include "app/publish.h"
#include "base/check.h"
#include "store/release.h"
#include "trust/metadata.h"

#define ASKED_MAX        8u  /* roles that may state something; two do in our own repositories */
#define ROLLOUTS_AT_ONCE 64u /* open rollouts read at a time */

/* ---- reading ---- */

/* Lists of delegated roles that were asked for, kept until all is read. */
struct asked {
    struct app *app;
    int64_t tenant;
    const struct tuf_metadata *targets;
    struct tuf_metadata *lists[ASKED_MAX];
    size_t count;
    enum err err; /* the database's, if it failed */
};

static const struct tuf_metadata *ask_role(void *self, const char *name)
{
    struct asked *asked = self;
    struct tuf_metadata *list = NULL;

    if (asked->count == ASKED_MAX || asked->err != ERR_OK)
        return NULL;
    asked->err = publish_delegated_newest(asked->app, asked->tenant, asked->targets, name, &list);
    if (list)
        asked->lists[asked->count++] = list;
    return list;
}

static enum err read_statements(struct app *app, int64_t tenant, const struct tuf_metadata *targets,
                                struct policy *out, struct why *why)
{
    struct asked asked = {.app = app, .tenant = tenant, .targets = targets};
    const struct policy_source source = {.targets = targets, .self = &asked, .role = ask_role};
    enum err err = policy_read(&source, out, why);

    for (size_t i = 0; i < asked.count; i++)
        tuf_metadata_close(asked.lists[i]);
    return asked.err == ERR_OK ? err : asked.err;
}

/* ERR_OK also when there is nothing to read yet. */
static enum err read_policy(struct app *app, int64_t tenant, struct policy *out, struct why *why)
{
    struct tuf_metadata *targets;
    struct tuf_bytes bytes;
    enum err err;

    TRY(publish_newest(app, tenant, METADATA_TARGETS, &bytes));
    if (bytes.size == 0)
        return ERR_OK;
    err = tuf_metadata_read(TUF_TARGETS, tuf_bytes_span(&bytes), &targets, why);
    tuf_bytes_done(&bytes);
    if (err != ERR_OK)
        return err;
    err = read_statements(app, tenant, targets, out, why);
    tuf_metadata_close(targets);
    return err;
}

static bool is_database(enum err err)
{
    return err == ERR_STORAGE || err == ERR_AGAIN;
}

enum err rules_of(struct app *app, int64_t tenant, const struct policy **out)
{
    struct app_tenant *known = app_tenant(app, tenant);
    struct why why = {0};
    enum err err;

    if (!known->policy) {
        known->policy = calloc(1, sizeof *known->policy);
        CHECK(known->policy);
    }
    if (known->policy_stale) {
        err = read_policy(app, tenant, known->policy, &why);
        if (is_database(err))
            return err;
        known->policy_stale = false;
        known->policy_trouble = why;
    }
    *out = known->policy;
    return ERR_OK;
}

const char *rules_trouble(struct app *app, int64_t tenant)
{
    return app_tenant(app, tenant)->policy_trouble.text;
}

enum err rules_block(struct app *app, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                     bool *blocked)
{
    const struct policy *policy;

    TRY(rules_of(app, tenant, &policy));
    *blocked = policy_blocks(policy, sha256);
    return ERR_OK;
}

enum err rules_block_release(struct app *app, const struct release_row *release,
                             const struct artifacts *artifacts, bool *blocked)
{
    TRY(rules_block(app, release->tenant, release->plain_sha256, blocked));
    for (uint32_t i = 0; !*blocked && i < artifacts->count; i++)
        TRY(rules_block(app, release->tenant, artifacts->list[i].sha256, blocked));
    return ERR_OK;
}

/* ---- obeying ---- */

static bool may_reach_more(const struct rollout *rollout)
{
    return rollout_moving(rollout) || rollout->state == ROLLOUT_PAUSED;
}

static enum err halt_if_forbidden(struct app *app, struct rollout_key key, struct utc now)
{
    struct course_order order = {.actor = "server", .now = now, .by_judge = true};
    struct artifacts artifacts;
    struct release_row release;
    struct rollout_row row;
    bool blocked;

    TRY(store_rollout_get(app->db, key.tenant, key.id, &row));
    TRY(store_release_get(app->db, key.tenant, row.release, &release));
    TRY(artifacts_of(app, &release, &artifacts));
    TRY(rules_block_release(app, &release, &artifacts, &blocked));
    if ((!blocked && !release.withdrawn) || !may_reach_more(&row.rollout))
        return ERR_OK;
    order.reason = blocked ? "the release has been blocked by its signers"
                           : "the release has been withdrawn by its signers";
    return course_event(app, &row, ROLLOUT_EV_HALT, &order, NULL);
}

enum err rules_enforce(struct app *app, int64_t tenant, struct utc now)
{
    struct rollout_key keys[ROLLOUTS_AT_ONCE], after = {.tenant = tenant};
    uint32_t count = ROLLOUTS_AT_ONCE;

    while (count == ROLLOUTS_AT_ONCE) {
        TRY(store_rollout_open_list(app->db, after, ROLLOUTS_AT_ONCE, keys, &count));
        for (uint32_t i = 0; i < count && keys[i].tenant == tenant; i++)
            TRY(halt_if_forbidden(app, keys[i], now));
        if (count > 0)
            after = keys[count - 1];
        if (after.tenant != tenant)
            break;
    }
    return ERR_OK;
}
