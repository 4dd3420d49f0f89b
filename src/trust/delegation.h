/* Delegations: what targets metadata says of other roles that may list targets in its stead.
 *
 *   targets --"camera/?.bin"--> camera-team --"camera/b.bin"--> beta
 *
 * A delegator names, in the order in which they are asked, roles, the keys and the threshold that
 * hold for each (struct tuf_authority), and the target paths each is for: patterns
 * (trust/path_pattern.h), prefixes of the SHA-256 of the path, or, in the succinct form of TAP 15,
 * a bin of 2^N by the first N bits of that digest. A terminating delegation is the last word for
 * the paths it covers.
 *
 * Reading targets (trust/metadata.h) has checked the form of all of them. Sources: TUF 1.0.34,
 * 4.5 and 5.6.7; TAP 15. */
#pragma once

#include "trust/metadata.h"

#define TUF_ROLE_NAME_SIZE_MAX 240u /* bytes of a delegated role's name: quoted, a file name */

struct tuf_delegation {
    char role[TUF_ROLE_NAME_SIZE_MAX + 1];
    struct tuf_authority authority; /* borrowed from the delegator */
    bool terminating;
};

/* The first delegation at or behind `*at` (0 at first) that is for the path `target`, or any if
 * `target` is NULL (but none of more than 65,536 bins); `*at` moves behind it. False: there is
 * none. */
bool tuf_delegation_next(const struct tuf_metadata *targets, const char *target, uint64_t *at,
                         struct tuf_delegation *out) MUST_USE;

/* The delegation to a role of that name. */
bool tuf_delegation_to(const struct tuf_metadata *targets, const char *role,
                       struct tuf_delegation *out) MUST_USE;

/* "ROLE.json" or, when `version` is not 0, "VERSION.ROLE.json", with the role's name
 * percent-encoded whole, '/' too: as its file is called on a server and in a client's folder.
 * False: too long. */
bool tuf_role_file_name(const char *role, uint64_t version, char out[TUF_FILE_NAME_SIZE]) MUST_USE;
