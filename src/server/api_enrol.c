/* Ways into the fleet in the management API: claim tokens and pre-authorised keys. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "server/api_call.h"

#define PREAUTHORIZE_MAX     1000u /* devices in one request */
#define CLAIM_LIFE_MIN_S     60
#define CLAIM_LIFE_MAX_S     31536000 /* a year */
#define CLAIM_LIFE_DEFAULT_S 86400

/* ---- Pre-authorised keys ---- */

static enum err preauthorize(struct api_call *call, struct fields *fields, const json_t *devices,
                             struct preauthorized_row *rows)
{
    size_t count = json_array_size(devices);

    for (size_t i = 0; i < count; i++) {
        struct fields item = fields_item(fields, "devices", devices, i);

        rows[i] = (struct preauthorized_row){.tenant = call->tenant, .created = call->now};
        fields_name(&item, "name", FIELD_REQUIRED, rows[i].name);
        fields_digest(&item, "key_sha256", FIELD_REQUIRED, rows[i].key_sha256);
        memcpy(rows[i].created_by, call->token.name, sizeof rows[i].created_by);
        fields_item_done(fields, &item);
    }
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    for (size_t i = 0; i < count; i++)
        TRY(account_preauthorize(call->app, &rows[i], call->actor, call->now, &call->why));
    return ERR_OK;
}

enum err api_preauthorize(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    const json_t *devices = NULL;
    struct preauthorized_row *rows;
    struct json_out out;
    size_t count;
    enum err err;

    fields_array(&fields, "devices", FIELD_REQUIRED, 1, PREAUTHORIZE_MAX, &devices);
    count = json_array_size(devices);
    rows = calloc(count + 1, sizeof *rows);
    CHECK(rows);
    err = preauthorize(call, &fields, devices, rows);
    if (err == ERR_OK) {
        out = out_begin(call->exchange, 201);
        out_int(&out, "count", (int64_t)count);
        out_finish(&out);
    }
    free(rows);
    fields_close(&fields);
    return err;
}

/* ---- Claims ---- */

enum err api_claims(struct api_call *call)
{
    struct claim_row *rows;
    struct json_out out;
    int64_t before;
    uint32_t limit, count = 0;
    enum err err;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &before, sizeof before));
    rows = calloc(limit + 1, sizeof *rows);
    CHECK(rows);
    err = store_claim_list(call->app->db, call->tenant, before, limit + 1, rows, &count);
    if (err == ERR_OK) {
        bool more = api_page_cut(&count, limit);

        api_page_begin(call, &out);
        for (uint32_t i = 0; i < count; i++) {
            out_object(&out, NULL);
            out_int(&out, "id", rows[i].id);
            out_text_or_null(&out, "device", rows[i].device_name);
            out_text(&out, "note", rows[i].note);
            out_utc(&out, "created_at", rows[i].created);
            out_text(&out, "created_by", rows[i].created_by);
            out_utc(&out, "expires_at", rows[i].expires);
            out_utc(&out, "used_at", rows[i].used);
            out_text_or_null(&out, "used_by", rows[i].used_by);
            out_object_end(&out);
            before = rows[i].id;
        }
        api_page_end(call, &out, more ? &before : NULL, sizeof before);
    }
    free(rows);
    return err;
}

static enum err create_claim(struct api_call *call, struct fields *fields)
{
    char device[NAME_SIZE_MAX + 1] = "", secret[SECRET_SIZE];
    struct claim_order order = {.tenant = call->tenant,
                                .actor = call->actor,
                                .created_by = call->token.name,
                                .device = device,
                                .note = span_of("")};
    int64_t life_s = CLAIM_LIFE_DEFAULT_S;
    struct claim_row row;
    struct json_out out;

    fields_int(fields, "expires_in_s", FIELD_OPTIONAL, CLAIM_LIFE_MIN_S, CLAIM_LIFE_MAX_S, &life_s);
    fields_text(fields, "note", FIELD_OPTIONAL, CLAIM_NOTE_SIZE_MAX, &order.note);
    fields_name(fields, "device", FIELD_OPTIONAL, device);
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    order.expires.ms = call->now.ms + life_s * 1000;
    TRY(account_claim_create(call->app, &order, call->now, &row, secret, &call->why));
    out = out_begin(call->exchange, 201);
    out_int(&out, "id", row.id);
    out_text(&out, "token", secret);
    out_utc(&out, "expires_at", row.expires);
    out_finish(&out);
    return ERR_OK;
}

enum err api_claim_create(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_OPTIONAL, &call->why);
    enum err err = create_claim(call, &fields);

    fields_close(&fields);
    return err;
}

enum err api_claim_delete(struct api_call *call)
{
    int64_t id;

    TRY(api_argument_id(call, 0, &id));
    TRY(account_claim_void(call->app, call->tenant, id, call->actor, call->now, &call->why));
    reply_empty(call->exchange, 204);
    return ERR_OK;
}
