/* Rollouts in the management API: lists, one rollout, and the verbs that steer it. */
#include <stdio.h>
#include <stdlib.h>

#include "app/steer.h"
#include "base/check.h"
#include "server/api_call.h"
#include "server/api_rollout.h"
#include "server/problem.h"

#define SENTENCE_SIZE 256u

/* ---- One rollout as JSON ---- */

static void out_stage(struct json_out *out, const struct rollout_stage *stage)
{
    out_object(out, NULL);
    if (stage->permille != 0)
        out_permille(out, "percent", stage->permille);
    else
        out_int(out, "count", stage->count);
    out_int(out, "soak_s", stage->soak_s);
    out_permille(out, "failure_percent", stage->gate.failures_permille);
    out_int(out, "failure_count", stage->gate.failures_count);
    out_int(out, "sample_min", stage->gate.sample_min);
    out_object_end(out);
}

static void out_window(struct json_out *out, const struct window *window)
{
    char start[8];
    struct buf text = buf_over(start, sizeof start);

    if (!window_set(window)) {
        out_null(out, "window");
        return;
    }
    out_object(out, "window");
    out_array(out, "days");
    for (unsigned day = 0; day < 7; day++) {
        if (window->days & 1u << day)
            out_text(out, NULL, window_day_name(day));
    }
    out_array_end(out);
    window_start_format(window->start_min, &text);
    out_text(out, "start", buf_finish_text(&text));
    out_int(out, "duration_s", window->duration_s);
    out_object_end(out);
}

static void out_counts(struct json_out *out, const struct rollout *rollout,
                       const uint32_t states[ASSIGNMENT_STATE_COUNT])
{
    out_object(out, "counts");
    out_int(out, "selected", rollout->selected);
    out_int(out, "admitted", rollout_admitted(rollout));
    for (enum assignment_state i = 0; i < ASSIGNMENT_STATE_COUNT; i++)
        out_int(out, assignment_state_name(i), states[i]);
    out_object_end(out);
}

static void out_plan(struct json_out *out, const struct rollout_row *row)
{
    const struct rollout_plan *plan = &row->rollout.plan;

    out_array(out, "stages");
    for (uint8_t i = 0; i < plan->stage_count; i++)
        out_stage(out, &plan->stages[i]);
    out_array_end(out);
    out_int(out, "deadline_s", plan->deadline_s);
    out_int(out, "retry_limit", plan->retry_limit);
    out_window(out, &row->window);
    out_utc(out, "start_at", plan->start_at);
    out_utc(out, "end_at", plan->end_at);
    out_bool(out, "needs_approval", plan->needs_approval);
}

static void out_risk_plan(struct json_out *out, const struct rollout_row *row)
{
    const struct risk_plan *plan = &row->risk;

    out_text(out, "strategy", rollout_strategy_name(row->strategy));
    if (row->strategy == STRATEGY_STAGES) {
        out_null(out, "risk");
        return;
    }
    out_object(out, "risk");
    out_int(out, "max_harmed", plan->harmed_max);
    out_permille(out, "confidence_percent", 1000 - plan->doubt_ppm / 1000);
    out_permille(out, "floor_percent", plan->floor_ppm / 1000);
    out_permille(out, "background_percent", plan->background_ppm / 1000);
    out_int(out, "observe_s", plan->observe_s);
    out_object_end(out);
}

enum err out_rollout(struct api_call *call, struct json_out *out, const struct rollout_row *row)
{
    uint32_t states[ASSIGNMENT_STATE_COUNT] = {0};
    char release[RELEASE_ID_SIZE], sentence[SENTENCE_SIZE];
    struct buf text = buf_over(sentence, sizeof sentence);

