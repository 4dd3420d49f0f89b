#include "server/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "base/check.h"
#include "base/crc32.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "server/api_call.h"
#include "server/problem.h"

struct api *api_open(const struct api_config *config)
{
    struct api *api = calloc(1, sizeof *api);

    CHECK(api);
    CHECK(config->app);
    api->config = *config;
    return api;
}

void api_close(struct api *api)
{
    free(api);
}

bool api_tokens_changed(const struct api *api)
{
    return api->tokens_changed;
}

void api_tokens_told(struct api *api)
{
    api->tokens_changed = false;
}

enum err api_first_token(struct app *app, int64_t tenant, struct utc now, char *secret,
                         size_t secret_size, struct why *why)
{
    struct token_order order = {
        .tenant = tenant, .actor = "server", .name = "admin", .role = ROLE_ADMIN};
    struct token_row row;
    char made[SECRET_SIZE];
    bool there;

    CHECK(secret_size >= sizeof made);
    TRY(account_has_admin(app, tenant, now, &there));
    if (there) {
        why_say(why, NULL, "there is an admin token already");
        return ERR_CONFLICT;
    }
    TRY(account_token_create(app, &order, now, &row, made, why));
    memcpy(secret, made, sizeof made);
    return ERR_OK;
}

/* ---- Words for handlers ---- */

struct span api_argument(const struct api_call *call, size_t index)
{
    CHECK(index < call->arguments.count);
    return span_of(call->arguments.text[index]);
}

enum err api_argument_id(struct api_call *call, size_t index, int64_t *out)
{
    struct span text = api_argument(call, index);
    int64_t id = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || i >= 15)
            return api_missing(call, "id", text);
        id = id * 10 + (text.at[i] - '0');
    }
    if (id == 0)
        return api_missing(call, "id", text);
    *out = id;
    return ERR_OK;
}

enum err api_bad_why(struct api_call *call)
{
    const struct why *why = &call->why;

    reply_problem(call->exchange, 400, ERR_INVALID, why->field[0] ? why->field : NULL, why->text);
    return ERR_INVALID;
}

enum err api_bad_selector(struct api_call *call, uint32_t column)
{
    const struct problem problem = {.status = 400,
                                    .err = ERR_INVALID,
                                    .field = "selector",
                                    .sentence = call->why.text,
                                    .column = column};

    reply_problem_at(call->exchange, &problem);
    return ERR_INVALID;
}

enum err api_bad(struct api_call *call, const char *field, const char *format, ...)
{
    char text[WHY_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_say(&call->why, field, text);
    return api_bad_why(call);
}

enum err api_refuse(struct api_call *call, uint16_t status, enum err err, const char *format, ...)
{
    char text[WHY_TEXT_MAX];
    va_list args;

    CHECK(err != ERR_OK);
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why_say(&call->why, NULL, text);
    reply_problem(call->exchange, status, err, NULL, text);
    return err;
}

enum err api_missing(struct api_call *call, const char *what, struct span name)
{
    return api_refuse(call, 404, ERR_NOT_FOUND, "there is no %s %.*s", what, (int)name.size,
                      (const char *)name.at);
}

enum err api_query_text(struct api_call *call, const char *name, char *to, size_t to_size,
                        bool *given)
{
    enum err err = http_query_text(call->exchange->request.query, name, to, to_size);

    *given = err == ERR_OK;
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err == ERR_TOO_BIG)
        return api_bad(call, name, "may have at most %zu bytes", to_size - 1);
    return api_bad(call, name, "must be given once, percent-encoded");
}

enum err api_limit(struct api_call *call, uint32_t *out)
{
    uint64_t limit = API_PAGE_DEFAULT;
    enum err err = http_query_uint(call->exchange->request.query, "limit", 1, API_PAGE_MAX, &limit);

    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return api_bad(call, "limit", "must be a number from 1 to %u", API_PAGE_MAX);
    *out = (uint32_t)limit;
    return ERR_OK;
}

/* ---- Cursors: hex of a checksum and of what the list needs to go on. The checksum covers the
 * name of the list: a cursor of another one, or a guess, is refused. It keeps honest people from
 * mistakes and is no secret: a cursor can say nothing that its caller may not read anyway. ---- */

static uint32_t cursor_check(const struct api_call *call, const void *key, size_t size)
{
    const char *operation = call->route->operation;

    return crc32(crc32(0, operation, strlen(operation)), key, size);
}

