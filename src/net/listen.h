/* Listening sockets. */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "base/why.h"

#define ADDRESS_SIZE_MAX 64u /* bytes of "[ipv6]:port" with NUL */

/* Bind and listen on "ADDRESS:PORT" ("127.0.0.1:8443", "[::]:443", ":8443" = all addresses).
 * Several sockets may share one address; the kernel spreads connections over them. Port 0 takes
 * any free one. Non-blocking. ERR_INVALID: not an address; ERR_CONFLICT: in use; ERR_DENIED.
 *
 * Only a `join`ing socket may share an address that is taken already: without it two servers of
 * one user would silently halve each other's connections. */
enum err listen_open(const char *address, bool join, int *fd, struct why *why) MUST_USE;

/* "ADDRESS:PORT" that the socket is really bound to. */
enum err listen_address(int fd, char to[ADDRESS_SIZE_MAX]) MUST_USE;

/* Only check the form; for -n. */
enum err listen_check(const char *address, struct why *why) MUST_USE;
