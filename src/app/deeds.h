/* What becomes visible outside the database after a commit. Private to app/. */
#pragma once

#include "app/app.h"

#define TENANT_DEFAULT 1 /* the one that 001_first.sql makes */

/* Tell presence how the device stands now; says nothing when it cannot be read, so that its
 * polls reach the engine. */
void deeds_show_device(struct app *app, int64_t tenant, int64_t device);

/* Something is expected of the device, so its next poll must reach the engine. */
bool deeds_has_work(const struct device_row *row);

/* Publish that a rollout or a device changed. */
struct rollout_row;
void deeds_tell_rollout(struct app *app, const struct rollout_row *row, struct utc now);
void deeds_tell_device(struct app *app, int64_t tenant, const char *device, const char *state,
                       const struct rollout_row *rollout, struct utc now);
