/* Where the engine meets the stories: its operations, filled from app/, device_api and api. */
#pragma once

#include "app/app.h"
#include "server/api.h"
#include "server/engine.h"
#include "server/foreign_api.h"
#include "server/passes.h"
#include "server/pki.h"
#include "server/presence.h"
#include "server/shelf.h"
#include "server/stats.h"

/* Everything is borrowed. */
struct stories {
    struct app *app;
    struct api *api;
    struct engine *engine; /* set before anything is published */
    struct pki *pki;
    struct presence *presence;
    struct shelf *shelf;
    struct passes *passes;
    struct stats *stats;
    struct foreign_host foreign;
};

/* Tell the fronts which tokens are in force; by itself after a batch that changed one. */
enum err stories_load_passes(struct stories *stories, struct utc now, struct why *why) MUST_USE;

struct engine_ops stories_engine_ops(struct stories *stories);

/* What app/ needs of the server. */
struct presence_ops stories_presence_ops(struct stories *stories);
struct publish_ops stories_publish_ops(struct stories *stories);
struct shelf_ops stories_shelf_ops(struct stories *stories);
struct issuer_ops stories_issuer_ops(struct stories *stories);
