/* The client against a small server in a thread of this test, in the clear and over TLS with
 * certificates made on the spot. */
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/http_client.h"

#define REQUEST_SIZE_MAX 8192

/* What the server answers to every request, and what it saw of the last one. */
struct server {
    int listener;
    uint16_t port;
    SSL_CTX *tls; /* NULL: in the clear */
    pthread_t thread;
    const char *reply; /* whole, head and body */
    bool hang_up;      /* close without an answer */
    char request[REQUEST_SIZE_MAX];
    unsigned connections;
    char url[64];
};

static ssize_t receive(SSL *ssl, int fd, char *to, size_t size)
{
    return ssl ? SSL_read(ssl, to, (int)size) : read(fd, to, size);
}

static void answer(SSL *ssl, int fd, const char *text)
{
    if (ssl)
        (void)SSL_write(ssl, text, (int)strlen(text));
    else
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static bool complete(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strstr(request, "Content-Length: ");

    return end && (!length || strlen(end + 4) >= strtoul(length + 16, NULL, 10));
}

static void serve_connection(struct server *server, SSL *ssl, int fd)
{
    for (;;) { /* until the client closes */
        char request[REQUEST_SIZE_MAX] = "";
        size_t size = 0;

        while (!complete(request)) {
            ssize_t got = receive(ssl, fd, request + size, sizeof request - 1 - size);

            if (got <= 0)
                return;
            size += (size_t)got;
        }
        memcpy(server->request, request, sizeof request); /* before the client goes on */
        if (server->hang_up)
            return;
        answer(ssl, fd, server->reply);
    }
}

static void *serve(void *self)
{
    struct server *server = self;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        SSL *ssl = NULL;

        server->connections++;
        if (server->tls) {
            ssl = SSL_new(server->tls);
            (void)SSL_set_fd(ssl, fd);
        }
        if (!ssl || SSL_accept(ssl) == 1)
            serve_connection(server, ssl, fd);
        SSL_free(ssl);
        (void)close(fd);
    }
    return NULL;
}

static void start(struct server *server, SSL_CTX *tls, const char *reply)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof any;

    *server = (struct server){.tls = tls, .reply = reply};
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&any, &size), 0);
    server->port = ntohs(any.sin_port);
    (void)snprintf(server->url, sizeof server->url, "%s://127.0.0.1:%u/x", tls ? "https" : "http",
                   server->port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    (void)close(server->listener);
    SSL_CTX_free(server->tls);
}

static struct http_client *plain_client(void)
{
    struct http_client_setup setup = {.plain_allowed = true, .stall_s = 2};
    struct http_client *client = http_client_open(&setup, NULL);

    assert_non_null(client);
    return client;
}

static void answers_are_taken_apart(void **state)
{
    struct http_client *client = plain_client();
    struct http_answer answer;
    struct why why = {0};
    struct server server;

    (void)state;
    start(&server, NULL,
          "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nRetry-After: 17\r\nETag: \"ab\"\r\n"
          "content-type:   text/plain \r\n\r\nwait");
    struct http_call call = {.url = server.url, .headers = {"Authorization: Bearer t"}};

    assert_int_equal(http_client_call(client, &call, &answer, &why), ERR_OK);
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.retry_after_s, 17);
    assert_string_equal(answer.etag, "\"ab\"");
    assert_string_equal(answer.content_type, "text/plain ");
    assert_true(span_is(answer.body, "wait"));
    assert_non_null(strstr(server.request, "GET /x HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "Authorization: Bearer t\r\n"));
    http_client_close(client);
    stop(&server);
}

static void a_retry_date_counts_as_none(void **state)
{
    struct http_client *client = plain_client();
    struct http_answer answer;
    struct server server;

    (void)state;
    start(&server, NULL,
          "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n"
          "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n");
    struct http_call call = {.url = server.url};

    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_OK);
    assert_int_equal(answer.retry_after_s, 0);
    http_client_close(client);
    stop(&server);
}

static void bodies_are_sent_and_connections_kept(void **state)
{
    struct http_client *client = plain_client();
    struct http_answer answer;
    struct server server;

    (void)state;
    start(&server, NULL, "HTTP/1.1 204 No Content\r\n\r\n");
    struct http_call call = {.method = "POST",
                             .url = server.url,
                             .content_type = "application/cbor",
                             .body = SPAN_LITERAL("hello")};

    for (int i = 0; i < 3; i++) {
        assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_OK);
        assert_int_equal(answer.status, 204);
    }
    assert_non_null(strstr(server.request, "POST /x HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "Content-Type: application/cbor\r\n"));
    assert_non_null(strstr(server.request, "Content-Length: 5\r\n"));
    assert_null(strstr(server.request, "Expect:"));
    assert_non_null(strstr(server.request, "\r\n\r\nhello"));
    assert_int_equal(server.connections, 1);
    call.body.size = 0;
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_OK);
    assert_non_null(strstr(server.request, "Content-Length: 0\r\n"));
    call = (struct http_call){.url = server.url};
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_OK);
    assert_non_null(strstr(server.request, "GET /x HTTP/1.1\r\n"));
    http_client_close(client);
    stop(&server);
}

