#include "app/survey.h"

#include <stdlib.h>
#include <string.h>

#include "app/facts.h"
#include "app/survey_order.h"
#include "base/check.h"
#include "os/say.h"

/* A list longer than this is put in order, and handed out, in turns of their own. */
#define LIST_AT_ONCE 4096u

struct survey {
    /* What it is about. */
    int64_t tenant, rollout;
    bool choosing, has_release;
    char text[SELECTOR_SIZE_MAX + 1];
    struct selector selector;
    struct release_row release;
    struct artifacts artifacts; /* of the release */
    struct device_walk walk;    /* names fields of `selector` */

    /* How far it is. */
    struct utc asked;
    int64_t after; /* devices up to this id have been read */
    bool walked, ordered;
    uint64_t read; /* devices */

    /* What it has found. */
    struct survey_result found;
    struct survey_device *list; /* of those that are meant, when choosing */
    size_t list_room, next;
};

struct visitor {
    survey_visit *visit; /* NULL: only count */
    void *self;
};

/* ---- what to read ---- */

/* Fields that no attribute stands behind; see facts_lookup(). */
static bool is_attribute(struct span field)
{
    static const char *const rows[] = {
        "name", "status", ATTRIBUTE_PRODUCT, ATTRIBUTE_HARDWARE, "version", "hold", "tag", "group"};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (span_is(field, rows[i]))
            return false;
    }
    return true;
}

static void ask_for(struct device_walk *walk, struct span attribute_name)
{
    if (walk->attribute_count < DEVICE_WALK_NAMES_MAX)
        walk->attributes[walk->attribute_count] = attribute_name;
    walk->attribute_count++;
}

/* What the selector looks at. */
static void ask_for_fields(struct device_walk *walk, const struct selector *selector)
{
    struct span fields[2 * DEVICE_WALK_NAMES_MAX];
    uint32_t count = selector_fields(selector, fields, COUNT_OF(fields));

    if (count > COUNT_OF(fields)) { /* too many to sort out */
        walk->tags = walk->groups = true;
        walk->attribute_count = DEVICE_WALK_NAMES_MAX + 1;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        walk->tags |= span_is(fields[i], "tag");
        walk->groups |= span_is(fields[i], "group");
        if (is_attribute(fields[i]))
            ask_for(walk, fields[i]);
    }
}

/* ---- the surveys under way ---- */

static bool is_about(const struct survey *survey, const struct survey_question *question,
                     bool choosing)
{
    return survey->tenant == question->tenant && survey->rollout == question->rollout &&
           survey->choosing == choosing && survey->has_release == (question->release != NULL) &&
           (!question->release || survey->release.id == question->release->id) &&
           span_is(question->selector, survey->text);
}

static void forget(struct survey *survey)
{
    if (survey)
        free(survey->list);
    free(survey);
}

static struct survey **place_of(struct app *app, const struct survey *survey)
{
    for (size_t i = 0; i < SURVEYS_MAX; i++) {
        if (app->surveys[i] == survey)
            return &app->surveys[i];
    }
    return NULL;
}

static bool is_forgotten(const struct survey *survey, struct utc now)
{
    int64_t age_ms = now.ms - survey->asked.ms; /* requests bring the time of their arrival */

    return age_ms > SURVEY_FORGOTTEN_MS || age_ms < -SURVEY_FORGOTTEN_MS;
}

void survey_done(struct app *app, struct survey *survey)
{
    struct survey **place = place_of(app, survey);

    CHECK(place);
    forget(survey);
    *place = NULL;
}

void survey_forget_all(struct app *app)
{
    for (size_t i = 0; i < SURVEYS_MAX; i++) {
        forget(app->surveys[i]);
        app->surveys[i] = NULL;
    }
}

static struct survey *begin(const struct survey_question *question, bool choosing)
{
    struct survey *survey = calloc(1, sizeof *survey);
    bool fits;

    CHECK(survey);
    survey->tenant = question->tenant;
    survey->rollout = question->rollout;
    survey->choosing = choosing;
    survey->has_release = question->release != NULL;
    if (question->release)
        survey->release = *question->release;
    fits = span_to_text(question->selector, survey->text, sizeof survey->text);
    CHECK(fits); /* it has been parsed before */
    survey->walk = (struct device_walk){
        .tenant = question->tenant, .status = DEVICE_ACTIVE, .rollout = question->rollout};
    return survey;
}

static enum err read_selector(struct survey *survey)
{
    if (survey->text[0] == '\0')
        return ERR_OK;
    TRY(selector_parse(span_of(survey->text), &survey->selector, NULL, NULL));
    ask_for_fields(&survey->walk, &survey->selector);
    return ERR_OK;
}

/* The one that is about this, or a new one in a free place; *out is NULL when all are taken. */
static enum err find(struct app *app, const struct survey_question *question, bool choosing,
                     struct utc now, struct survey **out)
{
    struct survey **place = NULL;
    enum err err;

    *out = NULL;
    for (size_t i = 0; i < SURVEYS_MAX; i++) {
        if (app->surveys[i] && is_forgotten(app->surveys[i], now))
            survey_done(app, app->surveys[i]);
        if (app->surveys[i] && is_about(app->surveys[i], question, choosing)) {
            *out = app->surveys[i];
            return ERR_OK;
        }
    }
    place = place_of(app, NULL);
    if (!place)
        return ERR_OK;
    *place = begin(question, choosing);
    err = read_selector(*place);
    if (err == ERR_OK && question->release)
        err = artifacts_of(app, question->release, &(*place)->artifacts);
    if (err == ERR_OK)
        *out = *place;
    else
        survey_done(app, *place);
    return err;
}

