#include "app/steer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/content.h"
#include "app/judge.h"
#include "app/rules.h"
#include "base/check.h"
#include "os/entropy.h"
#include "os/say.h"

#define SAMPLE_MIN_DEFAULT 5u /* outcomes; fewer say little about a share */

/* ---- Drafting ---- */

static enum err find_release(struct app *app, const struct steer_draft *draft,
                             struct release_row *out, struct why *why)
{
    struct span product, version;
    enum err err = ERR_NOT_FOUND;

    if (!release_name_split(draft->release, &product, &version))
        return say(why, ERR_INVALID, "release", "must be PRODUCT@VERSION");
    err = store_release_find(app->db, draft->tenant, product, version, out);
    if (err == ERR_NOT_FOUND)
        return say(why, ERR_INVALID, "release", "there is no release %.*s",
                   (int)draft->release.size, (const char *)draft->release.at);
    if (err == ERR_OK && out->withdrawn)
        return say(why, ERR_UNSUITABLE, "release",
                   "is withdrawn: the signed targets no longer list it");
    return app_db_failed(app, err, why);
}

static enum err count_devices(struct app *app, const struct steer_draft *draft,
                              const struct release_row *release, struct utc now,
                              struct steer_preview *preview, struct why *why)
{
    const struct survey_question question = {
        .tenant = draft->tenant, .selector = draft->selector, .release = release};
    struct selector *selector = malloc(sizeof *selector);
    struct selector_fault fault = {0};
    enum err err;

    CHECK(selector);
    err = selector_parse(draft->selector, selector, &fault, why);
    free(selector);
    if (err == ERR_OK)
        return survey_count(app, &question, now, &preview->found, why);
    preview->column = fault.column;
    return ERR_INVALID;
}

/* A gate that needs more outcomes than its stage has devices would never judge that stage by
 * its share, so the default is no larger than the stage. */
static void default_samples(const struct steer_draft *draft, struct rollout *rollout,
                            struct steer_preview *preview)
{
    uint32_t before = 0;

    for (uint8_t i = 0; i < rollout->plan.stage_count; i++) {
        uint32_t goal = rollout_goal(rollout, i), width = goal > before ? goal - before : 0;

        preview->stages[i] = goal;
        before = goal;
        if (draft->sample_min_given & 1u << i)
            continue;
        rollout->plan.stages[i].gate.sample_min = width == 0                   ? 1
                                                  : width < SAMPLE_MIN_DEFAULT ? width
                                                                               : SAMPLE_MIN_DEFAULT;
    }
}

static enum err check_count(const struct steer_draft *draft, struct steer_preview *preview,
                            struct why *why)
{
    preview->confirm_needed = preview->found.meant.count > draft->confirm_above;
    if (draft->dry_run)
        return ERR_OK;
    if (draft->confirmed && draft->confirm_count != preview->found.meant.count)
        return say(why, ERR_UNSUITABLE, "confirm_count",
                   "the selector reaches %u devices, not %u; look again before you confirm",
                   preview->found.meant.count, draft->confirm_count);
    if (preview->confirm_needed && !draft->confirmed)
        return say(why, ERR_UNSUITABLE, "confirm_count",
                   "the selector reaches %u devices, more than %u; repeat with confirm_count %u "
                   "if you mean it",
                   preview->found.meant.count, draft->confirm_above, preview->found.meant.count);
    return ERR_OK;
}

static enum err audit_draft(struct app *app, const struct rollout_row *row, const char *release,
                            const struct steer_draft *draft, uint32_t count, struct utc now)
{
    char object[ACTOR_SIZE_MAX], detail[AUDIT_TEXT_MAX];
    const struct deed deed = {.tenant = row->tenant,
                              .actor = draft->actor,
                              .action = "rollout.create",
                              .object = object,
                              .detail = detail};

    (void)snprintf(object, sizeof object, "rollout:%s", row->name);
    (void)snprintf(detail, sizeof detail, "%s brings %s to %u devices: %.200s", row->name, release,
                   count, row->selector);
    return app_audit(app, now, &deed);
}

