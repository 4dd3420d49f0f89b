#include "trust/metadata.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/say.h"
#include "trust/json_canon.h"
#include "trust/metadata_form.h"
#include "trust/tuf_key.h"

#define SPEC_MAJOR "1" /* of the specification we follow */

static const struct {
    const char *name;
    size_t size_max;
} roles[TUF_ROLE_COUNT] = {
    [TUF_ROOT] = {"root", TUF_ROOT_SIZE_MAX},
    [TUF_TIMESTAMP] = {"timestamp", TUF_TIMESTAMP_SIZE_MAX},
    [TUF_SNAPSHOT] = {"snapshot", TUF_SNAPSHOT_SIZE_MAX},
    [TUF_TARGETS] = {"targets", TUF_TARGETS_SIZE_MAX},
};

const char *tuf_role_name(enum tuf_role role)
{
    CHECK((size_t)role < TUF_ROLE_COUNT);
    return roles[role].name;
}

size_t tuf_role_size_max(enum tuf_role role)
{
    CHECK((size_t)role < TUF_ROLE_COUNT);
    return roles[role].size_max;
}

void tuf_file_name(enum tuf_role role, uint64_t version, char out[TUF_FILE_NAME_SIZE])
{
    if (version == 0)
        (void)snprintf(out, TUF_FILE_NAME_SIZE, "%s.json", tuf_role_name(role));
    else
        (void)snprintf(out, TUF_FILE_NAME_SIZE, "%" PRIu64 ".%s.json", version,
                       tuf_role_name(role));
}

bool tuf_number(const json_t *object, const char *key, int64_t min, uint64_t *out)
{
    const json_t *number = json_object_get(object, key);

    if (!json_is_integer(number) || json_integer_value(number) < min)
        return false;
    *out = (uint64_t)json_integer_value(number);
    return true;
}

/* ---- Form ---- */

/* "1.0" or "1.0.34": major version 1, two or three numbers. */
static bool spec_version_ok(const char *text)
{
    size_t major = strlen(SPEC_MAJOR), parts = 0;

    if (!text || strncmp(text, SPEC_MAJOR ".", major + 1) != 0)
        return false;
    for (;; text++) {
        size_t digits = strspn(text, "0123456789");

        text += digits;
        if (digits == 0 || ++parts > 3)
            return false;
        if (*text != '.')
            return *text == '\0' && parts >= 2;
    }
}

static enum err check_common(struct tuf_metadata *metadata, struct why *why)
{
    const json_t *part = metadata->signed_part;
    const char *type = json_string_value(json_object_get(part, "_type"));
    const char *spec = json_string_value(json_object_get(part, "spec_version"));
    const char *expires = json_string_value(json_object_get(part, "expires"));

    if (!type || strcmp(type, tuf_role_name(metadata->role)) != 0)
        return say(why, ERR_CORRUPT, NULL, "_type is \"%.20s\"", type ? type : "");
    if (!spec_version_ok(spec))
        return say(why, ERR_CORRUPT, NULL, "spec_version \"%.20s\" is not of TUF 1.0",
                   spec ? spec : "");
    if (!tuf_number(part, "version", 1, &metadata->version))
        return say(why, ERR_CORRUPT, NULL, "version is not a whole number above 0");
    if (!expires || !utc_parse(span_of(expires), &metadata->expires))
        return say(why, ERR_CORRUPT, NULL, "expires is not a time like 2026-11-25T10:00:00Z");
    return ERR_OK;
}

/* The set of what was seen costs no more than reading it did. */
bool tuf_all_different(const json_t *array, const char *key)
{
    json_t *seen = json_object();
    bool different = json_is_array(array);
    const json_t *one;
    size_t i;

    CHECK(seen);
    json_array_foreach(array, i, one)
    {
        const char *text = json_string_value(key ? json_object_get(one, key) : one);

        different = text && !json_object_get(seen, text);
        if (!different)
            break;
        CHECK(json_object_set_new(seen, text, json_true()) == 0);
    }
    json_decref(seen);
    return different;
}

