/* Keys as TUF metadata writes them: a JSON object, named by the SHA-256 of its canonical form.
 * Source: TUF 1.0.34, chapter 4.2. */
#pragma once

#include <jansson.h>

#include "base/limits.h"
#include "crypto/key.h"

/* From a key object of metadata. ERR_CORRUPT: malformed; ERR_INVALID: a key type or scheme that
 * we do not use (others may: such a key is skipped, not an error of the metadata). */
enum err tuf_key_from_json(const json_t *json, struct key **out, struct why *why) MUST_USE;

/* The public half; a new reference, never NULL. */
json_t *tuf_key_to_json(const struct key *key);

/* The key id of an object as it stands, unknown fields included: 64 hex digits. */
enum err tuf_key_id_of_json(const json_t *json, char id[DIGEST_HEX_SIZE], struct why *why) MUST_USE;

/* The key id our own form of the key has. */
void tuf_key_id(const struct key *key, char id[DIGEST_HEX_SIZE]);

/* From a file in any form in use: PEM private, encrypted or not, PEM public, or the JSON object.
 * `ask` may be NULL; ERR_DENIED as key_load_asking(). */
enum err tuf_key_load(const char *path, const struct key_ask *ask, struct key **out,
                      struct why *why) MUST_USE;
