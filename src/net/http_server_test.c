/* The server over real sockets: its loop runs in a thread, the test is the client. Time limits are
 * shortened, so that slowness can be tested quickly. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "net/http_server.h"
#include "net/listen.h"
#include "net/peer_case.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/loop.h"

#define BIG_SIZE (2u << 20)
#define QUICK_MS 150 /* the shortened limits */
#define BODY_MAX 1000u
#define BODIES   3u /* of that size fit into the budget */

enum order {
    ORDER_NONE,
    ORDER_DRAIN,
    ORDER_STOP
};

struct world {
    struct loop *loop;
    struct http_server *server;
    pthread_t thread;
    char address[ADDRESS_SIZE_MAX];
    uint16_t port;
    atomic_int order, requests, gone, released, lost;
    _Atomic int64_t timeouts, refused;
    struct http_budget budget;
    struct http_call *later; /* owed a reply at the next tick */
    struct http_call *undecided;
    struct http_call *asked; /* replied to by the next request, with the path of its own head */
    struct http_call *stream;
    int ticks;
    uint64_t streamed;
    uint8_t *big;
};

/* ---- The handler: one path per behaviour ---- */

static void reply_text(struct http_call *call, uint16_t status, const char *text)
{
    struct http_reply reply = {
        .status = status, .content_type = "text/plain", .body = span_of(text)};

    http_call_reply(call, &reply);
}

static void count_release(void *owner)
{
    (void)atomic_fetch_add((atomic_int *)owner, 1);
}

static void reply_file(struct http_call *call)
{
    char path[] = "/tmp/slipway-http-XXXXXX";
    struct http_reply reply = {.status = 206, .has_file = true, .from = 3, .size = 4};

    reply.file = mkstemp(path);
    CHECK(reply.file >= 0 && file_write_all(reply.file, "0123456789", 10) == ERR_OK);
    (void)unlink(path);
    http_call_reply(call, &reply);
}

static void on_head(void *self, struct http_call *call, const struct http_head *head)
{
    struct world *world = self;

    (void)atomic_fetch_add(&world->requests, 1);
    if (span_is(head->path, "/later"))
        world->later = call;
    else if (span_is(head->path, "/undecided"))
        world->undecided = call;
    else if (span_is(head->path, "/stream"))
        http_call_stream(call, BIG_SIZE);
    else if (span_is(head->path, "/file"))
        reply_file(call);
    else if (span_is(head->path, "/refused"))
        reply_text(call, 403, "no");
    else
        http_call_collect(call, BODY_MAX, &world->budget);
}

static enum err on_piece(void *self, struct http_call *call, struct span piece)
{
    struct world *world = self;

    (void)call;
    world->streamed += piece.size;
    return ERR_OK;
}

static void open_events(struct world *world, struct http_call *call)
{
    struct http_reply reply = {
        .status = 200, .content_type = "text/event-stream", .body = SPAN_LITERAL("first\n")};

    world->stream = call;
    http_call_open_stream(call, &reply);
}

static void on_complete(void *self, struct http_call *call, const struct http_head *head,
                        struct span body)
{
    struct world *world = self;
    char text[64];

    if (span_is(head->path, "/echo")) {
        struct http_reply reply = {.status = 200, .content_type = "text/plain", .body = body};

        http_call_reply(call, &reply);
    } else if (span_is(head->path, "/big")) {
        struct http_reply reply = {.status = 200,
                                   .body = {world->big, BIG_SIZE},
                                   .release = count_release,
                                   .owner = &world->released};

        http_call_reply(call, &reply);
    } else if (span_is(head->path, "/stream") || span_is(head->path, "/undecided")) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)world->streamed);
        world->streamed = 0;
        reply_text(call, 201, text);
    } else if (span_is(head->path, "/asked")) {
        world->asked = call;
    } else if (span_is(head->path, "/answer")) {
        reply_text(call, 200, "hello");
        CHECK(span_to_text(http_call_head(world->asked)->path, text, sizeof text));
        reply_text(world->asked, 200, text);
    } else if (span_is(head->path, "/events")) {
        open_events(world, call);
    } else if (span_is(head->path, "/never")) {
        world->later = NULL; /* forgotten: the test closes the server meanwhile */
    } else {
        reply_text(call, 200, "hello");
    }
}

