#include "trust/release_json.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "codec/hex.h"
#include "os/say.h"

#define BASE_DIGEST_PREFIX "sha256:"

static const char *const kind_names[] = {
    [RELEASE_FEATURE] = "feature",
    [RELEASE_SECURITY] = "security",
};

/* ERR_CORRUPT, naming the field. */
static enum err bad(struct why *why, enum err err, const char *field, const char *text)
{
    why_say(why, field, text);
    why_wrap(why, field);
    return err;
}

static enum err read_text(const json_t *text, const char *field, char *to, size_t size,
                          struct why *why)
{
    if (!json_is_string(text))
        return bad(why, ERR_CORRUPT, field, "is not a text");
    if (!span_to_text(span_of(json_string_value(text)), to, size))
        return bad(why, ERR_TOO_BIG, field, "is too long");
    return ERR_OK;
}

static enum err read_number(const json_t *number, const char *field, uint64_t max, uint64_t *out,
                            struct why *why)
{
    if (!json_is_integer(number) || json_integer_value(number) < 0)
        return bad(why, ERR_CORRUPT, field, "is not a whole number");
    if ((uint64_t)json_integer_value(number) > max)
        return bad(why, ERR_TOO_BIG, field, "is too large");
    *out = (uint64_t)json_integer_value(number);
    return ERR_OK;
}

static enum err read_digest(const json_t *digest, const char *field, uint8_t out[DIGEST_SIZE],
                            struct why *why)
{
    if (!json_is_string(digest) || !hex_parse(span_of(json_string_value(digest)), out, DIGEST_SIZE))
        return bad(why, ERR_CORRUPT, field, "is not 64 hex digits");
    return ERR_OK;
}

static enum err read_hardware(const json_t *list, struct release_facts *facts, struct why *why)
{
    size_t count = json_array_size(list);

    if (count == 0)
        return bad(why, ERR_CORRUPT, "hardware", "is not a list with names in it");
    if (count > HARDWARE_MAX)
        return bad(why, ERR_TOO_BIG, "hardware", "lists too many names");
    for (size_t i = 0; i < count; i++)
        TRY(read_text(json_array_get(list, i), "hardware", facts->hardware[i],
                      sizeof facts->hardware[i], why));
    facts->hardware_count = (uint32_t)count;
    return ERR_OK;
}

static enum err read_kind(const json_t *json, enum release_kind *out, struct why *why)
{
    const char *name = json_string_value(json);

    for (size_t i = 0; name && i < COUNT_OF(kind_names); i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *out = (enum release_kind)i;
            return ERR_OK;
        }
    }
    return bad(why, ERR_CORRUPT, "kind", "is neither \"feature\" nor \"security\"");
}

/* "sha256:HEX" or a version, which cannot hold a colon. */
static enum err read_base(const json_t *json, struct release_base *base, struct why *why)
{
    const char *text = json_string_value(json);
    size_t prefix = strlen(BASE_DIGEST_PREFIX);

    if (!text || strncmp(text, BASE_DIGEST_PREFIX, prefix) != 0)
        return read_text(json, "from", base->version, sizeof base->version, why);
    if (!hex_parse(span_of(text + prefix), base->sha256, sizeof base->sha256))
        return bad(why, ERR_CORRUPT, "from", "holds a digest that is not 64 hex digits");
    base->by_digest = true;
    return ERR_OK;
}

static enum err read_bases(const json_t *list, struct release_facts *facts, struct why *why)
{
    size_t count = json_array_size(list);

    if (list && !json_is_array(list))
        return bad(why, ERR_CORRUPT, "from", "is not a list");
    if (count > BASES_MAX)
        return bad(why, ERR_TOO_BIG, "from", "lists too many releases");
    for (size_t i = 0; i < count; i++)
        TRY(read_base(json_array_get(list, i), &facts->bases[i], why));
    facts->bases_count = (uint32_t)count;
    return ERR_OK;
}

