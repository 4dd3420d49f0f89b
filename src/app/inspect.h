/* What people ask: why is this device (not) getting an update, what happened to it, what came of
 * the rollout. Reads only. */
#pragma once

#include "app/facts.h"
#include "store/report.h"

#define INSPECT_SENTENCE_MAX 1024u /* bytes with NUL */

struct explanation {
    char sentence[INSPECT_SENTENCE_MAX];
    enum decide_reason reason;
    char rollout[NAME_SIZE_MAX + 1]; /* that decides; "": none */
    struct utc next_at;              /* when something changes by itself; 0: not known */
};

/* The same facts and the same function as a poll. ERR_NOT_FOUND. */
enum err inspect_explain(struct app *app, int64_t tenant, struct span device, struct utc now,
                         struct explanation *out, struct why *why) MUST_USE;

enum history_kind {
    HISTORY_REPORT,
    HISTORY_ASSIGNMENT,
    HISTORY_GAP
};

struct history_entry {
    struct utc at;
    enum history_kind kind;
    struct report_row report;         /* HISTORY_REPORT */
    struct assignment_row assignment; /* HISTORY_ASSIGNMENT */
    struct gap_row gap;               /* HISTORY_GAP */
};

/* Where a page of the history ended: the three lists are merged by time. All zero: the start. */
struct history_at {
    int64_t report, assignment; /* ids below these; 0: all */
    int64_t gap_ms;             /* times before this; 0: all */
};

#define HISTORY_PAGE_MAX 100u

/* Up to `max` entries, newest first; `at` moves behind them. *more says whether there are any. */
enum err inspect_history(struct app *app, int64_t tenant, int64_t device, uint32_t max,
                         struct history_at *at, struct history_entry *out, uint32_t *count,
                         bool *more) MUST_USE;

#define FAILURE_GROUPS_MAX 16u
#define FAILURE_SAMPLE_MAX 5u

/* Outcomes that are alike: same state, same error. */
struct failure_group {
    enum assignment_state state;
    enum err err;
    uint32_t count;
    char sample[FAILURE_SAMPLE_MAX][NAME_SIZE_MAX + 1]; /* device names */
    uint32_t sampled;
};

struct rollout_report {
    uint32_t states[ASSIGNMENT_STATE_COUNT];
    uint32_t proofs[PROOF_COUNT]; /* PROOF_CLAIM: claim success, and have not proven it */
    struct failure_group failures[FAILURE_GROUPS_MAX]; /* most frequent first */
    uint32_t failure_count;
    char sentence[INSPECT_SENTENCE_MAX];
};

enum err inspect_report(struct app *app, const struct rollout_row *row, struct utc now,
                        struct rollout_report *out) MUST_USE;
