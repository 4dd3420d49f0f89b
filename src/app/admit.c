/* Who is next: a stratified random order, the same for the whole life of a rollout.
 *
 * Devices are grouped into strata (hardware and running version). Within a stratum the order is
 * a hash of the rollout's seed and the device; between strata it is proportional, but the first
 * of every stratum comes before the second of any, so that even one device of a small cohort is
 * among the first. Ranks are given to everybody the rollout reaches, admitted or not, so that a
 * later ask continues where an earlier one ended. */
#include <stdlib.h>
#include <string.h>

#include "app/course.h"
#include "app/facts.h"
#include "app/rules.h"
#include "base/check.h"

struct candidate {
    int64_t device;
    uint64_t stratum, order;
    uint64_t place; /* in the whole order; ties by `order` */
    bool previous_known;
    uint8_t previous[DIGEST_SIZE];
    bool eligible;
};

struct candidates {
    struct app *app;
    const struct rollout_row *row;
    const struct release_row *release;
    bool blocked; /* the release is, by its signers */
    struct utc now;
    struct candidate *list;
    size_t count, room;
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
static enum err judge(struct candidates *all, const struct device_facts *facts, bool *eligible)
{
    const struct facts_case of = {.device = &facts->row,
                                  .rollout = all->row,
                                  .release = all->release,
                                  .selected = true,
                                  .blocked = all->blocked,
                                  .now = all->now};
    struct assignment_row row;
    struct decide_room room;
    bool busy;

    facts_for_decide(&of, &room);
    *eligible = decide_eligible(&room.facts, NULL);
    if (!*eligible)
        return ERR_OK;
    if (facts->takes_part) {
        TRY(store_assignment_of(all->app->db, facts->row.tenant, facts->row.id, all->row->id,
                                &row));
        room.facts.assignment = &row.assignment;
    }
    TRY(busy_elsewhere(all, &facts->row, &busy));
    room.device.other_rollout = busy;
    *eligible = decide_eligible(&room.facts, NULL);
    return ERR_OK;
}

static struct candidate *grow(struct candidates *all)
{
    if (all->count == all->room) {
        size_t room = all->room > 0 ? 2 * all->room : 1024;
        struct candidate *list = realloc(all->list, room * sizeof *list);

        CHECK(list);
        all->list = list;
        all->room = room;
    }
    return &all->list[all->count++];
}

static enum err gather(void *self, const struct device_facts *facts)
{
    struct candidates *all = self;
    struct candidate *candidate;
    bool eligible;

    TRY(judge(all, facts, &eligible));
    candidate = grow(all);
    *candidate = (struct candidate){.device = facts->row.id,
                                    .stratum = stratum_of(facts),
                                    .order = order_of(all->row, facts),
                                    .previous_known = facts->row.running_known,
                                    .eligible = eligible};
    memcpy(candidate->previous, facts->row.running, DIGEST_SIZE);
    return ERR_OK;
}

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_stratum(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    int order = compare(left->stratum, right->stratum);

    if (order == 0)
        order = compare(left->order, right->order);
    return order != 0 ? order : compare((uint64_t)left->device, (uint64_t)right->device);
}

static int by_place(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    int order = compare(left->place, right->place);

    if (order == 0)
        order = compare(left->order, right->order);
    return order != 0 ? order : compare((uint64_t)left->device, (uint64_t)right->device);
}

static void put_in_order(struct candidates *all)
{
    if (all->count == 0)
        return;
    qsort(all->list, all->count, sizeof *all->list, by_stratum);
    for (size_t i = 0, first = 0; i < all->count; i = first) {
        while (first < all->count && all->list[first].stratum == all->list[i].stratum)
            first++;
        for (size_t rank = 0; rank < first - i; rank++)
            all->list[i + rank].place = ((uint64_t)rank << 32) / (first - i);
    }
    qsort(all->list, all->count, sizeof *all->list, by_place);
}

/* A fresh row, or the one it had when its slot was taken back. */
static enum err row_for(struct candidates *all, const struct candidate *candidate,
                        struct assignment_row *out, bool *fresh)
{
    struct db *db = all->app->db;
    enum err err = store_assignment_of(db, all->row->tenant, candidate->device, all->row->id, out);

    *fresh = err == ERR_NOT_FOUND;
    if (!*fresh)
        return err;
    *out = (struct assignment_row){.tenant = all->row->tenant,
                                   .device = candidate->device,
                                   .rollout = all->row->id,
                                   .release = all->row->release};
    memcpy(out->target, all->release->plain_sha256, DIGEST_SIZE);
    return db_new_ids(db, out->tenant, "assignment", 1, &out->id);
}

static enum err assign(struct candidates *all, const struct candidate *candidate, uint8_t stage)
{
    const struct assignment_policy policy = rollout_policy(&all->row->rollout);
    const struct assignment_event event = {
        .kind = ASSIGNMENT_EV_ADMIT, .now = all->now, .stage = stage};
    struct assignment_change change;
    struct assignment_row row;
    bool fresh;

    TRY(row_for(all, candidate, &row, &fresh));
    CHECK(assignment_step(&row.assignment, &event, &policy, &change) == ERR_OK); /* eligible */
    row.previous_known = candidate->previous_known;
    memcpy(row.previous, candidate->previous, DIGEST_SIZE);
    row.percent = 0;
    row.detail[0] = row.reason[0] = '\0';
    TRY(store_device_next_sequence(all->app->db, row.tenant, row.device, all->now, &row.sequence));
    if (!assignment_due(&row.assignment, policy.deadline_s, &row.look))
        row.look = (struct utc){0};
    TRY(fresh ? store_assignment_add(all->app->db, &row)
              : store_assignment_save(all->app->db, &row));
    return course_attach(all->app, &row);
}

static enum err choose(struct candidates *all, uint8_t stage, uint32_t count, struct admission *out)
{
    struct selector selector;
    const struct facts_question question = {
        .selector = &selector, .release = all->release, .rollout = all->row->id};

    TRY(selector_parse(span_of(all->row->selector), &selector, NULL, NULL));
    TRY(facts_each(all->app, all->row->tenant, &question, gather, all));
    put_in_order(all);
    out->selected = (uint32_t)all->count;
    out->counted = true;
    for (size_t i = 0; i < all->count && out->admitted < count; i++) {
        if (!all->list[i].eligible)
            continue;
        TRY(assign(all, &all->list[i], stage));
        out->admitted++;
    }
    return ERR_OK;
}

enum err admit(struct app *app, const struct rollout_row *row, uint8_t stage, uint32_t count,
               struct utc now, struct admission *out)
{
    struct release_row release;
    struct candidates all = {.app = app, .row = row, .release = &release, .now = now};
    enum err err;

    *out = (struct admission){0};
    if (row->rollout.admit_after.ms != 0 && !app_may_scan(app, now))
        return ERR_OK; /* the last ask found too few */
    TRY(store_release_get(app->db, row->tenant, row->release, &release));
    TRY(rules_block(app, row->tenant, release.plain_sha256, &all.blocked));
    if (release.withdrawn || all.blocked)
        return ERR_OK;
    err = choose(&all, stage, count, out);
    app_scanned(app, now);
    free(all.list);
    return err;
}
