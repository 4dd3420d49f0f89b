/* May this certificate speak for this device? */
#include <stdio.h>

#include "app/deeds.h"
#include "app/device.h"
#include "base/check.h"
#include "os/say.h"
#include "store/account.h"

/* "device:NAME" for the audit; names that were never checked are cut to what fits. */
static void name_actor(struct span name, char out[ACTOR_SIZE_MAX])
{
    int size = (int)(name.size < NAME_SIZE_MAX ? name.size : NAME_SIZE_MAX);

    CHECK(snprintf(out, ACTOR_SIZE_MAX, "device:%.*s", size, (const char *)name.at) >= 0);
}

static enum err refuse(struct app *app, const struct device_call *call, int64_t tenant,
                       const struct device_credential *credential, enum err err, struct why *why)
{
    const struct deed deed = {.tenant = tenant,
                              .actor = call->actor,
                              .action = "device.enter",
                              .object = credential->address};

    return app_refuse(app, call->now, &deed, err, why);
}

static enum err check_status(enum device_status status, struct why *why)
{
    switch (status) {
    case DEVICE_ACTIVE:
        return ERR_OK;
    case DEVICE_PENDING:
        return say(why, ERR_DENIED, NULL, "the device has not been accepted by an operator yet");
    case DEVICE_REJECTED:
        return say(why, ERR_DENIED, NULL, "the device has been rejected by an operator");
    case DEVICE_REVOKED:
    case DEVICE_STATUS_COUNT:
        break;
    }
    return say(why, ERR_DENIED, NULL, "the device has been revoked by an operator");
}

static enum err check_certificate(struct app *app, const struct device_credential *credential,
                                  bool renewing, struct device_call *call, struct why *why)
{
    struct certificate_row row;
    enum err err = store_certificate_find(app->db, call->device.tenant, call->device.id,
                                          credential->fingerprint, &row);

    if (err == ERR_NOT_FOUND)
        return say(why, ERR_UNTRUSTED, NULL, "this certificate was not issued to this device");
    TRY(app_db_failed(app, err, why));
    if (row.revoked.ms != 0)
        return say(why, ERR_DENIED, NULL, "the certificate has been revoked");
    if (!renewing && (credential->expired || row.not_after.ms <= call->now.ms))
        return say(why, ERR_DENIED, NULL,
                   "the certificate has expired: only renewal is open to it");
    return ERR_OK;
}

enum err device_enter(struct app *app, const struct device_credential *credential, bool renewing,
                      struct utc now, struct device_call *call, struct why *why)
{
    int64_t tenant = TENANT_DEFAULT;
    enum err err;

    call->now = now;
    name_actor(credential->device, call->actor);
    err = store_tenant_find(app->db, credential->tenant, &tenant);
    if (err == ERR_OK)
        err = store_device_find(app->db, tenant, credential->device, &call->device);
    if (err == ERR_NOT_FOUND) {
        (void)say(why, ERR_UNTRUSTED, NULL, "no such device is registered");
        return refuse(app, call, tenant, credential, ERR_UNTRUSTED, why);
    }
    TRY(app_db_failed(app, err, why));
    err = check_status(call->device.status, why);
    if (err == ERR_OK)
        err = check_certificate(app, credential, renewing, call, why);
    return err == ERR_OK ? ERR_OK : refuse(app, call, tenant, credential, err, why);
}