static void on_refuse(void *self, struct http_call *call, const struct http_head *head,
                      uint16_t status, const char *sentence)
{
    (void)self;
    (void)head;
    reply_text(call, status, sentence);
}

static void on_gone(void *self, struct http_call *call)
{
    struct world *world = self;

    if (world->stream == call)
        world->stream = NULL;
    (void)atomic_fetch_add(&world->gone, 1);
}

static const struct http_handler handler = {on_head, on_piece, on_complete, on_refuse, on_gone};

/* ---- The thread ---- */

static void send_event(struct world *world)
{
    char text[16384];

    memset(text, 'x', sizeof text);
    if (world->stream &&
        !http_call_send(world->stream, (struct span){(uint8_t *)text, sizeof text}, 64 * 1024)) {
        struct http_call *call = world->stream;

        world->stream = NULL;
        (void)atomic_fetch_add(&world->lost, 1);
        http_call_end(call, SPAN_LITERAL("lost\n"));
    }
}

static void on_tick(void *self)
{
    struct world *world = self;

    http_server_sweep(world->server);
    if (world->later && ++world->ticks >= 5) {
        struct http_call *call = world->later;

        world->ticks = 0;
        world->later = NULL;
        reply_text(call, 200, "later");
    }
    if (world->undecided && ++world->ticks >= 5) {
        struct http_call *call = world->undecided;

        world->ticks = 0;
        world->undecided = NULL;
        http_call_stream(call, BIG_SIZE);
    }
    send_event(world);
    if (world->order == ORDER_DRAIN) {
        http_server_drain(world->server);
        world->order = ORDER_NONE;
    }
    if (world->order == ORDER_STOP)
        loop_stop(world->loop);
}

static void *run(void *argument)
{
    loop_run(((struct world *)argument)->loop);
    return NULL;
}

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct http_server_config config = {.handler = &handler, .self = world};
    struct why why = {0};

    assert_non_null(world);
    world->budget.size_max = BODIES * BODY_MAX;
    world->big = malloc(BIG_SIZE);
    for (size_t i = 0; i < BIG_SIZE; i++)
        world->big[i] = (uint8_t)(i * 7 + i / 256);
    world->loop = loop_open();
    config.loop = world->loop;
    config.limits = http_limits_default();
    config.limits.connections_max = 8;
    config.limits.head_ms = QUICK_MS;
    config.limits.idle_ms = 2 * QUICK_MS;
    config.limits.body_ms = QUICK_MS;
    config.limits.send_ms = 2 * QUICK_MS;
    config.limits.linger_ms = QUICK_MS;
    config.counters.timeouts_total = &world->timeouts;
    config.counters.connections_refused = &world->refused;
    assert_int_equal(listen_open("127.0.0.1:0", false, &config.listener, &why), ERR_OK);
    assert_int_equal(listen_address(config.listener, world->address), ERR_OK);
    world->port = (uint16_t)strtol(strrchr(world->address, ':') + 1, NULL, 10);
    assert_int_equal(http_server_open(&config, &world->server, &why), ERR_OK);
    loop_set_tick(world->loop, 10, on_tick, world);
    assert_int_equal(pthread_create(&world->thread, NULL, run, world), 0);
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;

    world->order = ORDER_STOP;
    (void)pthread_join(world->thread, NULL);
    http_server_close(world->server);
    loop_close(world->loop);
    free(world->big);
    free(world);
    return 0;
}

/* ---- The client ---- */

static int dial(const struct world *world)
{
    return peer_dial(world->port);
}

#define HOST "Host: a\r\n"

