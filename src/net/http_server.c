#include "net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/http_connection.h"
#include "os/log.h"

#define ACCEPTS_MAX 64 /* per round, so that open connections get their turn in a storm */

struct http_limits http_limits_default(void)
{
    return (struct http_limits){
        .connections_max = 10000,
        .handshake_ms = 10000,
        .head_ms = 10000,
        .idle_ms = 120000,
        .body_ms = 30000,
        .body_rate = 1024,
        .send_ms = 60000,
        .linger_ms = 2000,
    };
}

/* False when there is nobody left at the door. */
static bool accept_one(struct http_server *server)
{
    struct sockaddr_in6 address = {0};
    socklen_t size = sizeof address;
    int fd = accept4(server->listener.fd, (struct sockaddr *)&address, &size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The sweep turns it on again; asking on would only burn the processor. */
            loop_change(server->config.loop, &server->listener, LOOP_HANGUP);
            log_line(server->config.log, LOG_LEVEL_ERROR, "net", "accept-failed",
                     "reason=\"%s\" next=\"waiting for connections to close\"", strerror(errno));
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    if (server->count >= server->config.limits.connections_max) {
        count_up(server->config.counters.connections_refused, 1);
        (void)close(fd);
        return true;
    }
    connection_accept(server, fd, &address);
    return true;
}

static void on_listener(struct loop_watch *watch, unsigned events)
{
    struct http_server *server =
        (struct http_server *)((char *)watch - offsetof(struct http_server, listener));

    (void)events;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (!accept_one(server))
            return;
    }
}

enum err http_server_open(const struct http_server_config *config, struct http_server **out,
                          struct why *why)
{
    struct http_server *server = calloc(1, sizeof *server);

    CHECK(server);
    CHECK(config->handler->head && config->handler->complete && config->handler->refuse &&
          config->handler->gone);
    server->config = *config;
    server->listener = (struct loop_watch){.ready = on_listener, .fd = config->listener};
    if (loop_add(config->loop, &server->listener, LOOP_IN) != ERR_OK) {
        why_say(why, NULL, "cannot watch the listening socket");
        free(server);
        return ERR_STORAGE;
    }
    *out = server;
    return ERR_OK;
}

static void close_listener(struct http_server *server)
{
    if (server->listener.fd < 0)
        return;
    loop_remove(server->config.loop, &server->listener);
    (void)close(server->listener.fd);
    server->listener.fd = -1;
}

void http_server_close(struct http_server *server)
{
    if (!server)
        return;
    close_listener(server);
    while (server->first)
        connection_close(server->first);
    while (server->owed) /* nobody will reply any more */
        connection_drop_gone(server->owed);
    free(server);
}

void http_server_sweep(struct http_server *server)
{
    struct instant now = loop_now(server->config.loop);
    struct http_call *next;

    if (server->listener.fd >= 0)
        loop_change(server->config.loop, &server->listener, LOOP_IN);
    for (struct http_call *call = server->first; call; call = next) {
        next = call->next;
        if (call->deadline.ms != 0 && instant_reached(now, call->deadline))
            connection_timeout(call);
    }
}

void http_server_drain(struct http_server *server)
{
    struct http_call *next;

    server->draining = true;
    close_listener(server);
    for (struct http_call *call = server->first; call; call = next) {
        next = call->next;
        if (call->state == HTTP_HANDSHAKE ||
            (call->state == HTTP_HEAD_STATE && call->held.size == 0)) {
            transport_finish(&call->transport);
            connection_close(call);
        } else {
            call->close_after = true;
        }
    }
}

size_t http_server_count(const struct http_server *server)
{
    return server->count;
}

void http_call_address(const struct http_call *call, char to[HTTP_ADDRESS_SIZE])
{
    const struct sockaddr_in6 *from = &call->address;
    const void *address = &from->sin6_addr;
    int family = from->sin6_family;

    if (family == AF_INET) {
        address = (const char *)from + offsetof(struct sockaddr_in, sin_addr);
    } else if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
        family = AF_INET; /* IPv4 through an IPv6 socket */
        address = &from->sin6_addr.s6_addr[12];
    }
    if ((family != AF_INET && family != AF_INET6) ||
        !inet_ntop(family, address, to, HTTP_ADDRESS_SIZE))
        to[0] = '\0';
}
