/* The compact manifest: release facts for devices that cannot read JSON.
 *
 * It says what the target's `custom` says in the TUF repository (format/release.h), as one CBOR
 * map with a fixed schema, and is the payload of a COSE_Sign (format/cose.h) with MANIFEST_AAD
 * as its external_aad, signed by the keys that sign releases of the product. It is a target of
 * its own, named as the image plus MANIFEST_SUFFIX. There is nothing in it to be executed.
 *
 *     COSE_Sign( { 1: "SWM1", 2: target, 3: product, 4: version, 5: [ hardware ], ... } )
 *
 * Which keys must have signed is format/trust_store.h; whether the release is for this device is
 * agent/accept.h. Annotated bytes: docs/spec/manifest.md. */
#pragma once

#include "base/buf.h"
#include "format/release.h"

#define MANIFEST_AAD         "slipway manifest 1" /* external_aad, without NUL */
#define MANIFEST_SUFFIX      ".manifest"
#define MANIFEST_SIZE_MAX    1024u /* bytes of the signed message */
#define MANIFEST_PAYLOAD_MAX 933u  /* bytes of the payload: room is left for one signature */

/* The bank as a whole (RFC 9124 3.18): the image, then one byte over and over to its end. */
struct manifest_slot {
    bool known;
    uint64_t length; /* bytes; at least those of the image */
    uint8_t fill;
    uint8_t sha256[DIGEST_SIZE]; /* of all of it */
};

struct manifest {
    char target[TARGET_NAME_SIZE_MAX + 1]; /* TUF target name of the image */
    struct release_facts facts;
    struct manifest_slot slot;
};

/* Read a payload. Strict: a key that is not known could be a condition, so it is refused, and so
 * is every other spelling of the same facts. ERR_CORRUPT, ERR_TOO_BIG; `out` is all zero then (a
 * device core has no stack for a second copy). */
enum err manifest_read(struct span payload, struct manifest *out) MUST_USE;

/* Write a payload. ERR_INVALID for what a reader would refuse; ERR_TOO_BIG when it takes more
 * than MANIFEST_PAYLOAD_MAX bytes or does not fit into `out`. */
enum err manifest_write(const struct manifest *manifest, struct buf *out) MUST_USE;
