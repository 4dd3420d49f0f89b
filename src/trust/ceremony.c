#include "trust/ceremony.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/say.h"
#include "trust/ceremony_inside.h"
#include "trust/json_canon.h"
#include "trust/repository_files.h"
#include "trust/tuf_key.h"

#define PREPARED_KEY   "slipway-prepared"
#define SIGNATURE_KEY  "slipway-signature"
#define FORMAT_VERSION 1

/* ---- Both files ---- */

static json_t *envelope_around(const json_t *signed_part)
{
    json_t *envelope =
        json_pack("{s:[], s:o}", "signatures", "signed", json_deep_copy(signed_part));

    CHECK(envelope);
    return envelope;
}

/* Metadata without signatures, its form checked. */
static enum err read_part(enum tuf_role kind, const json_t *signed_part, struct tuf_metadata **out,
                          struct why *why)
{
    json_t *envelope = envelope_around(signed_part);
    struct tuf_bytes bytes = tuf_envelope_bytes(envelope);
    enum err err = tuf_metadata_read(kind, tuf_bytes_span(&bytes), out, why);

    json_decref(envelope);
    tuf_bytes_done(&bytes);
    return err;
}

static enum err read_file(struct span bytes, size_t size_max, const char *key, json_t **out,
                          struct why *why)
{
    json_t *json;

    if (bytes.size > size_max)
        return say(why, ERR_TOO_BIG, NULL, "has more than %zu bytes", size_max);
    TRY(json_read(bytes, &json, why));
    if (json_integer_value(json_object_get(json, key)) != FORMAT_VERSION) {
        json_decref(json);
        return say(why, ERR_CORRUPT, NULL, "is not a %s file of version %d", key, FORMAT_VERSION);
    }
    *out = json;
    return ERR_OK;
}

static void digest_hex(struct span bytes, char out[DIGEST_HEX_SIZE])
{
    uint8_t digest[DIGEST_SIZE];

    digest_of(DIGEST_SHA256, bytes, digest);
    hex_print((struct span){digest, sizeof digest}, out);
}

static enum err digest_signed(const struct tuf_metadata *metadata, char out[DIGEST_HEX_SIZE],
                              struct why *why)
{
    struct tuf_bytes canonical;

    TRY(json_canonical(tuf_metadata_signed(metadata), &canonical, why));
    digest_hex(tuf_bytes_span(&canonical), out);
    tuf_bytes_done(&canonical);
    return ERR_OK;
}

/* ---- Preparing ---- */

static json_t *rules_to_json(const struct repository_rules *rules)
{
    json_t *list = json_array();

    CHECK(list);
    for (size_t i = 0; i < rules->count; i++) {
        const struct tuf_authority *rule = &rules->list[i];
        json_t *keys = json_object(), *one;

        CHECK(keys);
        for (size_t j = 0; j < json_array_size(rule->keyids); j++) {
            const char *id = json_string_value(json_array_get(rule->keyids, j));
            json_t *key = json_object_get(rule->keys, id);

            if (key)
                CHECK(json_object_set(keys, id, key) == 0);
        }
        one = json_pack("{s:s, s:I, s:o, s:O, s:I}", "by", rules->by[i], "version",
                        (json_int_t)rules->by_version[i], "keys", keys, "keyids", rule->keyids,
                        "threshold", (json_int_t)rule->threshold);
        CHECK(one && json_array_append_new(list, one) == 0);
    }
    return list;
}

static enum err write_prepared(const char *role, const struct tuf_metadata *staged,
                               const struct tuf_metadata *before,
                               const struct repository_rules *rules, struct tuf_bytes *out,
                               struct why *why)
{
    struct tuf_bytes canonical;
    json_t *json;
    char *text;

    TRY(json_canonical(tuf_metadata_signed(staged), &canonical, why));
    json = json_pack("{s:i, s:s, s:s%, s:o, s:o, s:o}", PREPARED_KEY, FORMAT_VERSION, "role", role,
                     "canonical", (const char *)canonical.at, canonical.size, "signed",
                     json_deep_copy(tuf_metadata_signed(staged)), "before",
                     before ? json_deep_copy(tuf_metadata_signed(before)) : json_null(), "rules",
                     rules_to_json(rules));
    tuf_bytes_done(&canonical);
    CHECK(json);
    text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    CHECK(text);
    json_decref(json);
    *out = (struct tuf_bytes){.at = (uint8_t *)text, .size = strlen(text)};
    return ERR_OK;
}

