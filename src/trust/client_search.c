/* Into delegated roles: chapter 5.6.7, depth first, in the order of the delegations, each role
 * once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/client_form.h"

#define DEPTH_MAX (TUF_DELEGATIONS_MAX + 2u) /* roles on one way down, the top-level one too */

/* A role under examination and how far its delegations have been followed. */
struct place {
    struct client_role *role;
    uint64_t at;
};

struct search {
    const struct refresh *refresh;
    const char *target; /* NULL: every role is wanted, whatever its paths */
    struct place way[DEPTH_MAX];
    size_t depth;
    size_t visited, visited_max; /* roles, the top-level one too */
};

/* ---- The roles at hand ---- */

void client_roles_forget(struct tuf_client *client)
{
    for (size_t i = 0; i < client->role_count; i++) {
        if (i > 0) /* the first borrows from client->trusted */
            tuf_metadata_close(client->roles[i]->metadata);
        free(client->roles[i]->delegators);
        free(client->roles[i]);
    }
    free(client->roles);
    client->roles = NULL;
    client->role_count = 0;
}

static struct client_role *add_role(struct tuf_client *client, const char *name)
{
    struct client_role *role = calloc(1, sizeof *role);
    struct client_role **roles =
        realloc(client->roles, (client->role_count + 1) * sizeof *client->roles);

    CHECK(role && roles);
    CHECK(span_to_text(span_of(name), role->name, sizeof role->name));
    client->roles = roles;
    client->roles[client->role_count++] = role;
    return role;
}

static struct client_role *find_role(const struct tuf_client *client, const char *name)
{
    for (size_t i = 0; i < client->role_count; i++) {
        if (strcmp(client->roles[i]->name, name) == 0)
            return client->roles[i];
    }
    return NULL;
}

static struct client_role *top_role(struct tuf_client *client)
{
    if (client->role_count == 0)
        add_role(client, tuf_role_name(TUF_TARGETS))->metadata = client->trusted[TUF_TARGETS];
    return client->roles[0];
}

static bool vouched_for(const struct client_role *role, const struct client_role *delegator)
{
    for (size_t i = 0; i < role->delegator_count; i++) {
        if (role->delegators[i] == delegator)
            return true;
    }
    return false;
}

const struct tuf_metadata *tuf_client_delegated(const struct tuf_client *client, const char *role)
{
    const struct client_role *known = find_role(client, role);

    return known && vouched_for(known, client->roles[0]) ? known->metadata : NULL;
}

struct utc tuf_client_targets_expire(const struct tuf_client *client)
{
    struct utc first = {INT64_MAX};

    CHECK(client->role_count > 0);
    for (size_t i = 0; i < client->role_count; i++) {
        struct utc expires = tuf_metadata_expires(client->roles[i]->metadata);

        if (expires.ms < first.ms)
            first = expires;
    }
    return first;
}

static void vouch(struct client_role *role, const struct client_role *delegator)
{
    const struct client_role **longer =
        realloc(role->delegators, (role->delegator_count + 1) * sizeof *longer);

    CHECK(longer);
    role->delegators = longer;
    role->delegators[role->delegator_count++] = delegator;
}

static void retract(struct client_role *role, const struct client_role *delegator)
{
    size_t kept = 0;

    for (size_t i = 0; i < role->delegator_count; i++) {
        if (role->delegators[i] != delegator)
            role->delegators[kept++] = role->delegators[i];
    }
    role->delegator_count = kept;
}

/* Other bytes than before: nobody but this delegator has verified them, and what the old ones
 * vouched for is open again. */
static void take_metadata(struct tuf_client *client, struct client_role *role,
                          struct tuf_metadata *metadata)
{
    if (role->metadata &&
        span_equal(tuf_metadata_bytes(role->metadata), tuf_metadata_bytes(metadata))) {
        tuf_metadata_close(metadata);
        return;
    }
    tuf_metadata_close(role->metadata);
    role->metadata = metadata;
    role->delegator_count = 0;
    for (size_t i = 0; i < client->role_count; i++)
        retract(client->roles[i], role);
}

/* ---- One step ---- */

/* What the snapshot says of a delegated role. */
static bool find_listed(const struct tuf_client *client, const char *role, struct tuf_file *out)
{
    char name[TUF_ROLE_NAME_SIZE_MAX + sizeof ".json"];

    (void)snprintf(name, sizeof name, "%s.json", role);
    return tuf_listed_file(client->trusted[TUF_SNAPSHOT], name, out);
}

/* The delegated role, verified with the keys its delegator has for it. */
static enum err get_role(const struct refresh *refresh, const struct client_role *delegator,
                         const struct tuf_delegation *delegation, struct client_role **out,
                         struct why *why)
{
    struct client_role *role = find_role(refresh->client, delegation->role);
    struct role_source source = {.role = delegation->role, .authority = delegation->authority};
    struct tuf_metadata *metadata;

    if (!role || !vouched_for(role, delegator)) {
        if (!find_listed(refresh->client, delegation->role, &source.listed))
            return say(why, ERR_NOT_FOUND, NULL,
                       "%.60s delegates to %.60s, which is not in the snapshot", delegator->name,
                       delegation->role);
        TRY(client_get_targets(refresh, &source, &metadata, why));
        if (!role)
            role = add_role(refresh->client, delegation->role);
        take_metadata(refresh->client, role, metadata);
        vouch(role, delegator);
    }
    *out = role;
    return ERR_OK;
}

static void visit(struct search *search, struct client_role *role)
{
    role->visit = search->refresh->client->visits;
    search->visited++;
    CHECK(search->depth < DEPTH_MAX);
    search->way[search->depth++] = (struct place){.role = role};
}

