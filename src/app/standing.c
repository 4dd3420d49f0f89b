/* What operators do to a device's standing: accept, reject, revoke, delete, ask for its log. */
#include <stdio.h>

#include "app/course.h"
#include "app/device.h"
#include "base/check.h"
#include "os/say.h"

struct order {
    struct app *app;
    int64_t tenant;
    const char *actor;
    struct utc now;
    struct device_row device;
};

static enum err load(struct order *order, struct span name, struct why *why)
{
    enum err err = store_device_find(order->app->db, order->tenant, name, &order->device);

    if (err == ERR_NOT_FOUND)
        return say(why, err, "device", "there is no device %.*s",
                   (int)(name.size < NAME_SIZE_MAX ? name.size : NAME_SIZE_MAX),
                   (const char *)name.at);
    return app_db_failed(order->app, err, why);
}

static enum err audit(struct order *order, const char *action)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {
        .tenant = order->tenant, .actor = order->actor, .action = action, .object = object};

    CHECK(snprintf(object, sizeof object, "device:%s", order->device.name) > 0);
    return app_audit(order->app, order->now, &deed);
}

static enum err set_status(struct order *order, enum device_status status)
{
    order->device.status = status;
    order->device.status_since = order->now;
    app_touch(order->app, order->tenant, order->device.id);
    return store_device_save(order->app->db, &order->device);
}

static enum err from_pending(struct order *order, struct span name, enum device_status status,
                             const char *action, struct why *why)
{
    TRY(load(order, name, why));
    if (order->device.status != DEVICE_PENDING)
        return say(why, ERR_INVALID, "device", "the device is %s, not pending",
                   device_status_name(order->device.status));
    TRY(app_db_failed(order->app, set_status(order, status), why));
    return app_db_failed(order->app, audit(order, action), why);
}

enum err device_accept(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why)
{
    struct order order = {.app = app, .tenant = tenant, .actor = actor, .now = now};

    return from_pending(&order, name, DEVICE_ACTIVE, "device.accept", why);
}

enum err device_reject(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why)
{
    struct order order = {.app = app, .tenant = tenant, .actor = actor, .now = now};

    return from_pending(&order, name, DEVICE_REJECTED, "device.reject", why);
}

/* Take back what it has in hand and has not flipped. */
static enum err take_back(struct order *order, struct why *why)
{
    const struct assignment_event event = {.kind = ASSIGNMENT_EV_RECALL, .now = order->now};
    struct assignment_row row;
    enum err err;
    bool changed;

    if (order->device.assignment == 0)
        return ERR_OK;
    err = store_assignment_get(order->app->db, order->tenant, order->device.id,
                               order->device.assignment, &row);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(app_db_failed(order->app, err, why));
    return course_assignment(order->app, &row, &event, &changed, why);
}

/* What will never be reported, in the order in which it applies: what has not flipped is taken
 * back, an outcome that is open is missed, and a device that is away will not come back. */
static enum err settle_one(struct order *order, struct assignment_row *row, struct why *why)
{
    static const enum assignment_event_kind kinds[] = {ASSIGNMENT_EV_RECALL, ASSIGNMENT_EV_REVERT,
                                                       ASSIGNMENT_EV_OVERDUE, ASSIGNMENT_EV_REVERT,
                                                       ASSIGNMENT_EV_OVERDUE};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct assignment_event event = {.kind = kinds[i], .now = order->now};
        bool changed;

        TRY(course_assignment(order->app, row, &event, &changed, why));
    }
    if (row->assignment.standing == STANDING_OUT && row->assignment.whereabouts == WHEREABOUTS_HOME)
        return ERR_OK; /* counted nowhere */
    return app_db_failed(order->app, store_assignment_depart(order->app->db, row), why);
}

/* Rollouts go on without it: nothing waits for a device that is deleted. What it has shown of
 * the release stays counted. */
static enum err settle_all(struct order *order, struct why *why)
{
    struct assignment_row page[16];
    uint32_t count = COUNT_OF(page);
    int64_t before = 0;

    while (count == COUNT_OF(page)) {
        TRY(app_db_failed(order->app,
                          store_assignment_history(order->app->db, order->tenant, order->device.id,
                                                   before, COUNT_OF(page), page, &count),
                          why));
        for (uint32_t i = 0; i < count; i++) {
            before = page[i].id;
            TRY(settle_one(order, &page[i], why));
        }
    }
    return ERR_OK;
}

enum err device_revoke(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why)
{
    struct order order = {.app = app, .tenant = tenant, .actor = actor, .now = now};

    TRY(load(&order, name, why));
    if (order.device.status == DEVICE_REVOKED)
        return say(why, ERR_INVALID, "device", "the device is revoked already");
    TRY(take_back(&order, why));
    TRY(app_db_failed(app, store_certificates_revoke(app->db, tenant, order.device.id, now), why));
    TRY(app_db_failed(app, set_status(&order, DEVICE_REVOKED), why));
    return app_db_failed(app, audit(&order, "device.revoke"), why);
}

enum err device_request_log(struct app *app, int64_t tenant, struct span name, const char *actor,
                            struct utc now, struct why *why)
{
    struct order order = {.app = app, .tenant = tenant, .actor = actor, .now = now};

    TRY(load(&order, name, why));
    if (order.device.status != DEVICE_ACTIVE)
        return say(why, ERR_INVALID, "device", "the device is %s, not active",
                   device_status_name(order.device.status));
    app_touch(app, tenant, order.device.id);
    TRY(app_db_failed(app, store_device_want(app->db, tenant, order.device.id, DEVICE_WANTS_LOG, 0),
                      why));
    return app_db_failed(app, audit(&order, "device.request-log"), why);
}

enum err device_delete(struct app *app, int64_t tenant, struct span name, const char *actor,
                       struct utc now, struct why *why)
{
    struct order order = {.app = app, .tenant = tenant, .actor = actor, .now = now};

    TRY(load(&order, name, why));
    TRY(settle_all(&order, why));
    TRY(app_db_failed(app, audit(&order, "device.delete"), why));
    TRY(app_db_failed(app, store_device_remove(app->db, tenant, order.device.id), why));
    app_forget(app, tenant, order.device.name);
    return ERR_OK;
}
