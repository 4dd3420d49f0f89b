/* Targets of hawkBit's management API: the devices that speak its protocol. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/device.h"
#include "app/facts.h"
#include "app/label.h"
#include "base/check.h"
#include "fleet/rsql.h"
#include "fleet/selector.h"
#include "server/hawkbit_rest_inside.h"

/* ---- one target as JSON ---- */

/* hawkBit's word for how it stands. */
static enum err update_status(struct rest_call *call, const struct device_row *device,
                              const char **out)
{
    struct assignment_row row;
    uint32_t count;

    *out = device->last_seen.ms == 0 ? "unknown" : "registered";
    TRY(store_assignment_history(call->app->db, device->tenant, device->id, 0, 1, &row, &count));
    if (count == 0)
        return ERR_OK;
    if (device->assignment != 0 && assignment_active(row.assignment.state))
        *out = "pending";
    else if (row.assignment.state == ASSIGNMENT_SUCCEEDED)
        *out = "in_sync";
    else if (row.assignment.state == ASSIGNMENT_FAILED ||
             row.assignment.state == ASSIGNMENT_REVERTED)
        *out = "error";
    return ERR_OK;
}

static void put_poll_status(const struct rest_call *call, struct tree_out *out,
                            const struct device_row *device)
{
    int64_t every_ms = (int64_t)call->app->config.poll_interval_s * 1000;
    int64_t next_ms = device->last_seen.ms + every_ms;

    if (device->last_seen.ms == 0)
        return;
    tree_out_int(out, "lastControllerRequestAt", device->last_seen.ms);
    tree_out_map(out, "pollStatus");
    tree_out_int(out, "lastRequestAt", device->last_seen.ms);
    tree_out_int(out, "nextExpectedRequestAt", next_ms);
    tree_out_bool(out, "overdue", call->now.ms > next_ms + every_ms);
    tree_out_map_end(out);
}

/* `secret` is shown to whoever has just made it, and never again; NULL: none. */
static enum err put_target(struct rest_call *call, struct tree_out *out,
                           const struct device_row *device, const char *secret)
{
    struct foreign_row foreign;
    const char *status;

    TRY(store_foreign_get(call->app->db, device->tenant, device->id, &foreign));
    TRY(update_status(call, device, &status));
    tree_out_map(out, NULL);
    tree_out_text(out, "controllerId", span_of(foreign.external));
    tree_out_text(out, "name", span_of(device->name));
    tree_out_text(out, "description", span_of(device->note));
    tree_out_text(out, "updateStatus", span_of(status));
    tree_out_int(out, "createdAt", device->created.ms);
    tree_out_int(out, "lastModifiedAt", device->status_since.ms);
    put_poll_status(call, out, device);
    tree_out_bool(out, "requestAttributes", foreign.wants_attributes);
    if (secret)
        tree_out_text(out, "securityToken", span_of(secret));
    tree_out_map(out, "_links");
    rest_link(call, out, NULL, "/targets/%s", device->name);
    rest_link(call, out, "attributes", "/targets/%s/attributes", device->name);
    tree_out_map_end(out);
    tree_out_map_end(out);
    return ERR_OK;
}

/* ---- lists ---- */

struct target_list {
    struct selector selector;
    struct device_facts page[DEVICE_PAGE_MAX];
    struct device_row rows[REST_LIMIT_MAX];
    char (*names)[NAME_SIZE_MAX + 1]; /* of all that match */
    size_t count, room;
    bool descending;
};

static enum err bad_filter(struct rest_call *call, const struct rsql_fault *fault)
{
    bool field = fault->kind == RSQL_FIELD;
    char text[128];

