/* Signing a repository's staged files, one signer after the other, and what becomes current. */
#include <string.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/repository_files.h"
#include "trust/tuf_key.h"

/* ---- Rules ---- */

void repository_rules_done(struct repository_rules *rules)
{
    tuf_metadata_close(rules->current);
    tuf_metadata_close(rules->staged);
}

/* What `delegator` says of `role`; false: nothing. */
static bool authority_of(const struct tuf_metadata *delegator, const char *role,
                         struct tuf_authority *out)
{
    struct tuf_delegation delegation;

    if (tuf_metadata_role(delegator) == TUF_ROOT) {
        *out = tuf_root_authority(delegator, repository_kind(role));
        return true;
    }
    if (!tuf_delegation_to(delegator, role, &delegation))
        return false;
    *out = delegation.authority;
    return true;
}

static void add_rule(struct repository_rules *rules, const struct tuf_metadata *delegator,
                     const char *by, const char *role)
{
    if (!delegator || !authority_of(delegator, role, &rules->list[rules->count]))
        return;
    rules->settled = rules->settled || delegator == rules->current;
    rules->by[rules->count] = by;
    rules->by_version[rules->count] = tuf_metadata_version(delegator);
    rules->count++;
}

static enum err unless_missing(enum err err, struct why *why)
{
    if (err == ERR_NOT_FOUND && why)
        why_clear(why);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err repository_rules_find(const char *dir, const char *role, struct repository_rules *out,
                               struct why *why)
{
    bool top = strcmp(role, REPOSITORY_ROOT) == 0 || strcmp(role, REPOSITORY_TARGETS) == 0;
    const char *by = top ? REPOSITORY_ROOT : REPOSITORY_TARGETS;
    struct repository_rules rules = {.all = strcmp(role, REPOSITORY_ROOT) == 0};
    enum err err = unless_missing(repository_read(dir, by, 0, &rules.current, why), why);

    if (err == ERR_OK)
        err = unless_missing(repository_read_staged(dir, by, &rules.staged, why), why);
    if (err == ERR_OK) {
        add_rule(&rules, rules.current, by, role);
        add_rule(&rules, rules.staged, by, role);
        if (rules.count == 0)
            err = say(why, ERR_NOT_FOUND, "role", "%s: there is no role %s", dir, role);
    }
    if (err != ERR_OK) {
        repository_rules_done(&rules);
        return err;
    }
    *out = rules;
    return ERR_OK;
}

static struct repository_signing count_by(const struct tuf_authority *rule,
                                          const struct tuf_metadata *staged)
{
    return (struct repository_signing){.version = tuf_metadata_version(staged),
                                       .have = tuf_signature_count(rule, staged),
                                       .need = rule->threshold};
}

static int64_t missing(const struct repository_signing *signing)
{
    return (int64_t)signing->need - signing->have;
}

/* By the rule that counts: of a root the one that lacks most; of others that of the delegator as
 * it is now if that is satisfied, else as it will be. */
static struct repository_signing count_signatures(const struct repository_rules *rules,
                                                  const struct tuf_metadata *staged)
{
    struct repository_signing signing = count_by(&rules->list[0], staged);

    for (size_t i = 1; i < rules->count; i++) {
        struct repository_signing other = count_by(&rules->list[i], staged);

        if (rules->all ? missing(&other) >= missing(&signing) : missing(&signing) > 0)
            signing = other;
    }
    return signing;
}

/* ---- Signing ---- */

/* Under every id by which a rule names this key. */
static enum err sign_by_rule(json_t *envelope, const struct tuf_authority *rule,
                             const struct key *key, bool *named, struct why *why)
{
    const json_t *keyid;
    size_t i;

    json_array_foreach(rule->keyids, i, keyid)
    {
        const char *id = json_string_value(keyid);
        struct key *one;
        bool same;

        if (tuf_key_from_json(json_object_get(rule->keys, id), &one, NULL) != ERR_OK)
            continue;
        same = key_same(one, key);
        key_close(one);
        if (same) {
            TRY(tuf_envelope_sign(envelope, key, id, why));
            *named = true;
        }
    }
    return ERR_OK;
}

enum err repository_sign_by_rules(json_t *envelope, const struct repository_rules *rules,
                                  const char *role, const struct key *key, struct why *why)
{
    char keyid[DIGEST_HEX_SIZE];
    bool named = false;

    for (size_t i = 0; i < rules->count; i++)
        TRY(sign_by_rule(envelope, &rules->list[i], key, &named, why));
    if (named)
        return ERR_OK;
    tuf_key_id(key, keyid);
    return say(why, ERR_UNTRUSTED, NULL, "key %.16s has no say in %s", keyid, role);
}

static enum err add_signature(const char *dir, const char *role,
                              const struct repository_rules *rules,
                              const struct tuf_metadata *staged, const struct key *key,
                              struct why *why)
{
    json_t *envelope = tuf_envelope_of(staged);
    enum err err;