enum err api_cursor(struct api_call *call, void *key, size_t size)
{
    char text[2 * (API_CURSOR_SIZE + sizeof(uint32_t)) + 1];
    uint8_t bytes[API_CURSOR_SIZE + sizeof(uint32_t)];
    uint32_t check;
    bool given;

    CHECK(size <= API_CURSOR_SIZE);
    TRY(api_query_text(call, "cursor", text, sizeof text, &given));
    memset(key, 0, size);
    if (!given)
        return ERR_OK;
    if (!hex_parse(span_of(text), bytes, sizeof check + size))
        return api_bad(call, "cursor", "is not one that this list has given out");
    memcpy(&check, bytes, sizeof check);
    if (check != cursor_check(call, bytes + sizeof check, size))
        return api_bad(call, "cursor", "is not one that this list has given out");
    memcpy(key, bytes + sizeof check, size);
    return ERR_OK;
}

void api_page_begin(struct api_call *call, struct json_out *out)
{
    *out = out_begin(call->exchange, 200);
    out_array(out, "items");
}

void api_page_end(struct api_call *call, struct json_out *out, const void *key, size_t size)
{
    char text[2 * (API_CURSOR_SIZE + sizeof(uint32_t)) + 1];
    uint8_t bytes[API_CURSOR_SIZE + sizeof(uint32_t)];
    uint32_t check;

    CHECK(size <= API_CURSOR_SIZE);
    out_array_end(out);
    if (key) {
        check = cursor_check(call, key, size);
        memcpy(bytes, &check, sizeof check);
        memcpy(bytes + sizeof check, key, size);
        hex_print((struct span){bytes, sizeof check + size}, text);
        out_text(out, "next", text);
    } else {
        out_null(out, "next");
    }
    out_finish(out);
}

bool api_page_cut(uint32_t *count, uint32_t limit)
{
    bool more = *count > limit;

    if (more)
        *count = limit;
    return more;
}

/* ---- Versions of what is edited ---- */

void api_etag(struct span content, char out[API_ETAG_SIZE])
{
    uint8_t digest[DIGEST_SIZE];
    char hex[2 * 8 + 1];

    digest_of(DIGEST_SHA256, content, digest);
    hex_print((struct span){digest, 8}, hex);
    (void)snprintf(out, API_ETAG_SIZE, "\"%s\"", hex);
}

enum err api_if_match(struct api_call *call, const char *etag)
{
    struct span want = call->exchange->request.if_match;

    if (want.size == 0 || span_is(want, "*") || span_is(want, etag))
        return ERR_OK;
    return api_refuse(call, 412, ERR_CONFLICT, "it has changed since; read it again");
}

/* ---- The gate ---- */

/* Leave the audit entry of a refused attempt; what a story has left already stands. */
static void note_refusal(struct api_call *call, enum err err)
{
    bool known = call->token.id != 0;
    char object[ACTOR_SIZE_MAX], detail[WHY_TEXT_MAX];
    const struct api_route *route = call->route;
    struct span path = call->exchange->request.path;
    struct why why = {0};
    struct deed deed = {
        .tenant = known ? call->tenant : TENANT_DEFAULT, /* its audit log hears of strangers */
        .actor = known ? call->actor : "anonymous",
        .action = route->action ? route->action : permission_name(route->permission),
        .object = object,
        .refused = true,
        .stranger = !known,
    };

    if (call->app->refusal.set)
        return;
    (void)snprintf(object, sizeof object, "%.*s", (int)path.size, (const char *)path.at);
    (void)snprintf(detail, sizeof detail, "%.180s; from %.47s",
                   call->why.text[0] ? call->why.text : err_text(err),
                   call->exchange->peer.address);
    why_say(&why, NULL, detail);
    (void)app_refuse(call->app, call->now, &deed, err, &why); /* returns `err` */
}

/* What an error of a story means to the client, where its handler does not know better. */
static uint16_t status_of(enum err err)
{
    switch (err) {
    case ERR_DENIED:
        return 403;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
    case ERR_INVALID:
        return 409;
    case ERR_UNTRUSTED:
    case ERR_UNSUITABLE:
    case ERR_TOO_BIG:
        return 422;
    case ERR_AGAIN:
    case ERR_LINK:
        return 503;
    case ERR_OK:
    case ERR_STORAGE:
    case ERR_CORRUPT:
    case ERR_UNHEALTHY:
    case ERR_COUNT:
        break;
    }
    return 500;
}

