/* What becomes visible outside the database after a commit. Private to app/. */
#pragma once

#include "app/app.h"

#define TENANT_DEFAULT 1 /* the one that 001_first.sql makes */

/* Read how the device stands, in the transaction that changed it; then, after the commit, tell
 * presence. A device that is gone is not found, and not told of. */
enum err deeds_read_device(struct app *app, struct app_dirty *dirty) MUST_USE;
void deeds_show_device(struct app *app, const struct app_dirty *dirty);

/* Something is expected of the device, so its next poll must reach the engine. */
bool deeds_has_work(const struct device_row *row);

/* Publish that a rollout or a device changed. */
struct rollout_row;
void deeds_tell_rollout(struct app *app, const struct rollout_row *row, struct utc now);
/* A cohort is held, or a person lifts the hold: `event` is "hold" or "lift". */
void deeds_tell_hold(struct app *app, const struct rollout_row *row, const char *event,
                     const char *cohort, const char *sentence, struct utc now);
void deeds_tell_device(struct app *app, int64_t tenant, const char *device, const char *state,
                       const struct rollout_row *rollout, struct utc now);
