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
