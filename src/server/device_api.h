/* The device side of the server: an exchange becomes a call (wire/), the call a story (app/), the
 * story's answer a reply. Translation and nothing else. */
#pragma once

#include "app/app.h"
#include "server/exchange.h"

/* For every path that a wire claims. Always writes a reply; anything but ERR_OK means that the
 * savepoint must be undone. */
enum err device_handle(struct app *app, struct exchange *exchange) MUST_USE;
