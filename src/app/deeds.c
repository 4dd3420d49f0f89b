#include "app/deeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "store/account.h"
#include "store/rollout.h"

bool deeds_has_work(const struct device_row *row)
{
    return row->assignment != 0 || row->wanted != 0;
}

static void fill(const struct device_row *row, struct device_presence *out)
{
    *out = (struct device_presence){.status = row->status,
                                    .boot_count = row->boot_count,
                                    .has_work = deeds_has_work(row),
                                    .last_seen = row->last_seen};
    memcpy(out->running, row->running, DIGEST_SIZE);
    memcpy(out->other, row->other, DIGEST_SIZE);
    memcpy(out->inventory, row->inventory, INVENTORY_DIGEST_SIZE);
}

enum err deeds_read_device(struct app *app, struct app_dirty *dirty)
{
    struct certificate_row certificate;
    struct device_row row;
    enum err err = store_device_get(app->db, dirty->tenant, dirty->device, &row);

    if (err == ERR_NOT_FOUND || !app->config.presence.put)
        return ERR_OK;
    TRY(err);
    TRY(store_tenant_name(app->db, dirty->tenant, dirty->tenant_name));
    memcpy(dirty->name, row.name, sizeof dirty->name);
    fill(&row, &dirty->facts);
    err = store_certificate_newest(app->db, dirty->tenant, dirty->device, &certificate);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    if (err == ERR_OK && certificate.revoked.ms == 0)
        memcpy(dirty->facts.fingerprint, certificate.fingerprint, DIGEST_SIZE);
    dirty->found = true;
    return ERR_OK;
}

void deeds_show_device(struct app *app, const struct app_dirty *dirty)
{
    const struct presence_ops *presence = &app->config.presence;

    if (dirty->found)
        presence->put(presence->self, dirty->tenant_name, dirty->name, &dirty->facts);
}

void app_forget(struct app *app, int64_t tenant, const char *device)
{
    const struct presence_ops *presence = &app->config.presence;
    char name[NAME_SIZE_MAX + 1];

    if (presence->remove && store_tenant_name(app->db, tenant, name) == ERR_OK)
        presence->remove(presence->self, name, device);
}

/* Publishes and frees; `json` may be NULL when memory was short. */
static void tell(struct app *app, int64_t tenant, const char *topic, const char *event,
                 json_t *json)
{
    char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (line)
        app_publish(app, tenant, topic, event, line);
    free(line);
    json_decref(json);
}

static json_t *time_of(struct utc now)
{
    char text[UTC_TEXT_SIZE];

    utc_format(now, text);
    return json_string(text);
}

void deeds_tell_rollout(struct app *app, const struct rollout_row *row, struct utc now)
{
    const struct rollout *rollout = &row->rollout;
    char topic[32];
    json_t *json;

    if (!app->config.publish.publish)
        return;
    CHECK(snprintf(topic, sizeof topic, "rollout/%lld", (long long)row->id) > 0);
    json = json_pack("{s:o, s:I, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "at", time_of(now),
                     "id", (json_int_t)row->id, "name", row->name, "state",
                     rollout_state_name(rollout->state), "stage", rollout->stage, "selected",
                     (int)rollout->selected, "waiting",
                     (int)rollout_standing(rollout, STANDING_WAITING), "exposed",
                     (int)rollout_standing(rollout, STANDING_EXPOSED), "good",
                     (int)rollout_standing(rollout, STANDING_GOOD), "failed",
                     (int)rollout_standing(rollout, STANDING_FAILED), "silent",
                     (int)rollout_standing(rollout, STANDING_SILENT));
    tell(app, row->tenant, topic, "rollout", json);
}

void deeds_tell_hold(struct app *app, const struct rollout_row *row, const char *event,
                     const char *cohort, const char *sentence, struct utc now)
{
    char topic[32];
    json_t *json;

    if (!app->config.publish.publish)
        return;
    CHECK(snprintf(topic, sizeof topic, "rollout/%lld", (long long)row->id) > 0);
    json = json_pack("{s:o, s:s, s:s, s:s}", "at", time_of(now), "rollout", row->name, "cohort",
                     cohort, "sentence", sentence);
    tell(app, row->tenant, topic, event, json);
}

void deeds_tell_device(struct app *app, int64_t tenant, const char *device, const char *state,
                       const struct rollout_row *rollout, struct utc now)
{
    char topic[32] = "events";
    json_t *json;

    if (!app->config.publish.publish)
        return;
    json = json_pack("{s:o, s:s, s:s}", "at", time_of(now), "device", device, "state", state);
    if (json && rollout) {
        CHECK(snprintf(topic, sizeof topic, "rollout/%lld", (long long)rollout->id) > 0);
        (void)json_object_set_new(json, "rollout", json_string(rollout->name)); /* or less of it */
    }
    tell(app, tenant, topic, "device", json);
}
