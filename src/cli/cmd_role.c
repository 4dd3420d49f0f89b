/* repo delegate, undelegate, rotate: who may sign what. */
#include <string.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/staged.h"
#include "format/release.h"
#include "os/say.h"
#include "trust/policy.h"
#include "trust/tuf_key.h"

#define PRODUCT_ROLE "product-"

/* ---- delegate ---- */

struct role_plan {
    char role[sizeof PRODUCT_ROLE + NAME_SIZE_MAX];
    char pattern[NAME_SIZE_MAX + sizeof "/*/*"];
};

static enum err plan_role(struct cli *cli, struct role_plan *out, struct why *why)
{
    const char *what = options_text(&cli->options, "for");
    const char *product = cli->arg_count > 0 ? cli->args[0] : NULL;

    if (strcmp(what, "product") != 0 && product)
        return say(why, ERR_INVALID, "for", "--for %s is for no single product", what);
    if (strcmp(what, "policy") == 0) {
        *out = (struct role_plan){"policy", POLICY_PATTERN};
        return ERR_OK;
    }
    if (strcmp(what, "authority") == 0) {
        *out = (struct role_plan){"authority", POLICY_AUTHORITY_PATTERN};
        return ERR_OK;
    }
    if (!product || !release_name_ok(product))
        return say(why, ERR_INVALID, NULL, "name the product: letters, digits and ._-");
    (void)snprintf(out->role, sizeof out->role, PRODUCT_ROLE "%s", product);
    (void)snprintf(out->pattern, sizeof out->pattern, "%s/*/*", product);
    return ERR_OK;
}

static enum err delegate(struct cli *cli, const struct role_plan *plan, const struct keys *keys,
                         struct why *why)
{
    const struct repository_delegation delegation = {
        .role = plan->role,
        .pattern = plan->pattern,
        .keys = {keys->at, keys->count, (uint32_t)options_int(&cli->options, "threshold")},
        .expires = staged_expiry(cli, "targets_expires"),
    };

    TRY(repository_delegate(staged_dir(cli), &delegation, why));
    return staged_sign_at_hand(cli, plan->role, keys, why);
}

int cmd_repo_delegate(struct cli *cli)
{
    struct role_plan plan = {.role = ""};
    struct keys keys;
    struct why why;
    enum err err;
    int code;

    why_clear(&why);
    err = plan_role(cli, &plan, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    code = keys_load(cli, "key", false, &keys);
    if (code != CODE_OK)
        return code;
    err = delegate(cli, &plan, &keys, &why);
    keys_close(&keys);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->out, "%s\n", plan.role);
    code = staged_report(cli, REPOSITORY_TARGETS);
    return code == CODE_OK ? staged_report(cli, plan.role) : code;
}

int cmd_repo_undelegate(struct cli *cli)
{
    struct why why;
    enum err err;

    why_clear(&why);
    err = repository_undelegate(staged_dir(cli), cli->args[0],
                                staged_expiry(cli, "targets_expires"), &why);
    return err == ERR_OK ? staged_report(cli, REPOSITORY_TARGETS) : complain_why(cli, err, &why);
}

/* ---- rotate ---- */

/* A key to take away: a file, or the first digits of its key id. */
static bool is_named(const struct key *key, const char *name, const struct key *other)
{
    char id[DIGEST_HEX_SIZE];

    if (other)
        return key_same(key, other);
    tuf_key_id(key, id);
    return strlen(name) >= 8 && strncmp(id, name, strlen(name)) == 0;
}

static enum err take_away(struct cli *cli, const char *name, struct keys *keys, struct why *why)
{
    struct key *other = NULL;
    uint32_t kept = 0, before = keys->count;

    if (strspn(name, "0123456789abcdef") != strlen(name))
        TRY(keys_open(cli, name, &other, why));
    for (uint32_t i = 0; i < before; i++) {
        if (is_named(keys->at[i], name, other))
            key_close(keys->at[i]);
        else
            keys->at[kept++] = keys->at[i];
    }
    keys->count = kept;
    key_close(other);
    if (kept == before)
        return say(why, ERR_NOT_FOUND, "remove", "the role has no key %.80s", name);
    return ERR_OK;
}

static enum err add_key(struct cli *cli, const char *name, struct keys *keys, struct why *why)
{
    if (keys->count == REPOSITORY_KEYS_MAX)
        return say(why, ERR_INVALID, "add", "a role has at most %u keys", REPOSITORY_KEYS_MAX);
    TRY(keys_open(cli, name, &keys->at[keys->count], why));
    keys->count++;
    return ERR_OK;
}

/* What the role has now, without --remove, with --add. */
static enum err change_keys(struct cli *cli, const char *role, struct keys *out,
                            uint32_t *threshold, struct why *why)
{
    struct repository_keys now;
    size_t added, removed;
    const char *const *add = options_list(&cli->options, "add", &added);
    const char *const *away = options_list(&cli->options, "remove", &removed);

    TRY(repository_keys(staged_dir(cli), role, &now, why));
    out->count = now.count;
    memcpy(out->at, now.keys, sizeof out->at); /* taken over */
    *threshold = now.threshold;
    for (size_t i = 0; i < removed; i++)
        TRY(take_away(cli, away[i], out, why));
    for (size_t i = 0; i < added; i++)
        TRY(add_key(cli, add[i], out, why));
    return ERR_OK;
}

