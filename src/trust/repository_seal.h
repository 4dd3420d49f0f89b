/* Sealed images in a repository: the plain one is read twice, once for its digest, which the
 * payload key depends on, and once to be encrypted. No copy of it is left anywhere. */
#pragma once

#include "base/why.h"
#include "format/release.h"
#include "trust/tuf_bytes.h"

/* Write the image `path` sealed by `facts->sealed.alg` to `to`, which is on disk then, make or
 * find its content key (trust/content_key.h), and fill in what is measured: length, digests,
 * chunk list, the rest of `sealed`. `chunks` is the caller's. ERR_CONFLICT: the image changed
 * while it was read. */
enum err repository_seal_image(const char *dir, const char *path, const char *to,
                               struct release_facts *facts, struct tuf_bytes *chunks,
                               struct why *why) MUST_USE;
