/* Devices of other people's clients in the management API: to register one, its token, and tokens
 * of gateways. Secrets are shown once, when they are made. */
#include <stdio.h>
#include <stdlib.h>

#include "app/foreign.h"
#include "base/check.h"
#include "server/api_call.h"

#define CHOSEN_TOKEN_MAX 128u /* characters of a token that is brought along */

void out_device_protocol(struct api_call *call, struct json_out *out, const struct device_row *row)
{
    struct foreign_row foreign = {.tenant = row->tenant};

    out_text(out, "protocol", protocol_name(row->protocol));
    if (row->protocol != PROTOCOL_NATIVE &&
        store_foreign_get(call->app->db, row->tenant, row->id, &foreign) != ERR_OK)
        foreign.external[0] = foreign.runs[0] = '\0';
    out_text_or_null(out, "external", foreign.external);
    out_text_or_null(out, "runs", foreign.runs);
}

static void read_protocol(struct fields *fields, enum protocol *out)
{
    struct span text;

    if (fields_text(fields, "protocol", FIELD_REQUIRED, NAME_SIZE_MAX, &text) &&
        (protocol_parse(text, out) != ERR_OK || *out == PROTOCOL_NATIVE))
        fields_refuse(fields, "protocol", "must be hawkbit or mender");
}

/* ---- devices ---- */

struct addition {
    char name[NAME_SIZE_MAX + 1], product[NAME_SIZE_MAX + 1], hardware[NAME_SIZE_MAX + 1];
    struct span external, token;
    enum protocol protocol;
};

static enum err read_addition(struct fields *fields, struct addition *out)
{
    *out = (struct addition){.protocol = PROTOCOL_HAWKBIT};
    fields_name(fields, "name", FIELD_REQUIRED, out->name);
    read_protocol(fields, &out->protocol);
    fields_text(fields, "external", FIELD_OPTIONAL, FOREIGN_ID_SIZE_MAX, &out->external);
    fields_name(fields, "product", FIELD_OPTIONAL, out->product);
    fields_name(fields, "hardware", FIELD_OPTIONAL, out->hardware);
    if (fields_text(fields, "token", FIELD_OPTIONAL, CHOSEN_TOKEN_MAX, &out->token) &&
        out->protocol != PROTOCOL_HAWKBIT)
        fields_refuse(fields, "token", "only hawkbit devices have one");
    return fields_done(fields);
}

/* What was brought along is not told back. */
static void reply_token(struct api_call *call, const struct device_row *device, const char *secret)
{
    struct json_out out = out_begin(call->exchange, 201);

    out_text(&out, "name", device->name);
    out_text(&out, "protocol", protocol_name(device->protocol));
    out_text_or_null(&out, "token", secret);
    out_finish(&out);
}

static enum err add_device(struct api_call *call, struct fields *fields)
{
    struct addition addition;
    struct foreign_order order = {
        .tenant = call->tenant, .status = DEVICE_ACTIVE, .actor = call->actor};
    char secret[FOREIGN_SECRET_SIZE] = "";
    struct foreign_call made = {.fresh = false};

    if (read_addition(fields, &addition) != ERR_OK)
        return api_bad_why(call);
    order.protocol = addition.protocol;
    order.name = addition.name;
    order.external = addition.external;
    order.product = addition.product;
    order.hardware = addition.hardware;
    TRY(foreign_register(call->app, &order, call->now, &made, &call->why));
    if (order.protocol == PROTOCOL_HAWKBIT)
        TRY(foreign_token(call->app, call->tenant, span_of(addition.name), addition.token,
                          call->actor, call->now, secret, &call->why));
    reply_token(call, &made.call.device, secret);
    return ERR_OK;
}

enum err api_device_add(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    enum err err = add_device(call, &fields);

    fields_close(&fields);
    return err;
}

static enum err make_token(struct api_call *call, struct fields *fields)
{
    char secret[FOREIGN_SECRET_SIZE];
    struct span chosen = {0};
    struct device_row device;

    fields_text(fields, "token", FIELD_OPTIONAL, CHOSEN_TOKEN_MAX, &chosen);
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    TRY(foreign_token(call->app, call->tenant, api_argument(call, 0), chosen, call->actor,
                      call->now, secret, &call->why));
    TRY(store_device_find(call->app->db, call->tenant, api_argument(call, 0), &device));
    reply_token(call, &device, secret);
    return ERR_OK;
}

enum err api_device_token(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_OPTIONAL, &call->why);
    enum err err = make_token(call, &fields);

    fields_close(&fields);
    return err;
}

/* ---- gateways ---- */

static void out_gateway(struct json_out *out, const struct foreign_gateway_row *row)
{
    out_object(out, NULL);
    out_int(out, "id", row->id);
    out_text(out, "name", row->name);
    out_text(out, "protocol", protocol_name(row->protocol));
    out_text_or_null(out, "selector", row->selector);
    out_text(out, "created_by", row->created_by);
    out_utc(out, "created_at", row->created);
    out_object_end(out);
}

enum err api_gateways(struct api_call *call)
{
    struct foreign_gateway_row *rows;
    struct json_out out;
    int64_t after;
    uint32_t limit, count = 0;
    bool more;
    enum err err;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &after, sizeof after));
    rows = calloc(limit + 1, sizeof *rows);
    CHECK(rows);
    err = store_foreign_gateway_list(call->app->db, call->tenant, after, limit + 1, rows, &count);
    if (err == ERR_OK) {
        more = api_page_cut(&count, limit);
        api_page_begin(call, &out);
        for (uint32_t i = 0; i < count; i++) {
            out_gateway(&out, &rows[i]);
            after = rows[i].id;
        }
        api_page_end(call, &out, more ? &after : NULL, sizeof after);
    }
    free(rows);
    return err;
}

static enum err create_gateway(struct api_call *call, struct fields *fields)
{
    struct foreign_gateway_row row = {.tenant = call->tenant, .protocol = PROTOCOL_HAWKBIT};
    char secret[FOREIGN_SECRET_SIZE];
    struct span chosen = {0}, selector = {0};
    struct json_out out;

    fields_name(fields, "name", FIELD_REQUIRED, row.name);
    fields_text(fields, "selector", FIELD_OPTIONAL, SELECTOR_SIZE_MAX - 1, &selector);
    fields_text(fields, "token", FIELD_OPTIONAL, CHOSEN_TOKEN_MAX, &chosen);
    if (!span_to_text(selector, row.selector, sizeof row.selector))
        fields_refuse(fields, "selector", "is too long");
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    (void)snprintf(row.created_by, sizeof row.created_by, "%s", call->token.name);
    TRY(foreign_gateway_add(call->app, &row, chosen, call->actor, call->now, secret, &call->why));
    out = out_begin(call->exchange, 201);
    out_int(&out, "id", row.id);
    out_text(&out, "name", row.name);
    out_text_or_null(&out, "token", secret);
    out_finish(&out);
    return ERR_OK;
}

enum err api_gateway_create(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    enum err err = create_gateway(call, &fields);

    fields_close(&fields);
    return err;
}

enum err api_gateway_delete(struct api_call *call)
{
    int64_t id;

    TRY(api_argument_id(call, 0, &id));
    TRY(foreign_gateway_remove(call->app, call->tenant, id, call->actor, call->now, &call->why));
    reply_empty(call->exchange, 204);
    return ERR_OK;
}
