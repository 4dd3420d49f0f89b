/* A TUF repository behind HTTP: its metadata for the client of trust/, its targets as streams.
 * One request per file, no other. */
#pragma once

#include "net/http_client.h"
#include "trust/client.h"

struct source;

/* `metadata_url` is where the metadata lies, `target_url` (may be NULL) the targets; a '/' at the
 * end is added to either if it lacks one. */
enum err source_open(const char *metadata_url, const char *target_url, struct source **out,
                     struct why *why) MUST_USE;
void source_close(struct source *source); /* NULL-safe */

/* What trust/client.h asks for. Only the answers 404 and 403 say that there is no such file. */
struct tuf_fetch source_fetch(struct source *source);

/* One target, its bytes to `sink`. `path` is the target's path as the server has it, with a hash
 * in front of its last part if it has one. ERR_NOT_FOUND, ERR_LINK, or as the sink said. */
enum err source_get_target(struct source *source, const char *path, const struct http_sink *sink,
                           struct why *why) MUST_USE;
