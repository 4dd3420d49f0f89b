/* TLS for the server's side, by OpenSSL.
 *
 * Client certificates are asked for and not required. One that our CA did not issue fails the
 * handshake; one that our CA issued and that is past its end passes and is marked, so that its
 * device can still ask for a new one.
 *
 * Sessions live in a bounded cache of this process and never in tickets: with OpenSSL 3.0 a
 * ticket makes each mutual handshake decode the client's certificate again, at three times the
 * price. All sessions belong to one context with one CA: a resumed session keeps the identity of
 * its first handshake and can carry it nowhere else. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/time.h"
#include "base/why.h"

struct ssl_st; /* OpenSSL's SSL */
struct tls_server;

struct tls_config {
    const char *certificate_file; /* PEM: the server's, then any intermediate ones */
    const char *key_file;         /* PEM */
    const char *ca_file;          /* PEM: who issues client certificates */
    bool tls12;                   /* also accept TLS 1.2 */
    uint32_t sessions_max;        /* cached at once; about 6 kB each */
};

#define TLS_SESSION_S 86400 /* seconds a session can be resumed: a device that polls once a day */

enum err tls_server_open(const struct tls_config *config, struct tls_server **out,
                         struct why *why) MUST_USE;
void tls_server_close(struct tls_server *server); /* NULL-safe */

/* The other end's certificate, as the handshake proved it. */
struct tls_peer {
    char common_name[NAME_SIZE_MAX + 1];
    char organization[NAME_SIZE_MAX + 1];
    uint8_t fingerprint[DIGEST_SIZE]; /* SHA-256 of the DER */
    struct utc not_after;             /* look at it with every request: connections live long */
};

/* A new server-side connection on `fd`; NULL without memory. */
struct ssl_st *tls_accept(struct tls_server *server, int fd) MUST_USE;

enum tls_progress {
    TLS_DONE,
    TLS_WANTS_IN,
    TLS_WANTS_OUT,
    TLS_BROKEN
};

enum tls_progress tls_handshake(struct ssl_st *ssl);
bool tls_resumed(struct ssl_st *ssl);

/* After the handshake. False: no certificate, or one without usable names. */
bool tls_peer_of(struct ssl_st *ssl, struct tls_peer *out) MUST_USE;

/* Say goodbye if that can be done without waiting; the session stays resumable. */
void tls_goodbye(struct ssl_st *ssl);
void tls_free(struct ssl_st *ssl);

/* OpenSSL's own words on the last failure of this thread, into `why`; returns `err`. */
enum err tls_failed(struct why *why, enum err err, const char *what);
