/* Distribution sets of hawkBit's management API are releases, whoever vouches for them: read here,
 * brought in by `slipway release`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "server/hawkbit_rest_inside.h"

bool rest_argument_id(const struct rest_call *call, int64_t *out)
{
    const char *text = call->arguments.text[0];
    int64_t id = 0;

    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] < '0' || text[i] > '9' || i >= 15)
            return false;
        id = id * 10 + (text[i] - '0');
    }
    *out = id;
    return id > 0;
}

static void put_set(struct rest_call *call, struct tree_out *out, const struct release_row *row)
{
    tree_out_map(out, NULL);
    tree_out_int(out, "id", row->id);
    tree_out_text(out, "name", span_of(row->product));
    tree_out_text(out, "version", span_of(row->version));
    tree_out_text(out, "type", SPAN_LITERAL("os"));
    tree_out_bool(out, "complete", true);
    tree_out_bool(out, "locked", true);
    tree_out_bool(out, "deleted", false);
    tree_out_bool(out, "valid", !row->withdrawn);
    tree_out_int(out, "createdAt", row->created.ms);
    tree_out_int(out, "lastModifiedAt", row->created.ms);
    tree_out_map(out, "_links");
    rest_link(call, out, NULL, "/distributionsets/%lld", (long long)row->id);
    tree_out_map_end(out);
    tree_out_map_end(out);
}

/* All of them, newest first as the store has them; in order of id as hawkBit has them. */
static enum err load(struct rest_call *call, struct release_row **rows, size_t *count)
{
    int64_t before = 0;
    uint32_t got = REST_BULK_MAX;

    *rows = NULL;
    *count = 0;
    while (got == REST_BULK_MAX && *count < REST_SETS_MAX) {
        *rows = realloc(*rows, (*count + REST_BULK_MAX) * sizeof **rows);
        CHECK(*rows);
        TRY(store_release_list(call->app->db, call->tenant, before, REST_BULK_MAX, *rows + *count,
                               &got));
        *count += got;
        before = got > 0 ? (*rows)[*count - 1].id : before;
    }
    return ERR_OK;
}

enum err rest_sets(struct rest_call *call)
{
    struct rest_page page = rest_page(call);
    struct tree_out out = rest_begin(call);
    struct release_row *rows;
    int64_t shown = 0;
    size_t count;
    enum err err = load(call, &rows, &count);

    if (err != ERR_OK) {
        free(rows);
        return rest_error(call, err);
    }
    tree_out_map(&out, NULL);
    tree_out_list(&out, "content");
    for (uint64_t i = page.offset; i < count && i < page.offset + page.limit; i++, shown++)
        put_set(call, &out, &rows[count - 1 - (size_t)i]);
    tree_out_list_end(&out);
    tree_out_int(&out, "total", (int64_t)count);
    tree_out_int(&out, "size", shown);
    tree_out_map_end(&out);
    free(rows);
    return rest_end(call, 200);
}

enum err rest_set(struct rest_call *call)
{
    struct tree_out out = rest_begin(call);
    struct release_row row;
    int64_t id;
    enum err err = rest_argument_id(call, &id)
                       ? store_release_get(call->app->db, call->tenant, id, &row)
                       : ERR_NOT_FOUND;

    if (err == ERR_NOT_FOUND)
        return rest_missing(call, "DistributionSet", call->arguments.text[0]);
    if (err != ERR_OK)
        return rest_error(call, err);
    put_set(call, &out, &row);
    return rest_end(call, 200);
}
