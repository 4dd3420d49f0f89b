/* One connected byte stream, with TLS or without. Never blocks. */
#pragma once

#include <sys/types.h>

#include "base/span.h"

struct ssl_st;

struct transport {
    int fd;
    struct ssl_st *ssl; /* NULL: plain */
    unsigned wants;     /* after TRANSPORT_AGAIN: LOOP_IN or LOOP_OUT */
};

#define TRANSPORT_END    0  /* the other side has finished sending */
#define TRANSPORT_AGAIN  -1 /* wait for `wants` */
#define TRANSPORT_BROKEN -2

/* Bytes moved, at least 1, or one of the above. */
ssize_t transport_read(struct transport *transport, void *to, size_t size);

/* A write that was told TRANSPORT_AGAIN must be repeated with the same bytes in front, at least as
 * many; they may lie elsewhere. */
ssize_t transport_write(struct transport *transport, const void *from, size_t size);

/* Up to `size` bytes of the file `fd` at `from`, by the shortest way there is: sendfile(2), kernel
 * TLS, or through `scratch`. TRANSPORT_BROKEN also when the file is shorter. */
ssize_t transport_send_file(struct transport *transport, int fd, uint64_t from, uint64_t size,
                            uint8_t *scratch, size_t scratch_size);

/* Whether bytes have been taken from the socket that no read has returned: epoll will not tell. */
bool transport_holds_input(const struct transport *transport);

/* Finish sending: the other side sees an orderly end. */
void transport_finish(struct transport *transport);

/* Close and free all. */
void transport_close(struct transport *transport);
