/* The radar: everything that expires, and what breaks when it does. */
#pragma once

#include "app/app.h"
#include "store/expiring.h"

#define EXPIRING_LOW_PERMILLE 250 /* of its life left: now somebody should act */

/* "root", "targets", "delegated", "snapshot", "timestamp", "token", "claim",
 * "device-certificates", "ca-certificate", "server-certificate". */
const char *expiring_kind_name(enum expiring_kind kind);

/* One sentence: what no longer works when it has ended. */
const char *expiring_breaks(enum expiring_kind kind);

/* Whether it is made anew without anybody: such a thing is low only when that fails. */
bool expiring_renews_itself(enum expiring_kind kind);

/* Less than a quarter of its life is left at `now`, or it has ended. */
bool expiring_is_low(const struct expiring_row *row, struct utc now);

/* Once a day, in the tick: what is low goes to the audit log as "trust.expiring" and to live
 * listeners as event "trust.expiring". */
enum err expiring_tell(struct app *app, int64_t tenant, struct utc now) MUST_USE;
