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
};

/* A person's or the schedule's event (APPROVE, START, PAUSE, RESUME, ADVANCE, ABORT, ROLLBACK,
 * HALT, TICK ...). `row` is as read and is saved here. For START and SELECTED the count is
 * filled in here. ERR_INVALID, ERR_DENIED, ERR_NOT_FOUND as rollout_step() says, with nothing
 * changed. */
enum err course_event(struct app *app, struct rollout_row *row, enum rollout_event_kind kind,
                      const struct course_order *order, struct why *why) MUST_USE;

/* Apply an event to an assignment, save it, and let its rollout know when it matters. *changed
 * is false when the state machine refuses the event (late, repeated): nothing is done then. */
enum err course_assignment(struct app *app, struct assignment_row *row,
                           const struct assignment_event *event, bool *changed,
                           struct why *why) MUST_USE;

/* ROLLOUT_ADMIT: choose and assign; *admitted says how many. In app/admit.c. */
enum err admit(struct app *app, struct rollout_row *row, uint8_t stage, uint32_t count,
               struct utc now, uint32_t *admitted) MUST_USE;
