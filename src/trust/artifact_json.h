/* What a signer states of a file in the format of another client <-> the `custom` object of its
 * target (docs/spec/trust.md). Agents of ours have no use for it: to them the target is a plain
 * file. */
#pragma once

#include <jansson.h>

#include "base/why.h"
#include "format/release.h"

/* The key in `custom` under which it stands. */
#define ARTIFACT_JSON_KEY "slipway-artifact"

#define ARTIFACT_RUNS_AS_MAX 128u /* bytes of what a device that runs it calls itself */

struct artifact_facts {
    char format[NAME_SIZE_MAX + 1]; /* "swu"; one we do not know is no error */
    char product[NAME_SIZE_MAX + 1];
    char version[VERSION_SIZE_MAX + 1];
    char hardware[HARDWARE_MAX][NAME_SIZE_MAX + 1];
    uint32_t hardware_count; /* 0: any */
    uint32_t security_version;
    enum release_kind kind;
    char part[NAME_SIZE_MAX + 1];           /* of a hawkBit chunk; "": not said */
    char runs_as[ARTIFACT_RUNS_AS_MAX + 1]; /* a Mender artifact_name; "": the version */
};

/* Whether the facts keep the rules; `field`, if not NULL, gets the name of the first that does
 * not. ERR_CORRUPT. */
enum err artifact_facts_check(const struct artifact_facts *facts, const char **field) MUST_USE;

/* From `custom`; unknown fields are ignored. ERR_NOT_FOUND: it has none; ERR_CORRUPT,
 * ERR_TOO_BIG. */
enum err artifact_from_custom(const json_t *custom, struct artifact_facts *out,
                              struct why *why) MUST_USE;

/* A new `custom` object; `facts` pass artifact_facts_check(). Never NULL. */
json_t *artifact_to_custom(const struct artifact_facts *facts);

/* "PRODUCT/VERSION/FILE". ERR_TOO_BIG: longer than TARGET_NAME_SIZE_MAX. */
enum err artifact_target_name(const struct artifact_facts *facts, const char *file,
                              char out[TARGET_NAME_SIZE_MAX + 1], struct why *why) MUST_USE;