enum err tuf_check_authority(const json_t *json, const char *role, struct why *why)
{
    uint64_t threshold;

    if (!tuf_all_different(json_object_get(json, "keyids"), NULL))
        return say(why, ERR_CORRUPT, NULL,
                   "keyids of role %.60s are not a list of different key ids", role);
    if (!tuf_number(json, "threshold", 1, &threshold) || threshold > UINT32_MAX)
        return say(why, ERR_CORRUPT, NULL, "threshold of role %.60s is not a number above 0", role);
    return ERR_OK;
}

static enum err check_signatures(const json_t *signatures, struct why *why)
{
    bool good = tuf_all_different(signatures, "keyid");
    const json_t *signature;
    size_t i;

    json_array_foreach(signatures, i, signature)
    {
        good = good && json_is_string(json_object_get(signature, "sig"));
    }
    if (good)
        return ERR_OK;
    return say(why, ERR_CORRUPT, NULL, "signatures are not a list of one keyid and sig per key");
}

/* A key of a kind that we do not know, or that cannot be read, is nobody's fault before it has to
 * verify something: see metadata_verify.c. */
enum err tuf_check_keys(const json_t *keys, struct why *why)
{
    const char *name;
    const json_t *key;

    if (!json_is_object(keys))
        return say(why, ERR_CORRUPT, NULL, "keys is not an object");
    json_object_foreach((json_t *)(uintptr_t)keys, name, key)
    {
        if (!json_is_string(json_object_get(key, "keytype")) ||
            !json_is_string(json_object_get(key, "scheme")) ||
            !json_is_object(json_object_get(key, "keyval")))
            return say(why, ERR_CORRUPT, NULL, "key %.16s lacks keytype, scheme or keyval", name);
    }
    return ERR_OK;
}

static enum err check_root(const struct tuf_metadata *root, struct why *why)
{
    const json_t *consistent = json_object_get(root->signed_part, "consistent_snapshot");
    const json_t *all = json_object_get(root->signed_part, "roles");

    if (consistent && !json_is_boolean(consistent))
        return say(why, ERR_CORRUPT, NULL, "consistent_snapshot is not a boolean");
    TRY(tuf_check_keys(json_object_get(root->signed_part, "keys"), why));
    for (int i = 0; i < TUF_ROLE_COUNT; i++)
        TRY(tuf_check_authority(json_object_get(all, roles[i].name), roles[i].name, why));
    return ERR_OK;
}

static enum err check_hashes(const json_t *hashes, struct why *why)
{
    const char *kind;
    const json_t *hash;

    if (json_object_size(hashes) == 0)
        return say(why, ERR_CORRUPT, NULL, "hashes is not an object with hashes in it");
    json_object_foreach((json_t *)(uintptr_t)hashes, kind, hash)
    {
        if (!json_is_string(hash))
            return say(why, ERR_CORRUPT, NULL, "hash %.20s is not a text", kind);
    }
    return ERR_OK;
}

/* A hash of a known kind, if it is there. One that is nonsense spoils what it is the hash of, not
 * the file that says so. */
static void read_hash(const json_t *hashes, const char *kind, uint8_t *to, size_t size, bool *has,
                      bool *unmatchable)
{
    const char *hash = json_string_value(json_object_get(hashes, kind));

    if (!hash)
        return;
    *has = hex_parse(span_of(hash), to, size);
    *unmatchable = *unmatchable || !*has;
}

enum err tuf_file_from_json(const json_t *json, bool with_version, struct tuf_file *out,
                            struct why *why)
{
    const json_t *hashes = json_object_get(json, "hashes");
    struct tuf_file file = {.has_hashes = hashes != NULL,
                            .has_length = json_object_get(json, "length") != NULL};

