/* Who may speak for a foreign device: tokens, gateways, keys; and how one is registered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "app/facts.h"
#include "app/foreign.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "os/entropy.h"
#include "os/say.h"

#define TOKEN_BITS_SIZE  16u  /* bytes: 32 hex digits, as hawkBit draws them */
#define CHOSEN_SIZE_MIN  16u  /* characters; shorter ones could be guessed */
#define CHOSEN_SIZE_MAX  128u /* characters, as in hawkBit */
#define NAME_DIGEST_SIZE 4u   /* bytes of digest in a name that had to be changed */

/* ---- secrets ---- */

static void hash(struct span secret, uint8_t out[DIGEST_SIZE])
{
    digest_of(DIGEST_SHA256, secret, out);
}

/* `secret` gets the text to show; of one that was brought, "". */
static enum err make_secret(struct span chosen, char secret[FOREIGN_SECRET_SIZE],
                            uint8_t sha256[DIGEST_SIZE], struct why *why)
{
    uint8_t bits[TOKEN_BITS_SIZE];

    secret[0] = '\0';
    if (chosen.size > 0) {
        if (chosen.size < CHOSEN_SIZE_MIN || chosen.size > CHOSEN_SIZE_MAX)
            return say(why, ERR_INVALID, "token", "must have %u to %u characters", CHOSEN_SIZE_MIN,
                       CHOSEN_SIZE_MAX);
        hash(chosen, sha256);
        return ERR_OK;
    }
    entropy_fill(bits, sizeof bits);
    hex_print((struct span){bits, sizeof bits}, secret);
    hash(span_of(secret), sha256);
    return ERR_OK;
}

CHECK_STATIC(FOREIGN_SECRET_SIZE == 2 * TOKEN_BITS_SIZE + 1);

/* ---- registration ---- */

/* A name of ours for one of theirs: itself when it may be, else cut, with a piece of its digest so
 * that two never meet. */
static void make_name(struct span external, char out[NAME_SIZE_MAX + 1])
{
    char digits[2 * NAME_DIGEST_SIZE + 1];
    uint8_t sha256[DIGEST_SIZE];
    size_t room = NAME_SIZE_MAX - sizeof digits, size;

    if (device_name_valid(external)) {
        memcpy(out, external.at, external.size);
        out[external.size] = '\0';
        return;
    }
    hash(external, sha256);
    hex_print((struct span){sha256, NAME_DIGEST_SIZE}, digits);
    size = external.size < room ? external.size : room;
    for (size_t i = 0; i < size; i++) {
        const struct span one = {external.at + i, 1};

        out[i] = device_name_valid(one) || (one.at[0] == '.' && i > 0) ? (char)one.at[0] : '-';
    }
    CHECK(snprintf(out + size, NAME_SIZE_MAX + 1 - size, "-%s", digits) > 0);
}

static enum err check_order(const struct foreign_order *order, struct span external,
                            struct why *why)
{
    if (order->protocol == PROTOCOL_NATIVE)
        return say(why, ERR_INVALID, "protocol", "our own agents enrol with a certificate");
    if (order->name[0] != '\0' && !device_name_valid(span_of(order->name)))
        return say(why, ERR_INVALID, "name", "must be 1..%u characters of A-Za-z0-9._-",
                   NAME_SIZE_MAX);
    if (external.size == 0 || external.size > FOREIGN_ID_SIZE_MAX)
        return say(why, ERR_INVALID, "external", "must have 1 to %u bytes", FOREIGN_ID_SIZE_MAX);
    for (size_t i = 0; i < external.size; i++) {
        if (external.at[i] <= ' ' || external.at[i] == 0x7f)
            return say(why, ERR_INVALID, "external", "has a blank or a control character");
    }
    return ERR_OK;
}

static enum err check_room(struct app *app, const struct foreign_order *order, struct why *why)
{
    int64_t counts[DEVICE_STATUS_COUNT];

    if (order->status != DEVICE_PENDING)
        return ERR_OK;
    TRY(app_db_failed(app, store_device_count(app->db, order->tenant, counts), why));
    if (counts[DEVICE_PENDING] < PENDING_DEVICES_MAX)
        return ERR_OK;
    return say(why, ERR_AGAIN, NULL, "%u devices wait to be accepted", PENDING_DEVICES_MAX);
}

static enum err say_attributes(struct app *app, const struct foreign_order *order, int64_t device)
{
    struct attribute list[2] = {0};
    uint32_t count = 0;

