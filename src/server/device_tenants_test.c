/* Tenants share a process and nothing else: for every question of the device protocol, a device of
 * one tenant never sees, changes or can tell the existence of what another one has. A question that
 * is not asked here fails the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/stage.h"
#include "base/check.h"
#include "codec/hex.h"
#include "crypto/sha256.h"
#include "server/device_api.h"
#include "wire/wire.h"

#define BODY_SIZE 1024u

/* Two tenants with devices of the same name; only the first has anything else. */
struct world {
    struct stage stage;
    struct stage_device own, other; /* gw-1 of "default", gw-1 of "other" */
    uint64_t assignment;            /* of `own` */
    char blob[DIGEST_HEX_SIZE];     /* of a release of the first tenant */
    bool asked[CALL_COUNT];
};

static const uint16_t everybody[] = {1000, 0};

static int open_world(void **state)
{
    static struct world world;
    struct native_answer answer;
    struct release_row release;
    int64_t id;

    memset(&world, 0, sizeof world);
    stage_open(&world.stage, true);
    stage_device(&world.stage, "gw-1", "a", "1.0", &world.own);
    id = stage_release(&world.stage, "2.0");
    (void)stage_rollout(&world.stage, "spring", id, everybody);
    assert_int_equal(stage_poll(&world.stage, &world.own, &answer), ERR_OK);
    world.assignment = world.own.assignment;
    assert_int_not_equal(world.assignment, 0);
    assert_int_equal(store_release_get(world.stage.db, 1, id, &release), ERR_OK);
    hex_print((struct span){release.sha256, DIGEST_SIZE}, world.blob);
    stage_tenant(&world.stage, "other");
    stage_device(&world.stage, "gw-1", "a", "1.0", &world.other);
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;

    stage_check(&world->stage);
    stage_close(&world->stage);
    return 0;
}

/* ---- Asking ---- */

struct asking {
    enum call_kind kind;
    enum exchange_method method;
    char path[160];
    const char *query, *content_type;
    uint8_t body[BODY_SIZE];
    size_t body_size;
    const struct stage_device *device; /* NULL: shows no certificate */
    const char *tenant;
    struct exchange *exchange; /* answered; the caller closes it */
};

static enum err handle(struct stage *stage, void *self)
{
    struct asking *asking = self;

    return device_handle(&stage->app, asking->exchange);
}

static uint16_t ask(struct world *world, struct asking *asking)
{
    struct exchange_parts parts = {.kind = EXCHANGE_HTTP, .now = world->stage.now};

    parts.request.method = asking->method;
    parts.request.path = span_of(asking->path);
    parts.request.query = span_of(asking->query);
    parts.request.content_type = span_of(asking->content_type);
    parts.request.body = (struct span){asking->body, asking->body_size};
    if (asking->device) {
        parts.peer.certificate = PEER_CERTIFICATE_VALID;
        (void)snprintf(parts.peer.tenant, sizeof parts.peer.tenant, "%s", asking->tenant);
        (void)snprintf(parts.peer.device, sizeof parts.peer.device, "%s", asking->device->name);
        memcpy(parts.peer.fingerprint, asking->device->fingerprint, DIGEST_SIZE);
    }
    world->asked[asking->kind] = true;
    asking->exchange = exchange_open(&parts);
    assert_non_null(asking->exchange);
    (void)stage_run(&world->stage, handle, asking); /* the reply says it */
    return asking->exchange->reply.status;
}

static void write_body(struct asking *asking, struct buf *buf)
{
    asking->method = METHOD_POST;
    asking->content_type = NATIVE_MIME;
    asking->body_size = buf->size;
    assert_false(buf->overflow);
}

static void fill_report(struct asking *asking, uint64_t assignment)
{
    struct native_report report = {.id = assignment,
                                   .assignment = assignment,
                                   .phase = PHASE_DOWNLOADING,
                                   .running.known = true};
    struct buf buf = buf_over(asking->body, sizeof asking->body);

    assert_int_equal(native_report_encode(&report, &buf), ERR_OK);
    write_body(asking, &buf);
}

/* The question about something of the first tenant, or about what nobody has. */
static struct asking question(struct world *world, enum call_kind kind, bool there)
{
    static const char log_query[] = "assignment=%llu";
    static char query[64];
    struct asking asking = {
        .kind = kind, .method = METHOD_GET, .device = &world->other, .tenant = "other"};
    uint64_t assignment = there ? world->assignment : world->assignment + 5;

