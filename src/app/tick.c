/* What time makes happen. Each part does a bounded amount; what is left over comes next time. */
#include <stdlib.h>

#include "app/course.h"
#include "app/deeds.h"
#include "app/expiring.h"
#include "app/facts.h"
#include "app/judge.h"
#include "app/publish.h"
#include "app/retire.h"
#include "base/check.h"

#define ROLLOUTS_MAX     64u   /* open rollouts read at a time */
#define DUE_MAX          256u  /* assignments looked at in one tick */
#define RECOUNT_MS       60000 /* the selections of open rollouts are counted again, one a tick */
#define RENEWALS_MAX     100u  /* devices asked to renew their certificate in one go */
#define RENEWALS_EACH_MS 600000

/* ---- rollouts ---- */

/* A scheduled start that nobody has counted for, or devices that have come and gone since. */
static bool wants_recount(struct app *app, const struct rollout_row *row, struct utc now)
{
    const struct rollout *rollout = &row->rollout;

    if (rollout->state == ROLLOUT_APPROVED)
        return rollout->plan.start_at.ms != 0 && now.ms >= rollout->plan.start_at.ms &&
               rollout->selected == 0 && app_may_scan(app, now);
    if (!rollout_moving(rollout) || now.ms < app->recount_due.ms)
        return false;
    return app_may_scan(app, now);
}

static enum err recount(struct app *app, struct rollout_row *row, const struct course_order *order)
{
    enum err err = course_event(app, row, ROLLOUT_EV_SELECTED, order, NULL);

    if (err != ERR_OK && app->unfinished) { /* the next tick goes on */
        app->unfinished = false;
        app->more = true;
        return ERR_OK;
    }
    TRY(err);
    if (row->rollout.state != ROLLOUT_APPROVED)
        app->recount_due.ms = order->now.ms + RECOUNT_MS / (app->open_rollouts + 1);
    return ERR_OK;
}

static enum err tick_rollout(struct app *app, struct rollout_key key, struct utc now)
{
    const struct course_order order = {.actor = "server", .now = now};
    struct rollout_row row;

    TRY(store_rollout_get(app->db, key.tenant, key.id, &row));
    if (wants_recount(app, &row, now))
        TRY(recount(app, &row, &order));
    if (judge_sits(&row))
        TRY(judge_tick(app, &row, now));
    TRY(course_judge(app, &row, now));
    return course_event(app, &row, ROLLOUT_EV_TICK, &order, NULL);
}

static bool is_behind(struct rollout_key a, struct rollout_key b)
{
    return a.tenant != b.tenant ? a.tenant > b.tenant : a.id > b.id;
}

/* Those behind `after` and not behind `last`. */
static enum err tick_some(struct app *app, struct rollout_key after, struct rollout_key last,
                          struct utc now, uint32_t *open)
{
    struct rollout_key keys[ROLLOUTS_MAX];
    uint32_t count = ROLLOUTS_MAX;

    while (count == ROLLOUTS_MAX) {
        TRY(store_rollout_open_list(app->db, after, ROLLOUTS_MAX, keys, &count));
        for (uint32_t i = 0; i < count; i++) {
            if (is_behind(keys[i], last))
                return ERR_OK;
            after = keys[i];
            TRY(tick_rollout(app, keys[i], now));
            (*open)++;
        }
    }
    return ERR_OK;
}

/* The one that has looked for devices last comes last. */
static enum err tick_rollouts(struct app *app, struct utc now)
{
    const struct rollout_key first = {0}, last = {.tenant = INT64_MAX, .id = INT64_MAX};
    const struct rollout_key scanned = app->scanned;
    uint32_t open = 0;

    TRY(tick_some(app, scanned, last, now, &open));
    TRY(tick_some(app, first, scanned, now, &open));
    app->open_rollouts = open;
    return ERR_OK;
}

/* ---- silence ---- */

