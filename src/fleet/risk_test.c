/* The engine through whole stories, its refusals, and that it means the same when taken again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/risk_world_host.h"

static struct world world, again;

/* Lets in everybody it may, from `from` on; returns the first that has to wait. */
static uint32_t fill(uint32_t from)
{
    while (from < WORLD_DEVICES && world_tell(&world, RISK_ASK, from).answer == RISK_GRANT)
        from++;
    return from;
}

static void expect_refused(struct risk_event event, const char *field)
{
    static struct risk before;
    struct risk_decision decision;
    struct why why;

    why_clear(&why);
    before = world.risk;
    assert_int_equal(risk_step(&world.risk, &event, &decision, &why), ERR_INVALID);
    assert_string_equal(why.field, field);
    assert_true(why.text[0] != 0);
    assert_memory_equal(&before, &world.risk, sizeof before);
}

static void test_first_wave_then_more(void **state)
{
    const struct risk_rule rule = world_rule();
    uint32_t first, second;

    (void)state;
    world_start(&world, &rule);
    first = fill(0);
    assert_int_equal(first, 34);
    assert_int_equal(world_tell(&world, RISK_ASK, first).answer, RISK_WAIT);
    for (uint32_t i = 0; i < first; i++)
        assert_int_equal(world_tell(&world, RISK_GOOD, i).answer, RISK_NOTED);
    assert_int_equal(fill(first), first); /* good words are no evidence before their time */
    for (uint32_t rung = 0; rung < 3; rung++) {
        for (uint32_t i = 0; i < first; i++)
            world_due(&world, i, false);
    }
    (void)world_wait(&world, 8);
    second = fill(first);
    assert_true(second > 2 * first);
}

static void test_dark_before_the_flip_is_nothing(void **state)
{
    const struct risk_rule rule = world_rule();
    struct risk_decision before, after;

    (void)state;
    world_start(&world, &rule);
    before = world_tell(&world, RISK_ASK, 0);
    world_start(&world, &rule);
    (void)world_wait(&world, 500);
    after = world_tell(&world, RISK_ASK, 0);
    assert_memory_equal(&before, &after, sizeof before);
}

static void test_reports_halt(void **state)
{
    const struct risk_rule rule = world_rule();
    uint32_t first, bad = 0;
    struct risk_decision decision;

    (void)state;
    world_start(&world, &rule);
    first = fill(0);
    do
        decision = world_tell(&world, RISK_BAD, bad++);
    while (decision.answer == RISK_NOTED && bad < first);
    assert_int_equal(decision.answer, RISK_HALT);
    assert_int_equal(decision.cohort, COHORT_WHOLE);
    assert_int_equal(decision.channel, COHORT_REPORTED);
    assert_in_range(bad, 3, 8);
    assert_true(decision.log >= decision.goal);
    assert_int_equal(world_tell(&world, RISK_ASK, first).answer, RISK_HALTED);
    (void)world_say(&world, (struct risk_event){.kind = RISK_LIFT, .cohort = COHORT_WHOLE});
    assert_false(world.risk.halted);
    /* The window remembers what a person forgives. */
    assert_int_equal(world_tell(&world, RISK_ASK, first).answer, RISK_WAIT);
}

/* One bad device in four of one cohort, all others well: the cohort is held, the rest goes on. */
static void test_cohort_is_held(void **state)
{
    struct risk_rule rule = world_rule();
    uint32_t held_at = 0;

    (void)state;
    rule.harmed_max = 2000;
    world_start(&world, &rule);
    for (uint32_t i = 0; i < 1200 && held_at == 0; i++) {
        struct risk_decision decision;

        assert_int_equal(world_tell(&world, RISK_ASK, i).answer, RISK_GRANT);
        decision = world_tell(&world, i % 16 == 3 ? RISK_BAD : RISK_GOOD, i);
        assert_int_not_equal(decision.answer, RISK_HALT);
        if (decision.answer == RISK_HOLD) {
            assert_int_equal(decision.cohort, 6);
            held_at = i + 1;
        }
    }
    assert_true(held_at != 0);
    assert_int_equal(world_tell(&world, RISK_ASK, 1203).answer, RISK_HELD);
    assert_int_equal(world_tell(&world, RISK_ASK, 1200).answer, RISK_GRANT);
}

