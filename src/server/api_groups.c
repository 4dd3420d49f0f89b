/* Groups in the management API. A group is there while it has devices. */
#include <stdlib.h>
#include <string.h>

#include "app/label.h"
#include "base/check.h"
#include "server/api_call.h"

enum err api_groups(struct api_call *call)
{
    char after[NAME_SIZE_MAX + 1];
    struct group_row *rows;
    struct json_out out;
    uint32_t limit, count = 0;
    enum err err;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, after, sizeof after));
    rows = calloc(limit + 1, sizeof *rows);
    CHECK(rows);
    after[NAME_SIZE_MAX] = '\0';
    err = store_group_list(call->app->db, call->tenant, span_of(after), limit + 1, rows, &count);
    if (err == ERR_OK) {
        bool more = api_page_cut(&count, limit);

        api_page_begin(call, &out);
        for (uint32_t i = 0; i < count; i++) {
            out_object(&out, NULL);
            out_text(&out, "name", rows[i].name);
            out_int(&out, "devices", rows[i].devices);
            out_object_end(&out);
        }
        if (count > 0) {
            memset(after, 0, sizeof after);
            memcpy(after, rows[count - 1].name, strlen(rows[count - 1].name));
        }
        api_page_end(call, &out, more ? after : NULL, sizeof after);
    }
    free(rows);
    return err;
}

static enum err check_group(struct api_call *call)
{
    if (name_valid(api_argument(call, 0)))
        return ERR_OK;
    return api_bad(call, "group", "must be a name: 1 to %u letters, digits, '.', '_' or '-'",
                   NAME_SIZE_MAX);
}

enum err api_group_put(struct api_call *call)
{
    struct span group = api_argument(call, 0), device = api_argument(call, 1);

    TRY(check_group(call));
    TRY(label_join(call->app, call->tenant, device, group, call->actor, call->now, &call->why));
    reply_empty(call->exchange, 204);
    return ERR_OK;
}

enum err api_group_delete(struct api_call *call)
{
    struct span group = api_argument(call, 0), device = api_argument(call, 1);

    TRY(check_group(call));
    TRY(label_leave(call->app, call->tenant, device, group, call->actor, call->now, &call->why));
    reply_empty(call->exchange, 204);
    return ERR_OK;
}
