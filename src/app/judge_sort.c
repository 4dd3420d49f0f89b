/* Sorting the devices of a rollout before the first one may flip: who may fail together (cohorts),
 * who shares an outage (strata, by link) and a power cut (sites), and how long each may stay away.
 *
 * Like a survey it goes on in slices; what it has found is written when it is done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/facts.h"
#include "app/judge_inside.h"
#include "app/survey.h"
#include "base/check.h"
#include "fleet/gap.h"
#include "fleet/limit.h"
#include "os/say.h"

#define SLOTS           (4u * JUDGE_SITES_MAX) /* of an index; a power of two */
#define CURVE_DEVICES   1024u                  /* of a link, whose gaps make its curve */
#define WATCHED_OF_LINK (JUDGE_WATCHED_MAX / COHORT_STRATA_MAX)
#define TICK_MAX_S      900u
#define DUE_TICKS_MAX   32000u

/* What the engine is told beside the plan: docs/design/risk.md says why. */
#define FIRST_MAX          32u
#define FALSE_ALARM_PPM    10000u
#define TOLERANCE_PERMILLE 1500u
#define SILENT_PPM         12000u /* a hundredth by the deadline, and some are lost for good */
#define ABSENT_PPM         5000u
#define HEALTH_PPM         2000u

#define RARE_PPM 100000u /* chance below which a fleet is taken to have no failure of its own */

static const uint32_t rung_ppm[EXPOSURE_RUNGS] = {250000, 50000, 10000};

/* Names that were met, in that order. */
struct labels {
    struct risk_label_row *list;
    uint32_t *slots; /* number + 1 by key */
    uint32_t count, max;
};

struct sorting {
    struct release_row release;
    struct artifacts artifacts;
    struct selector selector;
    int64_t after;
    struct labels cohorts, links, sites;
    struct gap_curve curves[COHORT_STRATA_MAX];
    uint32_t curve_devices[COHORT_STRATA_MAX];
    int64_t watched[COHORT_STRATA_MAX][WATCHED_OF_LINK]; /* drawn evenly */
    struct prng prng;
};

/* ---- names ---- */

static void labels_open(struct labels *labels, uint32_t max)
{
    *labels = (struct labels){.list = calloc(max, sizeof *labels->list),
                              .slots = calloc(SLOTS, sizeof *labels->slots),
                              .max = max};
    CHECK(labels->list && labels->slots);
}

static void labels_close(struct labels *labels)
{
    free(labels->list);
    free(labels->slots);
}

/* Count a device in. *number is its label's; false: there are too many labels. */
static bool labels_add(struct labels *labels, struct span name, uint32_t *number)
{
    uint64_t at = judge_key(name);

    for (;; at++) {
        uint32_t *slot = &labels->slots[at % SLOTS];

        if (*slot == 0 && labels->count == labels->max)
            return false;
        if (*slot == 0) {
            struct risk_label_row *row = &labels->list[labels->count];

            if (!span_to_text(name, row->name, sizeof row->name))
                return false;
            row->number = labels->count++;
            *slot = labels->count;
        } else if (!span_is(name, labels->list[*slot - 1].name)) {
            continue;
        }
        *number = *slot - 1;
        labels->list[*number].size++;
        return true;
    }
}

static struct span attribute(const struct device_facts *facts, const char *name)
{
    for (uint32_t i = 0; i < facts->attribute_count; i++) {
        if (strcmp(facts->attributes[i].name, name) == 0)
            return span_of(facts->attributes[i].value);
    }
    return (struct span){0};
}

#define NAMES_MAX 5u

struct cohort_names {
    char list[NAMES_MAX][RISK_LABEL_MAX + 1];
    uint32_t count;
};

static void put_name(struct cohort_names *names, const char *prefix, struct span value,
                     const char *infix, struct span other)
{
    struct buf text = buf_over(names->list[names->count], RISK_LABEL_MAX);

    buf_text(&text, prefix);
    buf_span(&text, value);
    buf_text(&text, infix);
    buf_span(&text, other);
    if (text.overflow || value.size == 0)
        return;
    (void)buf_finish_text(&text);
    names->count++;
}

