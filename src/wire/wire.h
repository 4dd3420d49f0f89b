/* One device protocol. To add one: write wire/NAME.c, its golden transcripts in
 * tests/wire/NAME/ and one line in wire/registry.c. Wires only translate: they keep no state and
 * know nothing of rollouts, stores or clocks. */
#pragma once

#include "wire/call.h"
#include "wire/message.h"

struct wire {
    const char *name; /* "native", as in configuration, logs and metrics */

    /* Whether this message is ours, by path or topic alone. */
    bool (*claims)(const struct message *in);

    /* Message to call. ERR_NOT_FOUND: no such question; ERR_INVALID: not with this method;
     * ERR_CORRUPT: nonsense in the body; ERR_TOO_BIG: past a limit. No side effects. */
    enum err (*decode)(const struct message *in, struct call *out);

    /* Answer to message: status, headers and a body written into `room`. ERR_TOO_BIG when it
     * does not fit. No side effects. */
    enum err (*encode)(const struct call *call, const struct answer *answer, struct buf *room,
                       struct message *out);
};

extern const struct wire wire_native;

/* The wire that claims the message, or NULL. */
const struct wire *wire_of(const struct message *in);
