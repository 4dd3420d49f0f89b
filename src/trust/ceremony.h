/* Signing on a machine that has nothing but a key: no repository, no network.
 *
 *   repository --prepare--> PREPARED --(carried)--> sign --> SIGNATURE --(carried)--> assemble
 *
 * PREPARED is one JSON file: the canonical bytes to sign, exactly; the version before, to tell the
 * difference; and the rules by which keys have a say. The summary that a signer reads is made of
 * the bytes to sign, on the signer's machine, never taken from the file. Who does not believe the
 * file's version before brings a copy of their own. SIGNATURE names the digest of what it is over,
 * so that it fits nothing else. Formats: docs/spec/trust.md. */
#pragma once

#include <stdio.h>

#include "trust/repository.h"

#define CEREMONY_PREPARED_SIZE_MAX  (4u * METADATA_SIZE_MAX) /* bytes: two versions, quoted */
#define CEREMONY_SIGNATURE_SIZE_MAX 65536u                   /* bytes */

struct ceremony;

/* PREPARED for what is staged. ERR_NOT_FOUND: nothing is. */
enum err ceremony_prepare(const char *dir, const char *role, struct tuf_bytes *out,
                          struct why *why) MUST_USE;

/* ERR_CORRUPT, ERR_TOO_BIG: not such a file, or its parts do not fit together. */
enum err ceremony_read(struct span prepared, struct ceremony **out, struct why *why) MUST_USE;
void ceremony_close(struct ceremony *ceremony); /* NULL-safe */

/* Compare with this version, a metadata file, instead of the one in PREPARED. ERR_CORRUPT: not
 * metadata of that kind; ERR_CONFLICT: not the version right before. */
enum err ceremony_compare_with(struct ceremony *ceremony, struct span before,
                               struct why *why) MUST_USE;

const char *ceremony_role(const struct ceremony *ceremony);
uint64_t ceremony_version(const struct ceremony *ceremony);

/* For people: version, expiry, roles, keys, thresholds and targets, with what is new, gone or
 * changed since the version before, and the digest of the bytes to sign. */
void ceremony_summary(const struct ceremony *ceremony, FILE *to);

/* SIGNATURE by a private key. ERR_UNTRUSTED: no rule names it; else as key_sign(). */
enum err ceremony_sign(const struct ceremony *ceremony, const struct key *key,
                       struct tuf_bytes *out, struct why *why) MUST_USE;

/* Add a SIGNATURE, which must be of the root or must not be, to what is staged, which becomes
 * current with the last one that is needed. `role` and `out` tell what it was for. ERR_INVALID: of
 * the other sort; ERR_CONFLICT: it is over other bytes than are staged now; ERR_UNTRUSTED: not by a
 * key that has a say, or not valid; ERR_NOT_FOUND: nothing is staged. */
enum err ceremony_assemble(const char *dir, bool root, struct span signature,
                           char role[REPOSITORY_NAME_SIZE], struct repository_signing *out,
                           struct why *why) MUST_USE;
