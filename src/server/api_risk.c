/* What the judge of a rollout knows and has decided, in the management API. */
#include <stdlib.h>

#include "app/judge.h"
#include "app/steer.h"
#include "base/check.h"
#include "codec/hex.h"
#include "server/api_call.h"
#include "server/api_rollout.h"

#define HOLDS_SHOWN 20u

/* A rollout that has a judge; the others answer 409. `row` is large: keep it on the heap. */
static enum err find_judged(struct api_call *call, struct rollout_row *row)
{
    TRY(find_rollout(call, row));
    if (judge_sits(row))
        return ERR_OK;
    return api_refuse(
        call, 409, ERR_CONFLICT,
        "%s goes by stages alone: only a rollout with strategy risk or both is judged "
        "by evidence",
        row->name);
}

typedef enum err judged_use(struct api_call *call, struct rollout_row *row);

static enum err with_judged(struct api_call *call, judged_use *use)
{
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(row);
    err = find_judged(call, row);
    if (err == ERR_OK)
        err = use(call, row);
    free(row);
    return err;
}

static void out_q32(struct json_out *out, const char *name, int64_t value, unsigned digits)
{
    char room[32];
    struct buf text = buf_over(room, sizeof room);

    fixed_put(&text, value, digits);
    out_raw(out, name, buf_written(&text));
}

/* ---- one cohort ---- */

static void out_cohort(struct json_out *out, const char *name, uint32_t number,
                       const struct judge_cohort *cohort)
{
    out_object(out, name);
    out_int(out, "number", number);
    out_text(out, "name", cohort->name);
    out_int(out, "size", cohort->size);
    out_int(out, "exposed", cohort->exposed);
    out_int(out, "bad", cohort->bad);
    out_q32(out, "revealed", cohort->revealed, 1);
    out_q32(out, "price_percent", cohort->price * 100, 2);
    out_text(out, "window", cohort->finding);
    out_text_or_null(out, "held_by", cohort->held ? cohort->held_by : "");
    out_text(out, "sentence", cohort->sentence);
    out_object_end(out);
}

/* ---- GET /rollouts/{rollout}/risk ---- */

static void out_terms(struct json_out *out, const struct risk_terms *terms)
{
    const struct risk_rule *rule = &terms->rule;
    const struct risk_kind *kind = &terms->kind;

    out_object(out, "terms");
    out_int(out, "harmed_max", rule->harmed_max);
    out_int(out, "first_max", rule->first_max);
    out_int(out, "doubt_ppm", rule->doubt_ppm);
    out_int(out, "floor_ppm", rule->floor_ppm);
    out_int(out, "false_alarm_ppm", rule->false_alarm_ppm);
    out_int(out, "tolerance_permille", rule->tolerance_permille);
    out_int(out, "tick_s", rule->tick_s);
    out_int(out, "late_s", rule->late_s);
    out_int(out, "bake_s", rule->bake_s);
    out_int(out, "site_s", rule->site_s);
    out_int(out, "reported_low_ppm", kind->reported_low_ppm);
    out_int(out, "reported_high_ppm", kind->reported_high_ppm);
    out_int(out, "lost_low_ppm", kind->lost_low_ppm);
    out_int(out, "silent_high_ppm", kind->silent_high_ppm);
    out_int(out, "absent_high_ppm", kind->absent_high_ppm);
    out_int(out, "health_low_ppm", kind->health_low_ppm);
    out_int(out, "health_high_ppm", kind->health_high_ppm);
    out_array(out, "curve_permille");
    for (uint32_t i = 0; i < COHORT_CURVE_TICKS; i++)
        out_int(out, NULL, rule->curve_permille[i]);
    out_array_end(out);
    out_object_end(out);
}

static enum err out_strata(struct api_call *call, const struct rollout_row *row,
                           struct json_out *out)
{
    struct risk_label_row links[COHORT_STRATA_MAX];
    uint32_t count;

