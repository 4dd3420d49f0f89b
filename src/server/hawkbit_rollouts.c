/* Rollouts of hawkBit's management API, as ours: groups are stages, the error threshold is the
 * gate. What hawkBit does differently and ours does not do is refused rather than forgotten, and a
 * group that has failed never opens the next one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/steer.h"
#include "base/check.h"
#include "fleet/rsql.h"
#include "server/hawkbit_rest_inside.h"

#define ERROR_PERMILLE_DEFAULT 500u          /* as in hawkBit */
#define DEADLINE_S             (24u * 3600u) /* hawkBit has none: a silent device is silent then */
#define ILLEGAL                "rollout.illegalState"
#define CLASS                  "org.eclipse.hawkbit.repository.exception."

/* ---- one rollout as JSON ---- */

static const char *status_of(enum rollout_state state)
{
    switch (state) {
    case ROLLOUT_DRAFT:
    case ROLLOUT_APPROVED:
        return "ready";
    case ROLLOUT_RUNNING:
    case ROLLOUT_ROLLING_BACK:
        return "running";
    case ROLLOUT_PAUSED:
    case ROLLOUT_HALTED:
        return "paused";
    case ROLLOUT_DONE:
        return "finished";
    case ROLLOUT_ROLLED_BACK:
    case ROLLOUT_ABORTED:
    case ROLLOUT_STATE_COUNT:
        break;
    }
    return "stopped";
}

static uint32_t standing(const struct rollout *rollout, unsigned stage, enum standing at)
{
    return rollout->tally[stage].at[at];
}

static void put_counts(struct tree_out *out, const struct rollout *rollout, unsigned from,
                       unsigned to, uint32_t total)
{
    uint32_t running = 0, good = 0, bad = 0, known;

    for (unsigned i = from; i < to; i++) {
        running += standing(rollout, i, STANDING_WAITING) + standing(rollout, i, STANDING_EXPOSED);
        good += standing(rollout, i, STANDING_GOOD);
        bad += standing(rollout, i, STANDING_FAILED) + standing(rollout, i, STANDING_SILENT);
    }
    known = running + good + bad;
    tree_out_int(out, "totalTargets", total > known ? total : known);
    tree_out_map(out, "totalTargetsPerStatus");
    tree_out_int(out, "notstarted", total > known ? total - known : 0);
    tree_out_int(out, "scheduled", 0);
    tree_out_int(out, "running", running);
    tree_out_int(out, "finished", good);
    tree_out_int(out, "error", bad);
    tree_out_int(out, "cancelled", 0);
    tree_out_map_end(out);
}

static void put_rollout(struct rest_call *call, struct tree_out *out, const struct rollout_row *row)
{
    static const char *const verbs[] = {"start", "pause",   "resume",
                                        "stop",  "approve", "triggerNextGroup"};
    const struct rollout *rollout = &row->rollout;
    long long id = (long long)row->id;

    tree_out_map(out, NULL);
    tree_out_int(out, "id", row->id);
    tree_out_text(out, "name", span_of(row->name));
    tree_out_text(out, "targetFilterQuery", span_of(row->selector));
    tree_out_int(out, "distributionSetId", row->release);
    tree_out_text(out, "status", span_of(status_of(rollout->state)));
    put_counts(out, rollout, 0, rollout->plan.stage_count, rollout->selected);
    tree_out_int(out, "totalGroups", rollout->plan.stage_count);
    tree_out_text(out, "type", SPAN_LITERAL("forced"));
    tree_out_int(out, "createdAt", row->created.ms);
    tree_out_text(out, "createdBy", span_of(row->created_by));
    tree_out_int(out, "lastModifiedAt", row->state_since.ms);
    if (rollout->plan.start_at.ms != 0)
        tree_out_int(out, "startAt", rollout->plan.start_at.ms);
    tree_out_text(out, "approvalRemark", span_of(row->reason));
    tree_out_text(out, "approveDecidedBy", span_of(row->approved_by));
    tree_out_map(out, "_links");
    rest_link(call, out, NULL, "/rollouts/%lld", id);
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        rest_link(call, out, verbs[i], "/rollouts/%lld/%s", id, verbs[i]);
    rest_link(call, out, "groups", "/rollouts/%lld/deploygroups", id);
    rest_link(call, out, "distributionset", "/distributionsets/%lld", (long long)row->release);
    tree_out_map_end(out);
    tree_out_map_end(out);
}

/* ---- reading ---- */

static enum err find(struct rest_call *call, struct rollout_row *row)
{
    int64_t id;
    enum err err = rest_argument_id(call, &id)
                       ? store_rollout_get(call->app->db, call->tenant, id, row)
                       : ERR_NOT_FOUND;