static enum err read_numbers(const json_t *json, struct release_facts *facts, struct why *why)
{
    const json_t *plain = json_object_get(json, "plain"), *chunks = json_object_get(json, "chunks");
    uint64_t security_version, security_floor, chunk_size;

    TRY(read_number(json_object_get(json, "security_version"), "security_version", UINT32_MAX,
                    &security_version, why));
    TRY(read_number(json_object_get(json, "security_floor"), "security_floor", UINT32_MAX,
                    &security_floor, why));
    TRY(read_number(json_object_get(plain, "length"), "plain.length", INT64_MAX, &facts->length,
                    why));
    TRY(read_digest(json_object_get(plain, "sha256"), "plain.sha256", facts->sha256, why));
    TRY(read_number(json_object_get(chunks, "size"), "chunks.size", UINT32_MAX, &chunk_size, why));
    TRY(read_digest(json_object_get(chunks, "sha256"), "chunks.sha256", facts->chunks_sha256, why));
    facts->security_version = (uint32_t)security_version;
    facts->security_floor = (uint32_t)security_floor;
    facts->chunk_size = (uint32_t)chunk_size;
    return ERR_OK;
}

/* What may be left out, and then is 0. */
static enum err read_optional(const json_t *json, struct release_facts *facts, struct why *why)
{
    const json_t *counter = json_object_get(json, "release_counter");
    const json_t *issued = json_object_get(json, "issued_s");
    uint64_t value = 0;

    if (counter)
        TRY(read_number(counter, "release_counter", UINT32_MAX, &value, why));
    facts->release_counter = (uint32_t)value;
    if (issued)
        TRY(read_number(issued, "issued_s", RELEASE_ISSUED_S_MAX, &facts->issued_s, why));
    return ERR_OK;
}

/* How the image is encrypted, if it is. */
static enum err read_sealed(const json_t *json, struct release_facts *facts, struct why *why)
{
    const json_t *sealed = json_object_get(json, "sealed"), *alg = json_object_get(sealed, "alg");
    struct release_sealed *out = &facts->sealed;

    if (!sealed)
        return ERR_OK;
    if (!json_is_object(sealed))
        return bad(why, ERR_CORRUPT, "sealed", "is not an object");
    if (!json_is_string(alg) || !aead_kind_parse(span_of(json_string_value(alg)), &out->alg))
        return bad(why, ERR_CORRUPT, "sealed.alg", "is not an algorithm we know");
    TRY(read_number(json_object_get(sealed, "length"), "sealed.length", INT64_MAX, &out->length,
                    why));
    TRY(read_digest(json_object_get(sealed, "sha256"), "sealed.sha256", out->sha256, why));
    TRY(read_digest(json_object_get(sealed, "key_check"), "sealed.key_check", out->key_check, why));
    out->used = true;
    return ERR_OK;
}

static enum err read_facts(const json_t *json, struct release_facts *facts, struct why *why)
{
    const char *field = "";
    enum err err;

    if (!json_is_object(json))
        return say(why, ERR_CORRUPT, NULL, "the release facts are not an object");
    TRY(read_text(json_object_get(json, "product"), "product", facts->product,
                  sizeof facts->product, why));
    TRY(read_text(json_object_get(json, "version"), "version", facts->version,
                  sizeof facts->version, why));
    TRY(read_hardware(json_object_get(json, "hardware"), facts, why));
    TRY(read_kind(json_object_get(json, "kind"), &facts->kind, why));
    TRY(read_numbers(json, facts, why));
    TRY(read_bases(json_object_get(json, "from"), facts, why));
    TRY(read_optional(json, facts, why));
    TRY(read_sealed(json, facts, why));
    err = release_facts_check(facts, &field);
    return err == ERR_OK ? ERR_OK : bad(why, err, field, "is not what a release may state");
}

enum err release_from_custom(const json_t *custom, struct release_facts *out, struct why *why)
{
    const json_t *json = json_object_get(custom, RELEASE_JSON_KEY);
    struct release_facts facts = {0};

