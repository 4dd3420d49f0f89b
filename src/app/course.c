#include "app/course.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/deeds.h"
#include "app/judge.h"
#include "app/survey.h"
#include "base/check.h"
#include "os/say.h"

#define WALK_PAGE    128u /* assignments read at a time */
#define REVERT_SLICE 384u /* devices told to go back in one turn */

/* One event and all that follows from it. */
struct course {
    struct app *app;
    struct rollout_row *row;
    struct utc now;
    const char *actor;
    struct rollout_effects effects; /* of the last step that had some */
    bool judged;
    char judgement[AUDIT_TEXT_MAX]; /* why the gate halted it */
};

static enum err step(struct course *course, const struct rollout_event *event, struct why *why)
{
    struct rollout_effects effects;
    struct buf buf = buf_over(course->judgement, sizeof course->judgement);

    TRY(rollout_step(&course->row->rollout, event, &effects, why));
    if (effects.judged && gate_breached(&effects.verdict)) {
        course->judged = true;
        gate_explain(&effects.verdict, &buf);
        (void)buf_finish_text(&buf);
    }
    if (effects.count > 0)
        course->effects = effects;
    return ERR_OK;
}

/* ---- what a change means for the device ---- */

static bool in_its_hands(const struct assignment *assignment)
{
    if (assignment->state == ASSIGNMENT_STRANDED)
        return assignment->err == ERR_LINK; /* the order to go back stands */
    return assignment_active(assignment->state) || assignment->state == ASSIGNMENT_SILENT;
}

/* Nothing was heard, so whatever the device has in hand it keeps. */
static bool is_silence(const struct assignment_row *row)
{
    const struct assignment *assignment = &row->assignment;

    return assignment->state == ASSIGNMENT_SILENT ||
           (assignment->state == ASSIGNMENT_STRANDED && assignment->err == ERR_LINK);
}

/* It has been taken back, but the device does not know that yet. */
static bool to_be_dropped(const struct assignment *assignment)
{
    return assignment->state == ASSIGNMENT_RECALLED || assignment->state == ASSIGNMENT_WITHDRAWN ||
           assignment->state == ASSIGNMENT_SUPERSEDED;
}

enum err course_attach(struct app *app, const struct assignment_row *row)
{
    app_touch(app, row->tenant, row->device);
    if (in_its_hands(&row->assignment))
        return store_device_attach(app->db, row->tenant, row->device, row->id);
    if (to_be_dropped(&row->assignment))
        return ERR_OK;
    return store_device_detach(app->db, row->tenant, row->device, row->id);
}

/* When the tick must look at it again. A device that keeps talking moves its deadline without
 * a write here; the tick then finds that out. */
struct utc course_look_at(const struct assignment_row *row, const struct rollout_row *rollout,
                          uint32_t deadline_s)
{
    struct utc due, soaked;

    if (!assignment_due(&row->assignment, deadline_s, &due))
        due.ms = 0;
    if (assignment_soaked(&row->assignment,
                          rollout_claim_soak_s(&rollout->rollout, row->assignment.stage),
                          &soaked) &&
        (due.ms == 0 || soaked.ms < due.ms))
        return soaked;
    return due;
}

/* A device takes a sequence number for one course only: when it is to begin again, or to turn
 * round, it gets another. */
static bool is_new_order(const struct assignment_change *change)
{
    return change->retried || (change->from != change->to && (change->to == ASSIGNMENT_ASSIGNED ||
                                                              change->to == ASSIGNMENT_REVERTING));
}

/* The device shows that it is at work on this one, so it is not at work on the other one it had:
 * what waits there is taken back, and what was to be seen there will not be. The other one is of
 * another rollout, and is not in its hands after this. */
static enum err displace(struct course *course, const struct assignment_row *row, int64_t before)
{
    static const enum assignment_event_kind kinds[] = {ASSIGNMENT_EV_RECALL, ASSIGNMENT_EV_OVERDUE};
    struct assignment_row other;
    enum err err;
    bool changed;

    if (before == 0 || before == row->id)
        return ERR_OK;
    err = store_assignment_get(course->app->db, row->tenant, row->device, before, &other);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct assignment_event event = {.kind = kinds[i], .now = course->now};

