/* What happens, told to the engine, and written down. */
#include "app/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "app/facts.h"
#include "app/judge_inside.h"
#include "base/check.h"
#include "os/say.h"

#define SLICE 500u /* deadlines looked at in one turn; the rest comes in the next */

/* One story's dealings with the judge. */
struct hearing {
    struct app *app;
    const struct rollout_row *rollout;
    struct judge *judge;
    struct utc now;
    struct risk_decision decision; /* of the last event */
};

static enum err open_hearing(struct hearing *hearing, struct app *app,
                             const struct rollout_row *rollout, struct utc now)
{
    *hearing = (struct hearing){.app = app, .rollout = rollout, .now = now};
    return judge_of(app, rollout, &hearing->judge);
}

/* A clock that goes back makes no time pass. */
static uint32_t second_of(const struct hearing *hearing)
{
    const struct risk *risk = &hearing->judge->risk;
    int64_t least = (int64_t)risk->tick * risk->rule.tick_s;
    int64_t second = (hearing->now.ms - hearing->judge->row.opened.ms) / 1000;

    second = second < least ? least : second;
    return second < RISK_NEVER ? (uint32_t)second : RISK_NEVER - 1;
}

/* ---- one event ---- */

static enum err append(struct hearing *hearing, const struct risk_entry *entry)
{
    uint8_t room[RISK_ENTRY_SIZE_MAX];
    struct buf bytes = buf_over(room, sizeof room);
    struct judge *judge = hearing->judge;

    risk_entry_write(entry, &bytes);
    CHECK(!bytes.overflow);
    TRY(store_risk_append(hearing->app->db, &judge->row, buf_written(&bytes)));
    judge_note(judge, entry, judge->row.entries);
    return ERR_OK;
}

static enum err tell_hold(struct hearing *hearing, uint16_t cohort,
                          const struct risk_decision *decision)
{
    char object[ACTOR_SIZE_MAX], detail[JUDGE_SENTENCE_MAX];
    struct buf text = buf_over(detail, sizeof detail - 1);
    const struct deed deed = {.tenant = hearing->rollout->tenant,
                              .actor = "server",
                              .action = "rollout.hold",
                              .object = object,
                              .detail = detail};

    risk_explain(&hearing->judge->risk, decision, span_of(hearing->judge->names[cohort].name),
                 &text);
    (void)buf_finish_text(&text);
    CHECK(snprintf(object, sizeof object, "rollout:%s", hearing->rollout->name) > 0);
    deeds_tell_hold(hearing->app, hearing->rollout, "hold", hearing->judge->names[cohort].name,
                    detail, hearing->now);
    return app_audit(hearing->app, hearing->now, &deed);
}

/* One event may hold several cohorts. */
static enum err tell_holds(struct hearing *hearing)
{
    struct judge *judge = hearing->judge;

    for (uint32_t i = 1; i < judge->cohort_count; i++) {
        if (judge_note_hold(judge, (uint16_t)i))
            TRY(tell_hold(hearing, (uint16_t)i, &judge->holds[i]));
    }
    return ERR_OK;
}

/* Step the engine and write it down, but for a question that was answered alike the last time:
 * asking again changes nothing. */
static enum err hear(struct hearing *hearing, struct risk_event event, struct judge_device *device)
{
    struct judge *judge = hearing->judge;
    struct risk_entry entry = {.event = event,
                               .device = device ? device->row.number : RISK_NO_DEVICE};
    bool known;

    judge->touched = judge->marked = true;
    event.device = device ? &device->row.risk : NULL;
    TRY(risk_step(&judge->risk, &event, &entry.decision, NULL));
    hearing->decision = entry.decision;
    known = event.kind == RISK_ASK && entry.decision.answer != RISK_GRANT &&
            device->row.answered != 0 && device->answer == entry.decision.answer &&
            device->cohort == entry.decision.cohort;
    if (known)
        return ERR_OK;
    hearing->app->judged_new.count[entry.decision.answer]++;
    if (entry.decision.new_holds > 0)
        TRY(tell_holds(hearing));
    return append(hearing, &entry);
}

static enum err pass_time(struct hearing *hearing)
{
    const struct risk_event event = {.kind = RISK_TICK, .at_s = second_of(hearing)};

    if (event.at_s / hearing->judge->risk.rule.tick_s == hearing->judge->risk.tick)
        return ERR_OK;
    return hear(hearing, event, NULL);
}

/* The engine wants to know the time first. */
static enum err tell(struct hearing *hearing, enum risk_event_kind kind,
                     struct judge_device *device, bool silent)
{
    struct risk_event event = {.kind = kind, .silent = silent};

    TRY(pass_time(hearing));
    event.at_s = second_of(hearing);
    return hear(hearing, event, device);
}

