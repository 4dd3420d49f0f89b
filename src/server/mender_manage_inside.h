/* Inside Mender's management API. Only server/mender_manage*.c include this. */
#pragma once

#include <jansson.h>

#include "app/foreign.h"
#include "fleet/access.h"
#include "net/http_query.h"
#include "server/exchange.h"
#include "server/mender_manage.h"
#include "store/account.h"

#define MANAGE_PAGE_DEFAULT 20u
#define MANAGE_PAGE_MAX     500u
#define MANAGE_PAGES_MAX    10000u   /* a list this deep is read by other means */
#define MANAGE_BODY_MAX     65536u   /* bytes of a JSON request */
#define MANAGE_PRODUCT      "mender" /* of releases that came in through this API */

struct manage {
    const struct foreign_host *host;
    struct app *app;
    struct exchange *exchange;
    struct http_path_arguments arguments;
    struct token_row token;
    int64_t tenant;
    struct utc now;
    char actor[ACTOR_SIZE_MAX];
    struct why why;
};

typedef enum err manage_handler(struct manage *manage);

/* Answer with a sentence and return `err`. */
enum err manage_refuse(struct manage *manage, uint16_t status, enum err err, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

/* The same from an error that travelled up, with what `why` says. */
enum err manage_failed(struct manage *manage, enum err err);

/* Takes `json`. */
void manage_reply_json(struct manage *manage, uint16_t status, json_t *json);

/* The body as JSON, the caller's; or the refusal has been written. */
enum err manage_body(struct manage *manage, json_t **out) MUST_USE;

/* Which page is asked for: how many to skip, how many to give. */
struct manage_page {
    uint32_t skip, count;
};
enum err manage_page(struct manage *manage, struct manage_page *out) MUST_USE;

/* The number behind a UUID in the path; 404 for any other text. */
enum err manage_argument(struct manage *manage, size_t index, unsigned family,
                         int64_t *out) MUST_USE;

/* A query parameter; "" when it is absent or too long to be one of ours. */
void manage_query(const struct manage *manage, const char *name, char *to, size_t size);

/* Text "2026-11-23T23:38:50Z" of a time; null for none. */
json_t *manage_time(struct utc at);

/* ---- mender_manage_artifacts.c ---- */
manage_handler manage_artifact_upload, manage_artifacts, manage_artifact, manage_artifact_delete;
manage_handler manage_releases;

/* ---- mender_manage_devices.c ---- */
manage_handler manage_devices, manage_devices_count, manage_device, manage_device_delete;
manage_handler manage_key_status, manage_preauthorize;
manage_handler manage_inventory, manage_inventory_device, manage_search;

/* ---- mender_manage_deployments.c ---- */
manage_handler manage_deploy, manage_deployments, manage_deployment, manage_statistics;
manage_handler manage_deployment_devices, manage_deployment_log, manage_deployment_status;
