#include "server/hawkbit_rest_inside.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/deeds.h"
#include "base/check.h"
#include "os/say.h"
#include "wire/hawkbit.h"

#define REST           "/rest/v1"
#define CLASS          "org.eclipse.hawkbit."
#define BASIC_SIZE_MAX 384u /* characters of "user:password" in base64 */

struct route {
    enum exchange_method method;
    const char *pattern;
    enum permission permission;
    rest_handler *handle;
    bool has_body;
};

static enum err user_info(struct rest_call *call);

/* clang-format off */
static const struct route routes[] = {
    {METHOD_GET, REST "/userinfo", PERMISSION_READ, user_info, false},
    {METHOD_GET, REST "/targets", PERMISSION_READ, rest_targets, false},
    {METHOD_POST, REST "/targets", PERMISSION_DEVICE_ACCEPT, rest_targets_post, true},
    {METHOD_GET, REST "/targets/{id}", PERMISSION_READ, rest_target, false},
    {METHOD_PUT, REST "/targets/{id}", PERMISSION_DEVICE_ACCEPT, rest_target_put, true},
    {METHOD_DELETE, REST "/targets/{id}", PERMISSION_DEVICE_DELETE, rest_target_delete, false},
    {METHOD_GET, REST "/targets/{id}/attributes", PERMISSION_READ, rest_target_attributes, false},
    {METHOD_GET, REST "/targets/{id}/actions", PERMISSION_READ, rest_actions, false},
    {METHOD_GET, REST "/targets/{id}/actions/{action}", PERMISSION_READ, rest_action, false},
    {METHOD_GET, REST "/targets/{id}/actions/{action}/status", PERMISSION_READ, rest_action_status,
     false},
    {METHOD_GET, REST "/system/configs/{key}", PERMISSION_CLAIM_EDIT, rest_gateway, false},
    {METHOD_PUT, REST "/system/configs/{key}", PERMISSION_CLAIM_EDIT, rest_gateway_put, true},
    {METHOD_DELETE, REST "/system/configs/{key}", PERMISSION_CLAIM_EDIT, rest_gateway_delete,
     false},
    {METHOD_GET, REST "/distributionsets", PERMISSION_READ, rest_sets, false},
    {METHOD_GET, REST "/distributionsets/{id}", PERMISSION_READ, rest_set, false},
    {METHOD_POST, REST "/distributionsets/{id}/assignedTargets", PERMISSION_ROLLOUT_RUN,
     rest_set_assign, true},
    {METHOD_GET, REST "/rollouts", PERMISSION_READ, rest_rollouts, false},
    {METHOD_POST, REST "/rollouts", PERMISSION_ROLLOUT_DRAFT, rest_rollouts_post, true},
    {METHOD_GET, REST "/rollouts/{id}", PERMISSION_READ, rest_rollout, false},
    {METHOD_DELETE, REST "/rollouts/{id}", PERMISSION_ROLLOUT_DRAFT, rest_rollout_delete, false},
    {METHOD_GET, REST "/rollouts/{id}/deploygroups", PERMISSION_READ, rest_rollout_groups, false},
    {METHOD_POST, REST "/rollouts/{id}/start", PERMISSION_ROLLOUT_RUN, rest_rollout_start, false},
    {METHOD_POST, REST "/rollouts/{id}/pause", PERMISSION_ROLLOUT_STOP, rest_rollout_pause, false},
    {METHOD_POST, REST "/rollouts/{id}/resume", PERMISSION_ROLLOUT_RUN, rest_rollout_resume,
     false},
    {METHOD_POST, REST "/rollouts/{id}/stop", PERMISSION_ROLLOUT_STOP, rest_rollout_stop, false},
    {METHOD_POST, REST "/rollouts/{id}/approve", PERMISSION_ROLLOUT_APPROVE, rest_rollout_approve,
     false},
    {METHOD_POST, REST "/rollouts/{id}/triggerNextGroup", PERMISSION_ROLLOUT_RUN,
     rest_rollout_next, false},
};
/* clang-format on */

/* ---- replies ---- */

struct tree_out rest_begin(struct rest_call *call)
{
    call->reply.size = 0;
    call->reply.overflow = false;
    return tree_out(&call->reply, false);
}

enum err rest_end(struct rest_call *call, uint16_t status)
{
    if (call->reply.overflow)
        return rest_refuse(call, 500, ERR_TOO_BIG, CLASS "exception.GenericSpServerException",
                           "repo.genericError", "the answer is too long; ask for fewer");
    reply_bytes(call->exchange, status, "application/hal+json", buf_written(&call->reply));
    return ERR_OK;
}

