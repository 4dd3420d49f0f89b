/* What people see of the judge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/judge_inside.h"
#include "base/check.h"

#define NOT_SORTED "the devices of the rollout are still being sorted into cohorts"

static bool exhausted(struct judge *judge)
{
    struct cohort *whole = &judge->cohorts[COHORT_WHOLE];

    return exposure_look(&whole->exposure, &judge->risk.derived.exposure).finding >=
               EXPOSURE_UNHEARD &&
           !judge_outstanding(judge);
}

enum err judge_view(struct app *app, const struct rollout_row *row, struct judge_view *out)
{
    struct judge *judge;

    TRY(judge_of(app, row, &judge));
    *out = (struct judge_view){.sorted = judge->opened};
    if (!judge->opened)
        return ERR_OK;
    *out = (struct judge_view){.sorted = true,
                               .opened = judge->row.opened,
                               .entries = judge->row.entries,
                               .cohorts = judge->cohort_count,
                               .strata = judge->link_count,
                               .sites = judge->site_count,
                               .holds = judge->risk.holds,
                               .outstanding = judge_outstanding(judge),
                               .watched = judge->watched,
                               .halted = judge->risk.halted,
                               .exhausted = exhausted(judge),
                               .trouble = judge->trouble[0] != '\0' ? judge->trouble : NULL,
                               .terms = &judge->row.terms};
    return ERR_OK;
}

static void explain(const struct judge *judge, const struct risk_decision *decision,
                    char sentence[JUDGE_SENTENCE_MAX])
{
    struct buf text = buf_over(sentence, JUDGE_SENTENCE_MAX - 1);

    risk_explain(&judge->risk, decision, span_of(judge->names[decision->cohort].name), &text);
    (void)buf_finish_text(&text);
}

bool judge_view_cohort(struct app *app, const struct rollout_row *row, uint32_t number,
                       struct judge_cohort *out)
{
    struct risk_decision decision = {.cohort = (uint16_t)number};
    struct judge *judge;
    struct cohort *cohort;

    if (judge_of(app, row, &judge) != ERR_OK || !judge->opened || number >= judge->cohort_count)
        return false;
    cohort = &judge->cohorts[number];
    decision.view = exposure_look(&cohort->exposure, &judge->risk.derived.exposure);
    decision.answer = decision.view.finding >= EXPOSURE_UNHEARD ? RISK_WAIT : RISK_GRANT;
    *out = (struct judge_cohort){.name = judge->names[number].name,
                                 .size = judge->names[number].size,
                                 .exposed = decision.view.exposed,
                                 .bad = decision.view.bad,
                                 .revealed = decision.view.revealed,
                                 .price = decision.view.price,
                                 .finding = exposure_finding_name(decision.view.finding),
                                 .held = cohort->held};
    if (cohort->held) {
        out->held_by = cohort_channel_name((enum cohort_channel)cohort->held_by);
        decision = number == COHORT_WHOLE ? judge->halt : judge->holds[number];
    }
    explain(judge, &decision, out->sentence);
    return true;
}

enum err judge_wants_halt(struct app *app, const struct rollout_row *row, bool *halts,
                          char sentence[JUDGE_SENTENCE_MAX])
{
    struct judge *judge;

    *halts = false;
    if (row->rollout.state != ROLLOUT_RUNNING && row->rollout.state != ROLLOUT_PAUSED &&
        !(row->rollout.state == ROLLOUT_DONE && !row->rollout.closed))
        return ERR_OK;
    TRY(judge_of(app, row, &judge));
    if (!judge->opened)
        return ERR_OK;
    if (judge->trouble[0] != '\0')
        (void)snprintf(sentence, JUDGE_SENTENCE_MAX, "%s", judge->trouble);
    else if (judge->risk.halted)
        explain(judge, &judge->halt, sentence);
    else if (rollout_standing(&row->rollout, STANDING_WAITING) != 0 && exhausted(judge))
        (void)snprintf(sentence, JUDGE_SENTENCE_MAX,
                       "the risk window is used up: everything that can be known of the devices "
                       "that have the release is known, and one more could bring harm above %u",
                       judge->risk.rule.harmed_max);
    else
        return ERR_OK;
    *halts = true;
    return ERR_OK;
}

/* A device that has not been met yet is described for the moment. */
static enum err facts_of(struct app *app, const struct rollout_row *row, const struct judge *judge,
                         int64_t device, struct risk_device *out)
{
    struct device_facts *facts;
    uint32_t number;
    enum err err = store_risk_device_number(app->db, row->tenant, row->id, device, &number);

    if (err == ERR_OK)
        CHECK(number < judge->device_count);
    if (err == ERR_OK)
        *out = judge->devices[number].row.risk;
    if (err != ERR_NOT_FOUND)
        return err;
    facts = malloc(sizeof *facts);
    CHECK(facts);
    err = store_device_facts(app->db, row->tenant, device, facts);
    if (err == ERR_OK)
        err = judge_describe(app, judge, facts, out);
    free(facts);
    return err;
}