static enum err enter(struct api_call *call)
{
    const struct api_route *route = call->route;
    struct span secret = call->exchange->request.bearer;
    enum err err;

    if (secret.size == 0 && (route->flags & ROUTE_OPEN))
        return ERR_OK;
    err = account_enter(call->app, secret, call->now, &call->token, &call->why);
    if (err == ERR_UNTRUSTED && (route->flags & ROUTE_OPEN))
        return ERR_OK;
    if (err == ERR_UNTRUSTED) {
        reply_header(call->exchange, "WWW-Authenticate", "Bearer");
        return api_refuse(call, 401, ERR_UNTRUSTED,
                          secret.size == 0
                              ? "send a token in the header Authorization: Bearer TOKEN"
                              : "the token is unknown, expired or revoked");
    }
    TRY(err);
    call->tenant = call->token.tenant;
    (void)snprintf(call->actor, sizeof call->actor, "token:%s", call->token.name);
    if (!(route->flags & ROUTE_OPEN) &&
        !access_allows((enum role)call->token.role, route->permission))
        return api_refuse(call, 403, ERR_DENIED, "to %s needs the role %s; this token has %s",
                          permission_text(route->permission),
                          role_name(access_least_role(route->permission)),
                          role_name((enum role)call->token.role));
    return ERR_OK;
}

/* What can be said about the form of a request without its handler. */
static enum err check_form(struct api_call *call)
{
    static const char *const nothing[] = {NULL};
    const struct api_route *route = call->route;
    struct exchange *exchange = call->exchange;
    struct fields fields;
    char unknown[64];
    enum err err;

    if (http_query_known(exchange->request.query, route->query ? route->query : nothing, unknown,
                         sizeof unknown) != ERR_OK)
        return api_bad(call, unknown, "there is no such query parameter here");
    if (exchange->kind == EXCHANGE_UPLOAD_BEGIN || (route->flags & ROUTE_BYTES))
        return ERR_OK;
    if ((route->flags & ROUTE_JSON) && exchange->request.body.size > 0 &&
        !exchange_content_is(exchange, "application/json"))
        return api_refuse(call, 415, ERR_INVALID,
                          "send the body with Content-Type: application/json");
    if (route->flags & ROUTE_LARGE)
        return ERR_OK;
    if (exchange->request.body.size > API_BODY_SIZE_MAX)
        return api_refuse(call, 413, ERR_TOO_BIG, "the body may have at most %u bytes",
                          API_BODY_SIZE_MAX);
    if (route->flags & ROUTE_JSON)
        return ERR_OK;
    /* Nothing is expected: nothing, or an empty object, is accepted. */
    fields = fields_open(exchange->request.body, FIELD_OPTIONAL, &call->why);
    err = fields_done(&fields);
    fields_close(&fields);
    return err == ERR_OK ? ERR_OK : api_bad_why(call);
}

static bool key_valid(struct span key)
{
    for (size_t i = 0; i < key.size; i++) {
        if (key.at[i] <= 0x20 || key.at[i] >= 0x7f)
            return false;
    }
    return key.size >= 1 && key.size <= NAME_SIZE_MAX;
}

static void request_digest(const struct api_call *call, uint8_t out[DIGEST_SIZE])
{
    struct digest *digest = digest_open(DIGEST_SHA256);

    digest_update(digest, call->exchange->request.path);
    digest_update(digest, SPAN_LITERAL("\n"));
    digest_update(digest, call->exchange->request.body);
    digest_done(digest, out);
    digest_close(digest);
}

/* The reply of an earlier request with this key; *found says whether there was one. */
static enum err replay(struct api_call *call, const char *key, bool *found)
{
    struct idempotency_row row;
    uint8_t digest[DIGEST_SIZE];

    request_digest(call, digest);
    TRY(store_idempotency_find(call->app->db, call->tenant, call->token.id, key, &row, found));
    if (!*found)
        return ERR_OK;
    if (memcmp(row.request_sha256, digest, DIGEST_SIZE) != 0)
        return api_refuse(call, 409, ERR_CONFLICT,
                          "this Idempotency-Key was used with another request; take a new key");
    reply_bytes(call->exchange, row.status, row.content_type, row.body);
    reply_header(call->exchange, "Idempotency-Replayed", "true");
    return ERR_OK;
}

