#include "lab/stolen.h"

#include <stdio.h>

#include "agent/manifest_door.h"
#include "base/check.h"
#include "crypto/verify_openssl.h"
#include "device/timekeeper.h"
#include "lab/stolen_thief.h"

#define BANK_SIZE  2048u
#define ERASE_SIZE 1024u
#define EVENTS_MAX 8u
#define INNER_MAX  400u /* events between two polls; a device that needs more hangs */
#define BUILT      ((struct utc){(int64_t)(STOLEN_BEGIN_S - 5 * STOLEN_DAY_S) * 1000})

struct world {
    struct stolen_authority authority;
    struct thief thief;
    struct prng prng;
    struct stolen_figures *figures;

    /* The device, durable. */
    uint8_t banks[AGENT_BANKS][BANK_SIZE];
    uint8_t slots[RECORD_SLOTS][RECORD_SLOT_SIZE];
    bool slot_written[RECORD_SLOTS];
    uint32_t floor_kept;
    uint8_t confirmed, trial;
    bool armed, on_trial, reverted;
    uint8_t store_message[TRUST_STORE_SIZE_MAX];
    size_t store_size;
    uint32_t floor_seen; /* by the oracle */
    const struct stolen_release *last_confirmed;

    /* The device, until the next reset. */
    struct agent agent;
    struct agent_config config;
    struct bank bank_ports[AGENT_BANKS];
    struct boot boot_port;
    struct keep keep_port;
    struct record_slots slot_port;
    struct timekeeper keeper;
    struct trust_store store;
    struct verify verify;
    struct instant now, due;
    struct utc rtc;
    uint8_t nonce[MANDATE_NONCE_SIZE];
    uint8_t list_room[STOLEN_CHUNKS * DIGEST_SIZE], chunk_room[STOLEN_CHUNK_SIZE];
    uint8_t door_room[TRUST_ROOM_SIZE];
    struct agent_event events[EVENTS_MAX];
    uint32_t event_count;
    bool polls, resets;
    struct thief_deed deed; /* the last answer */
    struct manifest manifest;
    struct accept_evidence evidence;
    uint8_t piece[STOLEN_CHUNK_SIZE * STOLEN_CHUNKS];
};

static struct world world;

static bool chance(uint32_t percent)
{
    return prng_below(&world.prng, 100) < percent;
}

/* ---- the oracle ---- */

static void note(uint64_t *what)
{
    if (stolen_harm(world.figures) == 0)
        world.figures->worst_step = world.figures->steps;
    ++*what;
}

uint64_t stolen_harm(const struct stolen_figures *figures)
{
    return figures->unsigned_run + figures->foreign_run + figures->below_floor +
           figures->blocked_run + figures->floor_fell + figures->wrongly_taken;
}

/* Whatever stands in a bank that runs or will: signed, ours, at the floor. */
static void look_at_bank(uint8_t bank, uint32_t floor)
{
    const struct stolen_release *found = stolen_find(&world.authority, world.banks[bank]);
    const struct release_facts *facts;

    if (!found) {
        note(&world.figures->unsigned_run);
        return;
    }
    facts = &found->manifest.facts;
    if (!span_is(span_of(facts->product), "pump") || !span_is(span_of(facts->hardware[0]), "rev-b"))
        note(&world.figures->foreign_run);
    if (facts->security_version < floor)
        note(&world.figures->below_floor);
}

static void look_at_floor(void)
{
    uint32_t floor = world.agent.record.security_floor;

    if (floor < world.floor_seen)
        note(&world.figures->floor_fell);
    world.floor_seen = floor;
}

/* A trial is about to begin. */
static void look_at_trial(uint8_t bank)
{
    const struct stolen_release *found = stolen_find(&world.authority, world.banks[bank]);

    world.figures->armed++;
    look_at_bank(bank, world.floor_seen);
    if (found && trust_store_blocks(&world.store, found->manifest.facts.sha256) &&
        world.agent.record.work.assignment == world.deed.mandate.id &&
        world.agent.record.last.sequence == world.deed.mandate.sequence)
        note(&world.figures->blocked_run);
}

/* Releases are made in the order of their versions. What runs is no step back. */
static bool steps_back(const struct stolen_release *runs)
{
    const struct stolen_release *taken = stolen_find(&world.authority, world.deed.release->image);

    return !taken || (runs && taken < runs);
}

