#include "server/front.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/listen.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/log.h"
#include "os/say.h"
#include "server/front_inside.h"

#define TICK_MS_MAX  250 /* how precisely timeouts are kept, at worst */
#define ARRIVALS_MAX 256 /* replies handled before connections get their turn */

/* ---- What comes back from the engine ---- */

static void release_exchange(void *owner)
{
    exchange_close(owner);
}

/* The reply as HTTP; its body goes out of the exchange itself, which is closed after it. */
void front_send_reply(struct http_call *call, struct exchange *exchange)
{
    struct http_field fields[REPLY_HEADERS_MAX + 2];
    struct http_reply reply = {
        .status = exchange->reply.status,
        .content_type = exchange->reply.content_type,
        .fields = fields,
        .body = {exchange->reply.body, exchange->reply.body_size},
        .release = release_exchange,
        .owner = exchange,
    };

    for (size_t i = 0; i < exchange->reply.headers_count; i++)
        fields[reply.fields_count++] =
            (struct http_field){exchange->reply.headers[i].name, exchange->reply.headers[i].value};
    fields[reply.fields_count++] = (struct http_field){"Cache-Control", "no-store"};
    fields[reply.fields_count++] = (struct http_field){"X-Content-Type-Options", "nosniff"};
    http_call_reply(call, &reply);
}

static void take_reply(struct front *front, struct exchange *exchange)
{
    struct http_call *call = exchange->call;
    const struct http_head *head = http_call_head(call);
    uint8_t sha256[DIGEST_SIZE];

    front_note_outcome(front, exchange);
    if (exchange->kind == EXCHANGE_UPLOAD_BEGIN && exchange->reply.status == 100) {
        exchange_close(exchange);
        front_begin_upload(front, call);
    } else if (exchange->pages.more || exchange->pages.spooled) {
        front_take_page(front, call, exchange);
    } else if (exchange->reply.has_stream) {
        front_open_reader(front, call, exchange);
    } else if (exchange->reply.has_blob && head) {
        memcpy(sha256, exchange->reply.blob, sizeof sha256);
        exchange_close(exchange);
        front_send_blob(front, call, head, sha256);
    } else {
        front_send_reply(call, exchange);
    }
}

static void take_item(struct front *front, struct mailbox_item *item)
{
    if (stream_kind_of(item) == EXCHANGE_EVENT) {
        struct stream_parcel *parcel = (struct stream_parcel *)item;

        front_tell_readers(front, parcel->text);
        stream_parcel_close(parcel);
    } else {
        take_reply(front, (struct exchange *)item);
    }
}

static void on_arrivals(struct loop_watch *watch, unsigned events)
{
    struct front *front = (struct front *)((char *)watch - offsetof(struct front, arrivals));
    struct mailbox_item *item, *next;
    size_t count;

    (void)events;
    for (item = mailbox_take(front->mailbox, ARRIVALS_MAX, 0, &count); item; item = next) {
        next = item->next;
        take_item(front, item);
    }
}

void front_deliver(struct front *front, struct mailbox_item *item)
{
    CHECK(mailbox_put(front->mailbox, item));
}

void front_deliver_event(struct front *front, struct stream_text *text)
{
    if (mailbox_count(front->mailbox) >= FRONT_EVENTS_MAX)
        front_lose_events(front);
    else
        front_deliver(front, &stream_parcel_open(text)->item);
}

void front_lose_events(struct front *front)
{
    atomic_store(&front->events_lost, true);
}

/* ---- Life ---- */

static enum err open_parts(struct front *front, struct why *why)
{
    front->mailbox = mailbox_open(0);
    front->loop = loop_open();
    if (!front->mailbox || !front->loop)
        return say(why, ERR_STORAGE, NULL, "no descriptors or memory left for a front thread");
    TRY(listen_open(front->config.address, front->config.join, &front->listener, why));
    if (listen_address(front->listener, front->address) != ERR_OK)
        return say(why, ERR_STORAGE, "listen", "the listening socket has no address");
    front->arrivals = (struct loop_watch){.ready = on_arrivals, .fd = mailbox_fd(front->mailbox)};
    if (loop_add(front->loop, &front->arrivals, LOOP_IN) != ERR_OK)
        return say(why, ERR_STORAGE, NULL, "a front's mailbox cannot be watched");
    return ERR_OK;
}

enum err front_open(const struct front_config *config, struct front **out, struct why *why)
{
    struct front *front = calloc(1, sizeof *front);
    enum err err;