static void test_silence_halts_and_an_outage_does_not(void **state)
{
    for (int outage = 0; outage < 2; outage++) {
        struct risk_rule rule = world_rule();
        bool halted = false;

        (void)state;
        rule.site_s = 0;
        rule.harmed_max = 1000;
        world_start(&world, &rule);
        for (uint32_t i = 0; i < 400; i++)
            assert_int_equal(world_tell(&world, RISK_ASK, i).answer, RISK_GRANT);
        for (uint32_t i = 0; i < 400; i++) {
            if (i % 5 != 0)
                (void)world_tell(&world, RISK_GOOD, i);
        }
        for (uint32_t rung = 0; rung < 3; rung++) {
            for (uint32_t i = 0; i < 400; i++)
                world_due(&world, i, false);
        }
        for (uint8_t stratum = 0; stratum < 2; stratum++) {
            (void)world_say(&world, (struct risk_event){
                                        .kind = RISK_CONTROL, .stratum = stratum, .count = 1000});
            for (uint32_t i = 0; i < (outage ? 200u : 8u); i++)
                (void)world_say(&world, (struct risk_event){.kind = RISK_CONTROL_SILENT,
                                                            .stratum = stratum,
                                                            .site = RISK_NO_SITE});
        }
        for (int i = 0; i < 8; i++)
            halted = world_wait(&world, 1).answer == RISK_HALT || halted;
        assert_int_equal(halted, !outage);
    }
}

/* A site without power: sixty treated devices fall silent, which is one event. */
static void test_power_cut_is_one_event(void **state)
{
    struct risk_rule rule = world_rule();

    (void)state;
    rule.harmed_max = 1000;
    world_start(&world, &rule);
    for (uint32_t i = 0; i < 60; i++) {
        world.devices[i].site = 5;
        assert_int_equal(world_tell(&world, RISK_ASK, i).answer, RISK_GRANT);
    }
    for (uint32_t rung = 0; rung < 3; rung++) {
        for (uint32_t i = 0; i < 60; i++)
            world_due(&world, i, false);
    }
    assert_int_equal(world.cohorts[0].silent[0].silent + world.cohorts[0].silent[1].silent, 1);
    assert_int_equal(world.cohorts[0].silent[0].due + world.cohorts[0].silent[1].due, 60);
    assert_int_equal(world.cohorts[0].exposure.rung[2].bad, 60); /* the window counts them all */
}

/* Well, gone at a roll call, back again: bad in between and only in between. */
static void test_roll_call(void **state)
{
    const struct risk_rule rule = world_rule();
    struct exposure *exposure = &world.cohorts[0].exposure;
    uint32_t calls = 0;

    (void)state;
    world_start(&world, &rule);
    (void)world_tell(&world, RISK_ASK, 0);
    (void)world_tell(&world, RISK_GOOD, 0);
    for (uint32_t rung = 0; rung < 3; rung++)
        world_due(&world, 0, false);
    assert_int_equal(exposure->rung[2].bad, 0);
    world_due(&world, 0, true);
    for (uint32_t rung = 0; rung < 3; rung++)
        assert_int_equal(exposure->rung[rung].bad, 1);
    (void)world_tell(&world, RISK_GOOD, 0);
    for (uint32_t rung = 0; rung < 3; rung++)
        assert_int_equal(exposure->rung[rung].bad, 0);
    for (calls = 1; risk_next_due_s(&world.risk, &world.devices[0]) != RISK_NEVER; calls++)
        world_due(&world, 0, false);
    assert_int_equal(calls, 3); /* at 8, 16 and 24 ticks */
    assert_int_equal(world.cohorts[0].baking, 0);
}

