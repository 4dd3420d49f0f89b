#include "trust/delegation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/hex.h"
#include "codec/percent.h"
#include "os/say.h"
#include "trust/metadata_form.h"
#include "trust/path_pattern.h"

#define BIN_BITS_MAX    32u    /* TAP 15 */
#define BINS_LISTED_MAX 65536u /* more are found by a path only, never one after the other */

/* The parts of the succinct form. */
struct bins {
    const json_t *json;
    uint64_t bits, count;
    const char *prefix;
};

static const json_t *delegations_of(const struct tuf_metadata *targets)
{
    CHECK(targets->role == TUF_TARGETS);
    return json_object_get(targets->signed_part, "delegations");
}

static struct tuf_authority authority_of(const json_t *delegations, const json_t *role)
{
    uint64_t threshold = 0;

    CHECK(tuf_number(role, "threshold", 1, &threshold)); /* reading has checked its form */
    return (struct tuf_authority){
        .keys = json_object_get(delegations, "keys"),
        .keyids = json_object_get(role, "keyids"),
        .threshold = (uint32_t)threshold,
    };
}

/* ---- Which paths ---- */

static void digest_of_path(const char *target, char hex[DIGEST_HEX_SIZE])
{
    uint8_t digest[DIGEST_SIZE];

    digest_of(DIGEST_SHA256, span_of(target), digest);
    hex_print((struct span){digest, sizeof digest}, hex);
}

static bool covers(const json_t *role, const char *target)
{
    const json_t *patterns = json_object_get(role, "paths");
    const json_t *prefixes = json_object_get(role, "path_hash_prefixes");
    char hex[DIGEST_HEX_SIZE];
    const json_t *one;
    size_t i;

    json_array_foreach(patterns, i, one)
    {
        if (path_pattern_matches(json_string_value(one), target))
            return true;
    }
    if (prefixes)
        digest_of_path(target, hex);
    json_array_foreach(prefixes, i, one)
    {
        if (strncmp(hex, json_string_value(one), json_string_length(one)) == 0)
            return true;
    }
    return false;
}

/* ---- Bins ---- */

static bool bins_of(const json_t *delegations, struct bins *out)
{
    const json_t *json = json_object_get(delegations, "succinct_roles");

    if (!json)
        return false;
    out->json = json;
    CHECK(tuf_number(json, "bit_length", 1, &out->bits));
    out->count = UINT64_C(1) << out->bits;
    out->prefix = json_string_value(json_object_get(json, "name_prefix"));
    return true;
}

static uint64_t bin_for(const struct bins *bins, const char *target)
{
    uint8_t digest[DIGEST_SIZE];

    digest_of(DIGEST_SHA256, span_of(target), digest);
    return load_be32(digest) >> (BIN_BITS_MAX - bins->bits);
}

/* "PREFIX-" and the number in as many hex digits as the last bin has. */
static void fill_bin(const json_t *delegations, const struct bins *bins, uint64_t bin,
                     struct tuf_delegation *out)
{
    *out = (struct tuf_delegation){.authority = authority_of(delegations, bins->json),
                                   .terminating = true};
    (void)snprintf(out->role, sizeof out->role, "%s-%0*" PRIx64, bins->prefix,
                   (int)((bins->bits + 3) / 4), bin);
}

static bool next_bin(const json_t *delegations, const struct bins *bins, const char *target,
                     uint64_t *at, struct tuf_delegation *out)
{
    uint64_t bin = target ? bin_for(bins, target) : *at;

    if (*at >= (target ? 1 : bins->count) || (!target && bins->count > BINS_LISTED_MAX))
        return false;
    ++*at;
    fill_bin(delegations, bins, bin, out);
    return true;
}

/* ---- The roles one by one ---- */

static void fill_role(const json_t *delegations, const json_t *role, struct tuf_delegation *out)
{
    *out = (struct tuf_delegation){
        .authority = authority_of(delegations, role),
        .terminating = json_is_true(json_object_get(role, "terminating")),
    };
    CHECK(span_to_text(span_of(json_string_value(json_object_get(role, "name"))), out->role,
                       sizeof out->role));
}

bool tuf_delegation_next(const struct tuf_metadata *targets, const char *target, uint64_t *at,
                         struct tuf_delegation *out)
{
    const json_t *delegations = delegations_of(targets);
    const json_t *roles = json_object_get(delegations, "roles");
    struct bins bins;

    if (bins_of(delegations, &bins))
        return next_bin(delegations, &bins, target, at, out);
    while (*at < json_array_size(roles)) {
        const json_t *role = json_array_get(roles, (size_t)(*at)++);

        if (!target || covers(role, target)) {
            fill_role(delegations, role, out);
            return true;
        }
    }
    return false;
}

static bool find_bin(const json_t *delegations, const struct bins *bins, const char *role,
                     struct tuf_delegation *out)
{
    size_t prefix = strlen(bins->prefix), digits = (size_t)(bins->bits + 3) / 4;
    uint64_t bin = 0;

