/* The course of rollouts: feed an event to rollout_step(), carry out the effects in the same
 * transaction, feed back what they achieved, audit changes of state, tell listeners. */
#pragma once

#include "app/app.h"
#include "store/assignment.h"
#include "store/rollout.h"

struct course_order {
    const char *actor;  /* "token:alice", "server" */
    const char *reason; /* what the person said; NULL: nothing */
    struct utc now;
    bool by_judge; /* HALT: not a person */
};

/* A person's or the schedule's event (APPROVE, START, PAUSE, RESUME, ADVANCE, ABORT, ROLLBACK,
 * HALT, TICK ...). `row` is as read and is saved here. For START and SELECTED the count is
 * filled in here. ERR_INVALID, ERR_DENIED, ERR_NOT_FOUND as rollout_step() says, with nothing
 * changed. */
enum err course_event(struct app *app, struct rollout_row *row, enum rollout_event_kind kind,
                      const struct course_order *order, struct why *why) MUST_USE;

/* Apply an event to an assignment, save it, and let its rollout know when it matters. *changed
 * is false when the state machine refuses the event (late, repeated), or the rollout's judge gives
 * no leave to flip (GRANT): nothing is done then. */
enum err course_assignment(struct app *app, struct assignment_row *row,
                           const struct assignment_event *event, bool *changed,
                           struct why *why) MUST_USE;

/* When the tick must look at it again, for silence or for a claim that has soaked; 0: never. */
struct utc course_look_at(const struct assignment_row *row, const struct rollout_row *rollout,
                          uint32_t deadline_s);

/* Ask the judge of the rollout, if it has one, and stop it if need be. */
enum err course_judge(struct app *app, struct rollout_row *row, struct utc now) MUST_USE;

struct admission {
    uint32_t admitted; /* devices */
    uint32_t selected; /* devices the rollout reaches now; see struct survey_question */
    bool counted;      /* false: nobody was looked at */
    bool unfinished;   /* the fleet is still being walked: ask again in the next turn */
};

/* ROLLOUT_ADMIT: choose up to `count` devices and assign them to `stage`. In app/admit.c. */
enum err admit(struct app *app, const struct rollout_row *row, uint8_t stage, uint32_t count,
               struct utc now, struct admission *out) MUST_USE;

/* What a change of an assignment means for its device: which one it has or shall get. */
enum err course_attach(struct app *app, const struct assignment_row *row) MUST_USE;

/* How many devices the rollout reaches, see struct survey_question. ERR_AGAIN with app->unfinished.
 */
enum err course_count(struct app *app, const struct rollout_row *row, struct utc now,
                      uint32_t *count) MUST_USE;