/* As the engine answers a question. */
static struct risk_decision look(struct judge *judge, const struct risk_device *device)
{
    struct risk_decision wait = {.answer = RISK_GRANT};

    for (uint32_t i = 0; i < device->cohort_count; i++) {
        uint16_t cohort = device->cohorts[i];
        struct exposure_view view =
            exposure_look(&judge->cohorts[cohort].exposure, &judge->risk.derived.exposure);

        if (judge->cohorts[cohort].held)
            return cohort == COHORT_WHOLE ? judge->halt : judge->holds[cohort];
        if (view.finding >= EXPOSURE_UNHEARD && wait.answer == RISK_GRANT)
            wait = (struct risk_decision){.answer = RISK_WAIT, .cohort = cohort, .view = view};
    }
    return wait;
}

enum err judge_peek(struct app *app, const struct rollout_row *row, int64_t device,
                    char sentence[JUDGE_SENTENCE_MAX])
{
    struct risk_decision decision;
    struct risk_device facts;
    struct judge *judge;

    sentence[0] = '\0';
    TRY(judge_of(app, row, &judge));
    if (!judge->opened || judge->trouble[0] != '\0') {
        (void)snprintf(sentence, JUDGE_SENTENCE_MAX, "%s",
                       judge->opened ? judge->trouble : NOT_SORTED);
        return ERR_OK;
    }
    TRY(facts_of(app, row, judge, device, &facts));
    decision = look(judge, &facts);
    if ((facts.flags & RISK_DEVICE_EXPOSED) != 0 && decision.answer == RISK_WAIT)
        return ERR_OK; /* it has leave */
    if (decision.answer != RISK_GRANT)
        explain(judge, &decision, sentence);
    return ERR_OK;
}

enum err judge_explain(struct app *app, const struct rollout_row *row, int64_t device,
                       char sentence[JUDGE_SENTENCE_MAX])
{
    const struct judge_device *found;
    struct risk_entry_row entry;
    struct risk_entry last;
    struct judge *judge;
    uint32_t number, count;
    enum err err;

    sentence[0] = '\0';
    TRY(judge_of(app, row, &judge));
    if (!judge->opened) {
        (void)snprintf(sentence, JUDGE_SENTENCE_MAX, "%s", NOT_SORTED);
        return ERR_OK;
    }
    err = store_risk_device_number(app->db, row->tenant, row->id, device, &number);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    CHECK(number < judge->device_count);
    found = &judge->devices[number];
    if (found->row.answered == 0 || found->answer == RISK_GRANT)
        return ERR_OK;
    TRY(store_risk_entries(app->db, row->tenant, row->id, found->row.answered - 1, 1, &entry,
                           &count));
    if (count == 0 || risk_entry_read((struct span){entry.bytes, entry.size}, &last) != ERR_OK)
        return ERR_CORRUPT;
    explain(judge, &last.decision, sentence);
    return ERR_OK;
}
