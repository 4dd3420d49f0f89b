#include "server/mender_manage.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/account.h"
#include "base/check.h"
#include "crypto/wipe.h"
#include "os/say.h"
#include "server/mender_manage_inside.h"
#include "wire/mender_host.h"

#define MANAGEMENT      "/api/management/"
#define CREDENTIALS_MAX 512u /* bytes of a decoded Basic header */

/* ---- Words for handlers ---- */

static void reply_sentence(struct manage *manage, uint16_t status, const char *sentence)
{
    uint8_t body[768];
    struct buf buf = buf_over(body, sizeof body);
    char request[MENDER_UUID_SIZE];

    mender_uuid(MENDER_OF_ROLLOUT, prng_next(&manage->app->prng), request);
    mender_write_error(sentence, request, &buf);
    reply_header(manage->exchange, "X-MEN-RequestID", request);
    reply_bytes(manage->exchange, status, "application/json", buf_written(&buf));
}

enum err manage_refuse(struct manage *manage, uint16_t status, enum err err, const char *format,
                       ...)
{
    char text[WHY_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reply_sentence(manage, status, text);
    return err;
}

enum err manage_failed(struct manage *manage, enum err err)
{
    const char *text = manage->why.text[0] != '\0' ? manage->why.text : err_text(err);

    if (manage->exchange->reply.status == 0 && err != ERR_OK && !manage->app->unfinished)
        reply_sentence(manage, err == ERR_CORRUPT ? 400 : reply_status_of(err), text);
    return err;
}

void manage_reply_json(struct manage *manage, uint16_t status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    CHECK(text);
    json_decref(json);
    reply_bytes(manage->exchange, status, "application/json", span_of(text));
    free(text);
}

enum err manage_body(struct manage *manage, json_t **out)
{
    struct span body = manage->exchange->request.body;

    *out = json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(*out))
        return ERR_OK;
    json_decref(*out);
    *out = NULL;
    return manage_refuse(manage, 400, ERR_CORRUPT, "the body is no JSON object");
}

static enum err query_number(struct manage *manage, const char *name, uint64_t max,
                             uint64_t fallback, uint64_t *out)
{
    enum err err = http_query_uint(manage->exchange->request.query, name, 1, max, out);

    if (err == ERR_NOT_FOUND)
        *out = fallback;
    else if (err != ERR_OK)
        return manage_refuse(manage, 400, ERR_INVALID, "%s must be 1 to %llu", name,
                             (unsigned long long)max);
    return ERR_OK;
}

enum err manage_page(struct manage *manage, struct manage_page *out)
{
    uint64_t page, count;

    TRY(query_number(manage, "page", MANAGE_PAGES_MAX, 1, &page));
    TRY(query_number(manage, "per_page", MANAGE_PAGE_MAX, MANAGE_PAGE_DEFAULT, &count));
    *out = (struct manage_page){(uint32_t)((page - 1) * count), (uint32_t)count};
    return ERR_OK;
}

enum err manage_argument(struct manage *manage, size_t index, unsigned family, int64_t *out)
{
    struct span text = span_of(manage->arguments.text[index]);
    uint64_t number;

    CHECK(index < manage->arguments.count);
    if (!mender_uuid_parse((enum mender_family)family, text, &number))
        return manage_refuse(manage, 404, ERR_NOT_FOUND, "there is no %s",
                             manage->arguments.text[index]);
    *out = (int64_t)number;
    return ERR_OK;
}

void manage_query(const struct manage *manage, const char *name, char *to, size_t size)
{
    if (http_query_text(manage->exchange->request.query, name, to, size) != ERR_OK)
        to[0] = '\0';
}

json_t *manage_time(struct utc at)
{
    char text[UTC_TEXT_SIZE];

    if (at.ms == 0)
        return json_null();
    utc_format(at, text);
    return json_string(text);
}

/* ---- Logging in ---- */

