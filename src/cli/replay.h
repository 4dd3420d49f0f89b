/* The journal of a rollout's judge, computed again from what the server hands out: with the same
 * engine, here, so that nobody has to take the server's word for it. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/why.h"

struct replay;

/* Begin with what GET .../risk and all of GET .../cohorts say. ERR_INVALID when that makes no
 * engine. */
enum err replay_open(const json_t *risk, const json_t *cohorts, struct replay **out,
                     struct why *why) MUST_USE;

/* One entry of GET .../journal, in order. ERR_CONFLICT: the decision comes out otherwise;
 * ERR_CORRUPT: it is no entry. `why` says what differs. */
enum err replay_take(struct replay *replay, const json_t *entry, struct why *why) MUST_USE;

/* Entries so far, and leave given among them. */
int64_t replay_entries(const struct replay *replay);
int64_t replay_grants(const struct replay *replay);

/* NULL-safe. */
void replay_close(struct replay *replay);
