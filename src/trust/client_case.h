/* What every test of the client begins with: a forge, a folder, a client provisioned with the
 * forge's first root. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trust/forge.h"

struct client_case {
    struct forge *forge;
    struct tuf_client *client;
    char dir[64];
    struct utc now;
    struct why why; /* of the last refresh */
};

/* cmocka's set-up and tear-down. */
int client_case_open(void **state);
int client_case_close(void **state);

/* Refresh, with the log of requests begun anew. */
enum err client_case_refresh(struct client_case *it);

/* As above by a new client over the same folder, as after a restart. */
enum err client_case_restart(struct client_case *it);

/* The version of what is stored, 0 when nothing is. */
uint64_t client_case_stored(const struct client_case *it, enum tuf_role role);

/* Both of: how the refresh ends, and which names it asked for. */
void assert_refresh(struct client_case *it, enum err expected, const char *requests);

/* Stored versions of root, timestamp, snapshot, targets as one text: "1 1 1 1", "-" for none. */
void assert_stored(const struct client_case *it, const char *versions);

/* A refresh that fails, for a reason that has `part` in it, leaving these versions stored. */
void assert_refused(struct client_case *it, enum err expected, const char *part,
                    const char *versions);
