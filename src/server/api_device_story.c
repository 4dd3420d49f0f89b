/* What happened to one device, why, and its logs, in the management API. */
#include <stdio.h>
#include <stdlib.h>

#include "app/inspect.h"
#include "base/check.h"
#include "format/native.h"
#include "os/quantity.h"
#include "server/api_call.h"

static enum err find_device(struct api_call *call, struct device_row *row)
{
    enum err err = store_device_find(call->app->db, call->tenant, api_argument(call, 0), row);

    return err == ERR_NOT_FOUND ? api_missing(call, "device", api_argument(call, 0)) : err;
}

/* ---- History ---- */

struct story {
    char sentence[640];
    int64_t rollout, assignment;
    const char *phase, *error, *reason, *detail;
    int64_t duration_s; /* -1: none */
};

static const char *rollout_name(struct api_call *call, int64_t id, char *to, size_t size)
{
    struct rollout_row *row = calloc(1, sizeof *row);

    CHECK(row);
    if (id == 0 || store_rollout_get(call->app->db, call->tenant, id, row) != ERR_OK)
        (void)snprintf(to, size, "rollout %lld", (long long)id);
    else
        (void)snprintf(to, size, "rollout %s", row->name);
    free(row);
    return to;
}

/* "the error's sentence (floor: the device's own)", as far as there is any of it. */
static void print_words(const struct report_row *row, char *to, size_t size)
{
    const char *error = row->err == ERR_OK ? "" : err_text(row->err);
    bool both = row->reason[0] && row->detail[0], any = row->reason[0] || row->detail[0];

    (void)snprintf(to, size, "%s%s%s%s%s%s", error, error[0] && any ? " (" : "", row->reason,
                   both ? ": " : "", row->detail, error[0] && any ? ")" : "");
}

static void tell_report(struct api_call *call, const struct report_row *row, const char *device,
                        struct story *out)
{
    char name[NAME_SIZE_MAX + 16], words[400];
    struct assignment_row assignment;

    print_words(row, words, sizeof words);
    out->assignment = row->assignment;
    out->phase = native_phase_name((enum native_phase)row->phase);
    out->error = row->err == ERR_OK ? NULL : err_name(row->err);
    out->reason = row->reason[0] ? row->reason : NULL;
    out->detail = row->detail[0] ? row->detail : NULL;
    if (row->assignment != 0 && store_assignment_get(call->app->db, call->tenant, row->device,
                                                     row->assignment, &assignment) == ERR_OK)
        out->rollout = assignment.rollout;
    (void)snprintf(out->sentence, sizeof out->sentence, "%s reported %s in %s%s%s", device,
                   out->phase, rollout_name(call, out->rollout, name, sizeof name),
                   words[0] ? ": " : "", words);
}

static void tell_assignment(struct api_call *call, const struct assignment_row *row,
                            const char *device, struct story *out)
{
    char name[NAME_SIZE_MAX + 16], release[RELEASE_ID_SIZE];

    out->assignment = row->id;
    out->rollout = row->rollout;
    out->error = row->assignment.err == ERR_OK ? NULL : err_name(row->assignment.err);
    (void)snprintf(out->sentence, sizeof out->sentence, "%s was offered %s by %s, stage %u: it %s",
                   device, api_release_name(call, row->release, release, sizeof release),
                   rollout_name(call, row->rollout, name, sizeof name), row->assignment.stage + 1u,
                   assignment_state_text(row->assignment.state));
}

static void tell(struct api_call *call, const struct history_entry *entry, const char *device,
                 struct story *out)
{
    char duration[QUANTITY_TEXT_SIZE];

    *out = (struct story){.duration_s = -1};
    switch (entry->kind) {
    case HISTORY_REPORT:
        tell_report(call, &entry->report, device, out);
        break;
    case HISTORY_ASSIGNMENT:
        tell_assignment(call, &entry->assignment, device, out);
        break;
    case HISTORY_GAP:
        out->duration_s = entry->gap.away_ms / 1000;
        (void)snprintf(out->sentence, sizeof out->sentence, "%s came back after %s", device,
                       quantity_print_duration(out->duration_s, duration));
        break;
    }
}

static void out_optional(struct json_out *out, const char *name, const char *text)
{
    out_text_or_null(out, name, text ? text : "");
}