    CHECK(front && config->presence && config->shelf && config->stats);
    CHECK(config->passes && config->attempts);
    CHECK(config->bodies_max >= METADATA_SIZE_MAX); /* or the largest would never get in */
    CHECK_STATIC(sizeof front->address >= ADDRESS_SIZE_MAX);
    front->config = *config;
    front->listener = -1;
    front->bodies.size_max = config->bodies_max;
    front->strangers.size_max = STRANGER_BODIES_MAX;
    front->prng = prng_seeded(entropy_seed());
    atomic_init(&front->drain_ms, -1);
    atomic_init(&front->events_lost, false);
    err = open_parts(front, why);
    if (err != ERR_OK) {
        front_close(front);
        return err;
    }
    *out = front;
    return ERR_OK;
}

const char *front_address(const struct front *front)
{
    return front->address;
}

static struct http_counters counters_of(struct stats *stats)
{
    return (struct http_counters){
        .connections_open = &stats->connections_open,
        .connections_total = &stats->connections_total,
        .connections_refused = &stats->connections_refused,
        .handshakes_full = &stats->handshakes_full,
        .handshakes_resumed = &stats->handshakes_resumed,
        .handshakes_failed = &stats->handshakes_failed,
        .requests_total = &stats->requests_total,
        .requests_refused = &stats->requests_refused,
        .requests_failed = &stats->requests_failed,
        .timeouts_total = &stats->timeouts_total,
        .bytes_out = &stats->bytes_out,
    };
}

static enum err open_server(struct front *front, struct why *why)
{
    struct http_server_config config = {
        .loop = front->loop,
        .listener = front->listener,
        .tls = front->config.tls,
        .limits = front->config.limits,
        .handler = &front_handler,
        .self = front,
        .counters = counters_of(front->config.stats),
        .log = front->config.log,
    };

    TRY(http_server_open(&config, &front->server, why));
    front->listener = -1;
    return ERR_OK;
}

static void drain_when_told(struct front *front)
{
    int64_t patience_ms = atomic_load(&front->drain_ms);

    if (patience_ms < 0)
        return;
    if (!front->draining) {
        front->draining = true;
        front->drain_due = instant_after(loop_now(front->loop), patience_ms);
        front_end_readers(front, (struct span){0});
        http_server_drain(front->server);
    }
    if (http_server_count(front->server) == 0 ||
        instant_reached(loop_now(front->loop), front->drain_due))
        loop_stop(front->loop);
}

static void on_tick(void *self)
{
    struct front *front = self;

    http_server_sweep(front->server);
    if (atomic_exchange(&front->events_lost, false))
        front_end_readers(front, SPAN_LITERAL(STREAM_LOST));
    front_look_after_readers(front);
    drain_when_told(front);
}

/* Timeouts are looked at four times within the shortest one. */
static int64_t tick_ms(const struct http_limits *limits)
{
    int64_t all[] = {limits->handshake_ms, limits->head_ms, limits->idle_ms,
                     limits->body_ms,      limits->send_ms, limits->linger_ms};
    int64_t least = 4 * TICK_MS_MAX;

    for (size_t i = 0; i < COUNT_OF(all); i++)
        least = all[i] > 0 && all[i] < least ? all[i] : least;
    return least / 4 > 0 ? least / 4 : 1;
}

static void *run(void *argument)
{
    struct front *front = argument;

    loop_set_tick(front->loop, tick_ms(&front->config.limits), on_tick, front);
    loop_run(front->loop);
    front_end_readers(front, (struct span){0});
    http_server_close(front->server);
    front->server = NULL;
    return NULL;
}

enum err front_start(struct front *front, struct engine *engine, struct why *why)
{
    CHECK(!front->started);
    front->engine = engine;
    TRY(open_server(front, why));
    if (pthread_create(&front->thread, NULL, run, front) != 0)
        return say(why, ERR_STORAGE, NULL, "a front thread cannot be started");
    front->started = true;
    return ERR_OK;
}

void front_drain(struct front *front, int64_t patience_ms)
{
    CHECK(patience_ms >= 0);
    atomic_store(&front->drain_ms, patience_ms);
}

void front_join(struct front *front)
{
    if (!front->started)
        return;
    CHECK(pthread_join(front->thread, NULL) == 0);
    front->started = false;
}

/* Replies that came after the last connection had gone. */
static void drop_arrivals(struct front *front)
{
    struct mailbox_item *item, *next;
    size_t count;

    for (item = mailbox_take(front->mailbox, SIZE_MAX, 0, &count); item; item = next) {
        next = item->next;
        if (stream_kind_of(item) == EXCHANGE_EVENT)
            stream_parcel_close((struct stream_parcel *)item);
        else
            exchange_close((struct exchange *)item);
    }
}

void front_close(struct front *front)
{
    if (!front)
        return;
    CHECK(!front->started);
    http_server_close(front->server);
    if (front->listener >= 0)
        (void)close(front->listener);
    if (front->mailbox)
        drop_arrivals(front);
    loop_close(front->loop);
    mailbox_close(front->mailbox);
    free(front);
}