        TRY(course_assignment(course->app, &other, &event, &changed, NULL));
    }
    return ERR_OK;
}

/* Save what a step has made of it. */
static enum err keep(struct course *course, struct assignment_row *row,
                     const struct assignment_change *change)
{
    uint32_t deadline_s;
    int64_t before;

    TRY(judge_deadline(course->app, course->row, row, course->row->rollout.plan.deadline_s,
                       &deadline_s));
    row->look = course_look_at(row, course->row, deadline_s);
    if (is_new_order(change))
        TRY(store_device_next_sequence(course->app->db, row->tenant, row->device, course->now,
                                       &row->sequence));
    TRY(store_assignment_save(course->app->db, row));
    if (change->from == change->to)
        return ERR_OK;
    if (is_silence(row)) {
        app_touch(course->app, row->tenant, row->device);
        return ERR_OK;
    }
    if (!in_its_hands(&row->assignment))
        return course_attach(course->app, row);
    TRY(store_device_attached(course->app->db, row->tenant, row->device, &before));
    TRY(course_attach(course->app, row));
    return displace(course, row, before);
}

/* ---- effects ---- */

static enum err recall_page(struct course *course, struct assignment_row *page, uint32_t count,
                            uint32_t recalled[ROLLOUT_STAGES_MAX])
{
    const struct assignment_policy policy = rollout_policy(&course->row->rollout);
    const struct assignment_event event = {.kind = ASSIGNMENT_EV_RECALL, .now = course->now};

    for (uint32_t i = 0; i < count; i++) {
        struct assignment_change change;
        enum err err = assignment_step(&page[i].assignment, &event, &policy, &change);

        CHECK(err == ERR_OK); /* whatever stands WAITING can be recalled */
        CHECK(change.stage < ROLLOUT_STAGES_MAX);
        TRY(keep(course, &page[i], &change));
        recalled[change.stage]++;
    }
    return ERR_OK;
}

static enum err recall(struct course *course, struct assignment_row *page)
{
    uint32_t recalled[ROLLOUT_STAGES_MAX] = {0}, count = WALK_PAGE;
    const struct rollout_row *row = course->row;

    while (count == WALK_PAGE) { /* those recalled are not found again */
        TRY(store_assignment_list(course->app->db, row->tenant, row->id, ASSIGNMENTS_WAITING, 0,
                                  WALK_PAGE, page, &count));
        TRY(recall_page(course, page, count, recalled));
    }
    for (uint8_t stage = 0; stage < ROLLOUT_STAGES_MAX; stage++) {
        const struct rollout_event event = {.kind = ROLLOUT_EV_RECALLED,
                                            .now = course->now,
                                            .stage = stage,
                                            .count = recalled[stage]};

        if (recalled[stage] > 0)
            TRY(step(course, &event, NULL));
    }
    return ERR_OK;
}

static enum err revert_one(struct course *course, struct assignment_row *row, uint32_t *reverted)
{
    const struct assignment_policy policy = rollout_policy(&course->row->rollout);
    const struct assignment_event event = {.kind = ASSIGNMENT_EV_REVERT, .now = course->now};
    struct assignment_change change;
    struct rollout_event moved = {.kind = ROLLOUT_EV_MOVED, .now = course->now, .change = &change};

    if (assignment_step(&row->assignment, &event, &policy, &change) != ERR_OK)
        return ERR_OK; /* it has leave and has not used it: waited for */
    (*reverted)++;
    TRY(keep(course, row, &change));
    return step(course, &moved, NULL);
}

/* Nobody is harmed by going back a turn later, so it is done in slices. */
static enum err revert(struct course *course, struct assignment_row *page)
{
    const struct rollout_row *row = course->row;
    uint32_t count = WALK_PAGE, reverted = 0;
    int64_t after = 0;

