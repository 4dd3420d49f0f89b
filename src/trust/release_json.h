/* Release facts <-> the `custom` object of a TUF target (docs/spec/trust.md). */
#pragma once

#include <jansson.h>

#include "base/why.h"
#include "format/release.h"

/* The key in `custom` under which the facts stand. */
#define RELEASE_JSON_KEY "slipway"

/* From `custom`; unknown fields are ignored. ERR_NOT_FOUND: has no facts (nothing is wrong: a
 * chunk list has none). ERR_CORRUPT, ERR_TOO_BIG: has bad ones; `why` names the field. */
enum err release_from_custom(const json_t *custom, struct release_facts *out,
                             struct why *why) MUST_USE;

/* A new `custom` object; `facts` pass release_facts_check(). Never NULL. */
json_t *release_to_custom(const struct release_facts *facts);

/* The facts alone, without the key around them: for answers of an API. Never NULL. */
json_t *release_to_json(const struct release_facts *facts);

/* "PRODUCT/VERSION/FILE". ERR_TOO_BIG: longer than TARGET_NAME_SIZE_MAX. */
enum err release_target_name(const struct release_facts *facts, const char *file,
                             char out[TARGET_NAME_SIZE_MAX + 1], struct why *why) MUST_USE;
