/* Letting devices in, and giving them new certificates.
 *
 *     name unknown   claim good, or key pre-authorised   -> active, certificate
 *                    neither                             -> pending, an operator decides
 *     name known     same key   active                   -> certificate again (the reply got lost)
 *                               pending, claim good      -> active, certificate
 *                               pending                  -> pending
 *                    other key  claim made for this name -> active with the new key
 *                               only pending; claim good, or the new key pre-authorised
 *                                                        -> active with the new key
 *                               otherwise                -> refused: the name belongs to a key
 *                    rejected or revoked                 -> refused
 */
#include <stdio.h>
#include <string.h>

#include "app/content.h"
#include "app/deeds.h"
#include "app/device.h"
#include "base/check.h"
#include "crypto/equal.h"
#include "crypto/sha256.h"
#include "os/say.h"
#include "store/account.h"
#include "store/claim.h"

struct entry {
    struct app *app;
    const struct native_enroll *enroll;
    struct device_call *call;
    int64_t tenant;
    uint8_t key_sha256[DIGEST_SIZE];
    bool known; /* call->device is the row of that name */
    bool has_claim;
    struct claim_row claim; /* good for this name */
    bool preauthorized;
};

static bool same_key(const struct entry *entry)
{
    return memcmp(entry->call->device.key_sha256, entry->key_sha256, DIGEST_SIZE) == 0;
}

/* ---- what the device brings along ---- */

/* Used up by the same device with the same key is no offence: its reply got lost. */
static bool used_by_itself(const struct entry *entry, const struct claim_row *claim)
{
    return claim->used.ms != 0 && span_is(entry->enroll->name, claim->used_by) && entry->known &&
           same_key(entry);
}

static enum err check_claim(struct entry *entry, const struct claim_row *claim, struct why *why)
{
    bool other_name =
        claim->device_name[0] != '\0' && !span_is(entry->enroll->name, claim->device_name);

    if (used_by_itself(entry, claim))
        return ERR_OK; /* and it may have expired meanwhile */
    if (claim->used.ms != 0)
        return say(why, ERR_DENIED, "claim", "the claim token has been used already");
    if (claim->expires.ms <= entry->call->now.ms)
        return say(why, ERR_DENIED, "claim", "the claim token has expired");
    if (other_name)
        return say(why, ERR_DENIED, "claim", "the claim token was made for another device");
    return ERR_OK;
}

static enum err read_claim(struct entry *entry, struct why *why)
{
    uint8_t sha256[DIGEST_SIZE];
    enum err err;

    if (entry->enroll->claim.size == 0)
        return ERR_OK;
    sha256_of(entry->enroll->claim, sha256);
    err = store_claim_find(entry->app->db, entry->tenant, sha256, &entry->claim);
    if (err == ERR_NOT_FOUND)
        return say(why, ERR_DENIED, "claim", "the claim token is not known");
    TRY(app_db_failed(entry->app, err, why));
    TRY(check_claim(entry, &entry->claim, why));
    entry->has_claim = true;
    return ERR_OK;
}

static enum err read_preauthorized(struct entry *entry, struct why *why)
{
    struct preauthorized_row row;
    enum err err =
        store_preauthorized_find(entry->app->db, entry->tenant, entry->enroll->name, &row);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(app_db_failed(entry->app, err, why));
    if (memcmp(row.key_sha256, entry->key_sha256, DIGEST_SIZE) != 0)
        return say(why, ERR_CONFLICT, "csr", "the name is pre-authorised for another key");
    entry->preauthorized = true;
    return ERR_OK;
}

/* Name, key, claim, list: everything but the decision. */
static enum err read_all(struct entry *entry, struct why *why)
{
    const struct app *app = entry->app;
    enum err err;

    if (!device_name_valid(entry->enroll->name))
        return say(why, ERR_INVALID, "name", "a device name is 1 to %u of A-Z a-z 0-9 . _ -",
                   NAME_SIZE_MAX);
    TRY(app->config.issuer.read(app->config.issuer.self, entry->enroll->csr, entry->key_sha256,
                                why));
    err = store_device_find(app->db, entry->tenant, entry->enroll->name, &entry->call->device);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return app_db_failed(entry->app, err, why);
    entry->known = err == ERR_OK;
    TRY(read_claim(entry, why));
    return read_preauthorized(entry, why);
}

/* ---- the decision ---- */

/* Who waits for an operator has proved nothing, and anybody can wait under any name: it must not
 * keep out the device that has been let in beforehand. */
static bool takes_over(const struct entry *entry)
{
    return entry->call->device.status == DEVICE_PENDING &&
           (entry->has_claim || entry->preauthorized);
}

static enum err decide_known(const struct entry *entry, bool *pending, struct why *why)
{
    const struct device_row *device = &entry->call->device;
    bool for_this_name = entry->has_claim && entry->claim.device_name[0] != '\0';

