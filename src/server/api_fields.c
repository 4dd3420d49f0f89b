#include "server/api_fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"

/* First fault wins: later ones are often only its consequences. */
static void fault(struct fields *fields, enum err err, const char *name, const char *format,
                  va_list args)
{
    char field[sizeof fields->why->field], text[WHY_TEXT_MAX];

    if (fields->err != ERR_OK)
        return;
    fields->err = err;
    (void)snprintf(field, sizeof field, "%s%s%s", fields->path,
                   fields->path[0] && name[0] && name[0] != '[' ? "." : "", name);
    (void)vsnprintf(text, sizeof text, format, args);
    why_say(fields->why, field, text);
}

void fields_refuse(struct fields *fields, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fault(fields, ERR_INVALID, name, format, args);
    va_end(args);
}

/* jansson puts the offending token into its message; it may be long and is not ours to repeat. */
static void refuse_document(struct fields *fields, const json_error_t *error)
{
    switch ((int)json_error_code(error)) { /* of its many codes, those a body can meet */
    case json_error_duplicate_key:
        fields_refuse(fields, "", "the body names a field twice (line %d, column %d)", error->line,
                      error->column);
        break;
    case json_error_invalid_utf8:
        fields_refuse(fields, "", "the body must be valid UTF-8");
        break;
    case json_error_null_character:
    case json_error_null_byte_in_key:
        fields_refuse(fields, "", "the body must not hold NUL characters (line %d, column %d)",
                      error->line, error->column);
        break;
    case json_error_numeric_overflow:
        fields_refuse(fields, "", "the body holds a number that is too large (line %d, column %d)",
                      error->line, error->column);
        break;
    case json_error_stack_overflow:
        fields_refuse(fields, "", "the body is nested too deeply");
        break;
    case json_error_end_of_input_expected:
        fields_refuse(fields, "", "nothing may follow the JSON object (line %d, column %d)",
                      error->line, error->column);
        break;
    case json_error_premature_end_of_input:
        fields_refuse(fields, "", "the JSON ends too early: send one whole object");
        break;
    default:
        fields_refuse(fields, "", "the body is not JSON (line %d, column %d)", error->line,
                      error->column);
        break;
    }
}

struct fields fields_open(struct span body, enum field_need need, struct why *why)
{
    struct fields fields = {.why = why};
    json_error_t error;

    CHECK(why);
    if (body.size == 0 && need == FIELD_OPTIONAL)
        return fields;
    if (body.size == 0) {
        fields_refuse(&fields, "", "the body is empty; send a JSON object");
        return fields;
    }
    fields.root = json_loadb((const char *)body.at, body.size,
                             JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!fields.root)
        refuse_document(&fields, &error);
    else if (!json_is_object(fields.root))
        fields_refuse(&fields, "", "the body must be a JSON object in { }");
    else
        fields.object = fields.root;
    return fields;
}

/* Mark `name` as known and look it up; NULL when absent or after a fault. */
static const json_t *look_up(struct fields *fields, const char *name, enum field_need need)
{
    const json_t *value;

    CHECK(fields->seen_count < FIELDS_SEEN_MAX);
    fields->seen[fields->seen_count++] = name;
    if (fields->err != ERR_OK)
        return NULL;
    value = fields->object ? json_object_get(fields->object, name) : NULL;
    if (!value && need == FIELD_REQUIRED)
        fields_refuse(fields, name, "must be given");
    return value;
}

bool fields_int(struct fields *fields, const char *name, enum field_need need, int64_t min,
                int64_t max, int64_t *out)
{
    const json_t *value = look_up(fields, name, need);

    if (!value)
        return false;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        fields_refuse(fields, name, "must be a whole number from %" PRId64 " to %" PRId64, min,
                      max);
        return false;
    }
    *out = json_integer_value(value);
    return true;
}

bool fields_bool(struct fields *fields, const char *name, enum field_need need, bool *out)
{
    const json_t *value = look_up(fields, name, need);

    if (!value)
        return false;
    if (!json_is_boolean(value)) {
        fields_refuse(fields, name, "must be true or false");
        return false;
    }
    *out = json_is_true(value);
    return true;
}

/* JSON's reals are binary; one decimal is what we accept, so rounding to it is exact. */
static bool permille_of(const json_t *value, int64_t *out)
{
    double permille = json_number_value(value) * 10.0;

    if (!json_is_number(value) || !(permille >= 0.0 && permille <= 1000.0))
        return false;
    *out = (int64_t)(permille + 0.5);
    return permille - (double)*out < 1e-6 && (double)*out - permille < 1e-6;
}

bool fields_percent(struct fields *fields, const char *name, enum field_need need,
                    uint32_t permille_min, uint16_t *permille)
{
    const json_t *value = look_up(fields, name, need);
    int64_t found;

    if (!value)
        return false;
    if (!permille_of(value, &found) || found < permille_min) {
        fields_refuse(fields, name, "must be a percentage from %s to 100 with one decimal at most",
                      permille_min == 0 ? "0" : "0.1");
        return false;
    }
    *permille = (uint16_t)found;
    return true;
}

static bool is_printable(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];

        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool text_of(struct fields *fields, const char *name, const json_t *value, size_t size_max,
                    struct span *out)
{
    struct span text;

    if (!json_is_string(value)) {
        fields_refuse(fields, name, "must be a text in quotes");
        return false;
    }
    text = (struct span){(const uint8_t *)json_string_value(value), json_string_length(value)};
    if (text.size > size_max) {
        fields_refuse(fields, name, "may have at most %zu bytes, not %zu", size_max, text.size);
        return false;
    }
    if (!is_printable(text)) {
        fields_refuse(fields, name, "must not hold control characters");
        return false;
    }
    *out = text;
    return true;
}

