/* "Assign this distribution set to these targets": a rollout of one stage without a gate, for those
 * devices alone, that starts at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/steer.h"
#include "base/check.h"
#include "server/hawkbit_rest_inside.h"

#define DEADLINE_S \
    (24u * 3600u) /* a device that is silent for so long after its leave has failed */

struct assigning {
    char name[NAME_SIZE_MAX + 1];
    char release[RELEASE_ID_SIZE];
    char selector[SELECTOR_SIZE_MAX];
    struct buf buf; /* over `selector` */
    uint32_t total, already;
};

/* What would mean something else if it were ignored. */
static bool is_plain(const json_t *item)
{
    const char *type = json_string_value(json_object_get(item, "type"));

    if (type && strcmp(type, "forced") != 0 && strcmp(type, "soft") != 0)
        return false;
    return !json_is_object(json_object_get(item, "maintenanceWindow")) &&
           !json_is_true(json_object_get(item, "confirmationRequired"));
}

/* A target that does not exist is passed over, as in hawkBit. */
static enum err add_target(struct rest_call *call, const char *id,
                           const struct release_row *release, struct assigning *to)
{
    struct foreign_row foreign;
    struct device_row device;
    enum err err =
        store_foreign_find(call->app->db, call->tenant, PROTOCOL_HAWKBIT, span_of(id), &foreign);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    TRY(store_device_get(call->app->db, call->tenant, foreign.device, &device));
    to->already += span_is(span_of(device.version), release->version) ? 1 : 0;
    buf_text(&to->buf, to->total++ > 0 ? ", \"" : "\"");
    buf_text(&to->buf, device.name);
    buf_byte(&to->buf, '"');
    return ERR_OK;
}

static enum err read_targets(struct rest_call *call, const struct release_row *release,
                             struct assigning *to)
{
    size_t count = json_array_size(call->body);

    if (!json_is_array(call->body) || count == 0)
        return rest_unreadable(call);
    if (count > REST_BULK_MAX) {
        why_say(&call->why, NULL, "at most 100 targets at once; make a rollout for more");
        return rest_error(call, ERR_TOO_BIG);
    }
    to->buf = buf_over(to->selector, sizeof to->selector);
    buf_text(&to->buf, REST_SELECTOR " and name in (");
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(call->body, i);
        const char *id = json_string_value(json_object_get(item, "id"));

        if (!id)
            return rest_unreadable(call);
        if (!is_plain(item))
            return rest_bad(call, "type must be forced or soft, without maintenanceWindow and "
                                  "confirmationRequired; a rollout of ours has windows");
        TRY(add_target(call, id, release, to));
    }
    buf_byte(&to->buf, ')');
    if (buf_finish_text(&to->buf)[0] != '\0')
        return ERR_OK;
    why_say(&call->why, NULL, "their names are too long together; make a rollout");
    return rest_error(call, ERR_TOO_BIG);
}

static enum err begin(struct rest_call *call, const struct assigning *to)
{
    struct steer_draft draft = {
        .tenant = call->tenant,
        .actor = call->actor,
        .created_by = call->token.name,
        .name = to->name,
        .release = span_of(to->release),
        .selector = span_of(to->selector),
        .plan = {.stage_count = 1,
                 .stages = {{.permille = 1000, .gate = {.failures_permille = 1000}}},
                 .deadline_s = DEADLINE_S},
        .confirm_above = UINT32_MAX};
    struct steer_order order = {
        .tenant = call->tenant, .actor = call->actor, .person = call->token.name, .now = call->now};
    struct steer_preview *preview = calloc(1, sizeof *preview);
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(preview && row);
    err = steer_create(call->app, &draft, call->now, preview, row, &call->why);
    if (err == ERR_OK)
        err = steer_event(call->app, row, ROLLOUT_EV_START, &order, &call->why);
    free(row);
    free(preview);
    return err == ERR_OK ? ERR_OK : rest_error(call, err);
}

/* The numbers of actions are not known yet: devices are admitted a moment later. */
static enum err tell(struct rest_call *call, const struct assigning *to)
{
    struct tree_out out = rest_begin(call);

    tree_out_map(&out, NULL);
    tree_out_int(&out, "alreadyAssigned", to->already);
    tree_out_int(&out, "assigned", to->total - to->already);
    tree_out_int(&out, "total", to->total);
    tree_out_list(&out, "assignedActions");
    tree_out_list_end(&out);
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

static enum err assign(struct rest_call *call, struct assigning *to)
{
    struct release_row release;
    int64_t id;
    enum err err = rest_argument_id(call, &id)
                       ? store_release_get(call->app->db, call->tenant, id, &release)
                       : ERR_NOT_FOUND;

    if (err == ERR_NOT_FOUND)
        return rest_missing(call, "DistributionSet", call->arguments.text[0]);
    TRY(err);
    release_row_name(&release, to->release);
    (void)snprintf(to->name, sizeof to->name, "assign-%lld-%llx", (long long)id,
                   (unsigned long long)prng_next(&call->app->prng));
    TRY(read_targets(call, &release, to));
    if (to->total > to->already)
        TRY(begin(call, to));
    return tell(call, to);
}

enum err rest_set_assign(struct rest_call *call)
{
    struct assigning *to = calloc(1, sizeof *to);
    enum err err;

    CHECK(to);
    err = assign(call, to);
    free(to);
    return err;
}