    (void)snprintf(text, sizeof text, "column %u: %s", fault->column,
                   field                       ? "there is no such field here"
                   : fault->kind == RSQL_VALUE ? "this value cannot be searched for"
                                               : "this is not RSQL");
    return rest_refuse(
        call, 400, ERR_INVALID,
        field ? "org.eclipse.hawkbit.repository.exception.RSQLParameterUnsupportedFieldException"
              : "org.eclipse.hawkbit.repository.exception.RSQLParameterSyntaxException",
        field ? "rest.param.rsqlInvalidField" : "rest.param.rsqlParamSyntax", text);
}

static enum err read_filter(struct rest_call *call, struct selector *out)
{
    char query[RSQL_SIZE_MAX + 1], text[SELECTOR_SIZE_MAX];
    struct buf buf = buf_over(text, sizeof text);
    struct rsql_fault fault = {RSQL_SYNTAX, 1};
    enum err err = http_query_text(call->exchange->request.query, "q", query, sizeof query);

    if (err == ERR_NOT_FOUND || (err == ERR_OK && query[0] == '\0'))
        return selector_parse(SPAN_LITERAL(REST_SELECTOR), out, NULL, NULL);
    if (err != ERR_OK)
        return bad_filter(call, &fault);
    buf_text(&buf, REST_SELECTOR " and (");
    err = rsql_to_selector(span_of(query), &buf, &fault);
    buf_text(&buf, ")");
    if (err != ERR_OK)
        return bad_filter(call, &fault);
    fault = (struct rsql_fault){RSQL_VALUE, 1};
    if (buf.overflow || selector_parse(buf_written(&buf), out, NULL, NULL) != ERR_OK)
        return bad_filter(call, &fault);
    return ERR_OK;
}

/* By name only, in either direction; hawkBit's default. */
static enum err read_sort(struct rest_call *call, bool *descending)
{
    static const char *const names[] = {"id:", "controllerid:", "name:"};
    char sort[64];
    enum err err = http_query_text(call->exchange->request.query, "sort", sort, sizeof sort);

    *descending = false;
    if (err == ERR_NOT_FOUND || (err == ERR_OK && sort[0] == '\0'))
        return ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < COUNT_OF(names); i++) {
        size_t size = strlen(names[i]);

        if (strncasecmp(sort, names[i], size) != 0)
            continue;
        *descending = strcasecmp(sort + size, "DESC") == 0;
        if (*descending || strcasecmp(sort + size, "ASC") == 0)
            return ERR_OK;
    }
    return rest_refuse(call, 400, ERR_INVALID,
                       "org.eclipse.hawkbit.rest.exception.SortParameterSyntaxErrorException",
                       "rest.param.sortParamSyntax", "targets are sorted by controllerId only");
}

static void keep_name(struct target_list *list, const char *name)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 256;
        list->names = realloc(list->names, list->room * sizeof *list->names);
        CHECK(list->names);
    }
    (void)snprintf(list->names[list->count++], sizeof *list->names, "%s", name);
}

static enum err scan(struct rest_call *call, struct target_list *list)
{
    uint32_t count = DEVICE_PAGE_MAX, scanned = 0;
    int64_t after = 0;

