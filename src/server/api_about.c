/* About the server itself: whose token this is, the API's description, health. */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "os/quantity.h"
#include "server/api_call.h"
#include "server/api_openapi.h"
#include "store/metadata.h"

enum err api_whoami(struct api_call *call)
{
    char tenant[NAME_SIZE_MAX + 1];
    struct json_out out;

    TRY(store_tenant_name(call->app->db, call->tenant, tenant));
    out = out_begin(call->exchange, 200);
    out_text(&out, "token", call->token.name);
    out_text(&out, "role", role_name((enum role)call->token.role));
    out_text(&out, "tenant", tenant);
    out_finish(&out);
    return ERR_OK;
}

enum err api_openapi(struct api_call *call)
{
    reply_bytes(call->exchange, 200, "application/json", api_openapi_document());
    return ERR_OK;
}

/* ---- Health ---- */

#define DISK_LOW_SIZE (UINT64_C(1) << 30)  /* bytes; below: degraded, people should look */
#define DISK_OUT_SIZE (UINT64_C(64) << 20) /* bytes; below: failed, the next batch may not fit */
#define EXPIRY_LOW_MS (INT64_C(24) * 3600 * 1000)

enum health {
    HEALTH_OK,
    HEALTH_DEGRADED,
    HEALTH_FAILED
};

struct check {
    const char *name;
    enum health health;
    char detail[128];
};

static const char *health_name(enum health health)
{
    static const char *const names[] = {
        [HEALTH_OK] = "ok", [HEALTH_DEGRADED] = "degraded", [HEALTH_FAILED] = "failed"};

    return names[health];
}

static struct check check_database(struct api_call *call)
{
    struct check check = {.name = "database", .detail = "answers"};
    char tenant[NAME_SIZE_MAX + 1];
    enum err err = store_tenant_name(call->app->db, 1, tenant);

    if (err != ERR_OK) {
        check.health = HEALTH_FAILED;
        (void)snprintf(check.detail, sizeof check.detail, "does not answer: %s", err_text(err));
    }
    return check;
}

static struct check check_disk(struct api_call *call)
{
    struct check check = {.name = "disk"};
    char size[QUANTITY_TEXT_SIZE];
    struct statvfs disk;
    uint64_t free_size;

    if (!call->api->config.data_dir || statvfs(call->api->config.data_dir, &disk) != 0) {
        check.health = HEALTH_DEGRADED;
        (void)snprintf(check.detail, sizeof check.detail, "free space is not known");
        return check;
    }
    free_size = (uint64_t)disk.f_bavail * disk.f_frsize;
    check.health = free_size < DISK_OUT_SIZE   ? HEALTH_FAILED
                   : free_size < DISK_LOW_SIZE ? HEALTH_DEGRADED
                                               : HEALTH_OK;
    (void)snprintf(check.detail, sizeof check.detail, "%s free",
                   quantity_print_size(free_size, size));
    return check;
}

/* Before anything is published there is nothing to expire. Even what has expired is no failure of
 * the server, which answers, decides and takes what signers bring: whoever restarts or replaces a
 * server that fails its check would cure nothing. It is a warning. */
static struct check check_metadata(struct api_call *call)
{
    static const char *const names[METADATA_ROLE_COUNT] = {"root", "targets", "snapshot",
                                                           "timestamp"};
    struct check check = {.name = "metadata", .detail = "fresh"};
    char left[QUANTITY_TEXT_SIZE];
    struct metadata_row row;

    for (enum metadata_role role = 0; role < METADATA_ROLE_COUNT; role++) {
        enum err err = store_metadata_find(call->app->db, 1, role, 0, &row);
        int64_t left_ms = err == ERR_OK ? row.expires.ms - call->now.ms : INT64_MAX;

        if (left_ms >= EXPIRY_LOW_MS)
            continue;
        check.health = HEALTH_DEGRADED;
        if (left_ms <= 0) {
            (void)snprintf(check.detail, sizeof check.detail,
                           "%s has expired; devices refuse every update", names[role]);
            return check;
        }
        (void)snprintf(check.detail, sizeof check.detail, "%s expires in %s", names[role],
                       quantity_print_duration(left_ms / 1000, left));
    }
    return check;
}

enum err api_health(struct api_call *call)
{
    const struct check checks[] = {check_database(call), check_disk(call), check_metadata(call)};
    enum health worst = HEALTH_OK;
    struct json_out out;

    for (size_t i = 0; i < COUNT_OF(checks); i++)
        worst = checks[i].health > worst ? checks[i].health : worst;
    out = out_begin(call->exchange, worst == HEALTH_FAILED ? 503 : 200);
    out_text(&out, "status", health_name(worst));
    out_array(&out, "checks");
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        out_object(&out, NULL);
        out_text(&out, "name", checks[i].name);
        out_text(&out, "status", health_name(checks[i].health));
        out_text(&out, "detail", checks[i].detail);
        out_object_end(&out);
    }
    out_array_end(&out);
    out_array(&out, "warnings");
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        if (checks[i].health != HEALTH_OK)
            out_text(&out, NULL, checks[i].detail);
    }
    out_array_end(&out);
    out_finish(&out);
    return ERR_OK;
}
