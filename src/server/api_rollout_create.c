/* Drafting rollouts in the management API, and trying selectors out. */
#include <stdio.h>
#include <stdlib.h>

#include "app/facts.h"
#include "app/steer.h"
#include "base/check.h"
#include "fleet/risk.h"
#include "fleet/selector.h"
#include "server/api_call.h"
#include "server/api_rollout.h"

#define DEVICES_MAX        10000000 /* in one stage; a typing error beyond */
#define SAMPLE_MIN_MAX     1000000
#define DEADLINE_DEFAULT_S 3600
#define RETRY_DEFAULT      2
#define FAILURE_DEFAULT    100 /* thousandths of a stage's outcomes */
#define MAX_HARMED_DEFAULT 50
#define CONFIDENCE_DEFAULT 990 /* thousandths */
#define CONFIDENCE_MIN     500
#define FLOOR_DEFAULT      30 /* thousandths */
#define BACKGROUND_DEFAULT 10
#define OBSERVE_DEFAULT_S  86400
#define RELEASE_TEXT_MAX   (RELEASE_ID_SIZE - 1u)

#define SAMPLE_MAX 10u /* device names in a reply */

static void out_names(struct json_out *out, const struct survey_names *names)
{
    out_int(out, "count", names->count);
    out_array(out, "sample");
    for (uint32_t i = 0; i < names->sampled && i < SAMPLE_MAX; i++)
        out_text(out, NULL, names->sample[i]);
    out_array_end(out);
}

/* ---- POST /selectors/check ---- */

static enum err check_selector(struct api_call *call, struct fields *fields,
                               struct selector *selector)
{
    struct survey_question question = {.tenant = call->tenant};
    struct selector_fault fault = {0};
    struct survey_result found;
    struct span text = {0};
    struct json_out out;

    fields_text(fields, "selector", FIELD_REQUIRED, SELECTOR_SIZE_MAX, &text);
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    if (selector_parse(text, selector, &fault, &call->why) != ERR_OK)
        return api_bad_selector(call, fault.column);
    question.selector = text;
    TRY(survey_count(call->app, &question, call->now, &found, &call->why));
    out = out_begin(call->exchange, 200);
    out_names(&out, &found.meant);
    out_finish(&out);
    return ERR_OK;
}

enum err api_selector_check(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    struct selector *selector = malloc(sizeof *selector);
    enum err err;

    CHECK(selector);
    err = check_selector(call, &fields, selector);
    free(selector);
    fields_close(&fields);
    return err;
}

/* ---- POST /rollouts ---- */

static void read_stage(struct fields *item, struct rollout_stage *stage, bool *sample_given)
{
    int64_t count = 0, soak_s = 0, failures = 0, sample = 0;
    bool percent, counted;

    stage->gate.failures_permille = FAILURE_DEFAULT;
    percent = fields_percent(item, "percent", FIELD_OPTIONAL, 1, &stage->permille);
    counted = fields_int(item, "count", FIELD_OPTIONAL, 1, DEVICES_MAX, &count);
    if (percent == counted)
        fields_refuse(item, "percent", "give exactly one of percent and count");
    fields_int(item, "soak_s", FIELD_OPTIONAL, 0, ROLLOUT_SOAK_MAX_S, &soak_s);
    fields_percent(item, "failure_percent", FIELD_OPTIONAL, 0, &stage->gate.failures_permille);
    fields_int(item, "failure_count", FIELD_OPTIONAL, 0, DEVICES_MAX, &failures);
    *sample_given = fields_int(item, "sample_min", FIELD_OPTIONAL, 0, SAMPLE_MIN_MAX, &sample);
    stage->count = (uint32_t)count;
    stage->soak_s = (uint32_t)soak_s;
    stage->gate.failures_count = (uint32_t)failures;
    stage->gate.sample_min = (uint32_t)sample;
}