    if (strncmp(role, bins->prefix, prefix) != 0 || role[prefix] != '-' ||
        strlen(role + prefix + 1) != digits)
        return false;
    for (const char *digit = role + prefix + 1; *digit != '\0'; digit++) {
        const char *found = strchr("0123456789abcdef", *digit);

        if (!found)
            return false;
        bin = bin << 4 | (uint64_t)(found - "0123456789abcdef");
    }
    if (bin >= bins->count)
        return false;
    fill_bin(delegations, bins, bin, out);
    return true;
}

bool tuf_delegation_to(const struct tuf_metadata *targets, const char *role,
                       struct tuf_delegation *out)
{
    const json_t *delegations = delegations_of(targets);
    struct tuf_delegation one;
    struct bins bins;
    uint64_t at = 0;

    if (bins_of(delegations, &bins))
        return find_bin(delegations, &bins, role, out);
    while (tuf_delegation_next(targets, NULL, &at, &one)) {
        if (strcmp(one.role, role) == 0) {
            *out = one;
            return true;
        }
    }
    return false;
}

/* ---- Form ---- */

static bool all_texts(const json_t *array)
{
    const json_t *one;
    size_t i;

    if (!json_is_array(array))
        return false;
    json_array_foreach(array, i, one)
    {
        if (!json_is_string(one))
            return false;
    }
    return true;
}

static enum err check_name(const json_t *name, struct why *why)
{
    const char *text = json_string_value(name);

    if (!text || *text == '\0')
        return say(why, ERR_CORRUPT, NULL, "delegates to a role without a name");
    if (json_string_length(name) > TUF_ROLE_NAME_SIZE_MAX)
        return say(why, ERR_CORRUPT, NULL, "role %.40s...: its name has more than %u bytes", text,
                   TUF_ROLE_NAME_SIZE_MAX);
    for (int i = 0; i < TUF_ROLE_COUNT; i++) {
        if (strcmp(text, tuf_role_name((enum tuf_role)i)) == 0)
            return say(why, ERR_CORRUPT, NULL, "role %s: only a root says who that is", text);
    }
    return ERR_OK;
}

static enum err check_one(const json_t *role, struct why *why)
{
    const char *name = json_string_value(json_object_get(role, "name"));
    const json_t *paths = json_object_get(role, "paths");
    const json_t *prefixes = json_object_get(role, "path_hash_prefixes");

    TRY(check_name(json_object_get(role, "name"), why));
    TRY(tuf_check_authority(role, name, why));
    if (!json_is_boolean(json_object_get(role, "terminating")))
        return say(why, ERR_CORRUPT, NULL, "role %.60s: terminating is not a boolean", name);
    if (!paths == !prefixes || !all_texts(paths ? paths : prefixes))
        return say(why, ERR_CORRUPT, NULL,
                   "role %.60s: needs a list of texts, paths or path_hash_prefixes", name);
    return ERR_OK;
}

static enum err check_roles(const json_t *roles, struct why *why)
{
    const json_t *one;
    size_t i;

    if (!json_is_array(roles))
        return say(why, ERR_CORRUPT, NULL, "roles is not a list");
    json_array_foreach(roles, i, one)
    {
        TRY(check_one(one, why));
    }
    if (!tuf_all_different(roles, "name"))
        return say(why, ERR_CORRUPT, NULL, "delegates to one role twice");
    return ERR_OK;
}

static enum err check_bins(const json_t *bins, struct why *why)
{
    const json_t *prefix = json_object_get(bins, "name_prefix");
    uint64_t bits;

    if (!json_is_string(prefix) || json_string_length(prefix) > TUF_ROLE_NAME_SIZE_MAX - 9)
        return say(why, ERR_CORRUPT, NULL, "succinct_roles: name_prefix is not a short text");
    if (!tuf_number(bins, "bit_length", 1, &bits) || bits > BIN_BITS_MAX)
        return say(why, ERR_CORRUPT, NULL, "succinct_roles: bit_length is not a number up to 32");
    return tuf_check_authority(bins, json_string_value(prefix), why);
}

enum err tuf_check_delegations(const json_t *delegations, struct why *why)
{
    const json_t *roles = json_object_get(delegations, "roles");
    const json_t *bins = json_object_get(delegations, "succinct_roles");

    if (!roles == !bins)
        return say(why, ERR_CORRUPT, NULL, "needs one of roles and succinct_roles");
    TRY(tuf_check_keys(json_object_get(delegations, "keys"), why));
    return roles ? check_roles(roles, why) : check_bins(bins, why);
}

bool tuf_role_file_name(const char *role, uint64_t version, char out[TUF_FILE_NAME_SIZE])
{
    struct buf buf = buf_over(out, TUF_FILE_NAME_SIZE);
    size_t before;

    if (version != 0) {
        buf_uint(&buf, version);
        buf_byte(&buf, '.');
    }
    before = buf.size;
    percent_put(&buf, span_of(role), "");
    buf_text(&buf, ".json");
    (void)buf_finish_text(&buf);
    return !buf.overflow && buf.size - before <= TUF_STORED_NAME_SIZE_MAX;
}
