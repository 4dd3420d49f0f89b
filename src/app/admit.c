/* Admission: who is next gets the release assigned, if it may have it at this moment. */
#include <stdio.h>
#include <string.h>

#include "app/course.h"
#include "app/facts.h"
#include "app/rules.h"
#include "app/survey.h"
#include "base/check.h"
#include "store/foreign.h"

struct candidates {
    struct app *app;
    const struct rollout_row *row;
    const struct release_row *release;
    struct artifacts artifacts;
    bool blocked; /* the release is, by its signers */
    struct utc now;
};

/* Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (splitmix64). */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t mix_text(uint64_t hash, struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        hash = mix(hash ^ text.at[i]);
    return mix(hash ^ text.size << 8);
}

static uint64_t stratum_of(const struct device_facts *facts)
{
    return mix_text(mix_text(1, span_of(facts->row.hardware)), span_of(facts->row.version));
}

/* The seam for "stable links first within each stratum": whatever is smaller comes earlier. */
static uint64_t order_of(const struct rollout_row *row, const struct device_facts *facts)
{
    return mix(row->seed ^ mix((uint64_t)facts->row.id));
}

/* An active assignment in another rollout. */
static enum err busy_elsewhere(struct candidates *all, const struct device_row *device, bool *busy)
{
    struct assignment_row row;
    enum err err;

    *busy = false;
    if (device->assignment == 0)
        return ERR_OK;
    err = store_assignment_get(all->app->db, device->tenant, device->id, device->assignment, &row);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    *busy = row.rollout != all->row->id && assignment_active(row.assignment.state);
    return ERR_OK;
}

/* Most who are out of the question are so whatever they have been assigned; only for the others
 * that is looked up. */
static enum err judge(struct candidates *all, const struct device_row *device, bool takes_part,
                      bool *eligible)
{
    const struct facts_case of = {.device = device,
                                  .rollout = all->row,
                                  .release = all->release,
                                  .artifacts = &all->artifacts,
                                  .selected = true,
                                  .blocked = all->blocked,
                                  .now = all->now};
    enum err err = ERR_NOT_FOUND;
    struct assignment_row row;
    struct decide_room room;

    facts_for_decide(&of, &room);
    *eligible = decide_eligible(&room.facts, NULL);
    if (!*eligible)
        return ERR_OK;
    if (takes_part)
        err = store_assignment_of(all->app->db, device->tenant, device->id, all->row->id, &row);
    if (err != ERR_NOT_FOUND) {
        TRY(err);
        room.facts.assignment = &row.assignment;
    }
    TRY(busy_elsewhere(all, device, &room.device.other_rollout));
    *eligible = decide_eligible(&room.facts, NULL);
    return ERR_OK;
}

static enum err visit(void *self, const struct device_facts *facts, struct survey_device *device)
{
    struct candidates *all = self;

    device->stratum = stratum_of(facts);
    device->order = order_of(all->row, facts);
    return judge(all, &facts->row, facts->takes_part, &device->eligible);
}

/* A fresh row, or the one it had when its slot was taken back. */
static enum err row_for(struct candidates *all, const struct device_row *device,
                        struct assignment_row *out, bool *fresh)
{
    struct db *db = all->app->db;
    enum err err = store_assignment_of(db, device->tenant, device->id, all->row->id, out);

    *fresh = err == ERR_NOT_FOUND;
    if (!*fresh)
        return err;
    *out = (struct assignment_row){.tenant = all->row->tenant,
                                   .device = device->id,
                                   .rollout = all->row->id,
                                   .release = all->row->release};
    return db_new_ids(db, out->tenant, "assignment", 1, &out->id);
}

/* In the words of a device that cannot name a digest. */
static enum err note_what_runs(struct candidates *all, const struct device_row *device,
                               struct assignment_row *row)
{
    struct foreign_row foreign;

    row->ran[0] = '\0';
    if (device->protocol == PROTOCOL_NATIVE)
        return ERR_OK;
    TRY(store_foreign_get(all->app->db, device->tenant, device->id, &foreign));
    (void)snprintf(row->ran, sizeof row->ran, "%s", foreign.runs);
    return ERR_OK;
}