    if (order->product && order->product[0] != '\0') {
        (void)snprintf(list[count].name, sizeof list[count].name, ATTRIBUTE_PRODUCT);
        (void)snprintf(list[count].value, sizeof list[count].value, "%s", order->product);
        count++;
    }
    if (order->hardware && order->hardware[0] != '\0') {
        (void)snprintf(list[count].name, sizeof list[count].name, ATTRIBUTE_HARDWARE);
        (void)snprintf(list[count].value, sizeof list[count].value, "%s", order->hardware);
        count++;
    }
    return store_attributes_set(app->db, order->tenant, device, list, count);
}

static enum err audit_device(struct app *app, const struct device_row *device, const char *actor,
                             const char *action, const char *detail, struct utc now)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = device->tenant,
                              .actor = actor,
                              .action = action,
                              .object = object,
                              .detail = detail};

    CHECK(snprintf(object, sizeof object, "device:%s", device->name) > 0);
    return app_audit(app, now, &deed);
}

static enum err insert(struct app *app, const struct foreign_order *order, struct span external,
                       struct utc now, struct foreign_call *call)
{
    struct device_row row = {.tenant = order->tenant,
                             .status = order->status,
                             .protocol = order->protocol,
                             .created = now,
                             .status_since = now};
    struct foreign_row foreign = {
        .tenant = order->tenant, .protocol = order->protocol, .wants_attributes = true};

    if (order->name[0] != '\0')
        (void)snprintf(row.name, sizeof row.name, "%s", order->name);
    else
        make_name(external, row.name);
    CHECK(span_to_text(external, foreign.external, sizeof foreign.external));
    TRY(store_device_add(app->db, &row));
    foreign.device = row.id;
    TRY(store_foreign_add(app->db, &foreign));
    TRY(say_attributes(app, order, row.id));
    TRY(audit_device(app, &row, order->actor, "device.register", protocol_name(order->protocol),
                     now));
    app_touch(app, row.tenant, row.id);
    call->foreign = foreign;
    call->credential = (struct foreign_credential_row){.id = 0};
    call->fresh = true;
    return store_device_get(app->db, row.tenant, row.id, &call->call.device);
}

static void begin_call(struct foreign_call *call, const char *name, struct utc now)
{
    call->call.now = now;
    CHECK(snprintf(call->call.actor, sizeof call->call.actor, "device:%s", name) > 0);
}

enum err foreign_register(struct app *app, const struct foreign_order *order, struct utc now,
                          struct foreign_call *call, struct why *why)
{
    struct span external = order->external.size > 0 ? order->external : span_of(order->name);
    enum err err;

    TRY(check_order(order, external, why));
    TRY(check_room(app, order, why));
    err = insert(app, order, external, now, call);
    if (err == ERR_CONFLICT)
        return say(why, err, "name", "a device of that name is registered already");
    TRY(app_db_failed(app, err, why));
    begin_call(call, call->call.device.name, now);
    return ERR_OK;
}

/* ---- the door ---- */

static enum err stranger(struct why *why)
{
    return say(why, ERR_UNTRUSTED, NULL, "no such device, or it has not shown its secret");
}

static enum err find_tenant(struct app *app, struct span name, int64_t *tenant)
{
    *tenant = TENANT_DEFAULT;
    return name.size == 0 ? ERR_OK : store_foreign_tenant(app->db, name, tenant);
}

static enum err load_device(struct app *app, struct foreign_call *call)
{
    return store_device_get(app->db, call->foreign.tenant, call->foreign.device,
                            &call->call.device);
}

static enum err by_token(struct app *app, const struct foreign_credential *shown, int64_t tenant,
                         struct foreign_call *call)
{
    uint8_t sha256[DIGEST_SIZE];

    hash(shown->secret, sha256);
    TRY(store_foreign_find(app->db, tenant, shown->protocol, shown->device, &call->foreign));
    TRY(store_foreign_credential_find(app->db, tenant, call->foreign.device, FOREIGN_TOKEN, sha256,
                                      &call->credential));
    return load_device(app, call);
}

static enum err by_session(struct app *app, const struct foreign_credential *shown, int64_t tenant,
                           struct foreign_call *call)
{
    TRY(store_foreign_credential_get(app->db, tenant, shown->id, &call->credential));
    TRY(store_foreign_get(app->db, tenant, call->credential.device, &call->foreign));
    if (call->foreign.protocol != shown->protocol)
        return ERR_NOT_FOUND;
    return load_device(app, call);
}

