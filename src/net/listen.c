#include "net/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/file.h"
#include "os/say.h"

#define BACKLOG 4096 /* a fleet reconnects all at once after an outage; the kernel may cut it */

/* Numeric only: a name server must not decide where we listen. */
static enum err resolve(const char *address, struct addrinfo **out, struct why *why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    const char *colon = strrchr(address, ':');
    char host[ADDRESS_SIZE_MAX];
    size_t size = colon ? (size_t)(colon - address) : 0;
    int failed;

    if (!colon || size >= sizeof host || colon[1] == '\0')
        return say(why, ERR_INVALID, "listen", "\"%s\" is not ADDRESS:PORT", address);
    memcpy(host, address, size);
    host[size] = '\0';
    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        memmove(host, host + 1, size - 2);
        host[size - 2] = '\0';
    }
    failed = getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, out);
    if (failed != 0)
        return say(why, ERR_INVALID, "listen", "\"%s\" is not ADDRESS:PORT: %s", address,
                   gai_strerror(failed));
    return ERR_OK;
}

static bool set_options(int fd, int family)
{
    const int on = 1, off = 0;

    /* Without TCP_NODELAY, which accepted sockets inherit, a reply of two segments waits 40 ms. */
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0);
}

/* A socket that has the option may be joined by others that have it. Binding checks it, so who
 * sets it only afterwards has made sure to be the first. */
static bool allow_sharing(int fd)
{
    const int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
}

static bool bind_and_listen(int fd, const struct addrinfo *to, bool join)
{
    return set_options(fd, to->ai_family) && (!join || allow_sharing(fd)) &&
           bind(fd, to->ai_addr, to->ai_addrlen) == 0 && (join || allow_sharing(fd)) &&
           listen(fd, BACKLOG) == 0;
}

enum err listen_open(const char *address, bool join, int *fd, struct why *why)
{
    struct addrinfo *found = NULL;
    enum err err = ERR_OK;
    int made;

    TRY(resolve(address, &found, why));
    made = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0 || !bind_and_listen(made, found, join)) {
        err = errno == EADDRINUSE ? ERR_CONFLICT : file_failed(NULL, "", "");
        (void)say(why, err, "listen", "cannot listen on %s: %s", address, strerror(errno));
        file_close(&made);
    } else {
        *fd = made;
    }
    freeaddrinfo(found);
    return err;
}

enum err listen_address(int fd, char to[ADDRESS_SIZE_MAX])
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN + 1], port[8];

    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0 ||
        getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return ERR_STORAGE;
    (void)snprintf(to, ADDRESS_SIZE_MAX, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                   port);
    return ERR_OK;
}

enum err listen_check(const char *address, struct why *why)
{
    struct addrinfo *found = NULL;

    TRY(resolve(address, &found, why));
    freeaddrinfo(found);
    return ERR_OK;
}
