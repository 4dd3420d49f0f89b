/* The judges in memory: computed from their journals, and forgotten when a transaction is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/judge_inside.h"
#include "base/check.h"

#define PAGE 256u /* rows read at a time */

CHECK_STATIC(JUDGES_MAX == COUNT_OF(((struct app *)0)->judges));
CHECK_STATIC(RISK_ANSWER_COUNT == COUNT_OF(((struct app_judged *)0)->count));

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
uint64_t judge_key(struct span name)
{
    uint64_t key = 0xCBF29CE484222325u;

    for (size_t i = 0; i < name.size; i++)
        key = (key ^ name.at[i]) * 0x100000001B3u;
    return key;
}

/* ---- memory ---- */

void judge_free(struct judge *judge)
{
    if (!judge)
        return;
    judge_sort_free(judge->sorting);
    free(judge->cohorts);
    free(judge->names);
    free(judge->keys);
    free(judge->site_keys);
    free(judge->sites);
    free(judge->devices);
    free(judge->holds);
    free(judge);
}

struct judge_device *judge_append(struct judge *judge)
{
    struct judge_device *device;

    if (judge->device_count == judge->device_room) {
        uint32_t room = judge->device_room > 0 ? 2 * judge->device_room : 256;
        struct judge_device *more = realloc(judge->devices, room * sizeof *more);

        CHECK(more);
        judge->devices = more;
        judge->device_room = room;
    }
    device = &judge->devices[judge->device_count];
    *device = (struct judge_device){.row.number = judge->device_count++};
    return device;
}

enum err judge_start(struct judge *judge)
{
    uint32_t *sizes = calloc(judge->cohort_count, sizeof *sizes);
    struct risk_memory memory = {.cohort_sizes = sizes,
                                 .cohort_count = judge->cohort_count,
                                 .strata = judge->strata,
                                 .kinds = &judge->row.terms.kind,
                                 .kind_count = 1,
                                 .site_count = judge->site_count};
    enum err err;

    judge->cohorts = memory.cohorts = calloc(judge->cohort_count, sizeof *judge->cohorts);
    judge->sites = memory.sites = calloc(judge->site_count + 1u, sizeof *judge->sites);
    judge->holds = calloc(judge->cohort_count, sizeof *judge->holds);
    judge->keys = calloc(judge->cohort_count, sizeof *judge->keys);
    CHECK(sizes && judge->cohorts && judge->sites && judge->holds && judge->keys);
    for (uint32_t i = 0; i < judge->cohort_count; i++) {
        sizes[i] = judge->names[i].size;
        judge->keys[i] = judge_key(span_of(judge->names[i].name));
    }
    for (uint32_t i = 0; i < judge->link_count; i++)
        judge->strata[i] = (struct risk_stratum){.size = judge->links[i].size};
    err = risk_start(&judge->risk, &judge->row.terms.rule, &memory, NULL);
    free(sizes);
    judge->opened = err == ERR_OK;
    return err;
}

/* ---- the journal ---- */

bool judge_note_hold(struct judge *judge, uint16_t cohort)
{
    const struct cohort *at = &judge->cohorts[cohort];
    struct risk_decision *hold = &judge->holds[cohort];

    if (!at->held || hold->answer == RISK_HOLD)
        return false;
    *hold = (struct risk_decision){.answer = RISK_HOLD,
                                   .cohort = cohort,
                                   .channel = at->held_by,
                                   .events = at->evidence[at->held_by].events,
                                   .background = at->evidence[at->held_by].background,
                                   .log = evidence_log(&at->evidence[at->held_by]),
                                   .goal = judge->risk.derived.hold_log[at->held_by]};
    return true;
}

static void note_device(struct judge *judge, const struct risk_entry *entry, int64_t number)
{
    struct judge_device *device = &judge->devices[entry->device];

    if (entry->event.kind == RISK_ASK) {
        device->answer = entry->decision.answer;
        device->cohort = entry->decision.cohort;
        device->row.answered = number;
    }
}