enum err ceremony_prepare(const char *dir, const char *role, struct tuf_bytes *out, struct why *why)
{
    struct tuf_metadata *staged, *before = NULL;
    struct repository_rules rules;
    enum err err;

    TRY(repository_read_staged(dir, role, &staged, why));
    err = repository_read(dir, role, 0, &before, why);
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        err = repository_rules_find(dir, role, &rules, why);
    if (err == ERR_OK) {
        err = write_prepared(role, staged, before, &rules, out, why);
        repository_rules_done(&rules);
    }
    tuf_metadata_close(staged);
    tuf_metadata_close(before);
    return err;
}

/* ---- Reading what was prepared ---- */

void ceremony_close(struct ceremony *ceremony)
{
    if (!ceremony)
        return;
    tuf_metadata_close(ceremony->staged);
    tuf_metadata_close(ceremony->before);
    tuf_bytes_done(&ceremony->canonical);
    json_decref(ceremony->json);
    free(ceremony);
}

/* The text must be the canonical form of what is shown: nothing else is ever signed. */
static enum err read_canonical(struct ceremony *ceremony, enum tuf_role kind, struct why *why)
{
    const json_t *text = json_object_get(ceremony->json, "canonical");
    const json_t *signed_part = json_object_get(ceremony->json, "signed");
    struct span bytes = {(const uint8_t *)json_string_value(text), json_string_length(text)};

    if (!json_is_string(text) || !json_is_object(signed_part))
        return say(why, ERR_CORRUPT, NULL, "has no canonical text or nothing signed");
    TRY(json_canonical(signed_part, &ceremony->canonical, why));
    if (!span_equal(tuf_bytes_span(&ceremony->canonical), bytes))
        return say(why, ERR_CORRUPT, NULL, "canonical is not the canonical form of signed");
    return read_part(kind, signed_part, &ceremony->staged, why);
}

static enum err check_follows(const struct ceremony *ceremony, const struct tuf_metadata *before,
                              struct why *why)
{
    if (tuf_metadata_version(before) + 1 == tuf_metadata_version(ceremony->staged))
        return ERR_OK;
    return say(why, ERR_CONFLICT, NULL, "version %" PRIu64 " does not follow version %" PRIu64,
               tuf_metadata_version(ceremony->staged), tuf_metadata_version(before));
}

static bool rule_ok(const json_t *rule)
{
    const json_t *keyids = json_object_get(rule, "keyids");
    bool good = json_is_string(json_object_get(rule, "by")) &&
                json_is_object(json_object_get(rule, "keys")) && json_is_array(keyids) &&
                json_integer_value(json_object_get(rule, "threshold")) > 0 &&
                json_integer_value(json_object_get(rule, "threshold")) <= INT32_MAX;

    for (size_t i = 0; good && i < json_array_size(keyids); i++)
        good = json_is_string(json_array_get(keyids, i));
    return good;
}

static enum err read_rules(struct ceremony *ceremony, struct why *why)
{
    const json_t *list = json_object_get(ceremony->json, "rules");

    if (json_array_size(list) == 0 || json_array_size(list) > COUNT_OF(ceremony->rules.list))
        return say(why, ERR_CORRUPT, NULL, "rules is not a list of one or two");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *rule = json_array_get(list, i);

        if (!rule_ok(rule))
            return say(why, ERR_CORRUPT, NULL, "a rule lacks by, keys, keyids or threshold");
        ceremony->rules.by[i] = json_string_value(json_object_get(rule, "by"));
        ceremony->rules.by_version[i] =
            (uint64_t)json_integer_value(json_object_get(rule, "version"));
        ceremony->rules.list[i] = (struct tuf_authority){
            .keys = json_object_get(rule, "keys"),
            .keyids = json_object_get(rule, "keyids"),
            .threshold = (uint32_t)json_integer_value(json_object_get(rule, "threshold")),
        };
        ceremony->rules.count++;
    }
    return ERR_OK;
}

static enum err read_prepared(struct ceremony *ceremony, struct why *why)
{
    const json_t *role = json_object_get(ceremony->json, "role");
    const json_t *before = json_object_get(ceremony->json, "before");