static void out_entry(struct api_call *call, struct json_out *out, const char *device,
                      const struct history_entry *entry)
{
    static const char *const kinds[] = {
        [HISTORY_REPORT] = "report", [HISTORY_ASSIGNMENT] = "assignment", [HISTORY_GAP] = "gap"};
    struct story story;

    tell(call, entry, device, &story);
    out_object(out, NULL);
    out_utc(out, "at", entry->at);
    out_text(out, "kind", kinds[entry->kind]);
    out_text(out, "sentence", story.sentence);
    out_id_or_null(out, "rollout", story.rollout);
    out_id_or_null(out, "assignment", story.assignment);
    out_optional(out, "phase", story.phase);
    out_optional(out, "error", story.error);
    out_optional(out, "reason", story.reason);
    out_optional(out, "detail", story.detail);
    if (story.duration_s < 0)
        out_null(out, "duration_s");
    else
        out_int(out, "duration_s", story.duration_s);
    out_object_end(out);
}

enum err api_device_history(struct api_call *call)
{
    struct history_entry *entries;
    struct history_at at;
    struct device_row row;
    struct json_out out;
    uint32_t limit, count = 0;
    bool more = false;
    enum err err;

    TRY(api_limit(call, &limit));
    TRY(api_cursor(call, &at, sizeof at));
    TRY(find_device(call, &row));
    if (limit > HISTORY_PAGE_MAX)
        limit = HISTORY_PAGE_MAX;
    entries = calloc(limit, sizeof *entries);
    CHECK(entries);
    err = inspect_history(call->app, call->tenant, row.id, limit, &at, entries, &count, &more);
    if (err == ERR_OK) {
        api_page_begin(call, &out);
        for (uint32_t i = 0; i < count; i++)
            out_entry(call, &out, row.name, &entries[i]);
        api_page_end(call, &out, more ? &at : NULL, sizeof at);
    }
    free(entries);
    return err;
}

/* ---- Why ---- */

enum err api_device_explain(struct api_call *call)
{
    struct explanation explanation;
    struct json_out out;
    char at[UTC_TEXT_SIZE], next[64] = "";
    enum err err = inspect_explain(call->app, call->tenant, api_argument(call, 0), call->now,
                                   &explanation, &call->why);

    if (err == ERR_NOT_FOUND)
        return api_missing(call, "device", api_argument(call, 0));
    TRY(err);
    if (explanation.next_at.ms > 0) {
        utc_format(explanation.next_at, at);
        (void)snprintf(next, sizeof next, "something changes at %s", at);
    }
    out = out_begin(call->exchange, 200);
    out_text(&out, "sentence", explanation.sentence);
    out_text(&out, "reason", decide_reason_name(explanation.reason));
    out_text_or_null(&out, "rollout", explanation.rollout);
    out_text_or_null(&out, "next", next);
    out_utc(&out, "next_at", explanation.next_at);
    out_finish(&out);
    return ERR_OK;
}

/* ---- Logs ---- */

enum err api_device_logs(struct api_call *call)
{
    struct log_row rows[LOGS_KEPT];
    struct device_row device;
    struct json_out out;
    uint32_t count;

    TRY(find_device(call, &device));
    TRY(store_log_list(call->app->db, call->tenant, device.id, LOGS_KEPT, rows, &count));
    api_page_begin(call, &out);
    for (uint32_t i = 0; i < count; i++) {
        out_object(&out, NULL);
        out_int(&out, "id", rows[i].id);
        out_utc(&out, "at", rows[i].at);
        out_int(&out, "size", rows[i].size);
        out_id_or_null(&out, "assignment", rows[i].assignment);
        out_object_end(&out);
    }
    api_page_end(call, &out, NULL, 0);
    return ERR_OK;
}

enum err api_device_log(struct api_call *call)
{
    struct device_row device;
    struct span text;
    int64_t id;
    enum err err;

    TRY(find_device(call, &device));
    TRY(api_argument_id(call, 1, &id));
    err = store_log_text(call->app->db, call->tenant, device.id, id, &text);
    if (err == ERR_NOT_FOUND)
        return api_missing(call, "log", api_argument(call, 1));
    TRY(err);
    reply_bytes(call->exchange, 200, "text/plain", text);
    reply_header(call->exchange, "X-Content-Type-Options", "nosniff");
    return ERR_OK;
}
