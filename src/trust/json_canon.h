/* Strict JSON, and its canonical form over which signatures are made.
 *
 * What is signed must mean the same to everybody, so reading refuses what parsers disagree
 * about: duplicate keys, NUL characters, numbers that are not 64-bit integers, bytes after the
 * value, nesting deeper than JSON_DEPTH_MAX.
 *
 * Canonical form ("OLPC canonical JSON", TUF 1.0.34, chapter 4.1.1): keys sorted by code point,
 * no white space, only `"` and `\` escaped, all other characters as they are, integers only. */
#pragma once

#include <jansson.h>

#include "base/why.h"
#include "trust/tuf_bytes.h"

#define JSON_DEPTH_MAX 32u /* nested arrays and objects; TUF metadata needs 6 */

/* ERR_CORRUPT with the place in `why`. `out` is a new reference. */
enum err json_read(struct span text, json_t **out, struct why *why) MUST_USE;

/* ERR_CORRUPT: holds a real number or nests too deep. */
enum err json_canonical(const json_t *json, struct tuf_bytes *out, struct why *why) MUST_USE;
