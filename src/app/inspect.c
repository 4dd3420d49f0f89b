#include "app/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/judge.h"
#include "app/rules.h"
#include "base/check.h"
#include "os/say.h"

#define ROLLOUTS_LOOKED_AT 256u /* newest ones that an explanation considers */

/* ---- Why ---- */

/* How well a rollout answers for a device that has nothing in hand; more is better. */
enum relevance {
    RELEVANCE_NONE,
    RELEVANCE_OTHER,  /* open, but not for this device */
    RELEVANCE_MISFIT, /* open and selects it, but the release is for others */
    RELEVANCE_PAST,   /* the last one it took part in */
    RELEVANCE_DRAFT,  /* will reach it once it is started */
    RELEVANCE_OPEN,   /* reaches it */
};

struct explaining {
    struct app *app;
    struct utc now;
    struct device_facts device;
    struct selector selector;
    struct rollout_row rollout, candidate;
    struct release_row release;
    struct artifacts artifacts; /* of the release */
    struct assignment_row assignment;
    bool has_assignment, selected;
    enum relevance relevance;
    char judged[JUDGE_SENTENCE_MAX]; /* why its judge gives no leave */
};

static enum err load_release(struct explaining *explaining)
{
    TRY(store_release_get(explaining->app->db, explaining->rollout.tenant,
                          explaining->rollout.release, &explaining->release));
    return artifacts_of(explaining->app, &explaining->release, &explaining->artifacts);
}

static bool selects(struct explaining *explaining, const struct rollout_row *row)
{
    return selector_parse(span_of(row->selector), &explaining->selector, NULL, NULL) == ERR_OK &&
           facts_match(&explaining->selector, &explaining->device);
}

static enum err weigh(struct explaining *explaining, enum relevance *out, bool *selected)
{
    const struct rollout_row *row = &explaining->candidate;
    bool draft = row->rollout.state == ROLLOUT_DRAFT;
    struct release_row release;

    *out = RELEVANCE_NONE;
    *selected = false;
    if (!draft && !rollout_open(&row->rollout))
        return ERR_OK;
    *selected = selects(explaining, row);
    if (!*selected) {
        *out = draft ? RELEVANCE_NONE : RELEVANCE_OTHER;
        return ERR_OK;
    }
    TRY(store_release_get(explaining->app->db, row->tenant, row->release, &release));
    TRY(artifacts_of(explaining->app, &release, &explaining->artifacts));
    if (facts_fit(&explaining->device.row, &release, &explaining->artifacts))
        *out = draft ? RELEVANCE_DRAFT : RELEVANCE_OPEN;
    else
        *out = draft ? RELEVANCE_NONE : RELEVANCE_MISFIT;
    return ERR_OK;
}

static enum err take_rollout(struct explaining *explaining, int64_t id, enum relevance relevance)
{
    enum err err = store_rollout_get(explaining->app->db, explaining->device.row.tenant, id,
                                     &explaining->rollout);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    explaining->relevance = relevance;
    explaining->selected = selects(explaining, &explaining->rollout);
    return ERR_OK;
}

/* The newest rollout of the highest relevance. */
static enum err search(struct explaining *explaining)
{
    int64_t tenant = explaining->device.row.tenant, ids[ROLLOUTS_LOOKED_AT];
    struct assignment_row last;
    uint32_t count;

    TRY(store_assignment_history(explaining->app->db, tenant, explaining->device.row.id, 0, 1,
                                 &last, &count));
    if (count == 1)
        TRY(take_rollout(explaining, last.rollout, RELEVANCE_PAST));
    TRY(store_rollout_list(explaining->app->db, tenant, 0, ROLLOUTS_LOOKED_AT, ids, &count));
    for (uint32_t i = 0; i < count; i++) {
        enum relevance relevance;
        bool selected;

        TRY(store_rollout_get(explaining->app->db, tenant, ids[i], &explaining->candidate));
        TRY(weigh(explaining, &relevance, &selected));
        if (relevance <= explaining->relevance)
            continue;
        explaining->relevance = relevance;
        explaining->selected = selected;
        explaining->rollout = explaining->candidate;
    }
    return ERR_OK;
}

static enum err find_rollout(struct explaining *explaining)
{
    const struct device_row *row = &explaining->device.row;
    struct db *db = explaining->app->db;
    enum err err;

    if (row->assignment != 0) {
        err = store_assignment_get(db, row->tenant, row->id, row->assignment,
                                   &explaining->assignment);
        if (err == ERR_OK)
            TRY(take_rollout(explaining, explaining->assignment.rollout, RELEVANCE_OPEN));
        else if (err != ERR_NOT_FOUND)
            return err;
    }
    if (explaining->relevance == RELEVANCE_NONE)
        TRY(search(explaining));
    if (explaining->relevance == RELEVANCE_NONE)
        return ERR_OK;
    TRY(load_release(explaining));
    err = store_assignment_of(db, row->tenant, row->id, explaining->rollout.id,
                              &explaining->assignment);
    explaining->has_assignment = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* What a poll would look at, too. */
static enum err gather_case(struct explaining *explaining, struct facts_case *out)
{
    struct way_back way;