/* ---- devices ---- */

static enum err find_device(struct hearing *hearing, int64_t device, struct judge_device **out)
{
    uint32_t number;
    enum err err = store_risk_device_number(hearing->app->db, hearing->rollout->tenant,
                                            hearing->rollout->id, device, &number);

    *out = NULL;
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    CHECK(number < hearing->judge->device_count);
    *out = &hearing->judge->devices[number];
    return ERR_OK;
}

static enum err meet(struct hearing *hearing, int64_t device, struct judge_device **out)
{
    struct judge *judge = hearing->judge;
    struct device_facts *facts = malloc(sizeof *facts);
    struct risk_device risk;
    enum err err;

    CHECK(facts);
    err = store_device_facts(hearing->app->db, hearing->rollout->tenant, device, facts);
    if (err == ERR_OK)
        err = judge_describe(hearing->app, judge, facts, &risk);
    free(facts);
    TRY(err);
    judge->touched = judge->marked = true;
    *out = judge_append(judge);
    (*out)->row.device = device;
    (*out)->row.risk = risk;
    return store_risk_device_add(hearing->app->db, hearing->rollout->tenant, hearing->rollout->id,
                                 &(*out)->row);
}

static bool exposed(const struct judge_device *device)
{
    return device && (device->row.risk.flags & RISK_DEVICE_EXPOSED) != 0;
}

/* ---- leave ---- */

static bool any_held(const struct judge *judge, const struct judge_device *device)
{
    for (uint32_t i = 0; i < device->row.risk.cohort_count; i++) {
        if (judge->cohorts[device->row.risk.cohorts[i]].held)
            return true;
    }
    return false;
}

static enum err ask(struct hearing *hearing, struct judge_device *device, bool *granted)
{
    int64_t answered = device->row.answered;

    TRY(tell(hearing, RISK_ASK, device, false));
    *granted = hearing->decision.answer == RISK_GRANT;
    if (device->row.answered == answered)
        return ERR_OK;
    return store_risk_device_save(hearing->app->db, hearing->rollout->tenant, hearing->rollout->id,
                                  &device->row);
}

enum err judge_ask(struct app *app, const struct rollout_row *row,
                   const struct assignment_row *assignment, struct utc now, bool *granted)
{
    struct hearing hearing;
    struct judge_device *device;

    *granted = false;
    TRY(open_hearing(&hearing, app, row, now));
    if (!hearing.judge->opened || hearing.judge->trouble[0] != '\0' ||
        hearing.judge->row.entries >= RISK_JOURNAL_MAX)
        return ERR_OK;
    TRY(find_device(&hearing, assignment->device, &device));
    if (!device)
        TRY(meet(&hearing, assignment->device, &device));
    if (exposed(device)) { /* leave was given and the answer was lost */
        *granted = !any_held(hearing.judge, device);
        return ERR_OK;
    }
    return ask(&hearing, device, granted);
}

/* ---- outcomes ---- */

/* RISK_EVENT_COUNT: nothing. A device that asks again has not used its leave; when it gives its
 * slot back, that leave is over. */
static enum risk_event_kind event_of(const struct assignment_change *change)
{
    if (change->standing_to == change->standing_from)
        return RISK_EVENT_COUNT;
    if (change->standing_to == STANDING_GOOD)
        return RISK_GOOD;
    if (change->standing_to == STANDING_FAILED)
        return RISK_BAD;
    return change->standing_to == STANDING_OUT ? RISK_UNUSED : RISK_EVENT_COUNT;
}

enum err judge_outcome(struct app *app, const struct rollout_row *row,
                       const struct assignment_row *assignment,
                       const struct assignment_change *change, struct utc now)
{
    enum risk_event_kind kind = event_of(change);
    struct hearing hearing;
    struct judge_device *device;

    if (kind == RISK_EVENT_COUNT)
        return ERR_OK;
    TRY(open_hearing(&hearing, app, row, now));
    if (!hearing.judge->opened || hearing.judge->trouble[0] != '\0')
        return ERR_OK;
    TRY(find_device(&hearing, assignment->device, &device));
    if (!exposed(device))
        return ERR_OK; /* it has failed before it flipped, or has flipped without leave */
    return tell(&hearing, kind, device, false);
}

/* ---- time ---- */

static enum err last_seen(struct hearing *hearing, const struct judge_device *device,
                          struct utc *out)
{
    struct device_row row;
    enum err err =
        store_device_get(hearing->app->db, hearing->rollout->tenant, device->row.device, &row);

