/* A report: noted once, counted once, answered alike each time it is repeated.
 *
 * Reports may overtake one another; the rules are in docs/spec/native.md, "Order". Rows have the
 * base of the device's epoch plus the device's own number as id, so whatever is below the newest
 * row of an assignment is late, whichever epoch it is from.
 *
 * The verdict is the lease: a device flips only after "proceed" to its `staged` report, and that
 * is given in the transaction that marks the assignment as flipped. So whatever a halt finds
 * waiting has not flipped and will not. */
#include <stdio.h>
#include <string.h>

#include "app/course.h"
#include "app/device.h"
#include "app/facts.h"
#include "app/rules.h"
#include "base/check.h"
#include "os/say.h"
#include "store/report.h"

struct reporting {
    struct app *app;
    struct device_call *call;
    const struct native_report *report;
    enum err err; /* what the device says went wrong */
    int64_t id;   /* of the row */
    bool repeated;
    bool left; /* of an epoch that the device has left: nothing is made of it */
    bool late; /* the assignment has a newer one */
};

static enum err err_of_name(struct span name)
{
    for (enum err err = ERR_OK; err < ERR_COUNT; err++) {
        if (span_is(name, err_name(err)))
            return err;
    }
    return name.size == 0 ? ERR_OK : ERR_INVALID; /* a word of a newer agent */
}

static enum assignment_event_kind event_of(enum native_phase phase)
{
    static const enum assignment_event_kind kinds[PHASE_COUNT] = {
        [PHASE_DOWNLOADING] = ASSIGNMENT_EV_DOWNLOADING, [PHASE_STAGED] = ASSIGNMENT_EV_STAGED,
        [PHASE_SWITCHING] = ASSIGNMENT_EV_SWITCHING,     [PHASE_TRIAL] = ASSIGNMENT_EV_TRIAL,
        [PHASE_SUCCEEDED] = ASSIGNMENT_EV_SUCCEEDED,     [PHASE_FAILED] = ASSIGNMENT_EV_FAILED,
        [PHASE_REVERTED] = ASSIGNMENT_EV_REVERTED,       [PHASE_REFUSED] = ASSIGNMENT_EV_REFUSED,
        [PHASE_RECALLED] = ASSIGNMENT_EV_OBEYED,
    };

    CHECK(phase < PHASE_COUNT);
    return kinds[phase];
}

/* ---- its place among what was said before ---- */

static enum err out_of_ids(struct why *why)
{
    return say(why, ERR_TOO_BIG, "report_id", "report ids end at 2^63 - 1");
}

/* Its ids start afresh, above all that it had. */
static enum err begin_epoch(struct reporting *reporting, struct why *why)
{
    struct device_row *device = &reporting->call->device;

    if (device->report_epoch != reporting->report->epoch)
        device->report_epoch_left = device->report_epoch;
    device->report_epoch = reporting->report->epoch;
    device->report_base = device->report_last;
    if (reporting->report->id > (uint64_t)(INT64_MAX - device->report_base))
        return out_of_ids(why);
    reporting->id = device->report_base + (int64_t)reporting->report->id;
    return ERR_OK;
}

/* Which row it is, or would be. */
static enum err number(struct reporting *reporting, struct why *why)
{
    const struct device_row *device = &reporting->call->device;
    const struct native_report *report = reporting->report;

    if (report->epoch != device->report_epoch) {
        reporting->left = report->epoch == device->report_epoch_left && device->report_base > 0;
        return reporting->left ? ERR_OK : begin_epoch(reporting, why);
    }
    if (report->id > (uint64_t)(INT64_MAX - device->report_base))
        return out_of_ids(why);
    reporting->id = device->report_base + (int64_t)report->id;
    return ERR_OK;
}

static bool is_same(const struct reporting *reporting, const struct report_row *row)
{
    return row->assignment == (int64_t)reporting->report->assignment &&
           row->phase == (uint32_t)reporting->report->phase;
}

/* Whether it is known, and what it was answered then. An id that was used for something else
 * shows that the device counts anew, though it does not say so. */
static enum err place(struct reporting *reporting, struct native_verdict *out, struct why *why)
{
    const struct device_row *device = &reporting->call->device;
    struct report_row row;
    enum err err;

    TRY(number(reporting, why));
    if (reporting->left)
        return ERR_OK;
    err = store_report_find(reporting->app->db, device->tenant, device->id, reporting->id, &row);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(app_db_failed(reporting->app, err, why));
    if (!is_same(reporting, &row))
        return begin_epoch(reporting, why);
    reporting->repeated = true;
    *out = (struct native_verdict){.kind = (enum native_verdict_kind)row.verdict,
                                   .retry_s = row.retry_s};
    return ERR_OK;
}