static bool was_visited(const struct search *search, const char *name)
{
    const struct client_role *role = find_role(search->refresh->client, name);

    return role && role->visit == search->refresh->client->visits;
}

static void begin(struct search *search)
{
    search->refresh->client->visits++;
    visit(search, top_role(search->refresh->client));
}

/* The next role on the way that was not visited yet. `*out` is NULL when there is none. */
static enum err go_on(struct search *search, struct client_role **out, struct why *why)
{
    struct tuf_delegation delegation;

    *out = NULL;
    while (search->depth > 0 && search->visited < search->visited_max) {
        struct place *place = &search->way[search->depth - 1];
        const struct client_role *delegator = place->role;
        struct tuf_file listed;

        if (!tuf_delegation_next(delegator->metadata, search->target, &place->at, &delegation)) {
            search->depth--;
            continue;
        }
        if (delegation.terminating && search->target)
            search->depth = 0; /* nobody else is asked for it */
        if (was_visited(search, delegation.role))
            continue;
        if (!search->target && (search->depth == DEPTH_MAX ||
                                !find_listed(search->refresh->client, delegation.role, &listed)))
            continue;
        TRY(get_role(search->refresh, delegator, &delegation, out, why));
        visit(search, *out);
        return ERR_OK;
    }
    return ERR_OK;
}

/* ---- The search ---- */

static enum err check_settled(const struct tuf_client *client, struct why *why)
{
    if (client->settled)
        return ERR_OK;
    return say(why, ERR_INVALID, NULL, "no targets are trusted before a refresh has succeeded");
}

/* The role that has the last word on the target and lists it. */
static enum err find_lister(const struct refresh *refresh, const char *name,
                            struct client_role **out, struct tuf_file *file, struct why *why)
{
    struct search search = {
        .refresh = refresh, .target = name, .visited_max = TUF_DELEGATIONS_MAX + 1};
    struct client_role *role;

    TRY(check_settled(refresh->client, why));
    begin(&search);
    role = top_role(refresh->client);
    while (role) {
        if (tuf_target_file(role->metadata, name, file)) {
            *out = role;
            return ERR_OK;
        }
        TRY(say_where(why, go_on(&search, &role, why), "looking for %.60s", name));
    }
    return say(why, ERR_NOT_FOUND, NULL, "no role that was asked lists %.80s", name);
}

enum err tuf_client_target_file(struct tuf_client *client, const struct tuf_fetch *fetch,
                                const char *name, struct tuf_file *out, struct why *why)
{
    const struct refresh refresh = {.client = client, .fetch = fetch};
    struct client_role *role;
    struct tuf_file file;

    TRY(find_lister(&refresh, name, &role, &file, why));
    *out = file;
    return ERR_OK;
}

enum err tuf_client_target(struct tuf_client *client, const struct tuf_fetch *fetch,
                           const char *name, struct tuf_target *out, struct why *why)
{
    const struct refresh refresh = {.client = client, .fetch = fetch};
    struct client_role *role;
    struct tuf_file file;

    TRY(find_lister(&refresh, name, &role, &file, why));
    return tuf_find_target(role->metadata, name, out, why);
}

enum err tuf_client_load_all(struct tuf_client *client, const struct tuf_fetch *fetch,
                             struct why *why)
{
    const struct refresh refresh = {.client = client, .fetch = fetch};
    struct search search = {.refresh = &refresh, .visited_max = TUF_ROLES_MAX + 1};
    struct client_role *role;

    TRY(check_settled(client, why));
    begin(&search);
    do {
        TRY(go_on(&search, &role, why));
    } while (role);
    if (search.visited == search.visited_max)
        return say(why, ERR_TOO_BIG, NULL, "targets delegate to more than %u roles", TUF_ROLES_MAX);
    return ERR_OK;
}

/* ---- All targets ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names that any role at hand lists, sorted, the same one perhaps several times. Copies: the
 * searches that follow may replace a role. */
static char **copy_names(const struct tuf_client *client, size_t *count)
{
    char **names = NULL;
    size_t at = 0, room = 1;

    for (size_t i = 0; i < client->role_count; i++) {
        json_t *targets =
            json_object_get(tuf_metadata_signed(client->roles[i]->metadata), "targets");

        room += json_object_size(targets);
        names = realloc(names, room * sizeof *names);
        CHECK(names);
        for (void *j = json_object_iter(targets); j; j = json_object_iter_next(targets, j)) {
            names[at] = strdup(json_object_iter_key(j));
            CHECK(names[at++]);
        }
    }
    if (names)
        qsort(names, at, sizeof *names, compare_names);
    *count = at;
    return names;
}

static enum err show(struct tuf_client *client, const char *name, struct tuf_target *found,
                     tuf_each_target *each, void *self, struct why *why)
{
    const struct refresh refresh = {.client = client};
    struct client_role *role;
    struct tuf_file file;

    if (find_lister(&refresh, name, &role, &file, NULL) != ERR_OK)
        return ERR_OK; /* listed by somebody who has no say in it */
    TRY(tuf_find_target(role->metadata, name, found, why));
    return each(self, found, why);
}

enum err tuf_client_for_each_target(struct tuf_client *client, tuf_each_target *each, void *self,
                                    struct why *why)
{
    struct tuf_target target;
    char **names;
    size_t count;
    enum err err = ERR_OK;

    TRY(check_settled(client, why));
    (void)top_role(client);
    names = copy_names(client, &count);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            err = show(client, names[i], &target, each, self, why);
    }
    while (count > 0)
        free(names[--count]);
    free(names);
    return err;
}