/* An older image, called a way back, needs none. */
static bool lacks_base(const struct stolen_release *runs, bool install)
{
    const struct stolen_release *taken = stolen_find(&world.authority, world.deed.release->image);
    const struct release_facts *facts = &world.deed.release->manifest.facts;

    if (facts->bases_count == 0 || (!install && (!runs || taken <= runs)))
        return false;
    return !runs ||
           !span_equal(span_of(facts->bases[0].version), span_of(runs->manifest.facts.version));
}

static bool too_old(bool install)
{
    uint64_t now_s = (uint64_t)timekeeper_now(&world.keeper, world.rtc, world.now).ms / 1000;

    return now_s > world.store.expires_s + (install ? world.store.allow_stale_s : 0);
}

/* The deed that led here, and what the device could know. */
static void look_at_accepted(void)
{
    const struct stolen_release *runs =
        stolen_find(&world.authority, world.banks[world.agent.boot.running]);
    bool install = world.deed.mandate.action == MANDATE_INSTALL;

    world.figures->accepted++;
    if (world.deed.wrong != 0 || too_old(install) || (install && steps_back(runs)) ||
        lacks_base(runs, install))
        note(&world.figures->wrongly_taken);
}

/* ---- storage and boot loader ---- */

static enum err bank_read(void *self, uint64_t at, void *to, uint32_t size)
{
    memcpy(to, (uint8_t *)self + at, size);
    return ERR_OK;
}

static enum err bank_erase(void *self, uint64_t at, uint64_t size)
{
    CHECK(self != world.banks[world.agent.boot.running]);
    memset((uint8_t *)self + at, 0xFF, size);
    return ERR_OK;
}

static enum err bank_write(void *self, uint64_t at, const void *from, uint32_t size)
{
    CHECK(self != world.banks[world.agent.boot.running]);
    memcpy((uint8_t *)self + at, from, size);
    return ERR_OK;
}

static enum err slot_read(void *self, uint32_t slot, void *to, uint32_t size)
{
    (void)self;
    if (!world.slot_written[slot])
        return ERR_NOT_FOUND;
    memcpy(to, world.slots[slot], size);
    return ERR_OK;
}

static enum err slot_write(void *self, uint32_t slot, const void *from, uint32_t size)
{
    (void)self;
    memset(world.slots[slot], 0xFF, RECORD_SLOT_SIZE);
    memcpy(world.slots[slot], from, size);
    world.slot_written[slot] = true;
    return ERR_OK;
}

static enum err keep_read(void *self, uint32_t *floor_out)
{
    *floor_out = *(uint32_t *)self;
    return *floor_out > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static enum err keep_write(void *self, uint32_t floor)
{
    *(uint32_t *)self = floor;
    return ERR_OK;
}

static uint8_t running(void)
{
    return world.on_trial ? world.trial : world.confirmed;
}

static enum err boot_look(void *self, struct boot_view *out)
{
    (void)self;
    out->running = running();
    out->verdict = world.on_trial ? BOOT_TRIAL : world.reverted ? BOOT_REVERTED : BOOT_NORMAL;
    return ERR_OK;
}

static enum err boot_try_once(void *self, uint8_t bank)
{
    (void)self;
    look_at_trial(bank);
    world.trial = bank;
    world.armed = true;
    world.reverted = false;
    return ERR_OK;
}

static enum err boot_confirm(void *self)
{
    const struct stolen_release *found = stolen_find(&world.authority, world.banks[running()]);

