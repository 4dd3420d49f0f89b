/* Who may send a body, how much of them fits into memory, and how often an address may fail: over
 * real sockets, with stories that are stand-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/front_world.h"

#define TARGETS "POST /api/v1/trust/targets HTTP/1.1\r\n" HOST
#define LARGE   "Content-Length: 5000000\r\n\r\n"

/* The head alone is sent: whoever answers has not waited for the body. */
static int ask_alone(const struct world *world, const struct identity *identity, const char *head,
                     const char *want)
{
    struct client *client = open_client(world, identity);
    int status = ask(client, head);

    if (!strstr(client->text, want))
        fail_msg("no %s in %s", want, client->text);
    close_client(client);
    return status;
}

static void bodies_of_strangers_are_not_read(void **state)
{
    struct world *world = *state;

    assert_int_equal(ask_alone(world, NULL, TARGETS "Authorization: Bearer bad\r\n" LARGE,
                               "refused at the door"),
                     401);
    assert_int_equal(ask_alone(world, NULL, TARGETS LARGE, "refused at the door"), 401);
    assert_int_equal(ask_alone(world, NULL, TARGETS "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
                               "refused at the door"),
                     401);
    /* not even a promise that it may come */
    assert_int_equal(ask_alone(world, NULL, TARGETS "Expect: 100-continue\r\n" LARGE, "401 "), 401);
}

static void bodies_for_higher_roles_are_not_read(void **state)
{
    assert_int_equal(ask_alone(*state, NULL, TARGETS WEAK LARGE, "refused at the door"), 401);
    assert_int_equal(ask_alone(*state, NULL,
                               "POST /api/v1/nothing HTTP/1.1\r\n" HOST GOOD
                               "Content-Length: 9000\r\n\r\n",
                               "refused at the door"),
                     401);
    /* a small one is, so that the connection can go on */
    assert_int_equal(
        ask_alone(*state, NULL, TARGETS WEAK "Content-Length: 2\r\n\r\n{}", "with 2 bytes"), 200);
    assert_int_equal(ask_alone(*state, NULL,
                               "POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n",
                               "refused at the door"),
                     401);
    assert_int_equal(ask_alone(*state, NULL,
                               "GET /healthz HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", "413"),
                     413);
}

static void put_status(struct world *world, enum presence_status status)
{
    struct presence_facts facts = {.status = status};

    memcpy(facts.fingerprint, world->device.fingerprint, DIGEST_SIZE);
    presence_put(world->presence, SPAN_LITERAL("default"), SPAN_LITERAL("gw-1"), &facts);
}

static void bodies_of_devices_need_a_certificate(void **state)
{
    static const char logs[] =
        "POST /device/v1/logs HTTP/1.1\r\n" HOST "Content-Length: 262144\r\n\r\n";
    struct world *world = *state;

    assert_int_equal(ask_alone(world, NULL, logs, "application/cbor"), 403);
    assert_int_equal(STATS_GET(&world->stats, engine_exchanges), 0);
    put_status(world, PRESENCE_REVOKED);
    assert_int_equal(ask_alone(world, &world->device, logs, "application/cbor"), 401);
    assert_int_equal(ask_alone(world, &world->expired, logs, "application/cbor"), 401);
    assert_int_equal(ask_alone(world, &world->expired,
                               "POST /device/v1/renew HTTP/1.1\r\n" HOST
                               "Content-Length: 1\r\n\r\nx",
                               "engine expired"),
                     200);
    put_status(world, PRESENCE_ACTIVE);
    assert_int_equal(ask_alone(world, &world->device,
                               "POST /device/v1/logs HTTP/1.1\r\n" HOST
                               "Content-Length: 1\r\n\r\nx",
                               "with 1 bytes"),
                     200);
}