    if (err == ERR_NOT_FOUND)
        return rest_missing(call, "Rollout", call->arguments.text[0]);
    return err == ERR_OK ? ERR_OK : rest_error(call, err);
}

static enum err with_rollout(struct rest_call *call,
                             enum err (*use)(struct rest_call *, struct rollout_row *))
{
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(row);
    err = find(call, row);
    if (err == ERR_OK)
        err = use(call, row);
    free(row);
    return err;
}

static enum err show(struct rest_call *call, struct rollout_row *row)
{
    struct tree_out out = rest_begin(call);

    put_rollout(call, &out, row);
    return rest_end(call, 200);
}

enum err rest_rollout(struct rest_call *call)
{
    return with_rollout(call, show);
}

static enum err list(struct rest_call *call, const int64_t *ids, size_t count,
                     struct rollout_row *row)
{
    struct rest_page page = rest_page(call);
    struct tree_out out = rest_begin(call);
    int64_t shown = 0;

    tree_out_map(&out, NULL);
    tree_out_list(&out, "content");
    for (uint64_t i = page.offset; i < count && i < page.offset + page.limit; i++, shown++) {
        TRY(store_rollout_get(call->app->db, call->tenant, ids[count - 1 - (size_t)i], row));
        put_rollout(call, &out, row);
    }
    tree_out_list_end(&out);
    tree_out_int(&out, "total", (int64_t)count);
    tree_out_int(&out, "size", shown);
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

enum err rest_rollouts(struct rest_call *call)
{
    int64_t *ids = calloc(REST_SETS_MAX, sizeof *ids);
    struct rollout_row *row = calloc(1, sizeof *row);
    uint32_t count = 0;
    enum err err;

    CHECK(ids && row);
    err = store_rollout_list(call->app->db, call->tenant, 0, REST_SETS_MAX, ids, &count);
    err = err == ERR_OK ? list(call, ids, count, row) : rest_error(call, err);
    free(row);
    free(ids);
    return err;
}

/* A group's own share of the devices. */
static uint32_t share_of(const struct rollout *rollout, uint8_t stage)
{
    uint32_t before = stage > 0 ? rollout_goal(rollout, (uint8_t)(stage - 1)) : 0;
    uint32_t upto = rollout_goal(rollout, stage);

    return upto > before ? upto - before : 0;
}

static const char *group_status(const struct rollout *rollout, uint8_t stage)
{
    if (rollout->state == ROLLOUT_DRAFT || rollout->state == ROLLOUT_APPROVED)
        return "ready";
    if (stage > rollout->stage)
        return "scheduled";
    if (stage == rollout->stage && rollout->state == ROLLOUT_HALTED)
        return "error";
    return stage < rollout->stage || rollout->state == ROLLOUT_DONE ? "finished" : "running";
}

static enum err show_groups(struct rest_call *call, struct rollout_row *row)
{
    const struct rollout *rollout = &row->rollout;
    struct tree_out out = rest_begin(call);
    char text[24];

    tree_out_map(&out, NULL);
    tree_out_list(&out, "content");
    for (uint8_t i = 0; i < rollout->plan.stage_count; i++) {
        tree_out_map(&out, NULL);
        tree_out_int(&out, "id", i + 1);
        (void)snprintf(text, sizeof text, "group-%u", i + 1u);
        tree_out_text(&out, "name", span_of(text));
        tree_out_text(&out, "status", span_of(group_status(rollout, i)));
        put_counts(&out, rollout, i, i + 1u, share_of(rollout, i));
        tree_out_map(&out, "errorCondition");
        tree_out_text(&out, "condition", SPAN_LITERAL("THRESHOLD"));
        (void)snprintf(text, sizeof text, "%u",
                       rollout->plan.stages[i].gate.failures_permille / 10u);
        tree_out_text(&out, "expression", span_of(text));
        tree_out_map_end(&out);
        tree_out_map_end(&out);
    }
    tree_out_list_end(&out);
    tree_out_int(&out, "total", rollout->plan.stage_count);
    tree_out_int(&out, "size", rollout->plan.stage_count);
    tree_out_map_end(&out);
    return rest_end(call, 200);
}

enum err rest_rollout_groups(struct rest_call *call)
{
    return with_rollout(call, show_groups);
}

/* ---- steering ---- */

static enum err illegal(struct rest_call *call)
{
    return rest_refuse(call, 400, ERR_INVALID, CLASS "RolloutIllegalStateException", ILLEGAL,
                       call->why.text);
}

static struct steer_order order_of(struct rest_call *call, char reason[REASON_SIZE_MAX + 1])
{
    if (http_query_text(call->exchange->request.query, "remark", reason, REASON_SIZE_MAX + 1) !=
        ERR_OK)
        reason[0] = '\0';
    return (struct steer_order){.tenant = call->tenant,
                                .actor = call->actor,
                                .person = call->token.name,
                                .reason = span_of(reason),
                                .now = call->now};
}

static enum err steer(struct rest_call *call, enum rollout_event_kind kind)
{
    struct rollout_row *row = calloc(1, sizeof *row);
    char reason[REASON_SIZE_MAX + 1];
    struct steer_order order = order_of(call, reason);
    enum err err;