static enum err welcome(struct app *app, const struct foreign_credential *shown, int64_t tenant,
                        const char *actor, struct utc now, struct foreign_call *call,
                        struct why *why)
{
    const struct foreign_order order = {.tenant = tenant,
                                        .protocol = shown->protocol,
                                        .name = "",
                                        .external = shown->device,
                                        .status = DEVICE_ACTIVE,
                                        .actor = actor};

    return foreign_register(app, &order, now, call, why);
}

static enum err find_or_welcome(struct app *app, const struct foreign_credential *shown,
                                int64_t tenant, const char *actor, struct utc now,
                                struct foreign_call *call, struct why *why)
{
    enum err err =
        store_foreign_find(app->db, tenant, shown->protocol, shown->device, &call->foreign);

    if (err == ERR_NOT_FOUND)
        return welcome(app, shown, tenant, actor, now, call, why);
    TRY(err);
    return load_device(app, call);
}

/* Also a device that has just been registered must be one that the selector names. */
static enum err check_scope(struct app *app, const struct foreign_gateway_row *gateway,
                            const struct device_row *device, struct why *why)
{
    struct selector *selector = malloc(sizeof *selector);
    struct device_facts *facts = malloc(sizeof *facts);
    bool within = gateway->selector[0] == '\0';
    enum err err = ERR_OK;

    CHECK(selector && facts);
    if (!within)
        err = store_device_facts(app->db, device->tenant, device->id, facts);
    if (!within && err == ERR_OK &&
        selector_parse(span_of(gateway->selector), selector, NULL, NULL) == ERR_OK)
        within = facts_match(selector, facts);
    free(selector);
    free(facts);
    TRY(err);
    if (within)
        return ERR_OK;
    return say(why, ERR_DENIED, NULL, "gateway token %s may not speak for this device",
               gateway->name);
}

static enum err by_gateway(struct app *app, const struct foreign_credential *shown, int64_t tenant,
                           struct utc now, struct foreign_call *call, struct why *why)
{
    struct foreign_gateway_row gateway;
    uint8_t sha256[DIGEST_SIZE];
    char actor[ACTOR_SIZE_MAX];

    hash(shown->secret, sha256);
    TRY(store_foreign_gateway_find(app->db, tenant, shown->protocol, sha256, &gateway));
    CHECK(snprintf(actor, sizeof actor, "gateway:%s", gateway.name) > 0);
    TRY(find_or_welcome(app, shown, tenant, actor, now, call, why));
    return check_scope(app, &gateway, &call->call.device, why);
}

static enum err check_credential(struct app *app, const struct foreign_credential *shown,
                                 int64_t tenant, struct utc now, struct foreign_call *call,
                                 struct why *why)
{
    switch (shown->proof) {
    case FOREIGN_BY_TOKEN:
        return by_token(app, shown, tenant, call);
    case FOREIGN_BY_GATEWAY:
        return by_gateway(app, shown, tenant, now, call, why);
    case FOREIGN_BY_SESSION:
        return by_session(app, shown, tenant, call);
    case FOREIGN_BY_PROXY:
        break;
    }
    return find_or_welcome(app, shown, tenant, "proxy", now, call, why);
}

static enum err check_standing(const struct foreign_call *call, struct why *why)
{
    enum device_status status = call->call.device.status;

    if (status != DEVICE_ACTIVE)
        return say(why, ERR_DENIED, NULL, "the device is %s", device_status_name(status));
    status = call->credential.status;
    if (call->credential.id != 0 && status != DEVICE_ACTIVE)
        return say(why, ERR_DENIED, NULL, "what the device shows is %s",
                   device_status_name(status));
    return ERR_OK;
}

static enum err turn_away(struct app *app, const struct foreign_credential *shown, int64_t tenant,
                          const struct foreign_call *call, enum err err, const struct why *why)
{
    const struct deed deed = {.tenant = tenant,
                              .actor = call->call.actor,
                              .action = "device.enter",
                              .object = shown->address,
                              .refused = true,
                              .stranger = err == ERR_UNTRUSTED};

    return app_refuse(app, call->call.now, &deed, err, why);
}

/* "device:NAME" for the audit, before it is known who it is. */
static void name_stranger(const struct foreign_credential *shown, struct utc now,
                          struct foreign_call *call)
{
    char name[NAME_SIZE_MAX + 1] = "unknown";

