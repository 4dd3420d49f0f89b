#include "wire/mender_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "codec/utf8.h"

#define DEVICES        "/api/devices/"
#define DEPLOYMENTS_V1 DEVICES "v1/deployments/device/deployments/"
#define DEPLOYMENTS_V2 DEVICES "v2/deployments/device/deployments/"
#define DOWNLOAD       DEVICES "v1/deployments/download/"

/* ---- Numbers as UUIDs: version 8 (RFC 9562, 5.8), the family in the first group ---- */

void mender_uuid(enum mender_family family, uint64_t number, char out[MENDER_UUID_SIZE])
{
    (void)snprintf(out, MENDER_UUID_SIZE, "%08x-0000-8000-8000-%012" PRIx64, (unsigned)family,
                   number & 0xffffffffffffu);
}

bool mender_uuid_parse(enum mender_family family, struct span text, uint64_t *number)
{
    char given[MENDER_UUID_SIZE], again[MENDER_UUID_SIZE];
    char *end;

    if (text.size != MENDER_UUID_SIZE - 1 || !span_to_text(text, given, sizeof given))
        return false;
    *number = strtoull(given + 24, &end, 16);
    mender_uuid(family, *number, again);
    return strcmp(given, again) == 0;
}

/* ---- Routes ---- */

bool mender_claims(struct span path)
{
    return span_begins(path, DEVICES);
}

static struct span behind(struct span path, const char *prefix)
{
    size_t size = strlen(prefix);

    return (struct span){path.at + size, path.size - size};
}

static enum err with_verb(bool good, enum mender_kind kind, enum mender_kind *out)
{
    *out = kind;
    return good ? ERR_OK : ERR_INVALID;
}

/* ".../ID/what" */
static enum err route_deployment(struct span verb, struct span rest, bool second,
                                 enum mender_kind *kind, uint32_t *deployment)
{
    size_t at = 0;
    struct span what;
    uint64_t number = 0;

    while (at < rest.size && rest.at[at] != '/')
        at++;
    if (at == rest.size)
        return ERR_NOT_FOUND;
    if (mender_uuid_parse(MENDER_OF_DEPLOYMENT, (struct span){rest.at, at}, &number) &&
        number <= INT32_MAX)
        *deployment = (uint32_t)number;
    what = (struct span){rest.at + at + 1, rest.size - at - 1};
    if (second)
        return span_is(what, "update_control_map")
                   ? with_verb(span_is(verb, "GET"), MENDER_CONTROL_MAP, kind)
                   : ERR_NOT_FOUND;
    if (span_is(what, "status"))
        return with_verb(span_is(verb, "PUT"), MENDER_STATUS, kind);
    if (span_is(what, "log"))
        return with_verb(span_is(verb, "PUT"), MENDER_LOG, kind);
    return ERR_NOT_FOUND;
}

enum err mender_route(struct span verb, struct span path, enum mender_kind *kind,
                      uint32_t *deployment)
{
    bool post = span_is(verb, "POST"), get = span_is(verb, "GET");
    bool first = span_begins(path, DEPLOYMENTS_V1), second = span_begins(path, DEPLOYMENTS_V2);

    *deployment = 0;
    if (span_is(path, DEVICES "v1/authentication/auth_requests"))
        return with_verb(post, MENDER_AUTHENTICATE, kind);
    if (span_is(path, DEVICES "v1/inventory/device/attributes"))
        return with_verb(span_is(verb, "PUT") || span_is(verb, "PATCH"), MENDER_INVENTORY, kind);
    if (span_begins(path, DOWNLOAD))
        return with_verb(get, MENDER_DOWNLOAD, kind);
    if (span_is(path, DEPLOYMENTS_V1 "next"))
        return with_verb(post || get, MENDER_NEXT, kind);
    if (span_is(path, DEPLOYMENTS_V2 "next"))
        return with_verb(post, MENDER_NEXT, kind);
    if (first || second)
        return route_deployment(verb, behind(path, DEPLOYMENTS_V1), second, kind, deployment);
    return ERR_NOT_FOUND;
}

