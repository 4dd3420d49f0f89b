/* The life of one connection; the picture is in http_server.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/http_connection.h"

enum step {
    STEP_AGAIN, /* something happened: look again */
    STEP_WAIT,  /* nothing to do before the next event */
    STEP_CLOSED
};

static struct instant now_of(const struct http_call *call)
{
    return loop_now(call->server->config.loop);
}

static const struct http_limits *limits_of(const struct http_call *call)
{
    return &call->server->config.limits;
}

static const struct http_handler *handler_of(const struct http_call *call)
{
    return call->server->config.handler;
}

static void set_deadline(struct http_call *call, int64_t ms)
{
    call->deadline = ms > 0 ? instant_after(now_of(call), ms) : (struct instant){0};
}

/* ---- Beginning and end ---- */

static void on_ready(struct loop_watch *watch, unsigned events);

static void link_call(struct http_call **list, struct http_call *call)
{
    call->previous = NULL;
    call->next = *list;
    if (call->next)
        call->next->previous = call;
    *list = call;
}

static void unlink_call(struct http_call **list, struct http_call *call)
{
    if (call->previous)
        call->previous->next = call->next;
    else
        *list = call->next;
    if (call->next)
        call->next->previous = call->previous;
}

static void count_out(struct http_call *call)
{
    struct http_server *server = call->server;

    unlink_call(&server->first, call);
    server->count--;
    count_up(server->config.counters.connections_open, -1);
}

static void forget_request(struct http_call *call)
{
    free(call->held_head);
    call->held_head = NULL;
    call->head = NULL;
    bytes_free(&call->body);
    call->body_size = 0;
}

/* False when the budget has not so much left. */
static bool reserve(struct http_call *call, uint64_t size)
{
    struct http_budget *budget = call->budget;

    if (size > budget->size_max - budget->size)
        return false;
    budget->size += size;
    call->reserved += size;
    return true;
}

void connection_release_budget(struct http_call *call)
{
    if (call->budget)
        call->budget->size -= call->reserved;
    call->reserved = 0;
    call->budget = NULL;
}

/* Close the socket now. The memory goes too, unless a reply is still owed. */
void connection_close(struct http_call *call)
{
    enum http_state was = call->state;

    CHECK(was != HTTP_GONE);
    call->state = HTTP_GONE;
    loop_remove(call->server->config.loop, &call->watch);
    output_drop(call);
    transport_close(&call->transport);
    count_out(call);
    if (was == HTTP_BODY || was == HTTP_STREAM)
        handler_of(call)->gone(call->server->config.self, call);
    forget_request(call);
    bytes_free(&call->held);
    if (was == HTTP_DECIDE || was == HTTP_WAIT) {
        link_call(&call->server->owed, call);
        return;
    }
    connection_release_budget(call);
    free(call->peer);
    loop_defer_free(call->server->config.loop, call);
}

void connection_drop_gone(struct http_call *call)
{
    CHECK(call->state == HTTP_GONE);
    unlink_call(&call->server->owed, call);
    connection_release_budget(call);
    free(call->peer);
    loop_defer_free(call->server->config.loop, call);
}

void connection_accept(struct http_server *server, int fd, const struct sockaddr_in6 *address)
{
    struct http_call *call = calloc(1, sizeof *call);

    CHECK(call);
    call->watch = (struct loop_watch){.ready = on_ready, .fd = fd};
    call->server = server;
    call->transport.fd = fd;
    call->transport.wants = LOOP_IN;
    call->address = *address;
    call->output.file = -1;
    call->state = server->config.tls ? HTTP_HANDSHAKE : HTTP_HEAD_STATE;
    if (server->config.tls)
        call->transport.ssl = tls_accept(server->config.tls, fd);
    if ((server->config.tls && !call->transport.ssl) ||
        loop_add(server->config.loop, &call->watch, LOOP_IN) != ERR_OK) {
        transport_close(&call->transport);
        free(call);
        return;
    }
    link_call(&server->first, call);
    server->count++;
    count_up(server->config.counters.connections_open, 1);
    count_up(server->config.counters.connections_total, 1);
    set_deadline(call,
                 server->config.tls ? limits_of(call)->handshake_ms : limits_of(call)->idle_ms);
}

/* ---- The handshake ---- */

