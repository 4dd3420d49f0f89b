/* Inside the management API: one request on its way through the gate (api.c) to the handler of its
 * noun, and the words handlers answer with.
 *
 * A handler returns ERR_OK with a reply written, or an error. With an error it has either written
 * the refusal itself (api_bad, api_refuse) or leaves it to the gate, which answers by kind of
 * error and the sentence in call->why. */
#pragma once

#include "app/account.h"
#include "app/app.h"
#include "fleet/access.h"
#include "net/http_query.h"
#include "server/api.h"
#include "server/api_fields.h"
#include "server/api_json.h"
#include "server/exchange.h"
#include "store/assignment.h"
#include "store/release.h"
#include "store/rollout.h"

#define API_PAGE_DEFAULT 100u
#define API_PAGE_MAX     1000u
#define API_SCAN_MAX     4096u /* rows a filtered list looks at before it ends the page early */
#define API_CURSOR_SIZE  96u   /* bytes of what a cursor remembers */
#define API_ETAG_SIZE    20u   /* bytes of an ETag with quotes and NUL */

struct api_call;
typedef enum err api_handler(struct api_call *call);

enum {
    ROUTE_OPEN = 1,      /* needs no token */
    ROUTE_JSON = 2,      /* takes a JSON body */
    ROUTE_BYTES = 4,     /* takes an upload */
    ROUTE_SECRET = 8,    /* its reply holds a secret, which is not kept for a repeat */
    ROUTE_IF_MATCH = 16, /* honours If-Match */
    ROUTE_LARGE = 32,    /* signed metadata: checked by trust/, not parsed here */
};

struct api_route {
    enum exchange_method method;
    const char *pattern;        /* as in openapi.json */
    enum permission permission; /* ignored with ROUTE_OPEN */
    unsigned flags;             /* ROUTE_* */
    const char *operation;      /* operationId in openapi.json; also names its cursors */
    const char *action;         /* of a refused attempt in the audit log; NULL: only looks */
    api_handler *handle;
    const char *const *query; /* parameters it knows, ending with NULL; NULL: none */
};

const struct api_route *api_routes(size_t *count);

struct api {
    struct api_config config;
    uint64_t refusals[ERR_COUNT]; /* since the start; for /metrics */
    bool tokens_changed;          /* or perhaps: a batch that fails leaves it set */
};

struct api_call {
    struct api *api;
    struct app *app;
    struct exchange *exchange;
    const struct api_route *route;
    struct http_path_arguments arguments;
    struct utc now;
    struct token_row token; /* id 0 on open routes without a token */
    int64_t tenant;
    char actor[ACTOR_SIZE_MAX];
    struct why why;
};

/* The `index`-th {argument} of the pattern, decoded. */
struct span api_argument(const struct api_call *call, size_t index);

/* An argument that is a number of at least 1; otherwise 404, for there is no such thing. */
enum err api_argument_id(struct api_call *call, size_t index, int64_t *out) MUST_USE;

/* Answer 400 and return ERR_INVALID. `field` NULL: the whole. */
enum err api_bad(struct api_call *call, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with what is in call->why. */
enum err api_bad_why(struct api_call *call);

/* The same, and at which column of the selector, from 1. */
enum err api_bad_selector(struct api_call *call, uint32_t column);

/* Answer `status` with the sentence and return `err`, which is not ERR_OK. */
enum err api_refuse(struct api_call *call, uint16_t status, enum err err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Answer 404 "there is no WHAT NAME" and return ERR_NOT_FOUND. */
enum err api_missing(struct api_call *call, const char *what, struct span name);

/* "limit", 1 to API_PAGE_MAX, API_PAGE_DEFAULT when absent. */
enum err api_limit(struct api_call *call, uint32_t *out) MUST_USE;

/* A query parameter into `to`; *given says whether it is there. */
enum err api_query_text(struct api_call *call, const char *name, char *to, size_t to_size,
                        bool *given) MUST_USE;

/* "cursor" back to the bytes that api_page_end() was given; zeros when absent. 400 for anything
 * this list of this server has not given out itself. */
enum err api_cursor(struct api_call *call, void *key, size_t size) MUST_USE;

/* {"items":[ ... ],"next":...}: start a page, and end it; `key` NULL: it was the last one. */
void api_page_begin(struct api_call *call, struct json_out *out);
void api_page_end(struct api_call *call, struct json_out *out, const void *key, size_t size);

/* Lists ask for one row more than `limit`: whether it is there, and *count without it. */
bool api_page_cut(uint32_t *count, uint32_t limit);

/* An ETag over the bytes: what people can change or decide by, not every counter. */
void api_etag(struct span content, char out[API_ETAG_SIZE]);

/* 412 unless If-Match is absent, "*" or names `etag`. */
enum err api_if_match(struct api_call *call, const char *etag) MUST_USE;

/* Words for the JSON of several nouns. */
void out_device_running(struct api_call *call, struct json_out *out, const struct device_row *row);
void out_device_protocol(struct api_call *call, struct json_out *out, const struct device_row *row);
void out_assignment_row(struct api_call *call, struct json_out *out,
                        const struct assignment_row *row, const char *device, const char *rollout,
                        const char *release);
const char *api_release_name(struct api_call *call, int64_t release, char *to, size_t size);

/* ---- Handlers, one file per noun ---- */

/* api_about.c */
api_handler api_whoami, api_openapi, api_health, api_metrics;
/* api_devices.c, api_device_story.c */
api_handler api_devices, api_device, api_device_patch, api_device_delete, api_device_accept,
    api_device_reject, api_device_revoke, api_device_request_log, api_device_history,
    api_device_explain, api_device_logs, api_device_log;
/* api_enrol.c */
api_handler api_preauthorize, api_claims, api_claim_create, api_claim_delete;
/* api_foreign.c */
api_handler api_device_add, api_device_token, api_gateways, api_gateway_create, api_gateway_delete;
/* api_groups.c */
api_handler api_groups, api_group_put, api_group_delete;
/* api_rollouts.c, api_rollout_create.c, api_rollout_story.c */
api_handler api_selector_check, api_rollouts, api_rollout_create, api_rollout, api_rollout_delete,
    api_rollout_approve, api_rollout_start, api_rollout_pause, api_rollout_resume,
    api_rollout_abort, api_rollout_advance, api_rollout_rollback, api_rollout_devices,
    api_rollout_report, api_rollout_risk, api_rollout_cohorts, api_rollout_journal,
    api_rollout_lift_hold;
/* api_releases.c */
api_handler api_releases, api_release, api_content_key, api_trust, api_trust_root,
    api_trust_targets, api_trust_delegated, api_trust_online_key, api_trust_expiring, api_blob,
    api_blob_put;
/* api_events.c */
api_handler api_rollout_events, api_events, api_audit_events;
/* api_audit.c */
api_handler api_audit, api_audit_export;
/* api_tokens.c */
api_handler api_tokens, api_token_create, api_token_delete;