/* A reply that holds a secret is kept as a refusal to show it again. */
static enum err remember(struct api_call *call, const char *key)
{
    static const struct problem shown = {
        .status = 409,
        .err = ERR_CONFLICT,
        .sentence = "this request was carried out before, and its secret is shown only once: "
                    "list, delete what it made, and make another"};
    char text[PROBLEM_SIZE_MAX];
    struct buf buf = buf_over(text, sizeof text);
    const struct reply *reply = &call->exchange->reply;
    bool secret = (call->route->flags & ROUTE_SECRET) != 0;
    struct idempotency_row row = {
        .tenant = call->tenant,
        .token = call->token.id,
        .key = key,
        .status = secret ? 409 : reply->status,
        .content_type = secret                ? "application/problem+json"
                        : reply->content_type ? reply->content_type
                                              : "application/json",
    };

    problem_print(&shown, &buf);
    row.body = secret ? buf_written(&buf) : (struct span){reply->body, reply->body_size};
    request_digest(call, row.request_sha256);
    return store_idempotency_add(call->app->db, &row, call->now);
}

static enum err carry_out(struct api_call *call)
{
    struct span given = call->exchange->request.idempotency_key;
    char key[NAME_SIZE_MAX + 1];
    bool found;

    TRY(enter(call));
    if (call->exchange->kind == EXCHANGE_AT_DOOR)
        return api_refuse(call, 503, ERR_AGAIN, "the token has just changed; try again");
    TRY(check_form(call));
    if (call->route->method != METHOD_POST || given.size == 0)
        return call->route->handle(call);
    if (!key_valid(given) || !span_to_text(given, key, sizeof key))
        return api_bad(call, "Idempotency-Key", "must be 1 to %u visible characters",
                       NAME_SIZE_MAX);
    TRY(replay(call, key, &found));
    if (found)
        return ERR_OK;
    TRY(call->route->handle(call));
    return remember(call, key);
}

static const char *method_name(enum exchange_method method)
{
    static const char *const names[] = {
        [METHOD_GET] = "GET",     [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",
        [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_OTHER] = "?",
    };

    return names[method];
}

/* The route, or 404, or 405 with the methods that the path knows. */
static enum err find_route(struct api_call *call)
{
    size_t count;
    const struct api_route *routes = api_routes(&count);
    const struct exchange *exchange = call->exchange;
    struct http_path_arguments arguments;
    char allow[64] = "";
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        if (!http_path_match(exchange->request.path, routes[i].pattern, &arguments))
            continue;
        if (routes[i].method == exchange->request.method) {
            call->route = &routes[i];
            call->arguments = arguments;
            return ERR_OK;
        }
        used += (size_t)snprintf(allow + used, sizeof allow - used, "%s%s%s", used ? ", " : "",
                                 method_name(routes[i].method),
                                 routes[i].method == METHOD_GET ? ", HEAD" : "");
        CHECK(used < sizeof allow);
    }
    if (used == 0)
        return api_refuse(call, 404, ERR_NOT_FOUND, "there is nothing at this path");
    reply_header(call->exchange, "Allow", allow);
    return api_refuse(call, 405, ERR_INVALID, "this path knows only %s", allow);
}

/* What is not understood at all is a typing error, but not where images and signatures come in. */
static bool worth_an_entry(const struct api_call *call)
{
    uint16_t status = call->exchange->reply.status;
    bool publishing = call->route->permission == PERMISSION_RELEASE_PUBLISH;

    return status == 401 || status == 403 ||
           (call->route->action &&
            (status == 409 || status == 412 || status == 422 || (status == 400 && publishing)));
}

enum err api_handle(struct api *api, struct exchange *exchange)
{
    struct api_call call = {
        .api = api, .app = api->config.app, .exchange = exchange, .now = exchange->now};
    enum err err = find_route(&call);

    if (err == ERR_OK) {
        err = carry_out(&call);
        if (err != ERR_OK && exchange->reply.status < 400)
            reply_problem(exchange, status_of(err), err, call.why.field[0] ? call.why.field : NULL,
                          call.why.text[0] ? call.why.text : err_text(err));
        if (err != ERR_OK && worth_an_entry(&call))
            note_refusal(&call, err);
    }
    if (err != ERR_OK && !call.app->unfinished)
        api->refusals[err]++;
    CHECK(exchange->reply.status != 0);
    return err;
}