    if (!json)
        return say(why, ERR_NOT_FOUND, NULL, "it is not a firmware image: it has no release facts");
    TRY(read_facts(json, &facts, why));
    *out = facts;
    return ERR_OK;
}

static json_t *digest_json(const uint8_t digest[DIGEST_SIZE])
{
    char text[DIGEST_HEX_SIZE];

    hex_print((struct span){digest, DIGEST_SIZE}, text);
    return json_string(text);
}

static json_t *base_json(const struct release_base *base)
{
    char text[sizeof BASE_DIGEST_PREFIX + DIGEST_HEX_SIZE] = BASE_DIGEST_PREFIX;

    if (!base->by_digest)
        return json_string(base->version);
    hex_print((struct span){base->sha256, DIGEST_SIZE}, text + strlen(BASE_DIGEST_PREFIX));
    return json_string(text);
}

static json_t *sealed_json(const struct release_sealed *sealed)
{
    return json_pack("{s:s, s:I, s:o, s:o}", "alg", aead_kind_name(sealed->alg), "length",
                     (json_int_t)sealed->length, "sha256", digest_json(sealed->sha256), "key_check",
                     digest_json(sealed->key_check));
}

json_t *release_to_json(const struct release_facts *facts)
{
    json_t *hardware = json_array(), *bases = json_array(), *json;

    CHECK(release_facts_check(facts, NULL) == ERR_OK);
    CHECK(hardware && bases);
    for (uint32_t i = 0; i < facts->hardware_count; i++)
        CHECK(json_array_append_new(hardware, json_string(facts->hardware[i])) == 0);
    for (uint32_t i = 0; i < facts->bases_count; i++)
        CHECK(json_array_append_new(bases, base_json(&facts->bases[i])) == 0);
    json = json_pack("{s:s, s:s, s:o, s:I, s:I, s:s, s:{s:I, s:o}, s:{s:I, s:o}, s:o}", "product",
                     facts->product, "version", facts->version, "hardware", hardware,
                     "security_version", (json_int_t)facts->security_version, "security_floor",
                     (json_int_t)facts->security_floor, "kind", kind_names[facts->kind], "plain",
                     "length", (json_int_t)facts->length, "sha256", digest_json(facts->sha256),
                     "chunks", "size", (json_int_t)facts->chunk_size, "sha256",
                     digest_json(facts->chunks_sha256), "from", bases);
    CHECK(json);
    if (facts->release_counter > 0)
        CHECK(json_object_set_new(json, "release_counter",
                                  json_integer((json_int_t)facts->release_counter)) == 0);
    if (facts->issued_s > 0)
        CHECK(json_object_set_new(json, "issued_s", json_integer((json_int_t)facts->issued_s)) ==
              0);
    if (facts->sealed.used)
        CHECK(json_object_set_new(json, "sealed", sealed_json(&facts->sealed)) == 0);
    return json;
}

json_t *release_to_custom(const struct release_facts *facts)
{
    json_t *custom = json_pack("{s:o}", RELEASE_JSON_KEY, release_to_json(facts));

    CHECK(custom);
    return custom;
}

enum err release_target_name(const struct release_facts *facts, const char *file,
                             char out[TARGET_NAME_SIZE_MAX + 1], struct why *why)
{
    char name[TARGET_NAME_SIZE_MAX + 1];
    struct buf buf = buf_over(name, sizeof name);

    if (!release_name_ok(file))
        return say(why, ERR_CORRUPT, NULL, "the file name \"%.64s\" has other than A-Za-z0-9._-",
                   file);
    buf_text(&buf, facts->product);
    buf_byte(&buf, '/');
    buf_text(&buf, facts->version);
    buf_byte(&buf, '/');
    buf_text(&buf, file);
    (void)buf_finish_text(&buf);
    if (buf.overflow)
        return say(why, ERR_TOO_BIG, NULL, "the target name has more than %u bytes",
                   TARGET_NAME_SIZE_MAX);
    memcpy(out, name, sizeof name);
    return ERR_OK;
}