    *out = (struct facts_case){.device = &explaining->device.row, .now = explaining->now};
    if (explaining->relevance == RELEVANCE_NONE)
        return ERR_OK;
    out->rollout = &explaining->rollout;
    out->release = &explaining->release;
    out->artifacts = &explaining->artifacts;
    out->selected = explaining->selected;
    TRY(rules_block_release(explaining->app, out->release, out->artifacts, &out->blocked));
    if (!explaining->has_assignment)
        return ERR_OK;
    out->assignment = &explaining->assignment;
    if (judge_sits(&explaining->rollout))
        TRY(judge_explain(explaining->app, &explaining->rollout, out->device->id,
                          explaining->judged));
    if (explaining->judged[0] != '\0')
        out->judged = explaining->judged;
    TRY(facts_way_back(explaining->app, out->device, out->assignment, &way));
    out->fetches_back = way.kind == WAY_BACK_FETCH;
    return ERR_OK;
}

static enum err explain(struct explaining *explaining, struct explanation *out)
{
    struct facts_case of;
    struct decide_room room;
    struct decision decision;
    struct buf text = buf_over(out->sentence, sizeof out->sentence);

    TRY(find_rollout(explaining));
    TRY(gather_case(explaining, &of));
    facts_for_decide(&of, &room);
    decision = decide(&room.facts);
    decide_explain(&room.facts, &decision, &text);
    CHECK(!text.overflow);
    (void)buf_finish_text(&text); /* terminates */
    out->reason = decision.reason;
    out->next_at = decision.next_at;
    (void)snprintf(out->rollout, sizeof out->rollout, "%s", of.rollout ? of.rollout->name : "");
    return ERR_OK;
}

enum err inspect_explain(struct app *app, int64_t tenant, struct span device, struct utc now,
                         struct explanation *out, struct why *why)
{
    struct explaining *explaining = calloc(1, sizeof *explaining);
    struct explanation found = {0};
    struct device_row row;
    enum err err;

    CHECK(explaining);
    explaining->app = app;
    explaining->now = now;
    err = store_device_find(app->db, tenant, device, &row);
    if (err == ERR_OK)
        err = store_device_facts(app->db, tenant, row.id, &explaining->device);
    if (err == ERR_OK)
        err = explain(explaining, &found);
    free(explaining);
    if (err != ERR_OK)
        return app_db_failed(app, err, why);
    *out = found;
    return ERR_OK;
}

/* ---- What happened ---- */

struct lists {
    struct report_row *reports;
    struct assignment_row *assignments;
    struct gap_row *gaps;
    uint32_t report_count, assignment_count, gap_count;
    uint32_t report, assignment, gap; /* taken of each */
};

static enum err load_lists(struct app *app, int64_t tenant, int64_t device, uint32_t max,
                           const struct history_at *at, struct lists *lists)
{
    struct utc gaps_before = {at->gap_ms ? at->gap_ms : INT64_MAX};

    TRY(store_report_list(app->db, tenant, device, 0, at->report, max, lists->reports,
                          &lists->report_count));
    TRY(store_assignment_history(app->db, tenant, device, at->assignment, max, lists->assignments,
                                 &lists->assignment_count));
    return store_gap_list(app->db, tenant, device, gaps_before, max, lists->gaps,
                          &lists->gap_count);
}

static struct utc time_of(const struct assignment_row *row)
{
    return row->assignment.admitted_at.ms ? row->assignment.admitted_at : row->assignment.moved_at;
}

/* The newest entry that has not been taken; false at the end of all three. */
static bool take_newest(struct lists *lists, struct history_at *at, struct history_entry *out)
{
    const struct report_row *report =
        lists->report < lists->report_count ? &lists->reports[lists->report] : NULL;
    const struct assignment_row *assignment =
        lists->assignment < lists->assignment_count ? &lists->assignments[lists->assignment] : NULL;
    const struct gap_row *gap = lists->gap < lists->gap_count ? &lists->gaps[lists->gap] : NULL;

    if (report && (!assignment || report->received.ms >= time_of(assignment).ms) &&
        (!gap || report->received.ms >= gap->at.ms)) {
        *out = (struct history_entry){report->received, HISTORY_REPORT, .report = *report};
        at->report = report->id;
        lists->report++;
        return true;
    }
    if (assignment && (!gap || time_of(assignment).ms >= gap->at.ms)) {
        *out = (struct history_entry){time_of(assignment), HISTORY_ASSIGNMENT,
                                      .assignment = *assignment};
        at->assignment = assignment->id;
        lists->assignment++;
        return true;
    }
    if (!gap)
        return false;
    *out = (struct history_entry){gap->at, HISTORY_GAP, .gap = *gap};
    at->gap_ms = gap->at.ms;
    lists->gap++;
    return true;
}

enum err inspect_history(struct app *app, int64_t tenant, int64_t device, uint32_t max,
                         struct history_at *at, struct history_entry *out, uint32_t *count,
                         bool *more)
{
    struct lists lists = {.reports = calloc(max + 1, sizeof *lists.reports),
                          .assignments = calloc(max + 1, sizeof *lists.assignments),
                          .gaps = calloc(max + 1, sizeof *lists.gaps)};
    enum err err;

    CHECK(lists.reports && lists.assignments && lists.gaps);
    CHECK(max >= 1 && max <= HISTORY_PAGE_MAX);
    err = load_lists(app, tenant, device, max + 1, at, &lists);
    *count = 0;
    while (err == ERR_OK && *count < max && take_newest(&lists, at, &out[*count]))
        (*count)++;
    *more = lists.report < lists.report_count || lists.assignment < lists.assignment_count ||
            lists.gap < lists.gap_count;
    free(lists.reports);
    free(lists.assignments);
    free(lists.gaps);
    return err;
}

/* ---- What came of it ---- */

#define REPORT_BATCH 256u

static bool is_failure(enum assignment_state state)
{
    return state == ASSIGNMENT_FAILED || state == ASSIGNMENT_REVERTED ||
           state == ASSIGNMENT_SILENT || state == ASSIGNMENT_REFUSED ||
           state == ASSIGNMENT_STRANDED;
}

/* The last group takes in whatever finds no place. */
static struct failure_group *group_of(struct rollout_report *report,
                                      const struct assignment *assignment)
{
    for (uint32_t i = 0; i < report->failure_count; i++) {
        if (report->failures[i].state == assignment->state &&
            report->failures[i].err == assignment->err)
            return &report->failures[i];
    }
    if (report->failure_count < FAILURE_GROUPS_MAX) {
        report->failures[report->failure_count] =
            (struct failure_group){.state = assignment->state, .err = assignment->err};
        report->failure_count++;
    }
    return &report->failures[report->failure_count - 1];
}

static enum err add_failure(struct app *app, const struct assignment_row *row,
                            struct rollout_report *report)
{
    struct failure_group *group = group_of(report, &row->assignment);
    struct device_row device;