static enum err store_draft(struct app *app, const struct steer_draft *draft,
                            const struct release_row *release, struct rollout_row *row,
                            uint32_t count, struct utc now, struct why *why)
{
    char name[RELEASE_ID_SIZE];
    enum err err;

    row->tenant = draft->tenant;
    row->release = release->id;
    row->seed = entropy_seed() >> 1; /* SQL integers are signed */
    row->created = row->state_since = now;
    row->window = draft->window;
    row->strategy = draft->strategy;
    row->risk = draft->risk;
    (void)snprintf(row->name, sizeof row->name, "%s", draft->name);
    (void)snprintf(row->created_by, sizeof row->created_by, "%s", draft->created_by);
    if (!span_to_text(draft->selector, row->selector, sizeof row->selector))
        return say(why, ERR_INVALID, "selector", "must not hold NUL characters");
    err = store_rollout_add(app->db, row);
    if (err == ERR_CONFLICT)
        return say(why, err, "name", "there is a rollout %s already", draft->name);
    if (err != ERR_OK)
        return app_db_failed(app, err, why);
    release_row_name(release, name);
    return audit_draft(app, row, name, draft, count, now);
}

static bool all_digits(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

enum err steer_create(struct app *app, const struct steer_draft *draft, struct utc now,
                      struct steer_preview *preview, struct rollout_row *out, struct why *why)
{
    struct release_row release;

    *preview = (struct steer_preview){0};
    *out = (struct rollout_row){.rollout = {.plan = draft->plan}};
    if (all_digits(draft->name))
        return say(why, ERR_INVALID, "name", "must not be a number; numbers are rollout ids");
    TRY(rollout_plan_check(&draft->plan, why));
    TRY(window_check(&draft->window, why));
    TRY(find_release(app, draft, &release, why));
    TRY(count_devices(app, draft, &release, now, preview, why));
    if (draft->strategy != STRATEGY_STAGES)
        TRY(judge_check(&draft->risk, &draft->plan, preview->found.meant.count, why));
    out->rollout.selected = preview->found.meant.count;
    default_samples(draft, &out->rollout, preview);
    out->rollout.selected = 0; /* counted again at start */
    TRY(check_count(draft, preview, why));
    if (draft->dry_run)
        return ERR_OK;
    return store_draft(app, draft, &release, out, preview->found.meant.count, now, why);
}

/* ---- Steering ---- */

static const char *verb(enum rollout_event_kind kind)
{
    switch (kind) {
    case ROLLOUT_EV_APPROVE:
        return "approved";
    case ROLLOUT_EV_START:
        return "started";
    case ROLLOUT_EV_PAUSE:
        return "paused";
    case ROLLOUT_EV_RESUME:
        return "resumed";
    case ROLLOUT_EV_ADVANCE:
        return "advanced";
    case ROLLOUT_EV_ABORT:
        return "aborted";
    case ROLLOUT_EV_ROLLBACK:
        return "rolled back";
    case ROLLOUT_EV_HALT:
    case ROLLOUT_EV_SELECTED:
    case ROLLOUT_EV_ADMITTED:
    case ROLLOUT_EV_RECALLED:
    case ROLLOUT_EV_MOVED:
    case ROLLOUT_EV_TICK:
    case ROLLOUT_EVENT_COUNT:
        break;
    }
    return "moved";
}

/* The second pair of eyes must belong to somebody else. */
static enum err check_person(const struct rollout_row *row, enum rollout_event_kind kind,
                             const struct steer_order *order, struct why *why)
{
    if (kind == ROLLOUT_EV_APPROVE && strcmp(row->created_by, order->person) == 0)
        return say(why, ERR_DENIED, NULL, "%s created %s; somebody else must approve it",
                   order->person, row->name);
    return ERR_OK;
}

/* Nobody could open what would be offered. */
static enum err check_content(struct app *app, const struct rollout_row *row,
                              enum rollout_event_kind kind, struct why *why)
{
    struct release_row release;

    if (kind != ROLLOUT_EV_START)
        return ERR_OK;
    TRY(app_db_failed(app, store_release_get(app->db, row->tenant, row->release, &release), why));
    return content_ready(app, &release, why);
}

/* What devices ran before must be above their floors, or a person knows that it is not: only then
 * does a rollback begin. */
static enum err check_floors(struct app *app, const struct rollout_row *row,
                             struct steer_order *order, struct why *why)
{
    struct survey_names *barred = &order->barred;

    TRY(app_db_failed(app,
                      store_assignment_barred(app->db, row->tenant, row->id, SURVEY_SAMPLE_MAX,
                                              barred->sample, &barred->count),
                      why));
    barred->sampled = barred->count < SURVEY_SAMPLE_MAX ? barred->count : SURVEY_SAMPLE_MAX;
    if (barred->count == 0 || (order->leaves_behind && order->leave_behind == barred->count))
        return ERR_OK;
    return say(why, ERR_CONFLICT, "leave_behind",
               "%u devices have a security floor above what they ran before, %s first; repeat with "
               "leave_behind %u to leave them where they are",
               barred->count, barred->sample[0], barred->count);
}

/* A release that nobody may install any more, or whose signers cannot be heard, starts nothing. */
static enum err check_rules(struct app *app, const struct rollout_row *row, struct why *why)
{
    struct release_row release;
    bool blocked;

    TRY(app_db_failed(app, store_release_get(app->db, row->tenant, row->release, &release), why));
    TRY(app_db_failed(app, rules_block(app, row->tenant, release.plain_sha256, &blocked), why));
    if (rules_trouble(app, row->tenant)[0] != '\0')
        return say(why, ERR_CONFLICT, NULL, "the signed policy cannot be read: %s",
                   rules_trouble(app, row->tenant));
    return blocked ? say(why, ERR_CONFLICT, NULL, "the release has been blocked by its signers")
                   : ERR_OK;
}

static enum err check_event(struct app *app, const struct rollout_row *row,
                            enum rollout_event_kind kind, struct steer_order *order,
                            struct why *why)
{
    bool admits = kind == ROLLOUT_EV_APPROVE || kind == ROLLOUT_EV_START ||
                  kind == ROLLOUT_EV_RESUME || kind == ROLLOUT_EV_ADVANCE;

    TRY(check_person(row, kind, order, why));
    TRY(check_content(app, row, kind, why));
    if (admits)
        return check_rules(app, row, why);
    return kind == ROLLOUT_EV_ROLLBACK ? check_floors(app, row, order, why) : ERR_OK;
}

enum err steer_event(struct app *app, struct rollout_row *row, enum rollout_event_kind kind,
                     struct steer_order *order, struct why *why)
{
    char reason[REASON_SIZE_MAX + 1];
    const struct course_order course = {
        .actor = order->actor, .reason = order->reason.size > 0 ? reason : NULL, .now = order->now};
    enum rollout_state before = row->rollout.state;
    enum err err;

    if (!span_to_text(order->reason, reason, sizeof reason))
        return say(why, ERR_INVALID, "reason", "may have at most %u bytes", REASON_SIZE_MAX);
    TRY(check_event(app, row, kind, order, why));
    if (kind == ROLLOUT_EV_APPROVE)
        (void)snprintf(row->approved_by, sizeof row->approved_by, "%s", order->person);
    err = course_event(app, row, kind, &course, why);
    if (err == ERR_INVALID && (!why || why->text[0] == '\0'))
        return say(why, err, NULL, "%s is %s and cannot be %s", row->name,
                   rollout_state_name(before), verb(kind));
    return err;
}

enum err steer_lift(struct app *app, const struct rollout_row *row, struct span cohort,
                    const struct steer_order *order, struct why *why)
{
    char reason[REASON_SIZE_MAX + 1];

    if (!judge_sits(row))
        return say(why, ERR_INVALID, NULL, "%s is not judged by evidence, so nothing is held",
                   row->name);
    if (order->reason.size == 0)
        return say(why, ERR_INVALID, "reason", "is needed: why may these devices go on?");
    if (!span_to_text(order->reason, reason, sizeof reason))
        return say(why, ERR_INVALID, "reason", "may have at most %u bytes", REASON_SIZE_MAX);
    return judge_lift(app, row, cohort, order->actor, reason, order->now, why);
}

enum err steer_delete(struct app *app, struct rollout_row *row, const struct steer_order *order,
                      struct why *why)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = row->tenant,
                              .actor = order->actor,
                              .action = "rollout.delete",
                              .object = object,
                              .detail = row->name};

    if (row->rollout.state != ROLLOUT_DRAFT)
        return say(why, ERR_INVALID, NULL, "%s is %s; only a draft can be deleted", row->name,
                   rollout_state_name(row->rollout.state));
    TRY(store_rollout_remove(app->db, row->tenant, row->id));
    (void)snprintf(object, sizeof object, "rollout:%s", row->name);
    return app_audit(app, order->now, &deed);
}
