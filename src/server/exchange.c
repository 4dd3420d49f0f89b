#include "server/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "format/native.h"
#include "server/problem.h"

#define PRINTF_SIZE_MAX \
    1024u /* bytes most reply_printf() calls need; longer ones take two passes */

/* The spans of a request, to copy them all alike. */
#define REQUEST_SPANS 19u

static void spans_of(struct request_view *view, struct span *out[REQUEST_SPANS])
{
    struct span *all[REQUEST_SPANS] = {
        &view->path,
        &view->query,
        &view->authorization,
        &view->bearer,
        &view->content_type,
        &view->idempotency_key,
        &view->if_match,
        &view->last_event_id,
        &view->body,
        &view->host,
        &view->accept,
        &view->if_none_match,
        &view->range,
        &view->if_range,
        &view->signature,
        &view->forwarded_host,
        &view->forwarded_proto,
        &view->proxied_device,
        &view->proxied_authorities,
    };

    memcpy(out, all, sizeof all);
}

/* "Bearer TOKEN", the scheme in any case (RFC 9110 11.1). */
struct span exchange_bearer(struct span authorization)
{
    static const char scheme[] = "bearer ";

    if (authorization.size < sizeof scheme)
        return (struct span){0};
    for (size_t i = 0; i < sizeof scheme - 1; i++) {
        uint8_t byte = authorization.at[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        if (byte != (uint8_t)scheme[i])
            return (struct span){0};
    }
    return (struct span){authorization.at + sizeof scheme - 1,
                         authorization.size - (sizeof scheme - 1)};
}

struct exchange *exchange_open(const struct exchange_parts *parts)
{
    struct request_view view = parts->request;
    struct span *spans[REQUEST_SPANS];
    struct exchange *exchange;
    size_t size = 0;

    view.bearer = (struct span){0}; /* a part of another one: not copied twice */
    spans_of(&view, spans);
    for (size_t i = 0; i < REQUEST_SPANS; i++)
        size += spans[i]->size;
    exchange = malloc(sizeof *exchange + size);
    if (!exchange)
        return NULL;
    memset(exchange, 0, sizeof *exchange);
    exchange->kind = parts->kind;
    exchange->peer = parts->peer;
    exchange->now = parts->now;
    size = 0;
    for (size_t i = 0; i < REQUEST_SPANS; i++) {
        if (spans[i]->size > 0)
            memcpy(exchange->text + size, spans[i]->at, spans[i]->size);
        spans[i]->at = exchange->text + size;
        size += spans[i]->size;
    }
    exchange->request = view;
    exchange->request.bearer = exchange_bearer(view.authorization);
    return exchange;
}

void exchange_turn_page(struct exchange *exchange)
{
    CHECK(exchange->pages.more);
    exchange->pages.more = false;
    exchange->pages.count++;
    exchange->reply.status = 0;
    exchange->reply.headers_count = 0;
    exchange->reply.body_size = 0;
}

void exchange_close(struct exchange *exchange)
{
    if (!exchange)
        return;
    if (exchange->pages.spooled)
        (void)close(exchange->pages.fd);
    if (exchange->upload.present)
        (void)unlink(exchange->upload.path); /* gone already when a handler took it */
    if (exchange->work)
        exchange->work_close(exchange->work);
    free(exchange->reply.body);
    free(exchange);
}

void reply_forget(struct exchange *exchange)
{
    struct reply *reply = &exchange->reply;

    reply->status = 0;
    reply->content_type = NULL;
    reply->headers_count = 0;
    reply->body_size = 0;
    reply->has_blob = false;
    reply->has_stream = false;
}

void reply_start(struct exchange *exchange, uint16_t status, const char *content_type)
{
    struct reply *reply = &exchange->reply;

    CHECK(status >= 100 && status < 600);
    reply->status = status;
    reply->content_type = content_type;
    reply->body_size = 0;
    reply->has_blob = false;
    reply->has_stream = false;
}

/* Room for `size` more bytes. */
static void make_room(struct reply *reply, size_t size)
{
    size_t room = reply->body_room ? reply->body_room : 256;

    if (reply->body_room - reply->body_size >= size)
        return;
    while (room - reply->body_size < size)
        room *= 2;
    reply->body = realloc(reply->body, room);
    CHECK(reply->body);
    reply->body_room = room;
}

void reply_append(struct exchange *exchange, const void *bytes, size_t size)
{
    struct reply *reply = &exchange->reply;

    if (size == 0)
        return;
    make_room(reply, size);
    memcpy(reply->body + reply->body_size, bytes, size);
    reply->body_size += size;
}

void reply_printf(struct exchange *exchange, const char *format, ...)
{
    struct reply *reply = &exchange->reply;
    va_list list, again;
    int size;

    va_start(list, format);
    va_copy(again, list);
    make_room(reply, PRINTF_SIZE_MAX);
    size = vsnprintf((char *)reply->body + reply->body_size, PRINTF_SIZE_MAX, format, list);
    CHECK(size >= 0);
    if ((size_t)size >= PRINTF_SIZE_MAX) {
        make_room(reply, (size_t)size + 1);
        size = vsnprintf((char *)reply->body + reply->body_size, (size_t)size + 1, format, again);
        CHECK(size >= 0);
    }
    reply->body_size += (size_t)size;
    va_end(again);
    va_end(list);
}

void reply_empty(struct exchange *exchange, uint16_t status)
{
    reply_start(exchange, status, NULL);
}

void reply_bytes(struct exchange *exchange, uint16_t status, const char *content_type,
                 struct span body)
{
    reply_start(exchange, status, content_type);
    reply_append(exchange, body.at, body.size);
}

void reply_cbor(struct exchange *exchange, uint16_t status, struct span message)
{
    reply_bytes(exchange, status, "application/cbor", message);
}

static bool has_header(const struct exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->reply.headers_count; i++) {
        if (strcmp(exchange->reply.headers[i].name, name) == 0)
            return true;
    }
    return false;
}