/* The cohorts of a device, the whole first. */
static void name_cohorts(const struct device_facts *facts, struct cohort_names *out)
{
    struct span hardware = span_of(facts->row.hardware), version = span_of(facts->row.version),
                none = {0};

    out->count = 0;
    put_name(out, "", span_of(JUDGE_COHORT_OF_ALL), "", none);
    put_name(out, "hw=", hardware, "", none);
    if (version.size > 0)
        put_name(out, "hw=", hardware, " from=", version);
    put_name(out, "from=", version, "", none);
    put_name(out, "link=", attribute(facts, ATTRIBUTE_LINK), "", none);
}

/* ---- deadlines ---- */

static uint32_t default_due_s(uint32_t deadline_s, uint32_t rung)
{
    return deadline_s >> (EXPOSURE_RUNGS - 1 - rung);
}

/* What was learnt lengthens the plan's deadline and never shortens it: an installation takes its
 * time, too, and of that the gaps know nothing. */
static uint32_t due_s(uint32_t learnt_s, uint32_t deadline_s, uint32_t rung)
{
    uint32_t due = default_due_s(deadline_s, rung);

    if (learnt_s == GAP_NONE || learnt_s > UINT32_MAX - deadline_s)
        return due;
    learnt_s += deadline_s / 4;
    return learnt_s > due ? learnt_s : due;
}

static enum err read_gaps(struct app *app, const struct device_row *row,
                          struct gap_history *history)
{
    struct gap_row gaps[GAP_KEPT];
    uint32_t count;

    *history = (struct gap_history){0};
    TRY(store_gap_list(app->db, row->tenant, row->id, (struct utc){INT64_MAX}, GAP_KEPT, gaps,
                       &count));
    for (uint32_t i = count; i > 0; i--) {
        int64_t away_s = gaps[i - 1].away_ms / 1000;

        gap_history_add(history, away_s < UINT32_MAX ? (uint32_t)away_s : UINT32_MAX);
    }
    return ERR_OK;
}

static uint16_t ticks_of(uint32_t seconds, uint32_t tick_s, uint16_t least)
{
    uint32_t ticks = seconds / tick_s + (seconds % tick_s != 0);

    ticks = ticks < DUE_TICKS_MAX ? ticks : DUE_TICKS_MAX;
    return ticks > least ? (uint16_t)ticks : least;
}

/* Few gaps in a class say nothing about its hundredth. */
static uint32_t class_due_s(const struct gap_curve *curve, uint32_t deadline_s, uint32_t rung)
{
    uint64_t ended = 0;

    for (uint32_t i = 0; i < GAP_CODES; i++)
        ended += curve->ended[i];
    return due_s(ended < GAP_KEPT ? GAP_NONE : gap_class_deadline_s(curve, rung_ppm[rung]),
                 deadline_s, rung);
}

static uint32_t watch_of(const struct gap_curve *curve)
{
    uint32_t watch_s = gap_class_watch_s(curve, ABSENT_PPM);

    return watch_s == GAP_NONE ? 0 : watch_s;
}

/* ---- one device ---- */

static uint32_t find_key(const uint64_t *keys, uint32_t count, uint64_t key)
{
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i] == key)
            return i;
    }
    return UINT32_MAX;
}

static void add_cohort(struct risk_device *out, uint16_t cohort)
{
    uint32_t at = out->cohort_count;

    for (; at > 0 && out->cohorts[at - 1] > cohort; at--)
        out->cohorts[at] = out->cohorts[at - 1];
    out->cohorts[at] = cohort;
    out->cohort_count++;
}

static uint8_t stratum_of(const struct judge *judge, struct span link)
{
    for (uint8_t i = 0; i < judge->link_count; i++) {
        if (span_is(link, judge->links[i].name))
            return i;
    }
    return KNOWN_STRATUM;
}

enum err judge_describe(struct app *app, const struct judge *judge,
                        const struct device_facts *facts, struct risk_device *out)
{
    struct span site = attribute(facts, ATTRIBUTE_SITE);
    struct cohort_names names;
    struct gap_history history;
    uint16_t least = 1;

    TRY(read_gaps(app, &facts->row, &history));
    *out = (struct risk_device){.site = RISK_NO_SITE};
    name_cohorts(facts, &names);
    for (uint32_t i = 0; i < names.count; i++) {
        uint32_t cohort =
            find_key(judge->keys, judge->cohort_count, judge_key(span_of(names.list[i])));

        if (cohort != UINT32_MAX)
            add_cohort(out, (uint16_t)cohort);
    }
    if (site.size > 0)
        out->site = find_key(judge->site_keys, judge->site_count, judge_key(site));
    out->stratum = stratum_of(judge, attribute(facts, ATTRIBUTE_LINK));
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++) {
        uint32_t class_s = judge->links[out->stratum].due_s[i], deadline_s = judge->deadline_s;
        uint32_t own_s = gap_own_deadline_s(&history, rung_ppm[i]);

        least = out->due[i] = ticks_of(own_s == GAP_NONE ? class_s : due_s(own_s, deadline_s, i),
                                       judge->row.terms.rule.tick_s, least);
    }
    return ERR_OK;
}