    if (with_version && !tuf_number(json, "version", 1, &file.version))
        return say(why, ERR_CORRUPT, NULL, "version is not a whole number above 0");
    if (file.has_length && !tuf_number(json, "length", 0, &file.length))
        return say(why, ERR_CORRUPT, NULL, "length is not a whole number");
    if (hashes)
        TRY(check_hashes(hashes, why));
    read_hash(hashes, "sha256", file.sha256, sizeof file.sha256, &file.has_sha256,
              &file.unmatchable);
    read_hash(hashes, "sha512", file.sha512, sizeof file.sha512, &file.has_sha512,
              &file.unmatchable);
    *out = file;
    return ERR_OK;
}

/* `meta` of timestamp and snapshot; `needed` must be in it. */
static enum err check_meta(const struct tuf_metadata *metadata, const char *needed, struct why *why)
{
    json_t *meta = json_object_get(metadata->signed_part, "meta");
    const char *name;
    const json_t *entry;
    struct tuf_file file;

    if (!json_object_get(meta, needed))
        return say(why, ERR_CORRUPT, NULL, "meta does not list %s", needed);
    json_object_foreach(meta, name, entry)
    {
        enum err err = tuf_file_from_json(entry, true, &file, why);

        if (err != ERR_OK)
            return say_where(why, err, "meta of %.40s", name);
    }
    return ERR_OK;
}

static enum err check_targets(const struct tuf_metadata *metadata, struct why *why)
{
    json_t *targets = json_object_get(metadata->signed_part, "targets");
    const json_t *delegations = json_object_get(metadata->signed_part, "delegations");
    const char *name;
    const json_t *entry;
    struct tuf_file file;

    if (!json_is_object(targets))
        return say(why, ERR_CORRUPT, NULL, "targets is not an object");
    json_object_foreach(targets, name, entry)
    {
        enum err err = tuf_file_from_json(entry, false, &file, why);

        if (err == ERR_OK && (!file.has_length || !file.has_hashes))
            err = say(why, ERR_CORRUPT, NULL, "lacks length or hashes");
        if (err != ERR_OK)
            return say_where(why, err, "target %.80s", name);
    }
    if (delegations)
        return say_where(why, tuf_check_delegations(delegations, why), "delegations");
    return ERR_OK;
}

static enum err check_role(const struct tuf_metadata *metadata, struct why *why)
{
    CHECK(metadata->role < TUF_ROLE_COUNT);
    switch (metadata->role) {
    case TUF_ROOT:
        return check_root(metadata, why);
    case TUF_TIMESTAMP:
        return check_meta(metadata, "snapshot.json", why);
    case TUF_SNAPSHOT:
        return check_meta(metadata, "targets.json", why);
    case TUF_TARGETS:
        return check_targets(metadata, why);
    case TUF_ROLE_COUNT:
        break;
    }
    return ERR_INVALID;
}

static enum err read_form(struct tuf_metadata *metadata, struct why *why)
{
    TRY(json_read(tuf_bytes_span(&metadata->bytes), &metadata->json, why));
    metadata->signed_part = json_object_get(metadata->json, "signed");
    metadata->signatures = json_object_get(metadata->json, "signatures");
    if (!json_is_object(metadata->signed_part))
        return say(why, ERR_CORRUPT, NULL, "has no signed part");
    TRY(check_signatures(metadata->signatures, why));
    TRY(check_common(metadata, why));
    TRY(check_role(metadata, why));
    return json_canonical(metadata->signed_part, &metadata->canonical, why);
}

enum err tuf_metadata_read(enum tuf_role role, struct span bytes, struct tuf_metadata **out,
                           struct why *why)
{
    struct tuf_metadata *metadata;
    enum err err;

    if (bytes.size > tuf_role_size_max(role))
        return say(why, ERR_TOO_BIG, NULL, "%s metadata: has more than %zu bytes",
                   tuf_role_name(role), tuf_role_size_max(role));
    metadata = calloc(1, sizeof *metadata);
    CHECK(metadata);
    metadata->role = role;
    metadata->bytes = tuf_bytes_copy(bytes);
    err = read_form(metadata, why);
    if (err != ERR_OK) {
        tuf_metadata_close(metadata);
        return say_where(why, err, "%s metadata", tuf_role_name(role));
    }
    *out = metadata;
    return ERR_OK;
}

