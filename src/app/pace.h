/* How often each of many may do something: a bucket for each key in a table of fixed size.
 *
 * A key that falls onto the place of another takes it, with a full bucket: memory is bounded, and
 * whoever finds such a pair gains a few requests. Losing all of it at a restart costs nothing. */
#pragma once

#include "base/bucket.h"

#define PACE_PLACES 4096u

struct pace;

/* Never NULL. Each key has `burst` at once, then one every `every_ms`. */
struct pace *pace_open(uint32_t burst, int64_t every_ms);
void pace_close(struct pace *pace); /* NULL-safe */

/* Take one of the key's; false when it has none left. Keys are not 0. */
bool pace_take(struct pace *pace, uint64_t key, struct utc now) MUST_USE;

/* Note from where the key was used: whether that is another place than the last one remembered. */
bool pace_moved(struct pace *pace, uint64_t key, const char *from) MUST_USE;
