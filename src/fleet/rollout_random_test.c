/* Random rollouts over random fleets: devices that fail, fall silent, come back, and operators
 * who press every button. After every event the invariants that make a rollout safe must hold;
 * after the storm the rollout must come to an end by itself.
 *
 *   usage: rollout_random_test [SEED [ROUNDS]]     a failure prints the seed to repeat it with
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/prng.h"
#include "fleet/rollout.h"

#define DEVICES 60u
#define STEPS   600u

struct world {
    struct prng prng;
    struct rollout rollout;
    struct assignment devices[DEVICES];
    bool online[DEVICES];
    struct utc now;
    bool lossy;         /* now and then an effect is forgotten, as by a crash between two commits */
    bool owes_recall;   /* an effect was forgotten that the next tick must ask for again */
    bool admitting;     /* an ADMIT effect is being carried out */
    uint32_t good_odds; /* of 100: how often a flip ends well */
    uint64_t events, halts, dones, returns;
};

static bool chance(struct world *world, uint32_t percent)
{
    return prng_below(&world->prng, 100) < percent;
}

/* --- invariants --- */

static void check_recount(const struct world *world)
{
    uint32_t standing[ROLLOUT_STAGES_MAX][STANDING_COUNT] = {{0}}, places[WHEREABOUTS_COUNT] = {0};

    for (unsigned i = 0; i < DEVICES; i++) {
        standing[world->devices[i].stage][world->devices[i].standing]++;
        places[world->devices[i].whereabouts]++;
    }
    for (uint8_t i = 0; i < world->rollout.plan.stage_count; i++)
        for (enum standing j = STANDING_WAITING; j < STANDING_COUNT; j++)
            CHECK(world->rollout.tally[i].at[j] == standing[i][j]);
    for (enum whereabouts i = WHEREABOUTS_AWAY; i < WHEREABOUTS_COUNT; i++)
        CHECK(world->rollout.whereabouts[i] == places[i]);
    CHECK(world->rollout.whereabouts[WHEREABOUTS_HOME] == 0);
}

static void check_safety(const struct world *world)
{
    const struct rollout *rollout = &world->rollout;

    /* Blast radius: never more devices than the stage allows, flipped or about to. */
    CHECK(rollout_admitted(rollout) <= rollout_goal(rollout, rollout->stage));
    /* After a halt or an end nobody holds a slot: there is nothing left that could flip. */
    if ((rollout->state == ROLLOUT_HALTED || rollout->state == ROLLOUT_ABORTED) &&
        !world->owes_recall)
        CHECK(rollout_standing(rollout, STANDING_WAITING) == 0);
    /* A shut gate and a running rollout exclude each other. */
    if (rollout_moving(rollout) || rollout->state == ROLLOUT_PAUSED) {
        for (uint8_t i = 0; i < rollout->plan.stage_count; i++) {
            struct gate_verdict verdict = rollout_verdict(rollout, i);

            CHECK(!gate_breached(&verdict));
        }
    }
}

/* --- carrying out effects --- */

static void tell(struct world *world, struct rollout_event event);

static bool step(struct world *world, unsigned device, enum assignment_event_kind kind,
                 struct assignment_change *change)
{
    struct assignment_policy policy = rollout_policy(&world->rollout);
    struct assignment_event event = {.kind = kind, .now = world->now, .running_target = true};

    event.stage = world->rollout.stage;
    event.err = (enum err)prng_below(&world->prng, ERR_COUNT);
    return assignment_step(&world->devices[device], &event, &policy, change) == ERR_OK;
}

static void step_and_tell(struct world *world, unsigned device, enum assignment_event_kind kind)
{
    struct assignment_change change;

    if (step(world, device, kind, &change) && assignment_change_matters(&change))
        tell(world, (struct rollout_event){.kind = ROLLOUT_EV_MOVED, .change = &change});
}

static void admit(struct world *world, uint32_t count)
{
    struct assignment_change change;
    uint32_t done = 0;

    CHECK(rollout_moving(&world->rollout)); /* nobody is admitted while it stands still */
    for (unsigned i = 0; i < DEVICES && done < count; i++)
        if (world->online[i] && assignment_admissible(&world->devices[i], world->now))
            done += step(world, i, ASSIGNMENT_EV_ADMIT, &change);
    tell(world, (struct rollout_event){.kind = ROLLOUT_EV_ADMITTED, .count = done});
}

static void recall(struct world *world)
{
    uint32_t counts[ROLLOUT_STAGES_MAX] = {0};
    struct assignment_change change;

    for (unsigned i = 0; i < DEVICES; i++)
        if (world->devices[i].standing == STANDING_WAITING &&
            step(world, i, ASSIGNMENT_EV_RECALL, &change))
            counts[change.stage]++;
    for (uint8_t i = 0; i < world->rollout.plan.stage_count; i++)
        if (counts[i] != 0)
            tell(world, (struct rollout_event){
                            .kind = ROLLOUT_EV_RECALLED, .stage = i, .count = counts[i]});
}

