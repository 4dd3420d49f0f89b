/* The way in for devices that cannot read JSON: from a trust store, a compact manifest and a signed
 * assignment to the evidence that the accept rule judges by (agent/accept.h). What trust/ and the
 * host of the agent do on Linux, in one call, without allocation, on any core.
 *
 *     trust store   (format/trust_store.h, opened at start)  --.
 *     manifest      (format/manifest.h, COSE_Sign)             --+--> evidence --> accept_judge()
 *     assignment    (format/mandate.h, COSE_Sign1)           --'
 *
 * It decides nothing: what is not good is said in the evidence, and the rule has a reason for
 * each. The payload of a manifest is not looked at before its signatures are good. */
#pragma once

#include "agent/accept.h"
#include "format/manifest.h"
#include "format/trust_store.h"

#define MANIFEST_DOOR_ROOM_SIZE 1024u /* bytes: to-be-signed bytes of the largest message */

struct manifest_door {
    const struct trust_store *store;
    const char *product; /* of this device: says whose signatures count */
    const struct verify *verify;
    void *room; /* MANIFEST_DOOR_ROOM_SIZE bytes, for the time of a call */
    size_t room_size;
};

/* The facts in a signed manifest. ERR_CORRUPT, ERR_TOO_BIG: malformed; ERR_NOT_FOUND: the store
 * names nobody for the product; ERR_UNTRUSTED: too few of those have signed. `out` is all zero on
 * failure. */
enum err manifest_door_facts(const struct manifest_door *door, struct span manifest,
                             struct manifest *out) MUST_USE;

/* What comes with an answer, as bytes; the assignment may be empty. */
struct manifest_door_input {
    struct span manifest, assignment;
    struct utc now;   /* the time to judge by */
    bool nonce_known; /* the poll had one */
    const uint8_t *nonce;
};

/* Fill in `out` for an event AGENT_EV_FACTS. It borrows from the store, from `facts`, which gets
 * what the manifest says, and from the input. */
void manifest_door_open(const struct manifest_door *door, const struct manifest_door_input *in,
                        struct manifest *facts, struct accept_evidence *out);