/* ---- sorting ---- */

void judge_sort_free(struct sorting *sorting)
{
    if (!sorting)
        return;
    labels_close(&sorting->cohorts);
    labels_close(&sorting->links);
    labels_close(&sorting->sites);
    free(sorting);
}

static enum err begin(struct app *app, const struct rollout_row *row, struct sorting **out)
{
    struct sorting *sorting = calloc(1, sizeof *sorting);
    uint32_t number;

    CHECK(sorting);
    labels_open(&sorting->cohorts, JUDGE_COHORTS_MAX);
    labels_open(&sorting->links, COHORT_STRATA_MAX);
    labels_open(&sorting->sites, JUDGE_SITES_MAX);
    (void)labels_add(&sorting->cohorts, span_of(JUDGE_COHORT_OF_ALL), &number);
    (void)labels_add(&sorting->links, span_of(""), &number);
    sorting->cohorts.list[0].size = sorting->links.list[0].size = 0;
    sorting->prng = prng_seeded(row->seed);
    *out = sorting;
    TRY(store_release_get(app->db, row->tenant, row->release, &sorting->release));
    TRY(artifacts_of(app, &sorting->release, &sorting->artifacts));
    return selector_parse(span_of(row->selector), &sorting->selector, NULL, NULL);
}

/* Reservoir sampling: Vitter 1985, algorithm R. */
static void draw(struct sorting *sorting, uint32_t link, int64_t device)
{
    uint32_t seen = sorting->links.list[link].size; /* this one included */
    uint64_t at = seen - 1;

    if (seen > WATCHED_OF_LINK)
        at = prng_below(&sorting->prng, seen);
    if (at < WATCHED_OF_LINK)
        sorting->watched[link][at] = device;
}

static enum err learn(struct app *app, struct sorting *sorting, uint32_t link,
                      const struct device_row *row, struct utc now)
{
    struct gap_curve *curve = &sorting->curves[link];
    int64_t away_s = (now.ms - row->last_seen.ms) / 1000;
    struct gap_history history;

    if (sorting->curve_devices[link]++ >= CURVE_DEVICES || row->last_seen.ms == 0)
        return ERR_OK;
    TRY(read_gaps(app, row, &history));
    for (uint32_t i = 0; i < history.count; i++)
        curve->ended[history.code[i]]++;
    gap_curve_absent(curve, away_s < 0 ? 0 : away_s < UINT32_MAX ? (uint32_t)away_s : UINT32_MAX);
    return ERR_OK;
}

static enum err sort_device(struct app *app, struct sorting *sorting,
                            const struct device_facts *facts, struct utc now)
{
    struct span site = attribute(facts, ATTRIBUTE_SITE);
    struct cohort_names names;
    uint32_t number, link = KNOWN_STRATUM;

    if (facts->row.status != DEVICE_ACTIVE ||
        !facts_fit(&facts->row, &sorting->release, &sorting->artifacts) ||
        !facts_match(&sorting->selector, facts))
        return ERR_OK;
    name_cohorts(facts, &names);
    for (uint32_t i = 0; i < names.count; i++)
        (void)labels_add(&sorting->cohorts, span_of(names.list[i]), &number);
    if (site.size > 0)
        (void)labels_add(&sorting->sites, site, &number);
    if (!labels_add(&sorting->links, attribute(facts, ATTRIBUTE_LINK), &link))
        sorting->links.list[link = KNOWN_STRATUM].size++;
    draw(sorting, link, facts->row.id);
    return learn(app, sorting, link, &facts->row, now);
}

static enum err read_page(struct app *app, const struct rollout_row *row, struct sorting *sorting,
                          struct device_facts *page, uint32_t *count, struct utc now)
{
    TRY(store_device_page(app->db, row->tenant, sorting->after, DEVICE_PAGE_MAX, page, count));
    app->walk_left -= *count < app->walk_left ? *count : app->walk_left;
    for (uint32_t i = 0; i < *count; i++) {
        sorting->after = page[i].row.id;
        TRY(sort_device(app, sorting, &page[i], now));
    }
    return ERR_OK;
}