static void carry_out(struct world *world, const struct rollout_effects *effects)
{
    for (int i = 0; i < effects->count; i++) {
        enum rollout_effect_kind kind = effects->list[i].kind;

        if (world->lossy && chance(world, 5)) {
            world->owes_recall |= kind == ROLLOUT_RECALL;
            continue;
        }
        if (kind == ROLLOUT_ADMIT)
            admit(world, effects->list[i].count);
        if (kind == ROLLOUT_RECALL) {
            recall(world);
            world->owes_recall = false;
        }
        for (unsigned j = 0; kind == ROLLOUT_REVERT && j < DEVICES; j++)
            step_and_tell(world, j, ASSIGNMENT_EV_REVERT);
    }
}

static void tell(struct world *world, struct rollout_event event)
{
    enum rollout_state before = world->rollout.state;
    struct rollout_effects effects;

    event.now = world->now;
    if (rollout_step(&world->rollout, &event, &effects, NULL) != ERR_OK) {
        CHECK(event.kind != ROLLOUT_EV_MOVED && event.kind != ROLLOUT_EV_ADMITTED &&
              event.kind != ROLLOUT_EV_RECALLED);
        return;
    }
    world->halts += world->rollout.state == ROLLOUT_HALTED && before != ROLLOUT_HALTED;
    world->dones += world->rollout.state == ROLLOUT_DONE && before != ROLLOUT_DONE;
    world->returns += world->rollout.state == ROLLOUT_ROLLED_BACK && before != ROLLOUT_ROLLED_BACK;
    carry_out(world, &effects);
    world->events++;
}

/* --- the fleet --- */

static void report(struct world *world, unsigned device)
{
    static const enum assignment_event_kind before_flip[] = {
        ASSIGNMENT_EV_HEARD,  ASSIGNMENT_EV_DOWNLOADING, ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_STAGED,
        ASSIGNMENT_EV_FAILED, ASSIGNMENT_EV_REFUSED,     ASSIGNMENT_EV_OBEYED,
    };
    static const enum assignment_event_kind bad[] = {ASSIGNMENT_EV_FAILED, ASSIGNMENT_EV_REVERTED};
    struct assignment *assignment = &world->devices[device];

    if (assignment->state == ASSIGNMENT_STAGED && rollout_moving(&world->rollout) &&
        chance(world, 80))
        step_and_tell(world, device, ASSIGNMENT_EV_GRANT);
    else if (assignment->whereabouts == WHEREABOUTS_HOME) /* it obeys: no flip without leave */
        step_and_tell(world, device, before_flip[prng_below(&world->prng, COUNT_OF(before_flip))]);
    else if (assignment->whereabouts == WHEREABOUTS_RETURNING && chance(world, 60))
        step_and_tell(world, device, ASSIGNMENT_EV_BACK);
    else if (chance(world, 10) && assignment->standing == STANDING_EXPOSED)
        step_and_tell(world, device, ASSIGNMENT_EV_TRIAL);
    else if (chance(world, 3))
        step_and_tell(world, device, ASSIGNMENT_EV_STAGED); /* the answer had got lost */
    else if (chance(world, world->good_odds))
        step_and_tell(world, device, ASSIGNMENT_EV_SUCCEEDED);
    else if (chance(world, 5))
        step_and_tell(world, device, ASSIGNMENT_EV_STRAYED);
    else
        step_and_tell(world, device, bad[prng_below(&world->prng, COUNT_OF(bad))]);
}

static void let_time_pass(struct world *world)
{
    struct utc due;

    world->now.ms += 1 + (int64_t)prng_below(&world->prng, 8000);
    for (unsigned i = 0; i < DEVICES; i++)
        if (assignment_due(&world->devices[i], world->rollout.plan.deadline_s, &due) &&
            world->now.ms >= due.ms)
            step_and_tell(world, i, ASSIGNMENT_EV_OVERDUE);
    tell(world, (struct rollout_event){.kind = ROLLOUT_EV_TICK});
}

static void press_a_button(struct world *world)
{
    static const enum rollout_event_kind buttons[] = {
        ROLLOUT_EV_APPROVE, ROLLOUT_EV_START,   ROLLOUT_EV_PAUSE, ROLLOUT_EV_RESUME,
        ROLLOUT_EV_RESUME,  ROLLOUT_EV_ADVANCE, ROLLOUT_EV_HALT,  ROLLOUT_EV_RESUME,
    };
    static const enum rollout_event_kind final[] = {ROLLOUT_EV_ABORT, ROLLOUT_EV_ROLLBACK};
    enum rollout_event_kind kind = buttons[prng_below(&world->prng, COUNT_OF(buttons))];

    if (chance(world, 3))
        kind = final[prng_below(&world->prng, COUNT_OF(final))];
    tell(world, (struct rollout_event){.kind = kind, .count = DEVICES});
}

