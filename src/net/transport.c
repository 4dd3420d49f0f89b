#include "net/transport.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/tls.h"
#include "os/loop.h"

#define SEND_MAX (1u << 20) /* bytes of one sendfile(2): other connections wait meanwhile */

/* What a plain system call meant. */
static ssize_t plain_result(struct transport *transport, ssize_t result, unsigned wants)
{
    if (result >= 0)
        return result;
    if (errno == EAGAIN || errno == EINTR) {
        transport->wants = wants;
        return TRANSPORT_AGAIN;
    }
    return TRANSPORT_BROKEN;
}

static ssize_t tls_result(struct transport *transport, int result)
{
    switch (SSL_get_error(transport->ssl, result)) {
    case SSL_ERROR_NONE:
        return result;
    case SSL_ERROR_WANT_READ:
        transport->wants = LOOP_IN;
        return TRANSPORT_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        transport->wants = LOOP_OUT;
        return TRANSPORT_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_END;
    default:
        ERR_clear_error();
        return TRANSPORT_BROKEN;
    }
}

static int int_size(size_t size)
{
    return size < INT_MAX ? (int)size : INT_MAX;
}

ssize_t transport_read(struct transport *transport, void *to, size_t size)
{
    CHECK(size > 0);
    if (!transport->ssl)
        return plain_result(transport, recv(transport->fd, to, size, 0), LOOP_IN);
    ERR_clear_error();
    return tls_result(transport, SSL_read(transport->ssl, to, int_size(size)));
}

ssize_t transport_write(struct transport *transport, const void *from, size_t size)
{
    CHECK(size > 0);
    if (!transport->ssl)
        return plain_result(transport, send(transport->fd, from, size, MSG_NOSIGNAL), LOOP_OUT);
    ERR_clear_error();
    return tls_result(transport, SSL_write(transport->ssl, from, int_size(size)));
}

static ssize_t send_plain(struct transport *transport, int fd, uint64_t from, uint64_t size)
{
    off_t at = (off_t)from;
    ssize_t sent =
        sendfile(transport->fd, fd, &at, size < SEND_MAX ? (size_t)size : (size_t)SEND_MAX);

    return sent == 0 ? TRANSPORT_BROKEN : plain_result(transport, sent, LOOP_OUT);
}

ssize_t transport_send_file(struct transport *transport, int fd, uint64_t from, uint64_t size,
                            uint8_t *scratch, size_t scratch_size)
{
    size_t piece = size < scratch_size ? (size_t)size : scratch_size;
    ssize_t got;

    CHECK(size > 0 && scratch_size > 0);
    if (!transport->ssl)
        return send_plain(transport, fd, from, size);
    if (BIO_get_ktls_send(SSL_get_wbio(transport->ssl))) {
        ERR_clear_error();
        return tls_result(transport, (int)SSL_sendfile(transport->ssl, fd, (off_t)from, piece, 0));
    }
    /* Blobs never change, so a write that has to be repeated reads the same bytes again, and a
     * waiting download holds no memory. */
    got = pread(fd, scratch, piece, (off_t)from);
    if (got <= 0 || (size_t)got < piece)
        return TRANSPORT_BROKEN;
    return transport_write(transport, scratch, (size_t)got);
}

bool transport_holds_input(const struct transport *transport)
{
    return transport->ssl && SSL_has_pending(transport->ssl) == 1;
}

void transport_finish(struct transport *transport)
{
    if (transport->ssl)
        tls_goodbye(transport->ssl);
    (void)shutdown(transport->fd, SHUT_WR);
}

void transport_close(struct transport *transport)
{
    tls_free(transport->ssl);
    transport->ssl = NULL;
    if (transport->fd >= 0)
        (void)close(transport->fd);
    transport->fd = -1;
}