    (void)self;
    if (world.on_trial) {
        world.figures->confirmed++;
        world.figures->went_back += found && found < world.last_confirmed;
        world.last_confirmed = found;
    }
    world.confirmed = running();
    world.on_trial = world.armed = world.reverted = false;
    return ERR_OK;
}

static void reset_loader(void)
{
    if (world.armed) {
        world.armed = false;
        world.on_trial = true;
    } else if (world.on_trial) {
        world.on_trial = false;
        world.reverted = true;
    }
}

/* ---- the device's host ---- */

static struct agent_event *new_event(enum agent_event_kind kind)
{
    CHECK(world.event_count < EVENTS_MAX);
    world.events[world.event_count] = (struct agent_event){.kind = kind};
    return &world.events[world.event_count++];
}

static void fail_order(enum agent_order_kind order, enum err err)
{
    struct agent_event *event = new_event(AGENT_EV_FAILED);

    event->failed.order = order;
    event->failed.err = err;
}

static struct utc time_now(void)
{
    return timekeeper_now(&world.keeper, world.rtc, world.now);
}

/* Trust stores come from the server, too: the right next one, an old one, a spoiled one. */
static void take_store(void)
{
    const struct trust_check check = {&world.verify, world.door_room, sizeof world.door_room};
    const struct stolen_store *offered =
        &world.authority.stores[prng_below(&world.prng, STOLEN_STORES)];
    uint8_t message[TRUST_STORE_SIZE_MAX];
    static struct trust_store next;

    if (!chance(5))
        return;
    memcpy(message, offered->message, offered->size);
    if (chance(20))
        message[prng_below(&world.prng, offered->size)] ^= 4;
    if (trust_store_follow(&world.store, (struct span){message, offered->size}, &check, &next) !=
        ERR_OK)
        return;
    memcpy(world.store_message, message, offered->size);
    world.store_size = offered->size;
    CHECK(trust_store_open((struct span){world.store_message, world.store_size}, &check,
                           &world.store) == ERR_OK);
    timekeeper_prove(&world.keeper, (struct utc){(int64_t)world.store.issued_s * 1000});
}

static void do_resolve(void)
{
    const struct manifest_door door = {.store = &world.store,
                                       .product = "pump",
                                       .verify = &world.verify,
                                       .room = world.door_room,
                                       .room_size = sizeof world.door_room};
    const struct manifest_door_input in = {
        .manifest = {world.deed.manifest, world.deed.manifest_size},
        .assignment = {world.deed.order, world.deed.order_size},
        .now = time_now(),
        .nonce_known = true,
        .nonce = world.nonce};

    if (chance(3)) {
        fail_order(AGENT_DO_RESOLVE, chance(50) ? ERR_LINK : ERR_UNTRUSTED);
        return;
    }
    manifest_door_open(&door, &in, &world.manifest, &world.evidence);
    new_event(AGENT_EV_FACTS)->evidence = &world.evidence;
}

static void do_check(void)
{
    struct agent_event *event = new_event(AGENT_EV_READY);

    event->ready = chance(85) ? ERR_OK : chance(50) ? ERR_AGAIN : ERR_TOO_BIG;
    event->hindrance = event->ready == ERR_AGAIN ? AGENT_REASON_POWER : AGENT_REASON_NONE;
}

static const struct stolen_release *blob_of(const uint8_t sha256[DIGEST_SIZE], bool list)
{
    for (uint32_t i = 0; i < STOLEN_RELEASES; i++) {
        const struct stolen_release *release = &world.authority.releases[i];
        const struct release_facts *facts = &release->manifest.facts;

        if (memcmp(list ? facts->chunks_sha256 : facts->sha256, sha256, DIGEST_SIZE) == 0)
            return release;
    }
    return NULL;
}

/* The bytes asked for, or others: spoiled, of another image, none. */
static void do_fetch(const struct agent_order *order)
{
    bool list = order->fetch.stream == AGENT_LIST;
    const struct stolen_release *release = blob_of(order->fetch.sha256, list);
    struct agent_event *event;
    size_t size = (size_t)(order->fetch.length - order->fetch.from);

    CHECK(size <= sizeof world.piece);
    if (!release || chance(4))
        release = &world.authority.releases[prng_below(&world.prng, STOLEN_RELEASES)];
    if (chance(5)) {
        fail_order(AGENT_DO_FETCH, chance(50) ? ERR_LINK : ERR_NOT_FOUND);
        return;
    }
    memcpy(world.piece, (list ? release->list : release->image) + order->fetch.from, size);
    if (chance(8))
        world.piece[prng_below(&world.prng, size)] ^= 1;
    event = new_event(AGENT_EV_BYTES);
    event->bytes.stream = order->fetch.stream;
    event->bytes.at = order->fetch.from;
    event->bytes.piece = (struct span){world.piece, size};
}

static void do_report(const struct agent_report *report)
{
    struct agent_event *event;

    if (chance(5)) {
        fail_order(AGENT_DO_REPORT, ERR_LINK);
        return;
    }
    if (native_phase_final(report->phase)) {
        world.figures->ended[report->phase]++;
        if (report->phase == PHASE_REFUSED)
            world.figures->refused[report->reason]++;
    }
    event = new_event(AGENT_EV_VERDICT);
    event->verdict.report_id = report->id;
    event->verdict.is.kind = report->phase == PHASE_STAGED ? NATIVE_PROCEED : NATIVE_NOTED;
    if (chance(5))
        event->verdict.is.kind =
            (enum native_verdict_kind)prng_below(&world.prng, NATIVE_VERDICT_COUNT);
}

static void carry_out(const struct agent_order *order)
{
    switch (order->kind) {
    case AGENT_DO_WAKE:
        world.due = order->due;
        break;
    case AGENT_DO_POLL:
        world.polls = true;
        break;
    case AGENT_DO_RESOLVE:
        do_resolve();
        break;
    case AGENT_DO_CHECK:
        do_check();
        break;
    case AGENT_DO_FETCH:
        do_fetch(order);
        break;
    case AGENT_DO_STOP:
        break;
    case AGENT_DO_REPORT:
        do_report(&order->report);
        break;
    case AGENT_DO_HEALTH:
        new_event(AGENT_EV_HEALTH)->health = chance(92) ? ERR_OK : ERR_UNHEALTHY;
        break;
    case AGENT_DO_RESET:
        world.resets = true;
        break;
    }
}

/* ---- lives ---- */

static void wire_up(void)
{
    static const struct bank_ops bank_ops = {bank_read, bank_erase, bank_write};
    static const struct record_slot_ops slot_ops = {slot_read, slot_write};
    static const struct keep_ops keep_ops = {keep_read, keep_write};
    static const struct boot_ops boot_ops = {boot_look, boot_try_once, boot_confirm};

    for (uint32_t i = 0; i < AGENT_BANKS; i++)
        world.bank_ports[i] = (struct bank){&bank_ops, world.banks[i], BANK_SIZE, ERASE_SIZE, 4};
    world.slot_port = (struct record_slots){&slot_ops, NULL};
    world.keep_port = (struct keep){&keep_ops, &world.floor_kept};
    world.boot_port = (struct boot){&boot_ops, NULL};
}

/* What a host finds out about the running image without the record: src/device/host.c. */
static void recall_factory(void)
{
    const struct stolen_release *found = stolen_find(&world.authority, world.banks[running()]);
    struct record_image *factory = &world.config.factory;

    if (!found || world.on_trial)
        return;
    *factory = (struct record_image){.known = true,
                                     .length = STOLEN_IMAGE_SIZE,
                                     .security_version = found->manifest.facts.security_version,
                                     .release_counter = found->manifest.facts.release_counter};
    memcpy(factory->sha256, found->manifest.facts.sha256, DIGEST_SIZE);
    memcpy(factory->version, found->manifest.facts.version, sizeof factory->version);
}

static void configure(void)
{
    world.config = (struct agent_config){.name = "pump-1",
                                         .product = "pump",
                                         .hardware = "rev-b",
                                         .slice_size = BANK_SIZE,
                                         .attempts_max = 3,
                                         .trial_s = 300,
                                         .trial_starts_max = 3,
                                         .poll_s = 60,
                                         .retry_s_min = 1,
                                         .retry_s_max = 60,
                                         .seed = prng_next(&world.prng)};
    recall_factory();
}

static void take_orders(const struct agent_orders *orders)
{
    for (uint32_t i = 0; i < orders->count; i++)
        carry_out(&orders->list[i]);
}

static void power_on(void)
{
    const struct trust_check check = {&world.verify, world.door_room, sizeof world.door_room};
    struct agent_world around = {.banks = {&world.bank_ports[0], &world.bank_ports[1]},
                                 .boot = &world.boot_port,
                                 .slots = &world.slot_port,
                                 .keep = &world.keep_port,
                                 .room = {world.list_room, sizeof world.list_room, world.chunk_room,
                                          sizeof world.chunk_room},
                                 .config = &world.config};
    struct agent_orders orders;

    reset_loader();
    if (chance(3)) { /* the record is lost, the keep is not */
        world.slot_written[0] = world.slot_written[1] = false;
        world.figures->records_lost++;
    }
    world.figures->boots++;
    world.event_count = 0;
    world.polls = world.resets = false;
    world.keeper = timekeeper_from(BUILT);
    world.rtc.ms = (int64_t)prng_below(&world.prng, 2 * STOLEN_BEGIN_S) * 1000;
    CHECK(trust_store_open((struct span){world.store_message, world.store_size}, &check,
                           &world.store) == ERR_OK);
    timekeeper_prove(&world.keeper, (struct utc){(int64_t)world.store.issued_s * 1000});
    configure();
    look_at_bank(running(), world.on_trial ? world.floor_seen : 0);
    CHECK(agent_start(&world.agent, &around, world.now, &orders) == ERR_OK);
    look_at_floor();
    take_orders(&orders);
}

static void begin_device(void)
{
    world.figures->devices++;
    stolen_authority_begin(&world.authority, &world.prng);
    thief_begin(&world.thief, &world.authority, &world.prng);
    memset(world.banks, 0xFF, sizeof world.banks);
    memcpy(world.banks[0], world.authority.releases[0].image, STOLEN_IMAGE_SIZE);
    world.slot_written[0] = world.slot_written[1] = false;
    world.floor_kept = world.floor_seen = 0;
    world.confirmed = world.trial = 0;
    world.armed = world.on_trial = world.reverted = false;
    world.last_confirmed = &world.authority.releases[0];
    memcpy(world.store_message, world.authority.stores[0].message, world.authority.stores[0].size);
    world.store_size = world.authority.stores[0].size;
    world.verify = verify_openssl();
    wire_up();
    power_on();
}

static void step(struct agent_event *event)
{
    enum agent_state before = agent_state(&world.agent);
    struct agent_orders orders;
    enum err err;

    world.now.ms++;
    event->now = world.now;
    err = agent_step(&world.agent, event, &orders);
    CHECK(err == ERR_OK || err == ERR_INVALID);
    if (before == AGENT_RESOLVING && event->kind == AGENT_EV_FACTS && err == ERR_OK &&
        (agent_state(&world.agent) != AGENT_REPORTING ||
         world.agent.record.report.phase == PHASE_SUCCEEDED))
        look_at_accepted();
    look_at_floor();
    take_orders(&orders);
}

/* Until the device asks again. */
static void live(void)
{
    for (uint32_t i = 0; i < INNER_MAX && !world.polls; i++) {
        struct agent_event event = {.kind = AGENT_EV_WAKE};

        if (world.resets || prng_below(&world.prng, 2000) == 0) {
            power_on();
            continue;
        }
        if (world.event_count > 0) {
            event = world.events[0];
            world.event_count--;
            memmove(world.events, world.events + 1, world.event_count * sizeof world.events[0]);
        } else if (world.due.ms > world.now.ms) {
            world.now = world.due;
        }
        step(&event);
    }
    CHECK(world.polls); /* it hangs otherwise */
}

/* Mostly the true time, or what looks like it to the device; sometimes anything at all. */
static uint64_t said_time(void)
{
    if (chance(92))
        return world.store.issued_s + prng_below(&world.prng, 50 * STOLEN_DAY_S);
    return chance(50) ? STOLEN_BEGIN_S + prng_below(&world.prng, 400 * STOLEN_DAY_S)
                      : prng_next(&world.prng) >> prng_below(&world.prng, 60);
}

static void answer_poll(void)
{
    struct agent_event event = {.kind = AGENT_EV_ANSWER, .answer = &world.deed.answer};
    struct thief_view view;

    world.polls = false;
    if (chance(2)) {
        fail_order(AGENT_DO_POLL, ERR_LINK);
        return;
    }
    for (size_t i = 0; i < sizeof world.nonce; i++)
        world.nonce[i] = (uint8_t)prng_next(&world.prng);
    take_store();
    timekeeper_tell(&world.keeper, said_time(), world.now);
    view = (struct thief_view){.nonce = world.nonce,
                               .last_sequence = world.agent.record.last.sequence,
                               .now_s = (uint64_t)time_now().ms / 1000,
                               .root_version = world.store.root_version,
                               .security_floor = world.agent.record.security_floor};
    thief_answer(&world.thief, &view, &world.deed);
    if (world.deed.order_size > 0) {
        world.figures->offers++;
        world.figures->honest += world.deed.wrong == 0;
    }
    step(&event);
}

void stolen_run(const struct stolen_plan *plan, struct stolen_figures *out)
{
    *out = (struct stolen_figures){0};
    world.figures = out;
    world.prng = prng_seeded(plan->seed);
    world.now.ms = 0;
    for (; out->steps < plan->steps; out->steps++) {
        if (out->steps % plan->life == 0)
            begin_device();
        live();
        answer_poll();
    }
    stolen_authority_done(&world.authority);
}
