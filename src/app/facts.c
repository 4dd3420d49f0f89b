#include "app/facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"

/* ---- selectors ---- */

static bool one(uint32_t index, const char *text, struct span *value)
{
    *value = span_of(text);
    return index == 0 && value->size > 0;
}

static bool attribute(const struct device_facts *facts, struct span name, struct span *value)
{
    for (uint32_t i = 0; i < facts->attribute_count; i++) {
        if (span_is(name, facts->attributes[i].name)) {
            *value = span_of(facts->attributes[i].value);
            return true;
        }
    }
    return false;
}

static bool hardware(const struct device_facts *facts, struct span *value)
{
    return attribute(facts, SPAN_LITERAL(ATTRIBUTE_HARDWARE), value) ||
           attribute(facts, SPAN_LITERAL("hardware"), value);
}

static bool member(const char (*list)[NAME_SIZE_MAX + 1], uint32_t count, uint32_t index,
                   struct span *value)
{
    if (index >= count)
        return false;
    *value = span_of(list[index]);
    return true;
}

bool facts_lookup(void *self, struct span field, uint32_t index, struct span *value)
{
    const struct device_facts *facts = (const struct device_facts *)self;

    if (span_is(field, "name"))
        return one(index, facts->row.name, value);
    if (span_is(field, "status"))
        return one(index, device_status_name(facts->row.status), value);
    if (span_is(field, "version") && facts->row.version[0] != '\0')
        return one(index, facts->row.version, value);
    if (span_is(field, "hold"))
        return one(index, facts->row.hold ? "true" : "false", value);
    if (span_is(field, "tag"))
        return member(facts->tags, facts->tag_count, index, value);
    if (span_is(field, "group"))
        return member(facts->groups, facts->group_count, index, value);
    if (span_is(field, ATTRIBUTE_HARDWARE))
        return index == 0 && hardware(facts, value);
    return index == 0 && attribute(facts, field, value);
}

bool facts_match(const struct selector *selector, const struct device_facts *facts)
{
    struct device_facts *self = (struct device_facts *)(uintptr_t)facts; /* only read */

    return selector_matches(selector, facts_lookup, self);
}

/* ---- decisions ---- */

/* A floor that cannot be read may be any: no release is above it. A device that says nothing of
 * a floor has none. */
static uint32_t floor_of(struct span text)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return UINT32_MAX;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
        if (value > UINT32_MAX)
            return UINT32_MAX;
    }
    return text.size > 0 ? (uint32_t)value : UINT32_MAX;
}

/* "a b c" to spans into `text`. */
static uint32_t split(const char *text, struct span *out, uint32_t max)
{
    uint32_t count = 0;

    while (*text != '\0' && count < max) {
        size_t size = strcspn(text, " ");

        if (size > 0)
            out[count++] = (struct span){(const uint8_t *)text, size};
        text += size;
        text += *text == ' ' ? 1 : 0;
    }
    return count;
}

static void fill_device(const struct device_facts *facts, struct decide_device *out)
{
    struct span floor = {0};

    *out = (struct decide_device){.status = facts->row.status,
                                  .held = facts->row.hold,
                                  .version = span_of(facts->row.version),
                                  .heard_at = facts->row.last_seen,
                                  .utc_offset_min = facts->row.utc_offset_min};
    (void)attribute(facts, SPAN_LITERAL(ATTRIBUTE_PRODUCT), &out->product); /* empty: unknown */
    (void)hardware(facts, &out->hardware);
    if (attribute(facts, SPAN_LITERAL(ATTRIBUTE_FLOOR), &floor))
        out->security_floor = floor_of(floor);
    memcpy(out->running, facts->row.running, DIGEST_SIZE);
}

static void fill_release(const struct release_row *release, struct decide_room *out)
{
    out->release = (struct decide_release){
        .product = span_of(release->product),
        .version = span_of(release->version),
        .hardware = out->hardware,
        .hardware_count = split(release->hardware, out->hardware, HARDWARE_MAX),
        .bases = out->bases,
        .base_count = split(release->bases, out->bases, BASES_MAX),
        .security_version = release->security_version,
    };
    memcpy(out->release.sha256, release->plain_sha256, DIGEST_SIZE);
}

