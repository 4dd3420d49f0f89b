/* Tokens in the management API. Their secrets are shown once, when they are made. */
#include <stdlib.h>

#include "base/check.h"
#include "server/api_call.h"
#include "store/token_use.h"

#define TOKEN_LIFE_MIN_S 60
#define TOKEN_LIFE_MAX_S 315360000 /* ten years */

static enum err out_token(struct api_call *call, struct json_out *out, const struct token_row *row)
{
    struct utc used;

    TRY(store_token_used(call->app->db, row->tenant, row->id, &used));
    out_object(out, NULL);
    out_int(out, "id", row->id);
    out_text(out, "name", row->name);
    out_text(out, "role", role_name((enum role)row->role));
    out_utc(out, "created_at", row->created);
    out_text(out, "created_by", row->created_by);
    out_utc(out, "expires_at", row->expires);
    out_utc(out, "last_used_at", used);
    out_object_end(out);
    return ERR_OK;
}

enum err api_tokens(struct api_call *call)
{
    struct token_row *rows;
    struct json_out out;
    int64_t after;
    uint32_t limit, count = 0;
    bool more;
    enum err err;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &after, sizeof after));
    rows = calloc(limit + 1, sizeof *rows);
    CHECK(rows);
    err = store_token_list(call->app->db, call->tenant, after, limit + 1, rows, &count);
    more = api_page_cut(&count, limit);
    api_page_begin(call, &out);
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        after = rows[i].id;
        err = out_token(call, &out, &rows[i]);
    }
    api_page_end(call, &out, more ? &after : NULL, sizeof after);
    free(rows);
    return err;
}

static enum err read_role(struct fields *fields, enum role *role)
{
    struct span text;

    if (fields_text(fields, "role", FIELD_REQUIRED, NAME_SIZE_MAX, &text) &&
        role_parse(text, role) != ERR_OK)
        fields_refuse(fields, "role", "must be viewer, operator, release_manager or admin");
    return fields_done(fields);
}

static enum err create_token(struct api_call *call, struct fields *fields)
{
    char name[NAME_SIZE_MAX + 1], secret[SECRET_SIZE];
    struct token_order order = {
        .tenant = call->tenant, .actor = call->actor, .name = name, .role = ROLE_VIEWER};
    struct token_row row;
    struct json_out out;
    int64_t life_s = 0;

    fields_name(fields, "name", FIELD_REQUIRED, name);
    fields_int(fields, "expires_in_s", FIELD_OPTIONAL, TOKEN_LIFE_MIN_S, TOKEN_LIFE_MAX_S, &life_s);
    if (read_role(fields, &order.role) != ERR_OK)
        return api_bad_why(call);
    if (life_s > 0)
        order.expires.ms = call->now.ms + life_s * 1000;
    TRY(account_token_create(call->app, &order, call->now, &row, secret, &call->why));
    call->api->tokens_changed = true;
    out = out_begin(call->exchange, 201);
    out_int(&out, "id", row.id);
    out_text(&out, "name", row.name);
    out_text(&out, "role", role_name((enum role)row.role));
    out_text(&out, "token", secret);
    out_utc(&out, "expires_at", row.expires);
    out_finish(&out);
    return ERR_OK;
}

enum err api_token_create(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    enum err err = create_token(call, &fields);

    fields_close(&fields);
    return err;
}

enum err api_token_delete(struct api_call *call)
{
    int64_t id;
    enum err err;

    TRY(api_argument_id(call, 0, &id));
    err = account_token_revoke(call->app, call->tenant, id, call->actor, call->now, &call->why);
    if (err == ERR_NOT_FOUND)
        return api_missing(call, "token", api_argument(call, 0));
    TRY(err);
    call->api->tokens_changed = true;
    reply_empty(call->exchange, 204);
    return ERR_OK;
}