size_t mender_body_max(enum mender_kind kind)
{
    switch (kind) {
    case MENDER_AUTHENTICATE:
        return MENDER_AUTH_SIZE_MAX;
    case MENDER_LOG:
        return MENDER_LOG_BODY_SIZE_MAX;
    case MENDER_CONTROL_MAP:
    case MENDER_DOWNLOAD:
        return 0;
    case MENDER_INVENTORY:
    case MENDER_NEXT:
    case MENDER_STATUS:
    case MENDER_KIND_COUNT:
    default:
        return MENDER_BODY_SIZE_MAX;
    }
}

/* ---- JSON ---- */

/* jansson allows 2048 levels, each of which costs it stack. */
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
            if (++depth > MENDER_JSON_DEPTH)
                return false;
        } else if (byte == '}' || byte == ']') {
            depth -= depth > 0;
        }
    }
    return true;
}

/* Go's decoder, which clients were written against, lets the last of two members win. */
static enum err load(struct span text, json_t **out, struct why *why)
{
    json_error_t error;

    if (!is_shallow(text)) {
        why_say(why, NULL, "the body is nested too deeply");
        return ERR_TOO_BIG;
    }
    *out = json_loadb((const char *)text.at, text.size, 0, &error);
    if (*out)
        return ERR_OK;
    why_say(why, NULL, "the body is no JSON");
    return ERR_CORRUPT;
}

static enum err bad(struct why *why, const char *field, const char *sentence)
{
    why_say(why, field, sentence);
    return ERR_CORRUPT;
}

/* At most `size` - 1 bytes of it, cut between characters. */
static void cut(char *to, size_t size, const char *from, size_t from_size)
{
    struct span rest = {(const uint8_t *)from, from_size};
    size_t at = 0;

    while (rest.size > 0) {
        size_t step = utf8_size(rest);

        if (step == 0 || at + step >= size || rest.at[0] == '\0')
            break;
        memcpy(to + at, rest.at, step);
        at += step;
        rest = (struct span){rest.at + step, rest.size - step};
    }
    to[at] = '\0';
}

static void cut_text(char *to, size_t size, const json_t *text)
{
    cut(to, size, json_string_value(text), json_string_length(text));
}

/* ---- auth_requests ---- */

/* Sorted keys and no blanks: the same identity is the same text. */
static enum err take_identity(const json_t *id_data, struct mender_call *out, struct why *why)
{
    struct span text = {(const uint8_t *)json_string_value(id_data), json_string_length(id_data)};
    json_t *identity;

    if (text.size > MENDER_IDENTITY_SIZE_MAX)
        return bad(why, "id_data", "is too long");
    TRY(load(text, &identity, why));
    if (json_is_object(identity) && json_object_size(identity) > 0)
        out->identity = json_dumps(identity, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(identity);
    return out->identity ? ERR_OK : bad(why, "id_data", "is no JSON object with members");
}

static enum err decode_authenticate(const json_t *body, struct mender_call *out, struct why *why)
{
    const json_t *id_data = json_object_get(body, "id_data");
    const json_t *pubkey = json_object_get(body, "pubkey");
    const json_t *tenant = json_object_get(body, "tenant_token");