    *out = err == ERR_OK ? row.last_seen : (struct utc){0};
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int64_t due_ms(const struct hearing *hearing, const struct judge_device *device)
{
    return INT64_C(1000) * device->row.risk.due[EXPOSURE_RUNGS - 1] *
           hearing->judge->risk.rule.tick_s;
}

/* Few moments find a harmless device away for longer: twice its deadline, and what its link has
 * shown. */
static int64_t absent_ms(const struct hearing *hearing, const struct judge_device *device)
{
    int64_t watch_ms = INT64_C(1000) * hearing->judge->links[device->row.risk.stratum].watch_s;
    int64_t twice_ms = 2 * due_ms(hearing, device);

    return watch_ms > twice_ms ? watch_ms : twice_ms;
}

static enum err is_absent(struct hearing *hearing, const struct judge_device *device, bool *out)
{
    struct utc seen;

    TRY(last_seen(hearing, device, &seen));
    *out = hearing->now.ms - seen.ms > absent_ms(hearing, device);
    return ERR_OK;
}

static bool is_roll_call(const struct judge_device *device)
{
    return (device->row.risk.passed & 1u << (EXPOSURE_RUNGS - 1)) != 0;
}

/* Whatever has come due of one device. */
static enum err look(struct hearing *hearing, struct judge_device *device, uint32_t *left)
{
    bool silent = false;

    while (*left > 0 &&
           risk_next_due_s(&hearing->judge->risk, &device->row.risk) <= second_of(hearing)) {
        if (is_roll_call(device))
            TRY(is_absent(hearing, device, &silent));
        TRY(tell(hearing, RISK_DUE, device, silent));
        (*left)--;
    }
    return ERR_OK;
}

/* Those that were absent at a roll call may be back. */
static enum err look_for_returns(struct hearing *hearing)
{
    for (uint32_t i = 0; i < hearing->judge->device_count; i++) {
        struct judge_device *device = &hearing->judge->devices[i];
        bool absent = true;

        if ((device->row.risk.flags & RISK_DEVICE_GONE) != 0)
            TRY(is_absent(hearing, device, &absent));
        if (!absent)
            TRY(tell(hearing, RISK_GOOD, device, false));
    }
    return ERR_OK;
}

static enum err look_at_all(struct hearing *hearing)
{
    uint32_t left = SLICE;

    for (uint32_t i = 0; i < hearing->judge->device_count && left > 0; i++) {
        if (exposed(&hearing->judge->devices[i]))
            TRY(look(hearing, &hearing->judge->devices[i], &left));
    }
    if (left == 0)
        hearing->app->more = true;
    return ERR_OK;
}

/* ---- devices without the release ---- */

static enum err tell_control(struct hearing *hearing, const struct judge_device *device,
                             bool roll_call, bool silent)
{
    struct risk_event event = {.kind = RISK_CONTROL,
                               .at_s = second_of(hearing),
                               .count = 1,
                               .roll_call = roll_call,
                               .stratum = device->row.risk.stratum,
                               .site = device->row.risk.site};

    TRY(hear(hearing, event, NULL));
    event.kind = RISK_CONTROL_SILENT;
    event.count = 0;
    return silent ? hear(hearing, event, NULL) : ERR_OK;
}

/* Its time begins when it was heard of, as that of a device that flips does, and ends after as
 * long. `watched` is below 0 while it is away after that: minus the end. */
static enum err watch(struct hearing *hearing, struct judge_device *device, bool roll_call)
{
    int64_t watched = device->row.watched.ms, length_ms = due_ms(hearing, device);
    struct utc seen;
    bool over, silent;

    TRY(last_seen(hearing, device, &seen));
    if (roll_call)
        TRY(tell_control(hearing, device, true,
                         hearing->now.ms - seen.ms > absent_ms(hearing, device)));
    over = watched > 0 && hearing->now.ms - watched >= length_ms;
    silent = seen.ms <= watched;
    if (over)
        TRY(tell_control(hearing, device, false, silent));
    if (over && silent)
        device->row.watched.ms = -(watched + length_ms);
    else if (over || (watched <= 0 && seen.ms > -watched))
        device->row.watched.ms = seen.ms;
    if (device->row.watched.ms == watched)
        return ERR_OK;
    return store_risk_device_save(hearing->app->db, hearing->rollout->tenant, hearing->rollout->id,
                                  &device->row);
}

/* Beside devices that have the release, as long as any of them will come due. */
static enum err watch_all(struct hearing *hearing)
{
    struct judge *judge = hearing->judge;
    bool roll_call = judge->risk.tick % COHORT_STRETCH_TICKS == 0;

    if (judge->row.entries >= RISK_JOURNAL_MAX)
        return ERR_OK;
    for (uint32_t i = 0; i < judge->watched; i++) {
        if (!exposed(&judge->devices[i]))
            TRY(watch(hearing, &judge->devices[i], roll_call));
    }
    return ERR_OK;
}

enum err judge_tick(struct app *app, const struct rollout_row *row, struct utc now)
{
    struct hearing hearing;
    uint32_t tick;