bool judge_outstanding(const struct judge *judge)
{
    for (uint32_t i = 0; i < judge->device_count; i++) {
        if (risk_next_due_s(&judge->risk, &judge->devices[i].row.risk) != RISK_NEVER)
            return true;
    }
    return false;
}

void judge_note(struct judge *judge, const struct risk_entry *entry, int64_t number)
{
    const struct risk_decision *decision = &entry->decision;

    if (entry->device != RISK_NO_DEVICE)
        note_device(judge, entry, number);
    if (decision->answer == RISK_HALT)
        judge->halt = *decision;
    for (uint32_t i = 1; decision->new_holds > 0 && i < judge->cohort_count; i++)
        (void)judge_note_hold(judge, (uint16_t)i);
    if (entry->event.kind == RISK_LIFT)
        judge->holds[entry->event.cohort].answer = RISK_NOTED;
}

static enum err compute(struct judge *judge, const struct risk_entry_row *row, struct why *why)
{
    struct risk_entry entry;
    struct risk_device *device = NULL;

    TRY(risk_entry_read((struct span){row->bytes, row->size}, &entry));
    if (entry.device != RISK_NO_DEVICE) {
        if (entry.device >= judge->device_count)
            return ERR_CORRUPT;
        device = &judge->devices[entry.device].row.risk;
    }
    TRY(risk_replay(&judge->risk, &entry, device, why));
    judge_note(judge, &entry, row->number);
    return ERR_OK;
}

/* A journal that does not compute stops the rollout, not the server. */
static void give_up(struct judge *judge, int64_t number, const struct why *why)
{
    CHECK(snprintf(judge->trouble, sizeof judge->trouble,
                   "entry %lld of its journal does not compute: %s", (long long)number,
                   why->text[0] != '\0' ? why->text : "it is damaged") > 0);
}

static enum err compute_journal(struct app *app, struct judge *judge)
{
    struct risk_entry_row *page = calloc(PAGE, sizeof *page);
    uint32_t count = PAGE;
    int64_t after = 0;
    enum err err = ERR_OK;

    CHECK(page);
    while (err == ERR_OK && count == PAGE && judge->trouble[0] == '\0') {
        err = store_risk_entries(app->db, judge->row.tenant, judge->row.rollout, after, PAGE, page,
                                 &count);
        for (uint32_t i = 0; err == ERR_OK && i < count && judge->trouble[0] == '\0'; i++) {
            struct why why = {0};

            after = page[i].number;
            if (compute(judge, &page[i], &why) != ERR_OK)
                give_up(judge, after, &why);
        }
    }
    free(page);
    return err;
}

/* ---- loading ---- */

static enum err load_labels(struct app *app, struct judge *judge, enum risk_label_kind kind,
                            uint32_t max, struct risk_label_row **out, uint32_t *count)
{
    *out = calloc(max, sizeof **out);
    CHECK(*out);
    return store_risk_labels(app->db, judge->row.tenant, judge->row.rollout, kind, 0, max, *out,
                             count);
}

static enum err load_sites(struct app *app, struct judge *judge)
{
    struct risk_label_row *sites;
    enum err err =
        load_labels(app, judge, RISK_LABEL_SITE, JUDGE_SITES_MAX, &sites, &judge->site_count);

    judge->site_keys = calloc(judge->site_count + 1u, sizeof *judge->site_keys);
    CHECK(judge->site_keys);
    for (uint32_t i = 0; err == ERR_OK && i < judge->site_count; i++)
        judge->site_keys[i] = judge_key(span_of(sites[i].name));
    free(sites);
    return err;
}

static enum err load_devices(struct app *app, struct judge *judge)
{
    struct risk_device_row *page = calloc(PAGE, sizeof *page);
    uint32_t count = PAGE;
    enum err err = ERR_OK;

