#include <string.h>

#include "artifact/mender_inside.h"
#include "base/check.h"
#include "codec/utf8.h"
#include "os/say.h"

/* ---- Reading JSON strictly ---- */

/* jansson allows 2048 levels; each costs it stack. */
static bool is_shallow(struct span text)
{
    unsigned depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];

        if (quoted) {
            i += byte == '\\';
            quoted = byte != '"';
        } else if (byte == '"') {
            quoted = true;
        } else if (byte == '{' || byte == '[') {
            if (++depth > MENDER_JSON_DEPTH_MAX)
                return false;
        } else if (byte == '}' || byte == ']') {
            depth -= depth > 0;
        }
    }
    return true;
}

static enum err load(struct span text, const char *what, json_t **out, struct why *why)
{
    json_error_t error;

    if (!is_shallow(text))
        return say(why, ERR_TOO_BIG, NULL, "%s is nested too deeply", what);
    *out = json_loadb((const char *)text.at, text.size, JSON_REJECT_DUPLICATES, &error);
    if (!*out)
        return say(why, ERR_CORRUPT, NULL, "%s is no JSON: %s", what, error.text);
    if (json_is_object(*out))
        return ERR_OK;
    json_decref(*out);
    return say(why, ERR_CORRUPT, NULL, "%s is no JSON object", what);
}

static enum err only_known(const json_t *object, const char *const *known, const char *what,
                           struct why *why)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;

        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return say(why, ERR_CORRUPT, NULL, "%s has an unknown member \"%.64s\"", what, key);
    }
    return ERR_OK;
}

/* Absent and null are the same. */
static const json_t *get(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

static bool is_text(const json_t *value)
{
    size_t size = json_string_length(value);
    const char *text = json_string_value(value);

    if (!text || size == 0 || size > MENDER_NAME_SIZE_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        if ((uint8_t)text[i] < ' ' || text[i] == 0x7f)
            return false;
    }
    return true;
}

static bool is_texts(const json_t *array, size_t min)
{
    if (!json_is_array(array) || json_array_size(array) < min ||
        json_array_size(array) > MENDER_TYPES_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!is_text(json_array_get(array, i)))
            return false;
    }
    return true;
}

/* ---- Merging into the facts ---- */

static enum err add(json_t *facts, const char *group, const char *key, json_t *value,
                    struct why *why)
{
    json_t *object = json_object_get(facts, group);

    if (json_object_get(object, key)) {
        json_decref(value);
        return say(why, ERR_CORRUPT, NULL, "\"%.64s\" is given twice in %s", key, group);
    }
    if (json_object_size(object) >= MENDER_PAIRS_MAX) {
        json_decref(value);
        return say(why, ERR_TOO_BIG, NULL, "more than %u keys in %s", MENDER_PAIRS_MAX, group);
    }
    CHECK(json_object_set_new(object, key, value) == 0);
    return ERR_OK;
}

static enum err add_provides(json_t *facts, const json_t *given, struct why *why)
{
    const char *key;
    json_t *value;

    if (given && !json_is_object(given))
        return say(why, ERR_CORRUPT, NULL, "artifact_provides is no object");
    json_object_foreach((json_t *)(uintptr_t)given, key, value)
    {
        /* An empty text is what a tool writes for a group that there is not. */
        if (!is_text(value) && !(json_is_string(value) && json_string_length(value) == 0))
            return say(why, ERR_CORRUPT, NULL, "artifact_provides has no text for \"%.64s\"", key);
        TRY(add(facts, "provides", key, json_incref(value), why));
    }
    return ERR_OK;
}

static enum err add_depends(json_t *facts, const json_t *given, struct why *why)
{
    const char *key;
    json_t *value;

    if (given && !json_is_object(given))
        return say(why, ERR_CORRUPT, NULL, "artifact_depends is no object");
    json_object_foreach((json_t *)(uintptr_t)given, key, value)
    {
        json_t *texts = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);

        CHECK(texts);
        if (!is_texts(texts, 0)) {
            json_decref(texts);
            return say(why, ERR_CORRUPT, NULL, "artifact_depends has no texts for \"%.64s\"", key);
        }
        if (json_array_size(texts) == 0) {
            json_decref(texts);
            continue;
        }
        TRY(add(facts, "depends", key, texts, why));
    }
    return ERR_OK;
}

