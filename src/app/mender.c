#include "app/mender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "app/pace.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/sha256.h"
#include "os/say.h"

#define NAME_DIGITS 16u /* hex digits of the identity's digest in the name we give a device */

struct entry {
    struct app *app;
    const struct mender_proof *proof;
    struct foreign_call *call;
    struct utc now;
    int64_t tenant;
    char external[FOREIGN_ID_SIZE_MAX + 1];
    char name[NAME_SIZE_MAX + 1];
};

void mender_external(struct span identity, char out[FOREIGN_ID_SIZE_MAX + 1])
{
    uint8_t sha256[DIGEST_SIZE];

    if (span_to_text(identity, out, FOREIGN_ID_SIZE_MAX + 1))
        return;
    sha256_of(identity, sha256);
    memcpy(out, "sha256:", sizeof "sha256:");
    hex_print((struct span){sha256, DIGEST_SIZE}, out + strlen("sha256:"));
}

static void make_name(struct entry *entry)
{
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    sha256_of(entry->proof->identity, sha256);
    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    (void)snprintf(entry->name, sizeof entry->name, "mender-%.*s", (int)NAME_DIGITS, hex);
}

static enum err find_tenant(struct entry *entry)
{
    enum err err = ERR_NOT_FOUND;

    if (entry->proof->tenant.size > 0)
        err = store_foreign_tenant(entry->app->db, entry->proof->tenant, &entry->tenant);
    if (err != ERR_NOT_FOUND)
        return err;
    entry->tenant = TENANT_DEFAULT;
    return ERR_OK;
}

static enum err register_device(struct entry *entry, enum device_status status, const char *person,
                                struct why *why)
{
    char actor[ACTOR_SIZE_MAX];
    struct foreign_order order = {.tenant = entry->tenant,
                                  .protocol = PROTOCOL_MENDER,
                                  .name = entry->name,
                                  .external = span_of(entry->external),
                                  .product = "",
                                  .hardware = "",
                                  .status = status,
                                  .actor = person ? person : actor};

    (void)snprintf(actor, sizeof actor, "device:%s", entry->name);
    return foreign_register(entry->app, &order, entry->now, entry->call, why);
}

static enum err find_device(struct entry *entry, struct why *why)
{
    struct foreign_call *call = entry->call;
    enum err err = store_foreign_find(entry->app->db, entry->tenant, PROTOCOL_MENDER,
                                      span_of(entry->external), &call->foreign);

    call->call.now = entry->now;
    if (err == ERR_NOT_FOUND)
        return register_device(entry, DEVICE_PENDING, NULL, why);
    if (err == ERR_OK)
        err = store_device_get(entry->app->db, entry->tenant, call->foreign.device,
                               &call->call.device);
    return app_db_failed(entry->app, err, why);
}

/* Whoever accepts a device accepts the key that it had shown then, if it was one. */
static enum err accept_with_device(struct entry *entry)
{
    struct foreign_credential_row *own = &entry->call->credential, *rows;
    const struct device_row *device = &entry->call->call.device;
    uint32_t count = 0, others = 0;
    enum err err;

    if (device->status != DEVICE_ACTIVE || own->status != DEVICE_PENDING ||
        own->created.ms > device->status_since.ms)
        return ERR_OK;
    rows = calloc(FOREIGN_CREDENTIALS_MAX, sizeof *rows);
    CHECK(rows);
    err = store_foreign_credential_list(entry->app->db, entry->tenant, device->id,
                                        FOREIGN_CREDENTIALS_MAX, rows, &count);
    for (uint32_t i = 0; i < count; i++)
        others += rows[i].id != own->id && (rows[i].status == DEVICE_ACTIVE ||
                                            rows[i].created.ms <= device->status_since.ms);
    free(rows);
    if (err != ERR_OK || others > 0)
        return err;
    own->status = DEVICE_ACTIVE;
    return store_foreign_credential_save(entry->app->db, own);
}

static enum err add_key(struct entry *entry, enum device_status status)
{
    struct foreign_credential_row *row = &entry->call->credential;

    *row = (struct foreign_credential_row){.tenant = entry->tenant,
                                           .device = entry->call->call.device.id,
                                           .kind = FOREIGN_KEY,
                                           .status = status,
                                           .key_size = entry->proof->key.size,
                                           .created = entry->now};
    sha256_of(entry->proof->key, row->sha256);
    memcpy(row->key, entry->proof->key.at, entry->proof->key.size);
    return store_foreign_credential_add(entry->app->db, row);
}

/* A key of its own that is new waits for an operator. */
static enum err find_key(struct entry *entry, struct why *why)
{
    struct foreign_credential_row *row = &entry->call->credential;
    int64_t device = entry->call->call.device.id;
    uint8_t sha256[DIGEST_SIZE];
    char text[160];
    enum err err;