    while (count == DEVICE_PAGE_MAX) {
        TRY(store_device_page(call->app->db, call->tenant, after, DEVICE_PAGE_MAX, list->page,
                              &count));
        for (uint32_t i = 0; i < count; i++) {
            after = list->page[i].row.id;
            if (facts_match(&list->selector, &list->page[i]))
                keep_name(list, list->page[i].row.name);
        }
        scanned += count;
        if (scanned > REST_SCAN_MAX) {
            why_say(&call->why, NULL,
                    "there are too many devices for this list; "
                    "use GET /api/v1/devices, which has pages");
            return ERR_TOO_BIG;
        }
    }
    return ERR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static enum err put_page(struct rest_call *call, const struct target_list *list)
{
    struct rest_page page = rest_page(call);
    struct tree_out out = rest_begin(call);
    int64_t shown = 0;

    tree_out_map(&out, NULL);
    tree_out_list(&out, "content");
    for (uint64_t i = page.offset; i < list->count && i < page.offset + page.limit; i++, shown++) {
        size_t at = list->descending ? list->count - 1 - (size_t)i : (size_t)i;
        struct device_row row;

        TRY(store_device_find(call->app->db, call->tenant, span_of(list->names[at]), &row));
        TRY(put_target(call, &out, &row, NULL));
    }
    tree_out_list_end(&out);
    tree_out_int(&out, "total", (int64_t)list->count);
    tree_out_int(&out, "size", shown);
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

enum err rest_targets(struct rest_call *call)
{
    struct target_list *list = calloc(1, sizeof *list);
    enum err err;

    CHECK(list);
    err = read_filter(call, &list->selector);
    if (err == ERR_OK)
        err = read_sort(call, &list->descending);
    if (err == ERR_OK) {
        err = scan(call, list);
        if (err == ERR_OK && list->count > 0)
            qsort(list->names, list->count, sizeof *list->names, compare_names);
        err = err == ERR_OK ? put_page(call, list) : rest_error(call, err);
    }
    free(list->names);
    free(list);
    return err;
}

/* ---- one target ---- */

enum err rest_find_target(struct rest_call *call, struct device_row *out)
{
    const char *name = call->arguments.text[0];
    struct foreign_row foreign;
    enum err err =
        store_foreign_find(call->app->db, call->tenant, PROTOCOL_HAWKBIT, span_of(name), &foreign);

    if (err == ERR_OK)
        return store_device_get(call->app->db, call->tenant, foreign.device, out);
    return err == ERR_NOT_FOUND ? rest_missing(call, "Target", name) : rest_error(call, err);
}

static enum err reply_target(struct rest_call *call, const struct device_row *device,
                             const char *secret)
{
    struct tree_out out = rest_begin(call);
    enum err err = put_target(call, &out, device, secret);

    return err == ERR_OK ? rest_end(call, 200) : rest_error(call, err);
}

enum err rest_target(struct rest_call *call)
{
    struct device_row device;

    TRY(rest_find_target(call, &device));
    return reply_target(call, &device, NULL);
}

enum err rest_target_delete(struct rest_call *call)
{
    struct device_row device;
    enum err err;

    TRY(rest_find_target(call, &device));
    err = device_delete(call->app, call->tenant, span_of(device.name), call->actor, call->now,
                        &call->why);
    if (err != ERR_OK)
        return rest_error(call, err);
    reply_empty(call->exchange, 204);
    return ERR_OK;
}

enum err rest_target_attributes(struct rest_call *call)
{
    struct device_facts *facts = calloc(1, sizeof *facts);
    struct tree_out out = rest_begin(call);
    struct device_row device;
    enum err err = rest_find_target(call, &device);

    CHECK(facts);
    if (err == ERR_OK)
        err = store_device_facts(call->app->db, call->tenant, device.id, facts);
    if (err == ERR_OK && facts->attribute_count == 0) {
        reply_empty(call->exchange, 204);
    } else if (err == ERR_OK) {
        tree_out_map(&out, NULL);
        for (uint32_t i = 0; i < facts->attribute_count; i++)
            tree_out_text(&out, facts->attributes[i].name, span_of(facts->attributes[i].value));
        tree_out_map_end(&out);
        err = rest_end(call, 200);
    }
    free(facts);
    return err;
}

/* ---- made and changed by people ---- */

/* A member that is a text; "" when absent. False: it is something else. */
static bool text_of(const json_t *object, const char *name, const char **out)
{
    const json_t *value = json_object_get(object, name);

    *out = "";
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value) || json_string_length(value) != strlen(json_string_value(value)))
        return false;
    *out = json_string_value(value);
    return true;
}

struct target_order {
    const char *id, *name, *description, *token, *product, *hardware;
};

