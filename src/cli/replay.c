#include "cli/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/fields.h"
#include "codec/hex.h"
#include "fleet/risk_journal.h"
#include "os/say.h"

#define DEVICES_MAX (1u << 24)

struct replay {
    struct risk risk;
    struct risk_rule rule;
    struct risk_kind kind;
    struct cohort *cohorts;
    uint32_t *sizes, cohort_count;
    struct risk_stratum strata[COHORT_STRATA_MAX];
    uint32_t *sites, site_count;
    struct risk_device *devices;
    uint32_t device_room;
    int64_t entries, grants;
};

static uint32_t number(const json_t *object, const char *name)
{
    int64_t value = field_int(object, name);

    return value < 0 || value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* ---- beginning ---- */

static void read_terms(struct replay *replay, const json_t *terms, size_t strata)
{
    const json_t *curve = json_object_get(terms, "curve_permille");
    struct risk_rule *rule = &replay->rule;

    *rule = (struct risk_rule){.harmed_max = number(terms, "harmed_max"),
                               .first_max = number(terms, "first_max"),
                               .doubt_ppm = number(terms, "doubt_ppm"),
                               .floor_ppm = number(terms, "floor_ppm"),
                               .false_alarm_ppm = number(terms, "false_alarm_ppm"),
                               .tolerance_permille = number(terms, "tolerance_permille"),
                               .tick_s = number(terms, "tick_s"),
                               .late_s = number(terms, "late_s"),
                               .bake_s = number(terms, "bake_s"),
                               .site_s = number(terms, "site_s"),
                               .strata = (uint32_t)strata};
    for (size_t i = 0; i < COHORT_CURVE_TICKS; i++)
        rule->curve_permille[i] = (uint16_t)json_integer_value(json_array_get(curve, i));
    replay->kind = (struct risk_kind){.reported_low_ppm = number(terms, "reported_low_ppm"),
                                      .reported_high_ppm = number(terms, "reported_high_ppm"),
                                      .lost_low_ppm = number(terms, "lost_low_ppm"),
                                      .silent_high_ppm = number(terms, "silent_high_ppm"),
                                      .absent_high_ppm = number(terms, "absent_high_ppm"),
                                      .health_low_ppm = number(terms, "health_low_ppm"),
                                      .health_high_ppm = number(terms, "health_high_ppm")};
}

static enum err start(struct replay *replay, const json_t *risk, const json_t *cohorts,
                      struct why *why)
{
    const json_t *strata = json_object_get(risk, "strata");
    struct risk_memory memory;

    if (json_array_size(strata) > COHORT_STRATA_MAX)
        return say(why, ERR_INVALID, "strata", "there are more than %u", COHORT_STRATA_MAX);
    read_terms(replay, json_object_get(risk, "terms"), json_array_size(strata));
    for (size_t i = 0; i < json_array_size(strata); i++)
        replay->strata[i].size = number(json_array_get(strata, i), "size");
    replay->cohort_count = (uint32_t)json_array_size(cohorts);
    replay->site_count = number(risk, "sites");
    if (replay->site_count > RISK_SITES_MAX)
        return say(why, ERR_INVALID, "sites", "there are more than %u", RISK_SITES_MAX);
    replay->cohorts = calloc(replay->cohort_count + 1u, sizeof *replay->cohorts);
    replay->sizes = calloc(replay->cohort_count + 1u, sizeof *replay->sizes);
    replay->sites = calloc(replay->site_count + 1u, sizeof *replay->sites);
    CHECK(replay->cohorts && replay->sizes && replay->sites);
    for (uint32_t i = 0; i < replay->cohort_count; i++)
        replay->sizes[i] = number(json_array_get(cohorts, i), "size");
    memory = (struct risk_memory){.cohorts = replay->cohorts,
                                  .cohort_sizes = replay->sizes,
                                  .cohort_count = replay->cohort_count,
                                  .strata = replay->strata,
                                  .kinds = &replay->kind,
                                  .kind_count = 1,
                                  .sites = replay->sites,
                                  .site_count = replay->site_count};
    return risk_start(&replay->risk, &replay->rule, &memory, why);
}

enum err replay_open(const json_t *risk, const json_t *cohorts, struct replay **out,
                     struct why *why)
{
    struct replay *replay = calloc(1, sizeof *replay);
    enum err err;

    CHECK(replay);
    err = start(replay, risk, cohorts, why);
    if (err == ERR_OK)
        *out = replay;
    else
        replay_close(replay);
    return err;
}

void replay_close(struct replay *replay)
{
    if (!replay)
        return;
    free(replay->cohorts);
    free(replay->sizes);
    free(replay->sites);
    free(replay->devices);
    free(replay);
}

/* ---- entries ---- */

/* A device is in the journal from its first question on. */
static struct risk_device *device_of(struct replay *replay, uint32_t device)
{
    uint32_t room = replay->device_room;

    if (device >= DEVICES_MAX)
        return NULL;
    while (room <= device)
        room = room > 0 ? 2 * room : 256;
    if (room > replay->device_room) {
        struct risk_device *more = realloc(replay->devices, room * sizeof *more);

        CHECK(more);
        memset(more + replay->device_room, 0, (room - replay->device_room) * sizeof *more);
        replay->devices = more;
        replay->device_room = room;
    }
    return &replay->devices[device];
}

/* What was known of it, the first time. The engine checks that it makes sense. */
static void describe(struct risk_device *device, const json_t *facts)
{
    const json_t *cohorts = json_object_get(facts, "cohorts"), *due = json_object_get(facts, "due"),
                 *site = json_object_get(facts, "site");
    size_t count = json_array_size(cohorts);

    if (device->cohort_count != 0 || !facts)
        return;
    device->cohort_count = (uint8_t)(count < RISK_COHORTS_OF_ONE ? count : RISK_COHORTS_OF_ONE);
    for (size_t i = 0; i < device->cohort_count; i++)
        device->cohorts[i] = (uint16_t)json_integer_value(json_array_get(cohorts, i));
    device->stratum = (uint8_t)field_int(facts, "stratum");
    device->site = json_is_integer(site) ? number(facts, "site") : RISK_NO_SITE;
    for (size_t i = 0; i < EXPOSURE_RUNGS; i++)
        device->due[i] = (uint16_t)json_integer_value(json_array_get(due, i));
}

static enum err read_entry(const json_t *json, struct risk_entry *out)
{
    const char *hex = field_text(json, "entry");
    uint8_t bytes[RISK_ENTRY_SIZE_MAX];
    size_t size = strlen(hex) / 2;

    if (size > sizeof bytes || !hex_parse(span_of(hex), bytes, size))
        return ERR_CORRUPT;
    return risk_entry_read((struct span){bytes, size}, out);
}

enum err replay_take(struct replay *replay, const json_t *json, struct why *why)
{
    struct risk_device *device = NULL;
    struct risk_entry entry;

    if (field_int(json, "number") != replay->entries + 1)
        return say(why, ERR_CORRUPT, NULL, "an entry is missing");
    if (read_entry(json, &entry) != ERR_OK)
        return say(why, ERR_CORRUPT, NULL, "it is no entry of a journal");
    if (entry.device != RISK_NO_DEVICE) {
        device = device_of(replay, entry.device);
        if (!device)
            return say(why, ERR_CORRUPT, NULL, "there is no device %u", entry.device);
        describe(device, json_object_get(json, "facts"));
    }
    TRY(risk_replay(&replay->risk, &entry, device, why));
    replay->entries++;
    replay->grants += entry.decision.answer == RISK_GRANT;
    return ERR_OK;
}

int64_t replay_entries(const struct replay *replay)
{
    return replay->entries;
}

int64_t replay_grants(const struct replay *replay)
{
    return replay->grants;
}
