/* Paths and media types of hawkBit's device API. */
#include "wire/hawkbit.h"

#define SEGMENTS_MAX 8u

/* clang-format off */
static const struct {
    const char *verb;
    enum hawkbit_kind kind;
    const char *pattern[5]; /* behind /{tenant}/controller/v1/{device}; "#": id, "*": file */
} routes[] = {
    {"GET",  HAWKBIT_BASE,            {NULL}},
    {"GET",  HAWKBIT_DEPLOYMENT,      {"deploymentBase", "#", NULL}},
    {"POST", HAWKBIT_FEEDBACK,        {"deploymentBase", "#", "feedback", NULL}},
    {"GET",  HAWKBIT_CANCEL,          {"cancelAction", "#", NULL}},
    {"POST", HAWKBIT_CANCEL_FEEDBACK, {"cancelAction", "#", "feedback", NULL}},
    {"GET",  HAWKBIT_INSTALLED,       {"installedBase", "#", NULL}},
    {"PUT",  HAWKBIT_INSTALLED_PUT,   {"installedBase", NULL}},
    {"PUT",  HAWKBIT_CONFIG,          {"configData", NULL}},
    {"GET",  HAWKBIT_ARTIFACTS,       {"softwaremodules", "#", "artifacts", NULL}},
    {"GET",  HAWKBIT_ARTIFACT,        {"softwaremodules", "#", "artifacts", "*", NULL}},
};

static const char *const kind_names[HAWKBIT_KIND_COUNT] = {
    [HAWKBIT_BASE]            = "base",
    [HAWKBIT_DEPLOYMENT]      = "deployment",
    [HAWKBIT_FEEDBACK]        = "feedback",
    [HAWKBIT_CANCEL]          = "cancel",
    [HAWKBIT_CANCEL_FEEDBACK] = "cancel-feedback",
    [HAWKBIT_INSTALLED]       = "installed",
    [HAWKBIT_INSTALLED_PUT]   = "installed-put",
    [HAWKBIT_CONFIG]          = "config",
    [HAWKBIT_ARTIFACTS]       = "artifacts",
    [HAWKBIT_ARTIFACT]        = "artifact",
    [HAWKBIT_MD5SUM]          = "md5sum",
};
/* clang-format on */

const char *hawkbit_kind_name(enum hawkbit_kind kind)
{
    return kind < HAWKBIT_KIND_COUNT ? kind_names[kind] : "unknown";
}

/* ---- segments ---- */

struct segments {
    struct span at[SEGMENTS_MAX];
    size_t count;
};

static bool split(struct span path, struct segments *out)
{
    size_t from = 1;

    out->count = 0;
    if (path.size < 2 || path.at[0] != '/')
        return false;
    for (size_t i = 1; i <= path.size; i++) {
        if (i < path.size && path.at[i] != '/')
            continue;
        if (i == from || out->count == SEGMENTS_MAX)
            return false;
        out->at[out->count++] = (struct span){path.at + from, i - from};
        from = i + 1;
    }
    return true;
}

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Percent-decoded; blanks and control characters cannot be part of any name. */
static bool decode(struct span segment, char *to, size_t to_size)
{
    size_t size = 0;

    for (size_t i = 0; i < segment.size; i++) {
        uint8_t byte = segment.at[i];

        if (byte == '%') {
            int high = i + 2 < segment.size ? digit_of(segment.at[i + 1]) : -1;
            int low = i + 2 < segment.size ? digit_of(segment.at[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (byte <= ' ' || byte == 0x7f || size + 1 >= to_size)
            return false;
        to[size++] = (char)byte;
    }
    to[size] = '\0';
    return size > 0;
}

static bool read_id(struct span text, uint32_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || value > HAWKBIT_ID_MAX)
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *out = (uint32_t)value;
    return text.size > 0 && value > 0 && value <= HAWKBIT_ID_MAX;
}

static bool has_shape(const struct segments *segments)
{
    return segments->count >= 4 && span_is(segments->at[1], "controller") &&
           span_is(segments->at[2], "v1");
}

bool hawkbit_claims(struct span path)
{
    struct segments segments;

    return split(path, &segments) && has_shape(&segments);
}

/* ---- routes ---- */

static bool fits(const struct segments *segments, const char *const *pattern,
                 struct hawkbit_call *out)
{
    size_t i = 4;

    for (; *pattern; pattern++, i++) {
        if (i == segments->count)
            return false;
        if (**pattern == '#') {
            if (!read_id(segments->at[i], &out->id))
                return false;
        } else if (**pattern == '*') {
            if (!decode(segments->at[i], out->file, sizeof out->file))
                return false;
        } else if (!span_is(segments->at[i], *pattern)) {
            return false;
        }
    }
    return i == segments->count;
}

/* "fw.swu.MD5SUM" is the checksum of fw.swu. */
static void look_for_md5sum(struct hawkbit_call *call)
{
    static const char suffix[] = ".MD5SUM";
    size_t size = span_of(call->file).size, tail = sizeof suffix - 1;

    if (call->kind != HAWKBIT_ARTIFACT || size <= tail ||
        !span_is(span_of(call->file + size - tail), suffix))
        return;
    call->file[size - tail] = '\0';
    call->kind = HAWKBIT_MD5SUM;
}

/* "actionHistory": a count, or negative for as many as there may be. */
static uint32_t history_of(struct span query)
{
    static const char name[] = "actionHistory=";
    uint32_t value = 0;

    while (query.size > 0 && !span_begins(query, name)) {
        while (query.size > 0 && query.at[0] != '&')
            query = (struct span){query.at + 1, query.size - 1};
        if (query.size > 0)
            query = (struct span){query.at + 1, query.size - 1};
    }
    if (query.size == 0)
        return 0;
    query = (struct span){query.at + sizeof name - 1, query.size - (sizeof name - 1)};
    if (query.size > 0 && query.at[0] == '-')
        return HAWKBIT_HISTORY_MAX;
    for (size_t i = 0; i < query.size && query.at[i] >= '0' && query.at[i] <= '9'; i++) {
        value = value * 10 + (uint32_t)(query.at[i] - '0');
        if (value > HAWKBIT_HISTORY_MAX)
            return HAWKBIT_HISTORY_MAX;
    }
    return value;
}

static enum err find(struct span verb, const struct segments *segments, struct hawkbit_call *out)
{
    bool known = false;

    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!fits(segments, routes[i].pattern, out))
            continue;
        known = true;
        if (!span_is(verb, routes[i].verb))
            continue;
        out->kind = routes[i].kind;
        return ERR_OK;
    }
    return known ? ERR_INVALID : ERR_NOT_FOUND;
}