static void learn_peer(struct http_call *call)
{
    struct tls_peer peer;

    if (!tls_peer_of(call->transport.ssl, &peer))
        return;
    call->peer = malloc(sizeof peer);
    CHECK(call->peer);
    *call->peer = peer;
}

static enum step step_handshake(struct http_call *call)
{
    const struct http_counters *counters = &call->server->config.counters;

    switch (tls_handshake(call->transport.ssl)) {
    case TLS_DONE:
        count_up(tls_resumed(call->transport.ssl) ? counters->handshakes_resumed
                                                  : counters->handshakes_full,
                 1);
        learn_peer(call);
        call->state = HTTP_HEAD_STATE;
        set_deadline(call, limits_of(call)->idle_ms);
        return STEP_AGAIN;
    case TLS_WANTS_IN:
        call->transport.wants = LOOP_IN;
        return STEP_WAIT;
    case TLS_WANTS_OUT:
        call->transport.wants = LOOP_OUT;
        return STEP_WAIT;
    case TLS_BROKEN:
    default:
        count_up(counters->handshakes_failed, 1);
        connection_close(call);
        return STEP_CLOSED;
    }
}

/* ---- Refusing ---- */

static void refuse(struct http_call *call, uint16_t status, const char *sentence)
{
    bool was_running = call->running;

    if (call->state == HTTP_BODY)
        handler_of(call)->gone(call->server->config.self, call);
    call->state = HTTP_WAIT;
    call->close_after = true;
    call->linger = true;
    call->running = true; /* the reply waits in the queue until our caller goes on */
    handler_of(call)->refuse(call->server->config.self, call, call->head, status, sentence);
    call->running = was_running;
    CHECK(call->state == HTTP_SEND);
}

static uint16_t status_of_piece(enum err err)
{
    switch ((int)err) {
    case ERR_TOO_BIG:
        return 413;
    case ERR_AGAIN:
        return 503;
    case ERR_STORAGE:
        return 507;
    case ERR_CORRUPT:
        return 400;
    default:
        return 500;
    }
}

static const char busy[] = "too many bodies of requests are on their way; try again later";

static const char *sentence_of_piece(enum err err)
{
    return err == ERR_CORRUPT ? "the chunks of the body are malformed"
           : err == ERR_AGAIN ? busy
                              : err_text(err);
}

/* ---- Input ---- */

/* Keep `head` beyond this read. */
static void hold_head(struct http_call *call)
{
    const struct http_head *head = &call->server->head;
    struct http_held_head *held;
    const uint8_t *from, *end;
    size_t size;

    if (call->head != head)
        return;
    /* From the path to the end of the last value: everything the spans point into. */
    from = head->path.at;
    end = head->query.at + head->query.size;
    for (size_t i = 0; i < head->headers_count; i++) {
        const uint8_t *value_end = head->headers[i].value.at + head->headers[i].value.size;
        const uint8_t *name_end = head->headers[i].name.at + head->headers[i].name.size;

        end = value_end > end ? value_end : end;
        end = name_end > end ? name_end : end;
    }
    size = (size_t)(end - from);
    held = malloc(sizeof *held + size);
    CHECK(held);
    held->head = *head;
    memcpy(held->bytes, from, size);
    http_head_rebase(&held->head, from, held->bytes);
    call->held_head = held;
    call->head = &held->head;
}

/* A request begins. Returns the bytes used, 0 when the head is not whole yet. */
static size_t take_head(struct http_call *call, struct span bytes)
{
    const char *sentence = NULL;
    uint16_t status;
    size_t size;

    if (bytes.size >= 2 && memcmp(bytes.at, "\r\n", 2) == 0)
        return 2; /* RFC 9112 2.2: an empty line before a request may be ignored */
    size = http_head_size(bytes);
    call->is_head_method = false;
    if (size == 0 || size > HTTP_HEAD_SIZE_MAX) {
        status = http_head_too_long(bytes);
        if (status != 0)
            refuse(call, status, "the head of the request is too long");
        return 0;
    }
    status = http_head_parse(&call->parser, (struct span){bytes.at, size}, &call->server->head,
                             &sentence);
    call->close_after = call->server->draining;
    call->linger = false;
    call->user = NULL;
    if (status != 0) {
        refuse(call, status, sentence);
        return size;
    }
    call->head = &call->server->head;
    call->is_head_method = call->head->method == HTTP_METHOD_HEAD;
    call->close_after = call->close_after || !call->head->keep_alive;
    call->state = HTTP_DECIDE;
    set_deadline(call, 0);
    handler_of(call)->head(call->server->config.self, call, call->head);
    return size;
}