    if (device->status == DEVICE_REJECTED)
        return say(why, ERR_DENIED, NULL, "the device has been rejected by an operator");
    if (device->status == DEVICE_REVOKED)
        return say(why, ERR_DENIED, NULL, "the device has been revoked by an operator");
    if (!same_key(entry) && !for_this_name && !takes_over(entry))
        return say(why, ERR_CONFLICT, "name", "the name belongs to a device with another key");
    *pending = device->status == DEVICE_PENDING && !entry->has_claim && !entry->preauthorized;
    return ERR_OK;
}

static enum err decide_new(const struct entry *entry, bool *pending, struct why *why)
{
    int64_t counts[DEVICE_STATUS_COUNT];

    *pending = !entry->has_claim && !entry->preauthorized;
    if (!*pending)
        return ERR_OK;
    TRY(app_db_failed(entry->app, store_device_count(entry->app->db, entry->tenant, counts), why));
    if (counts[DEVICE_PENDING] >= PENDING_DEVICES_MAX)
        return say(why, ERR_AGAIN, NULL, "%u devices wait for an operator already",
                   PENDING_DEVICES_MAX);
    return ERR_OK;
}

/* ---- carrying it out ---- */

static enum err audit(struct entry *entry, const char *action, const char *detail)
{
    const struct deed deed = {.tenant = entry->tenant,
                              .actor = entry->call->actor,
                              .action = action,
                              .object = entry->call->actor,
                              .detail = detail};

    return app_audit(entry->app, entry->call->now, &deed);
}

static enum err keep_attributes(struct entry *entry)
{
    const struct native_attributes *in = &entry->enroll->attributes;
    struct attribute out[ATTRIBUTES_MAX];

    CHECK(in->count <= ATTRIBUTES_MAX);
    for (uint32_t i = 0; i < in->count; i++) {
        if (!span_to_text(in->list[i].name, out[i].name, sizeof out[i].name) ||
            !span_to_text(in->list[i].value, out[i].value, sizeof out[i].value))
            return ERR_CORRUPT;
    }
    return store_attributes_set(entry->app->db, entry->tenant, entry->call->device.id, out,
                                in->count);
}

static enum err keep_device(struct entry *entry, bool pending)
{
    struct device_row *device = &entry->call->device;
    enum device_status status = pending ? DEVICE_PENDING : DEVICE_ACTIVE;
    bool another = !entry->known || !same_key(entry); /* what was known says nothing of it */

    if (!entry->known) {
        *device = (struct device_row){.tenant = entry->tenant, .created = entry->call->now};
        CHECK(span_to_text(entry->enroll->name, device->name, sizeof device->name));
    }
    if (!entry->known || device->status != status)
        device->status_since = entry->call->now;
    device->status = status;
    memcpy(device->key_sha256, entry->key_sha256, DIGEST_SIZE);
    TRY(entry->known ? store_device_save(entry->app->db, device)
                     : store_device_add(entry->app->db, device));
    app_touch(entry->app, device->tenant, device->id);
    return entry->enroll->attributes.count > 0 || another ? keep_attributes(entry) : ERR_OK;
}

static enum err use_up(struct entry *entry)
{
    struct db *db = entry->app->db;

    if (entry->has_claim && entry->claim.used.ms == 0)
        TRY(store_claim_use(db, entry->tenant, entry->claim.id, entry->enroll->name,
                            entry->call->now));
    if (entry->preauthorized)
        TRY(store_preauthorized_remove(db, entry->tenant, entry->enroll->name));
    return ERR_OK;
}

/* A device that is given one after the other, and never keeps any, would fill disk and audit. */
static enum err check_rate(struct app *app, const struct device_call *call, struct why *why)
{
    const struct device_row *device = &call->device;
    const struct utc since = {call->now.ms - INT64_C(1000) * CERTIFICATE_RETRY_S};
    uint32_t count;

    TRY(app_db_failed(
        app, store_certificates_issued(app->db, device->tenant, device->id, since, &count), why));
    if (count < CERTIFICATES_PER_HOUR)
        return ERR_OK;
    return say(why, ERR_AGAIN, NULL, "the device has been given %u certificates within an hour",
               count);
}

static enum err certify(struct app *app, struct device_call *call, struct span csr, struct why *why)
{
    const struct device_row *device = &call->device;
    struct certificate_row row = {.tenant = device->tenant, .device = device->id};
    char tenant[NAME_SIZE_MAX + 1];

    TRY(check_rate(app, call, why));
    TRY(app_db_failed(app, store_tenant_name(app->db, device->tenant, tenant), why));
    TRY(app->config.issuer.issue(app->config.issuer.self, csr, tenant, device->name, call->now,
                                 &call->certificate, why));
    memcpy(row.fingerprint, call->certificate.fingerprint, DIGEST_SIZE);
    row.issued = call->now;
    row.not_after = call->certificate.not_after;
    app_touch(app, device->tenant, device->id);
    TRY(app_db_failed(app, store_certificate_add(app->db, &row), why));
    return app_db_failed(
        app, store_certificates_keep(app->db, device->tenant, device->id, CERTIFICATES_KEPT), why);
}