static enum err add_clears(json_t *facts, const json_t *given, struct why *why)
{
    json_t *clears;

    if (!given)
        return ERR_OK;
    if (!is_texts(given, 0))
        return say(why, ERR_CORRUPT, NULL, "clears_artifact_provides is no array of texts");
    clears = json_object_get(facts, "clears");
    if (!clears) {
        clears = json_array();
        CHECK(json_object_set_new(facts, "clears", clears) == 0);
    }
    CHECK(json_array_extend(clears, (json_t *)(uintptr_t)given) == 0);
    return ERR_OK;
}

/* ---- version ---- */

enum err mender_read_version(struct span text, unsigned *version, struct why *why)
{
    static const char *const known[] = {"format", "version", NULL};
    const json_t *format, *number;
    json_t *json;
    enum err err;

    TRY(load(text, "version", &json, why));
    err = only_known(json, known, "version", why);
    format = get(json, "format");
    number = get(json, "version");
    if (err == ERR_OK &&
        (!json_is_string(format) || strcmp(json_string_value(format), "mender") != 0 ||
         !json_is_integer(number)))
        err = say(why, ERR_CORRUPT, NULL, "the file does not say that it is a Mender Artifact");
    if (err == ERR_OK && json_integer_value(number) != 2 && json_integer_value(number) != 3)
        err = say(why, ERR_CORRUPT, NULL, "format version %lld is neither 2 nor 3",
                  (long long)json_integer_value(number));
    if (err == ERR_OK)
        *version = (unsigned)json_integer_value(number);
    json_decref(json);
    return err;
}

/* ---- header-info ---- */

size_t mender_payloads(const json_t *facts)
{
    return json_array_size(json_object_get(facts, "payloads"));
}

static enum err take_payloads(json_t *facts, const json_t *given, struct why *why)
{
    static const char *const known[] = {"type", NULL};
    json_t *payloads = json_object_get(facts, "payloads");

    if (!json_is_array(given) || json_array_size(given) == 0)
        return say(why, ERR_CORRUPT, NULL, "header-info has no payloads");
    if (json_array_size(given) > MENDER_PAYLOADS_MAX)
        return say(why, ERR_TOO_BIG, NULL, "more than %u payloads", MENDER_PAYLOADS_MAX);
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *payload = json_array_get(given, i);
        json_t *type = json_object_get(payload, "type");

        if (!json_is_object(payload) || !type || !(is_text(type) || json_is_null(type)))
            return say(why, ERR_CORRUPT, NULL, "payload %zu has no type", i);
        TRY(only_known(payload, known, "a payload", why));
        CHECK(json_array_append_new(payloads, json_pack("{s:O, s:[]}", "type", type, "files")) ==
              0);
    }
    return ERR_OK;
}

static enum err take_name(json_t *facts, const json_t *name, const json_t *types, struct why *why)
{
    if (!is_text(name))
        return say(why, ERR_CORRUPT, NULL, "header-info has no artifact_name");
    if (!is_texts(types, 1))
        return say(why, ERR_CORRUPT, NULL, "header-info names no device_type");
    CHECK(json_object_set(facts, "name", (json_t *)(uintptr_t)name) == 0);
    CHECK(json_object_set(facts, "device_types", (json_t *)(uintptr_t)types) == 0);
    return ERR_OK;
}

static enum err take_header_3(json_t *facts, const json_t *json, struct why *why)
{
    static const char *const known[] = {"payloads", "artifact_provides", "artifact_depends", NULL};
    static const char *const provided[] = {"artifact_name", "artifact_group", NULL};
    static const char *const depended[] = {"device_type", "artifact_name", "artifact_group", NULL};
    const json_t *provides = get(json, "artifact_provides"),
                 *depends = get(json, "artifact_depends");

    TRY(only_known(json, known, "header-info", why));
    TRY(only_known(provides, provided, "artifact_provides of header-info", why));
    TRY(only_known(depends, depended, "artifact_depends of header-info", why));
    TRY(take_name(facts, get(provides, "artifact_name"), get(depends, "device_type"), why));
    TRY(add_provides(facts, provides, why));
    TRY(add_depends(facts, depends, why));
    return take_payloads(facts, get(json, "payloads"), why);
}