    while (count == WALK_PAGE && reverted < REVERT_SLICE) {
        TRY(store_assignment_list(course->app->db, row->tenant, row->id, ASSIGNMENTS_AWAY, after,
                                  WALK_PAGE, page, &count));
        for (uint32_t i = 0; i < count; i++) {
            after = page[i].id;
            TRY(revert_one(course, &page[i], &reverted));
        }
    }
    if (reverted >= REVERT_SLICE)
        course->app->more = true;
    return ERR_OK;
}

static enum err admit_some(struct course *course, const struct rollout_effect *effect)
{
    struct rollout_event event = {.kind = ROLLOUT_EV_ADMITTED, .now = course->now};
    struct admission admission;

    TRY(admit(course->app, course->row, effect->stage, effect->count, course->now, &admission));
    if (admission.unfinished)
        return ERR_OK; /* as if the answer had been lost: the next tick asks again */
    event.count = admission.admitted;
    TRY(step(course, &event, NULL));
    if (admission.admitted == ROLLOUT_ADMIT_MAX && rollout_room(&course->row->rollout) > 0)
        course->app->more = true;
    if (!admission.counted || admission.selected == course->row->rollout.selected)
        return ERR_OK;
    event.kind = ROLLOUT_EV_SELECTED;
    event.count = admission.selected;
    return step(course, &event, NULL);
}

static enum err carry_out(struct course *course, const struct rollout_effect *effect,
                          struct assignment_row *page)
{
    switch (effect->kind) {
    case ROLLOUT_ADMIT:
        return admit_some(course, effect);
    case ROLLOUT_RECALL:
        return recall(course, page);
    case ROLLOUT_REVERT:
        return revert(course, page);
    case ROLLOUT_NOTIFY: /* every change is told, see finish() */
    case ROLLOUT_EFFECT_COUNT:
        break;
    }
    return ERR_OK;
}

/* Effects may step the rollout again and leave new ones; two rounds are the longest there are
 * (a breach while admitting), and what is left over comes again with the next tick. */
static enum err carry_out_all(struct course *course)
{
    struct assignment_row *page = calloc(WALK_PAGE, sizeof *page);
    enum err err = ERR_OK;

    CHECK(page);
    for (int round = 0; err == ERR_OK && round < 2 && course->effects.count > 0; round++) {
        const struct rollout_effects effects = course->effects;

        course->effects.count = 0;
        for (uint8_t i = 0; err == ERR_OK && i < effects.count; i++)
            err = carry_out(course, &effects.list[i], page);
    }
    free(page);
    return err;
}

/* ---- the whole ---- */

static enum err audit_state(struct course *course, const char *action, const char *detail)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = course->row->tenant,
                              .actor = course->actor,
                              .action = action,
                              .object = object,
                              .detail = detail};

    CHECK(snprintf(object, sizeof object, "rollout:%s", course->row->name) > 0);
    return app_audit(course->app, course->now, &deed);
}

static bool differs(const struct rollout_row *row)
{
    return memcmp(&row->rollout, &row->saved, sizeof row->rollout) != 0;
}

/* A change of state or stage that nobody asked for by name. */
static enum err audit_course(struct course *course)
{
    const struct rollout *rollout = &course->row->rollout, *before = &course->row->saved;
    char action[48], detail[AUDIT_TEXT_MAX];

    if (rollout->state != before->state) {
        CHECK(snprintf(action, sizeof action, "rollout.%s", rollout_state_name(rollout->state)) >
              0);
        return audit_state(course, action,
                           course->judged ? course->judgement : rollout_cause_name(rollout->cause));
    }
    if (rollout->stage == before->stage)
        return ERR_OK;
    CHECK(snprintf(detail, sizeof detail, "stage %u of %u opens", rollout->stage + 1u,
                   rollout->plan.stage_count) > 0);
    return audit_state(course, "rollout.stage", detail);
}

/* `named` is what a person asked for, or NULL. */
static enum err finish(struct course *course, const char *named, const char *reason)
{
    struct rollout_row *row = course->row;
    bool moved = row->rollout.state != row->saved.state;

