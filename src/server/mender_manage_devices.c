/* Devices in Mender's management API: authentication sets, standing, inventory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/mender.h"
#include "base/check.h"
#include "crypto/public_key.h"
#include "crypto/sha256.h"
#include "os/say.h"
#include "server/mender_manage_inside.h"
#include "store/foreign.h"
#include "wire/mender_host.h"

/* ---- One device as JSON ---- */

static const char *status_name(enum device_status status)
{
    switch (status) {
    case DEVICE_PENDING:
        return "pending";
    case DEVICE_ACTIVE:
        return "accepted";
    case DEVICE_REJECTED:
    case DEVICE_REVOKED:
    case DEVICE_STATUS_COUNT:
    default:
        return "rejected";
    }
}

/* Long identities are kept as a digest only. */
static json_t *identity_of(const struct foreign_row *foreign)
{
    json_t *identity = json_loads(foreign->external, 0, NULL);

    if (json_is_object(identity))
        return identity;
    json_decref(identity);
    return json_pack("{s:s}", "digest", foreign->external);
}

static json_t *key_of(const struct foreign_row *foreign, const struct foreign_credential_row *row)
{
    char id[MENDER_UUID_SIZE], pem[PUBLIC_KEY_PEM_SIZE_MAX];
    struct buf buf = buf_over(pem, sizeof pem - 1);
    struct public_key *key;

    mender_uuid(MENDER_OF_KEY, (uint64_t)row->id, id);
    if (public_key_from_any_der((struct span){row->key, row->key_size}, &key, NULL) == ERR_OK) {
        public_key_pem(key, &buf);
        public_key_close(key);
    }
    return json_pack("{s:s, s:o, s:s, s:o, s:s}", "id", id, "identity_data", identity_of(foreign),
                     "pubkey", buf_finish_text(&buf), "ts", manage_time(row->created), "status",
                     status_name(row->status));
}

static enum err keys_of(struct manage *manage, const struct foreign_row *foreign, json_t *out)
{
    struct foreign_credential_row *rows = calloc(FOREIGN_CREDENTIALS_MAX, sizeof *rows);
    uint32_t count = 0;
    enum err err;

    CHECK(rows);
    err = store_foreign_credential_list(manage->app->db, manage->tenant, foreign->device,
                                        FOREIGN_CREDENTIALS_MAX, rows, &count);
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (rows[i].kind == FOREIGN_KEY)
            CHECK(json_array_append_new(out, key_of(foreign, &rows[i])) == 0);
    }
    free(rows);
    return err;
}

static enum err auth_device(struct manage *manage, const struct device_facts *facts, json_t **out)
{
    const struct device_row *row = &facts->row;
    struct foreign_row foreign;
    char id[MENDER_UUID_SIZE];
    json_t *keys;
    enum err err;

    TRY(store_foreign_get(manage->app->db, manage->tenant, row->id, &foreign));
    keys = json_array();
    err = keys_of(manage, &foreign, keys);
    mender_uuid(MENDER_OF_DEVICE, (uint64_t)row->id, id);
    *out = json_pack("{s:s, s:o, s:s, s:o, s:o, s:b, s:o, s:o}", "id", id, "identity_data",
                     identity_of(&foreign), "status", status_name(row->status), "created_ts",
                     manage_time(row->created), "updated_ts", manage_time(row->status_since),
                     "decommissioning", row->status == DEVICE_REVOKED, "check_in_time",
                     manage_time(row->last_seen), "auth_sets", keys);
    CHECK(*out);
    if (err != ERR_OK)
        json_decref(*out);
    return err;
}

static void add_attribute(json_t *list, const char *scope, const char *name, json_t *value)
{
    CHECK(json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "name", name, "value", value,
                                                "scope", scope)) == 0);
}

/* Mender's scopes: what the device says, what it is, and what we know of it. */
static enum err inventory_device(struct manage *manage, const struct device_facts *facts,
                                 json_t **out)
{
    const struct device_row *row = &facts->row;
    json_t *attributes = json_array(), *identity, *value;
    struct foreign_row foreign;
    char id[MENDER_UUID_SIZE];
    const char *key;

    CHECK(attributes);
    if (store_foreign_get(manage->app->db, manage->tenant, row->id, &foreign) == ERR_OK) {
        identity = identity_of(&foreign);
        json_object_foreach(identity, key, value)
            add_attribute(attributes, "identity", key, json_incref(value));
        json_decref(identity);
    }
    add_attribute(attributes, "identity", "status", json_string(status_name(row->status)));
    for (uint32_t i = 0; i < facts->attribute_count; i++)
        add_attribute(attributes, "inventory", facts->attributes[i].name,
                      json_string(facts->attributes[i].value));
    add_attribute(attributes, "system", "created_ts", manage_time(row->created));
    add_attribute(attributes, "system", "updated_ts", manage_time(row->last_seen));
    for (uint32_t i = 0; i < facts->group_count; i++)
        add_attribute(attributes, "system", "group", json_string(facts->groups[i]));
    mender_uuid(MENDER_OF_DEVICE, (uint64_t)row->id, id);
    *out = json_pack("{s:s, s:o, s:o}", "id", id, "updated_ts", manage_time(row->last_seen),
                     "attributes", attributes);
    CHECK(*out);
    return ERR_OK;
}