/* The longer a body has been coming, the more of it must be here: at least body_rate on the
 * average after body_ms, and something within each body_ms. */
static void extend_body(struct http_call *call)
{
    const struct http_limits *limits = limits_of(call);
    struct instant stall = instant_after(now_of(call), limits->body_ms);
    struct instant slow =
        instant_after(call->body_since, limits->body_ms + (int64_t)(call->body_size * 1000 /
                                                                    (limits->body_rate + 1)));

    call->deadline = stall.ms < slow.ms ? stall : slow;
}

static enum err take_piece(void *self, struct span piece)
{
    struct http_call *call = self;

    if (piece.size > call->body_max - call->body_size)
        return ERR_TOO_BIG;
    call->body_size += piece.size;
    if (call->body_mode == HTTP_COLLECT) {
        if (call->body_size > call->reserved && !reserve(call, call->body_size - call->reserved))
            return ERR_AGAIN;
        return bytes_append(&call->body, piece.at, piece.size) ? ERR_OK : ERR_STORAGE;
    }
    return handler_of(call)->piece(call->server->config.self, call, piece);
}

static void complete(struct http_call *call, struct span body)
{
    call->state = HTTP_WAIT;
    set_deadline(call, 0);
    handler_of(call)->complete(call->server->config.self, call, call->head, body);
    bytes_free(&call->body);
}

/* Returns the bytes used. */
static size_t take_body(struct http_call *call, struct span bytes)
{
    bool done = false;
    size_t used = 0;
    enum err err;

    if (call->body_mode == HTTP_COLLECT && call->parser.framing != HTTP_CHUNKED &&
        call->body.size == 0 && bytes.size >= call->parser.body_left) {
        used = (size_t)call->parser.body_left; /* all at once, as most are: no copy */
        complete(call, (struct span){bytes.at, used});
        return used;
    }
    err = http_body_feed(&call->parser, bytes, take_piece, call, &used, &done);
    if (call->state != HTTP_BODY)
        return bytes.size; /* piece() has replied; the rest is not read */
    if (err != ERR_OK) {
        refuse(call, status_of_piece(err), sentence_of_piece(err));
        return bytes.size;
    }
    if (used > 0)
        extend_body(call);
    if (done)
        complete(call, (struct span){call->body.at, call->body.size});
    return used;
}

/* Returns the bytes used; what is left waits. */
static size_t take_input(struct http_call *call, struct span bytes)
{
    size_t at = 0, used;

    do {
        struct span rest = {bytes.at + at, bytes.size - at};

        if (call->state == HTTP_HEAD_STATE && rest.size > 0)
            used = take_head(call, rest);
        else if (call->state == HTTP_BODY)
            used = take_body(call, rest);
        else
            break;
        at += used;
    } while (used > 0);
    if (call->state == HTTP_DECIDE || call->state == HTTP_BODY || call->state == HTTP_WAIT)
        hold_head(call);
    return at;
}

/* Move the waiting input into the server's scratch; returns its size. */
static size_t fetch_held(struct http_call *call)
{
    size_t size = call->held.size;

    CHECK(size <= sizeof call->server->input);
    if (size > 0)
        memcpy(call->server->input, call->held.at, size);
    bytes_free(&call->held);
    return size;
}

/* A head has begun: from now on the clock of head_ms runs. */
static void watch_head(struct http_call *call, size_t before)
{
    if (call->state == HTTP_HEAD_STATE && before == 0 && call->held.size > 0)
        set_deadline(call, limits_of(call)->head_ms);
}

static enum step step_input(struct http_call *call)
{
    uint8_t *input = call->server->input;
    size_t before = fetch_held(call), size = before, used, room = sizeof call->server->input;
    ssize_t got = TRANSPORT_AGAIN;
    bool looked = call->held_fresh;