    if (shown->device.size > 0)
        make_name(shown->device, name);
    begin_call(call, name, now);
}

enum err foreign_enter(struct app *app, const struct foreign_credential *shown, struct utc now,
                       struct foreign_call *call, struct why *why)
{
    int64_t tenant;
    enum err err;

    CHECK(shown->protocol != PROTOCOL_NATIVE);
    *call = (struct foreign_call){.fresh = false};
    name_stranger(shown, now, call);
    err = find_tenant(app, shown->tenant, &tenant);
    if (err == ERR_NOT_FOUND)
        tenant = TENANT_DEFAULT; /* whose audit log has it */
    else if (err == ERR_OK)
        err = check_credential(app, shown, tenant, now, call, why);
    if (err == ERR_NOT_FOUND)
        return turn_away(app, shown, tenant, call, stranger(why), why);
    if (err == ERR_DENIED)
        return turn_away(app, shown, tenant, call, err, why);
    if (err == ERR_INVALID || err == ERR_AGAIN || err == ERR_CONFLICT)
        return err; /* registration has said why */
    TRY(app_db_failed(app, err, why));
    begin_call(call, call->call.device.name, now);
    err = check_standing(call, why);
    return err == ERR_OK ? ERR_OK : turn_away(app, shown, tenant, call, err, why);
}

/* ---- target tokens ---- */

static enum err find_foreign(struct app *app, int64_t tenant, struct span name,
                             struct device_row *device, struct why *why)
{
    enum err err = store_device_find(app->db, tenant, name, device);

    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "there is no device %.*s", (int)name.size,
                   (const char *)name.at);
    TRY(app_db_failed(app, err, why));
    if (device->protocol == PROTOCOL_HAWKBIT)
        return ERR_OK;
    return say(why, ERR_INVALID, NULL, "%s speaks %s and has no token", device->name,
               protocol_name(device->protocol));
}

static enum err drop_tokens(struct app *app, const struct device_row *device)
{
    struct foreign_credential_row *list = calloc(FOREIGN_CREDENTIALS_MAX, sizeof *list);
    uint32_t count = 0;
    enum err err;

    CHECK(list);
    err = store_foreign_credential_list(app->db, device->tenant, device->id,
                                        FOREIGN_CREDENTIALS_MAX, list, &count);
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (list[i].kind == FOREIGN_TOKEN)
            err = store_foreign_credential_remove(app->db, device->tenant, list[i].id);
    }
    free(list);
    return err;
}

enum err foreign_token(struct app *app, int64_t tenant, struct span name, struct span chosen,
                       const char *actor, struct utc now, char secret[FOREIGN_SECRET_SIZE],
                       struct why *why)
{
    struct foreign_credential_row row = {
        .tenant = tenant, .kind = FOREIGN_TOKEN, .status = DEVICE_ACTIVE, .created = now};
    char made[FOREIGN_SECRET_SIZE];
    struct device_row device;

    TRY(find_foreign(app, tenant, name, &device, why));
    TRY(make_secret(chosen, made, row.sha256, why));
    row.device = device.id;
    TRY(app_db_failed(app, drop_tokens(app, &device), why));
    TRY(app_db_failed(app, store_foreign_credential_add(app->db, &row), why));
    TRY(app_db_failed(app, audit_device(app, &device, actor, "device.token", NULL, now), why));
    memcpy(secret, made, sizeof made);
    return ERR_OK;
}

/* ---- gateway tokens ---- */

static enum err check_gateway(const struct foreign_gateway_row *row, struct why *why)
{
    struct selector *selector;
    enum err err = ERR_OK;

    if (row->protocol != PROTOCOL_HAWKBIT)
        return say(why, ERR_INVALID, "protocol", "only hawkbit has gateway tokens");
    if (!device_name_valid(span_of(row->name)))
        return say(why, ERR_INVALID, "name", "must be 1..%u characters of A-Za-z0-9._-",
                   NAME_SIZE_MAX);
    if (row->selector[0] == '\0')
        return ERR_OK;
    selector = malloc(sizeof *selector);
    CHECK(selector);
    err = selector_parse(span_of(row->selector), selector, NULL, why);
    free(selector);
    return err;
}

static enum err audit_gateway(struct app *app, int64_t tenant, int64_t id, const char *actor,
                              const char *action, const char *detail, struct utc now)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {
        .tenant = tenant, .actor = actor, .action = action, .object = object, .detail = detail};

    CHECK(snprintf(object, sizeof object, "gateway:%lld", (long long)id) > 0);
    return app_audit(app, now, &deed);
}

