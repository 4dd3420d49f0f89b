/* What the files of app/foreign.h share. Private to app/. */
#pragma once

#include "app/artifacts.h"
#include "app/facts.h"
#include "app/foreign.h"

/* One assignment of a foreign device, and all that decides about it. Large: keep it on the heap. */
struct foreign_case {
    struct app *app;
    struct foreign_call *call;
    struct assignment_row *row;    /* &call->call.assignment */
    struct rollout_row *rollout;   /* &call->call.rollout */
    struct release_row *release;   /* &call->call.release: what it was assigned */
    struct artifacts artifacts;    /* of `release` */
    struct artifact_choice choice; /* of `artifacts`; sha256 may differ from row->target */
    struct way_back way;           /* only when it is told to go back */
    struct artifacts back;         /* of way.release */
    struct artifact_choice back_choice;
    struct decision decision;
};

/* Fill in everything about call->call.assignment, which has been read, and decide. */
enum err foreign_weigh(struct app *app, struct foreign_call *call,
                       struct foreign_case *of) MUST_USE;

/* Read the assignment with this number. ERR_NOT_FOUND: not this device's. */
enum err foreign_load(struct app *app, struct foreign_call *call, uint32_t id, bool *back) MUST_USE;

/* Read it again, after other rows of its rollout may have changed. */
enum err foreign_reload(struct app *app, struct foreign_call *call) MUST_USE;

/* What `runs` (may be empty) says about the assignment in call->call. With `returned`, an absence
 * of words is one, too: the device has come back. Applies and audits it. */
enum err foreign_evidence(struct app *app, struct foreign_call *call, struct span runs,
                          bool returned) MUST_USE;

/* Remember what it says it runs: foreign.runs, version, running. */
enum err foreign_note_runs(struct app *app, struct foreign_call *call, struct span runs) MUST_USE;

/* Apply an event to call->call.assignment; *changed may be NULL. */
enum err foreign_apply(struct app *app, struct foreign_call *call, enum assignment_event_kind kind,
                       enum err why_failed, bool *changed) MUST_USE;

/* "assignment.VERB" by the device, about assignment ID. `detail` may be NULL. */
enum err foreign_audit(struct app *app, const struct foreign_call *call, const char *action,
                       const char *detail) MUST_USE;
