/* A server without network, threads and time, for tests of the management API: a database and
 * blobs in a temporary directory, a small fleet, tokens of every role, and ask(). */
#pragma once

#include <jansson.h>

#include "app/app.h"
#include "crypto/key.h"
#include "fleet/access.h"
#include "server/api.h"
#include "server/api_call.h"
#include "server/stats.h"

#define WORLD_DEVICES 25u /* pump-01 .. pump-25; hw "a" up to pump-20, "b" after; site by turns */

struct world {
    char dir[64];
    struct db *db;
    struct blobs *blobs;
    struct key *snapshot_key, *timestamp_key, *audit_key;
    struct app app;
    struct api *api;
    struct stats stats;
    struct utc now;
    char secrets[ROLE_COUNT][SECRET_SIZE]; /* tokens "viewer", "operator", ... */
    char blob[DIGEST_HEX_SIZE];            /* digest of pump 1.1.0, which is there */
    /* the last answer */
    uint16_t status;
    char content_type[64];
    char *body; /* with NUL */
    size_t body_size;
    char etag[64], topic[TOPIC_SIZE_MAX + 1], topic_tenant[NAME_SIZE_MAX + 1];
    bool replayed, has_blob;
    uint32_t pages;                             /* it came in, but for the last */
    void (*between_pages)(struct world *world); /* NULL: nothing happens there */
};

struct question {
    enum exchange_method method;
    const char *path;   /* with query */
    const char *secret; /* NULL: no token */
    struct span body;
    const char *content_type; /* NULL: application/json when there is a body */
    const char *idempotency_key, *if_match;
    struct upload upload;
    enum exchange_kind kind;
};

struct world *world_open(void);
void world_close(struct world *world);

/* One request in a transaction of its own, as the engine would run it. Returns the status. */
unsigned world_ask(struct world *world, const struct question *question);

/* Shorter: as admin, JSON body or NULL. */
unsigned ask(struct world *world, enum exchange_method method, const char *path, const char *body);
unsigned ask_as(struct world *world, enum role role, enum exchange_method method, const char *path,
                const char *body);

/* The last answer's body; fails the test when it is not JSON. A new reference. */
json_t *world_json(const struct world *world);

/* SHA-256 over all rows of all tables, in hex; without those of last uses, and on demand without
 * those of the audit log. */
void world_fingerprint(struct world *world, bool with_audit, char out[DIGEST_HEX_SIZE]);

/* Whether any row of any table holds this text. */
bool world_holds(struct world *world, const char *text);

/* The newest entry of the audit log. A new reference. */
json_t *world_last_audit(struct world *world);