/* ---- Walks over the fleet ---- */

#define FILTERS_MAX 16u

struct filter {
    const char *scope, *attribute, *type;
    const json_t *value;
};

struct walk {
    struct manage *manage;
    struct manage_page page;
    char status[16]; /* "": any */
    struct filter filters[FILTERS_MAX];
    size_t filters_count;
    enum err (*describe)(struct manage *manage, const struct device_facts *facts, json_t **out);
    json_t *out; /* NULL: only counted */
    uint64_t found;
};

static const char *inventory_value(const struct device_facts *facts, const char *name)
{
    for (uint32_t i = 0; i < facts->attribute_count; i++) {
        if (strcmp(facts->attributes[i].name, name) == 0)
            return facts->attributes[i].value;
    }
    return NULL;
}

/* NULL: the device has no such thing. `identity` holds what the answer borrows. */
static const char *value_of(const struct device_facts *facts, const json_t *identity,
                            const struct filter *filter)
{
    if (strcmp(filter->scope, "inventory") == 0)
        return inventory_value(facts, filter->attribute);
    if (strcmp(filter->scope, "identity") == 0)
        return strcmp(filter->attribute, "status") == 0
                   ? status_name(facts->row.status)
                   : json_string_value(json_object_get(identity, filter->attribute));
    if (strcmp(filter->attribute, "group") == 0 && facts->group_count > 0)
        return facts->groups[0];
    return NULL;
}

static bool is_in(const char *value, const json_t *list)
{
    for (size_t i = 0; value && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text && strcmp(text, value) == 0)
            return true;
    }
    return false;
}

static bool passes(const char *value, const struct filter *filter)
{
    const char *wanted = json_string_value(filter->value);
    bool same = value && wanted && strcmp(value, wanted) == 0;

    if (strcmp(filter->type, "$eq") == 0)
        return same;
    if (strcmp(filter->type, "$ne") == 0)
        return !same;
    if (strcmp(filter->type, "$in") == 0)
        return is_in(value, filter->value);
    if (strcmp(filter->type, "$nin") == 0)
        return !is_in(value, filter->value);
    return (value != NULL) == json_is_true(filter->value); /* $exists */
}

static enum err matches(struct walk *walk, const struct device_facts *facts, bool *out)
{
    struct foreign_row foreign;
    json_t *identity;

    *out = facts->row.protocol == PROTOCOL_MENDER &&
           (walk->status[0] == '\0' || strcmp(walk->status, status_name(facts->row.status)) == 0);
    if (!*out || walk->filters_count == 0)
        return ERR_OK;
    TRY(store_foreign_get(walk->manage->app->db, walk->manage->tenant, facts->row.id, &foreign));
    identity = identity_of(&foreign);
    for (size_t i = 0; *out && i < walk->filters_count; i++)
        *out = passes(value_of(facts, identity, &walk->filters[i]), &walk->filters[i]);
    json_decref(identity);
    return ERR_OK;
}

static enum err visit(struct walk *walk, const struct device_facts *facts)
{
    json_t *json;
    bool match;

    TRY(matches(walk, facts, &match));
    if (!match)
        return ERR_OK;
    walk->found++;
    if (!walk->out || walk->found <= walk->page.skip ||
        json_array_size(walk->out) >= walk->page.count)
        return ERR_OK;
    TRY(walk->describe(walk->manage, facts, &json));
    CHECK(json_array_append_new(walk->out, json) == 0);
    return ERR_OK;
}

static enum err walk_all(struct walk *walk)
{
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    uint32_t count = DEVICE_PAGE_MAX;
    int64_t after = 0;
    enum err err = ERR_OK;

    CHECK(page);
    while (err == ERR_OK && count > 0) {
        err = store_device_page(walk->manage->app->db, walk->manage->tenant, after, DEVICE_PAGE_MAX,
                                page, &count);
        for (uint32_t i = 0; err == ERR_OK && i < count; i++)
            err = visit(walk, &page[i]);
        if (err == ERR_OK && count > 0)
            after = page[count - 1].row.id;
    }
    free(page);
    return app_db_failed(walk->manage->app, err, &walk->manage->why);
}

