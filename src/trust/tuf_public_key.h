/* Keys of metadata, to verify with: any of the kinds in use (crypto/public_key.h), in the spelling
 * of today's repositories and of older ones. trust/tuf_key.h has the two kinds that we sign with.
 *
 * A key object stands under its id, the SHA-256 of its canonical JSON (TUF 1.0.34, 4.2). Some
 * writers make that id before they add fields of their own; so an id that is right for keytype,
 * scheme and keyval alone is right, too. */
#pragma once

#include <jansson.h>

#include "crypto/public_key.h"

/* From a key object. ERR_INVALID: a keytype or scheme we do not know; ERR_CORRUPT: not what it
 * says it is; ERR_CONFLICT: not the key of that id. Such a key counts as one that has not signed;
 * the metadata that names it stays good. */
enum err tuf_public_key_read(const json_t *json, const char *id, struct public_key **out,
                             struct why *why) MUST_USE;