/* ---- going on ---- */

static void note_name(struct survey_names *names, const char *name)
{
    names->count++;
    if (names->sampled < SURVEY_SAMPLE_MAX)
        memcpy(names->sample[names->sampled++], name, NAME_SIZE_MAX + 1);
}

static struct survey_device *grow(struct survey *survey)
{
    size_t count = survey->found.meant.count;

    if (count == survey->list_room) {
        size_t room = survey->list_room > 0 ? 2 * survey->list_room : 1024;
        struct survey_device *list = realloc(survey->list, room * sizeof *list);

        CHECK(list);
        survey->list = list;
        survey->list_room = room;
    }
    return &survey->list[count];
}

static enum err take(struct survey *survey, const struct device_facts *facts,
                     const struct visitor *visitor)
{
    struct survey_device *device;

    if (visitor->visit) {
        device = grow(survey);
        *device = (struct survey_device){.device = facts->row.id};
        TRY(visitor->visit(visitor->self, facts, device));
    }
    note_name(&survey->found.meant, facts->row.name);
    return ERR_OK;
}

static bool matches(const struct survey *survey, const struct device_facts *facts)
{
    return survey->text[0] == '\0' || facts_match(&survey->selector, facts);
}

static bool runs_it(const struct survey *survey, const struct device_row *device)
{
    struct artifact_choice choice;

    artifacts_choose(&survey->artifacts, &survey->release, device, &choice);
    return device->running_known && memcmp(device->running, choice.sha256, DIGEST_SIZE) == 0;
}

static enum err look_at(struct survey *survey, const struct device_facts *facts,
                        const struct visitor *visitor)
{
    const struct release_row *release = &survey->release;

    if (!matches(survey, facts))
        return ERR_OK;
    if (!survey->has_release || facts->takes_part)
        return !survey->has_release || facts_fit(&facts->row, release, &survey->artifacts)
                   ? take(survey, facts, visitor)
                   : ERR_OK;
    if (!facts_fit(&facts->row, release, &survey->artifacts) || runs_it(survey, &facts->row))
        return ERR_OK;
    if (release->security_version < facts->row.security_floor) {
        note_name(&survey->found.below_floor, facts->row.name);
        return ERR_OK;
    }
    return take(survey, facts, visitor);
}

static enum err read_page(struct app *app, struct survey *survey, struct device_facts *page,
                          const struct visitor *visitor)
{
    uint32_t count;

    TRY(store_device_walk(app->db, &survey->walk, survey->after, DEVICE_PAGE_MAX, page, &count));
    survey->read += count;
    app->walk_left -= count < app->walk_left ? count : app->walk_left;
    for (uint32_t i = 0; i < count; i++) {
        TRY(look_at(survey, &page[i], visitor));
        survey->after = page[i].row.id;
    }
    survey->walked = count < DEVICE_PAGE_MAX;
    return ERR_OK;
}

static enum err walk_on(struct app *app, struct survey *survey, const struct visitor *visitor)
{
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    enum err err = ERR_OK;

    CHECK(page);
    while (err == ERR_OK && !survey->walked && app->walk_left > 0)
        err = read_page(app, survey, page, visitor);
    free(page);
    return err;
}

/* Long lists take a turn for themselves. */
static void order_on(struct app *app, struct survey *survey)
{
    size_t count = survey->found.meant.count;

    if (count > LIST_AT_ONCE && app->walk_left < SURVEY_SLICE)
        return;
    survey_order(survey->list, count);
    survey->ordered = true;
    if (count > LIST_AT_ONCE)
        app->walk_left = 0;
}

static bool is_complete(const struct survey *survey)
{
    return survey->walked && (survey->ordered || !survey->choosing);
}

static enum err go_on(struct app *app, const struct survey_question *question,
                      const struct visitor *visitor, struct utc now, struct survey **out)
{
    bool choosing = visitor->visit != NULL, complete;
    struct survey *survey;
    enum err err;

    TRY(find(app, question, choosing, now, &survey));
    if (survey) {
        survey->asked = now;
        err = walk_on(app, survey, visitor);
        if (err != ERR_OK) { /* what it has counted may be of a transaction that is lost */
            survey_done(app, survey);
            return err;
        }
        if (survey->walked && choosing && !survey->ordered)
            order_on(app, survey);
    }
    complete = survey && is_complete(survey) && (app->walk_left > 0 || !choosing);
    if (!complete) {
        app->unfinished = true;
        return ERR_AGAIN;
    }
    *out = survey;
    app->walked = survey->read;
    return ERR_OK;
}

enum err survey_count(struct app *app, const struct survey_question *question, struct utc now,
                      struct survey_result *out, struct why *why)
{
    const struct visitor visitor = {0};
    struct survey *survey;
    enum err err = go_on(app, question, &visitor, now, &survey);

    if (err != ERR_OK && app->unfinished)
        return say(why, err, NULL, "the devices are still being counted");
    TRY(app_db_failed(app, err, why));
    *out = survey->found;
    survey_done(app, survey);
    return ERR_OK;
}

enum err survey_choose(struct app *app, const struct survey_question *question, survey_visit *visit,
                       void *self, struct utc now, struct survey **out)
{
    const struct visitor visitor = {visit, self};

    return go_on(app, question, &visitor, now, out);
}

uint32_t survey_meant(const struct survey *survey)
{
    return survey->found.meant.count;
}

bool survey_next(struct survey *survey, int64_t *device)
{
    while (survey->next < survey->found.meant.count) {
        const struct survey_device *next = &survey->list[survey->next++];

        if (next->eligible) {
            *device = next->device;
            return true;
        }
    }
    return false;
}