    if (!json_is_string(role) ||
        !span_to_text(span_of(json_string_value(role)), ceremony->role, sizeof ceremony->role))
        return say(why, ERR_CORRUPT, NULL, "role is not the name of a role");
    TRY(read_canonical(ceremony, repository_kind(ceremony->role), why));
    if (json_is_object(before)) {
        TRY(read_part(repository_kind(ceremony->role), before, &ceremony->before, why));
        TRY(check_follows(ceremony, ceremony->before, why));
    }
    return read_rules(ceremony, why);
}

enum err ceremony_read(struct span prepared, struct ceremony **out, struct why *why)
{
    struct ceremony *ceremony = calloc(1, sizeof *ceremony);
    enum err err;

    CHECK(ceremony);
    err = read_file(prepared, CEREMONY_PREPARED_SIZE_MAX, PREPARED_KEY, &ceremony->json, why);
    if (err == ERR_OK)
        err = read_prepared(ceremony, why);
    if (err != ERR_OK) {
        ceremony_close(ceremony);
        return err;
    }
    *out = ceremony;
    return ERR_OK;
}

enum err ceremony_compare_with(struct ceremony *ceremony, struct span bytes, struct why *why)
{
    struct tuf_metadata *before;
    enum err err;

    TRY(tuf_metadata_read(repository_kind(ceremony->role), bytes, &before, why));
    err = check_follows(ceremony, before, why);
    if (err != ERR_OK) {
        tuf_metadata_close(before);
        return err;
    }
    tuf_metadata_close(ceremony->before);
    ceremony->before = before;
    ceremony->own_before = true;
    return ERR_OK;
}

const char *ceremony_role(const struct ceremony *ceremony)
{
    return ceremony->role;
}

uint64_t ceremony_version(const struct ceremony *ceremony)
{
    return tuf_metadata_version(ceremony->staged);
}

void ceremony_digest(const struct ceremony *ceremony, char out[DIGEST_HEX_SIZE])
{
    digest_hex(tuf_bytes_span(&ceremony->canonical), out);
}

/* ---- Signing ---- */

enum err ceremony_sign(const struct ceremony *ceremony, const struct key *key,
                       struct tuf_bytes *out, struct why *why)
{
    json_t *envelope = tuf_envelope_of(ceremony->staged), *json;
    char digest[DIGEST_HEX_SIZE], *text;
    enum err err = repository_sign_by_rules(envelope, &ceremony->rules, ceremony->role, key, why);

    if (err != ERR_OK) {
        json_decref(envelope);
        return err;
    }
    ceremony_digest(ceremony, digest);
    json = json_pack("{s:i, s:s, s:I, s:s, s:O}", SIGNATURE_KEY, FORMAT_VERSION, "role",
                     ceremony->role, "version", (json_int_t)ceremony_version(ceremony), "sha256",
                     digest, "signatures", json_object_get(envelope, "signatures"));
    CHECK(json);
    text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    CHECK(text);
    json_decref(json);
    json_decref(envelope);
    *out = (struct tuf_bytes){.at = (uint8_t *)text, .size = strlen(text)};
    return ERR_OK;
}

/* ---- Assembling ---- */

static bool valid_by_rule(const struct tuf_authority *rule, const char *keyid, struct span message,
                          struct span signature)
{
    struct key *key;
    bool named = false, good;

    for (size_t i = 0; i < json_array_size(rule->keyids); i++)
        named = named || strcmp(json_string_value(json_array_get(rule->keyids, i)), keyid) == 0;
    if (!named || tuf_key_from_json(json_object_get(rule->keys, keyid), &key, NULL) != ERR_OK)
        return false;
    good = key_verify(key, message, signature);
    key_close(key);
    return good;
}

static enum err check_signature(const struct repository_rules *rules, const json_t *signature,
                                struct span message, const char *role, struct why *why)
{
    const char *keyid = json_string_value(json_object_get(signature, "keyid"));
    const char *hex = json_string_value(json_object_get(signature, "sig"));
    uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
    size_t size = hex ? strlen(hex) / 2 : 0;

