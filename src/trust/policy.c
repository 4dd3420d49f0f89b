#include "trust/policy.h"

#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "crypto/cose_key.h"
#include "os/say.h"
#include "trust/tuf_key.h"

/* ---- Who may state what ---- */

static const json_t *custom_in(const struct tuf_metadata *targets, const char *name)
{
    const json_t *all = json_object_get(tuf_metadata_signed(targets), "targets");

    return json_object_get(json_object_get(all, name), "custom");
}

static bool lists(const struct tuf_metadata *targets, const char *name)
{
    return json_object_get(json_object_get(tuf_metadata_signed(targets), "targets"), name) != NULL;
}

/* Whether a delegation is of exactly this one pattern. */
static bool is_exactly(const json_t *delegation, const char *pattern)
{
    const json_t *paths = json_object_get(delegation, "paths");
    const char *only = json_string_value(json_array_get(paths, 0));

    return json_array_size(paths) == 1 && only && strcmp(only, pattern) == 0;
}

/* The targets that make a statement; NULL when nobody does. */
static enum err find(const struct policy_source *source, const char *name, const char *pattern,
                     const struct tuf_metadata **out, struct why *why)
{
    const json_t *part = tuf_metadata_signed(source->targets);
    const json_t *roles = json_object_get(json_object_get(part, "delegations"), "roles");
    size_t i;

    *out = lists(source->targets, name) ? source->targets : NULL;
    for (i = 0; !*out && i < json_array_size(roles); i++) {
        const json_t *delegation = json_array_get(roles, i);
        const char *role = json_string_value(json_object_get(delegation, "name"));
        const struct tuf_metadata *stated;

        if (!role || !is_exactly(delegation, pattern))
            continue;
        stated = source->role ? source->role(source->self, role) : NULL;
        if (!stated)
            return say(why, ERR_NOT_FOUND, NULL, "role %.60s may state %s, but is not there", role,
                       name);
        *out = lists(stated, name) ? stated : NULL;
    }
    return ERR_OK;
}

/* ---- Statements ---- */

static enum err read_key(const json_t *json, struct verify_key *out, struct why *why)
{
    struct key *key = NULL;
    enum err err = tuf_key_from_json(json, &key, why);

    if (err == ERR_OK)
        err = key_to_verify(key, out, why);
    key_close(key);
    return err == ERR_INVALID ? ERR_CORRUPT : err; /* a kind that devices do not know */
}

static enum err read_assignment(const json_t *custom, struct policy *policy, struct why *why)
{
    const json_t *authority = json_object_get(custom, POLICY_AUTHORITY_KEY);
    const json_t *keys = json_object_get(authority, POLICY_KEYS_MEMBER);
    size_t count = json_array_size(keys);

    if (!json_is_array(keys))
        return say(why, ERR_CORRUPT, NULL, "states no list of keys");
    if (count > POLICY_ASSIGNMENT_KEYS_MAX)
        return say(why, ERR_TOO_BIG, NULL, "states more than %u keys", POLICY_ASSIGNMENT_KEYS_MAX);
    for (size_t i = 0; i < count; i++)
        TRY(read_key(json_array_get(keys, i), &policy->assignment_keys[i], why));
    policy->assignment_key_count = (uint32_t)count;
    return ERR_OK;
}

static enum err read_block(const json_t *custom, struct policy *policy, struct why *why)
{
    const json_t *blocked =
        json_object_get(json_object_get(custom, POLICY_KEY), POLICY_BLOCKED_MEMBER);
    size_t count = json_array_size(blocked);

    if (!json_is_array(blocked))
        return say(why, ERR_CORRUPT, NULL, "states no list of digests");
    if (count > POLICY_BLOCKED_MAX)
        return say(why, ERR_TOO_BIG, NULL, "states more than %u digests", POLICY_BLOCKED_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *hex = json_string_value(json_array_get(blocked, i));

        if (!hex || !hex_parse(span_of(hex), policy->blocked[i], DIGEST_SIZE))
            return say(why, ERR_CORRUPT, NULL, "a blocked digest is not 64 hex digits");
    }
    policy->blocked_count = (uint32_t)count;
    return ERR_OK;
}

static enum err read_grace(const json_t *custom, struct policy *policy, struct why *why)
{
    const json_t *stale = json_object_get(json_object_get(custom, POLICY_KEY), POLICY_STALE_MEMBER);

    if (!json_is_integer(stale) || json_integer_value(stale) < 0)
        return say(why, ERR_CORRUPT, NULL, "states no number of seconds");
    if (json_integer_value(stale) > POLICY_STALE_MAX_S)
        return say(why, ERR_TOO_BIG, NULL, "states more than a year");
    policy->allow_stale_s = (uint32_t)json_integer_value(stale);
    return ERR_OK;
}

enum err policy_read(const struct policy_source *source, struct policy *out, struct why *why)
{
    static const struct {
        const char *name, *pattern;
        enum err (*read)(const json_t *custom, struct policy *policy, struct why *why);
    } statements[] = {
        {POLICY_ASSIGNMENT, POLICY_AUTHORITY_PATTERN, read_assignment},
        {POLICY_BLOCK, POLICY_PATTERN, read_block},
        {POLICY_GRACE, POLICY_PATTERN, read_grace},
    };
    struct policy policy = {0};

    CHECK(tuf_metadata_role(source->targets) == TUF_TARGETS);
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        const struct tuf_metadata *stated = NULL;
        enum err err = find(source, statements[i].name, statements[i].pattern, &stated, why);

        if (err == ERR_OK && stated)
            err = statements[i].read(custom_in(stated, statements[i].name), &policy, why);
        if (err != ERR_OK)
            return say_where(why, err, "%s", statements[i].name);
    }
    *out = policy;
    return ERR_OK;
}

bool policy_blocks(const struct policy *policy, const uint8_t sha256[DIGEST_SIZE])
{
    for (uint32_t i = 0; i < policy->blocked_count; i++) {
        if (memcmp(policy->blocked[i], sha256, DIGEST_SIZE) == 0)
            return true;
    }
    return false;
}