static enum err read_on(struct app *app, const struct rollout_row *row, struct sorting *sorting,
                        struct utc now, bool *done)
{
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    uint32_t count = DEVICE_PAGE_MAX;
    enum err err = ERR_OK;

    CHECK(page);
    while (err == ERR_OK && count == DEVICE_PAGE_MAX && app->walk_left > 0)
        err = read_page(app, row, sorting, page, &count, now);
    free(page);
    *done = count < DEVICE_PAGE_MAX;
    return err;
}

/* ---- writing ---- */

/* A sixteenth of the shortest time that matters, so that nothing is rounded much. */
static uint32_t tick_of(uint32_t deadline_s, uint32_t observe_s)
{
    uint32_t tick_s = (deadline_s < observe_s ? deadline_s : observe_s) / 16;
    uint32_t least_s = observe_s / DUE_TICKS_MAX + 1; /* observation ends within 65535 ticks */

    tick_s = tick_s < TICK_MAX_S ? tick_s : TICK_MAX_S;
    return tick_s > least_s ? tick_s : least_s;
}

static struct risk_terms terms_of(const struct rollout_row *row, uint32_t strata)
{
    const struct risk_plan *plan = &row->risk;
    struct risk_terms terms = {
        .rule = {.harmed_max = plan->harmed_max,
                 .first_max = FIRST_MAX,
                 .doubt_ppm = plan->doubt_ppm,
                 .floor_ppm = plan->floor_ppm,
                 .false_alarm_ppm = FALSE_ALARM_PPM,
                 .tolerance_permille = TOLERANCE_PERMILLE,
                 .tick_s = tick_of(row->rollout.plan.deadline_s, plan->observe_s),
                 .late_s = plan->observe_s / 2,
                 .bake_s = plan->observe_s,
                 .site_s = plan->observe_s / 4,
                 .strata = strata},
        .kind = {.reported_high_ppm = plan->background_ppm,
                 .silent_high_ppm = SILENT_PPM,
                 .absent_high_ppm = ABSENT_PPM,
                 .health_high_ppm = HEALTH_PPM},
    };

    for (uint32_t i = 0; i < COHORT_CURVE_TICKS; i++)
        terms.rule.curve_permille[i] = 1000; /* charged at once: early is safe */
    return terms;
}

static enum err write_labels(struct app *app, const struct rollout_row *row, struct labels *labels,
                             enum risk_label_kind kind)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        labels->list[i].kind = kind;
        TRY(store_risk_label_add(app->db, row->tenant, row->id, &labels->list[i]));
    }
    return ERR_OK;
}

/* The judge takes what was found. */
static void take(struct judge *judge, const struct rollout_row *row, struct sorting *sorting)
{
    struct labels *sites = &sorting->sites;

    judge->deadline_s = row->rollout.plan.deadline_s;
    judge->cohort_count = sorting->cohorts.count;
    judge->names = sorting->cohorts.list;
    sorting->cohorts.list = NULL;
    judge->link_count = sorting->links.count;
    for (uint32_t i = 0; i < judge->link_count; i++) {
        struct risk_label_row *link = &sorting->links.list[i];

        for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++)
            link->due_s[rung] = class_due_s(&sorting->curves[i], judge->deadline_s, rung);
        link->watch_s = watch_of(&sorting->curves[i]);
        judge->links[i] = *link;
    }
    judge->site_count = sites->count;
    judge->site_keys = calloc(sites->count + 1u, sizeof *judge->site_keys);
    CHECK(judge->site_keys);
    for (uint32_t i = 0; i < sites->count; i++)
        judge->site_keys[i] = judge_key(span_of(sites->list[i].name));
}

static enum err watch_one(struct app *app, struct judge *judge, int64_t device, struct utc now)
{
    struct device_facts *facts = malloc(sizeof *facts);
    struct judge_device *watched = judge_append(judge);
    enum err err;

    CHECK(facts);
    err = store_device_facts(app->db, judge->row.tenant, device, facts);
    if (err == ERR_OK)
        err = judge_describe(app, judge, facts, &watched->row.risk);
    watched->row.device = device;
    watched->row.watched.ms = -now.ms; /* from its next word on */
    free(facts);
    return err == ERR_OK ? store_risk_device_add(app->db, judge->row.tenant, judge->row.rollout,
                                                 &watched->row)
                         : err;
}

