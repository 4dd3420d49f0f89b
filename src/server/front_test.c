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
#include "net/listen.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "server/engine.h"
#include "server/front.h"
#include "server/front_world.h"
#include "server/pki.h"

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

/* The client has the alert before the front has counted it, so this may have to wait. */
static int64_t failed_handshakes_soon(struct world *world)
{
    for (int i = 0; i < 500 && STATS_GET(&world->stats, handshakes_failed) == 0; i++)
        (void)usleep(10 * 1000);
    return STATS_GET(&world->stats, handshakes_failed);
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
    assert_int_equal(failed_handshakes_soon(world), 1);
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
    assert_memory_equal(client->body, "engine valid", 12); /* which must be asked first */
    shelf_allow(world->shelf, SPAN_LITERAL("other"), world->blob_sha256);
    assert_int_equal(ask_blob(world, client, "GET", ""), 200);
    assert_memory_equal(client->body, "engine valid", 12);
    shelf_allow(world->shelf, SPAN_LITERAL("default"), world->blob_sha256);
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

    assert_int_equal(ask(client,
                         "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST "Authorization: Bearer bad\r\n"
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
    send_text(client,
              "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST GOOD "Transfer-Encoding: chunked\r\n\r\n");
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
    const char *head =
        "PUT /api/v1/blobs/x HTTP/1.1\r\n" HOST GOOD "Content-Length: 1048576\r\n\r\n";

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

/* Two servers on one address would each get half of the connections. */
static void an_address_in_use_is_refused(void **state)
{
    struct world *world = *state;
    struct why why = {0};
    int fd = -1;

    assert_int_equal(listen_open(front_address(world->front), false, &fd, &why), ERR_CONFLICT);
    assert_int_equal(listen_open(front_address(world->front), true, &fd, &why), ERR_OK);
    file_close(&fd);
}

static void events_reach_their_readers(void **state)
{
    struct world *world = *state;
    struct client *reader = open_client(world, NULL), *speaker = open_client(world, NULL);
    char head[256], id[32] = "";

    send_text(reader, "GET /api/v1/events HTTP/1.1\r\n" HOST GOOD "\r\n");
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
                   "GET /api/v1/events HTTP/1.1\r\n" HOST GOOD "Last-Event-ID: %s\r\n\r\n", id);
    send_all(reader, head, strlen(head));
    hear(reader, "{\"n\":1}\n\n", SIZE_MAX); /* the one it missed */
    assert_non_null(strstr(reader->text, "{\"n\":1}"));
    close_client(reader);
    close_client(speaker);
}

/* When something cannot be told, every reader hears that, and has to come back. */
static void readers_are_told_that_they_missed_something(void **state)
{
    struct world *world = *state;
    struct client *reader = open_client(world, NULL);

    send_text(reader, "GET /api/v1/events HTTP/1.1\r\n" HOST GOOD "\r\n");
    hear(reader, "\r\n\r\n", SIZE_MAX);
    for (int i = 0; i < 100 && STATS_GET(&world->stats, streams_open) == 0; i++)
        (void)usleep(10000);
    front_lose_events(world->front);
    hear(reader, NULL, SIZE_MAX);
    assert_string_equal(reader->text, STREAM_LOST);
    close_client(reader);
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
    assert_int_equal(ask(clients[5], "POST /device/v1/enroll HTTP/1.1\r\n" HOST "\r\n"), 503);
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
    const struct world *world = *state;
    struct client *client = open_client(world, &world->device);
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
        WORLD_TEST(readers_are_told_that_they_missed_something),
        WORLD_TEST(an_address_in_use_is_refused),
        cmocka_unit_test_setup_teardown(a_busy_engine_answers_503, open_busy_world, close_world),
        WORLD_TEST(errors_speak_the_protocol_of_their_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