enum err foreign_gateway_add(struct app *app, struct foreign_gateway_row *row, struct span chosen,
                             const char *actor, struct utc now, char secret[FOREIGN_SECRET_SIZE],
                             struct why *why)
{
    char made[FOREIGN_SECRET_SIZE], detail[AUDIT_TEXT_MAX];
    enum err err;

    TRY(check_gateway(row, why));
    TRY(make_secret(chosen, made, row->sha256, why));
    row->created = now;
    err = store_foreign_gateway_add(app->db, row);
    if (err == ERR_CONFLICT)
        return say(why, err, "name", "a gateway token of that name, or that token, exists");
    if (err == ERR_TOO_BIG)
        return say(why, err, NULL, "a tenant has at most %u gateway tokens", FOREIGN_GATEWAYS_MAX);
    TRY(app_db_failed(app, err, why));
    (void)snprintf(detail, sizeof detail, "%s, for %.200s", row->name,
                   row->selector[0] != '\0' ? row->selector : "all");
    TRY(app_db_failed(
        app, audit_gateway(app, row->tenant, row->id, actor, "gateway.create", detail, now), why));
    memcpy(secret, made, sizeof made);
    return ERR_OK;
}

enum err foreign_gateway_remove(struct app *app, int64_t tenant, int64_t id, const char *actor,
                                struct utc now, struct why *why)
{
    enum err err = store_foreign_gateway_remove(app->db, tenant, id);

    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "there is no gateway token %lld", (long long)id);
    TRY(app_db_failed(app, err, why));
    return app_db_failed(app, audit_gateway(app, tenant, id, actor, "gateway.delete", NULL, now),
                         why);
}

/* ---- keys ---- */

/* The one that was accepted before is worth nothing from now on. */
static enum err reject_others(struct app *app, const struct foreign_credential_row *accepted)
{
    struct foreign_credential_row *list = calloc(FOREIGN_CREDENTIALS_MAX, sizeof *list);
    uint32_t count = 0;
    enum err err;

    CHECK(list);
    err = store_foreign_credential_list(app->db, accepted->tenant, accepted->device,
                                        FOREIGN_CREDENTIALS_MAX, list, &count);
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (list[i].id == accepted->id || list[i].status != DEVICE_ACTIVE)
            continue;
        list[i].status = DEVICE_REJECTED;
        err = store_foreign_credential_save(app->db, &list[i]);
    }
    free(list);
    return err;
}

static enum err set_status(struct app *app, struct device_row *device, enum device_status status,
                           struct utc now)
{
    if (device->status == status)
        return ERR_OK;
    device->status = status;
    device->status_since = now;
    app_touch(app, device->tenant, device->id);
    return store_device_save(app->db, device);
}

static enum err judge(struct app *app, struct foreign_credential_row *row, bool accept,
                      struct device_row *device, struct utc now)
{
    bool was_accepted = row->status == DEVICE_ACTIVE;

    TRY(store_device_get(app->db, row->tenant, row->device, device));
    row->status = accept ? DEVICE_ACTIVE : DEVICE_REJECTED;
    TRY(store_foreign_credential_save(app->db, row));
    if (accept)
        TRY(reject_others(app, row));
    if (accept)
        return set_status(app, device, DEVICE_ACTIVE, now);
    if (was_accepted || device->status == DEVICE_PENDING)
        return set_status(app, device, DEVICE_REJECTED, now);
    return ERR_OK;
}

enum err foreign_key_judge(struct app *app, int64_t tenant, int64_t credential, bool accept,
                           const char *actor, struct utc now, struct why *why)
{
    struct foreign_credential_row row;
    struct device_row device;
    char detail[AUDIT_TEXT_MAX];
    enum err err = store_foreign_credential_get(app->db, tenant, credential, &row);

    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "there is no key %lld", (long long)credential);
    if (err == ERR_OK && row.kind != FOREIGN_KEY)
        return say(why, ERR_INVALID, NULL, "a token is not accepted, but made anew");
    if (err == ERR_OK)
        err = judge(app, &row, accept, &device, now);
    TRY(app_db_failed(app, err, why));
    (void)snprintf(detail, sizeof detail, "key %lld", (long long)credential);
    return app_db_failed(
        app,
        audit_device(app, &device, actor, accept ? "device.accept" : "device.reject", detail, now),
        why);
}