    if (!json_is_string(id_data))
        return bad(why, "id_data", "id_data must be provided");
    if (!json_is_string(pubkey) || json_string_length(pubkey) == 0 ||
        json_string_length(pubkey) > MENDER_PEM_SIZE_MAX)
        return bad(why, "pubkey", "pubkey must be provided");
    if (json_is_string(tenant) && json_string_length(tenant) < sizeof out->tenant)
        cut_text(out->tenant, sizeof out->tenant, tenant);
    TRY(take_identity(id_data, out, why));
    out->pem = strdup(json_string_value(pubkey));
    CHECK(out->pem);
    return ERR_OK;
}

/* ---- inventory ---- */

/* A number as people write it. */
static void print_scalar(const json_t *value, char *to, size_t size)
{
    if (json_is_string(value))
        cut_text(to, size, value);
    else if (json_is_integer(value))
        (void)snprintf(to, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(to, size, "%.15g", json_real_value(value));
    else if (json_is_boolean(value))
        (void)snprintf(to, size, "%s", json_is_true(value) ? "true" : "false");
    else
        to[0] = '\0';
}

/* An array as texts with commas between. */
static void print_value(const json_t *value, char *to, size_t size)
{
    size_t at = 0;

    to[0] = '\0';
    if (!json_is_array(value)) {
        print_scalar(value, to, size);
        return;
    }
    for (size_t i = 0; i < json_array_size(value) && at + 2 < size; i++) {
        if (i > 0)
            to[at++] = ',';
        print_scalar(json_array_get(value, i), to + at, size - at);
        at += strlen(to + at);
    }
}

static struct mender_attribute *attribute(struct mender_call *call, const char *name)
{
    for (uint32_t i = 0; i < call->attributes_count; i++) {
        if (strcmp(call->attributes[i].name, name) == 0)
            return &call->attributes[i];
    }
    return &call->attributes[call->attributes_count];
}

static enum err take_attribute(const json_t *item, struct mender_call *out, struct why *why)
{
    const json_t *name = json_object_get(item, "name"), *value = json_object_get(item, "value");
    struct mender_attribute *to;
    char text[NAME_SIZE_MAX + 1];

    if (!json_is_string(name) || json_string_length(name) == 0 || !value)
        return bad(why, NULL, "an attribute has no name or no value");
    if (json_is_object(value) || json_is_null(value))
        return bad(why, NULL, "an attribute is neither text nor number nor a list of them");
    cut_text(text, sizeof text, name);
    to = attribute(out, text);
    if (to == &out->attributes[out->attributes_count])
        out->attributes_count++;
    memcpy(to->name, text, sizeof text);
    print_value(value, to->value, sizeof to->value);
    return ERR_OK;
}

static enum err decode_inventory(const json_t *body, struct mender_call *out, struct why *why)
{
    if (!json_is_array(body))
        return bad(why, NULL, "the body is no list of attributes");
    if (json_array_size(body) > MENDER_ATTRIBUTES_READ_MAX) {
        why_say(why, NULL, "too many attributes");
        return ERR_TOO_BIG;
    }
    out->attributes = calloc(json_array_size(body) + 1, sizeof *out->attributes);
    CHECK(out->attributes);
    for (size_t i = 0; i < json_array_size(body); i++)
        TRY(take_attribute(json_array_get(body, i), out, why));
    return ERR_OK;
}

/* ---- next ---- */

/* Texts, and lists of them, of which nothing longer is matched with anything. */
static json_t *texts_only(const json_t *given)
{
    json_t *out = json_object(), *value;
    const char *key;

    CHECK(out);
    json_object_foreach((json_t *)(uintptr_t)given, key, value)
    {
        if (json_is_string(value) || json_is_array(value))
            CHECK(json_object_set(out, key, value) == 0);
    }
    return out;
}

static enum err need_provides(const struct mender_call *call, struct why *why)
{
    const json_t *name = json_object_get(call->provides, "artifact_name");
    const json_t *type = json_object_get(call->provides, "device_type");

    if (!json_is_string(name) || json_string_length(name) == 0)
        return bad(why, "artifact_name", "must be provided");
    if (!(json_is_string(type) && json_string_length(type) > 0) && !json_is_array(type))
        return bad(why, "device_type", "must be provided");
    return ERR_OK;
}

static enum err decode_next(const json_t *body, bool second, struct mender_call *out,
                            struct why *why)
{
    const json_t *provides = second ? json_object_get(body, "device_provides") : body;

    if (!json_is_object(provides))
        return bad(why, "device_provides", "is no object");
    out->provides = texts_only(provides);
    return need_provides(out, why);
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* "%2B" and '+'; mender-mcu does not encode at all, so a lonely '%' stands for itself. */
static json_t *unquoted(struct span text)
{
    char *room = malloc(text.size + 1);
    size_t size = 0;
    json_t *out;

    CHECK(room);
    for (size_t i = 0; i < text.size; i++) {
        int high = text.at[i] == '%' && i + 2 < text.size ? hex_digit(text.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.at[i + 2]) : -1;

        if (low >= 0) {
            room[size++] = (char)(high * 16 + low);
            i += 2;
        } else {
            room[size++] = text.at[i] == '+' ? ' ' : (char)text.at[i];
        }
    }
    out = json_stringn(room, size);
    free(room);
    return out;
}

/* KEY=VALUE&... */
static enum err decode_query(struct span query, struct mender_call *out, struct why *why)
{
    out->provides = json_object();
    CHECK(out->provides);
    while (query.size > 0) {
        size_t end = 0, equals;
        char key[64];
        json_t *value;

        while (end < query.size && query.at[end] != '&')
            end++;
        for (equals = 0; equals < end && query.at[equals] != '=';)
            equals++;
        if (equals < end && span_to_text((struct span){query.at, equals}, key, sizeof key)) {
            value = unquoted((struct span){query.at + equals + 1, end - equals - 1});
            if (!value || json_object_set_new(out->provides, key, value) != 0)
                return bad(why, NULL, "the query is not UTF-8");
        }
        end += end < query.size;
        query = (struct span){query.at + end, query.size - end};
    }
    return need_provides(out, why);
}

/* ---- status ---- */

static const char *const status_names[MENDER_STATUS_COUNT] = {
    [MENDER_DOWNLOADING] = "downloading",
    [MENDER_INSTALLING] = "installing",
    [MENDER_REBOOTING] = "rebooting",
    [MENDER_SUCCESS] = "success",
    [MENDER_FAILURE] = "failure",
    [MENDER_ALREADY_INSTALLED] = "already-installed",
    [MENDER_PAUSE_INSTALLING] = "pause_before_installing",
    [MENDER_PAUSE_REBOOTING] = "pause_before_rebooting",
    [MENDER_PAUSE_COMMITTING] = "pause_before_committing",
};

const char *mender_status_name(enum mender_status status)
{
    CHECK((size_t)status < MENDER_STATUS_COUNT);
    return status_names[status];
}

static enum err decode_status(const json_t *body, struct mender_call *out, struct why *why)
{
    const char *status = json_string_value(json_object_get(body, "status"));
    const json_t *substate = json_object_get(body, "substate");

    if (json_is_string(substate))
        cut_text(out->substate, sizeof out->substate, substate);
    for (enum mender_status i = 0; status && i < MENDER_STATUS_COUNT; i++) {
        if (strcmp(status, status_names[i]) == 0) {
            out->status = i;
            return ERR_OK;
        }
    }
    return bad(why, "status", "is none that devices report");
}

/* ---- log ---- */

static void add_words(struct buf *out, const json_t *words, const char *behind_them)
{
    const char *text = json_string_value(words);

    if (!text)
        return;
    for (size_t i = 0; i < json_string_length(words); i++)
        buf_byte(out, (uint8_t)text[i] < ' ' ? (uint8_t)' ' : (uint8_t)text[i]);
    buf_text(out, behind_them);
}

/* Any message with a text; whatever else a port leaves out or null is simply not there. */
static enum err decode_log(const json_t *body, size_t size, struct mender_call *out,
                           struct why *why)
{
    const json_t *messages = json_object_get(body, "messages");
    struct buf buf;

    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return bad(why, "messages", "must not be empty");
    out->text = malloc(2 * size + 1);
    CHECK(out->text);
    buf = buf_over(out->text, 2 * size);
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);

        add_words(&buf, json_object_get(message, "timestamp"), " ");
        add_words(&buf, json_object_get(message, "level"), ": ");
        add_words(&buf, json_object_get(message, "message"), "");
        buf_text(&buf, "\n");
    }
    CHECK(!buf.overflow);
    out->text_size = buf.size;
    return ERR_OK;
}

/* ---- The whole ---- */

static void split(struct span where, struct span *path, struct span *query)
{
    size_t at = 0;

    while (at < where.size && where.at[at] != '?')
        at++;
    *path = (struct span){where.at, at};
    *query = at < where.size ? (struct span){where.at + at + 1, where.size - at - 1}
                             : (struct span){where.at + at, 0};
}

static enum err decode_body(const struct message *in, struct span path, struct mender_call *out,
                            struct why *why)
{
    json_t *body;
    enum err err;