static void files_are_uploaded(void **state)
{
    struct http_client *client = plain_client();
    struct http_answer answer;
    struct server server;
    FILE *file = tmpfile();

    (void)state;
    assert_true(fputs("abcdefgh", file) >= 0 && fflush(file) == 0);
    start(&server, NULL, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    struct http_call call = {
        .method = "PUT", .url = server.url, .upload_fd = fileno(file), .upload_size = 8};

    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_OK);
    assert_int_equal(answer.status, 201);
    assert_non_null(strstr(server.request, "\r\n\r\nabcdefgh"));
    call.upload_size = 9; /* the file is shorter than it was */
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_STORAGE);
    (void)fclose(file);
    http_client_close(client);
    stop(&server);
}

static enum err keep(void *self, struct span bytes)
{
    (void)strncat(self, (const char *)bytes.at, bytes.size);
    return ERR_OK;
}

static enum err refuse(void *self, struct span bytes)
{
    (void)self, (void)bytes;
    return ERR_CORRUPT;
}

static void a_sink_takes_good_bodies_only(void **state)
{
    struct http_client *client = plain_client();
    struct http_answer answer;
    struct server server;
    struct why why = {0};
    char kept[64] = "";

    (void)state;
    start(&server, NULL,
          "HTTP/1.1 206 Part\r\nContent-Length: 3\r\n"
          "Content-Range: bytes 5-7/9\r\n\r\nfgh");
    struct http_call call = {.url = server.url, .range = "5-7", .sink = {keep, kept}};

    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_OK);
    assert_string_equal(kept, "fgh");
    assert_string_equal(answer.content_range, "bytes 5-7/9");
    assert_int_equal(answer.body.size, 0);
    assert_non_null(strstr(server.request, "Range: bytes=5-7\r\n"));
    server.reply = "HTTP/1.1 200 All\r\nContent-Length: 4\r\n\r\nabcd";
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_CORRUPT);
    server.reply = "HTTP/1.1 206 Part\r\nContent-Length: 1\r\n"
                   "Content-Range: bytes 6-6/9\r\n\r\ng";
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_CORRUPT);
    server.reply = "HTTP/1.1 206 Part\r\nContent-Length: 4\r\n"
                   "Content-Range: bytes 5-8/9\r\n\r\nfghi";
    assert_int_equal(http_client_call(client, &call, &answer, &why), ERR_CORRUPT);
    assert_string_equal(why.text, "the server sends more than the part that was asked for");
    assert_string_equal(kept, "fgh");
    server.reply = "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone";
    call.range = NULL;
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_OK);
    assert_string_equal(kept, "fgh");
    assert_true(span_is(answer.body, "none"));
    assert_null(strstr(server.request, "Range:"));
    server.reply = "HTTP/1.1 200 Yes\r\nContent-Length: 4\r\n\r\nnone";
    call.sink = (struct http_sink){refuse, NULL};
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_CORRUPT);
    http_client_close(client);
    stop(&server);
}

static void failures_have_names(void **state)
{
    struct http_client *client = plain_client();
    struct http_answer answer;
    struct why why = {0};
    struct server server;

    (void)state;
    start(&server, NULL, "HTTP/1.1 200 Yes\r\nContent-Length: 4\r\n\r\nnone");
    struct http_call call = {.url = server.url, .size_max = 3};

    assert_int_equal(http_client_call(client, &call, &answer, &why), ERR_TOO_BIG);
    assert_string_equal(why.text, "the answer is larger than 3 bytes");
    server.reply = "HTTP/1.1 200 Yes\r\nContent-Length: 40\r\n\r\nnone"; /* then silence */
    call.size_max = 0;
    assert_int_equal(http_client_call(client, &call, &answer, &why), ERR_LINK);
    server.hang_up = true;
    assert_int_equal(http_client_call(client, &call, &answer, &why), ERR_LINK);
    stop(&server);
    assert_int_equal(http_client_call(client, &call, &answer, &why), ERR_LINK);
    call.url = "gopher://127.0.0.1/";
    assert_int_equal(http_client_call(client, &call, &answer, &why), ERR_INVALID);
    http_client_close(client);
    assert_null(http_client_open(&(struct http_client_setup){.ca_file = "/nowhere"}, &why));
    assert_string_equal(why.text, "/nowhere: cannot be read");
}

