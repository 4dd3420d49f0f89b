/* A front with TLS and an engine thread, over real sockets. The stories are stand-ins: they say
 * what reached them. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "codec/hex.h"
#include "format/native.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "server/engine.h"
#include "server/front.h"
#include "server/pki.h"

#define DAY_MS     (INT64_C(24) * 3600 * 1000)
#define UPLOAD_MAX (4u << 20)
#define BLOB_SIZE  (1u << 20)

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
    uint8_t fingerprint[DIGEST_SIZE];
};

struct world {
    char directory[64], uploads[80];
    struct pki *pki, *foreign;
    struct tls_server *tls;
    struct presence *presence;
    struct shelf *shelf;
    struct stats stats;
    struct front *front;
    struct front *fronts[1];
    struct engine *engine;
    struct identity device, expired, stranger;
    uint8_t blob[BLOB_SIZE], blob_sha256[DIGEST_SIZE];
    uint16_t port;
};

static const struct log quiet = {.fd = -1, .level = LOG_LEVEL_ERROR};

/* ---- Stories ---- */

static enum err no_failure(void *self)
{
    (void)self;
    return ERR_OK;
}

static enum err no_failure_why(void *self, struct why *why)
{
    (void)self;
    (void)why;
    return ERR_OK;
}

static void nothing(void *self)
{
    (void)self;
}

static enum err on_tick(void *self, struct utc now)
{
    (void)self;
    (void)now;
    return ERR_OK;
}

static enum err take_upload(struct exchange *exchange)
{
    char hex[DIGEST_HEX_SIZE];

    hex_print((struct span){exchange->upload.sha256, DIGEST_SIZE}, hex);
    reply_start(exchange, 201, "text/plain");
    reply_printf(exchange, "%s %llu", hex, (unsigned long long)exchange->upload.size);
    return ERR_OK;
}

static enum err on_handle(void *self, struct exchange *exchange)
{
    static const char *const certificates[] = {"none", "valid", "expired"};
    struct world *world = self;
    struct span path = exchange->request.path;

    if (exchange->kind == EXCHANGE_UPLOAD_BEGIN) {
        if (span_is(exchange->request.bearer, "good"))
            reply_empty(exchange, 100);
        else
            reply_problem(exchange, 401, ERR_DENIED, NULL, "who are you");
        return ERR_OK;
    }
    if (exchange->upload.present)
        return take_upload(exchange);
    if (span_is(path, "/api/v1/blob")) {
        reply_blob(exchange, world->blob_sha256);
    } else if (span_is(path, "/api/v1/events")) {
        reply_stream(exchange, "rollout/1");
    } else if (span_is(path, "/api/v1/publish")) {
        engine_publish(world->engine, "default", "rollout/1", "device", SPAN_LITERAL("{\"n\":1}"));
        engine_publish(world->engine, "default", "rollout/2", "device", SPAN_LITERAL("{\"n\":2}"));
        reply_empty(exchange, 204);
    } else {
        reply_start(exchange, 200, "text/plain");
        reply_printf(exchange, "engine %s %s/%s from %s with %zu bytes",
                     certificates[exchange->peer.certificate], exchange->peer.tenant,
                     exchange->peer.device, exchange->peer.address, exchange->request.body.size);
    }
    return ERR_OK;
}

/* ---- The world ---- */

static struct identity make_identity(struct pki *pki, const char *device, struct utc now)
{
    struct identity identity = {.key = EVP_EC_gen("P-256")};
    X509_REQ *request = X509_REQ_new();
    struct pki_certificate made;
    struct why why = {0};
    uint8_t *der = NULL;
    const uint8_t *at = made.der;
    int size;

