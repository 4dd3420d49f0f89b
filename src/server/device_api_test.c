/* Device requests as exchanges: who may ask what, and what status and body come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/stage.h"
#include "codec/hex.h"
#include "server/device_api.h"

static int open_stage(void **state)
{
    static struct stage stage;

    stage_open(&stage, false);
    *state = &stage;
    return 0;
}

static int close_stage(void **state)
{
    stage_check(*state);
    stage_close(*state);
    return 0;
}

struct asking {
    enum exchange_method method;
    const char *path, *query, *content_type;
    struct span body;
    const struct stage_device *device; /* NULL: no certificate */
    enum peer_certificate certificate;
    struct exchange *exchange; /* answered; the caller closes it */
};

static enum err handle(struct stage *stage, void *self)
{
    struct asking *asking = self;

    return device_handle(&stage->app, asking->exchange);
}

static uint16_t ask(struct stage *stage, struct asking *asking)
{
    struct exchange_parts parts = {.kind = EXCHANGE_HTTP, .now = stage->now};

    parts.request.method = asking->method;
    parts.request.path = span_of(asking->path);
    parts.request.query = span_of(asking->query);
    parts.request.content_type = span_of(asking->content_type);
    parts.request.body = asking->body;
    if (asking->device) {
        parts.peer.certificate = asking->certificate;
        (void)snprintf(parts.peer.tenant, sizeof parts.peer.tenant, "default");
        (void)snprintf(parts.peer.device, sizeof parts.peer.device, "%s", asking->device->name);
        memcpy(parts.peer.fingerprint, asking->device->fingerprint, DIGEST_SIZE);
    }
    asking->exchange = exchange_open(&parts);
    assert_non_null(asking->exchange);
    (void)stage_run(stage, handle, asking); /* the reply says it */
    return asking->exchange->reply.status;
}

static uint16_t get(struct stage *stage, const struct stage_device *device, const char *path)
{
    struct asking asking = {.path = path, .device = device, .certificate = PEER_CERTIFICATE_VALID};
    uint16_t status = ask(stage, &asking);

    exchange_close(asking.exchange);
    return status;
}

static struct span poll_message(const struct stage_device *device, struct buf *buf)
{
    struct native_poll poll = {.running = {.known = true}, .version = SPAN_LITERAL("1.0")};

    memcpy(poll.running.at, device->running, DIGEST_SIZE);
    assert_int_equal(native_poll_encode(&poll, buf), ERR_OK);
    return buf_written(buf);
}

static void test_a_poll_is_answered(void **state)
{
    struct stage *stage = *state;
    uint8_t room[256];
    struct buf buf = buf_over(room, sizeof room);
    struct asking asking = {.method = METHOD_POST,
                            .path = "/device/v1/poll",
                            .content_type = NATIVE_MIME,
                            .certificate = PEER_CERTIFICATE_VALID};
    struct native_answer answer;
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    asking.device = &device;
    asking.body = poll_message(&device, &buf);
    assert_int_equal(ask(stage, &asking), 200);
    assert_string_equal(asking.exchange->reply.content_type, NATIVE_MIME);
    assert_int_equal(
        native_answer_decode(
            (struct span){asking.exchange->reply.body, asking.exchange->reply.body_size}, &answer),
        ERR_OK);
    assert_int_equal(answer.kind, NATIVE_NOTHING);
    assert_in_range(answer.next_poll_s, 54, 66);
    exchange_close(asking.exchange);

    asking.certificate = PEER_CERTIFICATE_EXPIRED;
    assert_int_equal(ask(stage, &asking), 403);
    exchange_close(asking.exchange);
    asking.device = NULL;
    assert_int_equal(ask(stage, &asking), 403);
    exchange_close(asking.exchange);
}

static void test_nonsense_is_refused_before_any_story(void **state)
{
    struct stage *stage = *state;
    struct stage_device device;
    struct asking asking = {.method = METHOD_POST,
                            .path = "/device/v1/report",
                            .content_type = NATIVE_MIME,
                            .body = SPAN_LITERAL("\xFF\xFF"),
                            .certificate = PEER_CERTIFICATE_VALID};
    char longest[700];

    stage_device(stage, "gw-1", "a", "1.0", &device);
    asking.device = &device;
    assert_int_equal(ask(stage, &asking), 400);
    exchange_close(asking.exchange);
    asking.content_type = "application/json";
    assert_int_equal(ask(stage, &asking), 400);
    exchange_close(asking.exchange);
    assert_int_equal(get(stage, &device, "/device/v1/report"), 405);
    assert_int_equal(get(stage, &device, "/device/v1/nothing"), 404);
    assert_int_equal(get(stage, &device, "/device/v9/poll"), 404);
    assert_int_equal(get(stage, &device, "/device/v1/assignments/99"), 404);
    assert_int_equal(get(stage, &device, "/device/v1/tuf/timestamp.json"), 404);
    assert_int_equal(get(stage, &device, "/device/v1/tuf/1.root.json"), 404);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(get(stage, &device, longest), 414);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM report"), 0);
}