static void read_stages(struct fields *fields, struct steer_draft *draft)
{
    const json_t *stages = NULL;

    enum field_need need = draft->strategy == STRATEGY_RISK ? FIELD_OPTIONAL : FIELD_REQUIRED;

    if (!fields_array(fields, "stages", need, 1, ROLLOUT_STAGES_MAX, &stages))
        return;
    if (draft->strategy == STRATEGY_RISK) {
        fields_refuse(fields, "stages",
                      "are not for strategy risk; with both, risk is kept within "
                      "stages");
        return;
    }
    draft->plan.stage_count = (uint8_t)json_array_size(stages);
    for (uint8_t i = 0; i < draft->plan.stage_count; i++) {
        struct fields item = fields_item(fields, "stages", stages, i);
        bool given = false;

        read_stage(&item, &draft->plan.stages[i], &given);
        draft->sample_min_given |= given ? 1u << i : 0;
        fields_item_done(fields, &item);
    }
}

static void read_strategy(struct fields *fields, struct steer_draft *draft)
{
    struct span text;

    if (fields_text(fields, "strategy", FIELD_OPTIONAL, 16, &text) &&
        rollout_strategy_parse(text, &draft->strategy) != ERR_OK)
        fields_refuse(fields, "strategy", "must be stages, risk or both");
}

/* One step for everybody; what halts it is evidence. */
static void take_all(struct rollout_plan *plan)
{
    plan->stage_count = 1;
    plan->stages[0] = (struct rollout_stage){.permille = 1000, .gate = {.failures_permille = 1000}};
}

static void read_risk(struct fields *fields, struct steer_draft *draft)
{
    int64_t harmed = MAX_HARMED_DEFAULT, observe_s = OBSERVE_DEFAULT_S;
    uint16_t confidence = CONFIDENCE_DEFAULT, floor = FLOOR_DEFAULT,
             background = BACKGROUND_DEFAULT;
    bool given = fields_int(fields, "max_harmed", FIELD_OPTIONAL, 1, RISK_HARMED_MAX, &harmed);

    given |= fields_percent(fields, "confidence_percent", FIELD_OPTIONAL, 1, &confidence);
    given |= fields_percent(fields, "floor_percent", FIELD_OPTIONAL, 1, &floor);
    given |= fields_percent(fields, "background_percent", FIELD_OPTIONAL, 1, &background);
    given |= fields_int(fields, "observe_s", FIELD_OPTIONAL, 1, ROLLOUT_SOAK_MAX_S, &observe_s);
    if (draft->strategy == STRATEGY_STAGES) {
        if (given)
            fields_refuse(fields, "strategy",
                          "must be risk or both where limits of risk are given");
        return;
    }
    if (confidence < CONFIDENCE_MIN || confidence > 999)
        fields_refuse(fields, "confidence_percent", "must be from 50 to 99.9");
    draft->risk = (struct risk_plan){.harmed_max = (uint32_t)harmed,
                                     .doubt_ppm = (1000u - confidence) * 1000u,
                                     .floor_ppm = floor * 1000u,
                                     .background_ppm = background * 1000u,
                                     .observe_s = (uint32_t)observe_s};
    if (draft->strategy == STRATEGY_RISK)
        take_all(&draft->plan);
}

static void read_days(struct fields *window, struct window *out)
{
    const json_t *days = NULL;
    struct span text;
    uint8_t bit;

    if (!fields_array(window, "days", FIELD_REQUIRED, 1, 7, &days))
        return;
    for (size_t i = 0; i < json_array_size(days); i++) {
        if (!fields_item_text(window, "days", days, i, &text))
            return;
        if (window_day_parse(text, &bit))
            out->days |= bit;
        else
            fields_refuse(window, "days", "must be of mon, tue, wed, thu, fri, sat and sun");
    }
}