enum err hawkbit_route(struct span verb, struct span path, struct span query,
                       struct hawkbit_call *out)
{
    struct segments segments;

    *out = (struct hawkbit_call){0};
    if (!split(path, &segments) || !has_shape(&segments))
        return ERR_NOT_FOUND;
    out->tenant_segment = segments.at[0];
    out->device_segment = segments.at[3];
    if (!decode(segments.at[0], out->tenant, sizeof out->tenant) ||
        !decode(segments.at[3], out->device, sizeof out->device))
        return ERR_CORRUPT;
    TRY(find(verb, &segments, out));
    look_for_md5sum(out);
    out->history = history_of(query);
    return ERR_OK;
}

/* ---- media types ---- */

static struct span trimmed(struct span text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = (struct span){text.at + 1, text.size - 1};
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* What is in front of `at`; *rest is what is behind it. */
static struct span cut(struct span *rest, uint8_t at)
{
    struct span word = *rest;

    for (size_t i = 0; i < rest->size; i++) {
        if (rest->at[i] != at)
            continue;
        word.size = i;
        *rest = (struct span){rest->at + i + 1, rest->size - i - 1};
        return trimmed(word);
    }
    *rest = (struct span){0};
    return trimmed(word);
}

static bool is_in_any_case(struct span text, const char *word)
{
    if (text.size != span_of(word).size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        if (byte != (uint8_t)word[i])
            return false;
    }
    return true;
}

/* "q=0.5" as thousandths; 1000 without. */
static unsigned quality_of(struct span parameters)
{
    while (parameters.size > 0) {
        struct span parameter = cut(&parameters, ';');
        unsigned value = 0, unit = 1000;

        if (!span_begins(parameter, "q=") && !span_begins(parameter, "Q="))
            continue;
        for (size_t i = 2; i < parameter.size && unit > 0; i++) {
            if (parameter.at[i] < '0' || parameter.at[i] > '9')
                continue;
            value += (unsigned)(parameter.at[i] - '0') * unit;
            unit /= 10;
        }
        return value < 1000 ? value : 1000;
    }
    return 1000;
}

static bool media_of(struct span type, enum hawkbit_media *out)
{
    static const struct {
        const char *name;
        enum hawkbit_media media;
    } types[] = {{"*/*", HAWKBIT_HAL},
                 {"application/*", HAWKBIT_HAL},
                 {"application/hal+json", HAWKBIT_HAL},
                 {"application/json", HAWKBIT_JSON},
                 {"application/cbor", HAWKBIT_CBOR}};

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (is_in_any_case(type, types[i].name)) {
            *out = types[i].media;
            return true;
        }
    }
    return false;
}

enum err hawkbit_accept(struct span accept, enum hawkbit_media *out)
{
    unsigned best = 0;

    accept = trimmed(accept);
    if (accept.size == 0) {
        *out = HAWKBIT_HAL;
        return ERR_OK;
    }
    while (accept.size > 0) {
        struct span parameters = cut(&accept, ',');
        struct span type = cut(&parameters, ';');
        unsigned quality = quality_of(parameters);
        enum hawkbit_media media;

        if (quality > best && media_of(type, &media)) {
            best = quality;
            *out = media;
        }
    }
    return best > 0 ? ERR_OK : ERR_UNSUITABLE;
}

enum err hawkbit_content(struct span content_type, bool *cbor)
{
    struct span type = cut(&content_type, ';');

    *cbor = is_in_any_case(type, "application/cbor");
    if (*cbor || type.size == 0 || is_in_any_case(type, "application/json") ||
        is_in_any_case(type, "application/hal+json"))
        return ERR_OK;
    return ERR_UNSUITABLE;
}

const char *hawkbit_media_name(enum hawkbit_media media)
{
    switch (media) {
    case HAWKBIT_JSON:
        return "application/json";
    case HAWKBIT_CBOR:
        return "application/cbor";
    case HAWKBIT_HAL:
        break;
    }
    return "application/hal+json";
}
