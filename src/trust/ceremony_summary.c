/* What a signer reads before signing: made of the bytes to sign. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "trust/ceremony_inside.h"

/* Names come from a file that somebody carried here: nothing in them may move the cursor. */
static void put_safe(FILE *to, const char *text)
{
    for (; *text; text++)
        (void)fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, to);
}

static const json_t *member(const struct tuf_metadata *metadata, const char *name)
{
    return metadata ? json_object_get(tuf_metadata_signed(metadata), name) : NULL;
}

/* ---- Roles and their keys ---- */

static bool lists_text(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));

        if (one && strcmp(one, text) == 0)
            return true;
    }
    return false;
}

static const char *mark_of(bool before, bool after)
{
    return before && after ? " " : after ? "+" : "-";
}

static void print_key(FILE *to, const char *mark, const char *keyid, const json_t *key)
{
    const char *kind = json_string_value(json_object_get(key, "keytype"));

    (void)fprintf(to, "  %s key ", mark);
    put_safe(to, keyid);
    (void)fputs(" (", to);
    put_safe(to, kind ? kind : "missing");
    (void)fputs(")\n", to);
}

static void print_keys(FILE *to, const json_t *keys, const json_t *now, const json_t *then)
{
    for (size_t i = 0; i < json_array_size(now); i++) {
        const char *id = json_string_value(json_array_get(now, i));

        print_key(to, mark_of(lists_text(then, id), true), id, json_object_get(keys, id));
    }
}

static void print_path(FILE *to, const char *mark, const json_t *path)
{
    const char *text = json_string_value(path);

    (void)fprintf(to, "  %s lists ", mark);
    put_safe(to, text ? text : "");
    (void)fputc('\n', to);
}

static void print_paths(FILE *to, const json_t *now, const json_t *then, bool first)
{
    for (size_t i = 0; i < json_array_size(now); i++) {
        const json_t *path = json_array_get(now, i);
        const char *text = json_string_value(path);

        print_path(to, mark_of(first || (text && lists_text(then, text)), true), path);
    }
    for (size_t i = 0; i < json_array_size(then); i++) {
        const json_t *path = json_array_get(then, i);
        const char *text = json_string_value(path);

        if (!text || !lists_text(now, text))
            print_path(to, "-", path);
    }
}

/* The role as it will be (`now`, NULL: it goes) and as it was (`then`, NULL: it is new). */
static void print_role(FILE *to, const char *name, const struct ceremony *ceremony,
                       const json_t *now, const json_t *then, const char *keys_in)
{
    const json_t *keys = member(ceremony->staged, "keys"),
                 *old_keys = member(ceremony->before, "keys");
    const json_t *ids = json_object_get(now, "keyids"), *old_ids = json_object_get(then, "keyids");
    json_int_t need = json_integer_value(json_object_get(now ? now : then, "threshold"));
    json_int_t needed = json_integer_value(json_object_get(then, "threshold"));

    if (keys_in) {
        keys = json_object_get(member(ceremony->staged, keys_in), "keys");
        old_keys = json_object_get(member(ceremony->before, keys_in), "keys");
    }
    (void)fprintf(to, "%s role ", mark_of(then || !ceremony->before, now != NULL));
    put_safe(to, name);
    (void)fprintf(to, ": %" JSON_INTEGER_FORMAT " of %zu keys", need,
                  json_array_size(now ? ids : old_ids));
    if (now && then && need != needed)
        (void)fprintf(to, " (was %" JSON_INTEGER_FORMAT ")", needed);
    (void)fputs(now ? "\n" : ", which is taken away\n", to);
    print_paths(to, json_object_get(now, "paths"), json_object_get(then, "paths"),
                !then && !ceremony->before);
    if (now)
        print_keys(to, keys, ids, ceremony->before ? old_ids : ids);
    for (size_t i = 0; i < json_array_size(old_ids); i++) {
        const char *id = json_string_value(json_array_get(old_ids, i));

        if (!lists_text(ids, id))
            print_key(to, "-", id, json_object_get(old_keys, id));
    }
}

static void print_root(FILE *to, const struct ceremony *ceremony)
{
    const json_t *now = member(ceremony->staged, "roles"),
                 *then = member(ceremony->before, "roles");

    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++) {
        const char *name = tuf_role_name(role);

        print_role(to, name, ceremony, json_object_get(now, name), json_object_get(then, name),
                   NULL);
    }
}

/* ---- Delegations ---- */

static const json_t *delegated(const struct tuf_metadata *metadata)
{
    return json_object_get(member(metadata, "delegations"), "roles");
}

static const char *name_of(const json_t *role)
{
    const char *name = json_string_value(json_object_get(role, "name"));

    return name ? name : "";
}