bool path_of_devices(struct span path)
{
    return span_begins(path, "/device/");
}

static void device_problem(struct exchange *exchange, uint16_t status, enum err err,
                           const char *sentence)
{
    struct native_error error = {.err = span_of(err_name(err)), .detail = span_of(sentence)};
    uint8_t bytes[DETAIL_SIZE_MAX + 64];
    struct buf buf = buf_over(bytes, sizeof bytes);

    if (error.detail.size > DETAIL_SIZE_MAX)
        error.detail.size = DETAIL_SIZE_MAX;
    CHECK(native_error_encode(&error, &buf) == ERR_OK);
    reply_cbor(exchange, status, buf_written(&buf));
}

static void people_problem(struct exchange *exchange, const struct problem *problem)
{
    char text[PROBLEM_SIZE_MAX];
    struct buf buf = buf_over(text, sizeof text);

    problem_print(problem, &buf);
    CHECK(!buf.overflow);
    reply_bytes(exchange, problem->status, "application/problem+json", buf_written(&buf));
}

void reply_problem_at(struct exchange *exchange, const struct problem *problem)
{
    uint16_t status = problem->status;

    if (path_of_devices(exchange->request.path))
        device_problem(exchange, status, problem->err, problem->sentence);
    else
        people_problem(exchange, problem);
    if ((status == 429 || status == 503) && !has_header(exchange, "Retry-After"))
        reply_header(exchange, "Retry-After", "5");
}

void reply_problem(struct exchange *exchange, uint16_t status, enum err err, const char *field,
                   const char *sentence)
{
    const struct problem problem = {
        .status = status, .err = err, .field = field, .sentence = sentence};

    reply_problem_at(exchange, &problem);
}

uint16_t reply_status_of(enum err err)
{
    switch (err) {
    case ERR_OK:
        return 200;
    case ERR_AGAIN:
    case ERR_LINK:
        return 503;
    case ERR_STORAGE:
        return 507;
    case ERR_CORRUPT:
    case ERR_INVALID:
        return 400;
    case ERR_UNTRUSTED:
    case ERR_DENIED:
        return 403;
    case ERR_UNSUITABLE:
        return 422;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
        return 409;
    case ERR_TOO_BIG:
        return 413;
    case ERR_UNHEALTHY:
    case ERR_COUNT:
    default:
        return 500;
    }
}

void reply_error(struct exchange *exchange, enum err err, const struct why *why)
{
    bool said = why && why->text[0] != '\0';

    CHECK(err != ERR_OK);
    reply_problem(exchange, reply_status_of(err), err, said ? why->field : NULL,
                  said ? why->text : err_text(err));
}

void reply_blob(struct exchange *exchange, const uint8_t sha256[DIGEST_SIZE])
{
    reply_start(exchange, 200, "application/octet-stream");
    exchange->reply.has_blob = true;
    memcpy(exchange->reply.blob, sha256, DIGEST_SIZE);
}

void reply_stream(struct exchange *exchange, const char *tenant, const char *topic)
{
    struct reply *reply = &exchange->reply;

    reply_start(exchange, 200, "text/event-stream");
    reply->has_stream = true;
    CHECK(span_to_text(span_of(tenant), reply->tenant, sizeof reply->tenant));
    CHECK(span_to_text(span_of(topic), reply->topic, sizeof reply->topic));
}

void reply_header(struct exchange *exchange, const char *name, const char *value)
{
    struct reply *reply = &exchange->reply;
    struct reply_header *header = &reply->headers[reply->headers_count];

    CHECK(reply->headers_count < REPLY_HEADERS_MAX);
    CHECK(strpbrk(value, "\r\n") == NULL);
    CHECK(span_to_text(span_of(value), header->value, sizeof header->value));
    header->name = name;
    reply->headers_count++;
}

bool exchange_content_is(const struct exchange *exchange, const char *type)
{
    struct span have = exchange->request.content_type;
    size_t i = 0;

    for (; i < have.size && type[i] != '\0'; i++) {
        uint8_t byte = have.at[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        if (byte != (uint8_t)type[i])
            return false;
    }
    return type[i] == '\0' &&
           (i == have.size || have.at[i] == ';' || have.at[i] == ' ' || have.at[i] == '\t');
}