void facts_for_decide(const struct app *app, const struct device_facts *device,
                      const struct rollout_row *rollout, const struct release_row *release,
                      const struct assignment *assignment, bool selected, bool other_rollout,
                      struct utc now, struct decide_room *out)
{
    CHECK((rollout == NULL) == (release == NULL));
    *out = (struct decide_room){0};
    (void)app;
    fill_device(device, &out->device);
    out->device.other_rollout = other_rollout;
    out->facts = (struct decide_facts){.now = now, .device = &out->device, .selected = selected};
    if (!rollout)
        return;
    fill_release(release, out);
    out->facts.rollout = &rollout->rollout;
    out->facts.rollout_name = span_of(rollout->name);
    out->facts.release = &out->release;
    out->facts.assignment = assignment;
    out->facts.window = &rollout->window;
    if (release->withdrawn)
        out->facts.risk = (struct decide_risk){
            .held = true, .sentence = "the release has been withdrawn by its signers"};
}

/* ---- walking the fleet ---- */

static enum err visit_page(const struct selector *selector, const struct device_facts *page,
                           uint32_t count, facts_visit *visit, void *self)
{
    for (uint32_t i = 0; i < count; i++) {
        if (page[i].row.status == DEVICE_ACTIVE && (!selector || facts_match(selector, &page[i])))
            TRY(visit(self, &page[i]));
    }
    return ERR_OK;
}

enum err facts_each(struct app *app, int64_t tenant, const struct selector *selector,
                    facts_visit *visit, void *self)
{
    struct device_facts *page = calloc(DEVICE_PAGE_MAX, sizeof *page);
    uint32_t count = DEVICE_PAGE_MAX;
    enum err err = ERR_OK;
    int64_t after = 0;

    CHECK(page);
    app->walked = 0;
    while (err == ERR_OK && count == DEVICE_PAGE_MAX) {
        err = store_device_page(app->db, tenant, after, DEVICE_PAGE_MAX, page, &count);
        if (err != ERR_OK || count == 0)
            break;
        after = page[count - 1].row.id;
        app->walked += count;
        err = visit_page(selector, page, count, visit, self);
    }
    free(page);
    return err;
}

bool facts_fit(const struct device_facts *facts, const struct release_row *release)
{
    struct span names[HARDWARE_MAX], own, product;
    uint32_t count = split(release->hardware, names, HARDWARE_MAX);

    if (!attribute(facts, SPAN_LITERAL(ATTRIBUTE_PRODUCT), &product) ||
        !span_is(product, release->product))
        return false;
    if (count == 0 || !hardware(facts, &own))
        return count == 0;
    for (uint32_t i = 0; i < count; i++) {
        if (span_equal(names[i], own))
            return true;
    }
    return false;
}

enum err facts_reached(struct app *app, const struct device_facts *facts,
                       const struct release_row *release, int64_t rollout, bool *reached)
{
    const struct device_row *row = &facts->row;
    struct assignment_row assignment;
    enum err err = ERR_NOT_FOUND;

    *reached = facts_fit(facts, release);
    if (!*reached || !row->running_known ||
        memcmp(row->running, release->plain_sha256, DIGEST_SIZE) != 0)
        return ERR_OK;
    if (rollout != 0)
        err = store_assignment_of(app->db, row->tenant, row->id, rollout, &assignment);
    *reached = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

struct counting {
    struct app *app;
    const struct facts_question *question;
    char (*sample)[NAME_SIZE_MAX + 1];
    uint32_t sample_max, sampled, count;
};

static enum err count_one(void *self, const struct device_facts *facts)
{
    struct counting *counting = self;
    const struct facts_question *question = counting->question;
    bool reached = true;

    if (question->release)
        TRY(facts_reached(counting->app, facts, question->release, question->rollout, &reached));
    if (!reached)
        return ERR_OK;
    counting->count++;
    if (counting->sampled < counting->sample_max)
        memcpy(counting->sample[counting->sampled++], facts->row.name, NAME_SIZE_MAX + 1);
    return ERR_OK;
}

enum err facts_count(struct app *app, int64_t tenant, const struct facts_question *question,
                     char (*sample)[NAME_SIZE_MAX + 1], uint32_t sample_max, uint32_t *sampled,
                     uint32_t *count)
{
    struct counting counting = {
        .app = app, .question = question, .sample = sample, .sample_max = sample_max};

    TRY(facts_each(app, tenant, question->selector, count_one, &counting));
    if (sampled)
        *sampled = counting.sampled;
    *count = counting.count;
    return ERR_OK;
}
