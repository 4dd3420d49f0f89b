/* Protocols of other people's clients, as far as they come over HTTP: which paths are theirs, and
 * how large what they send may be. To add one: its file, and one line in foreign_api.c.
 *
 * Their devices have no certificate of ours; what they show is judged by their handler in the
 * engine. Until then they are strangers: their bodies come out of the strangers' memory, and an
 * address may fail as often as attempts.h says (answers 401 and 403 count). */
#pragma once

#include "app/app.h"
#include "server/exchange.h"

struct mender_keys;

/* What their handlers are given. Everything is borrowed. */
struct foreign_host {
    struct app *app;
    const char *const *authorities; /* "TENANT=HASH": issuers a trusted proxy may name */
    size_t authorities_count;
    const struct mender_keys
        *artifact_keys; /* of artifact/mender.h; NULL: signatures are not asked */
};

struct foreign_api {
    const char *name;

    /* Whether this path is theirs. Any thread. */
    bool (*claims)(struct span path);

    /* Bytes that the body of such a request may have; 0: none. Any thread. */
    size_t (*body_max)(enum exchange_method method, struct span path);

    /* Whether the body goes to a file (EXCHANGE_UPLOAD_BEGIN comes first, and is answered with
     * status 100 to let it in); NULL: never. Any thread. */
    bool (*uploads)(enum exchange_method method, struct span path);

    /* The engine's: like device_handle(). Always writes a reply. */
    enum err (*handle)(const struct foreign_host *host, struct exchange *exchange);
};

/* NULL: the path is ours, or nobody's. */
const struct foreign_api *foreign_api_of(struct span path);

/* "https://HOST" as the client knows us, from what it or a trusted proxy says. ERR_INVALID: that
 * is no host; ERR_TOO_BIG. */
#define FOREIGN_ORIGIN_SIZE 280u
enum err foreign_origin(const struct exchange *exchange, char to[FOREIGN_ORIGIN_SIZE]) MUST_USE;