    group->count++;
    if (group->sampled == FAILURE_SAMPLE_MAX)
        return ERR_OK;
    TRY(store_device_get(app->db, row->tenant, row->device, &device));
    memcpy(group->sample[group->sampled++], device.name, sizeof device.name);
    return ERR_OK;
}

static enum err gather_failures(struct app *app, const struct rollout_row *row,
                                struct assignment_row *batch, struct rollout_report *report)
{
    for (enum assignment_state state = 0; state < ASSIGNMENT_STATE_COUNT; state++) {
        uint32_t count = REPORT_BATCH;
        int64_t after = 0;

        if (!is_failure(state) || report->states[state] == 0)
            continue;
        while (count == REPORT_BATCH) {
            TRY(store_assignment_in_state(app->db, row->tenant, row->id, state, after, REPORT_BATCH,
                                          batch, &count));
            for (uint32_t i = 0; i < count; i++)
                TRY(add_failure(app, &batch[i], report));
            after = count > 0 ? batch[count - 1].id : after;
        }
    }
    return ERR_OK;
}

static int by_count(const void *a, const void *b)
{
    const struct failure_group *left = a, *right = b;

    return (left->count < right->count) - (left->count > right->count);
}

static void tell(const struct rollout_row *row, struct utc now, struct rollout_report *report)
{
    const struct rollout *rollout = &row->rollout;
    char doing[INSPECT_SENTENCE_MAX / 2];
    struct buf text = buf_over(doing, sizeof doing);

    if (report->proofs[PROOF_CLAIM] > 0) {
        buf_uint(&text, report->proofs[PROOF_CLAIM]);
        buf_text(&text, " claim success and have not proven it; ");
    }
    rollout_explain(rollout, now, &text);
    (void)snprintf(report->sentence, sizeof report->sentence,
                   "%s is %s: of %u devices %u were admitted, %u succeeded, %u failed, %u went "
                   "silent; %s",
                   row->name, rollout_state_name(rollout->state), rollout->selected,
                   rollout_admitted(rollout), rollout_standing(rollout, STANDING_GOOD),
                   rollout_standing(rollout, STANDING_FAILED),
                   rollout_standing(rollout, STANDING_SILENT), buf_finish_text(&text));
}

enum err inspect_report(struct app *app, const struct rollout_row *row, struct utc now,
                        struct rollout_report *out)
{
    struct assignment_row *batch = calloc(REPORT_BATCH, sizeof *batch);
    enum err err;

    CHECK(batch);
    *out = (struct rollout_report){0};
    err = store_assignment_count(app->db, row->tenant, row->id, out->states);
    if (err == ERR_OK)
        err = store_assignment_proofs(app->db, row->tenant, row->id, out->proofs);
    if (err == ERR_OK)
        err = gather_failures(app, row, batch, out);
    free(batch);
    if (err != ERR_OK)
        return app_db_failed(app, err, NULL);
    qsort(out->failures, out->failure_count, sizeof out->failures[0], by_count);
    tell(row, now, out);
    return ERR_OK;
}
