/* SHA-1 and MD5 side by side. Both are broken: nothing here may decide anything by them. They are
 * what clients of other systems ask for beside SHA-256, and only to be told. */
#pragma once

#include "base/span.h"

#define LEGACY_SHA1_SIZE 20u /* bytes */
#define LEGACY_MD5_SIZE  16u /* bytes */

struct legacy_digest;

/* Never NULL. */
struct legacy_digest *legacy_digest_open(void);
void legacy_digest_update(struct legacy_digest *digest, struct span bytes);

/* Both, of all that was taken in; `digest` is gone. */
void legacy_digest_done(struct legacy_digest *digest, uint8_t sha1[LEGACY_SHA1_SIZE],
                        uint8_t md5[LEGACY_MD5_SIZE]);