/* What is not known is ignored, as hawkBit does; "product" and "hardware" are ours. */
static bool read_order(const json_t *object, struct target_order *out)
{
    return json_is_object(object) && text_of(object, "controllerId", &out->id) &&
           text_of(object, "name", &out->name) &&
           text_of(object, "description", &out->description) &&
           text_of(object, "securityToken", &out->token) &&
           text_of(object, "product", &out->product) && text_of(object, "hardware", &out->hardware);
}

static enum err set_note(struct rest_call *call, const struct device_row *device, const char *note)
{
    struct label_change change = {.has_note = true, .note = span_of(note)};
    struct device_facts *facts = calloc(1, sizeof *facts);
    enum err err;

    CHECK(facts);
    err = store_device_facts(call->app->db, call->tenant, device->id, facts);
    if (err == ERR_OK)
        err = label_change(call->app, facts, &change, call->actor, call->now, &call->why);
    free(facts);
    return err;
}

/* The token that was drawn, or the one that was brought. */
static enum err give_token(struct rest_call *call, const struct device_row *device,
                           const char *chosen, char *to, size_t to_size)
{
    char secret[FOREIGN_SECRET_SIZE];

    TRY(foreign_token(call->app, call->tenant, span_of(device->name), span_of(chosen), call->actor,
                      call->now, secret, &call->why));
    (void)snprintf(to, to_size, "%s", secret[0] != '\0' ? secret : chosen);
    return ERR_OK;
}

static enum err make_target(struct rest_call *call, const struct target_order *target,
                            struct tree_out *out)
{
    const struct foreign_order order = {.tenant = call->tenant,
                                        .protocol = PROTOCOL_HAWKBIT,
                                        .name = "",
                                        .external = span_of(target->id),
                                        .product = target->product,
                                        .hardware = target->hardware,
                                        .status = DEVICE_ACTIVE,
                                        .actor = call->actor};
    struct foreign_call *made = calloc(1, sizeof *made);
    char secret[160];
    enum err err;

    CHECK(made);
    err = foreign_register(call->app, &order, call->now, made, &call->why);
    if (err == ERR_OK)
        err = give_token(call, &made->call.device, target->token, secret, sizeof secret);
    if (err == ERR_OK && target->description[0] != '\0')
        err = set_note(call, &made->call.device, target->description);
    if (err == ERR_OK)
        err =
            store_device_get(call->app->db, call->tenant, made->call.device.id, &made->call.device);
    if (err == ERR_OK)
        err = put_target(call, out, &made->call.device, secret);
    free(made);
    return err;
}

enum err rest_targets_post(struct rest_call *call)
{
    struct tree_out out = rest_begin(call);
    size_t count = json_array_size(call->body);

    if (!json_is_array(call->body) || count == 0)
        return rest_unreadable(call);
    if (count > REST_BULK_MAX) {
        why_say(&call->why, NULL, "at most 100 targets at once");
        return rest_error(call, ERR_TOO_BIG);
    }
    tree_out_list(&out, NULL);
    for (size_t i = 0; i < count; i++) {
        struct target_order order;
        enum err err;

        if (!read_order(json_array_get(call->body, i), &order))
            return rest_unreadable(call);
        err = make_target(call, &order, &out);
        if (err != ERR_OK)
            return rest_error(call, err);
    }
    tree_out_list_end(&out);
    return rest_end(call, 201);
}

enum err rest_target_put(struct rest_call *call)
{
    struct target_order order;
    struct device_row device;
    char secret[160];
    enum err err = ERR_OK;

    TRY(rest_find_target(call, &device));
    if (!read_order(call->body, &order))
        return rest_unreadable(call);
    if (order.token[0] != '\0')
        err = give_token(call, &device, order.token, secret, sizeof secret);
    if (err == ERR_OK && json_object_get(call->body, "description"))
        err = set_note(call, &device, order.description);
    if (err == ERR_OK)
        err = store_device_get(call->app->db, call->tenant, device.id, &device);
    if (err != ERR_OK)
        return rest_error(call, err);
    return reply_target(call, &device, order.token[0] != '\0' ? secret : NULL);
}
