/* hawkBit's two APIs against the real stories, for their tests: requests without network, a device,
 * tokens of people, a release and its rollout. */
#pragma once

#include "app/account.h"
#include "app/foreign.h"
#include "app/stage.h"
#include "server/foreign_api.h"

#define TEXT_MAX  65536
#define TOKEN     "0123456789abcdef0123456789abcdef"
#define BYTES     "these bytes stand for an swu file"
#define DEV       "/DEFAULT/controller/v1/dev1"
#define AUTHORITY "default=0a1b2c"

struct world {
    struct stage stage;
    struct foreign_host host;
    char admin[SECRET_SIZE], viewer[SECRET_SIZE];
    uint16_t status;
    char body[16384], etag[64], type[64];
    bool has_blob;
    char text[TEXT_MAX];
};

/* One request; NULL: absent. */
struct asking {
    enum exchange_method method;
    const char *path, *query, *token, *scheme, *type, *accept, *body, *range, *if_none_match;
    const char *device, *authorities; /* of a proxy */
    const char *peer;                 /* common name of our own certificate */
    bool head_only;
    struct exchange *exchange;
};

/* For cmocka; the world checks itself when it is closed. */
int open_world(void **state);
int close_world(void **state);

/* One request in a transaction of its own; the status, and the rest in `world`. */
unsigned ask(struct world *world, struct asking asking);

/* By dev1 with its token. */
unsigned get(struct world *world, const char *path);
unsigned send_json(struct world *world, enum exchange_method method, const char *path,
                   const char *body);

/* By an administrator; the path may have a query. */
unsigned rest(struct world *world, enum exchange_method method, const char *path, const char *body);

/* "admin" and "viewer" of the stage's tenant. */
void make_tokens(struct world *world);

/* With TOKEN. */
void register_device(struct world *world, const char *name);

/* dev1 has polled once, and a rollout brings 2.0. Returns the rollout's id. */
int64_t furnish(struct world *world);