    sha256_of(entry->proof->key, sha256);
    err = store_foreign_credential_find(entry->app->db, entry->tenant, device, FOREIGN_KEY, sha256,
                                        row);
    if (err == ERR_OK)
        err = accept_with_device(entry);
    if (err != ERR_NOT_FOUND)
        return app_db_failed(entry->app, err, why);
    if (entry->proof->key.size > sizeof row->key)
        return say(why, ERR_TOO_BIG, "pubkey", "the key is too long");
    err = add_key(entry, DEVICE_PENDING);
    if (err == ERR_TOO_BIG)
        return say(why, ERR_AGAIN, NULL, "too many keys of this device wait for an operator");
    TRY(app_db_failed(entry->app, err, why));
    (void)snprintf(text, sizeof text, "a key that nobody has accepted yet, from %s",
                   entry->proof->address ? entry->proof->address : "an unknown address");
    return app_audit(entry->app, entry->now,
                     &(struct deed){.tenant = entry->tenant,
                                    .actor = entry->call->call.actor,
                                    .action = "device.key-pending",
                                    .object = entry->call->call.actor,
                                    .detail = text});
}

/* Requests of this protocol carry nothing that is new each time, so whoever has recorded one can
 * send it again: the log says when a key begins to be used from elsewhere. */
static enum err note_session(struct entry *entry)
{
    const char *address = entry->proof->address ? entry->proof->address : "an unknown address";
    char text[96];

    if (!pace_moved(entry->app->proofs, (uint64_t)entry->call->credential.id, address))
        return ERR_OK;
    (void)snprintf(text, sizeof text, "from %s", address);
    return app_audit(entry->app, entry->now,
                     &(struct deed){.tenant = entry->tenant,
                                    .actor = entry->call->call.actor,
                                    .action = "device.session",
                                    .object = entry->call->call.actor,
                                    .detail = text});
}

static const char *refusal_of(enum device_status device, enum device_status key)
{
    if (device == DEVICE_PENDING)
        return "the device waits for an operator";
    if (device != DEVICE_ACTIVE)
        return "the device has been rejected or decommissioned";
    return key == DEVICE_PENDING ? "the key waits for an operator" : "the key has been rejected";
}

enum err mender_authenticate(struct app *app, const struct mender_proof *proof, struct utc now,
                             struct foreign_call *call, bool *accepted, struct why *why)
{
    struct entry entry = {.app = app, .proof = proof, .call = call, .now = now};
    enum device_status device, key;

    mender_external(proof->identity, entry.external);
    make_name(&entry);
    TRY(app_db_failed(app, find_tenant(&entry), why));
    TRY(find_device(&entry, why));
    (void)snprintf(call->call.actor, sizeof call->call.actor, "device:%s", call->call.device.name);
    TRY(find_key(&entry, why));
    if (!pace_take(app->proofs, (uint64_t)call->credential.id, now))
        return app_refuse(app, now,
                          &(struct deed){.tenant = entry.tenant,
                                         .actor = call->call.actor,
                                         .action = "device.session",
                                         .object = call->call.actor,
                                         .refused = true},
                          say(why, ERR_AGAIN, NULL, "this key asks for sessions too often"), why);
    device = call->call.device.status;
    key = call->credential.status;
    *accepted = device == DEVICE_ACTIVE && key == DEVICE_ACTIVE;
    if (!*accepted)
        return say(why, ERR_OK, NULL, "%s", refusal_of(device, key));
    return note_session(&entry);
}

enum err mender_preauthorize(struct app *app, const struct mender_invitation *invitation,
                             struct utc now, int64_t *device, struct why *why)
{
    struct mender_proof proof = {.identity = invitation->identity, .key = invitation->key};
    struct foreign_call *call = calloc(1, sizeof *call);
    struct entry entry = {.app = app, .proof = &proof, .call = call, .now = now};
    enum err err;

    CHECK(call && invitation->key.size <= FOREIGN_KEY_SIZE_MAX);
    entry.tenant = invitation->tenant;
    mender_external(proof.identity, entry.external);
    make_name(&entry);
    call->call.now = now;
    err = store_foreign_find(app->db, entry.tenant, PROTOCOL_MENDER, span_of(entry.external),
                             &call->foreign);
    if (err == ERR_OK)
        err = say(why, ERR_CONFLICT, NULL, "the device exists");
    else if (err == ERR_NOT_FOUND)
        err = register_device(&entry, DEVICE_ACTIVE, invitation->actor, why);
    if (err == ERR_OK)
        err = app_db_failed(app, add_key(&entry, DEVICE_ACTIVE), why);
    *device = call->call.device.id;
    free(call);
    return err;
}