static void draw_plan(struct world *world)
{
    struct rollout_plan *plan = &world->rollout.plan;
    uint32_t size = 0;

    plan->stage_count = (uint8_t)(1 + prng_below(&world->prng, 5));
    plan->deadline_s = 20 + (uint32_t)prng_below(&world->prng, 200);
    plan->retry_limit = (uint8_t)prng_below(&world->prng, 3);
    plan->needs_approval = chance(world, 20);
    for (uint8_t i = 0; i < plan->stage_count; i++) {
        struct rollout_stage *stage = &plan->stages[i];

        size += 1 + (uint32_t)prng_below(&world->prng, 180);
        if (i + 1 == plan->stage_count)
            stage->permille = 1000;
        else
            stage->permille = (uint16_t)size;
        stage->soak_s = (uint32_t)prng_below(&world->prng, 30);
        stage->gate.failures_permille = (uint16_t)prng_below(&world->prng, 1001);
        stage->gate.failures_count = (uint32_t)prng_below(&world->prng, 12);
        stage->gate.sample_min = (uint32_t)prng_below(&world->prng, 8);
    }
    CHECK(rollout_plan_check(plan, NULL) == ERR_OK);
}

static void storm(struct world *world)
{
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned device = (unsigned)prng_below(&world->prng, DEVICES);

        world->now.ms += 1;
        if (chance(world, 10))
            world->online[device] = !world->online[device];
        else if (chance(world, 12))
            let_time_pass(world);
        else if (chance(world, 4))
            press_a_button(world);
        else if (world->online[device])
            report(world, device);
        check_recount(world);
        check_safety(world);
    }
}

static void fair_weather_step(struct world *world)
{
    static const enum rollout_event_kind on[] = {ROLLOUT_EV_APPROVE, ROLLOUT_EV_START,
                                                 ROLLOUT_EV_RESUME};

    for (size_t i = 0; i < COUNT_OF(on); i++)
        if (world->rollout.state == ROLLOUT_DRAFT || world->rollout.state == ROLLOUT_APPROVED ||
            world->rollout.state == ROLLOUT_PAUSED || world->rollout.state == ROLLOUT_HALTED)
            tell(world, (struct rollout_event){.kind = on[i], .count = DEVICES});
    for (unsigned i = 0; i < DEVICES; i++) {
        static const enum assignment_event_kind way[] = {
            ASSIGNMENT_EV_STAGED, ASSIGNMENT_EV_GRANT, ASSIGNMENT_EV_SUCCEEDED, ASSIGNMENT_EV_BACK};

        for (size_t j = 0; j < COUNT_OF(way); j++) {
            bool leaving = way[j] == ASSIGNMENT_EV_GRANT || way[j] == ASSIGNMENT_EV_SUCCEEDED;

            if (!leaving || world->devices[i].whereabouts != WHEREABOUTS_HOME ||
                (way[j] == ASSIGNMENT_EV_GRANT && rollout_moving(&world->rollout)))
                step_and_tell(world, i, way[j]);
        }
    }
    let_time_pass(world);
    check_recount(world);
    check_safety(world);
}

static bool at_rest(const struct world *world)
{
    enum rollout_state state = world->rollout.state;

    return state == ROLLOUT_DONE || state == ROLLOUT_ROLLED_BACK || state == ROLLOUT_ABORTED;
}

/* Everybody is online, the release is good, nobody presses anything but "go on". */
static void fair_weather(struct world *world)
{
    unsigned rounds = 0;

    world->lossy = false;
    memset(world->online, true, sizeof world->online);
    for (; !at_rest(world) || rollout_standing(&world->rollout, STANDING_WAITING) != 0; rounds++) {
        CHECK(rounds < 2000);
        fair_weather_step(world);
    }
}

static void run(uint64_t seed, struct world *world)
{
    memset(world, 0, sizeof *world);
    world->prng = prng_seeded(seed);
    world->now.ms = 1000000;
    world->lossy = chance(world, 30);
    world->good_odds = (uint32_t)prng_below(&world->prng, 101);
    for (unsigned i = 0; i < DEVICES; i++)
        world->online[i] = chance(world, 70);
    draw_plan(world);
    if (chance(world, 90)) {
        tell(world, (struct rollout_event){.kind = ROLLOUT_EV_APPROVE});
        tell(world, (struct rollout_event){.kind = ROLLOUT_EV_START, .count = DEVICES});
    }
    storm(world);
    fair_weather(world);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 400;
    uint64_t events = 0, halts = 0, dones = 0, returns = 0;
    static struct world world;

    for (uint64_t i = 0; i < rounds; i++) {
        printf("seed %llu\r", (unsigned long long)(seed + i));
        (void)fflush(stdout);
        run(seed + i, &world);
        events += world.events;
        halts += world.halts;
        dones += world.dones;
        returns += world.returns;
    }
    printf("seeds %llu to %llu: %llu events, %llu halts, %llu done, %llu rolled back\n",
           (unsigned long long)seed, (unsigned long long)(seed + rounds - 1),
           (unsigned long long)events, (unsigned long long)halts, (unsigned long long)dones,
           (unsigned long long)returns);
    CHECK(rounds < 100 || (halts > 0 && dones > 0 && returns > 0)); /* it tested something */
    return 0;
}