    TRY(load(in->body, &body, why));
    switch (out->kind) {
    case MENDER_AUTHENTICATE:
        err = decode_authenticate(body, out, why);
        break;
    case MENDER_INVENTORY:
        out->replaces = span_is(in->verb, "PUT");
        err = decode_inventory(body, out, why);
        break;
    case MENDER_NEXT:
        err = decode_next(body, span_begins(path, DEPLOYMENTS_V2), out, why);
        break;
    case MENDER_STATUS:
        err = decode_status(body, out, why);
        break;
    case MENDER_LOG:
        err = decode_log(body, in->body.size, out, why);
        break;
    case MENDER_CONTROL_MAP:
    case MENDER_DOWNLOAD:
    case MENDER_KIND_COUNT:
    default:
        err = ERR_OK;
    }
    json_decref(body);
    return err;
}

enum err mender_decode(const struct message *in, struct mender_call *out, struct why *why)
{
    struct span path, query;
    enum err err;

    memset(out, 0, sizeof *out);
    split(in->where, &path, &query);
    TRY(mender_route(in->verb, path, &out->kind, &out->deployment));
    if (in->body.size > mender_body_max(out->kind)) {
        why_say(why, NULL, "the body is too long");
        return ERR_TOO_BIG;
    }
    if (out->kind == MENDER_CONTROL_MAP || out->kind == MENDER_DOWNLOAD)
        return ERR_OK;
    if (out->kind == MENDER_NEXT && span_is(in->verb, "GET"))
        err = decode_query(query, out, why);
    else
        err = decode_body(in, path, out, why);
    if (err != ERR_OK)
        mender_call_close(out);
    return err;
}

void mender_call_close(struct mender_call *call)
{
    free(call->identity);
    free(call->pem);
    free(call->attributes);
    json_decref(call->provides);
    free(call->text);
    call->identity = call->pem = call->text = NULL;
    call->attributes = NULL;
    call->provides = NULL;
}

/* ---- answers ---- */

static enum err write_json(json_t *json, struct buf *out)
{
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    CHECK(text);
    buf_text(out, text);
    free(text);
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

enum err mender_write_offer(const struct mender_offer *offer, struct buf *out)
{
    char deployment[MENDER_UUID_SIZE], artifact[MENDER_UUID_SIZE], expires[UTC_TEXT_SIZE];
    json_t *json;

    mender_uuid(MENDER_OF_DEPLOYMENT, offer->deployment, deployment);
    mender_uuid(MENDER_OF_ARTIFACT, offer->artifact, artifact);
    utc_format(offer->expires, expires);
    json = json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:s}, s:O}}", "id", deployment, "artifact", "id",
                     artifact, "artifact_name", offer->name, "source", "uri", offer->uri, "expire",
                     expires, "device_types_compatible", offer->device_types);
    return json ? write_json(json, out) : ERR_TOO_BIG;
}

void mender_write_error(const char *sentence, const char *request, struct buf *out)
{
    json_t *json = json_pack("{s:s, s:s}", "error", sentence, "request_id", request);

    CHECK(json);
    (void)write_json(json, out);
}

void mender_write_control_map(uint32_t deployment, struct buf *out)
{
    char id[MENDER_UUID_SIZE];
    json_t *json;

    mender_uuid(MENDER_OF_DEPLOYMENT, deployment, id);
    json = json_pack("{s:{s:s, s:i, s:{s:{s:s}}}}", "update_control_map", "id", id, "priority", 0,
                     "states", "ArtifactInstall_Enter", "action", "continue");
    CHECK(json);
    (void)write_json(json, out);
}