bool fields_text(struct fields *fields, const char *name, enum field_need need, size_t size_max,
                 struct span *out)
{
    const json_t *value = look_up(fields, name, need);

    return value && text_of(fields, name, value, size_max, out);
}

bool name_valid(struct span text)
{
    if (text.size < 1 || text.size > NAME_SIZE_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static bool name_of(struct fields *fields, const char *name, const json_t *value,
                    char out[NAME_SIZE_MAX + 1])
{
    struct span text = {(const uint8_t *)json_string_value(value), json_string_length(value)};

    if (!json_is_string(value) || !name_valid(text)) {
        fields_refuse(fields, name, "must be a name: 1 to %u letters, digits, '.', '_' or '-'",
                      NAME_SIZE_MAX);
        return false;
    }
    memcpy(out, text.at, text.size);
    out[text.size] = '\0';
    return true;
}

bool fields_name(struct fields *fields, const char *name, enum field_need need,
                 char out[NAME_SIZE_MAX + 1])
{
    const json_t *value = look_up(fields, name, need);

    return value && name_of(fields, name, value, out);
}

bool fields_utc(struct fields *fields, const char *name, enum field_need need, struct utc *out)
{
    const json_t *value = look_up(fields, name, need);

    if (!value)
        return false;
    if (!json_is_string(value) || !utc_parse(span_of(json_string_value(value)), out)) {
        fields_refuse(fields, name, "must be a time in UTC like 2026-11-25T10:00:00Z");
        return false;
    }
    return true;
}

/* Lower case only: digests are names here, and a name has one spelling. */
static bool digest_of(const char *text, uint8_t out[DIGEST_SIZE])
{
    return strpbrk(text, "ABCDEF") == NULL && hex_parse(span_of(text), out, DIGEST_SIZE);
}

bool fields_digest(struct fields *fields, const char *name, enum field_need need,
                   uint8_t out[DIGEST_SIZE])
{
    const json_t *value = look_up(fields, name, need);

    if (!value)
        return false;
    if (!json_is_string(value) || !digest_of(json_string_value(value), out)) {
        fields_refuse(fields, name, "must be a SHA-256: 64 digits of lower-case hex");
        return false;
    }
    return true;
}

bool fields_array(struct fields *fields, const char *name, enum field_need need, size_t min,
                  size_t max, const json_t **out)
{
    const json_t *value = look_up(fields, name, need);

    if (!value)
        return false;
    if (!json_is_array(value) || json_array_size(value) < min || json_array_size(value) > max) {
        fields_refuse(fields, name, "must be a list in [ ] of %zu to %zu items", min, max);
        return false;
    }
    *out = value;
    return true;
}

static void path_of_item(const struct fields *fields, const char *name, size_t index, char *to,
                         size_t size)
{
    int used =
        snprintf(to, size, "%s%s%s[%zu]", fields->path, fields->path[0] ? "." : "", name, index);

    CHECK(used > 0 && (size_t)used < size); /* names are literals, and short */
}

struct fields fields_item(const struct fields *outer, const char *name, const json_t *array,
                          size_t index)
{
    struct fields item = {.why = outer->why, .err = outer->err};
    const json_t *value = json_array_get(array, index);

    path_of_item(outer, name, index, item.path, sizeof item.path);
    if (json_is_object(value))
        item.object = value;
    else
        fields_refuse(&item, "", "must be an object in { }");
    return item;
}

void fields_item_done(struct fields *outer, struct fields *item)
{
    enum err err = fields_done(item);

    if (outer->err == ERR_OK)
        outer->err = err;
}

bool fields_item_text(struct fields *fields, const char *name, const json_t *array, size_t index,
                      struct span *out)
{
    char item[48];

    (void)snprintf(item, sizeof item, "%s[%zu]", name, index);
    return fields->err == ERR_OK &&
           text_of(fields, item, json_array_get(array, index), API_BODY_SIZE_MAX, out);
}

bool fields_item_name(struct fields *fields, const char *name, const json_t *array, size_t index,
                      char out[NAME_SIZE_MAX + 1])
{
    char item[48];

    (void)snprintf(item, sizeof item, "%s[%zu]", name, index);
    return fields->err == ERR_OK && name_of(fields, item, json_array_get(array, index), out);
}

bool fields_object(struct fields *fields, const char *name, enum field_need need,
                   struct fields *out)
{
    const json_t *value = look_up(fields, name, need);
    struct fields inner = {.why = fields->why, .err = fields->err};

    int used = snprintf(inner.path, sizeof inner.path, "%s%s%s", fields->path,
                        fields->path[0] ? "." : "", name);

    CHECK(used > 0 && (size_t)used < sizeof inner.path);
    *out = inner;
    if (!value)
        return false;
    if (!json_is_object(value)) {
        fields_refuse(fields, name, "must be an object in { }");
        return false;
    }
    out->object = value;
    return true;
}

static bool was_read(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->seen_count; i++) {
        if (strcmp(fields->seen[i], name) == 0)
            return true;
    }
    return false;
}

enum err fields_done(struct fields *fields)
{
    const char *name;
    const json_t *value;

    /* json_object_foreach takes a json_t* it does not change. */
    for (void *at = json_object_iter((json_t *)(uintptr_t)fields->object);
         at && fields->err == ERR_OK;
         at = json_object_iter_next((json_t *)(uintptr_t)fields->object, at)) {
        name = json_object_iter_key(at);
        value = json_object_iter_value(at);
        CHECK(value);
        if (!was_read(fields, name))
            fields_refuse(fields, name, "there is no such field here");
    }
    return fields->err;
}

void fields_close(struct fields *fields)
{
    json_decref(fields->root);
    fields->root = NULL;
    fields->object = NULL;
}
