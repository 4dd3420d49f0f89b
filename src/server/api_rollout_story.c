/* Where the devices of a rollout stand, and what came of it, in the management API. */
#include <stdlib.h>

#include "app/inspect.h"
#include "app/judge.h"
#include "base/check.h"
#include "server/api_call.h"
#include "server/api_rollout.h"

void out_assignment_row(struct api_call *call, struct json_out *out,
                        const struct assignment_row *row, const char *device, const char *rollout,
                        const char *release)
{
    const struct assignment *assignment = &row->assignment;

    (void)call;
    out_int(out, "id", row->id);
    out_text(out, "device", device);
    out_int(out, "rollout", row->rollout);
    out_text(out, "rollout_name", rollout);
    out_text(out, "release", release);
    out_text(out, "state", assignment_state_name(assignment->state));
    out_int(out, "stage", assignment->stage);
    out_int(out, "attempt", assignment->attempt);
    out_int(out, "percent", row->percent);
    out_text_or_null(out, "error", assignment->err == ERR_OK ? "" : err_name(assignment->err));
    out_text_or_null(out, "detail", row->detail);
    out_utc(out, "updated_at", assignment->moved_at);
    out_text(out, "proof", assignment_proof_name(assignment->proof));
    out_utc(out, "claimed_at", assignment->claimed_at);
}

/* ---- GET /rollouts/{rollout}/devices ---- */

struct listing {
    struct rollout_row rollout;
    struct assignment_row rows[API_PAGE_MAX + 1]; /* one more than listed */
    char release[RELEASE_ID_SIZE];
};

static enum err out_listed(struct api_call *call, const struct listing *listing, uint32_t count,
                           struct json_out *out)
{
    struct device_row device;

    for (uint32_t i = 0; i < count; i++) {
        TRY(store_device_get(call->app->db, call->tenant, listing->rows[i].device, &device));
        out_object(out, NULL);
        out_assignment_row(call, out, &listing->rows[i], device.name, listing->rollout.name,
                           listing->release);
        out_object_end(out);
    }
    return ERR_OK;
}

static enum err list_devices(struct api_call *call, struct listing *listing)
{
    enum assignment_state state = ASSIGNMENT_CANDIDATE;
    int64_t tenant = call->tenant, after, id;
    uint32_t limit, count;
    struct json_out out;
    char text[32];
    bool by_state, more;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &after, sizeof after));
    TRY(api_query_text(call, "state", text, sizeof text, &by_state));
    if (by_state && assignment_state_parse(span_of(text), &state) != ERR_OK)
        return api_bad(call, "state", "there is no assignment state %s", text);
    TRY(find_rollout(call, &listing->rollout));
    (void)api_release_name(call, listing->rollout.release, listing->release,
                           sizeof listing->release);
    id = listing->rollout.id;
    if (by_state)
        TRY(store_assignment_in_state(call->app->db, tenant, id, state, after, limit + 1,
                                      listing->rows, &count));
    else
        TRY(store_assignment_list(call->app->db, tenant, id, ASSIGNMENTS_ALL, after, limit + 1,
                                  listing->rows, &count));
    more = api_page_cut(&count, limit);
    api_page_begin(call, &out);
    TRY(out_listed(call, listing, count, &out));
    if (count > 0)
        after = listing->rows[count - 1].id;
    api_page_end(call, &out, more ? &after : NULL, sizeof after);
    return ERR_OK;
}

enum err api_rollout_devices(struct api_call *call)
{
    struct listing *listing = calloc(1, sizeof *listing);
    enum err err;

    CHECK(listing);
    err = list_devices(call, listing);
    free(listing);
    return err;
}

/* ---- GET /rollouts/{rollout}/report ---- */

static void out_failures(struct json_out *out, const struct rollout_report *report)
{
    out_array(out, "failures");
    for (uint32_t i = 0; i < report->failure_count; i++) {
        const struct failure_group *group = &report->failures[i];

        out_object(out, NULL);
        out_text(out, "state", assignment_state_name(group->state));
        out_text_or_null(out, "error", group->err == ERR_OK ? "" : err_name(group->err));
        out_int(out, "count", group->count);
        out_array(out, "sample");
        for (uint32_t k = 0; k < group->sampled; k++)
            out_text(out, NULL, group->sample[k]);
        out_array_end(out);
        out_object_end(out);
    }
    out_array_end(out);
}

static void out_proofs(struct json_out *out, const struct rollout_report *report)
{
    out_object(out, "proofs");
    for (enum assignment_proof i = PROOF_CLAIM; i < PROOF_COUNT; i++)
        out_int(out, assignment_proof_name(i), report->proofs[i]);
    out_object_end(out);
}

static void out_stages(struct json_out *out, const struct rollout *rollout)
{
    out_array(out, "stages");
    for (uint8_t i = 0; i < rollout->plan.stage_count; i++) {
        const uint32_t *at = rollout->tally[i].at;

        out_object(out, NULL);
        out_int(out, "stage", i);
        out_int(out, "goal", rollout_goal(rollout, i));
        out_int(out, "admitted",
                (int64_t)at[STANDING_WAITING] + at[STANDING_EXPOSED] + at[STANDING_GOOD] +
                    at[STANDING_FAILED] + at[STANDING_SILENT]);
        out_int(out, "succeeded", at[STANDING_GOOD]);
        out_int(out, "failed", at[STANDING_FAILED]);
        out_int(out, "silent", at[STANDING_SILENT]);
        out_int(out, "open", (int64_t)at[STANDING_WAITING] + at[STANDING_EXPOSED]);
        out_object_end(out);
    }
    out_array_end(out);
}

static void out_success(struct json_out *out, const struct rollout *rollout)
{
    uint32_t good = rollout_standing(rollout, STANDING_GOOD);
    uint32_t outcomes = good + rollout_standing(rollout, STANDING_FAILED) +
                        rollout_standing(rollout, STANDING_SILENT);

    if (outcomes == 0)
        out_null(out, "success_percent");
    else
        out_permille(out, "success_percent", (uint32_t)((uint64_t)good * 1000 / outcomes));
}

static enum err report_rollout(struct api_call *call, struct rollout_row *row,
                               struct rollout_report *report)
{
    struct json_out out;

    TRY(find_rollout(call, row));
    TRY(inspect_report(call->app, row, call->now, report));
    out = out_begin(call->exchange, 200);
    out_object(&out, "rollout");
    TRY(out_rollout(call, &out, row));
    out_object_end(&out);
    out_text(&out, "sentence", report->sentence);
    out_success(&out, &row->rollout);
    out_proofs(&out, report);
    out_failures(&out, report);
    out_stages(&out, &row->rollout);
    if (judge_sits(row)) {
        out_object(&out, "risk");
        TRY(out_risk(call, &out, row));
        out_object_end(&out);
    }
    out_finish(&out);
    return ERR_OK;
}

enum err api_rollout_report(struct api_call *call)
{
    struct rollout_row *row = calloc(1, sizeof *row);
    struct rollout_report *report = calloc(1, sizeof *report);
    enum err err;

    CHECK(row && report);
    err = report_rollout(call, row, report);
    free(report);
    free(row);
    return err;
}
