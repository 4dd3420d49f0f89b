/* The readers of event streams on one front. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "crypto/sha256.h"
#include "os/clock.h"
#include "server/front_inside.h"

static void unlink_reader(struct front *front, struct front_user *reader)
{
    if (reader->previous)
        reader->previous->next = reader->next;
    else
        front->readers = reader->next;
    if (reader->next)
        reader->next->previous = reader->previous;
    front->readers_count--;
    STATS_ADD(front->config.stats, streams_open, -1);
}

void front_drop_reader(struct front *front, struct front_user *reader)
{
    unlink_reader(front, reader);
    free(reader);
}

static void end_reader(struct front *front, struct front_user *reader, struct span last)
{
    struct http_call *call = reader->call;

    front_drop_reader(front, reader);
    http_call_end(call, last);
}

void front_open_reader(struct front *front, struct http_call *call, struct exchange *exchange)
{
    static const struct http_field fields[] = {{"Cache-Control", "no-store"},
                                               {"X-Accel-Buffering", "no"}};
    struct front_user *reader;
    struct http_reply reply = {
        .status = exchange->reply.status,
        .content_type = exchange->reply.content_type,
        .fields = fields,
        .fields_count = COUNT_OF(fields),
        .body = {exchange->reply.body, exchange->reply.body_size},
    };

    if (front->readers_count == FRONT_READERS_MAX) {
        exchange_close(exchange);
        front_overloaded(front, call, http_call_head(call), "too many event streams are open");
        return;
    }
    reader = calloc(1, sizeof *reader);
    CHECK(reader);
    reader->kind = FRONT_READER;
    reader->call = call;
    reader->heard = loop_now(front->loop);
    memcpy(reader->tenant, exchange->reply.tenant, sizeof reader->tenant);
    memcpy(reader->topic, exchange->reply.topic, sizeof reader->topic);
    sha256_of(exchange->request.bearer, reader->token);
    reader->next = front->readers;
    if (reader->next)
        reader->next->previous = reader;
    front->readers = reader;
    front->readers_count++;
    STATS_ADD(front->config.stats, streams_open, 1);
    http_call_set_user(call, reader); /* first: opening may already find the other side gone */
    http_call_open_stream(call, &reply);
    exchange_close(exchange);
}

/* `reader` may be gone afterwards. */
static void tell_reader(struct front *front, struct front_user *reader, struct span bytes)
{
    reader->heard = loop_now(front->loop);
    if (http_call_send(reader->call, bytes, STREAM_QUEUE_MAX))
        return;
    STATS_ADD(front->config.stats, streams_lost, 1);
    end_reader(front, reader, SPAN_LITERAL(STREAM_LOST));
}

void front_tell_readers(struct front *front, const struct stream_text *text)
{
    struct front_user *next;

    for (struct front_user *reader = front->readers; reader; reader = next) {
        next = reader->next;
        if (stream_wants(reader->tenant, reader->topic, text))
            tell_reader(front, reader, (struct span){text->bytes, text->size});
    }
}

void front_look_after_readers(struct front *front)
{
    struct instant now = loop_now(front->loop);
    struct front_user *next;

    for (struct front_user *reader = front->readers; reader; reader = next) {
        next = reader->next;
        if (!passes_hold(front->config.passes, reader->token, clock_utc()))
            end_reader(front, reader, (struct span){0});
        else if (instant_reached(now, instant_after(reader->heard, STREAM_KEEP_ALIVE_MS)))
            tell_reader(front, reader, SPAN_LITERAL(":\n\n"));
    }
}

void front_end_readers(struct front *front, struct span last)
{
    while (front->readers)
        end_reader(front, front->readers, last);
}