    CHECK(page);
    while (err == ERR_OK && count == PAGE) {
        err = store_risk_devices(app->db, judge->row.tenant, judge->row.rollout,
                                 judge->device_count, PAGE, page, &count);
        for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
            judge_append(judge)->row = page[i];
            if (page[i].watched.ms != 0)
                judge->watched = judge->device_count;
        }
    }
    free(page);
    return err;
}

static enum err load(struct app *app, const struct rollout_row *row, struct judge *judge)
{
    enum err err = store_risk_get(app->db, row->tenant, row->id, &judge->row);

    if (err == ERR_NOT_FOUND)
        return ERR_OK; /* its devices are to be sorted first */
    TRY(err);
    judge->deadline_s = row->rollout.plan.deadline_s;
    TRY(load_labels(app, judge, RISK_LABEL_COHORT, JUDGE_COHORTS_MAX, &judge->names,
                    &judge->cohort_count));
    TRY(store_risk_labels(app->db, row->tenant, row->id, RISK_LABEL_STRATUM, 0, COHORT_STRATA_MAX,
                          judge->links, &judge->link_count));
    TRY(load_sites(app, judge));
    TRY(load_devices(app, judge));
    if (judge->cohort_count == 0 || judge_start(judge) != ERR_OK)
        return ERR_CORRUPT;
    return compute_journal(app, judge);
}

/* ---- the ones in memory ---- */

static struct judge **place_for(struct app *app, const struct rollout_row *row)
{
    struct judge **oldest = &app->judges[0];

    for (size_t i = 0; i < JUDGES_MAX; i++) {
        struct judge **at = &app->judges[i];

        if (*at && (*at)->row.tenant == row->tenant && (*at)->row.rollout == row->id)
            return at;
        if (*oldest && (!*at || (*at)->used < (*oldest)->used))
            oldest = at;
    }
    judge_free(*oldest);
    *oldest = NULL;
    return oldest;
}

enum err judge_of(struct app *app, const struct rollout_row *row, struct judge **out)
{
    struct judge **place = place_for(app, row);
    struct judge *judge = *place;
    enum err err = ERR_OK;

    if (!judge) {
        judge = calloc(1, sizeof *judge);
        CHECK(judge);
        judge->row.tenant = row->tenant;
        judge->row.rollout = row->id;
        judge->touched = judge->marked = true; /* it may have read what is not durable yet */
        err = load(app, row, judge);
    }
    if (err != ERR_OK) {
        judge_free(judge);
        return err;
    }
    judge->used = ++app->judge_uses;
    *place = *out = judge;
    return ERR_OK;
}

static void forget(struct app *app, size_t i)
{
    judge_free(app->judges[i]);
    app->judges[i] = NULL;
}

void judges_mark(struct app *app)
{
    app->judged_mark = app->judged_new;
    for (size_t i = 0; i < JUDGES_MAX; i++) {
        if (app->judges[i])
            app->judges[i]->marked = false;
    }
}

void judges_undo(struct app *app)
{
    app->judged_new = app->judged_mark;
    for (size_t i = 0; i < JUDGES_MAX; i++) {
        if (app->judges[i] && app->judges[i]->marked)
            forget(app, i);
    }
}

void judges_settle(struct app *app, bool committed)
{
    for (size_t i = 0; i < JUDGES_MAX; i++) {
        if (app->judges[i] && app->judges[i]->touched && !committed)
            forget(app, i);
        else if (app->judges[i])
            app->judges[i]->touched = app->judges[i]->marked = false;
    }
    for (enum risk_answer i = 0; committed && i < RISK_ANSWER_COUNT; i++)
        app->judged.count[i] += app->judged_new.count[i];
    app->judged_new = app->judged_mark = (struct app_judged){0};
}

void judges_close(struct app *app)
{
    for (size_t i = 0; i < JUDGES_MAX; i++)
        forget(app, i);
}
