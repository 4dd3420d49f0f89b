/* Metadata being written: the JSON before it becomes bytes that somebody reads and trusts. */
#pragma once

#include <jansson.h>

#include "base/time.h"
#include "crypto/key.h"
#include "trust/metadata.h"

#define TUF_SPEC_VERSION "1.0.34" /* what we write; see trust/metadata.h for what we read */

/* {"signatures": [], "signed": {_type, spec_version, version, expires}}; never NULL. */
json_t *tuf_envelope_new(enum tuf_role role, uint64_t version, struct utc expires);

/* A copy of what was read, without its signatures, to be changed; never NULL. */
json_t *tuf_envelope_of(const struct tuf_metadata *metadata);

/* The part to fill in; borrowed. */
json_t *tuf_envelope_signed(json_t *envelope);

void tuf_envelope_set_version(json_t *envelope, uint64_t version);
void tuf_envelope_set_expires(json_t *envelope, struct utc expires);

/* Add the signature by `key` under the id `keyid`, in place of an older one by that id. */
enum err tuf_envelope_sign(json_t *envelope, const struct key *key, const char *keyid,
                           struct why *why) MUST_USE;

/* The file; what tuf_metadata_read() reads. */
struct tuf_bytes tuf_envelope_bytes(const json_t *envelope);

/* {"length", "hashes": {"sha256"}} of bytes, plus "version" when it is not 0; never NULL. */
json_t *tuf_file_to_json(struct span bytes, uint64_t version);