    if (kind == CALL_DETAILS) {
        (void)snprintf(asking.path, sizeof asking.path, "/device/v1/assignments/%llu",
                       (unsigned long long)assignment);
    } else if (kind == CALL_REPORT) {
        (void)snprintf(asking.path, sizeof asking.path, "/device/v1/report");
        fill_report(&asking, assignment);
    } else if (kind == CALL_LOG) {
        (void)snprintf(asking.path, sizeof asking.path, "/device/v1/logs");
        (void)snprintf(query, sizeof query, log_query, (unsigned long long)assignment);
        asking.query = query;
        asking.method = METHOD_POST;
        asking.content_type = "text/plain";
        asking.body[0] = 'x';
        asking.body_size = 1;
    } else if (kind == CALL_METADATA) {
        (void)snprintf(asking.path, sizeof asking.path, "/device/v1/tuf/%u.root.json",
                       there ? 1u : 9u);
    } else {
        CHECK(kind == CALL_FETCH);
        (void)snprintf(asking.path, sizeof asking.path, "/device/v1/blobs/%s",
                       there ? world->blob
                             : "1111111111111111111111111111111111111111111111111111111111111111");
    }
    return asking;
}

/* ---- What another tenant has is as good as absent ---- */

/* Texts of both answers are compared without the numbers they were asked about. */
static void forget_numbers(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->reply.body_size; i++) {
        if (exchange->reply.body[i] >= '0' && exchange->reply.body[i] <= '9')
            exchange->reply.body[i] = '#';
    }
}

static void as_good_as_absent(void **state)
{
    static const enum call_kind kinds[] = {CALL_DETAILS, CALL_REPORT, CALL_LOG, CALL_METADATA,
                                           CALL_FETCH};
    struct world *world = *state;

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct asking there = question(world, kinds[i], true);
        struct asking absent = question(world, kinds[i], false);
        uint16_t status = ask(world, &there);

        if (status != ask(world, &absent))
            fail_msg("question %u tells: %u", kinds[i], status);
        assert_false(there.exchange->reply.has_blob);
        forget_numbers(there.exchange);
        forget_numbers(absent.exchange);
        assert_int_equal(there.exchange->reply.body_size, absent.exchange->reply.body_size);
        assert_memory_equal(there.exchange->reply.body, absent.exchange->reply.body,
                            there.exchange->reply.body_size);
        exchange_close(there.exchange);
        exchange_close(absent.exchange);
    }
}

/* And it is there for the first tenant, or the test above would show nothing. */
static void there_for_its_own(void **state)
{
    struct world *world = *state;
    struct asking details = question(world, CALL_DETAILS, true);
    struct asking fetch = question(world, CALL_FETCH, true);

    details.device = fetch.device = &world->own;
    details.tenant = fetch.tenant = "default";
    assert_int_equal(ask(world, &details), 200);
    assert_int_equal(ask(world, &fetch), 200);
    assert_true(fetch.exchange->reply.has_blob);
    exchange_close(details.exchange);
    exchange_close(fetch.exchange);
}

/* ---- What is the caller's own ---- */

static int64_t sum_of_first(struct world *world)
{
    return stage_number(&world->stage,
                        "SELECT (SELECT count(*) FROM report WHERE tenant = 1) + 100 *"
                        " (SELECT count(*) FROM device_log WHERE tenant = 1) + 10000 *"
                        " (SELECT sum(state) FROM assignment WHERE tenant = 1) + 1000000 *"
                        " (SELECT count(*) FROM attribute WHERE tenant = 1) + 100000000 *"
                        " (SELECT count(*) FROM certificate WHERE tenant = 1)");
}

static void polls_find_only_what_is_their_own(void **state)
{
    struct world *world = *state;
    struct asking asking = {
        .kind = CALL_POLL, .path = "/device/v1/poll", .device = &world->other, .tenant = "other"};
    struct native_poll poll = {.running = {.known = true}, .version = SPAN_LITERAL("1.0")};
    struct buf buf = buf_over(asking.body, sizeof asking.body);
    struct native_answer answer;
    int64_t before = sum_of_first(world);

    memcpy(poll.running.at, world->other.running, DIGEST_SIZE);
    assert_int_equal(native_poll_encode(&poll, &buf), ERR_OK);
    write_body(&asking, &buf);
    assert_int_equal(ask(world, &asking), 200);
    assert_int_equal(
        native_answer_decode(
            (struct span){asking.exchange->reply.body, asking.exchange->reply.body_size}, &answer),
        ERR_OK);
    assert_int_equal(answer.kind, NATIVE_NOTHING);
    assert_int_equal(sum_of_first(world), before);
    exchange_close(asking.exchange);
}

static void inventories_are_their_own(void **state)
{
    struct world *world = *state;
    struct asking asking = {.kind = CALL_INVENTORY,
                            .path = "/device/v1/inventory",
                            .device = &world->other,
                            .tenant = "other"};
    struct native_inventory inventory = {
        .attributes = {.count = 1, .list = {{SPAN_LITERAL("color"), SPAN_LITERAL("red")}}}};
    struct buf buf = buf_over(asking.body, sizeof asking.body);
    int64_t before = sum_of_first(world);

    assert_int_equal(native_inventory_encode(&inventory, &buf), ERR_OK);
    write_body(&asking, &buf);
    assert_int_equal(ask(world, &asking), 204);
    assert_int_equal(sum_of_first(world), before);
    assert_int_equal(
        stage_number(&world->stage,
                     "SELECT count(*) FROM attribute WHERE tenant = 2 AND name = 'color'"),
        1);
    exchange_close(asking.exchange);
}

