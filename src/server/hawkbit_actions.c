/* Actions of hawkBit's management API: what a target was told to install, how that went, and what
 * it said of it, word for word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "server/hawkbit_rest_inside.h"

#define REST_ACTIONS_MAX 200u /* of one target that a list knows: the newest */

/* ---- one action as JSON ---- */

static bool is_active(const struct device_row *device, const struct assignment_row *row)
{
    return device->assignment == row->id && assignment_active(row->assignment.state);
}

/* hawkBit's words. Success counts when it is proven. */
static const char *status_of(const struct device_row *device, const struct assignment_row *row)
{
    switch (row->assignment.state) {
    case ASSIGNMENT_SUCCEEDED:
        return "finished";
    case ASSIGNMENT_FAILED:
    case ASSIGNMENT_REVERTED:
    case ASSIGNMENT_REFUSED:
    case ASSIGNMENT_SILENT:
        return "error";
    case ASSIGNMENT_RECALLED:
    case ASSIGNMENT_WITHDRAWN:
    case ASSIGNMENT_SUPERSEDED:
    case ASSIGNMENT_ROLLED_BACK:
        return "canceled";
    case ASSIGNMENT_CANDIDATE:
        return "scheduled";
    case ASSIGNMENT_DOWNLOADING:
        return "retrieved";
    case ASSIGNMENT_ASSIGNED:
    case ASSIGNMENT_STAGED:
    case ASSIGNMENT_SWITCHING:
    case ASSIGNMENT_TRIAL:
    case ASSIGNMENT_REVERTING:
    case ASSIGNMENT_STRANDED:
    case ASSIGNMENT_STATE_COUNT:
        break;
    }
    return is_active(device, row) ? "running" : "error";
}

static enum err put_action(struct rest_call *call, struct tree_out *out,
                           const struct device_row *device, const struct assignment_row *row)
{
    struct rollout_row *rollout = calloc(1, sizeof *rollout);
    unsigned id = foreign_id(row, false);
    enum err err;

    CHECK(rollout);
    err = store_rollout_get(call->app->db, call->tenant, row->rollout, rollout);
    if (err == ERR_OK) {
        tree_out_map(out, NULL);
        tree_out_int(out, "id", id);
        tree_out_text(out, "type", SPAN_LITERAL("update"));
        tree_out_text(out, "status", span_of(status_of(device, row)));
        tree_out_bool(out, "active", is_active(device, row));
        tree_out_text(out, "forceType", SPAN_LITERAL("forced"));
        tree_out_int(out, "rollout", row->rollout);
        tree_out_text(out, "rolloutName", span_of(rollout->name));
        tree_out_map(out, "_links");
        rest_link(call, out, NULL, "/targets/%s/actions/%u", call->arguments.text[0], id);
        rest_link(call, out, "status", "/targets/%s/actions/%u/status", call->arguments.text[0],
                  id);
        rest_link(call, out, "distributionset", "/distributionsets/%lld",
                  (long long)rollout->release);
        rest_link(call, out, "rollout", "/rollouts/%lld", (long long)row->rollout);
        tree_out_map_end(out);
        tree_out_map_end(out);
    }
    free(rollout);
    return err;
}

/* ---- reading ---- */