/* Leave that was never used leaves no trace in the window, whatever was counted meanwhile. */
static void test_unused_leave(void **state)
{
    const struct risk_rule rule = world_rule();

    (void)state;
    for (uint32_t rungs = 0; rungs <= 3; rungs++) {
        for (int back = 0; back < 2; back++) {
            struct exposure *exposure = &world.cohorts[0].exposure;

            world_start(&world, &rule);
            (void)world_tell(&world, RISK_ASK, 0);
            if (back)
                (void)world_tell(&world, RISK_GOOD, 0);
            for (uint32_t i = 0; i < rungs; i++)
                world_due(&world, 0, false);
            (void)world_tell(&world, RISK_UNUSED, 0);
            assert_int_equal(exposure->exposed, 0);
            assert_int_equal(world.cohorts[0].baking, 0);
            for (uint32_t rung = 0; rung < 3; rung++) {
                assert_int_equal(exposure->rung[rung].bad + exposure->rung[rung].live, 0);
                assert_int_equal(exposure->rung[rung].background, 0);
                assert_in_range(exposure_revealed(exposure, rung), 0, 100);
            }
            assert_int_equal(world_tell(&world, RISK_ASK, 0).answer, RISK_GRANT);
        }
    }
    (void)world_tell(&world, RISK_BAD, 0);
    expect_refused(
        (struct risk_event){.kind = RISK_UNUSED, .at_s = world.now_s, .device = &world.devices[0]},
        "device");
}

/* A bad device is bad once, whatever it says later and whenever its deadlines come. */
static void test_bad_once(void **state)
{
    const struct risk_rule rule = world_rule();

    (void)state;
    world_start(&world, &rule);
    (void)world_tell(&world, RISK_ASK, 0);
    (void)world_tell(&world, RISK_BAD, 0);
    (void)world_tell(&world, RISK_GOOD, 0);
    (void)world_tell(&world, RISK_WORSE, 0);
    (void)world_tell(&world, RISK_BAD, 0);
    while (risk_next_due_s(&world.risk, &world.devices[0]) != RISK_NEVER)
        world_due(&world, 0, true);
    for (uint32_t rung = 0; rung < 3; rung++)
        assert_int_equal(world.cohorts[0].exposure.rung[rung].bad, 1);
    assert_int_equal(world.cohorts[0].evidence[COHORT_REPORTED].events, 1);
    assert_int_equal(world.cohorts[0].evidence[COHORT_HEALTH].events, 0);
    assert_int_equal(world.cohorts[0].exposure.well, 0);
}

