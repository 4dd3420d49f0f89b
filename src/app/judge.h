/* The judge of a rollout whose strategy asks for evidence: fleet/risk.h, fed with what happens and
 * asked before every leave to flip.
 *
 * Its state is its journal (store/risk.h), written in the transaction of the event itself. What is
 * here in memory is that journal computed; when a transaction is lost, or the server starts anew,
 * it is computed again. So a restart changes no decision.
 *
 *     rollout starts to move -> its devices are sorted: cohorts, strata, sites, deadlines
 *     a device asks to flip  -> leave, or not yet, with the numbers
 *     an outcome, a deadline, time -> noted; it may hold a cohort, or convict the release
 *
 * It never halts a rollout itself: judge_wants_halt() is asked by whoever told it something, and
 * by every tick. */
#pragma once

#include "app/app.h"
#include "store/assignment.h"
#include "store/risk.h"
#include "store/rollout.h"

struct judge;

#define JUDGES_MAX          16u    /* kept in memory; another one costs computing its journal */
#define JUDGE_COHORTS_MAX   1024u  /* more are not told apart but by what they have in common */
#define JUDGE_SITES_MAX     16384u /* devices of more are of no known site */
#define JUDGE_WATCHED_MAX   512u   /* devices without the release that are looked at */
#define JUDGE_SENTENCE_MAX  512u   /* bytes with NUL */
#define JUDGE_COHORT_OF_ALL "everything"

/* Attributes by which devices are sorted, beside hardware and the version they come from. */
#define ATTRIBUTE_LINK "link" /* what shares an outage: "lte", "office" */
#define ATTRIBUTE_SITE "site" /* what shares a power cut */

static inline bool judge_sits(const struct rollout_row *row)
{
    return row->strategy != STRATEGY_STAGES;
}

/* Whether what a person asks for makes sense for so many devices: ERR_INVALID with field
 * ("max_harmed") and a sentence that says what to change. */
enum err judge_check(const struct risk_plan *plan, const struct rollout_plan *rollout,
                     uint32_t devices, struct why *why) MUST_USE;

/* The device asks for leave to flip; written down when the answer is another than last time. */
enum err judge_ask(struct app *app, const struct rollout_row *row,
                   const struct assignment_row *assignment, struct utc now, bool *granted) MUST_USE;

/* Whether it would get leave now, asked in its name without writing anything down: for devices that
 * do not ask before they install. `sentence`: why not; "": it would. */
enum err judge_peek(struct app *app, const struct rollout_row *row, int64_t device,
                    char sentence[JUDGE_SENTENCE_MAX]) MUST_USE;

/* What became of a device that has flipped. */
enum err judge_outcome(struct app *app, const struct rollout_row *row,
                       const struct assignment_row *assignment,
                       const struct assignment_change *change, struct utc now) MUST_USE;

/* Sort devices, then let time pass: deadlines, roll calls, devices without the release. Sets
 * app->more when there is more to do at once. */
enum err judge_tick(struct app *app, const struct rollout_row *row, struct utc now) MUST_USE;

/* Whether the rollout has to stop, and why: one sentence. */
enum err judge_wants_halt(struct app *app, const struct rollout_row *row, bool *halts,
                          char sentence[JUDGE_SENTENCE_MAX]) MUST_USE;

/* A person lifts the hold of a cohort; audited. ERR_NOT_FOUND: there is no such cohort;
 * ERR_INVALID: it is not held. */
enum err judge_lift(struct app *app, const struct rollout_row *row, struct span cohort,
                    const char *actor, const char *reason, struct utc now,
                    struct why *why) MUST_USE;

/* A person resumes after a halt: evidence against the whole starts afresh. ERR_CONFLICT: the risk
 * window is used up, so it cannot go on. */
enum err judge_resume(struct app *app, const struct rollout_row *row, struct utc now,
                      struct why *why) MUST_USE;

/* The deadline of a device after its flip: its own; `otherwise_s` as long as nothing is known. */
enum err judge_deadline(struct app *app, const struct rollout_row *row,
                        const struct assignment_row *assignment, uint32_t otherwise_s,
                        uint32_t *out) MUST_USE;

/* Why a device that asked last got no leave: "" when it got it, or has not asked. */
enum err judge_explain(struct app *app, const struct rollout_row *row, int64_t device,
                       char sentence[JUDGE_SENTENCE_MAX]) MUST_USE;

/* ---- What people see ---- */

struct judge_cohort {
    const char *name;
    uint32_t size, exposed, bad;
    int64_t revealed, price; /* q32 */
    const char *finding;
    bool held;
    const char *held_by;               /* channel; NULL: not held */
    char sentence[JUDGE_SENTENCE_MAX]; /* why it is held, or what its window says */
};

struct judge_view {
    bool sorted; /* false: nothing below is known yet */
    struct utc opened;
    int64_t entries;
    uint32_t cohorts, strata, sites, holds, watched;
    bool outstanding; /* more is to be learnt of devices that have leave */
    bool halted, exhausted;
    const char *trouble; /* the journal does not compute; NULL: it does */
    const struct risk_terms *terms;
};

enum err judge_view(struct app *app, const struct rollout_row *row,
                    struct judge_view *out) MUST_USE;

/* Cohort `number` of the rollout just viewed; false: there is none. */
bool judge_view_cohort(struct app *app, const struct rollout_row *row, uint32_t number,
                       struct judge_cohort *out);

/* ---- For app.c ---- */

void judges_mark(struct app *app); /* a savepoint */
void judges_undo(struct app *app); /* it is undone */
void judges_settle(struct app *app, bool committed);
void judges_close(struct app *app);