    CHECK(json_object_set_new(envelope, "signatures",
                              json_deep_copy(tuf_metadata_signatures(staged))) == 0);
    err = repository_sign_by_rules(envelope, rules, role, key, why);
    if (err != ERR_OK) {
        json_decref(envelope);
        return err;
    }
    return repository_stage(dir, role, envelope, why);
}

/* ---- Becoming current ---- */

static enum err settle_one(const char *dir, const char *role, struct repository_signing *out,
                           struct why *why)
{
    struct repository_rules rules;
    struct tuf_metadata *staged;
    enum err err;

    TRY(repository_read_staged(dir, role, &staged, why));
    err = repository_rules_find(dir, role, &rules, why);
    if (err != ERR_OK) {
        tuf_metadata_close(staged);
        return err;
    }
    *out = count_signatures(&rules, staged);
    if (rules.all ? missing(out) <= 0
                  : rules.settled &&
                        tuf_signature_count(&rules.list[0], staged) >= rules.list[0].threshold) {
        err = repository_promote(dir, role, staged, why);
        out->complete = err == ERR_OK;
    }
    repository_rules_done(&rules);
    tuf_metadata_close(staged);
    return err;
}

static enum err settle_delegated(const char *dir, struct why *why)
{
    struct repository_names names;
    struct repository_signing signing;

    TRY(repository_roles(dir, &names, why));
    for (uint32_t i = 0; i < names.count; i++)
        TRY(unless_missing(settle_one(dir, names.at[i], &signing, why), why));
    return ERR_OK;
}

enum err repository_settle(const char *dir, const char *role, struct repository_signing *out,
                           struct why *why)
{
    struct repository_signing signing, below = {0};

    TRY(settle_one(dir, role, &signing, why));
    if (signing.complete && strcmp(role, REPOSITORY_ROOT) == 0)
        TRY(unless_missing(settle_one(dir, REPOSITORY_TARGETS, &below, why), why));
    if (below.complete || (signing.complete && strcmp(role, REPOSITORY_TARGETS) == 0))
        TRY(settle_delegated(dir, why));
    *out = signing;
    return ERR_OK;
}

enum err repository_sign(const char *dir, const char *role, const struct key *key,
                         struct repository_signing *out, struct why *why)
{
    struct repository_rules rules;
    struct tuf_metadata *staged;
    enum err err;

    TRY(repository_read_staged(dir, role, &staged, why));
    err = repository_rules_find(dir, role, &rules, why);
    if (err == ERR_OK) {
        err = add_signature(dir, role, &rules, staged, key, why);
        repository_rules_done(&rules);
    }
    tuf_metadata_close(staged);
    TRY(err);
    return repository_settle(dir, role, out, why);
}

enum err repository_staged(const char *dir, const char *role, struct repository_signing *out,
                           struct why *why)
{
    struct repository_rules rules;
    struct tuf_metadata *staged;
    enum err err;

    TRY(repository_read_staged(dir, role, &staged, why));
    err = repository_rules_find(dir, role, &rules, why);
    if (err == ERR_OK) {
        *out = count_signatures(&rules, staged);
        repository_rules_done(&rules);
    }
    tuf_metadata_close(staged);
    return err;
}