    CHECK(row);
    err = find(call, row);
    if (err == ERR_OK) {
        err = steer_event(call->app, row, kind, &order, &call->why);
        if (err == ERR_OK)
            reply_empty(call->exchange, 204);
        else
            err =
                err == ERR_INVALID || err == ERR_NOT_FOUND ? illegal(call) : rest_error(call, err);
    }
    free(row);
    return err;
}

enum err rest_rollout_start(struct rest_call *call)
{
    return steer(call, ROLLOUT_EV_START);
}

enum err rest_rollout_pause(struct rest_call *call)
{
    return steer(call, ROLLOUT_EV_PAUSE);
}

enum err rest_rollout_resume(struct rest_call *call)
{
    return steer(call, ROLLOUT_EV_RESUME);
}

enum err rest_rollout_stop(struct rest_call *call)
{
    return steer(call, ROLLOUT_EV_ABORT);
}

enum err rest_rollout_approve(struct rest_call *call)
{
    return steer(call, ROLLOUT_EV_APPROVE);
}

enum err rest_rollout_next(struct rest_call *call)
{
    return steer(call, ROLLOUT_EV_ADVANCE);
}

static enum err remove_draft(struct rest_call *call, struct rollout_row *row)
{
    char reason[REASON_SIZE_MAX + 1];
    struct steer_order order = order_of(call, reason);
    enum err err = steer_delete(call->app, row, &order, &call->why);

    if (err == ERR_INVALID)
        return illegal(call);
    if (err != ERR_OK)
        return rest_error(call, err);
    reply_empty(call->exchange, 204);
    return ERR_OK;
}

enum err rest_rollout_delete(struct rest_call *call)
{
    return with_rollout(call, remove_draft);
}

/* ---- making one ---- */

struct rollout_order {
    char name[NAME_SIZE_MAX + 1];
    char release[RELEASE_ID_SIZE];
    char selector[SELECTOR_SIZE_MAX];
    struct rollout_plan plan;
};

/* The share of an error condition, in thousandths; the default when it is not there. */
static bool read_threshold(const json_t *object, uint16_t *permille)
{
    const json_t *condition = json_object_get(object, "errorCondition");
    const char *text = json_string_value(json_object_get(condition, "expression"));
    unsigned percent = 0;

    if (!condition)
        return true;
    if (!text || text[0] == '\0' || strlen(text) > 3)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        percent = percent * 10 + (unsigned)(*text - '0');
    }
    *permille = (uint16_t)(percent * 10);
    return percent <= 100;
}

/* Equal groups. */
static bool take_amount(const json_t *body, struct rollout_plan *plan)
{
    const json_t *amount = json_object_get(body, "amountGroups");
    json_int_t count = amount ? json_integer_value(amount) : 1;
    uint16_t permille = ERROR_PERMILLE_DEFAULT;

    if (count < 1 || count > (json_int_t)ROLLOUT_STAGES_MAX || !read_threshold(body, &permille))
        return false;
    plan->stage_count = (uint8_t)count;
    for (uint8_t i = 0; i < plan->stage_count; i++)
        plan->stages[i] =
            (struct rollout_stage){.permille = (uint16_t)((i + 1u) * 1000u / plan->stage_count),
                                   .gate = {.failures_permille = permille}};
    return true;
}

/* A group takes its percentage of what the groups before it have left; together all. */
static bool take_groups(const json_t *body, const json_t *groups, struct rollout_plan *plan)
{
    size_t count = json_array_size(groups);
    double left = 1000.0;

    if (count < 1 || count > ROLLOUT_STAGES_MAX || json_object_get(body, "amountGroups"))
        return false;
    plan->stage_count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        const json_t *group = json_array_get(groups, i);
        const json_t *share = json_object_get(group, "targetPercentage");
        double percent = share ? json_number_value(share) : 100.0;
        uint16_t permille = ERROR_PERMILLE_DEFAULT;

        if (!(percent > 0.0 && percent <= 100.0) || json_object_get(group, "targetFilterQuery") ||
            !read_threshold(body, &permille) || !read_threshold(group, &permille))
            return false;
        left -= left * percent / 100.0;
        plan->stages[i] = (struct rollout_stage){.permille = (uint16_t)(1000.5 - left),
                                                 .gate = {.failures_permille = permille}};
    }
    return plan->stages[count - 1].permille == 1000;
}

