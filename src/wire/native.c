/* Slipway's own device protocol over HTTP; docs/spec/native.md. */
#include "base/check.h"
#include "codec/cbor.h"
#include "codec/hex.h"
#include "wire/wire.h"

#define PREFIX "/device/v1/"

/* ---- taking a message apart ---- */

/* Cut `prefix` off the front of `text`. */
static bool skip_prefix(struct span *text, const char *prefix)
{
    struct span start = span_of(prefix);

    if (text->size < start.size || memcmp(text->at, start.at, start.size) != 0)
        return false;
    text->at += start.size;
    text->size -= start.size;
    return true;
}

static struct span path_of(struct span where)
{
    for (size_t i = 0; i < where.size; i++) {
        if (where.at[i] == '?')
            return (struct span){where.at, i};
    }
    return where;
}

static struct span query_of(struct span where)
{
    struct span path = path_of(where);

    if (path.size == where.size)
        return (struct span){0};
    return (struct span){path.at + path.size + 1, where.size - path.size - 1};
}

static bool parse_id(struct span text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size == 0 || text.size > 19 || (text.size > 1 && text.at[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    if (value > INT64_MAX)
        return false;
    *out = value;
    return true;
}

/* Names of metadata files: no path, no parent, nothing to unescape. */
static bool file_name_ok(struct span name)
{
    if (name.size == 0 || name.size > NAME_SIZE_MAX || name.at[0] == '.')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool same_name(struct span a, struct span b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

/* Whether the body is said to be of this type, or of none. Parameters ("; charset=") are cut. */
static bool body_is(const struct message *in, const char *mime)
{
    for (uint32_t i = 0; i < in->header_count; i++) {
        struct span value = in->headers[i].value;

        if (!same_name(in->headers[i].name, SPAN_LITERAL("content-type")))
            continue;
        for (size_t j = 0; j < value.size; j++) {
            if (value.at[j] == ';' || value.at[j] == ' ')
                value.size = j;
        }
        return same_name(value, span_of(mime));
    }
    return true;
}

static enum err decode_enrol(const struct message *in, struct span rest, struct call *out)
{
    (void)rest;
    return native_enroll_decode(in->body, &out->enrol);
}

static enum err decode_renew(const struct message *in, struct span rest, struct call *out)
{
    (void)rest;
    return native_renew_decode(in->body, &out->renew);
}

static enum err decode_poll(const struct message *in, struct span rest, struct call *out)
{
    (void)rest;
    return native_poll_decode(in->body, &out->poll);
}

static enum err decode_report(const struct message *in, struct span rest, struct call *out)
{
    (void)rest;
    return native_report_decode(in->body, &out->report);
}

static enum err decode_inventory(const struct message *in, struct span rest, struct call *out)
{
    (void)rest;
    return native_inventory_decode(in->body, &out->inventory);
}

static enum err decode_log(const struct message *in, struct span rest, struct call *out)
{
    struct span query = query_of(in->where);

    (void)rest;
    if (in->body.size > LOG_UPLOAD_SIZE_MAX)
        return ERR_TOO_BIG;
    if (query.size > 0 &&
        (!skip_prefix(&query, "assignment=") || !parse_id(query, &out->assignment)))
        return ERR_CORRUPT;
    out->text = in->body;
    return ERR_OK;
}

static enum err decode_details(const struct message *in, struct span rest, struct call *out)
{
    (void)in;
    return parse_id(rest, &out->assignment) && out->assignment != 0 ? ERR_OK : ERR_NOT_FOUND;
}

static enum err decode_metadata(const struct message *in, struct span rest, struct call *out)
{
    (void)in;
    if (!file_name_ok(rest))
        return ERR_NOT_FOUND;
    out->name = rest;
    return ERR_OK;
}

static enum err decode_fetch(const struct message *in, struct span rest, struct call *out)
{
    if (!hex_parse(rest, out->fetch.sha256, DIGEST_SIZE))
        return ERR_NOT_FOUND;
    out->fetch.head_only = span_is(in->verb, "HEAD");
    return ERR_OK;
}

/* One question each. `path` ends in "/" where something follows it. */
struct route {
    const char *path;
    enum call_kind kind;
    bool post;        /* otherwise GET */
    const char *mime; /* of the body, NULL if there is none */
    enum err (*decode)(const struct message *in, struct span rest, struct call *out);
};

/* clang-format off */
static const struct route routes[] = {
    { "enroll",       CALL_ENROL,     true,  NATIVE_MIME,  decode_enrol },
    { "renew",        CALL_RENEW,     true,  NATIVE_MIME,  decode_renew },
    { "poll",         CALL_POLL,      true,  NATIVE_MIME,  decode_poll },
    { "assignments/", CALL_DETAILS,   false, NULL,         decode_details },
    { "report",       CALL_REPORT,    true,  NATIVE_MIME,  decode_report },
    { "inventory",    CALL_INVENTORY, true,  NATIVE_MIME,  decode_inventory },
    { "logs",         CALL_LOG,       true,  "text/plain", decode_log },
    { "tuf/",         CALL_METADATA,  false, NULL,         decode_metadata },
    { "blobs/",       CALL_FETCH,     false, NULL,         decode_fetch },
};
/* clang-format on */

/* The route of `path` (behind the prefix); `rest` is what follows a final "/". */
static const struct route *route_of(struct span path, struct span *rest)
{
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        struct span name = span_of(routes[i].path);

        *rest = path;
        if (!skip_prefix(rest, routes[i].path))
            continue;
        if (rest->size == 0 || name.at[name.size - 1] == '/')
            return &routes[i];
    }
    return NULL;
}

static bool method_ok(const struct route *route, struct span verb)
{
    if (route->post)
        return span_is(verb, "POST");
    return span_is(verb, "GET") || (route->kind == CALL_FETCH && span_is(verb, "HEAD"));
}

static bool native_claims(const struct message *in)
{
    struct span where = in->where;

    return skip_prefix(&where, PREFIX);
}

static enum err native_decode(const struct message *in, struct call *out)
{
    struct span path = path_of(in->where), rest;
    const struct route *route;
    struct call call;

    if (!skip_prefix(&path, PREFIX))
        return ERR_NOT_FOUND;
    route = route_of(path, &rest);
    if (!route)
        return ERR_NOT_FOUND;
    if (!method_ok(route, in->verb))
        return ERR_INVALID;
    if (route->mime && !body_is(in, route->mime))
        return ERR_CORRUPT;
    memset(&call, 0, sizeof call);
    call.kind = route->kind;
    TRY(route->decode(in, rest, &call));
    *out = call;
    return ERR_OK;
}

/* ---- putting an answer together ---- */

static void add_header(struct message *out, const char *name, struct span value)
{
    CHECK(out->header_count < MESSAGE_HEADERS_MAX);
    out->headers[out->header_count++] = (struct message_header){span_of(name), value};
}

static void add_retry_after(struct message *out, uint32_t retry_s, struct buf *room)
{
    size_t start = room->size;

    buf_uint(room, retry_s);
    if (!room->overflow)
        add_header(out, "Retry-After", (struct span){room->at + start, room->size - start});
}

/* What a device makes of it, see docs/spec/native.md: 4xx will not get better by repeating it,
 * 503 may. */
static uint16_t refusal_status(enum err err)
{
    switch (err) {
    case ERR_AGAIN:
    case ERR_LINK:
    case ERR_STORAGE:
        return 503;
    case ERR_UNTRUSTED:
    case ERR_DENIED:
        return 403;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_INVALID:
        return 405;
    case ERR_CONFLICT:
        return 409;
    case ERR_TOO_BIG:
        return 413;
    case ERR_UNSUITABLE:
        return 422;
    case ERR_OK:
    case ERR_CORRUPT:
    case ERR_UNHEALTHY:
    case ERR_COUNT:
        break;
    }
    return 400;
}

static enum err encode_refusal(const struct answer *answer, struct buf *room, struct message *out)
{
    struct native_error error = {.err = span_of(err_name(answer->refused.err)),
                                 .detail = answer->refused.detail};

    out->status = refusal_status(answer->refused.err);
    if (answer->refused.retry_s > 0)
        add_retry_after(out, answer->refused.retry_s, room);
    if (error.detail.size > DETAIL_SIZE_MAX || !cbor_text_valid(error.detail))
        error.detail = span_of(err_text(answer->refused.err));
    return native_error_encode(&error, room);
}

static enum err encode_body(const struct answer *answer, struct buf *room, struct message *out)
{
    out->status = 200;
    switch (answer->kind) {
    case ANSWER_ENROLLED:
        out->status = 201;
        return native_enrolled_encode(&answer->enrolled, room);
    case ANSWER_PENDING:
        out->status = 202;
        add_retry_after(out, answer->pending.retry_s, room);
        return native_pending_encode(&answer->pending, room);
    case ANSWER_POLL:
        return native_answer_encode(&answer->poll, room);
    case ANSWER_DETAILS:
        return native_details_encode(&answer->details, room);
    case ANSWER_VERDICT:
        return native_verdict_encode(&answer->verdict, room);
    case ANSWER_REFUSED:
        return encode_refusal(answer, room, out);
    case ANSWER_NOTED:
    case ANSWER_BYTES:
    case ANSWER_COUNT:
        break;
    }
    CHECK(!"an answer with a body of its own");
    return ERR_INVALID;
}

static enum err native_encode(const struct call *call, const struct answer *answer,
                              struct buf *room, struct message *out)
{
    struct message message = {0};
    size_t head;

    (void)call;
    if (answer->kind == ANSWER_NOTED) {
        message.status = 204;
    } else if (answer->kind == ANSWER_BYTES) { /* as signed, byte for byte */
        message.status = 200;
        message.body = answer->bytes;
        add_header(&message, "Content-Type", SPAN_LITERAL("application/json"));
    } else {
        size_t start = room->size;

        TRY(encode_body(answer, room, &message));
        /* A Retry-After text stands in the room in front of the body. */
        head = message.header_count > 0 ? message.headers[0].value.size : 0;
        if (room->overflow)
            return ERR_TOO_BIG;
        message.body = (struct span){room->at + start + head, room->size - start - head};
        add_header(&message, "Content-Type", SPAN_LITERAL(NATIVE_MIME));
    }
    *out = message;
    return ERR_OK;
}

const struct wire wire_native = {
    .name = "native",
    .claims = native_claims,
    .decode = native_decode,
    .encode = native_encode,
};