enum err rest_refuse(struct rest_call *call, uint16_t status, enum err err, const char *class,
                     const char *code, const char *message)
{
    const struct hawkbit_error error = {class, code, message};
    uint8_t room[2048];
    struct buf buf = buf_over(room, sizeof room);
    struct tree_out out = tree_out(&buf, false);

    CHECK(err != ERR_OK);
    hawkbit_write_error(&error, &out);
    CHECK(!buf.overflow);
    reply_bytes(call->exchange, status, "application/json", buf_written(&buf));
    return err;
}

enum err rest_bad(struct rest_call *call, const char *message)
{
    return rest_refuse(call, 400, ERR_INVALID,
                       CLASS "repository.exception.ConstraintViolationException",
                       "repo.constraintViolation", message);
}

enum err rest_unreadable(struct rest_call *call)
{
    return rest_refuse(call, 400, ERR_CORRUPT, CLASS "rest.exception.MessageNotReadableException",
                       "rest.body.notReadable", "The given request body is not well formed");
}

enum err rest_missing(struct rest_call *call, const char *type, const char *name)
{
    char text[320];

    (void)snprintf(text, sizeof text, "%s with given identifier {%s} does not exist.", type, name);
    return rest_refuse(call, 404, ERR_NOT_FOUND,
                       CLASS "repository.exception.EntityNotFoundException", "repo.entityNotFound",
                       text);
}

enum err rest_error(struct rest_call *call, enum err err)
{
    const char *text = call->why.text[0] != '\0' ? call->why.text : err_text(err);

    switch (err) {
    case ERR_CONFLICT:
        return rest_refuse(call, 409, err,
                           CLASS "repository.exception.EntityAlreadyExistsException",
                           "repo.entityAlreadyExists", text);
    case ERR_NOT_FOUND:
        return rest_refuse(call, 404, err, CLASS "repository.exception.EntityNotFoundException",
                           "repo.entityNotFound", text);
    case ERR_TOO_BIG:
    case ERR_AGAIN:
        return rest_refuse(call, 429, err,
                           CLASS "repository.exception.AssignmentQuotaExceededException",
                           "quota.tooManyEntries", text);
    case ERR_INVALID:
    case ERR_CORRUPT:
    case ERR_UNSUITABLE:
        return rest_bad(call, text);
    case ERR_DENIED:
    case ERR_UNTRUSTED:
        return rest_refuse(call, 403, err,
                           CLASS "repository.exception.InsufficientPermissionException",
                           "insufficientPermission", text);
    case ERR_OK:
    case ERR_LINK:
    case ERR_STORAGE:
    case ERR_UNHEALTHY:
    case ERR_COUNT:
    default:
        return rest_refuse(call, 500, err, CLASS "exception.GenericSpServerException",
                           "repo.genericError", "the server has a problem of its own");
    }
}

void rest_link(struct rest_call *call, struct tree_out *out, const char *rel, const char *format,
               ...)
{
    char href[1024];
    size_t at = (size_t)snprintf(href, sizeof href, "%s" REST, call->origin);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(href + at, sizeof href - at, format, args);
    va_end(args);
    tree_out_map(out, rel ? rel : "self");
    tree_out_text(out, "href", span_of(href));
    tree_out_map_end(out);
}

struct rest_page rest_page(const struct rest_call *call)
{
    struct span query = call->exchange->request.query;
    struct rest_page page = {0, REST_LIMIT_DEFAULT};

    if (http_query_uint(query, "offset", 0, UINT32_MAX, &page.offset) != ERR_OK)
        page.offset = 0;
    if (http_query_uint(query, "limit", 1, UINT32_MAX, &page.limit) != ERR_OK)
        page.limit = REST_LIMIT_DEFAULT;
    if (page.limit > REST_LIMIT_MAX)
        page.limit = REST_LIMIT_MAX;
    return page;
}

/* ---- who asks ---- */

/* The password of "Basic BASE64", which is a token of ours; the user's name says nothing. */
static struct span basic_password(struct span authorization, uint8_t room[BASIC_SIZE_MAX])
{
    static const char scheme[] = "basic ";
    struct span text;
    int size;

    if (authorization.size <= sizeof scheme - 1 ||
        strncasecmp((const char *)authorization.at, scheme, sizeof scheme - 1) != 0)
        return (struct span){0};
    text = (struct span){authorization.at + sizeof scheme - 1,
                         authorization.size - (sizeof scheme - 1)};
    if (text.size % 4 != 0 || text.size > BASIC_SIZE_MAX)
        return (struct span){0};
    size = EVP_DecodeBlock(room, text.at, (int)text.size);
    for (int i = 2; size > 0 && i > 0; i--)
        size -= text.at[text.size - (size_t)i] == '=' ? 1 : 0;
    for (int i = 0; i < size; i++) {
        if (room[i] == ':')
            return (struct span){room + i + 1, (size_t)(size - i - 1)};
    }
    return (struct span){0};
}