static enum err assign(struct candidates *all, const struct device_row *device, uint8_t stage)
{
    const struct assignment_policy policy = rollout_policy(&all->row->rollout);
    const struct assignment_event event = {
        .kind = ASSIGNMENT_EV_ADMIT, .now = all->now, .stage = stage};
    struct assignment_change change;
    struct artifact_choice choice;
    struct assignment_row row;
    bool fresh;

    TRY(row_for(all, device, &row, &fresh));
    CHECK(assignment_step(&row.assignment, &event, &policy, &change) == ERR_OK); /* eligible */
    artifacts_choose(&all->artifacts, all->release, device, &choice);
    memcpy(row.target, choice.sha256, DIGEST_SIZE);
    TRY(note_what_runs(all, device, &row));
    row.previous_known = device->running_known;
    memcpy(row.previous, device->running, DIGEST_SIZE);
    row.percent = 0;
    row.detail[0] = row.reason[0] = '\0';
    TRY(store_device_next_sequence(all->app->db, row.tenant, row.device, all->now, &row.sequence));
    if (!assignment_due(&row.assignment, policy.deadline_s, &row.look))
        row.look = (struct utc){0};
    TRY(fresh ? store_assignment_add(all->app->db, &row)
              : store_assignment_save(all->app->db, &row));
    return course_attach(all->app, &row);
}

/* What the survey has read of it may be a moment old. */
static enum err assign_if_eligible(struct candidates *all, int64_t id, uint8_t stage,
                                   struct admission *out)
{
    struct device_row device;
    bool eligible;
    enum err err = store_device_get(all->app->db, all->row->tenant, id, &device);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    TRY(judge(all, &device, true, &eligible));
    if (!eligible)
        return ERR_OK;
    TRY(assign(all, &device, stage));
    out->admitted++;
    return ERR_OK;
}

/* Hands out up to `count` slots. What is left of a long list serves the next turn, too. */
static enum err hand_out(struct candidates *all, struct survey *survey, uint8_t stage,
                         uint32_t count, struct admission *out)
{
    enum err err = ERR_OK;
    int64_t device;

    while (err == ERR_OK && out->admitted < count && survey_next(survey, &device))
        err = assign_if_eligible(all, device, stage, out);
    if (err != ERR_OK || count < ROLLOUT_ADMIT_MAX || out->admitted < count)
        survey_done(all->app, survey);
    return err;
}

static enum err choose(struct candidates *all, uint8_t stage, uint32_t count, struct admission *out)
{
    const struct survey_question question = {.tenant = all->row->tenant,
                                             .selector = span_of(all->row->selector),
                                             .release = all->release,
                                             .rollout = all->row->id};
    struct survey *survey;
    enum err err = survey_choose(all->app, &question, visit, all, all->now, &survey);

    if (err != ERR_OK && all->app->unfinished) { /* the next tick goes on */
        all->app->unfinished = false;
        all->app->more = true;
        out->unfinished = true;
        return ERR_OK;
    }
    TRY(err);
    out->selected = survey_meant(survey);
    out->counted = true;
    app_scanned(all->app, all->row, all->now);
    return hand_out(all, survey, stage, count, out);
}

enum err admit(struct app *app, const struct rollout_row *row, uint8_t stage, uint32_t count,
               struct utc now, struct admission *out)
{
    struct release_row release;
    struct candidates all = {.app = app, .row = row, .release = &release, .now = now};

    *out = (struct admission){0};
    if (row->rollout.admit_after.ms != 0 && !app_may_scan(app, now)) {
        out->unfinished = true; /* the last ask found too few, and others look now */
        return ERR_OK;
    }
    TRY(store_release_get(app->db, row->tenant, row->release, &release));
    TRY(artifacts_of(app, &release, &all.artifacts));
    TRY(rules_block_release(app, &release, &all.artifacts, &all.blocked));
    if (release.withdrawn || all.blocked)
        return ERR_OK;
    return choose(&all, stage, count, out);
}
