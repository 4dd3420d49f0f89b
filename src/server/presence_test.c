/* What the fronts know of devices: exactness under churn, quiet polls, and many threads at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "server/presence.h"

#define TENANT SPAN_LITERAL("default")

static struct span name_of(unsigned number, char to[32])
{
    (void)snprintf(to, 32, "device-%06u", number);
    return span_of(to);
}

static struct presence_facts facts_of(unsigned number)
{
    struct presence_facts facts = {
        .status = PRESENCE_ACTIVE, .boot_count = number, .seen.ms = 1000};

    memcpy(facts.fingerprint, &number, sizeof number);
    memcpy(facts.running, &number, sizeof number);
    memcpy(facts.inventory, &number, sizeof number);
    return facts;
}

static struct presence_poll poll_of(const struct presence_facts *facts)
{
    return (struct presence_poll){.fingerprint = facts->fingerprint,
                                  .running = facts->running,
                                  .inventory = facts->inventory,
                                  .boot_count = facts->boot_count,
                                  .now.ms = 2000,
                                  .gap_ms = 60000};
}

static void remembers_and_forgets(void **state)
{
    struct presence *presence = presence_open();
    struct presence_facts facts = facts_of(7), got;

    (void)state;
    assert_false(presence_get(presence, TENANT, SPAN_LITERAL("a"), &got));
    assert_int_equal(got.status, PRESENCE_ABSENT);
    presence_put(presence, TENANT, SPAN_LITERAL("a"), &facts);
    presence_put(presence, SPAN_LITERAL("other"), SPAN_LITERAL("a"), &facts);
    assert_int_equal(presence_count(presence), 2);
    assert_true(presence_get(presence, TENANT, SPAN_LITERAL("a"), &got));
    assert_int_equal(got.boot_count, 7);
    assert_memory_equal(got.running, facts.running, DIGEST_SIZE);
    presence_remove(presence, TENANT, SPAN_LITERAL("a"));
    presence_remove(presence, TENANT, SPAN_LITERAL("a"));
    assert_false(presence_get(presence, TENANT, SPAN_LITERAL("a"), &got));
    assert_true(presence_get(presence, SPAN_LITERAL("other"), SPAN_LITERAL("a"), &got));
    presence_close(presence);
}

/* "ab" of tenant "c" is not "b" of tenant "ca". */
static void keeps_tenants_apart(void **state)
{
    struct presence *presence = presence_open();
    struct presence_facts facts = facts_of(1), got;

    (void)state;
    presence_put(presence, SPAN_LITERAL("ca"), SPAN_LITERAL("b"), &facts);
    assert_false(presence_get(presence, SPAN_LITERAL("c"), SPAN_LITERAL("ab"), &got));
    presence_close(presence);
}

static void is_quiet_only_when_nothing_has_changed(void **state)
{
    struct presence *presence = presence_open();
    struct presence_facts facts = facts_of(7);
    struct presence_poll poll = poll_of(&facts);
    uint8_t other[DIGEST_SIZE] = {1};
    uint32_t poll_s = 99;

    (void)state;
#define QUIET() presence_quiet(presence, TENANT, SPAN_LITERAL("a"), &poll, &poll_s)
    assert_false(QUIET());
    facts.poll_s = 30;
    presence_put(presence, TENANT, SPAN_LITERAL("a"), &facts);
    assert_true(QUIET());
    assert_int_equal(poll_s, 30);

    poll.fingerprint = other;
    assert_false(QUIET());
    poll = poll_of(&facts);
    poll.running = other;
    assert_false(QUIET());
    poll = poll_of(&facts);
    poll.other = other;
    assert_false(QUIET());
    poll = poll_of(&facts);
    poll.inventory = other;
    assert_false(QUIET());
    poll = poll_of(&facts);
    poll.boot_count++;
    assert_false(QUIET());
    poll = poll_of(&facts);
    poll.now.ms = 2000 + 60001; /* a gap that has to be recorded */
    assert_false(QUIET());
    poll.now.ms = 10; /* a clock that went back */
    assert_false(QUIET());
    poll = poll_of(&facts);
    assert_true(QUIET());

    facts.has_work = true;
    presence_put(presence, TENANT, SPAN_LITERAL("a"), &facts);
    assert_false(QUIET());
    facts.has_work = false;
    for (int status = PRESENCE_ABSENT; status <= PRESENCE_REVOKED; status++) {
        facts.status = (enum presence_status)status;
        presence_put(presence, TENANT, SPAN_LITERAL("a"), &facts);
        assert_int_equal(QUIET(), status == PRESENCE_ACTIVE);
    }
#undef QUIET
    presence_close(presence);
}

static void hands_out_each_contact_once(void **state)
{
    struct presence *presence = presence_open();
    struct presence_seen seen[8];
    struct presence_facts facts = facts_of(1);
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        presence_put(presence, TENANT, name_of(i, name), &facts);
    assert_int_equal(presence_take_seen(presence, seen, 8), 0);
    for (unsigned i = 0; i < 5; i++) {
        presence_touch(presence, TENANT, name_of(i, name), (struct utc){5000});
        presence_touch(presence, TENANT, name_of(i, name), (struct utc){6000 + i});
    }
    presence_remove(presence, TENANT, name_of(2, name));
    assert_int_equal(presence_take_seen(presence, seen, 3), 3);
    assert_int_equal(presence_take_seen(presence, seen + 3, 5), 1);
    assert_int_equal(presence_take_seen(presence, seen, 8), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(seen[i].tenant, "default");
        assert_int_equal(seen[i].seen.ms, 6000 + strtol(seen[i].device + 7, NULL, 10));
    }
    presence_close(presence);
}

