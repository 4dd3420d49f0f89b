/* How devices of Mender get in: they show an identity and sign with a key, and an operator accepts
 * the pair. What they do then are the stories of app/foreign.h. */
#pragma once

#include "app/foreign.h"

#define MENDER_PROOFS_BURST    20u  /* requests of one key at once, */
#define MENDER_PROOFS_EVERY_MS 2000 /* then so often: a client asks twice in a round */

#define SESSION_BURST    120u /* requests of one session at once, */
#define SESSION_EVERY_MS 500  /* then so often: Mender itself allows 30 a minute */

struct mender_proof {
    struct span tenant;   /* as the device names it; unknown: the default one */
    struct span identity; /* JSON with sorted keys */
    struct span key;      /* DER; the caller has verified the signature by it */
    const char *address;
};

/* Fills `call` (device, foreign, credential). *accepted: it may have a session; otherwise it waits
 * for an operator, or has been rejected, and *why says which. A device or key that nobody has seen
 * is entered as pending. ERR_AGAIN: too many wait, or this key asks too often. */
enum err mender_authenticate(struct app *app, const struct mender_proof *proof, struct utc now,
                             struct foreign_call *call, bool *accepted, struct why *why) MUST_USE;

/* How an identity is kept: itself when it fits, else its digest. */
void mender_external(struct span identity, char out[FOREIGN_ID_SIZE_MAX + 1]);

/* An Artifact that came in through Mender's management API and has been checked: a file of the
 * release MENDER@its name, which is made when there is none. */
struct mender_upload {
    int64_t tenant;
    const char *product;
    const char *name;     /* artifact_name */
    const char *hardware; /* device types with one space between */
    uint64_t size;
    uint8_t sha256[DIGEST_SIZE]; /* the blob is there and the tenant's */
    const char *actor;
};

/* ERR_CONFLICT: the same name and device types exist, or a release of that name is signed. */
enum err mender_release_add(struct app *app, const struct mender_upload *upload, struct utc now,
                            struct artifact_row *out, struct why *why) MUST_USE;

/* The version of a release for such a name: itself where it may be, else cut, with a digest. */
void mender_version(const char *name, char out[VERSION_SIZE_MAX + 1]);

/* A device that an operator lets in before it comes. */
struct mender_invitation {
    int64_t tenant;
    struct span identity; /* JSON with sorted keys */
    struct span key;      /* DER */
    const char *actor;
};

/* ERR_CONFLICT: the device exists. */
enum err mender_preauthorize(struct app *app, const struct mender_invitation *invitation,
                             struct utc now, int64_t *device, struct why *why) MUST_USE;