static void read_window(struct fields *fields, struct window *out)
{
    struct fields window;
    struct span start = {0};
    int64_t duration_s = 0;

    if (!fields_object(fields, "window", FIELD_OPTIONAL, &window))
        return;
    read_days(&window, out);
    if (fields_text(&window, "start", FIELD_REQUIRED, 5, &start) &&
        !window_start_parse(start, &out->start_min))
        fields_refuse(&window, "start", "must be a time of day like 02:00");
    fields_int(&window, "duration_s", FIELD_REQUIRED, WINDOW_DURATION_MIN_S, WINDOW_DURATION_MAX_S,
               &duration_s);
    out->duration_s = (uint32_t)duration_s;
    fields_item_done(fields, &window);
}

static enum err read_draft(struct api_call *call, struct fields *fields, struct steer_draft *draft,
                           char name[NAME_SIZE_MAX + 1])
{
    int64_t deadline_s = DEADLINE_DEFAULT_S, retry_limit = RETRY_DEFAULT, confirm = 0;
    struct rollout_plan *plan = &draft->plan;

    fields_name(fields, "name", FIELD_REQUIRED, name);
    fields_text(fields, "release", FIELD_REQUIRED, RELEASE_TEXT_MAX, &draft->release);
    fields_text(fields, "selector", FIELD_REQUIRED, SELECTOR_SIZE_MAX, &draft->selector);
    read_strategy(fields, draft);
    read_stages(fields, draft);
    read_risk(fields, draft);
    fields_int(fields, "deadline_s", FIELD_OPTIONAL, 1, ROLLOUT_DEADLINE_MAX_S, &deadline_s);
    fields_int(fields, "retry_limit", FIELD_OPTIONAL, 0, ROLLOUT_RETRY_MAX, &retry_limit);
    read_window(fields, &draft->window);
    fields_utc(fields, "start_at", FIELD_OPTIONAL, &plan->start_at);
    fields_utc(fields, "end_at", FIELD_OPTIONAL, &plan->end_at);
    fields_bool(fields, "needs_approval", FIELD_OPTIONAL, &plan->needs_approval);
    fields_bool(fields, "dry_run", FIELD_OPTIONAL, &draft->dry_run);
    draft->confirmed = fields_int(fields, "confirm_count", FIELD_OPTIONAL, 0, UINT32_MAX, &confirm);
    plan->deadline_s = (uint32_t)deadline_s;
    plan->retry_limit = (uint8_t)retry_limit;
    draft->confirm_count = (uint32_t)confirm;
    draft->name = name;
    return fields_done(fields) == ERR_OK ? ERR_OK : api_bad_why(call);
}

static void reply_preview(struct api_call *call, const struct steer_draft *draft,
                          struct steer_preview *preview)
{
    struct json_out out = out_begin(call->exchange, 200);

    out_bool(&out, "dry_run", true);
    out_names(&out, &preview->found.meant);
    out_object(&out, "below_floor");
    out_names(&out, &preview->found.below_floor);
    out_object_end(&out);
    out_array(&out, "stages");
    for (uint8_t i = 0; i < draft->plan.stage_count; i++)
        out_int(&out, NULL, preview->stages[i]);
    out_array_end(&out);
    out_bool(&out, "confirm_needed", preview->confirm_needed);
    out_finish(&out);
}

static enum err create(struct api_call *call, struct fields *fields, struct rollout_row *row)
{
    char name[NAME_SIZE_MAX + 1] = "";
    struct steer_draft draft = {.tenant = call->tenant,
                                .actor = call->actor,
                                .created_by = call->token.name,
                                .confirm_above = call->api->config.confirm_above};
    struct steer_preview preview;
    enum err err;

    TRY(read_draft(call, fields, &draft, name));
    err = steer_create(call->app, &draft, call->now, &preview, row, &call->why);
    if (err == ERR_INVALID)
        return preview.column ? api_bad_selector(call, preview.column) : api_bad_why(call);
    TRY(err);
    if (!draft.dry_run)
        return reply_rollout(call, 201, row);
    reply_preview(call, &draft, &preview);
    return ERR_OK;
}

enum err api_rollout_create(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(row);
    err = create(call, &fields, row);
    free(row);
    fields_close(&fields);
    return err;
}
