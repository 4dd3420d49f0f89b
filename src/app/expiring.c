#include "app/expiring.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define TOLD_EACH_MS (INT64_C(24) * 3600 * 1000)
#define TOLD_MAX     32u /* things a day's entry can name; the first to end are named */
#define DAY_MS       (INT64_C(24) * 3600 * 1000)

static const struct {
    const char *name, *breaks;
    bool renews_itself;
} kinds[EXPIRING_KIND_COUNT] = {
    [EXPIRING_ROOT] = {"root", "devices refuse every update until a new root is published", false},
    [EXPIRING_TARGETS] = {"targets", "devices refuse every update until the list is signed anew",
                          false},
    [EXPIRING_SNAPSHOT] = {"snapshot", "devices refuse every update; the server renews it itself",
                           true},
    [EXPIRING_TIMESTAMP] = {"timestamp", "devices refuse every update; the server renews it itself",
                            true},
    [EXPIRING_DELEGATED] = {"delegated",
                            "devices refuse what this role lists, and all that is "
                            "searched for behind it",
                            false},
    [EXPIRING_TOKEN] = {"token", "whoever uses it is turned away", false},
    [EXPIRING_CLAIM] = {"claim", "the device it was made for cannot enrol with it", false},
    [EXPIRING_DEVICES] = {"device-certificates",
                          "those that were out of reach all the time must enrol again; others "
                          "renew theirs themselves",
                          true},
    [EXPIRING_CA] = {"ca-certificate", "no device can connect, and none can enrol", false},
    [EXPIRING_SERVER] = {"server-certificate",
                         "devices and people refuse the server; it renews it at a start", false},
};

const char *expiring_kind_name(enum expiring_kind kind)
{
    CHECK((size_t)kind < EXPIRING_KIND_COUNT);
    return kinds[kind].name;
}

const char *expiring_breaks(enum expiring_kind kind)
{
    CHECK((size_t)kind < EXPIRING_KIND_COUNT);
    return kinds[kind].breaks;
}

bool expiring_renews_itself(enum expiring_kind kind)
{
    CHECK((size_t)kind < EXPIRING_KIND_COUNT);
    return kinds[kind].renews_itself;
}

bool expiring_is_low(const struct expiring_row *row, struct utc now)
{
    int64_t life_ms = row->expires.ms - row->from.ms, left_ms = row->expires.ms - now.ms;

    return left_ms <= 0 || left_ms < life_ms / 1000 * EXPIRING_LOW_PERMILLE;
}

/* A claim is meant to end, and a day's entry about each would hide what is not. */
static bool is_told(const struct expiring_row *row, struct utc now)
{
    return row->kind != EXPIRING_CLAIM && expiring_is_low(row, now);
}

static void name_one(const struct expiring_row *row, struct utc now, char *to, size_t size)
{
    int64_t left_ms = row->expires.ms - now.ms;
    size_t at = strlen(to);
    int written;

    if (left_ms <= 0)
        written = snprintf(to + at, size - at, "%s%s%s%.60s has expired", at > 0 ? "; " : "",
                           kinds[row->kind].name, row->name[0] ? " " : "", row->name);
    else
        written = snprintf(to + at, size - at, "%s%s%s%.60s expires in %" PRId64 " days",
                           at > 0 ? "; " : "", kinds[row->kind].name, row->name[0] ? " " : "",
                           row->name, left_ms / DAY_MS);
    if (written < 0 || (size_t)written >= size - at)
        to[at] = '\0'; /* what does not fit is left to the radar itself */
}

static enum err tell(struct app *app, int64_t tenant, struct utc now, const char *detail)
{
    const struct deed deed = {
        .tenant = tenant, .actor = "server", .action = "trust.expiring", .detail = detail};
    json_t *json = json_pack("{s:s}", "detail", detail);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (text)
        app_publish(app, tenant, "events", "trust.expiring", text);
    free(text);
    json_decref(json);
    return app_audit(app, now, &deed);
}

enum err expiring_tell(struct app *app, int64_t tenant, struct utc now)
{
    const struct expiring_wanted wanted = {.tenant = tenant, .now = now, .max = TOLD_MAX};
    struct app_tenant *known = app_tenant(app, tenant);
    struct expiring_row *rows;
    char detail[AUDIT_TEXT_MAX] = "";
    uint32_t count = 0;
    enum err err;

    if (now.ms < known->expiring_due.ms)
        return ERR_OK;
    known->expiring_due.ms = now.ms + TOLD_EACH_MS;
    rows = calloc(TOLD_MAX, sizeof *rows);
    CHECK(rows);
    err = store_expiring(app->db, &wanted, rows, &count);
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (is_told(&rows[i], now))
            name_one(&rows[i], now, detail, sizeof detail);
    }
    free(rows);
    if (err == ERR_OK && detail[0])
        err = tell(app, tenant, now, detail);
    return err;
}
