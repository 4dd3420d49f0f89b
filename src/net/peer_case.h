/* The other side of a plain connection, for tests of servers: blocking, with five seconds of
 * patience. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/types.h"

/* Connect to the port on this machine. The descriptor is the caller's. */
int peer_dial(uint16_t port);

void say_text(int fd, const char *text);

/* Read until `want` has been seen, or to the end of the stream. The text so far is returned. */
const char *hear(int fd, const char *want, char *to, size_t size);

/* Whether the server closes without a word (or after what was read before). */
bool is_closed(int fd);