    TRY(open_hearing(&hearing, app, row, now));
    if (!hearing.judge->opened)
        return rollout_moving(&row->rollout) ? judge_sort(app, row, hearing.judge, now) : ERR_OK;
    if (!judge_outstanding(hearing.judge) || hearing.judge->trouble[0] != '\0')
        return ERR_OK; /* whoever asks next says what time it is */
    tick = hearing.judge->risk.tick;
    TRY(pass_time(&hearing));
    TRY(look_at_all(&hearing));
    if (hearing.judge->risk.tick == tick)
        return ERR_OK;
    TRY(look_for_returns(&hearing));
    return watch_all(&hearing);
}

/* ---- people ---- */

static enum err find_cohort(const struct judge *judge, struct span name, uint16_t *out)
{
    for (uint32_t i = 0; judge->opened && i < judge->cohort_count; i++) {
        if (span_is(name, judge->names[i].name)) {
            *out = (uint16_t)i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err lift(struct hearing *hearing, uint16_t cohort)
{
    struct risk_event event = {.kind = RISK_LIFT, .cohort = cohort};

    TRY(pass_time(hearing));
    event.at_s = second_of(hearing);
    return hear(hearing, event, NULL);
}

static enum err audit_lift(struct hearing *hearing, const char *cohort, const char *actor,
                           const char *reason)
{
    char object[ACTOR_SIZE_MAX], detail[JUDGE_SENTENCE_MAX];
    const struct deed deed = {.tenant = hearing->rollout->tenant,
                              .actor = actor,
                              .action = "rollout.lift",
                              .object = object,
                              .detail = detail};

    CHECK(snprintf(object, sizeof object, "rollout:%s", hearing->rollout->name) > 0);
    CHECK(snprintf(detail, sizeof detail, "%s: %s", cohort, reason) > 0);
    deeds_tell_hold(hearing->app, hearing->rollout, "lift", cohort, reason, hearing->now);
    return app_audit(hearing->app, hearing->now, &deed);
}

enum err judge_lift(struct app *app, const struct rollout_row *row, struct span cohort,
                    const char *actor, const char *reason, struct utc now, struct why *why)
{
    struct hearing hearing;
    uint16_t number = 0;

    TRY(app_db_failed(app, open_hearing(&hearing, app, row, now), why));
    if (find_cohort(hearing.judge, cohort, &number) != ERR_OK)
        return say(why, ERR_NOT_FOUND, "cohort", "the rollout has no cohort \"%.*s\"",
                   (int)(cohort.size < 80 ? cohort.size : 80), (const char *)cohort.at);
    if (number == COHORT_WHOLE)
        return say(why, ERR_INVALID, "cohort", "is the whole rollout: resume it instead");
    if (!hearing.judge->cohorts[number].held)
        return say(why, ERR_INVALID, "cohort", "%s is not held", hearing.judge->names[number].name);
    TRY(app_db_failed(app, lift(&hearing, number), why));
    return app_db_failed(
        app, audit_lift(&hearing, hearing.judge->names[number].name, actor, reason), why);
}

enum err judge_resume(struct app *app, const struct rollout_row *row, struct utc now,
                      struct why *why)
{
    struct hearing hearing;
    struct judge_view view;

    TRY(app_db_failed(app, open_hearing(&hearing, app, row, now), why));
    if (!hearing.judge->opened)
        return ERR_OK;
    if (hearing.judge->trouble[0] != '\0')
        return say(why, ERR_CONFLICT, NULL, "%s", hearing.judge->trouble);
    TRY(app_db_failed(app, judge_view(app, row, &view), why));
    if (view.exhausted)
        return say(
            why, ERR_CONFLICT, NULL,
            "the risk window of %s is used up and nothing more is to be learnt: abort it and "
            "draft another one with a larger max_harmed",
            row->name);
    if (!hearing.judge->risk.halted)
        return ERR_OK;
    return app_db_failed(app, lift(&hearing, COHORT_WHOLE), why);
}

enum err judge_deadline(struct app *app, const struct rollout_row *row,
                        const struct assignment_row *assignment, uint32_t otherwise_s,
                        uint32_t *out)
{
    struct hearing hearing;
    struct judge_device *device;

    *out = otherwise_s;
    if (!judge_sits(row) || !assignment_flipped(&assignment->assignment))
        return ERR_OK;
    TRY(open_hearing(&hearing, app, row, (struct utc){0}));
    if (!hearing.judge->opened)
        return ERR_OK;
    TRY(find_device(&hearing, assignment->device, &device));
    if (device)
        *out = device->row.risk.due[EXPOSURE_RUNGS - 1] * hearing.judge->risk.rule.tick_s;
    return ERR_OK;
}
