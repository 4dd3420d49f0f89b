#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "os/say.h"

struct tls_server {
    SSL_CTX *context;
};

enum err tls_failed(struct why *why, enum err err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return say(why, err, NULL, "%s: %s", what, reason ? reason : "no reason given");
}

/* Past its end is the one fault that a client certificate may have here. */
static int on_verify(int good, X509_STORE_CTX *store)
{
    if (good)
        return 1;
    return X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_HAS_EXPIRED &&
           X509_STORE_CTX_get_error_depth(store) == 0;
}

static void set_sessions(SSL_CTX *context, uint32_t sessions_max)
{
    static const unsigned char name[] = "slipway";

    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    (void)SSL_CTX_sess_set_cache_size(context, sessions_max > 0 ? (long)sessions_max : 1);
    (void)SSL_CTX_set_timeout(context, TLS_SESSION_S);
    CHECK(SSL_CTX_set_session_id_context(context, name, sizeof name - 1) == 1);
    CHECK(SSL_CTX_set_num_tickets(context, 1) == 1);
}

static void set_up(SSL_CTX *context, const struct tls_config *config)
{
    CHECK(SSL_CTX_set_min_proto_version(context, config->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) ==
          1);
    (void)SSL_CTX_set_options(
        context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_ENABLE_KTLS | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* one system call per record instead of two */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_verify_depth(context, 2);
    set_sessions(context, config->sessions_max);
}

static enum err load_files(SSL_CTX *context, const struct tls_config *config, struct why *why)
{
    STACK_OF(X509_NAME) * names;

    if (SSL_CTX_use_certificate_chain_file(context, config->certificate_file) != 1)
        return tls_failed(why, ERR_CORRUPT, config->certificate_file);
    if (SSL_CTX_use_PrivateKey_file(context, config->key_file, SSL_FILETYPE_PEM) != 1)
        return tls_failed(why, ERR_CORRUPT, config->key_file);
    if (SSL_CTX_check_private_key(context) != 1)
        return tls_failed(why, ERR_CORRUPT, "the key does not belong to the certificate");
    if (SSL_CTX_load_verify_file(context, config->ca_file) != 1)
        return tls_failed(why, ERR_CORRUPT, config->ca_file);
    names = SSL_load_client_CA_file(config->ca_file);
    if (!names)
        return tls_failed(why, ERR_CORRUPT, config->ca_file);
    SSL_CTX_set_client_CA_list(context, names); /* owned by the context from now on */
    return ERR_OK;
}

enum err tls_server_open(const struct tls_config *config, struct tls_server **out, struct why *why)
{
    struct tls_server *server = calloc(1, sizeof *server);
    enum err err;

    CHECK(server);
    ERR_clear_error();
    server->context = SSL_CTX_new(TLS_server_method());
    CHECK(server->context);
    set_up(server->context, config);
    err = load_files(server->context, config, why);
    if (err != ERR_OK) {
        tls_server_close(server);
        return err;
    }
    *out = server;
    return ERR_OK;
}

void tls_server_close(struct tls_server *server)
{
    if (!server)
        return;
    SSL_CTX_free(server->context);
    free(server);
}

struct ssl_st *tls_accept(struct tls_server *server, int fd)
{
    SSL *ssl = SSL_new(server->context);

    if (!ssl)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

enum tls_progress tls_handshake(struct ssl_st *ssl)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(ssl);
    if (result == 1)
        return TLS_DONE;
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_IN;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_OUT;
    default:
        ERR_clear_error();
        return TLS_BROKEN;
    }
}

bool tls_resumed(struct ssl_st *ssl)
{
    return SSL_session_reused(ssl) == 1;
}

/* One entry of the subject. False when it is missing, repeated, too long or holds a NUL byte. */
static bool name_entry(X509_NAME *name, int kind, char to[NAME_SIZE_MAX + 1])
{
    int at = X509_NAME_get_index_by_NID(name, kind, -1), size;
    unsigned char *text = NULL;
    bool good;

    if (at < 0 || X509_NAME_get_index_by_NID(name, kind, at) >= 0)
        return false;
    size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    good = size > 0 && span_to_text((struct span){text, (size_t)size}, to, NAME_SIZE_MAX + 1);
    OPENSSL_free(text);
    return good;
}

static bool end_of(const X509 *certificate, struct utc *out)
{
    struct tm end;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        return false;
    out->ms = (int64_t)timegm(&end) * 1000;
    return true;
}

bool tls_peer_of(struct ssl_st *ssl, struct tls_peer *out)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    long verdict = SSL_get_verify_result(ssl);
    struct tls_peer peer = {0};
    unsigned size = 0;

    if (!certificate || (verdict != X509_V_OK && verdict != X509_V_ERR_CERT_HAS_EXPIRED))
        return false;
    if (!name_entry(X509_get_subject_name(certificate), NID_commonName, peer.common_name) ||
        !name_entry(X509_get_subject_name(certificate), NID_organizationName, peer.organization) ||
        !end_of(certificate, &peer.not_after) ||
        X509_digest(certificate, EVP_sha256(), peer.fingerprint, &size) != 1)
        return false;
    CHECK(size == DIGEST_SIZE);
    *out = peer;
    return true;
}

void tls_goodbye(struct ssl_st *ssl)
{
    ERR_clear_error();
    if (SSL_is_init_finished(ssl))
        (void)SSL_shutdown(ssl); /* one try; the other side need not answer */
    ERR_clear_error();
}

void tls_free(struct ssl_st *ssl)
{
    /* A connection that just vanished is no reason to forget its session. */
    if (ssl && SSL_is_init_finished(ssl))
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
}