    TRY(store_assignment_count(call->app->db, row->tenant, row->id, states));
    rollout_explain(&row->rollout, call->now, &text);
    out_int(out, "id", row->id);
    out_text(out, "name", row->name);
    out_text(out, "release", api_release_name(call, row->release, release, sizeof release));
    out_text(out, "selector", row->selector);
    out_text(out, "state", rollout_state_name(row->rollout.state));
    out_text(out, "cause", rollout_cause_name(row->rollout.cause));
    out_text(out, "sentence", buf_finish_text(&text));
    out_text_or_null(out, "reason", row->reason);
    out_int(out, "stage", row->rollout.stage);
    out_risk_plan(out, row);
    out_plan(out, row);
    out_text_or_null(out, "approved_by", row->approved_by);
    out_text(out, "created_by", row->created_by);
    out_utc(out, "created_at", row->created);
    out_utc(out, "updated_at", row->state_since);
    out_counts(out, &row->rollout, states);
    return ERR_OK;
}

/* State and stage: what somebody has looked at before pressing the button. */
static void etag_of(const struct rollout_row *row, char etag[API_ETAG_SIZE])
{
    char text[NAME_SIZE_MAX + 128];
    int size = snprintf(text, sizeof text, "%lld %u %u %lld %u %s", (long long)row->id,
                        row->rollout.state, row->rollout.stage, (long long)row->state_since.ms,
                        row->rollout.closed, row->approved_by);

    CHECK(size > 0 && (size_t)size < sizeof text);
    api_etag(span_of(text), etag);
}

enum err reply_rollout(struct api_call *call, uint16_t status, const struct rollout_row *row)
{
    char etag[API_ETAG_SIZE];
    struct json_out out = out_begin(call->exchange, status);

    TRY(out_rollout(call, &out, row));
    out_finish(&out);
    etag_of(row, etag);
    reply_header(call->exchange, "ETag", etag);
    return ERR_OK;
}

enum err find_rollout(struct api_call *call, struct rollout_row *row)
{
    enum err err = store_rollout_find(call->app->db, call->tenant, api_argument(call, 0), row);

    return err == ERR_NOT_FOUND ? api_missing(call, "rollout", api_argument(call, 0)) : err;
}

/* ---- Looking ---- */

struct rollout_query {
    bool by_state;
    enum rollout_state state;
    uint32_t limit;
    int64_t before; /* where the next page goes on */
    bool more;
};

static enum err out_listed(struct api_call *call, const struct rollout_row *row,
                           struct json_out *out)
{
    out_object(out, NULL);
    TRY(out_rollout(call, out, row));
    out_object_end(out);
    return ERR_OK;
}

/* Look on until one more than the page holds has been found, or enough has been looked at. */
static enum err list_rollouts(struct api_call *call, struct rollout_query *query,
                              struct rollout_row *row, struct json_out *out)
{
    int64_t id = query->before;
    uint32_t listed = 0, count;

    for (uint32_t scanned = 0; scanned < API_SCAN_MAX; scanned++) {
        TRY(store_rollout_list(call->app->db, call->tenant, id, 1, &id, &count));
        query->more = count > 0;
        if (count == 0)
            return ERR_OK;
        TRY(store_rollout_get(call->app->db, call->tenant, id, row));
        if (!query->by_state || row->rollout.state == query->state) {
            if (listed == query->limit)
                return ERR_OK;
            TRY(out_listed(call, row, out));
            listed++;
        }
        query->before = id;
    }
    return ERR_OK;
}

enum err api_rollouts(struct api_call *call)
{
    struct rollout_query query = {0};
    struct rollout_row *row;
    struct json_out out;
    char text[32];
    enum err err;

    TRY(api_limit(call, &query.limit));
    TRY(api_cursor(call, &query.before, sizeof query.before));
    TRY(api_query_text(call, "state", text, sizeof text, &query.by_state));
    if (query.by_state && rollout_state_parse(span_of(text), &query.state) != ERR_OK)
        return api_bad(call, "state", "there is no rollout state %s", text);
    row = calloc(1, sizeof *row);
    CHECK(row);
    api_page_begin(call, &out);
    err = list_rollouts(call, &query, row, &out);
    free(row);
    TRY(err);
    api_page_end(call, &out, query.more ? &query.before : NULL, sizeof query.before);
    return ERR_OK;
}

/* Rows are large: a handler has one on the heap, for as long as `use` runs. */
typedef enum err rollout_use(struct api_call *call, struct rollout_row *row);

