/* Live events on their way to those who listen (server-sent events).
 *
 *   engine: engine_publish() -- after the commit --> one parcel per front -- mailbox --> its
 * readers
 *
 * The engine remembers the last events, so that a reader who was cut off can go on where it was
 * (Last-Event-ID). A reader who has missed more than that, or reads too slowly, is told "lost" and
 * has to look at the whole again.
 *
 * Source: WHATWG HTML, 9.2 server-sent events. */
#pragma once

#include <stdatomic.h>

#include "server/exchange.h"

#define STREAM_HISTORY_MAX   1024u          /* events remembered for readers who come back */
#define STREAM_QUEUE_MAX     (256u * 1024u) /* bytes that may wait for one slow reader */
#define STREAM_EVENT_MAX     (64u * 1024u)  /* bytes of one event's JSON; longer ones are a bug */
#define STREAM_KEEP_ALIVE_MS 15000 /* a comment line so often: proxies cut silent streams */

/* One event, ready to be written to a reader. Shared between threads, immutable. */
struct stream_text {
    atomic_uint references;
    uint64_t id;
    char tenant[NAME_SIZE_MAX + 1];
    char topic[TOPIC_SIZE_MAX + 1];
    size_t size;
    uint8_t bytes[]; /* "id: ...\nevent: ...\ndata: ...\n\n" */
};

/* An event in a front's mailbox. Its first two members are those of struct exchange. */
struct stream_parcel {
    struct mailbox_item item;
    enum exchange_kind kind; /* EXCHANGE_EVENT */
    struct stream_text *text;
};

/* What kind of item came out of a front's mailbox. */
enum exchange_kind stream_kind_of(const struct mailbox_item *item);

/* One reference to begin with. */
struct stream_text *stream_text_open(uint64_t id, const char *tenant, const char *topic,
                                     const char *event, struct span json);
void stream_text_release(struct stream_text *text); /* NULL-safe */

/* Takes a reference of its own. */
struct stream_parcel *stream_parcel_open(struct stream_text *text);
void stream_parcel_close(struct stream_parcel *parcel);

/* Whether a reader of `topic` within `tenant` gets this event: "events" gets all but the audit
 * log's. */
bool stream_wants(const char *tenant, const char *topic, const struct stream_text *text);

/* The engine's memory of events that are committed. */
struct stream_history {
    struct stream_text *texts[STREAM_HISTORY_MAX];
    size_t count, next;
};

void stream_history_add(struct stream_history *history, struct stream_text *text);
void stream_history_close(struct stream_history *history);

/* Append to a new stream's reply what it has missed since its Last-Event-ID; "lost" when that is
 * too long ago. */
void stream_history_replay(const struct stream_history *history, struct exchange *exchange);

#define STREAM_LOST "event: lost\ndata: {}\n\n"