static enum err take_header_2(json_t *facts, const json_t *json, struct why *why)
{
    static const char *const known[] = {"updates", "device_types_compatible", "artifact_name",
                                        NULL};
    json_t *name = json_object_get(json, "artifact_name");
    json_t *types = json_object_get(json, "device_types_compatible");

    TRY(only_known(json, known, "header-info", why));
    TRY(take_name(facts, name, types, why));
    TRY(add(facts, "provides", "artifact_name", json_incref(name), why));
    TRY(add(facts, "depends", "device_type", json_incref(types), why));
    return take_payloads(facts, get(json, "updates"), why);
}

enum err mender_read_header_info(struct span text, unsigned version, json_t *facts, struct why *why)
{
    json_t *json;
    enum err err;

    TRY(load(text, "header-info", &json, why));
    err = version == 2 ? take_header_2(facts, json, why) : take_header_3(facts, json, why);
    json_decref(json);
    return err;
}

/* ---- type-info and meta-data ---- */

static enum err take_type_info(json_t *facts, size_t payload, const json_t *json, struct why *why)
{
    static const char *const known[] = {"type", "artifact_provides", "artifact_depends",
                                        "clears_artifact_provides", NULL};
    const json_t *entry = json_array_get(json_object_get(facts, "payloads"), payload);
    const json_t *type = json_object_get(json, "type");

    TRY(only_known(json, known, "type-info", why));
    /* mender-artifact 3.9 leaves it empty when it writes a rootfs-image. */
    if (json_is_string(type) && json_string_length(type) == 0)
        type = json_object_get(entry, "type");
    if (!type || !json_equal((json_t *)(uintptr_t)type, json_object_get(entry, "type")))
        return say(why, ERR_CORRUPT, NULL, "type-info and header-info name different types");
    TRY(add_provides(facts, get(json, "artifact_provides"), why));
    TRY(add_depends(facts, get(json, "artifact_depends"), why));
    return add_clears(facts, get(json, "clears_artifact_provides"), why);
}

enum err mender_read_type_info(struct span text, unsigned version, size_t payload, json_t *facts,
                               struct why *why)
{
    json_t *json;
    enum err err;

    (void)version;
    TRY(load(text, "type-info", &json, why));
    err = take_type_info(facts, payload, json, why);
    json_decref(json);
    return err;
}

enum err mender_read_meta_data(struct span text, size_t payload, json_t *facts, struct why *why)
{
    json_t *entry = json_array_get(json_object_get(facts, "payloads"), payload);
    json_t *json;

    if (text.size == 0)
        return ERR_OK;
    TRY(load(text, "meta-data", &json, why));
    CHECK(json_object_set_new(entry, "meta_data", json) == 0);
    return ERR_OK;
}

/* ---- Matching ---- */

static bool is_any_of(const json_t *texts, const char *value)
{
    for (size_t i = 0; i < json_array_size(texts); i++) {
        if (value && strcmp(json_string_value(json_array_get(texts, i)), value) == 0)
            return true;
    }
    return false;
}

/* A device of several types says so with an array. */
static bool satisfies(const json_t *texts, const json_t *given)
{
    if (!json_is_array(given))
        return is_any_of(texts, json_string_value(given));
    for (size_t i = 0; i < json_array_size(given); i++) {
        if (is_any_of(texts, json_string_value(json_array_get(given, i))))
            return true;
    }
    return false;
}

bool mender_fits(const json_t *facts, const json_t *provides, struct why *why)
{
    const char *key;
    json_t *texts;

    json_object_foreach(json_object_get(facts, "depends"), key, texts)
    {
        const json_t *given = json_object_get(provides, key);

        if (!satisfies(texts, given)) {
            why_clear(why);
            (void)say(why, ERR_UNSUITABLE, NULL,
                      "the artifact depends on another %.64s than the device's %.64s", key,
                      json_is_string(given) ? json_string_value(given) : "none");
            return false;
        }
    }
    return true;
}