static enum err with_rollout(struct api_call *call, rollout_use *use)
{
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(row);
    err = find_rollout(call, row);
    if (err == ERR_OK)
        err = use(call, row);
    free(row);
    return err;
}

static enum err show(struct api_call *call, struct rollout_row *row)
{
    return reply_rollout(call, 200, row);
}

enum err api_rollout(struct api_call *call)
{
    return with_rollout(call, show);
}

/* ---- Steering ---- */

static struct steer_order order_of(const struct api_call *call)
{
    return (struct steer_order){.tenant = call->tenant,
                                .actor = call->actor,
                                .person = call->token.name,
                                .reason = span_of(""),
                                .now = call->now};
}

static enum err drop(struct api_call *call, struct rollout_row *row)
{
    struct steer_order order = order_of(call);

    TRY(steer_delete(call->app, row, &order, &call->why));
    reply_empty(call->exchange, 204);
    return ERR_OK;
}

enum err api_rollout_delete(struct api_call *call)
{
    return with_rollout(call, drop);
}

/* A problem that says whom it is about, too. */
static enum err reply_barred(struct api_call *call, const struct survey_names *barred)
{
    struct json_out out = out_begin(call->exchange, 409);

    call->exchange->reply.content_type = "application/problem+json";
    out_text(&out, "type", "urn:slipway:error:conflict");
    out_text(&out, "title", problem_title(ERR_CONFLICT));
    out_int(&out, "status", 409);
    out_text(&out, "detail", call->why.text);
    out_text(&out, "field", call->why.field);
    out_object(&out, "barred");
    out_int(&out, "count", barred->count);
    out_array(&out, "sample");
    for (uint32_t i = 0; i < barred->sampled; i++)
        out_text(&out, NULL, barred->sample[i]);
    out_array_end(&out);
    out_object_end(&out);
    out_finish(&out);
    return ERR_CONFLICT;
}

static enum err steer_with(struct api_call *call, struct rollout_row *row,
                           enum rollout_event_kind kind, struct fields *fields)
{
    struct steer_order order = order_of(call);
    char etag[API_ETAG_SIZE];

    int64_t leave_behind = 0;
    enum err err;

    fields_text(fields, "reason", FIELD_OPTIONAL, REASON_SIZE_MAX, &order.reason);
    if (kind == ROLLOUT_EV_ROLLBACK)
        order.leaves_behind =
            fields_int(fields, "leave_behind", FIELD_OPTIONAL, 0, UINT32_MAX, &leave_behind);
    order.leave_behind = (uint32_t)leave_behind;
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    etag_of(row, etag);
    TRY(api_if_match(call, etag));
    err = steer_event(call->app, row, kind, &order, &call->why);
    if (err == ERR_CONFLICT && order.barred.count > 0)
        return reply_barred(call, &order.barred);
    TRY(err);
    return reply_rollout(call, 200, row);
}

static enum err steer(struct api_call *call, enum rollout_event_kind kind)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_OPTIONAL, &call->why);
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err = fields.err == ERR_OK ? ERR_OK : api_bad_why(call);

    CHECK(row);
    if (err == ERR_OK)
        err = find_rollout(call, row);
    if (err == ERR_OK)
        err = steer_with(call, row, kind, &fields);
    free(row);
    fields_close(&fields);
    return err;
}

enum err api_rollout_approve(struct api_call *call)
{
    return steer(call, ROLLOUT_EV_APPROVE);
}

enum err api_rollout_start(struct api_call *call)
{
    return steer(call, ROLLOUT_EV_START);
}

enum err api_rollout_pause(struct api_call *call)
{
    return steer(call, ROLLOUT_EV_PAUSE);
}

enum err api_rollout_resume(struct api_call *call)
{
    return steer(call, ROLLOUT_EV_RESUME);
}

enum err api_rollout_abort(struct api_call *call)
{
    return steer(call, ROLLOUT_EV_ABORT);
}

enum err api_rollout_advance(struct api_call *call)
{
    return steer(call, ROLLOUT_EV_ADVANCE);
}

enum err api_rollout_rollback(struct api_call *call)
{
    return steer(call, ROLLOUT_EV_ROLLBACK);
}