static enum err reply_walk(struct walk *walk)
{
    char total[24];
    enum err err;

    walk->out = json_array();
    CHECK(walk->out);
    err = walk_all(walk);
    if (err != ERR_OK) {
        json_decref(walk->out);
        return err;
    }
    (void)snprintf(total, sizeof total, "%llu", (unsigned long long)walk->found);
    reply_header(walk->manage->exchange, "X-Total-Count", total);
    manage_reply_json(walk->manage, 200, walk->out);
    return ERR_OK;
}

enum err manage_devices(struct manage *manage)
{
    struct walk walk = {.manage = manage, .describe = auth_device};

    TRY(manage_page(manage, &walk.page));
    manage_query(manage, "status", walk.status, sizeof walk.status);
    return reply_walk(&walk);
}

enum err manage_devices_count(struct manage *manage)
{
    struct walk walk = {.manage = manage};

    manage_query(manage, "status", walk.status, sizeof walk.status);
    TRY(walk_all(&walk));
    manage_reply_json(manage, 200, json_pack("{s:I}", "count", (json_int_t)walk.found));
    return ERR_OK;
}

enum err manage_inventory(struct manage *manage)
{
    struct walk walk = {.manage = manage, .describe = inventory_device};

    TRY(manage_page(manage, &walk.page));
    return reply_walk(&walk);
}

/* ---- Search ---- */

static enum err take_filter(struct walk *walk, const json_t *given)
{
    static const char *const types[] = {"$eq", "$ne", "$in", "$nin", "$exists"};
    struct filter filter = {json_string_value(json_object_get(given, "scope")),
                            json_string_value(json_object_get(given, "attribute")),
                            json_string_value(json_object_get(given, "type")),
                            json_object_get(given, "value")};

    if (!filter.scope || !filter.attribute || !filter.type || !filter.value)
        return manage_refuse(walk->manage, 400, ERR_INVALID,
                             "a filter has scope, attribute, type and value");
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(filter.type, types[i]) == 0) {
            walk->filters[walk->filters_count++] = filter;
            return ERR_OK;
        }
    }
    return manage_refuse(walk->manage, 400, ERR_INVALID,
                         "%.32s is not served here: $eq, $ne, $in, $nin and $exists are",
                         filter.type);
}

static uint32_t number_in(const json_t *body, const char *name, uint32_t fallback, uint32_t max)
{
    json_int_t value = json_integer_value(json_object_get(body, name));

    return value < 1 ? fallback : value > (json_int_t)max ? max : (uint32_t)value;
}

enum err manage_search(struct manage *manage)
{
    struct walk walk = {.manage = manage, .describe = inventory_device};
    const json_t *filters;
    json_t *body;
    enum err err = ERR_OK;

    TRY(manage_body(manage, &body));
    walk.page.count = number_in(body, "per_page", MANAGE_PAGE_DEFAULT, MANAGE_PAGE_MAX);
    walk.page.skip = (number_in(body, "page", 1, MANAGE_PAGES_MAX) - 1) * walk.page.count;
    filters = json_object_get(body, "filters");
    if (json_array_size(filters) > FILTERS_MAX)
        err = manage_refuse(manage, 400, ERR_TOO_BIG, "at most %u filters", FILTERS_MAX);
    for (size_t i = 0; err == ERR_OK && i < json_array_size(filters); i++)
        err = take_filter(&walk, json_array_get(filters, i));
    if (err == ERR_OK)
        err = reply_walk(&walk);
    json_decref(body);
    return err;
}

/* ---- One ---- */

static enum err find(struct manage *manage, struct device_facts *out)
{
    uint32_t count = 0;
    int64_t id;
    enum err err;

    TRY(manage_argument(manage, 0, MENDER_OF_DEVICE, &id));
    err = store_device_page(manage->app->db, manage->tenant, id - 1, 1, out, &count);
    TRY(app_db_failed(manage->app, err, &manage->why));
    if (count == 0 || out->row.id != id || out->row.protocol != PROTOCOL_MENDER)
        return manage_refuse(manage, 404, ERR_NOT_FOUND, "there is no such device");
    return ERR_OK;
}