/* Those that a device can be told of by a number; newest first, as hawkBit has them. */
static enum err put_list(struct rest_call *call, const struct device_row *device,
                         const struct assignment_row *rows, uint32_t count)
{
    struct rest_page page = rest_page(call);
    struct tree_out out = rest_begin(call);
    int64_t shown = 0;

    tree_out_map(&out, NULL);
    tree_out_list(&out, "content");
    for (uint64_t i = page.offset; i < count && i < page.offset + page.limit; i++, shown++)
        TRY(put_action(call, &out, device, &rows[i]));
    tree_out_list_end(&out);
    tree_out_int(&out, "total", count);
    tree_out_int(&out, "size", shown);
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

enum err rest_actions(struct rest_call *call)
{
    struct assignment_row *rows = calloc(REST_ACTIONS_MAX, sizeof *rows);
    struct device_row device;
    uint32_t count;
    enum err err = rest_find_target(call, &device);

    CHECK(rows);
    if (err == ERR_OK)
        err = store_assignment_history(call->app->db, device.tenant, device.id, 0, REST_ACTIONS_MAX,
                                       rows, &count);
    if (err == ERR_OK)
        err = put_list(call, &device, rows, count);
    free(rows);
    return err;
}

static enum err find(struct rest_call *call, struct device_row *device, struct assignment_row *row)
{
    const char *text = call->arguments.text[1];
    uint64_t id = 0;
    bool back;
    enum err err;

    TRY(rest_find_target(call, device));
    for (size_t i = 0; text[i] >= '0' && text[i] <= '9' && id <= INT32_MAX; i++)
        id = id * 10 + (uint64_t)(text[i] - '0');
    if (id == 0 || id > INT32_MAX)
        return rest_missing(call, "Action", text);
    err = store_assignment_get(call->app->db, device->tenant, device->id,
                               foreign_id_assignment((uint32_t)id, &back), row);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && back))
        return rest_missing(call, "Action", text);
    return err;
}

enum err rest_action(struct rest_call *call)
{
    struct assignment_row *row = calloc(1, sizeof *row);
    struct tree_out out = rest_begin(call);
    struct device_row device;
    enum err err = find(call, &device, row);

    CHECK(row);
    if (err == ERR_OK)
        err = put_action(call, &out, &device, row);
    if (err == ERR_OK)
        err = rest_end(call, 200);
    free(row);
    return err;
}

/* ---- what the device said ---- */

/* The type of hawkBit's entry for "closed/failure" and the like. */
static const char *type_of(const char *phase)
{
    static const struct {
        const char *phase, *type;
    } types[] = {{"closed/failure", "error"},   {"closed/", "finished"},
                 {"canceled/", "canceled"},     {"rejected/", "warning"},
                 {"downloaded/", "downloaded"}, {"download/", "download"}};

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strncmp(phase, types[i].phase, strlen(types[i].phase)) == 0)
            return types[i].type;
    }
    return "running";
}

static void put_word(struct tree_out *out, const struct foreign_word *word)
{
    tree_out_map(out, NULL);
    tree_out_int(out, "id", word->id);
    tree_out_text(out, "type", span_of(type_of(word->phase)));
    tree_out_list(out, "messages");
    tree_out_text(out, NULL, span_of(word->text));
    tree_out_list_end(out);
    tree_out_int(out, "reportedAt", word->at.ms);
    tree_out_int(out, "timestamp", word->at.ms);
    if (word->code != 0)
        tree_out_int(out, "code", word->code);
    tree_out_map_end(out);
}

static enum err put_words(struct rest_call *call, const struct assignment_row *row,
                          struct foreign_word *words)
{
    struct rest_page page = rest_page(call);
    struct tree_out out = rest_begin(call);
    uint32_t count;
    int64_t shown = 0;

    TRY(store_foreign_words(call->app->db, row->tenant, row->device, row->id, 0, FOREIGN_WORDS_MAX,
                            words, &count));
    tree_out_map(&out, NULL);
    tree_out_list(&out, "content");
    for (uint64_t i = page.offset; i < count && i < page.offset + page.limit; i++, shown++)
        put_word(&out, &words[i]);
    tree_out_list_end(&out);
    tree_out_int(&out, "total", count);
    tree_out_int(&out, "size", shown);
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

enum err rest_action_status(struct rest_call *call)
{
    struct foreign_word *words = calloc(FOREIGN_WORDS_MAX, sizeof *words);
    struct assignment_row *row = calloc(1, sizeof *row);
    struct device_row device;
    enum err err = find(call, &device, row);

    CHECK(words && row);
    if (err == ERR_OK)
        err = put_words(call, row, words);
    free(row);
    free(words);
    return err;
}