/* Silence, or a claim that has stood long enough. */
static bool is_due(const struct assignment_row *row, const struct rollout *rollout,
                   uint32_t deadline_s, struct utc now, enum assignment_event_kind *kind)
{
    const struct assignment *assignment = &row->assignment;
    struct utc due;

    *kind = ASSIGNMENT_EV_SOAKED;
    if (assignment_soaked(assignment, rollout_claim_soak_s(rollout, assignment->stage), &due) &&
        due.ms <= now.ms)
        return true;
    *kind = ASSIGNMENT_EV_OVERDUE;
    return assignment_due(assignment, deadline_s, &due) && due.ms <= now.ms;
}

/* A device that went on talking is due later; only now is that written down. */
static enum err look(struct app *app, struct assignment_key key, struct utc now)
{
    struct assignment_event event = {.now = now};
    struct rollout_row rollout;
    struct assignment_row row;
    uint32_t deadline_s;
    bool changed;

    TRY(store_assignment_get(app->db, key.tenant, key.device, key.id, &row));
    TRY(store_rollout_get(app->db, key.tenant, row.rollout, &rollout));
    TRY(judge_deadline(app, &rollout, &row, rollout.rollout.plan.deadline_s, &deadline_s));
    if (is_due(&row, &rollout.rollout, deadline_s, now, &event.kind)) {
        TRY(course_assignment(app, &row, &event, &changed, NULL));
        CHECK(changed); /* whatever has a deadline can miss it */
        return ERR_OK;
    }
    row.look = course_look_at(&row, &rollout, deadline_s);
    return store_assignment_save(app->db, &row);
}

static enum err look_for_silence(struct app *app, struct utc now)
{
    struct assignment_key keys[DUE_MAX];
    uint32_t count;

    TRY(store_assignment_due(app->db, now, DUE_MAX, keys, &count));
    for (uint32_t i = 0; i < count; i++)
        TRY(look(app, keys[i], now));
    return ERR_OK;
}

/* ---- the rest ---- */

static enum err ask_for_renewals(struct app *app, struct utc now)
{
    struct device_key keys[RENEWALS_MAX];
    uint32_t count;

    if (now.ms < app->renewals_due.ms)
        return ERR_OK;
    TRY(store_device_expiring(app->db, now, RENEWALS_MAX, keys, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(store_device_want(app->db, keys[i].tenant, keys[i].device, DEVICE_WANTS_RENEWAL, 0));
        app_touch(app, keys[i].tenant, keys[i].device);
    }
    if (count < RENEWALS_MAX)
        app->renewals_due.ms = now.ms + RENEWALS_EACH_MS;
    return ERR_OK;
}

/* What only signers can cure must not stop everything else: it is tried again in a minute. */
static enum err renew_online(struct app *app, int64_t tenant, struct utc now)
{
    bool due = now.ms >= app_tenant(app, tenant)->online_due.ms;
    struct why why = {0};
    enum err err = publish_online(app, tenant, now, &why);

    if (due)
        app_tenant(app, tenant)->online_trouble = why;
    return err == ERR_STORAGE || err == ERR_AGAIN ? err : ERR_OK;
}

static enum err tick_tenants(struct app *app, struct utc now)
{
    TRY(app_find_tenants(app));
    for (size_t i = 0; i < app->tenants_count; i++)
        TRY(renew_online(app, app->tenants[i].id, now));
    for (size_t i = 0; i < app->tenants_count; i++)
        TRY(expiring_tell(app, app->tenants[i].id, now));
    return ERR_OK;
}

/* What is due is kept as calendar time. When the clock was ahead and has been put right, it would
 * not be due for as long as the clock was wrong. */
static void forget_what_is_due(struct app *app)
{
    const struct utc now = {0};

    app->retire_due = app->recount_due = app->renewals_due = app->scan_due = now;
    for (size_t i = 0; i < app->tenants_count; i++)
        app->tenants[i].online_due = app->tenants[i].expiring_due = now;
}

enum err app_tick(struct app *app, struct utc now)
{
    if (now.ms < app->ticked.ms)
        forget_what_is_due(app);
    app->ticked = now;
    TRY(tick_rollouts(app, now));
    TRY(look_for_silence(app, now));
    TRY(ask_for_renewals(app, now));
    TRY(tick_tenants(app, now));
    return retire(app, now);
}
