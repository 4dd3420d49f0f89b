#include "trust/artifact_json.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/release_json.h"

static enum err bad(struct why *why, enum err err, const char *field, const char *text)
{
    why_say(why, field, text);
    why_wrap(why, field);
    return err;
}

/* ---- the rules ---- */

/* A name that a device prints of itself: anything that is one line. */
static bool is_line(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

static const char *offence(const struct artifact_facts *facts)
{
    if (!release_name_ok(facts->format))
        return "format";
    if (!release_name_ok(facts->product))
        return "product";
    if (!release_version_ok(facts->version))
        return "version";
    for (uint32_t i = 0; i < facts->hardware_count; i++) {
        if (!release_name_ok(facts->hardware[i]))
            return "hardware";
    }
    if (facts->part[0] != '\0' && !release_name_ok(facts->part))
        return "part";
    return is_line(facts->runs_as) ? NULL : "runs_as";
}

enum err artifact_facts_check(const struct artifact_facts *facts, const char **field)
{
    const char *found = offence(facts);

    CHECK(facts->hardware_count <= HARDWARE_MAX);
    if (!found)
        return ERR_OK;
    if (field)
        *field = found;
    return ERR_CORRUPT;
}

/* ---- reading ---- */

static enum err read_text(const json_t *json, const char *field, bool needed, char *to, size_t size,
                          struct why *why)
{
    const json_t *text = json_object_get(json, field);

    if (!text && !needed)
        return ERR_OK;
    if (!json_is_string(text))
        return bad(why, ERR_CORRUPT, field, "is not a text");
    if (!span_to_text(span_of(json_string_value(text)), to, size))
        return bad(why, ERR_TOO_BIG, field, "is too long");
    return ERR_OK;
}

static enum err read_hardware(const json_t *list, struct artifact_facts *facts, struct why *why)
{
    size_t count = json_array_size(list);

    if (list && !json_is_array(list))
        return bad(why, ERR_CORRUPT, "hardware", "is not a list");
    if (count > HARDWARE_MAX)
        return bad(why, ERR_TOO_BIG, "hardware", "lists too many names");
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (!name || !span_to_text(span_of(name), facts->hardware[i], sizeof facts->hardware[i]))
            return bad(why, ERR_CORRUPT, "hardware", "has something that is no name");
    }
    facts->hardware_count = (uint32_t)count;
    return ERR_OK;
}

static enum err read_numbers(const json_t *json, struct artifact_facts *facts, struct why *why)
{
    const json_t *number = json_object_get(json, "security_version");
    const char *kind = json_string_value(json_object_get(json, "kind"));

    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > UINT32_MAX)
        return bad(why, ERR_CORRUPT, "security_version", "is not a whole number of 32 bits");
    facts->security_version = (uint32_t)json_integer_value(number);
    if (!kind || (strcmp(kind, "feature") != 0 && strcmp(kind, "security") != 0))
        return bad(why, ERR_CORRUPT, "kind", "is neither \"feature\" nor \"security\"");
    facts->kind = strcmp(kind, "security") == 0 ? RELEASE_SECURITY : RELEASE_FEATURE;
    return ERR_OK;
}

static enum err read_facts(const json_t *json, struct artifact_facts *facts, struct why *why)
{
    const char *field = "";
    enum err err;

    if (!json_is_object(json))
        return say(why, ERR_CORRUPT, NULL, "what is stated of the artifact is not an object");
    TRY(read_text(json, "format", true, facts->format, sizeof facts->format, why));
    TRY(read_text(json, "product", true, facts->product, sizeof facts->product, why));
    TRY(read_text(json, "version", true, facts->version, sizeof facts->version, why));
    TRY(read_text(json, "part", false, facts->part, sizeof facts->part, why));
    TRY(read_text(json, "runs_as", false, facts->runs_as, sizeof facts->runs_as, why));
    TRY(read_hardware(json_object_get(json, "hardware"), facts, why));
    TRY(read_numbers(json, facts, why));
    err = artifact_facts_check(facts, &field);
    return err == ERR_OK ? ERR_OK : bad(why, err, field, "is not what an artifact may state");
}

enum err artifact_from_custom(const json_t *custom, struct artifact_facts *out, struct why *why)
{
    const json_t *json = json_object_get(custom, ARTIFACT_JSON_KEY);
    struct artifact_facts facts = {.hardware_count = 0};

    if (!json)
        return say(why, ERR_NOT_FOUND, NULL, "it is no artifact of another client");
    TRY(read_facts(json, &facts, why));
    *out = facts;
    return ERR_OK;
}

/* ---- writing ---- */

static void put_text(json_t *json, const char *field, const char *text)
{
    if (text[0] != '\0')
        CHECK(json_object_set_new(json, field, json_string(text)) == 0);
}

json_t *artifact_to_custom(const struct artifact_facts *facts)
{
    json_t *json, *custom, *hardware = json_array();

    CHECK(artifact_facts_check(facts, NULL) == ERR_OK);
    CHECK(hardware);
    for (uint32_t i = 0; i < facts->hardware_count; i++)
        CHECK(json_array_append_new(hardware, json_string(facts->hardware[i])) == 0);
    json = json_pack("{s:s, s:s, s:s, s:o, s:I, s:s}", "format", facts->format, "product",
                     facts->product, "version", facts->version, "hardware", hardware,
                     "security_version", (json_int_t)facts->security_version, "kind",
                     facts->kind == RELEASE_SECURITY ? "security" : "feature");
    CHECK(json);
    put_text(json, "part", facts->part);
    put_text(json, "runs_as", facts->runs_as);
    custom = json_pack("{s:o}", ARTIFACT_JSON_KEY, json);
    CHECK(custom);
    return custom;
}

enum err artifact_target_name(const struct artifact_facts *facts, const char *file,
                              char out[TARGET_NAME_SIZE_MAX + 1], struct why *why)
{
    struct release_facts release = {.hardware_count = 0};

    memcpy(release.product, facts->product, sizeof release.product);
    memcpy(release.version, facts->version, sizeof release.version);
    return release_target_name(&release, file, out, why);
}