    if (!looked) {
        CHECK(size < room);
        got = transport_read(&call->transport, input + size, room - size);
        if (got == TRANSPORT_END || got == TRANSPORT_BROKEN) {
            connection_close(call);
            return STEP_CLOSED;
        }
        size += got > 0 ? (size_t)got : 0;
    }
    call->held_fresh = false;
    used = got > 0 || looked ? take_input(call, (struct span){input, size}) : 0;
    if (size > used)
        CHECK(bytes_append(&call->held, input + used, size - used));
    watch_head(call, looked ? 0 : before);
    if (call->state != HTTP_HEAD_STATE && call->state != HTTP_BODY)
        return STEP_AGAIN;
    /* Less than asked for: the kernel has no more now, and epoll tells when it has. */
    if (looked || output_pending(call) ||
        (got > 0 && (size == room || transport_holds_input(&call->transport))))
        return STEP_AGAIN;
    call->transport.wants = LOOP_IN;
    return STEP_WAIT;
}

/* Read and forget: until the end of the stream, or of our patience. */
static enum step step_discard(struct http_call *call)
{
    ssize_t got = transport_read(&call->transport, call->server->input, INPUT_SIZE);

    if (got == TRANSPORT_AGAIN)
        return STEP_WAIT;
    if (got > 0)
        return STEP_AGAIN;
    connection_close(call);
    return STEP_CLOSED;
}

/* ---- Output ---- */

static enum step after_send(struct http_call *call)
{
    forget_request(call);
    connection_release_budget(call);
    if (!call->close_after) {
        call->state = HTTP_HEAD_STATE;
        call->held_fresh = call->held.size > 0;
        set_deadline(call, limits_of(call)->idle_ms);
        return STEP_AGAIN;
    }
    transport_finish(&call->transport);
    if (!call->linger) {
        connection_close(call);
        return STEP_CLOSED;
    }
    /* Closing now would reset the connection while the client still sends, and the reset would
     * overtake the reply. */
    call->state = HTTP_LINGER;
    set_deadline(call, limits_of(call)->linger_ms);
    return STEP_AGAIN;
}

static enum step step_output(struct http_call *call)
{
    switch (output_flush(call)) {
    case 1:
        return STEP_AGAIN;
    case TRANSPORT_AGAIN:
        return STEP_WAIT;
    default:
        connection_close(call);
        return STEP_CLOSED;
    }
}

static enum step step(struct http_call *call)
{
    if (output_pending(call))
        return step_output(call);
    switch (call->state) {
    case HTTP_HANDSHAKE:
        return step_handshake(call);
    case HTTP_HEAD_STATE:
    case HTTP_BODY:
        return step_input(call);
    case HTTP_SEND:
        return after_send(call);
    case HTTP_STREAM:
    case HTTP_LINGER:
        return step_discard(call);
    case HTTP_DECIDE:
    case HTTP_WAIT:
        return STEP_WAIT;
    case HTTP_GONE:
    default:
        return STEP_CLOSED;
    }
}

static bool waits_for_handler(const struct http_call *call)
{
    return call->state == HTTP_DECIDE || call->state == HTTP_WAIT;
}

void connection_run(struct http_call *call)
{
    struct loop *loop = call->server->config.loop;
    enum step result = STEP_AGAIN;

    CHECK(!call->running);
    call->running = true;
    for (int i = 0; i < ROUNDS_MAX && result == STEP_AGAIN; i++)
        result = step(call);
    call->running = false;
    if (result == STEP_CLOSED || call->state == HTTP_GONE)
        return;
    if (result == STEP_AGAIN)
        loop_change(loop, &call->watch, LOOP_IN | LOOP_OUT); /* called again in the next round */
    else if (!waits_for_handler(call))
        loop_change(loop, &call->watch, call->transport.wants);
    else if ((call->watch.events & LOOP_OUT) != 0)
        loop_change(loop, &call->watch, LOOP_IN);
}

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct http_call *call = (struct http_call *)watch;

    if (waits_for_handler(call) && !output_pending(call)) {
        if ((events & LOOP_HANGUP) != 0)
            connection_close(call);
        else
            loop_change(call->server->config.loop, watch, LOOP_HANGUP); /* input has to wait */
        return;
    }
    connection_run(call);
}

void connection_timeout(struct http_call *call)
{
    count_up(call->server->config.counters.timeouts_total, 1);
    if (call->state == HTTP_BODY || (call->state == HTTP_HEAD_STATE && call->held.size > 0)) {
        refuse(call, 408, "the request came too slowly");
        connection_run(call);
        return;
    }
    connection_close(call);
}

/* ---- What the handler may do ---- */

