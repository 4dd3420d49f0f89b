/* Lists of roles that targets delegate to, and what all lists together say.
 *
 * A list that the present targets do not vouch for yet, because it is new or its signers are, waits
 * for targets that do: both become current in one transaction, so that no device ever finds a
 * delegation with nothing good behind it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "app/publish_inside.h"
#include "app/rules.h"
#include "base/check.h"
#include "os/say.h"
#include "store/artifact.h"
#include "store/delegated.h"
#include "store/listed_file.h"
#include "trust/delegation.h"
#include "trust/policy.h"

/* ---- what is stored ---- */

static enum err parse(const struct delegated_row *row, struct tuf_metadata **out, struct why *why)
{
    return tuf_metadata_read(TUF_TARGETS, row->bytes, out, why);
}

/* The newest that counts; *out is NULL when there is none. */
static enum err load_current(struct app *app, int64_t tenant, const char *role,
                             struct tuf_metadata **out, struct why *why)
{
    struct delegated_row row;
    enum err err = store_delegated_find(app->db, tenant, role, 0, &row);

    *out = NULL;
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(app_db_failed(app, err, why));
    return parse(&row, out, why);
}

/* The bytes of the one that waits; empty when none does. */
static enum err load_waiting(struct app *app, int64_t tenant, const char *role,
                             struct tuf_bytes *out, struct why *why)
{
    struct delegated_row row;
    enum err err = store_delegated_waiting(app->db, tenant, role, &row);

    *out = (struct tuf_bytes){0};
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(app_db_failed(app, err, why));
    *out = tuf_bytes_copy(row.bytes);
    return ERR_OK;
}

static struct delegated_row row_of(const struct publishing *publishing, const char *role,
                                   const struct tuf_metadata *list)
{
    struct delegated_row row = {.tenant = publishing->tenant,
                                .version = tuf_metadata_version(list),
                                .bytes = tuf_metadata_bytes(list),
                                .expires = tuf_metadata_expires(list),
                                .stored = publishing->now};

    CHECK(span_to_text(span_of(role), row.role, sizeof row.role));
    return row;
}

/* ---- all lists ---- */

struct lists {
    uint32_t count;
    struct {
        char role[TUF_ROLE_NAME_SIZE_MAX + 1];
        struct tuf_metadata *list;
        bool fresh;
    } at[DELEGATED_ROLES_MAX];
};

static void lists_close(struct lists *lists)
{
    for (uint32_t i = 0; i < lists->count; i++)
        tuf_metadata_close(lists->at[i].list);
    free(lists);
}

/* The waiting list, if it is newer and good by now. A refusal is said only when nothing else is
 * there. */
static enum err try_waiting(struct publishing *publishing, const struct tuf_metadata *targets,
                            const struct tuf_delegation *delegation,
                            const struct tuf_metadata *current, struct tuf_metadata **out,
                            struct why *why)
{
    struct tuf_bytes bytes;
    enum err err;

    *out = NULL;
    TRY(load_waiting(publishing->app, publishing->tenant, delegation->role, &bytes, why));
    if (bytes.size == 0)
        return ERR_OK;
    err = tuf_accept_delegated(targets, delegation->role, current, tuf_bytes_span(&bytes),
                               publishing->now, out, why);
    tuf_bytes_done(&bytes);
    if (err != ERR_OK)
        return ERR_OK;
    return app_db_failed(
        publishing->app,
        store_delegated_promote(publishing->app->db, publishing->tenant, delegation->role), why);
}

static enum err find_list(struct publishing *publishing, const struct tuf_metadata *targets,
                          const struct tuf_delegation *delegation, struct tuf_metadata **out,
                          bool *fresh, struct why *why)
{
    struct tuf_metadata *current, *waiting = NULL;
    struct why trouble = {0};
    enum err err;

    TRY(load_current(publishing->app, publishing->tenant, delegation->role, &current, why));
    err = try_waiting(publishing, targets, delegation, current, &waiting, &trouble);
    if (err == ERR_OK && !waiting && current &&
        tuf_verify(&delegation->authority, current, NULL) == ERR_OK) {
        *out = current;
        return ERR_OK;
    }
    tuf_metadata_close(current);
    if (err != ERR_OK || waiting) {
        *fresh = true;
        *out = waiting;
        return err;
    }
    return say(why, ERR_CONFLICT, NULL,
               "%.60s is delegated to, but its list is not here or not signed as these targets "
               "demand; send it first%s%s",
               delegation->role, trouble.text[0] ? ": " : "", trouble.text);
}