    TRY(store_risk_labels(call->app->db, row->tenant, row->id, RISK_LABEL_STRATUM, 0,
                          COHORT_STRATA_MAX, links, &count));
    out_array(out, "strata");
    for (uint32_t i = 0; i < count; i++) {
        out_object(out, NULL);
        out_text(out, "link", links[i].name);
        out_int(out, "size", links[i].size);
        out_int(out, "deadline_s", links[i].due_s[EXPOSURE_RUNGS - 1]);
        out_object_end(out);
    }
    out_array_end(out);
    return ERR_OK;
}

static void out_holds(struct api_call *call, const struct rollout_row *row, struct json_out *out)
{
    struct judge_cohort cohort;
    uint32_t shown = 0;

    out_array(out, "holds");
    for (uint32_t i = 1; shown < HOLDS_SHOWN && judge_view_cohort(call->app, row, i, &cohort);
         i++) {
        if (!cohort.held)
            continue;
        out_cohort(out, NULL, i, &cohort);
        shown++;
    }
    out_array_end(out);
}

static void out_whole(struct api_call *call, const struct rollout_row *row, struct json_out *out)
{
    struct judge_cohort whole;

    CHECK(judge_view_cohort(call->app, row, COHORT_WHOLE, &whole));
    out_cohort(out, "whole", COHORT_WHOLE, &whole);
}

enum err out_risk(struct api_call *call, struct json_out *out, const struct rollout_row *row)
{
    struct judge_view view;

    TRY(judge_view(call->app, row, &view));
    out_bool(out, "sorted", view.sorted);
    if (!view.sorted)
        return ERR_OK;
    out_utc(out, "opened_at", view.opened);
    out_bool(out, "halted", view.halted);
    out_bool(out, "used_up", view.exhausted);
    out_bool(out, "outstanding", view.outstanding);
    out_text_or_null(out, "trouble", view.trouble ? view.trouble : "");
    out_int(out, "cohorts", view.cohorts);
    out_int(out, "sites", view.sites);
    out_int(out, "watched", view.watched);
    out_int(out, "held", view.holds);
    out_int(out, "entries", view.entries);
    out_int(out, "entries_max", RISK_JOURNAL_MAX);
    out_whole(call, row, out);
    out_holds(call, row, out);
    TRY(out_strata(call, row, out));
    out_terms(out, view.terms);
    return ERR_OK;
}

static enum err show_risk(struct api_call *call, struct rollout_row *row)
{
    struct json_out out = out_begin(call->exchange, 200);

    TRY(out_risk(call, &out, row));
    out_finish(&out);
    return ERR_OK;
}

enum err api_rollout_risk(struct api_call *call)
{
    return with_judged(call, show_risk);
}

/* ---- GET /rollouts/{rollout}/cohorts ---- */

static enum err list_cohorts(struct api_call *call, struct rollout_row *row)
{
    struct judge_cohort cohort;
    struct json_out out;
    uint32_t limit, from;
    bool more;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &from, sizeof from));
    api_page_begin(call, &out);
    for (uint32_t i = 0; i < limit && judge_view_cohort(call->app, row, from, &cohort); i++)
        out_cohort(&out, NULL, from++, &cohort);
    more = judge_view_cohort(call->app, row, from, &cohort);
    api_page_end(call, &out, more ? &from : NULL, sizeof from);
    return ERR_OK;
}

enum err api_rollout_cohorts(struct api_call *call)
{
    uint32_t limit, from;

    TRY(api_limit(call, &limit)); /* wrong parameters are wrong whatever the rollout */
    TRY(api_cursor(call, &from, sizeof from));
    return with_judged(call, list_cohorts);
}

/* ---- GET /rollouts/{rollout}/journal ---- */

static void out_facts(struct json_out *out, const struct risk_device *device)
{
    out_object(out, "facts");
    out_array(out, "cohorts");
    for (uint32_t i = 0; i < device->cohort_count; i++)
        out_int(out, NULL, device->cohorts[i]);
    out_array_end(out);
    out_int(out, "stratum", device->stratum);
    if (device->site == RISK_NO_SITE)
        out_null(out, "site");
    else
        out_int(out, "site", device->site);
    out_array(out, "due");
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++)
        out_int(out, NULL, device->due[i]);
    out_array_end(out);
    out_object_end(out);
}

