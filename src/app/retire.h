/* What nobody needs any more goes: orphan blobs, old replies, certificates long expired, and
 * snapshots that no device will ask for. Private to app/. */
#pragma once

#include "app/app.h"

/* Does nothing until the next hour has come. */
enum err retire(struct app *app, struct utc now) MUST_USE;