static enum err refuse(struct reporting *reporting, enum err err, struct why *why)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = reporting->call->device.tenant,
                              .actor = reporting->call->actor,
                              .action = "device.report",
                              .object = object};

    CHECK(snprintf(object, sizeof object, "assignment:%llu",
                   (unsigned long long)reporting->report->assignment) > 0);
    return app_refuse(reporting->app, reporting->call->now, &deed, err, why);
}

static enum err find_assignment(struct reporting *reporting, struct why *why)
{
    struct device_call *call = reporting->call;
    uint64_t id = reporting->report->assignment;
    enum err err = ERR_NOT_FOUND;

    if (id <= INT64_MAX)
        err = store_assignment_get(reporting->app->db, call->device.tenant, call->device.id,
                                   (int64_t)id, &call->assignment);
    if (err != ERR_NOT_FOUND)
        return app_db_failed(reporting->app, err, why);
    (void)say(why, err, "assignment", "the device has no assignment %llu", (unsigned long long)id);
    return refuse(reporting, err, why);
}

/* ---- what it means ---- */

/* What a late report says of the device is no longer so. */
static enum err note_device(struct reporting *reporting)
{
    const struct native_report *report = reporting->report;
    struct device_row *device = &reporting->call->device;
    bool newest = reporting->id > device->report_last;

    if (newest && report->running.known) {
        device->running_known = true;
        memcpy(device->running, report->running.at, DIGEST_SIZE);
    }
    if (newest) {
        device->boot_count = report->boot_count;
        device->report_last = reporting->id;
    }
    device->last_seen = reporting->call->now;
    return store_device_save_state(reporting->app->db, device);
}

/* A text that does not fit or has a NUL inside is none. */
static void copy_text(struct span text, char *to, size_t size)
{
    if (!span_to_text(text, to, size))
        to[0] = '\0';
}

static enum err apply(struct reporting *reporting, bool *changed, struct why *why)
{
    const struct native_report *report = reporting->report;
    struct assignment_row *row = &reporting->call->assignment;
    const struct assignment_event event = {
        .kind = event_of(report->phase),
        .now = reporting->call->now,
        .err = reporting->err,
        .running_target =
            report->running.known && memcmp(report->running.at, row->target, DIGEST_SIZE) == 0};

    row->percent = report->percent;
    copy_text(report->detail, row->detail, sizeof row->detail);
    copy_text(report->reason, row->reason, sizeof row->reason);
    row->report_last = reporting->id;
    TRY(course_assignment(reporting->app, row, &event, changed, why));
    if (*changed)
        return ERR_OK;
    /* It means nothing in this state, but what is older means even less. */
    return app_db_failed(reporting->app, store_assignment_save(reporting->app->db, row), why);
}

static enum err ask(struct reporting *reporting, struct decision *out)
{
    struct device_call *call = reporting->call;
    struct app *app = reporting->app;
    struct facts_case of = {.device = &call->device,
                            .rollout = &call->rollout,
                            .release = &call->release,
                            .assignment = &call->assignment,
                            .selected = true,
                            .in_hand = true,
                            .now = call->now};
    struct decide_room room;

    TRY(store_rollout_get(app->db, call->device.tenant, call->assignment.rollout, &call->rollout));
    TRY(store_release_get(app->db, call->device.tenant, call->assignment.release, &call->release));
    TRY(rules_block(app, call->device.tenant, call->release.plain_sha256, &of.blocked));
    facts_for_decide(&of, &room);
    *out = decide(&room.facts);
    return ERR_OK;
}

static enum err grant(struct reporting *reporting, bool *granted, struct why *why)
{
    const struct assignment_event event = {.kind = ASSIGNMENT_EV_GRANT,
                                           .now = reporting->call->now};

    return course_assignment(reporting->app, &reporting->call->assignment, &event, granted, why);
}

/* What a person holds up may go on at any moment, so the device need not wait longer for it than
 * for its next poll. */
static uint32_t ask_again_s(const struct decision *decision, uint32_t poll_interval_s)
{
    bool by_person =
        decision->reason == REASON_ROLLOUT_PAUSED || decision->reason == REASON_DEVICE_HELD;

    if (decision->retry_s == 0 || (by_person && decision->retry_s > poll_interval_s))
        return poll_interval_s;
    return decision->retry_s;
}

/* Only `staged` asks for anything; the other phases are told when to drop it, or nothing. */
static enum err judge(struct reporting *reporting, struct native_verdict *out, struct why *why)
{
    enum native_phase phase = reporting->report->phase;
    struct decision decision;
    bool granted = false;