static void test_events_that_make_no_sense(void **state)
{
    const struct risk_rule rule = world_rule();
    struct risk_device *one = &world.devices[1], odd;

    (void)state;
    world_start(&world, &rule);
    (void)world_wait(&world, 5);
    expect_refused((struct risk_event){.kind = RISK_TICK, .at_s = 100}, "at_s");
    expect_refused((struct risk_event){.kind = RISK_ASK, .at_s = 90000, .device = one}, "at_s");
#define NOW .at_s = 5 * WORLD_TICK_S
    expect_refused((struct risk_event){.kind = RISK_GOOD, NOW, .device = one}, "device");
    expect_refused((struct risk_event){.kind = RISK_DUE, NOW, .device = one}, "device");
    expect_refused((struct risk_event){.kind = RISK_LIFT, NOW, .cohort = 7}, "cohort");
    expect_refused((struct risk_event){.kind = RISK_CONTROL, NOW, .stratum = 2}, "stratum");
    expect_refused((struct risk_event){.kind = RISK_CONTROL, NOW, .count = UINT32_MAX}, "count");
    expect_refused((struct risk_event){.kind = RISK_CONTROL_SILENT, NOW, .site = RISK_NO_SITE},
                   "stratum");
    expect_refused((struct risk_event){.kind = RISK_CONTROL_SILENT, NOW, .site = WORLD_SITES},
                   "site");
    expect_refused((struct risk_event){.kind = RISK_EVENT_COUNT, NOW}, "kind");
    odd = *one;
    odd.cohorts[2] = 7;
    expect_refused((struct risk_event){.kind = RISK_ASK, NOW, .device = &odd}, "cohorts");
    odd = *one;
    odd.cohorts[0] = 1;
    expect_refused((struct risk_event){.kind = RISK_ASK, NOW, .device = &odd}, "cohorts");
    odd = *one;
    odd.due[1] = 0;
    expect_refused((struct risk_event){.kind = RISK_ASK, NOW, .device = &odd}, "due");
    odd = *one;
    odd.site = WORLD_SITES;
    expect_refused((struct risk_event){.kind = RISK_ASK, NOW, .device = &odd}, "site");
    odd = *one;
    odd.stratum = 2;
    expect_refused((struct risk_event){.kind = RISK_ASK, NOW, .device = &odd}, "stratum");
    (void)world_tell(&world, RISK_ASK, 1);
    expect_refused((struct risk_event){.kind = RISK_ASK, NOW, .device = one}, "device");
    expect_refused((struct risk_event){.kind = RISK_DUE, NOW, .device = one}, "at_s");
#undef NOW
}

static void test_rules_that_make_no_sense(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        const char *field;
    } rows[] = {
        {offsetof(struct risk_rule, harmed_max), 0, "harmed_max"},
        {offsetof(struct risk_rule, harmed_max), RISK_HARMED_MAX + 1, "harmed_max"},
        {offsetof(struct risk_rule, first_max), 0, "first_max"},
        {offsetof(struct risk_rule, doubt_ppm), 0, "doubt_ppm"},
        {offsetof(struct risk_rule, doubt_ppm), 500001, "doubt_ppm"},
        {offsetof(struct risk_rule, floor_ppm), 1000001, "floor_ppm"},
        {offsetof(struct risk_rule, false_alarm_ppm), 0, "false_alarm_ppm"},
        {offsetof(struct risk_rule, tolerance_permille), 999, "tolerance_permille"},
        {offsetof(struct risk_rule, tick_s), 0, "tick_s"},
        {offsetof(struct risk_rule, bake_s), UINT32_MAX, "bake_s"},
        {offsetof(struct risk_rule, strata), 17, "strata"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct risk_rule rule = world_rule();
        struct risk_memory memory = {.cohorts = world.cohorts,
                                     .cohort_count = 1,
                                     .strata = world.strata,
                                     .kinds = world.kinds,
                                     .kind_count = 1};
        struct why why;

        memcpy((char *)&rule + rows[i].at, &rows[i].value, sizeof rows[i].value);
        why_clear(&why);
        assert_int_equal(risk_start(&world.risk, &rule, &memory, &why), ERR_INVALID);
        assert_string_equal(why.field, rows[i].field);
    }
}

