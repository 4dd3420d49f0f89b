/* Inside the HTTP server: one connection. Only net/http_*.c include this. */
#pragma once

#include <netinet/in.h>

#include "net/http_server.h"
#include "net/transport.h"
#include "os/loop.h"

#define INPUT_SIZE  (64u * 1024u) /* bytes read at once, and at most held of one connection */
#define OUTPUT_SIZE (64u * 1024u) /* bytes of a file sent at once */
#define ROUNDS_MAX  16            /* steps of one connection before others get their turn */

enum http_state {
    HTTP_HANDSHAKE,
    HTTP_HEAD_STATE,
    HTTP_DECIDE,
    HTTP_BODY,
    HTTP_WAIT,
    HTTP_SEND,
    HTTP_STREAM,
    HTTP_LINGER,
    HTTP_GONE /* closed, but a reply is still owed */
};

enum http_body_mode {
    HTTP_COLLECT,
    HTTP_PIECES
};

/* A head that must outlive the read it came with. */
struct http_held_head {
    struct http_head head;
    uint8_t bytes[];
};

/* Bytes on the heap, growing. */
struct http_bytes {
    uint8_t *at;
    size_t size, room;
};

struct http_output {
    struct http_bytes queued; /* heads and copied bodies */
    size_t sent;              /* of `queued` */
    struct span body;         /* borrowed, behind `queued` */
    void (*release)(void *owner);
    void *owner;
    int file; /* behind `queued`; -1: none */
    uint64_t file_at, file_left;
};

struct http_call {
    struct loop_watch watch; /* first */
    struct http_server *server;
    struct http_call *next, *previous;
    struct transport transport;
    enum http_state state;
    struct sockaddr_in6 address; /* large enough for IPv4 too */
    struct tls_peer *peer;
    struct instant deadline; /* ms 0: none */
    bool running;            /* inside connection_run() */

    struct http_bytes held; /* input that waits */
    bool held_fresh;        /* and has not been looked at in this state */

    struct http_parser parser;
    const struct http_head *head; /* the server's scratch or held_head's */
    struct http_held_head *held_head;
    enum http_body_mode body_mode;
    uint64_t body_max, body_size;
    struct http_bytes body;
    struct http_budget *budget; /* that `reserved` was taken from; NULL: nothing was */
    uint64_t reserved;          /* bytes */
    struct instant body_since;
    bool is_head_method, keep_alive;
    void *user;

    struct http_output output;
    bool close_after, linger;
};

struct http_server {
    struct http_server_config config;
    struct loop_watch listener; /* its `fd` is -1 when closed */
    struct http_call *first;
    struct http_call *owed; /* closed, but still owed a reply (HTTP_GONE) */
    size_t count;           /* of the first list */
    bool draining;
    int64_t date_s; /* what `date` says */
    char date[32];
    struct http_head head;
    uint8_t input[INPUT_SIZE + HTTP_HEAD_SIZE_MAX];
    uint8_t output[OUTPUT_SIZE];
};

/* http_connection.c */
void connection_accept(struct http_server *server, int fd, const struct sockaddr_in6 *address);
void connection_run(struct http_call *call);
void connection_close(struct http_call *call);
void connection_timeout(struct http_call *call);

/* Give back what the call's body took of its budget. */
void connection_release_budget(struct http_call *call);

/* What was owed came, or never will: free a closed call. */
void connection_drop_gone(struct http_call *call);

/* http_reply.c */
void reply_put_head(struct http_call *call, const struct http_reply *reply, bool endless);
bool bytes_append(struct http_bytes *bytes, const void *from, size_t size) MUST_USE;
void bytes_free(struct http_bytes *bytes);
bool output_pending(const struct http_call *call);
void output_drop(struct http_call *call);

/* 1: all is out. TRANSPORT_AGAIN, TRANSPORT_BROKEN. */
int output_flush(struct http_call *call);

static inline void count_up(_Atomic int64_t *counter, int64_t amount)
{
    if (counter)
        (void)atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}
