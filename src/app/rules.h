/* What the signers of a tenant state beyond releases (trust/policy.h), as the server obeys it: a
 * blocked image is given to nobody. The statements are read once and again when metadata comes. */
#pragma once

#include "app/app.h"
#include "app/artifacts.h"
#include "trust/policy.h"

/* Never NULL. When the statements cannot be read, the last ones that could count. */
enum err rules_of(struct app *app, int64_t tenant, const struct policy **out) MUST_USE;

/* Why the present statements cannot be read; "": they can. Nothing new is started then. */
const char *rules_trouble(struct app *app, int64_t tenant);

enum err rules_block(struct app *app, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                     bool *blocked) MUST_USE;

/* Whether the image of the release is, or any other file of it. */
enum err rules_block_release(struct app *app, const struct release_row *release,
                             const struct artifacts *artifacts, bool *blocked) MUST_USE;

/* After new targets: halt the rollouts whose release has been withdrawn or blocked, in the same
 * transaction, so that what has not flipped is recalled before anybody can ask for leave. */
enum err rules_enforce(struct app *app, int64_t tenant, struct utc now) MUST_USE;