    if (!keyid || !hex || size > sizeof bytes || !hex_parse(span_of(hex), bytes, size))
        return say(why, ERR_CORRUPT, NULL, "a signature lacks keyid or sig");
    for (size_t i = 0; i < rules->count; i++) {
        if (valid_by_rule(&rules->list[i], keyid, message, (struct span){bytes, size}))
            return ERR_OK;
    }
    return say(why, ERR_UNTRUSTED, NULL,
               "the signature by key %.16s is not valid, or the key has no say in %s", keyid, role);
}

static void put_signature(json_t *signatures, const json_t *signature)
{
    const char *keyid = json_string_value(json_object_get(signature, "keyid"));

    for (size_t i = json_array_size(signatures); i > 0; i--) {
        const json_t *there = json_object_get(json_array_get(signatures, i - 1), "keyid");

        if (strcmp(json_string_value(there), keyid) == 0)
            CHECK(json_array_remove(signatures, i - 1) == 0);
    }
    CHECK(json_array_append_new(signatures, json_pack("{s:s, s:O}", "keyid", keyid, "sig",
                                                      json_object_get(signature, "sig"))) == 0);
}

/* The staged file with the new signatures, all of which are good. */
static enum err add_signatures(const struct repository_rules *rules,
                               const struct tuf_metadata *staged, const json_t *added,
                               const char *role, json_t **out, struct why *why)
{
    json_t *envelope = tuf_envelope_of(staged);
    json_t *signatures = json_deep_copy(tuf_metadata_signatures(staged));
    struct tuf_bytes canonical;
    enum err err = json_canonical(tuf_metadata_signed(staged), &canonical, why);

    CHECK(err == ERR_OK && json_object_set_new(envelope, "signatures", signatures) == 0);
    if (json_array_size(added) == 0)
        err = say(why, ERR_CORRUPT, NULL, "holds no signature");
    for (size_t i = 0; err == ERR_OK && i < json_array_size(added); i++) {
        const json_t *one = json_array_get(added, i);

        err = check_signature(rules, one, tuf_bytes_span(&canonical), role, why);
        if (err == ERR_OK)
            put_signature(signatures, one);
    }
    tuf_bytes_done(&canonical);
    if (err == ERR_OK)
        *out = envelope;
    else
        json_decref(envelope);
    return err;
}

static enum err assemble_staged(const char *dir, const char *role, const json_t *json,
                                const struct tuf_metadata *staged, struct why *why)
{
    const char *claimed = json_string_value(json_object_get(json, "sha256"));
    char digest[DIGEST_HEX_SIZE];
    struct repository_rules rules;
    json_t *envelope = NULL;
    enum err err;

    TRY(digest_signed(staged, digest, why));
    if (!claimed || strcmp(claimed, digest) != 0)
        return say(why, ERR_CONFLICT, NULL,
                   "the signature is over other bytes than %s %" PRIu64
                   " as it is staged now; prepare and sign again",
                   role, tuf_metadata_version(staged));
    TRY(repository_rules_find(dir, role, &rules, why));
    err = add_signatures(&rules, staged, json_object_get(json, "signatures"), role, &envelope, why);
    repository_rules_done(&rules);
    return err == ERR_OK ? repository_stage(dir, role, envelope, why) : err;
}

enum err ceremony_assemble(const char *dir, bool root, struct span signature,
                           char role[REPOSITORY_NAME_SIZE], struct repository_signing *out,
                           struct why *why)
{
    struct tuf_metadata *staged = NULL;
    const char *name;
    json_t *json = NULL;
    enum err err;

    TRY(read_file(signature, CEREMONY_SIGNATURE_SIZE_MAX, SIGNATURE_KEY, &json, why));
    name = json_string_value(json_object_get(json, "role"));
    if (!name || !span_to_text(span_of(name), role, REPOSITORY_NAME_SIZE))
        err = say(why, ERR_CORRUPT, NULL, "role is not the name of a role");
    else if ((strcmp(role, REPOSITORY_ROOT) == 0) != root)
        err = say(why, ERR_INVALID, NULL, "is a signature of %s", role);
    else
        err = repository_read_staged(dir, role, &staged, why);
    if (err == ERR_OK)
        err = assemble_staged(dir, role, json, staged, why);
    tuf_metadata_close(staged);
    json_decref(json);
    TRY(err);
    return repository_settle(dir, role, out, why);
}