static enum err find_lists(struct publishing *publishing, const struct tuf_metadata *targets,
                           const char *fresh_role, struct lists *lists, struct why *why)
{
    struct tuf_delegation delegation;
    uint64_t at = 0;

    while (tuf_delegation_next(targets, NULL, &at, &delegation)) {
        bool fresh = fresh_role && strcmp(fresh_role, delegation.role) == 0;

        if (lists->count == DELEGATED_ROLES_MAX)
            return say(why, ERR_TOO_BIG, NULL, "targets delegate to more than %u roles",
                       DELEGATED_ROLES_MAX);
        TRY(find_list(publishing, targets, &delegation, &lists->at[lists->count].list, &fresh,
                      why));
        memcpy(lists->at[lists->count].role, delegation.role, sizeof delegation.role);
        lists->at[lists->count].fresh = fresh;
        lists->count++;
    }
    return ERR_OK;
}

static const struct tuf_metadata *role_in(void *self, const char *name)
{
    const struct lists *lists = self;

    for (uint32_t i = 0; i < lists->count; i++) {
        if (strcmp(lists->at[i].role, name) == 0)
            return lists->at[i].list;
    }
    return NULL;
}

/* A statement that nobody can read would take away those that count now. */
static enum err check_statements(const struct tuf_metadata *targets, struct lists *lists,
                                 struct why *why)
{
    const struct policy_source source = {.targets = targets, .self = lists, .role = role_in};
    struct policy *policy = malloc(sizeof *policy);
    enum err err;

    CHECK(policy);
    err = policy_read(&source, policy, why);
    free(policy);
    return err;
}

static enum err read_lists(struct publishing *publishing, const struct tuf_metadata *targets,
                           struct lists *lists, bool top_fresh, struct why *why)
{
    struct app *app = publishing->app;

    TRY(check_statements(targets, lists, why));
    TRY(app_db_failed(
        app, store_release_next_listing(app->db, publishing->tenant, &publishing->listing), why));
    TRY(publish_list(publishing, targets, top_fresh, why));
    for (uint32_t i = 0; i < lists->count; i++)
        TRY(publish_list(publishing, lists->at[i].list, lists->at[i].fresh, why));
    TRY(app_db_failed(
        app, store_listed_file_drop_others(app->db, publishing->tenant, publishing->listing), why));
    TRY(app_db_failed(
        app, store_artifact_withdraw_others(app->db, publishing->tenant, publishing->listing),
        why));
    return app_db_failed(app,
                         store_release_withdraw_others(app->db, publishing->tenant,
                                                       publishing->listing,
                                                       &publishing->out->withdrawn),
                         why);
}

enum err publish_listing(struct publishing *publishing, const struct tuf_metadata *targets,
                         const char *fresh_role, struct why *why)
{
    struct lists *lists = calloc(1, sizeof *lists);
    enum err err;

    CHECK(lists);
    err = find_lists(publishing, targets, fresh_role, lists, why);
    if (err == ERR_OK)
        err = read_lists(publishing, targets, lists, fresh_role == NULL, why);
    lists_close(lists);
    return err;
}

/* ---- one list comes in ---- */

static enum err audit_list(struct publishing *publishing, const char *role, uint64_t version,
                           bool waits)
{
    const struct published *out = publishing->out;
    char object[ACTOR_SIZE_MAX], detail[AUDIT_TEXT_MAX];
    const struct deed deed = {.tenant = publishing->tenant,
                              .actor = publishing->actor,
                              .action = "trust.delegated",
                              .object = object,
                              .detail = detail};

    (void)snprintf(object, sizeof object, "role:%.80s", role);
    if (waits)
        (void)snprintf(detail, sizeof detail,
                       "version %" PRIu64 " waits for targets that delegate to its signers",
                       version);
    else
        (void)snprintf(detail, sizeof detail,
                       "version %" PRIu64 ": %u releases added, %u kept, %u withdrawn", version,
                       out->added, out->confirmed, out->withdrawn);
    return app_audit(publishing->app, publishing->now, &deed);
}

static enum err take_list(struct publishing *publishing, const struct tuf_metadata *targets,
                          const char *role, const struct tuf_metadata *list, struct why *why)
{
    struct app *app = publishing->app;
    const struct delegated_row row = row_of(publishing, role, list);

    publish_changed(app, publishing->tenant);
    TRY(app_db_failed(app, store_delegated_add(app->db, &row), why));
    TRY(publish_listing(publishing, targets, role, why));
    TRY(app_db_failed(app, audit_list(publishing, role, row.version, false), why));
    TRY(app_db_failed(app, rules_enforce(app, publishing->tenant, publishing->now), why));
    return publish_online(app, publishing->tenant, publishing->now, why);
}

/* Malformed ones, old ones and too many do not wait. */
static enum err let_wait(struct publishing *publishing, const char *role,
                         const struct tuf_metadata *list, const struct tuf_metadata *old,
                         struct why *why)
{
    struct app *app = publishing->app;
    struct delegated_names *names = calloc(1, sizeof *names);
    const struct delegated_row row = row_of(publishing, role, list);
    enum err err;

