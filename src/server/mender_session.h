/* What Mender's devices show instead of a certificate, and links they may follow without it.
 *
 * Both are texts signed with a key that only this server has (HMAC-SHA256, RFC 2104, under a key
 * derived from the storage key), so nothing is stored for them. A token has the form of a JWT (RFC
 * 7519, HS256) because clients pass it around as one; nobody but us reads it. It names a key of the
 * device, and is worth nothing once an operator rejects that key or the device. A link names the
 * same and a deployment, and dies with it. */
#pragma once

#include "app/app.h"

#define MENDER_TOKEN_SIZE 640u                            /* bytes with NUL */
#define MENDER_LINK_SIZE  512u                            /* of a path and query, with NUL */
#define MENDER_TOKEN_MS   (INT64_C(7) * 24 * 3600 * 1000) /* Mender's own default */
#define MENDER_LINK_MS    (INT64_C(24) * 3600 * 1000)     /* at least so long; */
#define MENDER_LINK_STEP  (INT64_C(12) * 3600 * 1000)     /* the same link for so long */

struct mender_session {
    char tenant[NAME_SIZE_MAX + 1];
    int64_t device, credential;
    struct utc issued, expires;
};

/* ERR_INVALID: this server has no key for it. */
enum err mender_session_make(const struct app *app, const struct mender_session *session,
                             char out[MENDER_TOKEN_SIZE]) MUST_USE;

/* ERR_UNTRUSTED: not made by us, or too old. */
enum err mender_session_read(const struct app *app, struct span token, struct utc now,
                             struct mender_session *out) MUST_USE;

struct mender_link {
    char tenant[NAME_SIZE_MAX + 1];
    int64_t credential;
    uint32_t deployment;
    char file[NAME_SIZE_MAX + 1]; /* of the artifact */
    struct utc expires;
};

/* The end of validity for a link given out now: the same for MENDER_LINK_STEP, so that a client
 * and every cache before it see one address. */
struct utc mender_link_expires(struct utc now);

/* Path and query. */
enum err mender_link_make(const struct app *app, const struct mender_link *link,
                          char out[MENDER_LINK_SIZE]) MUST_USE;
enum err mender_link_read(const struct app *app, struct span path, struct span query,
                          struct utc now, struct mender_link *out) MUST_USE;