/* A question carries what was known of who asks, so that a page can be computed by itself. */
static enum err out_entry(struct api_call *call, const struct rollout_row *row,
                          const struct risk_entry_row *stored, struct json_out *out)
{
    char hex[2 * RISK_ENTRY_SIZE_MAX + 1];
    struct risk_device_row device;
    struct risk_entry entry;
    uint32_t count = 0;

    if (risk_entry_read((struct span){stored->bytes, stored->size}, &entry) != ERR_OK)
        return ERR_CORRUPT;
    if (entry.event.kind == RISK_ASK)
        TRY(store_risk_devices(call->app->db, row->tenant, row->id, entry.device, 1, &device,
                               &count));
    hex_print((struct span){stored->bytes, stored->size}, hex);
    hex[2 * stored->size] = '\0';
    out_object(out, NULL);
    out_int(out, "number", stored->number);
    out_int(out, "at_s", entry.event.at_s);
    out_text(out, "event", risk_event_name(entry.event.kind));
    out_text(out, "answer", risk_answer_name(entry.decision.answer));
    if (entry.device == RISK_NO_DEVICE)
        out_null(out, "device");
    else
        out_int(out, "device", entry.device);
    if (count == 1)
        out_facts(out, &device.risk);
    out_text(out, "entry", hex);
    out_object_end(out);
    return ERR_OK;
}

static enum err out_entries(struct api_call *call, const struct rollout_row *row, int64_t after,
                            uint32_t limit, struct risk_entry_row *page)
{
    struct json_out out;
    uint32_t count;
    bool more;

    TRY(store_risk_entries(call->app->db, row->tenant, row->id, after, limit + 1, page, &count));
    more = api_page_cut(&count, limit);
    api_page_begin(call, &out);
    for (uint32_t i = 0; i < count; i++)
        TRY(out_entry(call, row, &page[i], &out));
    if (count > 0)
        after = page[count - 1].number;
    api_page_end(call, &out, more ? &after : NULL, sizeof after);
    return ERR_OK;
}

static enum err list_journal(struct api_call *call, struct rollout_row *row)
{
    struct risk_entry_row *page;
    uint32_t limit;
    int64_t after;
    enum err err;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &after, sizeof after));
    page = calloc(limit + 1u, sizeof *page);
    CHECK(page);
    err = out_entries(call, row, after, limit, page);
    free(page);
    return err;
}

enum err api_rollout_journal(struct api_call *call)
{
    uint32_t limit;
    int64_t after;

    TRY(api_limit(call, &limit)); /* wrong parameters are wrong whatever the rollout */
    TRY(api_cursor(call, &after, sizeof after));
    return with_judged(call, list_journal);
}

/* ---- POST /rollouts/{rollout}/lift-hold ---- */

static enum err lift_hold(struct api_call *call, struct fields *fields, struct rollout_row *row)
{
    struct steer_order order = {
        .tenant = call->tenant, .actor = call->actor, .person = call->token.name, .now = call->now};
    struct span cohort = {0};
    enum err err;

    fields_text(fields, "cohort", FIELD_REQUIRED, RISK_LABEL_MAX, &cohort);
    fields_text(fields, "reason", FIELD_REQUIRED, REASON_SIZE_MAX, &order.reason);
    if (fields_done(fields) != ERR_OK)
        return api_bad_why(call);
    TRY(find_judged(call, row));
    err = steer_lift(call->app, row, cohort, &order, &call->why);
    if (err == ERR_INVALID)
        return api_bad_why(call);
    TRY(err);
    return show_risk(call, row);
}

enum err api_rollout_lift_hold(struct api_call *call)
{
    struct fields fields = fields_open(call->exchange->request.body, FIELD_REQUIRED, &call->why);
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(row);
    err = lift_hold(call, &fields, row);
    free(row);
    fields_close(&fields);
    return err;
}