    CHECK(names);
    err = app_db_failed(app, store_delegated_names(app->db, publishing->tenant, true, names), why);
    if (err == ERR_OK && names->count == DELEGATED_ROLES_MAX)
        err = say(why, ERR_TOO_BIG, NULL, "there are %u roles already", DELEGATED_ROLES_MAX);
    free(names);
    TRY(err);
    if (old && row.version <= tuf_metadata_version(old))
        return say(why, ERR_CONFLICT, NULL, "%.60s version %" PRIu64 " is not newer than %" PRIu64,
                   role, row.version, tuf_metadata_version(old));
    TRY(app_db_failed(app, store_delegated_wait(app->db, &row), why));
    return app_db_failed(app, audit_list(publishing, role, row.version, true), why);
}

/* Targets that the present root still vouches for; NULL: there are none. */
static enum err load_targets(struct publishing *publishing, struct tuf_metadata **out,
                             struct why *why)
{
    struct tuf_metadata *root;
    enum err err;

    *out = NULL;
    TRY(publish_load(publishing->app, publishing->tenant, METADATA_ROOT, &root, why));
    if (!root)
        return say(why, ERR_INVALID, NULL, "no root has been published yet");
    err = publish_load(publishing->app, publishing->tenant, METADATA_TARGETS, out, why);
    if (err == ERR_OK && *out && tuf_verify_by_root(root, *out, NULL) != ERR_OK) {
        tuf_metadata_close(*out);
        *out = NULL;
    }
    tuf_metadata_close(root);
    return err;
}

static enum err judge(struct publishing *publishing, const char *role, struct span bytes,
                      struct delegated *out, struct why *why)
{
    struct tuf_metadata *targets, *old = NULL, *list = NULL;
    struct tuf_delegation delegation;
    enum err err;

    TRY(load_targets(publishing, &targets, why));
    err = load_current(publishing->app, publishing->tenant, role, &old, why);
    if (err == ERR_OK)
        err = tuf_metadata_read(TUF_TARGETS, bytes, &list, why);
    if (err == ERR_OK) {
        out->version = tuf_metadata_version(list);
        out->waits = !targets || !tuf_delegation_to(targets, role, &delegation) ||
                     tuf_verify(&delegation.authority, list, NULL) != ERR_OK;
        if (old && span_equal(tuf_metadata_bytes(old), bytes)) {
            out->waits = false; /* the same again */
        } else if (out->waits) {
            err = let_wait(publishing, role, list, old, why);
        } else {
            tuf_metadata_close(list);
            list = NULL;
            err = tuf_accept_delegated(targets, role, old, bytes, publishing->now, &list, why);
            if (err == ERR_OK)
                err = take_list(publishing, targets, role, list, why);
        }
    }
    tuf_metadata_close(targets);
    tuf_metadata_close(old);
    tuf_metadata_close(list);
    return err;
}

static enum err check_name(const char *role, struct why *why)
{
    static const char *const taken[] = {"root", "targets", "snapshot", "timestamp"};
    char name[TUF_FILE_NAME_SIZE];

    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        if (strcmp(role, taken[i]) == 0)
            return say(why, ERR_INVALID, "role", "%s is no role that targets delegate to", role);
    }
    if (*role == '\0' || !tuf_role_file_name(role, 1, name) || strlen(role) > DELEGATED_NAME_MAX)
        return say(why, ERR_INVALID, "role", "that cannot be the name of a role");
    return ERR_OK;
}

enum err publish_delegated(struct app *app, int64_t tenant, const char *actor,
                           const struct delegated_upload *upload, struct utc now,
                           struct delegated *out, struct why *why)
{
    struct publishing publishing = {
        .app = app, .tenant = tenant, .actor = actor, .now = now, .out = &out->published};
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {
        .tenant = tenant, .actor = actor, .action = "trust.delegated", .object = object};
    enum err err;

    *out = (struct delegated){0};
    (void)snprintf(object, sizeof object, "role:%.80s", upload->role);
    err = check_name(upload->role, why);
    if (err == ERR_OK)
        err = judge(&publishing, upload->role, upload->bytes, out, why);
    return publish_refuse(app, &deed, now, err, why);
}

/* ---- for the rules ---- */

enum err publish_delegated_newest(struct app *app, int64_t tenant,
                                  const struct tuf_metadata *targets, const char *role,
                                  struct tuf_metadata **out)
{
    struct tuf_delegation delegation;

    TRY(load_current(app, tenant, role, out, NULL));
    if (*out && (!tuf_delegation_to(targets, role, &delegation) ||
                 tuf_verify(&delegation.authority, *out, NULL) != ERR_OK)) {
        tuf_metadata_close(*out);
        *out = NULL;
    }
    return ERR_OK;
}
