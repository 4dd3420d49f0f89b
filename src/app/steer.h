/* What people do with rollouts: draft, try out, approve, start, stop, throw away.
 *
 * The course itself is fleet/rollout.h by way of app/course.h. Here are the rules about people:
 * who creates may not approve, and whoever reaches many devices must say how many. */
#pragma once

#include "app/course.h"
#include "app/survey.h"

struct steer_draft {
    int64_t tenant;
    const char *actor;      /* "token:ada" */
    const char *created_by; /* the token's name */
    const char *name;
    struct span release; /* PRODUCT@VERSION */
    struct span selector;
    struct rollout_plan plan;
    struct window window;
    enum rollout_strategy strategy;
    struct risk_plan risk;
    uint32_t sample_min_given; /* bit per stage: whether the plan's sample_min was given */
    bool dry_run;
    bool confirmed;         /* confirm_count was given, */
    uint32_t confirm_count; /* and says this */
    uint32_t confirm_above; /* devices that need no confirmation */
};

struct steer_preview {
    struct survey_result found; /* devices the rollout would reach now, and whom the floor bars */
    uint32_t stages[ROLLOUT_STAGES_MAX]; /* devices admitted up to the end of each */
    bool confirm_needed;
    uint32_t column; /* where the selector is wrong, from 1; 0: it is not */
};

/* Check everything; then, unless it is a dry run, store the draft as *out. `preview` is filled as
 * far as it got, also on failure. ERR_INVALID with field and sentence: the request is wrong (of
 * the selector: also preview->column); ERR_CONFLICT: the name is taken; ERR_UNSUITABLE: the
 * release is withdrawn, or the count is not confirmed (field "confirm_count"). */
enum err steer_create(struct app *app, const struct steer_draft *draft, struct utc now,
                      struct steer_preview *preview, struct rollout_row *out,
                      struct why *why) MUST_USE;

struct steer_order {
    int64_t tenant;
    const char *actor;
    const char *person; /* the token's name */
    struct span reason; /* what the person says; may be empty */
    struct utc now;
    bool leaves_behind;         /* ROLLBACK: leave_behind was given, */
    uint32_t leave_behind;      /* and says how many devices cannot come along */
    struct survey_names barred; /* ROLLBACK: whose floor bars what they ran before; filled in */
};

/* APPROVE, START, PAUSE, RESUME, ABORT, ADVANCE, ROLLBACK on a rollout as read; it is changed in
 * place. ERR_INVALID: not in this state; ERR_DENIED: who created it may not approve it, or it is
 * not approved; ERR_CONFLICT: see order->barred. */
enum err steer_event(struct app *app, struct rollout_row *row, enum rollout_event_kind kind,
                     struct steer_order *order, struct why *why) MUST_USE;

/* Lift the hold that the judge has on a cohort; `order->reason` is required. ERR_NOT_FOUND: there
 * is no such cohort; ERR_INVALID: it is not held, or nobody judges the rollout by evidence. */
enum err steer_lift(struct app *app, const struct rollout_row *row, struct span cohort,
                    const struct steer_order *order, struct why *why) MUST_USE;

/* A draft only; ERR_INVALID otherwise. */
enum err steer_delete(struct app *app, struct rollout_row *row, const struct steer_order *order,
                      struct why *why) MUST_USE;