    (void)X509_REQ_set_pubkey(request, identity.key);
    assert_true(X509_REQ_sign(request, identity.key, EVP_sha256()) > 0);
    size = i2d_X509_REQ(request, &der);
    assert_int_equal(
        pki_issue(pki, (struct span){der, (size_t)size}, "default", device, now, &made, &why),
        ERR_OK);
    identity.certificate = d2i_X509(NULL, &at, (long)made.size);
    memcpy(identity.fingerprint, made.fingerprint, DIGEST_SIZE);
    OPENSSL_free(der);
    X509_REQ_free(request);
    return identity;
}

static void drop_identity(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

/* A CA that is a year old, so that it can have issued certificates that are past their end. */
static struct pki *make_pki(const struct world *world, const char *name)
{
    static const char *const names[] = {"localhost"};
    char directory[128];
    struct pki_config config = {
        .directory = directory, .server_names = names, .server_names_count = 1, .device_days = 90};
    struct utc now = clock_utc(), old = {now.ms - 365 * DAY_MS};
    struct why why = {0};
    struct pki *pki;

    (void)snprintf(directory, sizeof directory, "%s/%s", world->directory, name);
    assert_int_equal(file_make_directory(directory, 0700, &why), ERR_OK);
    assert_int_equal(pki_open(&config, old, &pki, NULL, &why), ERR_OK);
    pki_close(pki);
    assert_int_equal(pki_open(&config, now, &pki, NULL, &why), ERR_OK);
    return pki;
}

static enum err open_blob(const void *self, const uint8_t sha256[DIGEST_SIZE], int *fd,
                          uint64_t *size)
{
    const struct world *world = self;
    char path[128];

    if (memcmp(sha256, world->blob_sha256, DIGEST_SIZE) != 0)
        return ERR_NOT_FOUND;
    (void)snprintf(path, sizeof path, "%s/blob", world->directory);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    *size = BLOB_SIZE;
    return *fd >= 0 ? ERR_OK : ERR_STORAGE;
}

static void make_blob(struct world *world)
{
    char path[128];
    struct why why = {0};
    unsigned size;

    for (size_t i = 0; i < BLOB_SIZE; i++)
        world->blob[i] = (uint8_t)(i * 31 + i / 251);
    (void)EVP_Digest(world->blob, BLOB_SIZE, world->blob_sha256, &size, EVP_sha256(), NULL);
    (void)snprintf(path, sizeof path, "%s/blob", world->directory);
    assert_int_equal(file_replace(path, (struct span){world->blob, BLOB_SIZE}, 0600, &why), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/uploads", world->directory);
    assert_int_equal(file_make_directory(path, 0700, &why), ERR_OK);
}

static void open_front(struct world *world, bool tls12)
{
    struct tls_config tls = {.certificate_file = pki_server_certificate_file(world->pki),
                             .key_file = pki_server_key_file(world->pki),
                             .ca_file = pki_ca_file(world->pki),
                             .tls12 = tls12,
                             .sessions_max = 100};
    struct front_config config = {.address = "127.0.0.1:0",
                                  .limits = http_limits_default(),
                                  .upload_max = UPLOAD_MAX,
                                  .poll_interval_s = 60,
                                  .poll_jitter_percent = 20,
                                  .gap_ms = 180000,
                                  .presence = world->presence,
                                  .shelf = world->shelf,
                                  .stats = &world->stats,
                                  .log = &quiet};
    struct why why = {0};

    (void)snprintf(world->uploads, sizeof world->uploads, "%s/uploads", world->directory);
    assert_int_equal(tls_server_open(&tls, &world->tls, &why), ERR_OK);
    config.tls = world->tls;
    config.blobs = (struct front_blobs){world, open_blob, world->uploads};
    assert_int_equal(front_open(&config, &world->front, &why), ERR_OK);
    world->fronts[0] = world->front;
    world->port = (uint16_t)strtol(strrchr(front_address(world->front), ':') + 1, NULL, 10);
}

static void open_engine(struct world *world)
{
    struct engine_config config = {
        .ops = {world, no_failure_why, no_failure_why, nothing, no_failure, no_failure, no_failure,
                on_handle, NULL, on_tick, NULL},
        .fronts = world->fronts,
        .fronts_count = 1,
        .mailbox_size = 4,
        .log = &quiet,
        .stats = &world->stats,
    };
    struct why why = {0};

    world->engine = engine_open(&config, &why);
    assert_non_null(world->engine);
}

static struct world *make_world(bool tls12, bool start_engine)
{
    struct world *world = calloc(1, sizeof *world);
    struct utc now = clock_utc();
    struct why why = {0};

    (void)snprintf(world->directory, sizeof world->directory, "%s", "/tmp/slipway-front-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    world->pki = make_pki(world, "pki");
    world->foreign = make_pki(world, "foreign");
    world->presence = presence_open();
    world->shelf = shelf_open();
    make_blob(world);
    world->device = make_identity(world->pki, "gw-1", now);
    world->expired = make_identity(world->pki, "gw-2", (struct utc){now.ms - 200 * DAY_MS});
    world->stranger = make_identity(world->foreign, "gw-1", now);
    open_front(world, tls12);
    open_engine(world);
    if (start_engine)
        assert_int_equal(engine_start(world->engine, &why), ERR_OK);
    assert_int_equal(front_start(world->front, world->engine, &why), ERR_OK);
    return world;
}

static int open_world(void **state)
{
    *state = make_world(false, true);
    return 0;
}

static int open_old_world(void **state)
{
    *state = make_world(true, true);
    return 0;
}

static int open_busy_world(void **state)
{
    *state = make_world(false, false);
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    char command[128];

    front_drain(world->front, 200);
    front_join(world->front);
    engine_stop(world->engine);
    front_close(world->front);
    engine_close(world->engine);
    tls_server_close(world->tls);
    presence_close(world->presence);
    shelf_close(world->shelf);
    pki_close(world->pki);
    pki_close(world->foreign);
    drop_identity(&world->device);
    drop_identity(&world->expired);
    drop_identity(&world->stranger);
    (void)snprintf(command, sizeof command, "rm -rf %s", world->directory);
    assert_int_equal(system(command), 0);
    free(world);
    return 0;
}

/* ---- The client ---- */

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    bool connected;
    size_t size;
    char text[2 * BLOB_SIZE]; /* the last answer, head and body */
    char *body;
};

static int dial(const struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(world->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static struct client *connect_with(const struct world *world, const struct identity *identity,
                                   int version, SSL_SESSION *session)
{
    struct client *client = calloc(1, sizeof *client);

    client->context = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_max_proto_version(client->context, version);
    assert_int_equal(SSL_CTX_load_verify_file(client->context, pki_ca_file(world->pki)), 1);
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    if (identity) {
        assert_int_equal(SSL_CTX_use_certificate(client->context, identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(client->context, identity->key), 1);
    }
    client->fd = dial(world);
    client->ssl = SSL_new(client->context);
    (void)SSL_set_fd(client->ssl, client->fd);
    assert_int_equal(SSL_set1_host(client->ssl, "localhost"), 1);
    if (session)
        assert_int_equal(SSL_set_session(client->ssl, session), 1);
    client->connected = SSL_connect(client->ssl) == 1;
    return client;
}

static struct client *open_client(const struct world *world, const struct identity *identity)
{
    struct client *client = connect_with(world, identity, 0, NULL);

    assert_true(client->connected);
    return client;
}

static void close_client(struct client *client)
{
    if (client->connected)
        (void)SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    (void)close(client->fd);
    free(client);
}

static void send_all(struct client *client, const void *bytes, size_t size)
{
    assert_int_equal(SSL_write(client->ssl, bytes, (int)size), (int)size);
}

static void send_text(struct client *client, const char *text)
{
    send_all(client, text, strlen(text));
}

/* Read until `want` has come, or `size` bytes, or the end. */
static void hear(struct client *client, const char *want, size_t size)
{
    client->size = 0;
    client->text[0] = '\0';
    while (client->size < size && client->size + 1 < sizeof client->text) {
        int got = SSL_read(client->ssl, client->text + client->size,
                           (int)(sizeof client->text - client->size - 1));

        if (got <= 0)
            break;
        client->size += (size_t)got;
        client->text[client->size] = '\0';
        if (want && strstr(client->text, want))
            break;
    }
}

/* One request, one answer with its body by Content-Length. Returns the status. */
static int ask_bytes(struct client *client, const char *head, const void *body, size_t body_size)
{
    const char *length;
    size_t want = 0, head_size;

    send_all(client, head, strlen(head));
    if (body_size > 0)
        send_all(client, body, body_size);
    hear(client, "\r\n\r\n", SIZE_MAX);
    if (client->size == 0)
        return -1;
    client->body = strstr(client->text, "\r\n\r\n") + 4;
    head_size = (size_t)(client->body - client->text);
    length = strstr(client->text, "Content-Length: ");
    if (length && strncmp(head, "HEAD", 4) != 0 && length < client->body)
        want = (size_t)atoll(length + 16);
    while (client->size < head_size + want) {
        int got = SSL_read(client->ssl, client->text + client->size,
                           (int)(sizeof client->text - client->size - 1));

        assert_true(got > 0);
        client->size += (size_t)got;
        client->text[client->size] = '\0';
    }
    return (int)strtol(client->text + 9, NULL, 10);
}

static int ask(struct client *client, const char *head)
{
    return ask_bytes(client, head, NULL, 0);
}

#define HOST "Host: localhost\r\n"

/* ---- TLS ---- */

static void certificates_say_who_is_there(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, NULL);

    assert_int_equal(ask(client, "GET /api/v1/hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_string_equal(client->body, "engine none / from 127.0.0.1 with 0 bytes");
    close_client(client);
    client = open_client(world, &world->device);
    assert_int_equal(ask(client, "GET /api/v1/hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_string_equal(client->body, "engine valid default/gw-1 from 127.0.0.1 with 0 bytes");
    close_client(client);
    client = open_client(world, &world->expired);
    assert_int_equal(ask(client, "GET /device/v1/tuf/timestamp.json HTTP/1.1\r\n" HOST "\r\n"),
                     200);
    assert_string_equal(client->body, "engine expired default/gw-2 from 127.0.0.1 with 0 bytes");
    close_client(client);
}

static void a_foreign_ca_fails_the_handshake(void **state)
{
    struct world *world = *state;
    struct client *client = connect_with(world, &world->stranger, 0, NULL);

    /* With TLS 1.3 the client learns of it with its first read. */
    if (client->connected) {
        (void)SSL_write(client->ssl, "GET / HTTP/1.1\r\n" HOST "\r\n", 20);
        hear(client, NULL, SIZE_MAX);
        client->connected = false;
    }
    assert_int_equal(client->size, 0);
    close_client(client);
    assert_int_equal(STATS_GET(&world->stats, handshakes_failed), 1);
    assert_int_equal(STATS_GET(&world->stats, requests_total), 0);
}

static void a_resumed_session_keeps_its_identity(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, &world->device);
    SSL_SESSION *session;

    assert_int_equal(ask(client, "GET /api/v1/hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    session = SSL_get1_session(client->ssl);
    assert_true(SSL_SESSION_is_resumable(session));
    close_client(client);
    client = connect_with(world, NULL, 0, session); /* shows no certificate this time */
    assert_true(client->connected);
    assert_int_equal(ask(client, "GET /api/v1/hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(SSL_session_reused(client->ssl), 1);
    assert_string_equal(client->body, "engine valid default/gw-1 from 127.0.0.1 with 0 bytes");
    assert_int_equal(STATS_GET(&world->stats, handshakes_resumed), 1);
    close_client(client);
    SSL_SESSION_free(session);
}

static void tls12_is_an_option(void **state)
{
    struct world *world = *state;
    struct client *client = connect_with(world, &world->device, TLS1_2_VERSION, NULL);

    assert_false(client->connected);
    close_client(client);
}

static void tls12_works_when_allowed(void **state)
{
    struct world *world = *state;
    struct client *client = connect_with(world, &world->device, TLS1_2_VERSION, NULL);

    assert_true(client->connected);
    assert_int_equal(ask(client, "GET /api/v1/hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_non_null(strstr(client->body, "default/gw-1"));
    close_client(client);
    client = connect_with(world, &world->stranger, TLS1_2_VERSION, NULL);
    assert_false(client->connected);
    close_client(client);
}

static void plain_http_on_the_tls_port_is_closed(void **state)
{
    int fd = dial(*state);
    char text[64];

    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    while (recv(fd, text, sizeof text, 0) > 0)
        continue;
    (void)close(fd);
}

/* ---- From memory ---- */

static void put_device(struct world *world, enum presence_status status, bool has_work)
{
    struct presence_facts facts = {
        .status = status, .has_work = has_work, .boot_count = 3, .seen = clock_utc()};

    memset(facts.running, 7, DIGEST_SIZE);
    memset(facts.inventory, 8, PRESENCE_INVENTORY_SIZE);
    memcpy(facts.fingerprint, world->device.fingerprint, DIGEST_SIZE);
    presence_put(world->presence, SPAN_LITERAL("default"), SPAN_LITERAL("gw-1"), &facts);
}

static int poll_once(struct client *client, uint64_t assignment)
{
    struct native_poll poll = {
        .running.known = true, .boot_count = 3, .inventory_known = true, .assignment = assignment};
    uint8_t body[256];
    struct buf buf = buf_over(body, sizeof body);
    char head[256];

    memset(poll.running.at, 7, DIGEST_SIZE);
    memset(poll.inventory, 8, NATIVE_INVENTORY_SIZE);
    assert_int_equal(native_poll_encode(&poll, &buf), ERR_OK);
    (void)snprintf(head, sizeof head,
                   "POST /device/v1/poll HTTP/1.1\r\n" HOST
                   "Content-Type: application/cbor\r\nContent-Length: %zu\r\n\r\n",
                   buf.size);
    return ask_bytes(client, head, body, buf.size);
}

static void quiet_polls_never_reach_the_engine(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, &world->device);
    struct native_answer answer;

    put_device(world, PRESENCE_ACTIVE, false);
    for (int i = 0; i < 20; i++) {
        size_t size;

        assert_int_equal(poll_once(client, 0), 200);
        size = client->size - (size_t)(client->body - client->text);
        assert_int_equal(
            native_answer_decode((struct span){(uint8_t *)client->body, size}, &answer), ERR_OK);
        assert_int_equal(answer.kind, NATIVE_NOTHING);
        assert_in_range(answer.next_poll_s, 48, 72);
    }
    assert_int_equal(STATS_GET(&world->stats, polls_quiet), 20);
    assert_int_equal(STATS_GET(&world->stats, engine_exchanges), 0);
    assert_int_equal(poll_once(client, 5), 200);
    assert_memory_equal(client->body, "engine valid", 12);
    put_device(world, PRESENCE_ACTIVE, true);
    assert_int_equal(poll_once(client, 0), 200);
    assert_memory_equal(client->body, "engine valid", 12);
    put_device(world, PRESENCE_REVOKED, false);
    assert_int_equal(poll_once(client, 0), 200);
    assert_memory_equal(client->body, "engine valid", 12);
    assert_int_equal(STATS_GET(&world->stats, polls_quiet), 20);
    close_client(client);
}

static void metadata_comes_from_the_shelf(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, &world->device);
    char head[512], etag[80];
    const char *from;

    shelf_put(world->shelf, "default", "timestamp.json", SPAN_LITERAL("{\"signed\":1}"));
    put_device(world, PRESENCE_ACTIVE, false);
    assert_int_equal(ask(client, "GET /device/v1/tuf/timestamp.json HTTP/1.1\r\n" HOST "\r\n"),
                     200);
    assert_string_equal(client->body, "{\"signed\":1}");
    from = strstr(client->text, "ETag: ") + 6;
    (void)snprintf(etag, sizeof etag, "%.66s", from);
    (void)snprintf(head, sizeof head,
                   "GET /tuf/timestamp.json HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n\r\n", etag);
    assert_int_equal(ask(client, head), 304);
    assert_int_equal(ask(client, "GET /device/v1/tuf/9.root.json HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_non_null(strstr(client->text, "application/cbor"));
    put_device(world, PRESENCE_REVOKED, false);
    assert_int_equal(ask(client, "GET /device/v1/tuf/timestamp.json HTTP/1.1\r\n" HOST "\r\n"),
                     200);
    assert_memory_equal(client->body, "engine valid", 12); /* which will refuse it */
    close_client(client);
}

static int ask_blob(struct world *world, struct client *client, const char *method,
                    const char *headers)
{
    char hex[DIGEST_HEX_SIZE], head[512];

    hex_print((struct span){world->blob_sha256, DIGEST_SIZE}, hex);
    (void)snprintf(head, sizeof head, "%s /device/v1/blobs/%s HTTP/1.1\r\n" HOST "%s\r\n", method,
                   hex, headers);
    return ask(client, head);
}

static void blobs_are_sent_whole_and_in_parts(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, &world->device);
    char headers[256], hex[DIGEST_HEX_SIZE];

    put_device(world, PRESENCE_ACTIVE, false);
    hex_print((struct span){world->blob_sha256, DIGEST_SIZE}, hex);
    assert_int_equal(ask_blob(world, client, "GET", ""), 200);
    assert_memory_equal(client->body, world->blob, BLOB_SIZE);
    assert_non_null(strstr(client->text, "Accept-Ranges: bytes"));
    assert_int_equal(ask_blob(world, client, "HEAD", ""), 200);
    assert_non_null(strstr(client->text, "Content-Length: 1048576"));
    (void)snprintf(headers, sizeof headers, "Range: bytes=1000000-\r\nIf-Range: \"%s\"\r\n", hex);
    assert_int_equal(ask_blob(world, client, "GET", headers), 206);
    assert_non_null(strstr(client->text, "Content-Range: bytes 1000000-1048575/1048576\r\n"));
    assert_memory_equal(client->body, world->blob + 1000000, BLOB_SIZE - 1000000);
    assert_int_equal(ask_blob(world, client, "GET", "Range: bytes=5-6\r\nIf-Range: \"other\"\r\n"),
                     200);
    assert_memory_equal(client->body, world->blob, BLOB_SIZE);
    assert_int_equal(ask_blob(world, client, "GET", "Range: bytes=1048576-\r\n"), 416);
    assert_non_null(strstr(client->text, "Content-Range: bytes */1048576\r\n"));
    (void)snprintf(headers, sizeof headers, "If-None-Match: \"%s\"\r\n", hex);
    assert_int_equal(ask_blob(world, client, "GET", headers), 304);
    assert_int_equal(ask(client, "GET /device/v1/blobs/xyz HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(ask(client, "GET /api/v1/blob HTTP/1.1\r\n" HOST "Range: bytes=0-3\r\n\r\n"),
                     206);
    assert_memory_equal(client->body, world->blob, 4);
    close_client(client);
}

/* ---- Uploads ---- */

static size_t files_in(const struct world *world, const char *name)
{
    char path[128];
    DIR *dir;
    const struct dirent *entry;
    size_t count = 0;

    (void)snprintf(path, sizeof path, "%s/%s", world->directory, name);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    (void)closedir(dir);
    return count;
}

static void uploads_are_hashed_on_the_way(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, NULL);
    char want[100], hex[DIGEST_HEX_SIZE];

    hex_print((struct span){world->blob_sha256, DIGEST_SIZE}, hex);
    (void)snprintf(want, sizeof want, "%s %u", hex, BLOB_SIZE);
    assert_int_equal(ask_bytes(client,
                               "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST "Authorization: Bearer "
                               "good\r\nContent-Length: 1048576\r\n\r\n",
                               world->blob, BLOB_SIZE),
                     201);
    assert_string_equal(client->body, want);
    for (int i = 0; i < 100 && files_in(world, "uploads") > 0; i++)
        (void)usleep(1000);
    assert_int_equal(files_in(world, "uploads"), 0); /* nobody took it */
    assert_int_equal(ask(client, "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST
                                 "Authorization: Bearer good\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "5\r\nhello\r\n0\r\n\r\n"),
                     201);
    assert_non_null(strstr(client->body, " 5"));
    close_client(client);
}

static void uploads_need_leave(void **state)
{
    struct client *client = open_client(*state, NULL);

    assert_int_equal(ask(client, "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST
                                 "Expect: 100-continue\r\nContent-Length: 1048576\r\n\r\n"),
                     401);
    assert_non_null(strstr(client->text, "Connection: close"));
    close_client(client);
}

static void uploads_that_are_too_large_are_refused(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, NULL);

    assert_int_equal(ask(client, "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST
                                 "Authorization: Bearer good\r\nContent-Length: 4194305\r\n\r\n"),
                     413);
    assert_non_null(strstr(client->body, "urn:slipway:error:too-big"));
    close_client(client);
    client = open_client(world, NULL);
    send_text(client, "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST "Authorization: Bearer good\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        (void)SSL_write(client->ssl, "100000\r\n", 8);
        (void)SSL_write(client->ssl, world->blob, BLOB_SIZE);
        (void)SSL_write(client->ssl, "\r\n", 2);
    }
    hear(client, "\r\n\r\n", SIZE_MAX);
    assert_int_equal(strtol(client->text + 9, NULL, 10), 413);
    assert_int_equal(files_in(world, "uploads"), 0);
    close_client(client);
}

static void broken_uploads_leave_nothing(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, NULL);
    const char *head = "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST "Authorization: Bearer good\r\n"
                       "Content-Length: 1048576\r\n\r\n";

    send_all(client, head, strlen(head));
    send_all(client, world->blob, 10000);
    for (int i = 0; i < 100 && files_in(world, "uploads") == 0; i++)
        (void)usleep(10000);
    assert_int_equal(files_in(world, "uploads"), 1);
    close_client(client);
    for (int i = 0; i < 100 && files_in(world, "uploads") > 0; i++)
        (void)usleep(10000);
    assert_int_equal(files_in(world, "uploads"), 0);
}

/* ---- Streams, overload, errors ---- */

static void events_reach_their_readers(void **state)
{
    struct world *world = *state;
    struct client *reader = open_client(world, NULL), *speaker = open_client(world, NULL);
    char head[256], id[32] = "";

    send_text(reader, "GET /api/v1/events HTTP/1.1\r\n" HOST "\r\n");
    hear(reader, "\r\n\r\n", SIZE_MAX);
    assert_non_null(strstr(reader->text, "text/event-stream"));
    for (int i = 0; i < 100 && STATS_GET(&world->stats, streams_open) == 0; i++)
        (void)usleep(10000);
    assert_int_equal(ask(speaker, "POST /api/v1/publish HTTP/1.1\r\n" HOST "\r\n"), 204);
    hear(reader, "{\"n\":1}\n\n", SIZE_MAX);
    assert_non_null(strstr(reader->text, "event: device\n"));
    assert_null(strstr(reader->text, "{\"n\":2}"));
    (void)sscanf(strstr(reader->text, "id: ") + 4, "%31[0-9]", id);
    close_client(reader);
    assert_int_equal(ask(speaker, "POST /api/v1/publish HTTP/1.1\r\n" HOST "\r\n"), 204);
    reader = open_client(world, NULL);
    (void)snprintf(head, sizeof head,
                   "GET /api/v1/events HTTP/1.1\r\n" HOST "Last-Event-ID: %s\r\n\r\n", id);
    send_all(reader, head, strlen(head));
    hear(reader, "{\"n\":1}\n\n", SIZE_MAX); /* the one it missed */
    assert_non_null(strstr(reader->text, "{\"n\":1}"));
    close_client(reader);
    close_client(speaker);
}

static void a_busy_engine_answers_503(void **state)
{
    struct world *world = *state;
    struct client *clients[6];
    struct why why = {0};

    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = open_client(world, NULL);
        if (i < 4)
            send_text(clients[i], "GET /api/v1/hello HTTP/1.1\r\n" HOST "\r\n");
        for (int n = 0; n < 100 && i < 4 && STATS_GET(&world->stats, connections_total) == 0; n++)
            (void)usleep(10000);
    }
    (void)usleep(100000);
    assert_int_equal(ask(clients[4], "GET /api/v1/hello HTTP/1.1\r\n" HOST "\r\n"), 503);
    assert_non_null(strstr(clients[4]->text, "Retry-After: "));
    assert_non_null(strstr(clients[4]->body, "urn:slipway:error:again"));
    assert_int_equal(ask(clients[5], "GET /device/v1/assignments/1 HTTP/1.1\r\n" HOST "\r\n"), 503);
    assert_non_null(strstr(clients[5]->text, "application/cbor"));
    assert_int_equal(STATS_GET(&world->stats, overload_total), 2);
    assert_int_equal(engine_start(world->engine, &why), ERR_OK);
    for (size_t i = 0; i < 4; i++) {
        hear(clients[i], "bytes", SIZE_MAX);
        assert_non_null(strstr(clients[i]->text, "200 OK"));
    }
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        close_client(clients[i]);
}

static void errors_speak_the_protocol_of_their_path(void **state)
{
    struct client *client = open_client(*state, NULL);
    struct native_error error;

    assert_int_equal(
        ask(client, "POST /device/v1/report HTTP/1.1\r\n" HOST "Content-Length: 8193\r\n\r\n"),
        413);
    assert_int_equal(
        native_error_decode((struct span){(uint8_t *)client->body,
                                          client->size - (size_t)(client->body - client->text)},
                            &error),
        ERR_OK);
    assert_true(span_is(error.err, "too-big"));
    close_client(client);
    client = open_client(*state, NULL);
    assert_int_equal(ask(client, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_non_null(strstr(client->text, "application/problem+json"));
    close_client(client);
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(certificates_say_who_is_there),
        WORLD_TEST(a_foreign_ca_fails_the_handshake),
        WORLD_TEST(a_resumed_session_keeps_its_identity),
        WORLD_TEST(tls12_is_an_option),
        cmocka_unit_test_setup_teardown(tls12_works_when_allowed, open_old_world, close_world),
        WORLD_TEST(plain_http_on_the_tls_port_is_closed),
        WORLD_TEST(quiet_polls_never_reach_the_engine),
        WORLD_TEST(metadata_comes_from_the_shelf),
        WORLD_TEST(blobs_are_sent_whole_and_in_parts),
        WORLD_TEST(uploads_are_hashed_on_the_way),
        WORLD_TEST(uploads_need_leave),
        WORLD_TEST(uploads_that_are_too_large_are_refused),
        WORLD_TEST(broken_uploads_leave_nothing),
        WORLD_TEST(events_reach_their_readers),
        cmocka_unit_test_setup_teardown(a_busy_engine_answers_503, open_busy_world, close_world),
        WORLD_TEST(errors_speak_the_protocol_of_their_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