#define CHURN 3000u

/* Random puts and removals against a plain array. */
static void stays_exact_under_churn(void **state)
{
    struct presence *presence = presence_open();
    struct prng prng = prng_seeded(42);
    bool *there = calloc(CHURN, sizeof *there);
    struct presence_seen *seen = calloc(CHURN, sizeof *seen);
    size_t count = 0;
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 60000; i++) {
        unsigned number = (unsigned)prng_below(&prng, CHURN);
        struct presence_facts facts = facts_of(number), got;

        switch (prng_below(&prng, 4)) {
        case 0:
        case 1:
            presence_put(presence, TENANT, name_of(number, name), &facts);
            count += !there[number];
            there[number] = true;
            break;
        case 2:
            presence_remove(presence, TENANT, name_of(number, name));
            count -= there[number];
            there[number] = false;
            break;
        default:
            presence_touch(presence, TENANT, name_of(number, name), (struct utc){i});
            assert_int_equal(presence_get(presence, TENANT, name_of(number, name), &got),
                             there[number]);
            assert_true(!there[number] || got.boot_count == number);
            break;
        }
        if (i % 5000 == 0)
            (void)presence_take_seen(presence, seen, CHURN);
    }
    assert_int_equal(presence_count(presence), count);
    free(there);
    free(seen);
    presence_close(presence);
}

static void a_hundred_thousand_devices_are_small(void **state)
{
    struct presence *presence = presence_open();
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        struct presence_facts facts = facts_of(i);

        presence_put(presence, TENANT, name_of(i, name), &facts);
    }
    print_message("100000 devices: %zu bytes\n", presence_memory(presence));
    assert_true(presence_memory(presence) < 30u << 20);
    presence_close(presence);
}

/* ---- Threads ---- */

#define THREADS      4u
#define FLEET        500u
#define THREAD_STEPS 40000u

struct shared {
    struct presence *presence;
    atomic_bool done;
    atomic_size_t quiet;
};

static void *poll_all(void *argument)
{
    struct shared *shared = argument;
    struct prng prng = prng_seeded(7);
    char name[32];

    for (unsigned i = 0; i < THREAD_STEPS; i++) {
        unsigned number = (unsigned)prng_below(&prng, FLEET);
        struct presence_facts facts = facts_of(number);
        struct presence_poll poll = poll_of(&facts);
        uint32_t poll_s;

        if (presence_quiet(shared->presence, TENANT, name_of(number, name), &poll, &poll_s))
            (void)atomic_fetch_add(&shared->quiet, 1);
    }
    return NULL;
}

/* A record is never seen half written: fingerprint, running and boot count belong together. */
static void *look_at_all(void *argument)
{
    struct shared *shared = argument;
    struct prng prng = prng_seeded(8);
    char name[32];

    while (!atomic_load(&shared->done)) {
        unsigned number = (unsigned)prng_below(&prng, FLEET), value;
        struct presence_facts got;

        if (!presence_get(shared->presence, TENANT, name_of(number, name), &got))
            continue;
        memcpy(&value, got.fingerprint, sizeof value);
        assert_int_equal(value, got.boot_count);
        memcpy(&value, got.running, sizeof value);
        assert_int_equal(value, got.boot_count);
    }
    return NULL;
}

static void many_threads_agree(void **state)
{
    struct shared shared = {.presence = presence_open()};
    struct presence_seen seen[64];
    struct prng prng = prng_seeded(9);
    pthread_t threads[THREADS];
    size_t taken = 0;
    char name[32];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 0 ? look_at_all : poll_all, &shared), 0);
    for (unsigned i = 0; i < THREAD_STEPS; i++) {
        unsigned number = (unsigned)prng_below(&prng, FLEET);
        struct presence_facts facts = facts_of(prng_below(&prng, 8) == 0 ? number + 1 : number);

        if (prng_below(&prng, 10) == 0)
            presence_remove(shared.presence, TENANT, name_of(number, name));
        else
            presence_put(shared.presence, TENANT, name_of(number, name), &facts);
        taken += presence_take_seen(shared.presence, seen, 64);
    }
    for (unsigned i = 1; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    atomic_store(&shared.done, true);
    (void)pthread_join(threads[0], NULL);
    assert_true(shared.quiet > 0);
    assert_true(taken > 0);
    presence_close(shared.presence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers_and_forgets),
        cmocka_unit_test(keeps_tenants_apart),
        cmocka_unit_test(is_quiet_only_when_nothing_has_changed),
        cmocka_unit_test(hands_out_each_contact_once),
        cmocka_unit_test(stays_exact_under_churn),
        cmocka_unit_test(a_hundred_thousand_devices_are_small),
        cmocka_unit_test(many_threads_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