static enum err watch(struct app *app, struct judge *judge, const struct sorting *sorting,
                      struct utc now)
{
    for (uint32_t link = 0; link < judge->link_count; link++) {
        uint32_t size = judge->links[link].size;

        for (uint32_t i = 0; i < size && i < WATCHED_OF_LINK; i++)
            TRY(watch_one(app, judge, sorting->watched[link][i], now));
    }
    judge->watched = judge->device_count;
    return ERR_OK;
}

static enum err finish(struct app *app, const struct rollout_row *row, struct judge *judge,
                       struct utc now)
{
    struct sorting *sorting = judge->sorting;

    judge->row.opened = now;
    judge->row.terms = terms_of(row, sorting->links.count);
    TRY(store_risk_add(app->db, &judge->row));
    TRY(write_labels(app, row, &sorting->cohorts, RISK_LABEL_COHORT));
    take(judge, row, sorting);
    TRY(write_labels(app, row, &sorting->links, RISK_LABEL_STRATUM));
    TRY(write_labels(app, row, &sorting->sites, RISK_LABEL_SITE));
    TRY(judge_start(judge));
    TRY(watch(app, judge, sorting, now));
    judge_sort_free(sorting);
    judge->sorting = NULL;
    return ERR_OK;
}

enum err judge_sort(struct app *app, const struct rollout_row *row, struct judge *judge,
                    struct utc now)
{
    bool done;

    judge->touched = judge->marked = true;
    if (!judge->sorting)
        TRY(begin(app, row, &judge->sorting));
    TRY(read_on(app, row, judge->sorting, now, &done));
    if (!done) {
        app->more = true;
        return ERR_OK;
    }
    return finish(app, row, judge, now);
}

/* ---- what a person may ask for ---- */

static void put_percent(uint32_t ppm, char out[16])
{
    CHECK(snprintf(out, 16, "%u.%02u", ppm / 10000u, ppm % 10000u / 100u) > 0);
}

/* With none bad, the window must still grow: what the devices that may be exposed at once reveal
 * until they have been observed has to make room for one more. */
static bool grows(const struct risk_plan *plan, uint32_t harmed_max)
{
    const int64_t seen = FIXED_ONE - fixed_exp(-2 * FIXED_ONE); /* observed for twice `late` */
    int64_t refute = fixed_ln(fixed_ratio(2 * EXPOSURE_RUNGS * 1000000u, plan->doubt_ppm));
    int64_t mean = limit_mean(harmed_max, fixed_ln(fixed_ratio(2 * 1000000u, plan->doubt_ppm)));
    int64_t first = mean >> 32; /* devices */

    return first > 0 && fixed_product_at_most((first + 1) << 32, limit_expected(0, refute),
                                              fixed_mul(first << 32, seen), mean);
}

static uint32_t least_limit(const struct risk_plan *plan, uint32_t devices)
{
    bool rare = (uint64_t)devices * plan->background_ppm < RARE_PPM;
    uint32_t least =
        risk_least_harmed_max(plan->doubt_ppm, plan->floor_ppm, rare ? 0 : plan->background_ppm);

    while (least < RISK_HARMED_MAX && !grows(plan, least))
        least++;
    return least;
}

enum err judge_check(const struct risk_plan *plan, const struct rollout_plan *rollout,
                     uint32_t devices, struct why *why)
{
    char floor[16], background[16];
    uint32_t least;

    if (plan->observe_s < rollout->deadline_s / 4)
        return say(why, ERR_INVALID, "observe_s",
                   "must be at least a quarter of deadline_s: %u seconds", rollout->deadline_s / 4);
    if (plan->background_ppm >= plan->floor_ppm)
        return say(why, ERR_INVALID, "floor_percent",
                   "must be above background_percent: what fails anyway cannot be told from harm");
    if (devices <= plan->harmed_max)
        return ERR_OK;
    least = least_limit(plan, devices);
    if (plan->harmed_max >= least)
        return ERR_OK;
    put_percent(plan->floor_ppm, floor);
    put_percent(plan->background_ppm, background);
    return say(why, ERR_INVALID, "max_harmed",
               "must be at least %u: with fewer, nobody can tell harm of %s %% from the %s %% that "
               "fail anyway before the limit is reached; or raise floor_percent, or lower "
               "confidence",
               least, floor, background);
}
