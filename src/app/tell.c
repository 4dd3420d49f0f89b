/* What a device tells of itself beside its progress, and what it may read. */
#include <string.h>

#include "app/device.h"
#include "base/check.h"
#include "os/say.h"
#include "store/listed_file.h"

static enum err copy(const struct native_attributes *in, struct attribute *out)
{
    CHECK(in->count <= ATTRIBUTES_MAX);
    for (uint32_t i = 0; i < in->count; i++) {
        if (!span_to_text(in->list[i].name, out[i].name, sizeof out[i].name) ||
            !span_to_text(in->list[i].value, out[i].value, sizeof out[i].value))
            return ERR_CORRUPT;
    }
    return ERR_OK;
}

enum err device_inventory(struct app *app, struct device_call *call,
                          const struct native_inventory *inventory,
                          const uint8_t digest[INVENTORY_DIGEST_SIZE], struct why *why)
{
    struct attribute attributes[ATTRIBUTES_MAX];
    struct device_row *device = &call->device;
    enum err err = copy(&inventory->attributes, attributes);

    if (err != ERR_OK)
        return say(why, err, "attributes", "an attribute is too long or has a NUL inside");
    TRY(app_db_failed(app,
                      store_attributes_set(app->db, device->tenant, device->id, attributes,
                                           inventory->attributes.count),
                      why));
    memcpy(device->inventory, digest, INVENTORY_DIGEST_SIZE);
    device->wanted &= ~DEVICE_WANTS_INVENTORY;
    device->last_seen = call->now;
    app_touch(app, device->tenant, device->id);
    return app_db_failed(app, store_device_save_state(app->db, device), why);
}

/* Whether the assignment is this device's, or none. */
static enum err check_assignment(struct app *app, struct device_call *call, uint64_t assignment,
                                 struct why *why)
{
    enum err err = ERR_NOT_FOUND;

    if (assignment == 0)
        return ERR_OK;
    if (assignment <= INT64_MAX)
        err = store_assignment_get(app->db, call->device.tenant, call->device.id,
                                   (int64_t)assignment, &call->assignment);
    if (err == ERR_NOT_FOUND)
        return say(why, err, "assignment", "the device has no assignment %llu",
                   (unsigned long long)assignment);
    return app_db_failed(app, err, why);
}

enum err device_log(struct app *app, struct device_call *call, uint64_t assignment,
                    struct span text, struct why *why)
{
    struct device_row *device = &call->device;
    int64_t id;

    if (text.size > LOG_UPLOAD_SIZE_MAX)
        return say(why, ERR_TOO_BIG, "body", "a log has at most %u bytes", LOG_UPLOAD_SIZE_MAX);
    TRY(check_assignment(app, call, assignment, why));
    TRY(app_db_failed(app,
                      store_log_add(app->db, device->tenant, device->id, (int64_t)assignment,
                                    call->now, text, &id),
                      why));
    device->wanted &= ~DEVICE_WANTS_LOG;
    device->last_seen = call->now;
    app_touch(app, device->tenant, device->id);
    return app_db_failed(app, store_device_save_state(app->db, device), why);
}

enum err device_may_read(struct app *app, struct device_call *call,
                         const uint8_t sha256[DIGEST_SIZE])
{
    struct assignment_row row;
    enum err err = store_release_of_blob(app->db, call->device.tenant, sha256, &call->release);
    bool listed;

    if (err == ERR_NOT_FOUND) {
        TRY(store_listed_file_has(app->db, call->device.tenant, sha256, &listed));
        return listed ? ERR_OK : ERR_NOT_FOUND;
    }
    TRY(err);
    if (!call->release.withdrawn)
        return ERR_OK;
    if (call->device.assignment == 0)
        return ERR_NOT_FOUND;
    TRY(store_assignment_get(app->db, call->device.tenant, call->device.id, call->device.assignment,
                             &row));
    return row.release == call->release.id ? ERR_OK : ERR_NOT_FOUND;
}