    if (named)
        TRY(audit_state(course, named, reason));
    else
        TRY(audit_course(course));
    if (moved) {
        const char *text = course->judged ? course->judgement : reason;

        row->state_since = course->now;
        CHECK(snprintf(row->reason, sizeof row->reason, "%.*s", (int)REASON_SIZE_MAX,
                       text ? text : "") >= 0);
    }
    if (!differs(row) && !named)
        return ERR_OK;
    TRY(store_rollout_save(course->app->db, row));
    deeds_tell_rollout(course->app, row, course->now);
    return ERR_OK;
}

enum err course_count(struct app *app, const struct rollout_row *row, struct utc now,
                      uint32_t *count)
{
    struct release_row release;
    struct survey_result *found = malloc(sizeof *found);
    const struct survey_question question = {.tenant = row->tenant,
                                             .selector = span_of(row->selector),
                                             .release = &release,
                                             .rollout = row->id};
    enum err err = store_release_get(app->db, row->tenant, row->release, &release);

    CHECK(found);
    if (err == ERR_OK)
        err = survey_count(app, &question, now, found, NULL);
    if (err == ERR_OK)
        *count = found->meant.count;
    free(found);
    return err;
}

static bool by_name(enum rollout_event_kind kind)
{
    return kind <= ROLLOUT_EV_ROLLBACK || kind == ROLLOUT_EV_HALT;
}

enum err course_event(struct app *app, struct rollout_row *row, enum rollout_event_kind kind,
                      const struct course_order *order, struct why *why)
{
    struct course course = {.app = app, .row = row, .now = order->now, .actor = order->actor};
    struct rollout_event event = {.kind = kind, .now = order->now, .by_judge = order->by_judge};
    char action[48];

    if (kind == ROLLOUT_EV_RESUME && judge_sits(row))
        TRY(judge_resume(app, row, order->now, why));
    if (kind == ROLLOUT_EV_START || kind == ROLLOUT_EV_SELECTED) {
        TRY(app_db_failed(app, course_count(app, row, order->now, &event.count), why));
        app_scanned(app, row, order->now);
    }
    TRY(step(&course, &event, why));
    TRY(app_db_failed(app, carry_out_all(&course), why));
    CHECK(snprintf(action, sizeof action, "rollout.%s", rollout_event_name(kind)) > 0);
    return app_db_failed(app, finish(&course, by_name(kind) ? action : NULL, order->reason), why);
}

/* Its rollout hears of it, and everything that follows happens now. */
static enum err tell_rollout(struct course *course, const struct assignment_change *change)
{
    const struct rollout_event event = {
        .kind = ROLLOUT_EV_MOVED, .now = course->now, .change = change};

    if (!assignment_change_matters(change))
        return ERR_OK;
    TRY(step(course, &event, NULL));
    TRY(carry_out_all(course));
    return finish(course, NULL, NULL);
}

/* What became of a device that nobody asked for, and that no report of it tells. */
static const char *uncalled_for(const struct assignment_row *row,
                                const struct assignment_change *change)
{
    if (change->from == change->to)
        return NULL;
    if (change->to == ASSIGNMENT_SILENT)
        return "assignment.silent";
    if (change->to == ASSIGNMENT_STRANDED)
        return "assignment.stranded";
    if (row->assignment.proof == PROOF_SOAK && change->to == ASSIGNMENT_SUCCEEDED)
        return "assignment.proven";
    return change->to == ASSIGNMENT_WITHDRAWN ? "assignment.withdrawn" : NULL;
}

static enum err audit_device(struct course *course, const struct device_row *device,
                             const struct deed *about)
{
    char object[ACTOR_SIZE_MAX];
    struct deed deed = *about;

    CHECK(snprintf(object, sizeof object, "device:%s", device->name) > 0);
    deed.tenant = device->tenant;
    deed.object = object;
    if (!deed.actor)
        deed.actor = object;
    return app_audit(course->app, course->now, &deed);
}

static const char *words_for(const struct assignment_row *row)
{
    if (row->assignment.state == ASSIGNMENT_STRANDED && row->detail[0] != '\0')
        return row->detail;
    if (row->assignment.proof == PROOF_SOAK)
        return assignment_proof_text(PROOF_SOAK);
    return assignment_state_text(row->assignment.state);
}