static const json_t *find_role(const json_t *roles, const char *name)
{
    for (size_t i = 0; i < json_array_size(roles); i++) {
        if (strcmp(name_of(json_array_get(roles, i)), name) == 0)
            return json_array_get(roles, i);
    }
    return NULL;
}

/* Roles that stay as they are would hide those that do not. */
static void print_delegations(FILE *to, const struct ceremony *ceremony)
{
    const json_t *now = delegated(ceremony->staged), *then = delegated(ceremony->before);
    size_t same = 0;

    for (size_t i = 0; i < json_array_size(now); i++) {
        const json_t *role = json_array_get(now, i), *old = find_role(then, name_of(role));

        if (old && json_equal(role, old))
            same++;
        else
            print_role(to, name_of(role), ceremony, role, old, "delegations");
    }
    for (size_t i = 0; i < json_array_size(then); i++) {
        const json_t *old = json_array_get(then, i);

        if (!find_role(now, name_of(old)))
            print_role(to, name_of(old), ceremony, NULL, old, "delegations");
    }
    if (same > 0)
        (void)fprintf(to, "  %zu delegated roles stay as they are\n", same);
}

/* ---- Targets ---- */

static void print_target(FILE *to, const char *mark, const char *name, const json_t *entry)
{
    const char *sha256 =
        json_string_value(json_object_get(json_object_get(entry, "hashes"), "sha256"));
    const json_t *custom = json_object_get(entry, "custom");
    char *text = custom && !json_object_get(custom, "slipway")
                     ? json_dumps(custom, JSON_COMPACT | JSON_SORT_KEYS)
                     : NULL;

    (void)fprintf(to, "%s target ", mark);
    put_safe(to, name);
    (void)fprintf(to, ": %" JSON_INTEGER_FORMAT " bytes, sha256 ",
                  json_integer_value(json_object_get(entry, "length")));
    put_safe(to, sha256 ? sha256 : "missing");
    (void)fputc('\n', to);
    if (text) {
        (void)fputs("    ", to);
        put_safe(to, text);
        (void)fputc('\n', to);
    }
    free(text);
}

static void print_targets(FILE *to, const struct ceremony *ceremony)
{
    json_t *now = (json_t *)(uintptr_t)member(ceremony->staged, "targets");
    json_t *then = (json_t *)(uintptr_t)member(ceremony->before, "targets");
    size_t same = 0;
    const char *name;
    json_t *entry;

    json_object_foreach(now, name, entry)
    {
        const json_t *old = json_object_get(then, name);

        if (old && json_equal(old, entry))
            same++;
        else
            print_target(to, old ? "!" : "+", name, entry);
    }
    json_object_foreach(then, name, entry)
    {
        if (!json_object_get(now, name))
            print_target(to, "-", name, entry);
    }
    (void)fprintf(to, "  %zu targets stay as they are\n", same);
}

/* ---- The whole ---- */

/* A root by every rule; others by the one of today, or the one that is staged if they wait for it.
 */
static void print_rules(FILE *to, const struct repository_rules *rules, bool all)
{
    for (size_t i = 0; i < rules->count; i++) {
        (void)fputs(i == 0 ? "must sign:  " : all ? "and:        " : "or:         ", to);
        (void)fprintf(to, "%" PRIu32 " of %zu keys by the rule of ", rules->list[i].threshold,
                      json_array_size(rules->list[i].keyids));
        put_safe(to, rules->by[i]);
        (void)fprintf(to, " %" PRIu64 "\n", rules->by_version[i]);
    }
}

void ceremony_summary(const struct ceremony *ceremony, FILE *to)
{
    char expires[UTC_TEXT_SIZE], before[UTC_TEXT_SIZE], digest[DIGEST_HEX_SIZE];

    utc_format(tuf_metadata_expires(ceremony->staged), expires);
    ceremony_digest(ceremony, digest);
    put_safe(to, ceremony->role);
    (void)fprintf(to, " version %" PRIu64 "\n", ceremony_version(ceremony));
    (void)fprintf(to, "digest:     sha256 %s\n", digest);
    if (ceremony->before) {
        utc_format(tuf_metadata_expires(ceremony->before), before);
        (void)fprintf(to, "compared:   with version %" PRIu64 " %s\n",
                      tuf_metadata_version(ceremony->before),
                      ceremony->own_before ? "of your own" : "as the prepared file has it");
        (void)fprintf(to, "expires:    %s (was %s)\n", expires, before);
    } else {
        (void)fprintf(to, "compared:   with nothing; this is the first version\n");
        (void)fprintf(to, "expires:    %s\n", expires);
    }
    print_rules(to, &ceremony->rules, tuf_metadata_role(ceremony->staged) == TUF_ROOT);
    if (tuf_metadata_role(ceremony->staged) == TUF_ROOT) {
        print_root(to, ceremony);
        return;
    }
    print_delegations(to, ceremony);
    print_targets(to, ceremony);
}