static bool never(void *self, uint64_t done, uint64_t total)
{
    (void)self, (void)done, (void)total;
    return false;
}

static void a_watch_stops_a_call(void **state)
{
    struct http_client *client = plain_client();
    struct http_answer answer;
    struct server server;

    (void)state;
    start(&server, NULL, "HTTP/1.1 200 Yes\r\nContent-Length: 40\r\n\r\nnone");
    struct http_call call = {.url = server.url, .watch = {never, NULL}};

    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_AGAIN);
    http_client_close(client);
    stop(&server);
}

/* ---- TLS ---- */

#define YEAR_S (365 * 24 * 3600)

static const struct utc y2026 = {1767225600000}; /* 2026-01-01 */

/* A self-signed certificate for 127.0.0.1 that is valid for one year from `begin`; its PEM goes
 * to `path`. */
static SSL_CTX *server_tls(struct utc begin, const char *path)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509V3_CTX context;
    X509_EXTENSION *san;
    FILE *file = fopen(path, "w");

    (void)X509_set_version(cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
    (void)ASN1_TIME_set(X509_getm_notBefore(cert), begin.ms / 1000);
    (void)ASN1_TIME_set(X509_getm_notAfter(cert), begin.ms / 1000 + YEAR_S);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1,
                                     -1, 0);
    (void)X509_set_issuer_name(cert, name);
    (void)X509_set_pubkey(cert, key);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    san = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "IP:127.0.0.1");
    (void)X509_add_ext(cert, san, -1);
    X509_EXTENSION_free(san);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    (void)fclose(file);
    assert_int_equal(SSL_CTX_use_certificate(tls, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    return tls;
}

static enum err call_tls(struct utc begin, struct utc floor, const char *ca_of_another)
{
    char path[] = "/tmp/http_client_test_XXXXXX";
    int fd = mkstemp(path);
    struct http_answer answer;
    struct server server;
    enum err err;

    assert_true(fd >= 0);
    (void)close(fd);
    start(&server, server_tls(begin, path), "HTTP/1.1 204 Yes\r\n\r\n");
    struct http_client_setup setup = {.ca_file = ca_of_another ? ca_of_another : path,
                                      .time_floor = floor};
    struct http_client *client = http_client_open(&setup, NULL);
    struct http_call call = {.url = server.url};

    assert_non_null(client);
    err = http_client_call(client, &call, &answer, NULL);
    http_client_close(client);
    stop(&server);
    (void)unlink(path);
    return err;
}

static struct utc years_later(struct utc from, int years)
{
    return (struct utc){from.ms + (int64_t)years * YEAR_S * 1000};
}

static void certificates_are_judged_by_the_floor(void **state)
{
    (void)state;
    assert_int_equal(call_tls(y2026, (struct utc){y2026.ms + 1000}, NULL), ERR_OK);
    /* valid long after the floor: the device's clock may simply be behind */
    assert_int_equal(call_tls(years_later(y2026, 5), y2026, NULL), ERR_OK);
    /* ended before the floor */
    assert_int_equal(call_tls(years_later(y2026, -5), y2026, NULL), ERR_UNTRUSTED);
}

static void another_ca_is_refused(void **state)
{
    char path[] = "/tmp/http_client_test_XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    SSL_CTX_free(server_tls(y2026, path));
    assert_int_equal(call_tls(y2026, y2026, path), ERR_UNTRUSTED);
    (void)unlink(path);
}

static void plain_http_needs_leave(void **state)
{
    struct http_client *client = http_client_open(&(struct http_client_setup){0}, NULL);
    struct http_call call = {.url = "http://127.0.0.1:1/"};
    struct http_answer answer;

    (void)state;
    assert_int_equal(http_client_call(client, &call, &answer, NULL), ERR_INVALID);
    http_client_close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_taken_apart),
        cmocka_unit_test(a_retry_date_counts_as_none),
        cmocka_unit_test(bodies_are_sent_and_connections_kept),
        cmocka_unit_test(files_are_uploaded),
        cmocka_unit_test(a_sink_takes_good_bodies_only),
        cmocka_unit_test(failures_have_names),
        cmocka_unit_test(a_watch_stops_a_call),
        cmocka_unit_test(certificates_are_judged_by_the_floor),
        cmocka_unit_test(another_ca_is_refused),
        cmocka_unit_test(plain_http_needs_leave),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