static void test_sentences(void **state)
{
    const struct risk_rule rule = world_rule();
    char room[400];
    struct buf buf = buf_over(room, sizeof room);
    struct risk_decision decision;

    (void)state;
    world_start(&world, &rule);
    decision = world_tell(&world, RISK_ASK, 0);
    risk_explain(&world.risk, &decision, SPAN_LITERAL("the whole rollout"), &buf);
    assert_string_equal(buf_finish_text(&buf),
                        "leave is given: 0 devices of the whole rollout have it, 0 look bad, and "
                        "evidence worth 0.0 is in: up to 100.00 % may be harmed; one more keeps "
                        "harm within 50 devices");
    (void)fill(1);
    decision = world_tell(&world, RISK_ASK, 100);
    buf = buf_over(room, sizeof room);
    risk_explain(&world.risk, &decision, SPAN_LITERAL("the whole rollout"), &buf);
    assert_string_equal(buf_finish_text(&buf),
                        "waits for evidence: 34 devices of the whole rollout have it, 0 look bad, "
                        "and evidence worth 0.0 is in: up to 100.00 % may be harmed; one more "
                        "could bring harm above 50 devices");
    for (uint32_t i = 0; i < 10 && decision.answer != RISK_HALT; i++)
        decision = world_tell(&world, RISK_BAD, i);
    buf = buf_over(room, sizeof room);
    risk_explain(&world.risk, &decision, SPAN_LITERAL("the whole rollout"), &buf);
    assert_memory_equal(buf_finish_text(&buf), "the rollout is halted: ", 23);
    for (int i = 0; i < RISK_ANSWER_COUNT; i++)
        assert_non_null(risk_answer_name((enum risk_answer)i));
    for (int i = 0; i < RISK_EVENT_COUNT; i++)
        assert_non_null(risk_event_name((enum risk_event_kind)i));
}

static void test_least_harmed_max(void **state)
{
    uint32_t before = 0;

    (void)state;
    for (uint32_t background = 0; background <= 40000; background += 5000) {
        uint32_t least = risk_least_harmed_max(10000, 30000, background);

        assert_true(least >= before);
        before = least;
    }
    assert_in_range(risk_least_harmed_max(10000, 30000, 14000), 40, 70);
    assert_true(risk_least_harmed_max(10000, 10000, 14000) >
                risk_least_harmed_max(10000, 50000, 14000));
    assert_true(risk_least_harmed_max(1000, 30000, 14000) >
                risk_least_harmed_max(100000, 30000, 14000));
}

/* Whatever happens in whatever order: written down, read, and computed again from the start, every
 * answer is the same, and so is the state at the end. */
static void random_event(struct prng *prng, struct risk_event *event, uint32_t *device)
{
    static const enum risk_event_kind kinds[] = {
        RISK_UNUSED, RISK_ASK, RISK_ASK, RISK_GOOD, RISK_GOOD, RISK_GOOD,    RISK_BAD,
        RISK_WORSE,  RISK_DUE, RISK_DUE, RISK_DUE,  RISK_DUE,  RISK_CONTROL, RISK_CONTROL_SILENT,
        RISK_TICK,   RISK_LIFT};

    memset(event, 0, sizeof *event);
    event->kind = kinds[prng_below(prng, COUNT_OF(kinds))];
    *device = (uint32_t)prng_below(prng, 400);
    event->silent = prng_below(prng, 20) == 0;
    event->count = event->kind == RISK_CONTROL ? (uint32_t)prng_below(prng, 50) : 0;
    event->stratum = (uint8_t)prng_below(prng, 2);
    event->site = (uint32_t)prng_below(prng, WORLD_SITES);
    event->roll_call = prng_below(prng, 2) == 0;
    event->cohort = (uint16_t)prng_below(prng, WORLD_COHORTS);
    if (event->kind == RISK_BAD && prng_below(prng, 4) != 0)
        event->kind = RISK_GOOD;
    if (event->kind == RISK_TICK)
        world.now_s += (uint32_t)prng_below(prng, 3) * WORLD_TICK_S;
    event->at_s = world.now_s;
}