/* "Basic BASE64(user:password)": the password is a token of ours, whatever the user. */
static bool password_of(struct span authorization, char *to, size_t size)
{
    static const char scheme[] = "Basic ";
    uint8_t text[CREDENTIALS_MAX + 4];
    const uint8_t *colon;
    size_t padding = 0, length;
    struct span base64;
    int got;
    bool good;

    if (!span_begins(authorization, scheme))
        return false;
    base64 = (struct span){authorization.at + strlen(scheme), authorization.size - strlen(scheme)};
    if (base64.size == 0 || base64.size % 4 != 0 || base64.size / 4 * 3 > CREDENTIALS_MAX)
        return false;
    while (padding < 2 && base64.at[base64.size - 1 - padding] == '=')
        padding++;
    got = EVP_DecodeBlock(text, base64.at, (int)base64.size);
    if (got < (int)padding)
        return false;
    length = (size_t)got - padding;
    colon = memchr(text, ':', length);
    good = colon &&
           span_to_text((struct span){colon + 1, length - (size_t)(colon + 1 - text)}, to, size);
    wipe(text, sizeof text);
    return good;
}

static enum err enter(struct manage *manage, struct span secret)
{
    TRY(account_enter(manage->app, secret, manage->now, &manage->token, &manage->why));
    manage->tenant = manage->token.tenant;
    (void)snprintf(manage->actor, sizeof manage->actor, "token:%s", manage->token.name);
    return ERR_OK;
}

static enum err refuse_stranger(struct manage *manage, enum err err)
{
    struct deed deed = {
        .tenant = 1, .actor = "stranger", .action = "token.use", .refused = true, .stranger = true};

    if (err != ERR_UNTRUSTED)
        return manage_failed(manage, err);
    reply_sentence(manage, 401, "unauthorized");
    return app_refuse(manage->app, manage->now, &deed, err, &manage->why);
}

static enum err login(struct manage *manage)
{
    char secret[CREDENTIALS_MAX];
    enum err err = ERR_UNTRUSTED;

    if (password_of(manage->exchange->request.authorization, secret, sizeof secret))
        err = enter(manage, span_of(secret));
    if (err == ERR_OK)
        reply_bytes(manage->exchange, 200, "application/jwt", span_of(secret));
    wipe(secret, sizeof secret);
    return err == ERR_OK ? ERR_OK : refuse_stranger(manage, err);
}

/* The token is the operator's own and stays in force; a tool only forgets it. */
static enum err logout(struct manage *manage)
{
    reply_empty(manage->exchange, 202);
    return ERR_OK;
}

/* ---- Routes ---- */

enum {
    OPEN = 1,   /* needs no token */
    UPLOAD = 2, /* the body goes to a file */
};

struct route {
    enum exchange_method method;
    const char *pattern; /* from the last slash of MANAGEMENT on */
    enum permission permission;
    unsigned flags;
    manage_handler *handle;
};

/* clang-format off */
static const struct route routes[] = {
    {METHOD_POST, "/v1/useradm/auth/login", PERMISSION_READ, OPEN, login},
    {METHOD_POST, "/v1/useradm/auth/logout", PERMISSION_READ, 0, logout},
    {METHOD_POST, "/v1/deployments/artifacts", PERMISSION_RELEASE_PUBLISH, UPLOAD, manage_artifact_upload},
    {METHOD_GET, "/v1/deployments/artifacts", PERMISSION_READ, 0, manage_artifacts},
    {METHOD_GET, "/v1/deployments/artifacts/list", PERMISSION_READ, 0, manage_artifacts},
    {METHOD_GET, "/v1/deployments/artifacts/{id}", PERMISSION_READ, 0, manage_artifact},
    {METHOD_DELETE, "/v1/deployments/artifacts/{id}", PERMISSION_RELEASE_PUBLISH, 0, manage_artifact_delete},
    {METHOD_GET, "/v1/deployments/deployments/releases", PERMISSION_READ, 0, manage_releases},
    {METHOD_GET, "/v1/deployments/deployments/releases/list", PERMISSION_READ, 0, manage_releases},
    {METHOD_GET, "/v2/devauth/devices", PERMISSION_READ, 0, manage_devices},
    {METHOD_POST, "/v2/devauth/devices", PERMISSION_CLAIM_EDIT, 0, manage_preauthorize},
    {METHOD_GET, "/v2/devauth/devices/count", PERMISSION_READ, 0, manage_devices_count},
    {METHOD_GET, "/v2/devauth/devices/{id}", PERMISSION_READ, 0, manage_device},
    {METHOD_DELETE, "/v2/devauth/devices/{id}", PERMISSION_DEVICE_DELETE, 0, manage_device_delete},
    {METHOD_PUT, "/v2/devauth/devices/{id}/auth/{key}/status", PERMISSION_DEVICE_ACCEPT, 0, manage_key_status},
    {METHOD_GET, "/v1/inventory/devices", PERMISSION_READ, 0, manage_inventory},
    {METHOD_GET, "/v1/inventory/devices/{id}", PERMISSION_READ, 0, manage_inventory_device},
    {METHOD_POST, "/v2/inventory/filters/search", PERMISSION_READ, 0, manage_search},
    {METHOD_POST, "/v1/deployments/deployments", PERMISSION_ROLLOUT_RUN, 0, manage_deploy},
    {METHOD_GET, "/v1/deployments/deployments", PERMISSION_READ, 0, manage_deployments},
    {METHOD_GET, "/v1/deployments/deployments/{id}", PERMISSION_READ, 0, manage_deployment},
    {METHOD_GET, "/v1/deployments/deployments/{id}/statistics", PERMISSION_READ, 0, manage_statistics},
    {METHOD_GET, "/v1/deployments/deployments/{id}/devices", PERMISSION_READ, 0, manage_deployment_devices},
    {METHOD_GET, "/v1/deployments/deployments/{id}/devices/list", PERMISSION_READ, 0, manage_deployment_devices},
    {METHOD_GET, "/v1/deployments/deployments/{id}/devices/{device}/log", PERMISSION_LOG_READ, 0, manage_deployment_log},
    {METHOD_PUT, "/v1/deployments/deployments/{id}/status", PERMISSION_ROLLOUT_STOP, 0, manage_deployment_status},
};
/* clang-format on */