/* The server makes a new online key, or names the one it has made and does not use yet. */
static int ask_new_key(struct cli *cli, const char *role, struct keys *out)
{
    struct api_path path = api_path("/trust/online-keys/{}", role);
    json_t *json;
    struct why why;
    enum err err;
    int code = api_send(cli, "POST", &path, NULL, &json);

    if (code != CODE_OK)
        return code;
    why_clear(&why);
    err = tuf_key_from_json(json_object_get(json, "key"), &out->at[out->count], &why);
    json_decref(json);
    if (err != ERR_OK)
        return complain(cli, CODE_ERROR, "the server's new key: %s", why.text);
    out->count++;
    return CODE_OK;
}

static bool is_online(const char *role)
{
    return strcmp(role, "snapshot") == 0 || strcmp(role, "timestamp") == 0;
}

static int choose_keys(struct cli *cli, const char *role, struct keys *keys, uint32_t *threshold)
{
    bool changes = options_given(&cli->options, "add") || options_given(&cli->options, "remove");
    struct why why;
    enum err err;
    int code = keys_load(cli, "key", false, keys);

    why_clear(&why);
    if (code != CODE_OK)
        return code;
    *threshold = 1;
    if (keys->count > 0 && changes)
        return complain(cli, CODE_USAGE, "--key says all keys; --add and --remove change them");
    if (keys->count == 0 && !changes && is_online(role))
        return ask_new_key(cli, role, keys);
    if (keys->count == 0) {
        err = change_keys(cli, role, keys, threshold, &why);
        if (err != ERR_OK)
            return complain_why(cli, err, &why);
    }
    if (options_given(&cli->options, "threshold"))
        *threshold = (uint32_t)options_int(&cli->options, "threshold");
    return CODE_OK;
}

/* The delegator, and the file itself, whose signatures no longer count. */
static enum err stage_rotation(struct cli *cli, const char *role, const struct keys *keys,
                               uint32_t threshold, struct why *why)
{
    const struct repository_role to = {keys->at, keys->count, threshold};
    bool top = is_online(role) || strcmp(role, "root") == 0 || strcmp(role, "targets") == 0;
    struct utc targets_expires = staged_expiry(cli, "targets_expires");

    TRY(repository_set_role(staged_dir(cli), role, &to,
                            top ? staged_expiry(cli, "root_expires") : targets_expires, why));
    if (is_online(role) || strcmp(role, "root") == 0)
        return ERR_OK;
    return repository_renew(staged_dir(cli), role, targets_expires, why);
}

static int report_rotation(struct cli *cli, const char *role)
{
    bool in_root = is_online(role) || strcmp(role, "root") == 0 || strcmp(role, "targets") == 0;
    int code = staged_report(cli, in_root ? REPOSITORY_ROOT : REPOSITORY_TARGETS);

    if (code != CODE_OK || is_online(role) || strcmp(role, "root") == 0)
        return code;
    return staged_report(cli, role);
}

int cmd_repo_rotate(struct cli *cli)
{
    const char *role = options_text(&cli->options, "role");
    struct keys keys = {.count = 0};
    uint32_t threshold = 1;
    struct why why;
    enum err err = ERR_OK;
    int code;

    why_clear(&why);
    if (!role)
        return complain(cli, CODE_USAGE, "say whose keys change: --role ROLE");
    code = choose_keys(cli, role, &keys, &threshold);
    if (code == CODE_OK)
        err = stage_rotation(cli, role, &keys, threshold, &why);
    keys_close(&keys);
    if (code != CODE_OK)
        return code;
    return err == ERR_OK ? report_rotation(cli, role) : complain_why(cli, err, &why);
}

/* ---- trust authority ---- */

/* All keys given; or those that sign now and, with --rotate, a new one of the server's. */
static int authority_keys(struct cli *cli, struct keys *keys)
{
    bool rotate = options_flag(&cli->options, "rotate");
    struct repository_keys now = {.count = 0};
    struct why why;
    enum err err;
    int code = keys_load(cli, "key", false, keys);

    if (code != CODE_OK || (keys->count > 0 && !rotate))
        return code;
    if (keys->count > 0)
        return complain(cli, CODE_USAGE, "--key says all keys; --rotate adds a new one");
    if (!rotate)
        return keys_load_online(cli, NULL, "assignment_key", keys);
    why_clear(&why);
    err = repository_assignment(staged_dir(cli), &now, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    keys->count = now.count;
    memcpy(keys->at, now.keys, sizeof keys->at); /* taken over */
    return ask_new_key(cli, "assignment", keys);
}

int cmd_trust_authority(struct cli *cli)
{
    struct repository_edit edit = {.dir = staged_dir(cli),
                                   .expires = staged_expiry(cli, "targets_expires")};
    struct keys keys = {.count = 0};
    struct repository_role to;
    struct why why;
    enum err err;
    int code = authority_keys(cli, &keys);

    if (code == CODE_OK) {
        why_clear(&why);
        to = (struct repository_role){keys.at, keys.count, 1};
        err = repository_set_assignment(&edit, &to, &why);
        code = staged_edited(cli, &edit, err, &why);
    }
    keys_close(&keys);
    return code;
}