/* What would change the meaning of a rollout if it were ignored. */
static const char *unknown_wish(const json_t *body)
{
    const char *type = json_string_value(json_object_get(body, "type"));

    if (type && strcmp(type, "forced") != 0 && strcmp(type, "soft") != 0)
        return "type must be forced or soft";
    if (json_is_true(json_object_get(body, "dynamic")))
        return "dynamic rollouts are not needed: ours admit latecomers by themselves";
    if (json_is_true(json_object_get(body, "confirmationRequired")))
        return "there is no confirmation by devices; use approval";
    return NULL;
}

static enum err take_selector(struct rest_call *call, const json_t *body, struct rollout_order *out)
{
    const char *query = json_string_value(json_object_get(body, "targetFilterQuery"));
    struct buf buf = buf_over(out->selector, sizeof out->selector);
    struct rsql_fault fault;

    if (!query || query[0] == '\0')
        return rest_bad(call, "targetFilterQuery must be given");
    buf_text(&buf, REST_SELECTOR " and (");
    if (rsql_to_selector(span_of(query), &buf, &fault) != ERR_OK)
        buf.overflow = true;
    buf_byte(&buf, ')');
    if (buf_finish_text(&buf)[0] == '\0')
        return rest_refuse(call, 400, ERR_INVALID, CLASS "RSQLParameterSyntaxException",
                           "rest.param.rsqlParamSyntax",
                           "targetFilterQuery is not RSQL over the fields that are here");
    return ERR_OK;
}

static enum err take_release(struct rest_call *call, const json_t *body, struct rollout_order *out)
{
    json_int_t id = json_integer_value(json_object_get(body, "distributionSetId"));
    struct release_row row;
    char text[24];
    enum err err = store_release_get(call->app->db, call->tenant, id, &row);

    (void)snprintf(text, sizeof text, "%lld", (long long)id);
    if (err == ERR_NOT_FOUND)
        return rest_missing(call, "DistributionSet", text);
    if (err != ERR_OK)
        return rest_error(call, err);
    release_row_name(&row, out->release);
    return ERR_OK;
}

static enum err read_rollout(struct rest_call *call, struct rollout_order *out)
{
    const json_t *body = call->body, *groups = json_object_get(body, "groups");
    const char *name = json_string_value(json_object_get(body, "name"));
    const json_t *start = json_object_get(body, "startAt");
    const char *wish = unknown_wish(body);

    if (!json_is_object(body) || !name)
        return rest_unreadable(call);
    if (wish)
        return rest_bad(call, wish);
    if (strlen(name) > NAME_SIZE_MAX)
        return rest_bad(call, "name has more than 64 characters");
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    out->plan.deadline_s = DEADLINE_S;
    if (json_is_integer(start))
        out->plan.start_at.ms = json_integer_value(start);
    if (groups ? !take_groups(body, groups, &out->plan) : !take_amount(body, &out->plan))
        return rest_bad(call, "the groups must be at most 16, together have all targets, and be "
                              "told apart by percentage alone; thresholds are whole percents");
    TRY(take_selector(call, body, out));
    return take_release(call, body, out);
}

static enum err create(struct rest_call *call, const struct rollout_order *order,
                       struct rollout_row *row)
{
    struct steer_draft draft = {.tenant = call->tenant,
                                .actor = call->actor,
                                .created_by = call->token.name,
                                .name = order->name,
                                .release = span_of(order->release),
                                .selector = span_of(order->selector),
                                .plan = order->plan,
                                .confirm_above = UINT32_MAX};
    struct steer_preview *preview = calloc(1, sizeof *preview);
    struct tree_out out;
    enum err err;

    CHECK(preview);
    err = steer_create(call->app, &draft, call->now, preview, row, &call->why);
    free(preview);
    if (err != ERR_OK)
        return rest_error(call, err);
    out = rest_begin(call);
    put_rollout(call, &out, row);
    return rest_end(call, 201);
}

enum err rest_rollouts_post(struct rest_call *call)
{
    struct rollout_order *order = calloc(1, sizeof *order);
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(order && row);
    err = read_rollout(call, order);
    if (err == ERR_OK)
        err = create(call, order, row);
    free(row);
    free(order);
    return err;
}