static void bodies_have_a_budget(void **state)
{
    struct world *world = *state;
    struct client *slow = open_client(world, NULL);

    send_text(slow, TARGETS GOOD LARGE);
    (void)usleep(100000);
    assert_int_equal(ask_alone(world, NULL,
                               "POST /api/v1/claims HTTP/1.1\r\n" HOST GOOD
                               "Content-Length: 2\r\n\r\n{}",
                               "Retry-After: "),
                     503);
    assert_int_equal(STATS_GET(&world->stats, overload_total), 1);
    /* strangers have their own */
    assert_int_equal(
        ask_alone(world, NULL,
                  "POST /device/v1/enroll HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "201"),
        201);
    close_client(slow);
    (void)usleep(100000);
    assert_int_equal(ask_alone(world, NULL,
                               "POST /api/v1/claims HTTP/1.1\r\n" HOST GOOD
                               "Content-Length: 2\r\n\r\n{}",
                               "with 2 bytes"),
                     200);
}

/* ---- How often an address may fail ---- */

static int enrol(struct client *client, const char *body)
{
    char head[256];

    (void)snprintf(head, sizeof head,
                   "POST /device/v1/enroll HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    return ask(client, head);
}

static void an_address_that_fails_too_often_waits(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, NULL);
    static const char bad[] =
        "GET /api/v1/devices HTTP/1.1\r\n" HOST "Authorization: Bearer bad\r\n\r\n";
    int64_t asked;
    unsigned count = 0;

    while (count < 2 * ATTEMPTS_BURST && ask(client, bad) != 429)
        count++;
    assert_in_range(count, ATTEMPTS_BURST, ATTEMPTS_BURST + 10);
    assert_non_null(strstr(client->text, "Retry-After: "));
    assert_non_null(strstr(client->body, "urn:slipway:error:again"));
    asked = STATS_GET(&world->stats, engine_exchanges);
    for (int i = 0; i < 50; i++) {
        if (ask(client, bad) != 429)
            asked++; /* one a second is let through */
    }
    assert_int_equal(STATS_GET(&world->stats, engine_exchanges), asked);
    assert_true(STATS_GET(&world->stats, attempts_limited_total) > 40);
    /* who can show something is not concerned */
    assert_int_equal(ask(client, "GET /api/v1/devices HTTP/1.1\r\n" HOST GOOD "\r\n"), 200);
    assert_int_equal(ask(client, "GET /healthz HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(ask_alone(world, &world->device,
                               "GET /device/v1/assignments/1 HTTP/1.1\r\n" HOST "\r\n", "engine"),
                     200);
    close_client(client);
}

static void enrolments_that_fail_count_and_good_ones_do_not(void **state)
{
    struct world *world = *state;
    struct client *client = open_client(world, NULL);
    unsigned count = 0;

    for (unsigned i = 0; i < 2 * ATTEMPTS_BURST; i++)
        assert_int_equal(enrol(client, "x"), 201);
    while (count < 2 * ATTEMPTS_BURST && enrol(client, "bad") != 429)
        count++;
    assert_in_range(count, ATTEMPTS_BURST - 1, ATTEMPTS_BURST + 10);
    assert_non_null(strstr(client->text, "application/cbor"));
    /* A neighbour behind the same address waits its turn, and gets it. */
    count = 0;
    while (count < 300 && enrol(client, "x") == 429) {
        (void)usleep(10000);
        close_client(client);
        client = open_client(world, NULL);
        count++;
    }
    assert_true(count < 300);
    close_client(client);
}

/* ---- Streams ---- */

static void streams_end_with_their_token(void **state)
{
    struct world *world = *state;
    struct client *reader = open_client(world, NULL);

    send_text(reader, "GET /api/v1/events HTTP/1.1\r\n" HOST GOOD "\r\n");
    hear(reader, "\r\n\r\n", SIZE_MAX);
    assert_non_null(strstr(reader->text, "text/event-stream"));
    for (int i = 0; i < 100 && STATS_GET(&world->stats, streams_open) == 0; i++)
        (void)usleep(10000);
    passes_replace(world->passes, NULL, 0);
    hear(reader, NULL, SIZE_MAX); /* to the end */
    assert_int_equal(STATS_GET(&world->stats, streams_open), 0);
    close_client(reader);
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(bodies_of_strangers_are_not_read),
        WORLD_TEST(bodies_for_higher_roles_are_not_read),
        WORLD_TEST(bodies_of_devices_need_a_certificate),
        WORLD_TEST(bodies_have_a_budget),
        WORLD_TEST(an_address_that_fails_too_often_waits),
        WORLD_TEST(enrolments_that_fail_count_and_good_ones_do_not),
        WORLD_TEST(streams_end_with_their_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