static void keeps_connections_alive(void **state)
{
    int fd = dial(*state);
    char text[1024];

    for (int i = 0; i < 3; i++) {
        say_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
        hear(fd, "hello", text, sizeof text);
        assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(text, "Content-Length: 5\r\n"));
        assert_non_null(strstr(text, "Date: "));
        assert_null(strstr(text, "Connection:"));
    }
    say_text(fd, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "Connection: close\r\n"));
    (void)close(fd);
}

static void answers_pipelined_requests_in_order(void **state)
{
    int fd = dial(*state);
    char text[4096];
    const char *one, *two, *three;

    say_text(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n"
                 "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                 "\r\nPOST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                 "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                 "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    hear(fd, NULL, text, sizeof text);
    one = strstr(text, "\r\n\r\nlater");
    assert_non_null(one);
    two = strstr(one, "\r\n\r\nabc");
    assert_non_null(two);
    three = strstr(two, "\r\n\r\ndef");
    assert_non_null(three);
    assert_non_null(strstr(three, "\r\n\r\nhello"));
    (void)close(fd);
}

static void takes_requests_byte_by_byte(void **state)
{
    static const char request[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc";
    int fd = dial(*state);
    char text[1024];

    for (size_t i = 0; i < sizeof request - 1; i++) {
        assert_int_equal(send(fd, request + i, 1, 0), 1);
        if (i % 16 == 0)
            (void)usleep(2000);
    }
    hear(fd, "abc", text, sizeof text);
    assert_non_null(strstr(text, "\r\n\r\nabc"));
    (void)close(fd);
}

static void answers_head_without_body(void **state)
{
    int fd = dial(*state);
    char text[1024];

    say_text(fd, "HEAD / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "Content-Length: 5\r\n"));
    assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
    (void)close(fd);
}

static void sends_parts_of_files(void **state)
{
    int fd = dial(*state);
    char text[1024];

    say_text(fd, "GET /file HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "Content-Length: 4\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n3456"));
    say_text(fd, ""); /* still ours to close */
    (void)close(fd);
}

static void sends_large_bodies_whole(void **state)
{
    struct world *world = *state;
    int fd = dial(world);
    uint8_t *got = malloc(BIG_SIZE + 1024);
    size_t at = 0;
    ssize_t size;
    const uint8_t *body;

    say_text(fd, "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    (void)usleep(20000); /* let it fill all buffers first */
    while ((size = recv(fd, got + at, BIG_SIZE + 1024 - at, 0)) > 0)
        at += (size_t)size;
    body = memmem(got, at, "\r\n\r\n", 4);
    assert_non_null(body);
    assert_int_equal(got + at - (body + 4), BIG_SIZE);
    assert_memory_equal(body + 4, world->big, BIG_SIZE);
    assert_int_equal(world->released, 1);
    free(got);
    (void)close(fd);
}

static void refuses_bodies_that_are_too_large(void **state)
{
    static const char *const requests[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\n",
        "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 2097153\r\n\r\n",
    };
    char text[1024];

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        int fd = dial(*state);

        say_text(fd, requests[i]);
        hear(fd, NULL, text, sizeof text);
        assert_non_null(strstr(text, "HTTP/1.1 413 "));
        assert_non_null(strstr(text, "Connection: close"));
        (void)close(fd);
    }
}

static void refuses_chunked_bodies_that_grow_too_large(void **state)
{
    struct world *world = *state;
    int fd = dial(world);
    char text[1024], chunk[520];

    say_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    (void)snprintf(chunk, sizeof chunk, "200\r\n%0512d\r\n", 7);
    say_text(fd, chunk);
    say_text(fd, chunk);
    /* The client goes on: it must still get the answer, not a reset. */
    for (int i = 0; i < 20; i++)
        (void)!send(fd, chunk, strlen(chunk), MSG_NOSIGNAL);
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 413 "));
    assert_int_equal(world->gone, 1);
    (void)close(fd);
}

/* Bodies under way share a budget, whether they say how long they are or not. */
static void bodies_share_a_budget(void **state)
{
    static const char *const heads[BODIES] = {"Content-Length: 1000\r\n\r\n",
                                              "Content-Length: 1000\r\n\r\n",
                                              "Transfer-Encoding: chunked\r\n\r\n3e7\r\n"};
    struct world *world = *state;
    char text[1024];
    int fds[BODIES], fd;

    for (size_t i = 0; i < BODIES; i++) {
        fds[i] = dial(world);
        say_text(fds[i], "POST /echo HTTP/1.1\r\n" HOST);
        say_text(fds[i], heads[i]);
        (void)snprintf(text, sizeof text, "%0999d", 7); /* all but the last byte */
        say_text(fds[i], text);
    }
    (void)usleep(50000);
    fd = dial(world);
    say_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab");
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    (void)close(fd);
    for (size_t i = 0; i < BODIES; i++)
        (void)close(fds[i]); /* two never end, one has */
    (void)usleep(50000);
    fd = dial(world);
    say_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab");
    hear(fd, "\r\n\r\nab", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 200 "));
    (void)close(fd);
    assert_int_equal(world->gone, BODIES + 1);
}

static void streams_uploads(void **state)
{
    int fd = dial(*state);
    char text[1024], *block = calloc(1, 65536);

    say_text(fd, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 2097152\r\n"
                 "Expect: 100-continue\r\n\r\n");
    hear(fd, "\r\n\r\n", text, sizeof text);
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    for (int i = 0; i < 32; i++)
        assert_int_equal(send(fd, block, 65536, 0), 65536);
    hear(fd, "2097152", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 201 Created"));
    say_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "hello", text, sizeof text);
    assert_non_null(strstr(text, "hello"));
    free(block);
    (void)close(fd);
}

static void decides_on_bodies_later(void **state)
{
    int fd = dial(*state);
    char text[1024];

    say_text(fd, "PUT /undecided HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcdeGET / HTTP/1.1"
                 "\r\n" HOST "Connection: close\r\n\r\n");
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 201 Created"));
    assert_non_null(strstr(text, "\r\n\r\n5"));
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    (void)close(fd);
}

/* The head of a request lasts until its reply, whatever other connections ask meanwhile. */
static void keeps_heads_of_requests_that_wait(void **state)
{
    int first = dial(*state), second = dial(*state);
    char text[1024];

    say_text(first, "GET /asked HTTP/1.1\r\n" HOST "\r\n");
    while (((struct world *)*state)->requests < 1)
        (void)usleep(1000);
    say_text(second, "GET /answer HTTP/1.1\r\n" HOST "\r\n");
    hear(first, "/a", text, sizeof text);
    assert_non_null(strstr(text, "\r\n\r\n/asked"));
    (void)close(first);
    (void)close(second);
}

/* An answer that comes before the body was read closes the connection: the rest of the body must
 * never be taken for a request. */
static void never_reads_a_body_as_a_request(void **state)
{
    struct world *world = *state;
    int fd = dial(world);
    char text[2048];

    say_text(fd, "POST /refused HTTP/1.1\r\n" HOST "Content-Length: 37\r\n\r\n"
                 "GET /smuggled HTTP/1.1\r\n" HOST "\r\nxxx");
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 403 "));
    assert_null(strstr(text, "hello"));
    assert_int_equal(world->requests, 1);
    (void)close(fd);
}

static void smuggling_ends_the_connection(void **state)
{
    static const char *const attacks[] = {
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nG",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n"
        "0\r\n\r\nG",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 33\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
        "Transfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\n\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: a\nContent-Length: 33\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: a\r\n Content-Length: 33\r\n\r\n",
        "GET /\r\n" HOST "\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx0\r\n\r\n",
    };
    char text[2048];

    for (size_t i = 0; i < COUNT_OF(attacks); i++) {
        int fd = dial(*state);

        say_text(fd, attacks[i]);
        (void)!send(fd, "GET /smuggled HTTP/1.1\r\n" HOST "\r\n", 33, MSG_NOSIGNAL);
        hear(fd, NULL, text, sizeof text);
        if (strncmp(text, "HTTP/1.1 4", 10) != 0 && strncmp(text, "HTTP/1.1 5", 10) != 0)
            fail_msg("attack %zu is answered with %s", i, text);
        assert_null(strstr(text, "hello"));
        (void)close(fd);
    }
}

static void endless_heads_end(void **state)
{
    int fd = dial(*state);
    char text[1024], line[200];
    bool over = false;

    say_text(fd, "GET / HTTP/1.1\r\n");
    (void)snprintf(line, sizeof line, "X: %0150d\r\n", 7);
    for (int i = 0; i < 1000 && !over; i++)
        over = send(fd, line, strlen(line), MSG_NOSIGNAL) < 0;
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 431 "));
    (void)close(fd);
}

static void slow_heads_are_cut_off(void **state)
{
    struct world *world = *state;
    int fd = dial(world);
    int64_t began = clock_instant().ms;
    char text[1024];

    /* A byte now and then does not help: the whole head has to come in time. */
    for (int i = 0; i < 12; i++) {
        (void)!send(fd, &"GET /slow HTTP"[i], 1, MSG_NOSIGNAL);
        (void)usleep(20000);
    }
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 408 "));
    assert_true(clock_instant().ms - began < 20 * QUICK_MS);
    assert_int_equal(world->timeouts, 1);
    (void)close(fd);
}

static void slow_bodies_are_cut_off(void **state)
{
    struct world *world = *state;
    int fd = dial(world);
    char text[1024];

    say_text(fd, "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n");
    /* 20 bytes/s is less than a body must average. */
    for (int i = 0; i < 10; i++) {
        (void)!send(fd, "x", 1, MSG_NOSIGNAL);
        (void)usleep(50000);
    }
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 408 "));
    assert_int_equal(world->gone, 1);
    (void)close(fd);
}

static void idle_connections_are_closed(void **state)
{
    int fd = dial(*state), quiet = dial(*state);
    char text[1024];

    say_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "hello", text, sizeof text);
    assert_true(is_closed(fd));
    assert_true(is_closed(quiet));
    (void)close(fd);
    (void)close(quiet);
}

static void readers_that_do_not_read_are_cut_off(void **state)
{
    struct world *world = *state;
    int fd = dial(world);

    say_text(fd, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /big HTTP/1.1\r\n" HOST "\r\n"
                 "GET /big HTTP/1.1\r\n" HOST "\r\nGET /big HTTP/1.1\r\n" HOST "\r\n"
                 "GET /big HTTP/1.1\r\n" HOST "\r\nGET /big HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 300 && world->timeouts == 0; i++)
        (void)usleep(10000);
    assert_int_equal(world->timeouts, 1);
    (void)close(fd);
}

static void limits_connections(void **state)
{
    struct world *world = *state;
    int fds[8], extra;
    char text[1024];

    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = dial(world);
        say_text(fds[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
        hear(fds[i], "hello", text, sizeof text);
    }
    extra = dial(world);
    assert_true(is_closed(extra));
    assert_int_equal(world->refused, 1);
    (void)close(extra);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        (void)close(fds[i]);
    (void)usleep(30000);
    extra = dial(world);
    say_text(extra, "GET / HTTP/1.1\r\n" HOST "\r\n");
    hear(extra, "hello", text, sizeof text);
    assert_non_null(strstr(text, "200 OK"));
    (void)close(extra);
}

static void clients_may_vanish_at_any_time(void **state)
{
    static const char *const beginnings[] = {
        "",
        "GET / HT",
        "GET /later HTTP/1.1\r\n" HOST "\r\n",
        "PUT /undecided HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab",
        "PUT /stream HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab",
        "GET /big HTTP/1.1\r\n" HOST "\r\n",
        "GET /events HTTP/1.1\r\n" HOST "\r\n",
        "GET /never HTTP/1.1\r\n" HOST "\r\n",
    };
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    char text[1024];
    int fd;

    for (size_t i = 0; i < 2 * COUNT_OF(beginnings); i++) {
        fd = dial(*state);
        say_text(fd, beginnings[i / 2]);
        if (i % 2 == 0)
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        (void)usleep(15000);
        (void)close(fd);
        (void)usleep(80000);
    }
    fd = dial(*state);
    say_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "hello", text, sizeof text);
    assert_non_null(strstr(text, "200 OK"));
    (void)close(fd);
}

static void half_closed_clients_get_their_answer(void **state)
{
    int fd = dial(*state);
    char text[1024];

    say_text(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    (void)shutdown(fd, SHUT_WR);
    hear(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "\r\n\r\nlater"));
    (void)close(fd);
}

static void streams_go_on_and_slow_readers_are_lost(void **state)
{
    struct world *world = *state;
    int fd = dial(world);
    char *text = malloc(8u << 20);

    say_text(fd, "GET /events HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "xxx", text, 4096);
    assert_non_null(strstr(text, "Content-Type: text/event-stream"));
    assert_null(strstr(text, "Content-Length"));
    assert_non_null(strstr(text, "first\n"));
    for (int i = 0; i < 100; i++)
        (void)recv(fd, text, 4096, 0); /* reads for a while: stays */
    assert_int_equal(world->gone, 0);
    /* Not reading: at some time too much waits, and it is told so. The server's socket buffer and
     * ours take some megabytes first. */
    for (int i = 0; i < 1500 && world->lost == 0; i++)
        (void)usleep(10000);
    assert_int_equal(world->lost, 1);
    hear(fd, NULL, text, 8u << 20);
    assert_non_null(strstr(text, "lost\n"));
    free(text);
    (void)close(fd);
}

static void drains_in_good_order(void **state)
{
    struct world *world = *state;
    int idle = dial(world), busy = dial(world);
    char text[1024];

    say_text(idle, "GET / HTTP/1.1\r\n" HOST "\r\n");
    hear(idle, "hello", text, sizeof text);
    say_text(busy, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    (void)usleep(15000);
    world->order = ORDER_DRAIN;
    assert_true(is_closed(idle));
    hear(busy, NULL, text, sizeof text);
    assert_non_null(strstr(text, "Connection: close"));
    assert_non_null(strstr(text, "later"));
    (void)close(idle);
    (void)close(busy);
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(keeps_connections_alive),
        WORLD_TEST(answers_pipelined_requests_in_order),
        WORLD_TEST(takes_requests_byte_by_byte),
        WORLD_TEST(answers_head_without_body),
        WORLD_TEST(sends_parts_of_files),
        WORLD_TEST(sends_large_bodies_whole),
        WORLD_TEST(refuses_bodies_that_are_too_large),
        WORLD_TEST(refuses_chunked_bodies_that_grow_too_large),
        WORLD_TEST(bodies_share_a_budget),
        WORLD_TEST(streams_uploads),
        WORLD_TEST(decides_on_bodies_later),
        WORLD_TEST(keeps_heads_of_requests_that_wait),
        WORLD_TEST(never_reads_a_body_as_a_request),
        WORLD_TEST(smuggling_ends_the_connection),
        WORLD_TEST(endless_heads_end),
        WORLD_TEST(slow_heads_are_cut_off),
        WORLD_TEST(slow_bodies_are_cut_off),
        WORLD_TEST(idle_connections_are_closed),
        WORLD_TEST(readers_that_do_not_read_are_cut_off),
        WORLD_TEST(limits_connections),
        WORLD_TEST(clients_may_vanish_at_any_time),
        WORLD_TEST(half_closed_clients_get_their_answer),
        WORLD_TEST(streams_go_on_and_slow_readers_are_lost),
        WORLD_TEST(drains_in_good_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