void tuf_metadata_close(struct tuf_metadata *metadata)
{
    if (!metadata)
        return;
    json_decref(metadata->json);
    tuf_bytes_done(&metadata->canonical);
    tuf_bytes_done(&metadata->bytes);
    free(metadata);
}

/* ---- What it says ---- */

enum tuf_role tuf_metadata_role(const struct tuf_metadata *metadata)
{
    return metadata->role;
}

uint64_t tuf_metadata_version(const struct tuf_metadata *metadata)
{
    return metadata->version;
}

struct utc tuf_metadata_expires(const struct tuf_metadata *metadata)
{
    return metadata->expires;
}

bool tuf_metadata_expired(const struct tuf_metadata *metadata, struct utc now)
{
    return metadata->expires.ms <= now.ms;
}

struct span tuf_metadata_bytes(const struct tuf_metadata *metadata)
{
    return tuf_bytes_span(&metadata->bytes);
}

const json_t *tuf_metadata_signed(const struct tuf_metadata *metadata)
{
    return metadata->signed_part;
}

const json_t *tuf_metadata_signatures(const struct tuf_metadata *metadata)
{
    return metadata->signatures;
}

bool tuf_consistent_snapshot(const struct tuf_metadata *root)
{
    CHECK(root->role == TUF_ROOT);
    return json_is_true(json_object_get(root->signed_part, "consistent_snapshot"));
}

bool tuf_listed_file(const struct tuf_metadata *metadata, const char *name, struct tuf_file *out)
{
    const json_t *meta = json_object_get(metadata->signed_part, "meta");
    const json_t *entry = json_object_get(meta, name);

    CHECK(metadata->role == TUF_TIMESTAMP || metadata->role == TUF_SNAPSHOT);
    return entry && tuf_file_from_json(entry, true, out, NULL) == ERR_OK;
}

static bool hash_matches(enum digest_kind kind, struct span bytes, const uint8_t *expected)
{
    uint8_t digest[DIGEST_SIZE_MAX];

    digest_of(kind, bytes, digest);
    return memcmp(digest, expected, digest_size(kind)) == 0;
}

enum err tuf_check_bytes(const struct tuf_file *file, struct span bytes, struct why *why)
{
    if (file->has_length && file->length != bytes.size)
        return say(why, ERR_CORRUPT, NULL, "has %zu bytes instead of %" PRIu64, bytes.size,
                   file->length);
    if (file->unmatchable)
        return say(why, ERR_CORRUPT, NULL, "has a hash to match that is none");
    if (file->has_hashes && !file->has_sha256 && !file->has_sha512)
        return say(why, ERR_CORRUPT, NULL, "has hashes of unknown kinds only");
    if (file->has_sha256 && !hash_matches(DIGEST_SHA256, bytes, file->sha256))
        return say(why, ERR_CORRUPT, NULL, "has another SHA-256 than it should");
    if (file->has_sha512 && !hash_matches(DIGEST_SHA512, bytes, file->sha512))
        return say(why, ERR_CORRUPT, NULL, "has another SHA-512 than it should");
    return ERR_OK;
}

enum err tuf_check_snapshot_rollback(const struct tuf_metadata *old, const struct tuf_metadata *now,
                                     struct why *why)
{
    json_t *meta = json_object_get(old->signed_part, "meta");
    const char *name;
    const json_t *entry;

    json_object_foreach(meta, name, entry)
    {
        struct tuf_file before = {0}, after;

        (void)entry;
        CHECK(tuf_listed_file(old, name, &before)); /* reading has checked its form */
        if (!tuf_listed_file(now, name, &after))
            return say(why, ERR_CONFLICT, NULL, "no longer lists %.60s", name);
        if (after.version < before.version)
            return say(why, ERR_CONFLICT, NULL,
                       "lists %.60s version %" PRIu64 ", older than %" PRIu64, name, after.version,
                       before.version);
    }
    return ERR_OK;
}