    *out = (struct native_verdict){.kind = NATIVE_NOTED};
    if (native_phase_final(phase))
        return ERR_OK;
    TRY(app_db_failed(reporting->app, ask(reporting, &decision), why));
    if (decision.verdict == DECIDE_DROP)
        out->kind = NATIVE_DROP;
    if (phase != PHASE_STAGED || decision.verdict == DECIDE_DROP)
        return ERR_OK;
    granted = decision.verdict == DECIDE_PROCEED &&
              (decision.answer == DECIDE_ROLLBACK || decision.answer == DECIDE_FETCH_BACK);
    if (decision.verdict == DECIDE_PROCEED && !granted)
        TRY(grant(reporting, &granted, why));
    out->kind = granted ? NATIVE_PROCEED : NATIVE_HOLD;
    out->retry_s = granted ? 0 : ask_again_s(&decision, reporting->app->config.poll_interval_s);
    return ERR_OK;
}

/* ---- what is kept ---- */

static enum err keep(struct reporting *reporting, const struct native_verdict *verdict)
{
    const struct native_report *report = reporting->report;
    const struct device_row *device = &reporting->call->device;
    struct report_row row = {.tenant = device->tenant,
                             .device = device->id,
                             .id = reporting->id,
                             .assignment = (int64_t)report->assignment,
                             .phase = report->phase,
                             .err = reporting->err,
                             .percent = report->percent,
                             .boot_count = report->boot_count,
                             .running_known = report->running.known,
                             .received = reporting->call->now,
                             .verdict = verdict->kind,
                             .retry_s = verdict->retry_s};
    struct utc before = {reporting->call->now.ms - reporting->app->config.history_ms};

    memcpy(row.running, report->running.at, DIGEST_SIZE);
    copy_text(report->detail, row.detail, sizeof row.detail);
    copy_text(report->reason, row.reason, sizeof row.reason);
    TRY(store_report_add(reporting->app->db, &row));
    if (prng_below(&reporting->app->prng, REPORTS_KEPT) != 0) /* now and then is enough */
        return ERR_OK;
    return store_report_prune(reporting->app->db, device->tenant, device->id, before);
}

/* "floor: the release is below the security floor of this device" */
static void print_words(const struct native_report *report, char out[AUDIT_TEXT_MAX])
{
    struct buf text = buf_over(out, AUDIT_TEXT_MAX);

    buf_span(&text, report->reason);
    if (report->reason.size > 0 && report->detail.size > 0)
        buf_text(&text, ": ");
    buf_span(&text, report->detail);
    CHECK(!text.overflow); /* both have limits */
    (void)buf_finish_text(&text);
}

/* Progress is in the history; the audit has what changes the course of things. */
static enum err audit(struct reporting *reporting, const struct native_verdict *verdict,
                      bool changed)
{
    const struct native_report *report = reporting->report;
    char action[48], object[ACTOR_SIZE_MAX], detail[AUDIT_TEXT_MAX];
    const struct deed deed = {.tenant = reporting->call->device.tenant,
                              .actor = reporting->call->actor,
                              .action = action,
                              .object = object,
                              .detail = detail,
                              .refused = report->phase == PHASE_REFUSED};
    bool leave = verdict->kind == NATIVE_PROCEED;

    if (!leave && !(changed && native_phase_final(report->phase)))
        return ERR_OK;
    CHECK(snprintf(action, sizeof action, "assignment.%s",
                   leave ? "leave" : native_phase_name(report->phase)) > 0);
    CHECK(snprintf(object, sizeof object, "assignment:%llu",
                   (unsigned long long)report->assignment) > 0);
    print_words(report, detail);
    return app_audit(reporting->app, reporting->call->now, &deed);
}

/* One that has not been heard before. */
static enum err take(struct reporting *reporting, struct native_verdict *out, struct why *why)
{
    struct app *app = reporting->app;
    bool changed = false;

    TRY(find_assignment(reporting, why));
    reporting->late = reporting->id < reporting->call->assignment.report_last;
    TRY(app_db_failed(app, note_device(reporting), why));
    if (!reporting->late) {
        TRY(apply(reporting, &changed, why));
        TRY(judge(reporting, out, why));
        TRY(app_db_failed(app, audit(reporting, out, changed), why));
    }
    if (reporting->report->phase == PHASE_REFUSED)
        app_count_refusal(app, refusal_of_name(reporting->report->reason));
    return app_db_failed(app, keep(reporting, out), why);
}

enum err device_report(struct app *app, struct device_call *call,
                       const struct native_report *report, struct native_verdict *out,
                       struct why *why)
{
    struct reporting reporting = {
        .app = app, .call = call, .report = report, .err = err_of_name(report->err)};

    CHECK(report->phase < PHASE_COUNT);
    *out = (struct native_verdict){.kind = NATIVE_NOTED};
    TRY(place(&reporting, out, why));
    if (reporting.repeated || reporting.left)
        return ERR_OK;
    return take(&reporting, out, why);
}