static void test_blobs_of_releases_only(void **state)
{
    struct stage *stage = *state;
    uint8_t sha256[DIGEST_SIZE];
    char path[128] = "/device/v1/blobs/", hex[DIGEST_HEX_SIZE];
    struct asking asking = {.certificate = PEER_CERTIFICATE_VALID, .path = path};
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    stage_image("2.0", sha256);
    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    (void)snprintf(path, sizeof path, "/device/v1/blobs/%s", hex);
    assert_int_equal(get(stage, &device, path), 404);
    (void)stage_release(stage, "2.0");
    asking.device = &device;
    (void)ask(stage, &asking);
    assert_true(asking.exchange->reply.has_blob);
    assert_memory_equal(asking.exchange->reply.blob, sha256, DIGEST_SIZE);
    exchange_close(asking.exchange);
}

static void test_logs_and_inventory_are_noted(void **state)
{
    struct stage *stage = *state;
    uint8_t room[256];
    struct buf buf = buf_over(room, sizeof room);
    struct native_inventory inventory = {
        .attributes = {.count = 1, .list = {{SPAN_LITERAL("site"), SPAN_LITERAL("oslo")}}}};
    struct asking asking = {.method = METHOD_POST,
                            .path = "/device/v1/logs",
                            .query = "assignment=99",
                            .content_type = "text/plain; charset=utf-8",
                            .body = SPAN_LITERAL("it rains"),
                            .certificate = PEER_CERTIFICATE_VALID};
    struct stage_device device;

    stage_device(stage, "gw-1", "a", "1.0", &device);
    asking.device = &device;
    assert_int_equal(ask(stage, &asking), 404); /* that assignment is nobody's */
    exchange_close(asking.exchange);
    asking.query = NULL;
    assert_int_equal(ask(stage, &asking), 204);
    exchange_close(asking.exchange);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM device_log"), 1);

    assert_int_equal(native_inventory_encode(&inventory, &buf), ERR_OK);
    asking.path = "/device/v1/inventory";
    asking.content_type = NATIVE_MIME;
    asking.body = buf_written(&buf);
    assert_int_equal(ask(stage, &asking), 204);
    exchange_close(asking.exchange);
    assert_int_equal(stage_number(stage, "SELECT count(*) FROM attribute"), 1); /* replaced */
}

static void test_a_new_device_gets_a_certificate_or_waits(void **state)
{
    struct stage *stage = *state;
    uint8_t room[512];
    struct buf buf = buf_over(room, sizeof room);
    struct native_enroll enroll = {.name = SPAN_LITERAL("gw-1"), .csr = SPAN_LITERAL("key")};
    struct asking asking = {
        .method = METHOD_POST, .path = "/device/v1/enroll", .content_type = NATIVE_MIME};
    struct native_enrolled enrolled;

    assert_int_equal(native_enroll_encode(&enroll, &buf), ERR_OK);
    asking.body = buf_written(&buf);
    assert_int_equal(ask(stage, &asking), 202);
    assert_string_equal(asking.exchange->reply.headers[0].name, "Retry-After");
    exchange_close(asking.exchange);
    stage_claim(stage, "secret", "", 60000);
    enroll.claim = SPAN_LITERAL("secret");
    buf = buf_over(room, sizeof room);
    assert_int_equal(native_enroll_encode(&enroll, &buf), ERR_OK);
    asking.body = buf_written(&buf);
    assert_int_equal(ask(stage, &asking), 201);
    assert_int_equal(native_enrolled_decode((struct span){asking.exchange->reply.body,
                                                          asking.exchange->reply.body_size},
                                            &enrolled),
                     ERR_OK);
    assert_true(span_is(enrolled.ca, "the CA"));
    exchange_close(asking.exchange);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_a_poll_is_answered),
        STORY(test_nonsense_is_refused_before_any_story),
        STORY(test_blobs_of_releases_only),
        STORY(test_logs_and_inventory_are_noted),
        STORY(test_a_new_device_gets_a_certificate_or_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