static enum err reply_one(struct manage *manage,
                          enum err (*describe)(struct manage *manage,
                                               const struct device_facts *facts, json_t **out))
{
    struct device_facts *facts = calloc(1, sizeof *facts);
    json_t *json = NULL;
    enum err err;

    CHECK(facts);
    err = find(manage, facts);
    if (err == ERR_OK)
        err = app_db_failed(manage->app, describe(manage, facts, &json), &manage->why);
    if (err == ERR_OK)
        manage_reply_json(manage, 200, json);
    free(facts);
    return err;
}

enum err manage_device(struct manage *manage)
{
    return reply_one(manage, auth_device);
}

enum err manage_inventory_device(struct manage *manage)
{
    return reply_one(manage, inventory_device);
}

enum err manage_device_delete(struct manage *manage)
{
    struct device_facts *facts = calloc(1, sizeof *facts);
    enum err err;

    CHECK(facts);
    err = find(manage, facts);
    if (err == ERR_OK)
        err = device_delete(manage->app, manage->tenant, span_of(facts->row.name), manage->actor,
                            manage->now, &manage->why);
    if (err == ERR_OK)
        reply_empty(manage->exchange, 204);
    free(facts);
    return err;
}

/* ---- Accepting and rejecting a key ---- */

static enum err wanted_status(struct manage *manage, bool *accept)
{
    json_t *body;
    const char *status;
    enum err err = ERR_OK;

    TRY(manage_body(manage, &body));
    status = json_string_value(json_object_get(body, "status"));
    if (!status || (strcmp(status, "accepted") != 0 && strcmp(status, "rejected") != 0))
        err = manage_refuse(manage, 400, ERR_INVALID, "status must be accepted or rejected");
    else
        *accept = strcmp(status, "accepted") == 0;
    json_decref(body);
    return err;
}

enum err manage_key_status(struct manage *manage)
{
    struct device_facts *facts = calloc(1, sizeof *facts);
    struct foreign_credential_row row;
    bool accept = false;
    int64_t key = 0;
    enum err err;

    CHECK(facts);
    err = find(manage, facts);
    if (err == ERR_OK)
        err = manage_argument(manage, 1, MENDER_OF_KEY, &key);
    if (err == ERR_OK &&
        (store_foreign_credential_get(manage->app->db, manage->tenant, key, &row) != ERR_OK ||
         row.device != facts->row.id))
        err = manage_refuse(manage, 404, ERR_NOT_FOUND, "the device has no such key");
    if (err == ERR_OK)
        err = wanted_status(manage, &accept);
    if (err == ERR_OK)
        err = foreign_key_judge(manage->app, manage->tenant, key, accept, manage->actor,
                                manage->now, &manage->why);
    if (err == ERR_OK)
        reply_empty(manage->exchange, 204);
    free(facts);
    return err;
}

/* ---- Letting a device in before it comes ---- */

static enum err read_order(struct manage *manage, const json_t *body, char **identity,
                           struct buf *der)
{
    const json_t *given = json_object_get(body, "identity_data");
    const char *pem = json_string_value(json_object_get(body, "pubkey"));
    struct public_key *key;

    if (!json_is_object(given) || json_object_size(given) == 0)
        return manage_refuse(manage, 400, ERR_INVALID, "identity_data must have members");
    if (!pem || public_key_from_any_pem(span_of(pem), &key, NULL) != ERR_OK)
        return manage_refuse(manage, 400, ERR_INVALID, "pubkey is no RSA, P-256 or Ed25519 key");
    public_key_der(key, der);
    public_key_close(key);
    if (der->overflow)
        return manage_refuse(manage, 400, ERR_TOO_BIG, "pubkey is too long");
    *identity = json_dumps(given, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK(*identity);
    return ERR_OK;
}

enum err manage_preauthorize(struct manage *manage)
{
    uint8_t room[FOREIGN_KEY_SIZE_MAX];
    struct buf der = buf_over(room, sizeof room);
    struct mender_invitation invitation = {.tenant = manage->tenant, .actor = manage->actor};
    char id[MENDER_UUID_SIZE], where[128];
    char *identity = NULL;
    int64_t device = 0;
    json_t *body;
    enum err err;

    TRY(manage_body(manage, &body));
    err = read_order(manage, body, &identity, &der);
    if (err == ERR_OK) {
        invitation.identity = span_of(identity);
        invitation.key = buf_written(&der);
        err = mender_preauthorize(manage->app, &invitation, manage->now, &device, &manage->why);
    }
    free(identity);
    json_decref(body);
    TRY(err);
    mender_uuid(MENDER_OF_DEVICE, (uint64_t)device, id);
    (void)snprintf(where, sizeof where, "/api/management/v2/devauth/devices/%s", id);
    reply_header(manage->exchange, "Location", where);
    reply_empty(manage->exchange, 201);
    return ERR_OK;
}
