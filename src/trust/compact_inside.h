/* The inside of trust/compact.h: what compact.c and compact_store.c share. */
#pragma once

#include "trust/compact.h"

/* Make `payload` that of `compact`, which is a draft then. ERR_CORRUPT: it is none. */
enum err compact_take_payload(struct compact *compact, const struct buf *payload) MUST_USE;

/* How many of these keys, all different, have signed. */
uint32_t compact_signatures(const struct compact *compact, const struct verify_key *keys,
                            uint32_t count);

/* compact_count() of a trust store, but for `complete`. */
enum err compact_count_store(const char *dir, const struct compact *compact,
                             struct repository_signing *out, struct why *why) MUST_USE;