static void test_replay(void **state)
{
    struct prng prng = prng_seeded(5);
    struct risk_rule rule = world_rule();
    uint32_t taken = 0, well = 0, answers[RISK_ANSWER_COUNT] = {0};

    (void)state;
    rule.harmed_max = 200;
    rule.site_s = 3600;
    world_start(&world, &rule);
    world_start(&again, &rule);
    for (int i = 0; i < 60000; i++) {
        uint8_t room[RISK_ENTRY_SIZE_MAX];
        struct buf buf = buf_over(room, sizeof room);
        struct risk_entry entry, read;
        bool about = false;

        memset(&entry, 0, sizeof entry);
        random_event(&prng, &entry.event, &entry.device);
        about = entry.event.kind <= RISK_DUE;
        entry.event.device = about ? &world.devices[entry.device] : NULL;
        if (risk_step(&world.risk, &entry.event, &entry.decision, NULL) != ERR_OK)
            continue;
        taken++;
        answers[entry.decision.answer]++;
        entry.event.device = NULL;
        risk_entry_write(&entry, &buf);
        assert_int_equal(risk_entry_read(buf_written(&buf), &read), ERR_OK);
        assert_int_equal(read.decision.answer, entry.decision.answer);
        assert_int_equal(
            risk_replay(&again.risk, &read, about ? &again.devices[read.device] : NULL, NULL),
            ERR_OK);
    }
    assert_true(taken > 10000);
    for (int i = 0; i < RISK_ANSWER_COUNT; i++)
        assert_true(answers[i] > 0);             /* the story saw every answer */
    for (uint32_t i = 0; i < WORLD_DEVICES; i++) /* a recount */
        well += (world.devices[i].flags &
                 (RISK_DEVICE_BACK | RISK_DEVICE_BAD | RISK_DEVICE_GONE)) == RISK_DEVICE_BACK;
    assert_int_equal(world.cohorts[0].exposure.well, well);
    assert_memory_equal(world.cohorts, again.cohorts, sizeof world.cohorts);
    assert_memory_equal(world.devices, again.devices, sizeof world.devices);
    assert_memory_equal(world.sites, again.sites, sizeof world.sites);
}

static void test_replay_finds_a_changed_number(void **state)
{
    const struct risk_rule rule = world_rule();
    struct risk_entry entry;
    struct why why;

    (void)state;
    for (int change = 0; change < 3; change++) {
        world_start(&world, &rule);
        world_start(&again, &rule);
        memset(&entry, 0, sizeof entry);
        entry.event.kind = RISK_ASK;
        entry.decision = world_tell(&world, RISK_ASK, 0);
        entry.decision.answer = change == 0 ? RISK_WAIT : entry.decision.answer;
        entry.decision.view.price -= change == 1;
        entry.decision.cohort = change == 2 ? 1 : entry.decision.cohort;
        why_clear(&why);
        assert_int_equal(risk_replay(&again.risk, &entry, &again.devices[0], &why), ERR_CONFLICT);
        assert_string_equal(why.field, "decision");
    }
}

static void test_entries_that_are_none(void **state)
{
    uint8_t room[RISK_ENTRY_SIZE_MAX];
    struct buf buf = buf_over(room, sizeof room);
    struct risk_entry entry = {.event = {.kind = RISK_ASK}, .decision = {.answer = RISK_GRANT}};
    struct span bytes;

    (void)state;
    risk_entry_write(&entry, &buf);
    bytes = buf_written(&buf);
    assert_int_equal(risk_entry_read(bytes, &entry), ERR_OK);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(risk_entry_read((struct span){bytes.at, size}, &entry), ERR_CORRUPT);
    room[1] = 2; /* version */
    assert_int_equal(risk_entry_read(bytes, &entry), ERR_CORRUPT);
    room[1] = 1;
    room[2] = 23; /* event kind */
    assert_int_equal(risk_entry_read(bytes, &entry), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_wave_then_more),
        cmocka_unit_test(test_dark_before_the_flip_is_nothing),
        cmocka_unit_test(test_reports_halt),
        cmocka_unit_test(test_cohort_is_held),
        cmocka_unit_test(test_silence_halts_and_an_outage_does_not),
        cmocka_unit_test(test_power_cut_is_one_event),
        cmocka_unit_test(test_roll_call),
        cmocka_unit_test(test_bad_once),
        cmocka_unit_test(test_unused_leave),
        cmocka_unit_test(test_events_that_make_no_sense),
        cmocka_unit_test(test_rules_that_make_no_sense),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_least_harmed_max),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_finds_a_changed_number),
        cmocka_unit_test(test_entries_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
