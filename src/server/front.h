/* One front thread: connections, TLS, HTTP, and what can be answered without the engine.
 *
 *   quiet poll, metadata of an active device, blob of an active device   -> from memory or file
 *   PUT of a blob      -> engine: may it?  -> streamed to a temporary file -> engine: take it
 *   everything else    -> engine           -> reply
 *
 * It decides nothing about rollouts; what it does not know for certain it asks. */
#pragma once

#include "base/prng.h"
#include "net/http_server.h"
#include "server/attempts.h"
#include "server/engine.h"
#include "server/passes.h"
#include "server/presence.h"
#include "server/shelf.h"
#include "server/stats.h"
#include "server/stream.h"

/* Bytes of bodies of devices that want to enrol, at one time and on one front: they have proved
 * nothing, so they share this and nothing of what the others have. One address can hold only about
 * a tenth of it, see attempts.h. */
#define STRANGER_BODIES_MAX (2048u * MESSAGE_SIZE_MAX)

#define FRONT_EVENTS_MAX 8192u /* that wait for a front, which may be busy writing to a disk */
#define FRONT_READERS_MAX \
    256u /* event streams of one front: each may have STREAM_QUEUE_MAX waiting */

struct front;

/* Where blobs are. Called from front threads at the same time. */
struct front_blobs {
    const void *self;
    enum err (*open)(const void *self, const uint8_t sha256[DIGEST_SIZE], int *fd, uint64_t *size);
    const char *upload_directory; /* temporary files of uploads, on the same file system */
};

struct front_config {
    const char *address;    /* to listen on */
    bool join;              /* another front of this server listens there already */
    struct tls_server *tls; /* shared by all fronts; NULL: plain HTTP, for tests */
    struct http_limits limits;
    uint64_t upload_max;          /* bytes of one uploaded blob */
    uint64_t bodies_max;          /* bytes of request bodies in memory at one time */
    uint32_t poll_interval_s;     /* devices are told so, with jitter */
    uint32_t poll_jitter_percent; /* of it, in both directions */
    const char *const *proxies;   /* addresses whose word on certificates is believed */
    size_t proxies_count;
    int64_t gap_ms; /* a device that was silent longer goes to the engine */
    struct front_blobs blobs;
    struct presence *presence;
    struct shelf *shelf;
    struct passes *passes;
    struct attempts *attempts;
    struct stats *stats;
    const struct log *log;
};

/* Binds the address. */
enum err front_open(const struct front_config *config, struct front **out,
                    struct why *why) MUST_USE;

/* "ADDRESS:PORT" it is bound to; lives with the front. */
const char *front_address(const struct front *front);

/* Begin to serve, in a thread of its own. */
enum err front_start(struct front *front, struct engine *engine, struct why *why) MUST_USE;

/* Replies, from the engine: no more than there are requests. Any thread. */
void front_deliver(struct front *front, struct mailbox_item *item);

/* An event for its readers; takes a reference of its own. When FRONT_EVENTS_MAX wait already, the
 * readers lose it, as by front_lose_events(). Any thread. */
void front_deliver_event(struct front *front, struct stream_text *text);

/* There was something that cannot be told: end every stream with "lost", soon. Any thread. */
void front_lose_events(struct front *front);

/* Take no new connections, finish requests under way for at most `patience_ms`, and end the
 * thread. The engine must still run. front_drain() only asks, front_join() waits: ask all first. */
void front_drain(struct front *front, int64_t patience_ms);
void front_join(struct front *front);

/* After the thread has ended, and the engine too. NULL-safe. */
void front_close(struct front *front);