static enum err audit_uncalled_for(struct course *course, const struct device_row *device,
                                   const struct assignment_row *row, const char *action)
{
    const char *words = words_for(row);
    char detail[AUDIT_TEXT_MAX];
    const struct deed deed = {.actor = "server", .action = action, .detail = detail};

    CHECK(snprintf(detail, sizeof detail, "rollout %s: %s", course->row->name, words) > 0);
    return audit_device(course, device, &deed);
}

static enum err audit_change(struct course *course, const struct device_row *device,
                             const struct assignment_row *row,
                             const struct assignment_change *change)
{
    static const struct deed unleashed = {.action = "assignment.without-leave",
                                          .detail = "the device has switched banks without leave",
                                          .refused = true};

    if (change->without_leave)
        TRY(audit_device(course, device, &unleashed));
    if (uncalled_for(row, change))
        TRY(audit_uncalled_for(course, device, row, uncalled_for(row, change)));
    return ERR_OK;
}

/* The name is needed by listeners and the audit only. */
static enum err tell_world(struct course *course, const struct assignment_row *row,
                           const struct assignment_change *change)
{
    struct device_row device;
    bool audited = change->without_leave || uncalled_for(row, change);

    if (!audited && (change->from == change->to || !course->app->config.publish.publish))
        return ERR_OK;
    TRY(store_device_get(course->app->db, row->tenant, row->device, &device));
    TRY(audit_change(course, &device, row, change));
    deeds_tell_device(course->app, row->tenant, device.name,
                      assignment_state_name(row->assignment.state), course->row, course->now);
    return ERR_OK;
}

enum err course_judge(struct app *app, struct rollout_row *row, struct utc now)
{
    char sentence[JUDGE_SENTENCE_MAX];
    const struct course_order order = {
        .actor = "server", .reason = sentence, .now = now, .by_judge = true};
    bool halts;

    if (!judge_sits(row))
        return ERR_OK;
    TRY(judge_wants_halt(app, row, &halts, sentence));
    return halts ? course_event(app, row, ROLLOUT_EV_HALT, &order, NULL) : ERR_OK;
}

/* Leave to flip needs the judge's, too. Whether the assignment can take it is asked first, because
 * the judge counts it as given. */
static enum err may_step(struct course *course, const struct assignment_row *row,
                         const struct assignment_event *event, bool *may)
{
    const struct assignment_policy policy = rollout_policy(&course->row->rollout);
    struct assignment probe = row->assignment;
    struct assignment_change change;

    *may = event->kind != ASSIGNMENT_EV_GRANT || !judge_sits(course->row);
    if (*may || assignment_step(&probe, event, &policy, &change) != ERR_OK)
        return ERR_OK;
    return judge_ask(course->app, course->row, row, course->now, may);
}

/* What became of the device may stop the rollout. */
static enum err hand_to_judge(struct course *course, const struct assignment_row *row,
                              const struct assignment_change *change)
{
    if (!judge_sits(course->row))
        return ERR_OK;
    TRY(judge_outcome(course->app, course->row, row, change, course->now));
    return course_judge(course->app, course->row, course->now);
}

enum err course_assignment(struct app *app, struct assignment_row *row,
                           const struct assignment_event *event, bool *changed, struct why *why)
{
    struct course course = {.app = app, .now = event->now, .actor = "server"};
    struct assignment_change change;
    struct assignment_policy policy;
    struct rollout_row rollout;
    bool may;

    *changed = false;
    TRY(app_db_failed(app, store_rollout_get(app->db, row->tenant, row->rollout, &rollout), why));
    course.row = &rollout;
    policy = rollout_policy(&rollout.rollout);
    TRY(app_db_failed(app, may_step(&course, row, event, &may), why));
    if (!may)
        return ERR_OK;
    if (assignment_step(&row->assignment, event, &policy, &change) != ERR_OK)
        return ERR_OK;
    *changed = true;
    TRY(app_db_failed(app, keep(&course, row, &change), why));
    TRY(app_db_failed(app, tell_rollout(&course, &change), why));
    TRY(app_db_failed(app, tell_world(&course, row, &change), why));
    return app_db_failed(app, hand_to_judge(&course, row, &change), why);
}