static enum err note_refusal(struct rest_call *call, const struct route *route, enum err err)
{
    struct span path = call->exchange->request.path;
    bool known = call->token.id != 0;
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = known ? call->tenant : TENANT_DEFAULT,
                              .actor = known ? call->actor : "anonymous",
                              .action = permission_name(route->permission),
                              .object = object,
                              .refused = true,
                              .stranger = !known};

    (void)snprintf(object, sizeof object, "%.*s", (int)path.size, (const char *)path.at);
    return app_refuse(call->app, call->now, &deed, err, &call->why);
}

static enum err enter(struct rest_call *call, const struct route *route)
{
    const struct request_view *request = &call->exchange->request;
    uint8_t room[BASIC_SIZE_MAX];
    struct span secret =
        request->bearer.size > 0 ? request->bearer : basic_password(request->authorization, room);
    enum err err = account_enter(call->app, secret, call->now, &call->token, &call->why);

    OPENSSL_cleanse(room, sizeof room);
    if (err == ERR_UNTRUSTED) {
        reply_header(call->exchange, "WWW-Authenticate", "Basic realm=\"slipway\"");
        reply_empty(call->exchange, 401);
        return note_refusal(call, route, err);
    }
    if (err != ERR_OK)
        return rest_error(call, err);
    call->tenant = call->token.tenant;
    (void)snprintf(call->actor, sizeof call->actor, "token:%s", call->token.name);
    if (store_tenant_name(call->app->db, call->tenant, call->tenant_name) != ERR_OK)
        return rest_error(call, ERR_STORAGE);
    if (access_allows((enum role)call->token.role, route->permission))
        return ERR_OK;
    (void)say(&call->why, ERR_DENIED, NULL, "to %s needs another role than %s",
              permission_text(route->permission), role_name((enum role)call->token.role));
    (void)rest_error(call, ERR_DENIED);
    return note_refusal(call, route, ERR_DENIED);
}

static enum err user_info(struct rest_call *call)
{
    struct tree_out out = rest_begin(call);

    tree_out_map(&out, NULL);
    tree_out_text(&out, "tenant", span_of(call->tenant_name));
    tree_out_text(&out, "username", span_of(call->token.name));
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

/* ---- the whole ---- */

/* NULL, with 404 or 405 answered. */
static const struct route *find_route(struct rest_call *call)
{
    bool known = false;

    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!http_path_match(call->exchange->request.path, routes[i].pattern, &call->arguments))
            continue;
        known = true;
        if (routes[i].method == call->exchange->request.method)
            return &routes[i];
    }
    reply_empty(call->exchange, known ? 405 : 404);
    return NULL;
}

static enum err read_body(struct rest_call *call, const struct route *route)
{
    const struct request_view *request = &call->exchange->request;
    bool cbor;

    if (!route->has_body)
        return ERR_OK;
    if (hawkbit_content(request->content_type, &cbor) != ERR_OK || cbor) {
        reply_empty(call->exchange, 415);
        return ERR_INVALID;
    }
    call->body = json_loadb((const char *)request->body.at, request->body.size,
                            JSON_REJECT_DUPLICATES, NULL);
    return call->body ? ERR_OK : rest_unreadable(call);
}

static enum err run(struct rest_call *call)
{
    const struct route *route = find_route(call);

    if (!route)
        return ERR_NOT_FOUND;
    TRY(enter(call, route));
    if (foreign_origin(call->exchange, call->origin) != ERR_OK)
        return rest_bad(call, "the request has no usable Host");
    TRY(read_body(call, route));
    return route->handle(call);
}

static enum err handle(const struct foreign_host *host, struct exchange *exchange)
{
    struct rest_call call = {.app = host->app, .exchange = exchange, .now = exchange->now};
    void *room = malloc(REST_REPLY_SIZE);
    enum err err;

    CHECK(room);
    call.reply = buf_over(room, REST_REPLY_SIZE);
    err = run(&call);
    if (err != ERR_OK && exchange->reply.status == 0)
        (void)rest_error(&call, err);
    json_decref(call.body);
    free(room);
    return err;
}

static bool claims(struct span path)
{
    return span_begins(path, REST "/");
}

static size_t body_max(enum exchange_method method, struct span path)
{
    (void)path;
    return method == METHOD_POST || method == METHOD_PUT ? REST_BODY_SIZE_MAX : 0;
}

const struct foreign_api foreign_hawkbit_rest = {
    .name = "hawkbit-rest", .claims = claims, .body_max = body_max, .handle = handle};