static enum err let_in(struct entry *entry, struct why *why)
{
    bool other_key = entry->known && !same_key(entry);
    const char *by = entry->has_claim       ? "with a claim token"
                     : entry->preauthorized ? "as pre-authorised"
                                            : "again, as known";

    if (other_key)
        TRY(app_db_failed(entry->app,
                          store_certificates_revoke(entry->app->db, entry->tenant,
                                                    entry->call->device.id, entry->call->now),
                          why));
    TRY(app_db_failed(entry->app, keep_device(entry, false), why));
    TRY(app_db_failed(entry->app, use_up(entry), why));
    if (other_key)
        TRY(app_db_failed(entry->app, content_forget_sealing_key(entry->app, &entry->call->device),
                          why));
    TRY(content_take_sealing_key(entry->app, entry->call, entry->enroll->sealing_key, why));
    TRY(certify(entry->app, entry->call, entry->enroll->csr, why));
    return app_db_failed(entry->app, audit(entry, "device.enroll", by), why);
}

/* A device that asks again while it waits changes nothing, and is not audited again. */
static enum err make_wait(struct entry *entry, struct why *why)
{
    bool news = !entry->known;

    if (!news)
        return ERR_OK;
    TRY(app_db_failed(entry->app, keep_device(entry, true), why));
    return app_db_failed(entry->app,
                         audit(entry, "device.enroll", "waits for an operator to accept it"), why);
}

static enum err enroll_checked(struct entry *entry, bool *pending, struct why *why)
{
    TRY(read_all(entry, why));
    TRY(entry->known ? decide_known(entry, pending, why) : decide_new(entry, pending, why));
    return *pending ? make_wait(entry, why) : let_in(entry, why);
}

static enum err refuse(struct entry *entry, const struct device_credential *credential,
                       enum err err, struct why *why)
{
    const struct deed deed = {.tenant = entry->tenant,
                              .actor = entry->call->actor,
                              .action = "device.enroll",
                              .object = credential->address,
                              .stranger = true};

    return app_refuse(entry->app, entry->call->now, &deed, err, why);
}

/* Whose device it will be: its certificate's tenant, or else that of whoever made its claim. */
static enum err find_tenant(struct app *app, const struct device_credential *credential,
                            struct span claim, int64_t *out)
{
    uint8_t sha256[DIGEST_SIZE];
    enum err err;

    if (credential->tenant.size > 0)
        return store_tenant_find(app->db, credential->tenant, out);
    *out = TENANT_DEFAULT;
    if (claim.size == 0)
        return ERR_OK;
    sha256_of(claim, sha256);
    err = store_claim_tenant(app->db, sha256, out);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err device_enroll(struct app *app, const struct device_credential *credential,
                       const struct native_enroll *enroll, struct utc now, struct device_call *call,
                       bool *pending, struct why *why)
{
    struct entry entry = {.app = app, .enroll = enroll, .call = call};
    int size = (int)(enroll->name.size < NAME_SIZE_MAX ? enroll->name.size : NAME_SIZE_MAX);
    enum err err;

    CHECK(app->config.issuer.read && app->config.issuer.issue);
    call->now = now;
    CHECK(snprintf(call->actor, sizeof call->actor, "device:%.*s", size,
                   (const char *)enroll->name.at) >= 0);
    err = find_tenant(app, credential, enroll->claim, &entry.tenant);
    if (err == ERR_NOT_FOUND)
        return say(why, ERR_NOT_FOUND, "tenant", "there is no such tenant");
    TRY(app_db_failed(app, err, why));
    err = enroll_checked(&entry, pending, why);
    return err == ERR_OK ? ERR_OK : refuse(&entry, credential, err, why);
}

enum err device_renew(struct app *app, struct device_call *call, const struct native_renew *renew,
                      struct why *why)
{
    const struct deed deed = {.tenant = call->device.tenant,
                              .actor = call->actor,
                              .action = "device.renew",
                              .object = call->actor};
    uint8_t key_sha256[DIGEST_SIZE];
    enum err err;

    err = app->config.issuer.read(app->config.issuer.self, renew->csr, key_sha256, why);
    if (err != ERR_OK)
        return app_refuse(app, call->now, &deed, err, why);
    memcpy(call->device.key_sha256, key_sha256, DIGEST_SIZE);
    TRY(app_db_failed(app, store_device_save(app->db, &call->device), why));
    TRY(app_db_failed(
        app,
        store_device_want(app->db, call->device.tenant, call->device.id, 0, DEVICE_WANTS_RENEWAL),
        why));
    err = content_take_sealing_key(app, call, renew->sealing_key, why);
    if (err != ERR_OK)
        return app_refuse(app, call->now, &deed, err, why);
    err = certify(app, call, renew->csr, why);
    if (err != ERR_OK)
        return app_refuse(app, call->now, &deed, err, why);
    return app_db_failed(app, app_audit(app, call->now, &deed), why);
}
