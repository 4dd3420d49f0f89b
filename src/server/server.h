/* The whole server but for options, signals and the service manager: what main() starts and tests
 * can start too.
 *
 *   server_open   directories, lock, keys, CA, database, memory, sockets    (first start: makes
 * them) server_start  the engine's thread and the fronts' server_stop   fronts finish what is under
 * way, then the engine, then the files */
#pragma once

#include "server/settings.h"

struct server;

/* `settings` and `log` outlive the server. ERR_CONFLICT: the data directory or the address is in
 * use. */
enum err server_open(const struct settings *settings, const struct log *log, struct utc now,
                     struct server **out, struct why *why) MUST_USE;
enum err server_start(struct server *server, struct why *why) MUST_USE;

/* "ADDRESS:PORT" it listens on; lives with the server. */
const char *server_address(const struct server *server);

/* Transactions done so far: a watchdog sees by it that the engine lives. */
int64_t server_heartbeat(const struct server *server);

void server_stop(struct server *server);

/* NULL-safe; stops it first if need be. */
void server_close(struct server *server);
