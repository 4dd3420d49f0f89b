#include "server/front_world.h"

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
#include "crypto/sha256.h"
#include "format/native.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "server/engine.h"
#include "server/front.h"
#include "server/pki.h"

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
    if (exchange->kind == EXCHANGE_AT_DOOR) {
        reply_problem(exchange, 401, ERR_UNTRUSTED, NULL, "refused at the door");
        return ERR_OK;
    }
    if (exchange->upload.present)
        return take_upload(exchange);
    if (span_is(path, "/device/v1/enroll")) {
        reply_empty(exchange, exchange->request.body.size == 1 ? 201 : 403);
        return ERR_OK;
    }
    if (span_is(path, "/api/v1/blob")) {
        reply_blob(exchange, world->blob_sha256);
    } else if (span_is(path, "/api/v1/events")) {
        reply_stream(exchange, "default", "rollout/1");
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

/* The tokens "good" and, with the least of roles, "weak". */
static void make_tokens(struct world *world)
{
    struct pass *list = calloc(2, sizeof *list);

    assert_non_null(list);
    sha256_of(SPAN_LITERAL("good"), list[0].sha256);
    list[0].role = ROLE_ADMIN;
    sha256_of(SPAN_LITERAL("weak"), list[1].sha256);
    list[1].role = ROLE_VIEWER;
    passes_replace(world->passes, list, 2);
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
                                  .passes = world->passes,
                                  .attempts = world->attempts,
                                  .bodies_max = BODIES_MAX,
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
    world->passes = passes_open();
    world->attempts = attempts_open();
    make_tokens(world);
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

int open_world(void **state)
{
    *state = make_world(false, true);
    return 0;
}

int open_old_world(void **state)
{
    *state = make_world(true, true);
    return 0;
}

int open_busy_world(void **state)
{
    *state = make_world(false, false);
    return 0;
}

int close_world(void **state)
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
    passes_close(world->passes);
    attempts_close(world->attempts);
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

int dial(const struct world *world)
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

struct client *connect_with(const struct world *world, const struct identity *identity, int version,
                            SSL_SESSION *session)
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

struct client *open_client(const struct world *world, const struct identity *identity)
{
    struct client *client = connect_with(world, identity, 0, NULL);

    assert_true(client->connected);
    return client;
}

void close_client(struct client *client)
{
    if (client->connected)
        (void)SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    (void)close(client->fd);
    free(client);
}

void send_all(struct client *client, const void *bytes, size_t size)
{
    assert_int_equal(SSL_write(client->ssl, bytes, (int)size), (int)size);
}

void send_text(struct client *client, const char *text)
{
    send_all(client, text, strlen(text));
}

void hear(struct client *client, const char *want, size_t size)
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

int ask_bytes(struct client *client, const char *head, const void *body, size_t body_size)
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

int ask(struct client *client, const char *head)
{
    return ask_bytes(client, head, NULL, 0);
}
