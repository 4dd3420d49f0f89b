/* An HTTP/1.1 server for one thread: connections, TLS, framing, limits, timeouts.
 *
 *   accept -> HANDSHAKE -> HEAD -> DECIDE -> BODY -> WAIT -> SEND -> HEAD (keep-alive)
 *                            |        |        |               |-> LINGER -> closed
 *                            '--------'--------'- refused -> SEND          (close)
 *                                     '-> STREAM (until either side ends)
 *
 * It knows no routes. For each request it calls the handler: head() when the head is there and
 * complete() when the body is. The handler answers at once or later (same thread) through the
 * http_call_* functions. Requests of one connection are handled one after the other; what a
 * client sends ahead waits in bounded memory.
 *
 * A call that owes a reply stays valid until it gets one, even when its connection breaks; the
 * reply then goes nowhere. */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "base/time.h"
#include "base/why.h"
#include "net/http_request.h"
#include "net/tls.h"

struct loop;
struct log;
struct http_call;
struct http_server;

struct http_limits {
    uint32_t connections_max;
    int64_t handshake_ms; /* for the whole TLS handshake */
    int64_t head_ms;      /* from a head's first byte to its last */
    int64_t idle_ms;      /* between requests */
    int64_t body_ms;      /* without a byte of body, and as the start of its allowance */
    uint64_t body_rate;   /* bytes/s a body must average once body_ms are over */
    int64_t send_ms;      /* without the other side taking a byte */
    int64_t linger_ms;    /* after a refusal, for the other side to read it */
};

/* connections 10000, handshake 10 s, head 10 s, idle 120 s, body 30 s and 1 KiB/s, send 60 s,
 * linger 2 s. */
struct http_limits http_limits_default(void);

struct http_handler {
    /* The head is there: reply, or ask for the body (http_call_collect, http_call_stream), or
     * return and do either later. */
    void (*head)(void *self, struct http_call *call, const struct http_head *head);

    /* A piece of a body that http_call_stream() asked for. An error (ERR_TOO_BIG, ERR_STORAGE)
     * ends the request: refuse() is called with the status that fits, or nothing if piece() has
     * replied by itself. */
    enum err (*piece)(void *self, struct http_call *call, struct span piece);

    /* The body is complete; `body` is what http_call_collect() asked for, borrowed for the time
     * of the call. */
    void (*complete)(void *self, struct http_call *call, const struct http_head *head,
                     struct span body);

    /* Must reply at once with `status` and the sentence; the connection closes after it. `head` is
     * NULL when there is none. */
    void (*refuse)(void *self, struct http_call *call, const struct http_head *head,
                   uint16_t status, const char *sentence);

    /* A call whose body had begun, or an open stream, has ended before its time: forget it. */
    void (*gone)(void *self, struct http_call *call);
};

/* Counters somewhere; each may be NULL. */
struct http_counters {
    _Atomic int64_t *connections_open, *connections_total, *connections_refused;
    _Atomic int64_t *handshakes_full, *handshakes_resumed, *handshakes_failed;
    _Atomic int64_t *requests_total, *requests_refused, *requests_failed;
    _Atomic int64_t *timeouts_total, *bytes_out;
};

struct http_server_config {
    struct loop *loop;
    int listener;           /* taken over */
    struct tls_server *tls; /* NULL: plain HTTP */
    struct http_limits limits;
    const struct http_handler *handler;
    void *self; /* the handler's */
    struct http_counters counters;
    const struct log *log;
};

enum err http_server_open(const struct http_server_config *config, struct http_server **out,
                          struct why *why) MUST_USE;

/* Closes every connection. Calls that still owe a reply are forgotten: no http_call_* after it.
 * NULL-safe. */
void http_server_close(struct http_server *server);

/* Enforce the timeouts; call regularly (a quarter of the shortest one is fine). */
void http_server_sweep(struct http_server *server);

/* Take no new connections, finish what is under way, close as soon as possible. */
void http_server_drain(struct http_server *server);

/* Connections still open. */
size_t http_server_count(const struct http_server *server);

/* ---- A call, for the handler ---- */

/* Memory for bodies that several calls share. Each call takes what its head announces, or what has
 * come of a body of unknown size, and gives it back when its reply is out: a body is somewhere
 * until then. One thread. */
struct http_budget {
    uint64_t size_max, size; /* bytes */
};

/* Collect the body. It is refused past `size_max` bytes (413), or when `budget` has no room for it
 * (503), which may happen inside this call: gone(), then refuse(). If the connection has broken
 * while the handler thought, gone() is called at once and nothing is owed any more. */
void http_call_collect(struct http_call *call, size_t size_max, struct http_budget *budget);

/* Have the body piece by piece; it costs no memory. */
void http_call_stream(struct http_call *call, uint64_t size_max);

struct http_field {
    const char *name, *value;
};

struct http_reply {
    uint16_t status;
    const char *content_type;        /* NULL: none */
    const struct http_field *fields; /* more headers */
    size_t fields_count;
    bool close; /* the connection after it */

    /* The body: `body`, which is copied unless `release` is given; that is called exactly once
     * when the bytes are not needed any more. Or a file: with has_file, `size` bytes from `from`
     * of the descriptor `file`, which is taken over. HEAD requests get the head only. */
    struct span body;
    void (*release)(void *owner);
    void *owner;
    bool has_file;
    int file;
    uint64_t from, size;
};

void http_call_reply(struct http_call *call, const struct http_reply *reply);

/* Begin a reply without end: the head and `reply->body`, then http_call_send() at will. gone() is
 * called when it ends from the other side, which may happen inside any of these calls. */
void http_call_open_stream(struct http_call *call, const struct http_reply *reply);

/* False when more than `queue_max` bytes would wait; nothing is sent then. */
bool http_call_send(struct http_call *call, struct span bytes, size_t queue_max) MUST_USE;

/* End a stream after these last bytes; gone() is not called any more. */
void http_call_end(struct http_call *call, struct span last);

/* The handler's own pointer; NULL at the start of each request. */
void http_call_set_user(struct http_call *call, void *user);
void *http_call_user(const struct http_call *call);

/* The head while the request lasts; NULL after its connection broke. */
const struct http_head *http_call_head(const struct http_call *call);

/* The other side's certificate, NULL without. */
const struct tls_peer *http_call_peer(const struct http_call *call);

#define HTTP_ADDRESS_SIZE 48u
/* The other side's address, without port. */
void http_call_address(const struct http_call *call, char to[HTTP_ADDRESS_SIZE]);

/* The reason phrase of a status; never NULL. */
const char *http_status_text(uint16_t status);