static bool claims(struct span path)
{
    return span_begins(path, MANAGEMENT);
}

/* Fixed words come before {id} in the table. *known: some method has the path. */
static const struct route *route_of(enum exchange_method method, struct span path,
                                    struct http_path_arguments *arguments, bool *known)
{
    size_t prefix = strlen(MANAGEMENT) - 1;
    struct span rest = {path.at + prefix, path.size - prefix};

    *known = false;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!http_path_match(rest, routes[i].pattern, arguments))
            continue;
        *known = true;
        if (routes[i].method == method)
            return &routes[i];
    }
    return NULL;
}

static size_t body_max(enum exchange_method method, struct span path)
{
    (void)path;
    return method == METHOD_GET ? 0 : MANAGE_BODY_MAX;
}

static bool uploads(enum exchange_method method, struct span path)
{
    struct http_path_arguments arguments;
    bool known;
    const struct route *route = route_of(method, path, &arguments, &known);

    return route && (route->flags & UPLOAD) != 0;
}

static enum err check_role(struct manage *manage, const struct route *route)
{
    struct deed deed = {.tenant = manage->tenant,
                        .actor = manage->actor,
                        .action = permission_name(route->permission),
                        .refused = true};

    if (access_allows((enum role)manage->token.role, route->permission))
        return ERR_OK;
    (void)manage_refuse(manage, 403, ERR_DENIED, "the role of this token may not %s",
                        permission_text(route->permission));
    return app_refuse(manage->app, manage->now, &deed, ERR_DENIED, NULL);
}

static enum err run(struct manage *manage)
{
    bool known;
    const struct route *route =
        route_of(manage->exchange->request.method, manage->exchange->request.path,
                 &manage->arguments, &known);
    enum err err;

    if (!route)
        return manage_refuse(manage, known ? 405 : 404, ERR_NOT_FOUND, "%s",
                             known ? "not with this method" : "there is no such path");
    if ((route->flags & OPEN) != 0)
        return route->handle(manage);
    err = enter(manage, manage->exchange->request.bearer);
    if (err != ERR_OK)
        return refuse_stranger(manage, err);
    TRY(check_role(manage, route));
    return manage_failed(manage, route->handle(manage));
}

static enum err handle(const struct foreign_host *host, struct exchange *exchange)
{
    struct manage *manage = calloc(1, sizeof *manage);
    enum err err;

    CHECK(manage);
    manage->host = host;
    manage->app = host->app;
    manage->exchange = exchange;
    manage->now = exchange->now;
    err = run(manage);
    free(manage);
    return err;
}

const struct foreign_api foreign_mender_manage = {.name = "mender-management",
                                                  .claims = claims,
                                                  .body_max = body_max,
                                                  .uploads = uploads,
                                                  .handle = handle};
