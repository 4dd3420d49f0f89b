/* The management API: /api/v1, /metrics and /healthz, as docs/spec/openapi.json describes them.
 *
 * A request runs through one narrow gate: route, token, role, query, media type, idempotency key
 * and only then the noun's handler (api_*.c). Handlers call stories of app/ and write JSON; they
 * decide nothing. All of it runs in the engine thread, in the exchange's own savepoint: whatever
 * does not end well has changed nothing. Refusals are left with app_refuse(), for app_refused(). */
#pragma once

#include "app/app.h"
#include "fleet/access.h"
#include "server/exchange.h"

struct api;

/* Everything is borrowed and outlives the api. */
struct api_config {
    struct app *app;
    const struct key *audit_key; /* Ed25519, signs the head of audit exports; NULL: no exports */
    const char *data_dir;        /* whose free space /healthz looks at */
    uint32_t confirm_above;      /* devices a rollout may reach without confirm_count */
};

/* Never NULL. */
struct api *api_open(const struct api_config *config);
void api_close(struct api *api); /* NULL-safe */

/* Fills exchange->reply always. Anything but ERR_OK: undo the savepoint, send the reply. */
enum err api_handle(struct api *api, struct exchange *exchange) MUST_USE;

/* Whether a token has been made or revoked since api_tokens_told(): the fronts must hear of it
 * before the answer leaves. */
bool api_tokens_changed(const struct api *api);
void api_tokens_told(struct api *api);

/* What the head of a request alone says: which route it takes. Any thread. */
struct api_door {
    bool found;                 /* path and method are known */
    bool open;                  /* needs no token */
    enum permission permission; /* what the token's role must allow, unless `open` */
    size_t body_max;            /* bytes its body may have */
};

struct api_door api_door(enum exchange_method method, struct span path);

/* Make the first admin token of a tenant, for the first start. The secret goes to `secret`, once.
 * ERR_CONFLICT when there is an admin already. */
enum err api_first_token(struct app *app, int64_t tenant, struct utc now, char *secret,
                         size_t secret_size, struct why *why) MUST_USE;
