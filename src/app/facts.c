#include "app/facts.h"

#include <stdlib.h>
#include <string.h>

#include "app/rules.h"
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
    if (span_is(field, "protocol"))
        return one(index, protocol_name(facts->row.protocol), value);
    if (span_is(field, ATTRIBUTE_PRODUCT))
        return one(index, facts->row.product, value);
    if (span_is(field, ATTRIBUTE_HARDWARE))
        return one(index, facts->row.hardware, value);
    if (span_is(field, "version") && facts->row.version[0] != '\0')
        return one(index, facts->row.version, value);
    if (span_is(field, "hold"))
        return one(index, facts->row.hold ? "true" : "false", value);
    if (span_is(field, "tag"))
        return member(facts->tags, facts->tag_count, index, value);
    if (span_is(field, "group"))
        return member(facts->groups, facts->group_count, index, value);
    return index == 0 && attribute(facts, field, value);
}

bool facts_match(const struct selector *selector, const struct device_facts *facts)
{
    struct device_facts *self = (struct device_facts *)(uintptr_t)facts; /* only read */

    return selector_matches(selector, facts_lookup, self);
}

/* ---- decisions ---- */

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

static void fill_device(const struct device_row *row, struct decide_device *out)
{
    *out = (struct decide_device){.status = row->status,
                                  .protocol = row->protocol,
                                  .held = row->hold,
                                  .product = span_of(row->product),
                                  .hardware = span_of(row->hardware),
                                  .version = span_of(row->version),
                                  .security_floor = row->security_floor,
                                  .takes_sealed = row->sealing_key_known,
                                  .heard_at = row->last_seen,
                                  .utc_offset_min = row->utc_offset_min};
    memcpy(out->running, row->running, DIGEST_SIZE);
}

static void fill_release(const struct facts_case *of, struct decide_room *out)
{
    static const struct artifacts none;
    const struct release_row *release = of->release;
    struct artifact_choice choice;

    artifacts_choose(of->artifacts ? of->artifacts : &none, release, of->device, &choice);
    out->release = (struct decide_release){
        .product = span_of(release->product),
        .version = span_of(release->version),
        .hardware = out->hardware,
        .hardware_count = split(choice.hardware, out->hardware, HARDWARE_MAX),
        .bases = out->bases,
        .base_count = split(release->bases, out->bases, BASES_MAX),
        .security_version = release->security_version,
        .sealed = release->sealed && of->device->protocol == PROTOCOL_NATIVE,
        .no_artifact = choice.none,
        .of_any_product = release->authority != PROTOCOL_NATIVE,
    };
    memcpy(out->release.sha256, choice.sha256, DIGEST_SIZE);
}

static struct decide_words words_of(const struct assignment_row *row)
{
    return (struct decide_words){.reason = span_of(row->reason), .detail = span_of(row->detail)};
}

void facts_for_decide(const struct facts_case *of, struct decide_room *out)
{
    CHECK((of->rollout == NULL) == (of->release == NULL));
    *out = (struct decide_room){0};
    fill_device(of->device, &out->device);
    out->device.other_rollout = of->other_rollout;
    out->facts = (struct decide_facts){.now = of->now,
                                       .device = &out->device,
                                       .selected = of->selected,
                                       .in_hand = of->in_hand,
                                       .fetches_back = of->fetches_back};
    if (!of->rollout)
        return;
    fill_release(of, out);
    out->release.blocked = of->blocked;
    out->facts.rollout = &of->rollout->rollout;
    out->facts.rollout_name = span_of(of->rollout->name);
    out->facts.release = &out->release;
    out->facts.window = &of->rollout->window;
    if (of->assignment) {
        out->facts.assignment = &of->assignment->assignment;
        out->facts.words = words_of(of->assignment);
    }
    if (of->judged)
        out->facts.risk = (struct decide_risk){.held = true, .sentence = of->judged};
    if (of->release->withdrawn)
        out->facts.risk = (struct decide_risk){
            .held = true, .sentence = "the release has been withdrawn by its signers"};
}

/* ---- the way back ---- */

static void no_way(struct way_back *out, enum err err, const char *reason, const char *sentence)
{
    out->kind = WAY_BACK_NONE;
    out->err = err;
    out->reason = reason;
    out->sentence = sentence;
}

static bool holds(const struct device_row *device, const uint8_t sha256[DIGEST_SIZE])
{
    return device->other_known && memcmp(device->other, sha256, DIGEST_SIZE) == 0;
}

/* A known release: is it allowed for this device today? */
static void judge_way(const struct device_row *device, const struct artifacts *artifacts,
                      bool blocked, struct way_back *out)
{
    const struct release_row *release = &out->release;

    if (release->withdrawn)
        no_way(out, ERR_NOT_FOUND, "withdrawn",
               "what it ran before has been withdrawn by its signers");
    else if (blocked)
        no_way(out, ERR_UNSUITABLE, "blocked",
               "what it ran before has been blocked by its signers");
    else if (release->security_version < device->security_floor)
        no_way(out, ERR_UNSUITABLE, "floor",
               "what it ran before is below the security version it accepts");
    else if (device->protocol == PROTOCOL_NATIVE && holds(device, release->plain_sha256))
        out->kind = WAY_BACK_BANK;
    else if (!facts_fit(device, release, artifacts))
        no_way(out, ERR_UNSUITABLE, "hardware", "what it ran before is not made for it");
    else
        out->kind = WAY_BACK_FETCH;
}

/* The release of which it ran the image, or the file. */
static enum err find_previous(struct app *app, const struct device_row *device,
                              const uint8_t sha256[DIGEST_SIZE], struct release_row *out)
{
    struct artifact_row artifact;

    if (device->protocol == PROTOCOL_NATIVE)
        return store_release_by_image(app->db, device->tenant, sha256, out);
    TRY(store_artifact_of_blob(app->db, device->tenant, sha256, &artifact));
    return store_release_get(app->db, device->tenant, artifact.release, out);
}

enum err facts_way_back(struct app *app, const struct device_row *device,
                        const struct assignment_row *assignment, struct way_back *out)
{
    struct artifacts artifacts = {.count = 0};
    enum err err = ERR_NOT_FOUND;
    bool blocked;

    *out = (struct way_back){0};
    if (!assignment->previous_known) {
        no_way(out, ERR_NOT_FOUND, "unknown", "it is not known what it ran before");
        return ERR_OK;
    }
    memcpy(out->sha256, assignment->previous, DIGEST_SIZE);
    err = find_previous(app, device, assignment->previous, &out->release);
    if (err == ERR_NOT_FOUND) {
        no_way(out, ERR_NOT_FOUND, "unsigned", "what it ran before is no signed release");
        return ERR_OK;
    }
    TRY(err);
    TRY(rules_block(app, device->tenant, assignment->previous, &blocked));
    if (device->protocol != PROTOCOL_NATIVE)
        TRY(artifacts_of(app, &out->release, &artifacts));
    judge_way(device, &artifacts, blocked, out);
    return ERR_OK;
}

bool facts_fit(const struct device_row *device, const struct release_row *release,
               const struct artifacts *artifacts)
{
    bool of_any_product = release->authority != PROTOCOL_NATIVE;
    struct artifact_choice choice;

    if (!of_any_product && strcmp(device->product, release->product) != 0)
        return false;
    artifacts_choose(artifacts, release, device, &choice);
    return choice.fits && !choice.none;
}