/* A certificate of one tenant is nothing in another, whatever the device is called. */
static void certificates_are_of_one_tenant(void **state)
{
    struct world *world = *state;
    struct asking asking = question(world, CALL_DETAILS, true);

    asking.tenant = "default"; /* as no CA of ours would certify it */
    assert_int_equal(ask(world, &asking), 403);
    exchange_close(asking.exchange);
    asking.tenant = "nobody";
    assert_int_equal(ask(world, &asking), 403);
    exchange_close(asking.exchange);
}

/* ---- Coming in ---- */

static struct exchange *enroll(struct world *world, const char *claim,
                               const struct stage_device *device, uint16_t *status)
{
    struct asking asking = {
        .kind = CALL_ENROL, .path = "/device/v1/enroll", .device = device, .tenant = "other"};
    struct native_enroll enroll = {
        .name = SPAN_LITERAL("gw-9"), .claim = span_of(claim), .csr = SPAN_LITERAL("key of gw-9")};
    struct buf buf = buf_over(asking.body, sizeof asking.body);

    assert_int_equal(native_enroll_encode(&enroll, &buf), ERR_OK);
    write_body(&asking, &buf);
    *status = ask(world, &asking);
    return asking.exchange;
}

/* A claim lets its device into the tenant of whoever made it; waiting at the door is at the first
 * tenant's. */
static void claims_lead_into_their_tenant(void **state)
{
    struct world *world = *state;
    uint16_t status;

    stage_claim(&world->stage, "swc_of_other", "", 3600000);
    exchange_close(enroll(world, "swc_of_other", NULL, &status));
    assert_int_equal(status, 201);
    assert_int_equal(stage_number(&world->stage, "SELECT tenant FROM device WHERE name = 'gw-9'"),
                     2);
    assert_int_equal(
        stage_number(&world->stage, "SELECT count(*) FROM claim WHERE tenant = 1 AND used_ms = 0"),
        0);
}

/* Who has a certificate stays in its tenant: a claim of another one is unknown there. */
static void claims_of_another_tenant_are_unknown(void **state)
{
    struct world *world = *state;
    struct exchange *there, *absent;
    uint16_t statuses[2];

    stage_tenant(&world->stage, "default");
    stage_claim(&world->stage, "swc_of_first", "", 3600000);
    stage_tenant(&world->stage, "other");
    there = enroll(world, "swc_of_first", &world->other, &statuses[0]);
    absent = enroll(world, "swc_of_nobody", &world->other, &statuses[1]);
    assert_int_equal(statuses[0], 403);
    assert_int_equal(statuses[1], 403);
    assert_int_equal(there->reply.body_size, absent->reply.body_size);
    assert_memory_equal(there->reply.body, absent->reply.body, there->reply.body_size);
    exchange_close(there);
    exchange_close(absent);
}

static void renewals_stay_in_their_tenant(void **state)
{
    struct world *world = *state;
    struct asking asking = {
        .kind = CALL_RENEW, .path = "/device/v1/renew", .device = &world->other, .tenant = "other"};
    struct native_renew renew = {.csr = SPAN_LITERAL("another key")};
    struct buf buf = buf_over(asking.body, sizeof asking.body);
    int64_t before = sum_of_first(world);

    assert_int_equal(native_renew_encode(&renew, &buf), ERR_OK);
    write_body(&asking, &buf);
    assert_int_equal(ask(world, &asking), 201);
    assert_int_equal(sum_of_first(world), before);
    exchange_close(asking.exchange);
}

/* Last: everything has been asked by now. */
static bool asked[CALL_COUNT];

static int note_and_close(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < CALL_COUNT; i++)
        asked[i] |= world->asked[i];
    return close_world(state);
}

static void every_question_has_been_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALL_COUNT; i++) {
        if (!asked[i])
            fail_msg("question %zu is not asked: can another tenant learn something by it?", i);
    }
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, open_world, note_and_close)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(as_good_as_absent),
        WORLD_TEST(there_for_its_own),
        WORLD_TEST(polls_find_only_what_is_their_own),
        WORLD_TEST(inventories_are_their_own),
        WORLD_TEST(certificates_are_of_one_tenant),
        WORLD_TEST(claims_lead_into_their_tenant),
        WORLD_TEST(claims_of_another_tenant_are_unknown),
        WORLD_TEST(renewals_stay_in_their_tenant),
        cmocka_unit_test(every_question_has_been_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
