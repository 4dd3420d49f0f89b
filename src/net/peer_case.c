#include "net/peer_case.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

int peer_dial(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void say_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

const char *hear(int fd, const char *want, char *to, size_t size)
{
    size_t at = 0;

    to[0] = '\0';
    while (at + 1 < size) {
        ssize_t got = recv(fd, to + at, size - at - 1, 0);

        if (got <= 0)
            break;
        at += (size_t)got;
        to[at] = '\0';
        if (want && strstr(to, want))
            break;
    }
    return to;
}

bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, 0) <= 0;
}