static void run_unless_running(struct http_call *call)
{
    if (!call->running)
        connection_run(call);
}

/* Replies end the wait of DECIDE and WAIT, and cut a body short. */
static bool begin_reply(struct http_call *call, const struct http_reply *reply)
{
    const struct http_counters *counters = &call->server->config.counters;

    if (call->state == HTTP_GONE) {
        if (reply->has_file)
            (void)close(reply->file);
        else if (reply->release)
            reply->release(reply->owner);
        connection_drop_gone(call);
        return false;
    }
    CHECK(call->state == HTTP_DECIDE || call->state == HTTP_WAIT || call->state == HTTP_BODY);
    if (call->state != HTTP_WAIT && call->parser.framing != HTTP_NO_BODY &&
        (call->parser.framing == HTTP_CHUNKED || call->parser.body_left > 0)) {
        call->close_after = true; /* an unread body is in the way of the next request */
        call->linger = true;
    }
    call->close_after = call->close_after || reply->close || call->server->draining;
    count_up(counters->requests_total, 1);
    if (reply->status >= 500)
        count_up(counters->requests_failed, 1);
    else if (reply->status >= 400)
        count_up(counters->requests_refused, 1);
    set_deadline(call, limits_of(call)->send_ms);
    return true;
}

void http_call_reply(struct http_call *call, const struct http_reply *reply)
{
    if (!begin_reply(call, reply))
        return;
    call->state = HTTP_SEND;
    reply_put_head(call, reply, false);
    run_unless_running(call);
}

void http_call_open_stream(struct http_call *call, const struct http_reply *reply)
{
    if (call->state == HTTP_GONE)
        handler_of(call)->gone(call->server->config.self, call);
    if (!begin_reply(call, reply))
        return;
    call->close_after = true;
    call->state = HTTP_STREAM;
    set_deadline(call, 0);
    reply_put_head(call, reply, true);
    run_unless_running(call);
}

bool http_call_send(struct http_call *call, struct span bytes, size_t queue_max)
{
    const struct http_output *output = &call->output;

    CHECK(call->state == HTTP_STREAM);
    if (output->queued.size - output->sent + bytes.size > queue_max)
        return false;
    CHECK(bytes_append(&call->output.queued, bytes.at, bytes.size));
    run_unless_running(call);
    return true;
}

void http_call_end(struct http_call *call, struct span last)
{
    CHECK(call->state == HTTP_STREAM);
    CHECK(bytes_append(&call->output.queued, last.at, last.size));
    call->state = HTTP_SEND;
    set_deadline(call, limits_of(call)->send_ms);
    run_unless_running(call);
}

static void begin_body(struct http_call *call, enum http_body_mode mode, uint64_t size_max)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (call->state == HTTP_GONE) {
        handler_of(call)->gone(call->server->config.self, call);
        connection_drop_gone(call);
        return;
    }
    CHECK(call->state == HTTP_DECIDE);
    call->body_mode = mode;
    call->body_max = size_max;
    call->body_size = 0;
    call->state = HTTP_BODY;
    if (call->parser.framing == HTTP_LENGTH && call->parser.body_left > size_max) {
        refuse(call, 413, "the body is larger than allowed");
    } else if (call->budget && call->parser.framing == HTTP_LENGTH &&
               !reserve(call, call->parser.body_left)) {
        refuse(call, 503, busy);
    } else {
        call->held_fresh = true;
        call->body_since = now_of(call);
        set_deadline(call, limits_of(call)->body_ms);
        if (call->head->expect_continue)
            CHECK(bytes_append(&call->output.queued, go_on, sizeof go_on - 1));
    }
    run_unless_running(call);
}

void http_call_collect(struct http_call *call, size_t size_max, struct http_budget *budget)
{
    CHECK(budget && !call->budget && call->reserved == 0);
    call->budget = budget;
    begin_body(call, HTTP_COLLECT, size_max);
}

void http_call_stream(struct http_call *call, uint64_t size_max)
{
    begin_body(call, HTTP_PIECES, size_max);
}

void http_call_set_user(struct http_call *call, void *user)
{
    call->user = user;
}

void *http_call_user(const struct http_call *call)
{
    return call->user;
}

const struct http_head *http_call_head(const struct http_call *call)
{
    return call->head;
}

const struct tls_peer *http_call_peer(const struct http_call *call)
{
    return call->peer;
}
