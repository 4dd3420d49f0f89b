/* Gateway tokens, where hawkBit has one for each tenant:
 *
 *   /system/configs/authentication.gatewaytoken.key        the one without a name
 *   /system/configs/authentication.gatewaytoken.key.NAME   ours besides: as many as there are names
 *
 * {"value": TOKEN, "selector": SELECTOR}: for the devices that the selector names, or for all. The
 * token is never shown again: "value" is then empty. */
#include <stdio.h>
#include <string.h>

#include "server/hawkbit_rest_inside.h"

#define KEY     "authentication.gatewaytoken.key"
#define UNNAMED "default"

/* NULL: no such key. */
static const char *name_of(const struct rest_call *call)
{
    const char *key = call->arguments.text[0];
    size_t size = sizeof KEY - 1;

    if (strncmp(key, KEY, size) != 0)
        return NULL;
    if (key[size] == '\0')
        return UNNAMED;
    return key[size] == '.' && key[size + 1] != '\0' && strlen(key + size + 1) <= NAME_SIZE_MAX
               ? key + size + 1
               : NULL;
}

static enum err unknown_key(struct rest_call *call)
{
    return rest_refuse(
        call, 400, ERR_INVALID,
        "org.eclipse.hawkbit.repository.exception.InvalidTenantConfigurationKeyException",
        "configKeyInvalid", "the only keys here are " KEY " and " KEY ".NAME");
}

/* ERR_NOT_FOUND: none of that name. */
static enum err find(struct rest_call *call, const char *name, struct foreign_gateway_row *out)
{
    int64_t after = 0;
    uint32_t count = 1;

    while (count > 0) {
        TRY(store_foreign_gateway_list(call->app->db, call->tenant, after, 1, out, &count));
        after = out->id;
        if (count > 0 && out->protocol == PROTOCOL_HAWKBIT && strcmp(out->name, name) == 0)
            return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

enum err rest_gateway(struct rest_call *call)
{
    const char *name = name_of(call);
    struct foreign_gateway_row row = {.id = 0};
    struct tree_out out = rest_begin(call);
    enum err err = name ? find(call, name, &row) : ERR_OK;

    if (!name)
        return unknown_key(call);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return rest_error(call, err);
    tree_out_map(&out, NULL);
    tree_out_text(&out, "value", (struct span){0});
    tree_out_bool(&out, "global", err == ERR_NOT_FOUND);
    if (err == ERR_OK) {
        tree_out_text(&out, "selector", span_of(row.selector));
        tree_out_int(&out, "createdAt", row.created.ms);
        tree_out_text(&out, "createdBy", span_of(row.created_by));
    }
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

/* Also when there is none. */
static enum err remove_one(struct rest_call *call, const char *name)
{
    struct foreign_gateway_row row;
    enum err err = find(call, name, &row);

    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    return foreign_gateway_remove(call->app, call->tenant, row.id, call->actor, call->now,
                                  &call->why);
}

enum err rest_gateway_put(struct rest_call *call)
{
    const char *name = name_of(call);
    const char *value = json_string_value(json_object_get(call->body, "value"));
    const char *selector = json_string_value(json_object_get(call->body, "selector"));
    struct foreign_gateway_row row = {.tenant = call->tenant, .protocol = PROTOCOL_HAWKBIT};
    char secret[FOREIGN_SECRET_SIZE];
    enum err err;

    if (!name)
        return unknown_key(call);
    if (!value || value[0] == '\0' || (selector && strlen(selector) >= sizeof row.selector))
        return rest_refuse(call, 400, ERR_INVALID,
                           "org.eclipse.hawkbit.repository.exception."
                           "TenantConfigurationValidatorException",
                           "configValueInvalid", "value must be the token, selector a selector");
    (void)snprintf(row.name, sizeof row.name, "%s", name);
    (void)snprintf(row.selector, sizeof row.selector, "%s", selector ? selector : "");
    (void)snprintf(row.created_by, sizeof row.created_by, "%s", call->token.name);
    err = remove_one(call, name);
    if (err == ERR_OK)
        err = foreign_gateway_add(call->app, &row, span_of(value), call->actor, call->now, secret,
                                  &call->why);
    if (err != ERR_OK)
        return rest_error(call, err);
    reply_empty(call->exchange, 204);
    return ERR_OK;
}

enum err rest_gateway_delete(struct rest_call *call)
{
    const char *name = name_of(call);
    enum err err = name ? remove_one(call, name) : ERR_OK;

    if (!name)
        return unknown_key(call);
    if (err != ERR_OK)
        return rest_error(call, err);
    reply_empty(call->exchange, 204);
    return ERR_OK;
}
