/* The inside of struct tuf_metadata, for the files that implement trust/metadata.h. */
#pragma once

#include "trust/metadata.h"

struct tuf_metadata {
    enum tuf_role role;
    uint64_t version;
    struct utc expires;
    json_t *json;               /* the whole file */
    const json_t *signed_part;  /* of `json` */
    const json_t *signatures;   /* of `json` */
    struct tuf_bytes canonical; /* of the signed part: what signatures are over */
    struct tuf_bytes bytes;     /* as received */
};

/* Length and hashes of one entry; `with_version` for those of timestamp and snapshot. */
enum err tuf_file_from_json(const json_t *json, bool with_version, struct tuf_file *out,
                            struct why *why) MUST_USE;

/* A whole number that is at least `min`. */
bool tuf_number(const json_t *object, const char *key, int64_t min, uint64_t *out) MUST_USE;

/* Whether `array` holds different strings, or objects whose strings `key` are different. */
bool tuf_all_different(const json_t *array, const char *key) MUST_USE;

/* Key objects by their ids. */
enum err tuf_check_keys(const json_t *keys, struct why *why) MUST_USE;

/* `keyids` and `threshold` of a role, wherever it is named. */
enum err tuf_check_authority(const json_t *json, const char *role, struct why *why) MUST_USE;

/* The whole of `delegations`. */
enum err tuf_check_delegations(const json_t *delegations, struct why *why) MUST_USE;
