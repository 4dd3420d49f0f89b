#include "lab/rig.h"

#include "base/check.h"
#include "crypto/sha256.h"
#include "lab/rig_seal.h"

#define EVENTS_MAX       8u
#define STEPS_MAX        200000u /* of one run; a run without faults takes some hundred */
#define ASSIGNMENTS_MAX  30u     /* after as many failures something is wrong with us */
#define REPORTS_MAX      64u     /* final ones the server remembers */
#define BOOTS_MAX        200u
#define RECORD_AREA_SIZE 1024u

/* A firmware image with its chunk list and facts. */
struct firmware {
    uint8_t bytes[RIG_IMAGE_SIZE];
    uint8_t sent[RIG_IMAGE_SIZE + RIG_CHUNKS_MAX * AEAD_TAG_SIZE]; /* when it is sealed */
    uint8_t list[RIG_CHUNKS_MAX * DIGEST_SIZE];
    struct release_facts facts;
};

/* The server's side of it. */
struct bench_server {
    uint64_t assignment; /* the present one; 0 before the first */
    bool settled;        /* a final report is in, and nothing more is planned */
    bool recalled;
    uint32_t final_count;
    struct {
        uint64_t id, assignment;
        enum native_phase phase;
    } finals[REPORTS_MAX];
};

/* Final reports that the device has made durable: each must reach the server one day. */
struct owed_reports {
    uint64_t ids[REPORTS_MAX];
    uint32_t count;
};

struct rig {
    struct rig_setup setup;
    struct prng prng;
    struct power power;
    struct flash banks[2], slots[RECORD_SLOTS];
    struct loader loader;
    uint32_t floor_kept;         /* the keep: atomic, as the loader's word */
    uint32_t floor_seen;         /* the highest floor the record ever had */
    struct firmware firmware[2]; /* version 1 and version 2 */
    struct bench_server server;
    struct owed_reports owed;
    struct rig_result result;
    uint32_t steps;
    bool halted; /* the result is final */

    /* From here on: memory that power loss wipes. */
    struct agent agent;
    struct bank bank_ports[2];
    struct boot boot_port;
    struct record_slots slot_port;
    struct keep keep_port;
    struct agent_config config;
    struct instant now, due;
    struct agent_event events[EVENTS_MAX];
    uint32_t event_count;
    struct native_answer answer;
    struct accept_evidence evidence;
    struct instant health_due; /* when the running health check ends */
    struct {
        bool open;
        enum agent_stream stream;
        uint64_t at, length;
        bool spoil;
    } transfer;
    uint8_t list_room[RIG_CHUNKS_MAX * DIGEST_SIZE], chunk_room[RIG_CHUNK_SIZE + AEAD_TAG_SIZE];
    uint8_t piece[RIG_CHUNK_SIZE];
};

/* Static, since power loss longjmps out of the middle of everything. */
static struct rig rig;

const char *rig_flow_name(enum rig_flow flow)
{
    static const char *const names[RIG_FLOW_COUNT] = {
        [RIG_INSTALL] = "install",   [RIG_RESUME] = "resume", [RIG_SPOILED] = "spoiled",
        [RIG_SEALED] = "sealed",     [RIG_WEAK] = "weak",     [RIG_REVERT] = "revert",
        [RIG_ROLLBACK] = "rollback", [RIG_RECALL] = "recall",
    };

    CHECK(flow < RIG_FLOW_COUNT);
    return names[flow];
}

const char *rig_end_name(enum rig_end end)
{
    static const char *const names[] = {
        [RIG_CONVERGED] = "converged",
        [RIG_BRICK] = "booted a bank without a whole image",
        [RIG_STUCK] = "no end in sight",
        [RIG_LOST] = "final report lost or contradicted",
        [RIG_WRONG] = "runs something else than reported",
        [RIG_DOWNLOAD] = "downloaded without need",
        [RIG_FLOOR] = "security floor lost, early or too high",
    };

    return names[end];
}

static void stop(enum rig_end end)
{
    rig.result.end = end;
    rig.halted = true;
}

static bool chance(uint32_t percent)
{
    return prng_below(&rig.prng, 100) < percent;
}

/* ---- the device's storage ---- */

static enum err slot_read(void *self, uint32_t slot, void *to, uint32_t size)
{
    struct flash *slots = self;

    return flash_read(&slots[slot], 0, to, size);
}

static enum err slot_write(void *self, uint32_t slot, const void *from, uint32_t size)
{
    struct flash *slots = self;

    TRY(flash_erase(&slots[slot], 0, RECORD_AREA_SIZE));
    return flash_write(&slots[slot], 0, from, size);
}

static const struct record_slot_ops slot_ops = {slot_read, slot_write};

static enum err keep_read(void *self, uint32_t *floor_out)
{
    const uint32_t *kept = self;

    *floor_out = *kept;
    return *kept > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static enum err keep_write(void *self, uint32_t floor)
{
    uint32_t *kept = self;

    if (power_spend(&rig.power, 1) == 0)
        power_off(&rig.power);
    CHECK(floor > *kept);
    *kept = floor;
    return ERR_OK;
}

static const struct keep_ops keep_ops = {keep_read, keep_write};

static bool holds(uint8_t bank, uint32_t version)
{
    return memcmp(rig.banks[bank].cells, rig.firmware[version - 1].bytes, RIG_IMAGE_SIZE) == 0;
}

/* ---- firmware ---- */

static void make_firmware(struct firmware *firmware, uint32_t version)
{
    struct release_facts *facts = &firmware->facts;
    struct chunks chunks = {.length = RIG_IMAGE_SIZE, .size = RIG_CHUNK_SIZE};

    for (uint32_t i = 0; i < RIG_IMAGE_SIZE; i++)
        firmware->bytes[i] = (uint8_t)(i < 1500 ? i * 3 : i * 7 + version * 31 + i / 251);
    *facts = (struct release_facts){
        .product = "pump",
        .version = {(char)('0' + version)},
        .hardware = {"rev-b"},
        .hardware_count = 1,
        .security_version = version,
        .security_floor = version,
        .length = RIG_IMAGE_SIZE,
        .chunk_size = RIG_CHUNK_SIZE,
    };
    CHECK(chunks_count(&chunks) <= RIG_CHUNKS_MAX);
    for (uint32_t i = 0; i < chunks_count(&chunks); i++)
        sha256_of(
            (struct span){firmware->bytes + chunks_at(&chunks, i), chunks_size_of(&chunks, i)},
            firmware->list + (size_t)i * DIGEST_SIZE);
    sha256_of((struct span){firmware->list, chunks_list_size(&chunks)}, facts->chunks_sha256);
    sha256_of((struct span){firmware->bytes, RIG_IMAGE_SIZE}, facts->sha256);
    if (rig.setup.flow == RIG_SEALED && version == 2)
        rig_seal_image(firmware->bytes, facts, firmware->sent, firmware->list);
}

static uint32_t wanted_version(void)
{
    return rig.setup.flow == RIG_ROLLBACK ? 1 : 2;
}

static const struct firmware *wanted(void)
{
    return &rig.firmware[wanted_version() - 1];
}

/* ---- the server ---- */

/* Take a final report in. Repeats are the same report; a second one for the same assignment is a
 * lie. */
static void take_final(const struct agent_report *report)
{
    struct bench_server *server = &rig.server;

    for (uint32_t i = 0; i < server->final_count; i++) {
        bool same = server->finals[i].id == report->id;

        if (same != (server->finals[i].assignment == report->assignment) ||
            (same && server->finals[i].phase != report->phase))
            stop(RIG_LOST);
        if (same)
            return;
    }
    if ((report->phase == PHASE_SUCCEEDED) !=
        (holds(rig.loader.confirmed, wanted_version()) && !rig.loader.on_trial))
        stop(RIG_WRONG);
    CHECK(server->final_count < REPORTS_MAX);
    server->finals[server->final_count].id = report->id;
    server->finals[server->final_count].assignment = report->assignment;
    server->finals[server->final_count++].phase = report->phase;
    if (report->assignment != server->assignment)
        return;
    rig.result.outcome = (uint32_t)report->phase;
    server->settled = report->phase == PHASE_SUCCEEDED || rig.setup.flow == RIG_REVERT ||
                      rig.setup.flow == RIG_RECALL;
}

/* Note the final report that is in the record, as the device would find it after power loss. */
static void note_owed(void)
{
    struct record_slots slots = {&slot_ops, rig.slots};
    struct record record;
    uint32_t sequence;

    if (record_load(&slots, &record, &sequence) != ERR_OK || record.report.id == 0)
        return;
    for (uint32_t i = 0; i < rig.owed.count; i++) {
        if (rig.owed.ids[i] == record.report.id)
            return;
    }
    CHECK(rig.owed.count < REPORTS_MAX);
    rig.owed.ids[rig.owed.count++] = record.report.id;
}

static bool all_owed_arrived(void)
{
    uint32_t arrived = 0;

    for (uint32_t i = 0; i < rig.owed.count; i++) {
        for (uint32_t j = 0; j < rig.server.final_count; j++)
            arrived += rig.server.finals[j].id == rig.owed.ids[i];
    }
    return arrived == rig.owed.count;
}

static enum native_verdict_kind verdict_on(const struct agent_report *report)
{
    bool recall = rig.setup.flow == RIG_RECALL && report->assignment == rig.server.assignment;

    if (native_phase_final(report->phase)) {
        take_final(report);
        return NATIVE_NOTED;
    }
    if (recall && report->phase != PHASE_TRIAL && chance(30))
        rig.server.recalled = true;
    if (recall && rig.server.recalled && report->phase != PHASE_TRIAL)
        return NATIVE_DROP;
    if (report->phase != PHASE_STAGED)
        return NATIVE_NOTED;
    return chance(20) ? NATIVE_HOLD : NATIVE_PROCEED;
}

/* Whether the present assignment has its final report. */
static bool present_is_final(void)
{
    for (uint32_t i = 0; i < rig.server.final_count; i++) {
        if (rig.server.finals[i].assignment == rig.server.assignment)
            return true;
    }
    return false;
}

static struct native_answer poll_answer(void)
{
    struct bench_server *server = &rig.server;
    struct native_answer answer = {.kind = NATIVE_NOTHING, .next_poll_s = 60};

    if (server->settled)
        return answer;
    if (server->assignment == 0 || present_is_final()) {
        server->assignment++;
        rig.result.assignments++;
        if (rig.result.assignments > ASSIGNMENTS_MAX)
            stop(RIG_STUCK);
    }
    if (server->recalled) {
        answer.kind = NATIVE_CANCEL;
        answer.assignment = server->assignment;
        return answer;
    }
    answer.kind = rig.setup.flow == RIG_ROLLBACK ? NATIVE_ROLLBACK : NATIVE_INSTALL;
    answer.assignment = server->assignment;
    answer.target = SPAN_LITERAL("pump/fw");
    answer.sha256.known = true;
    memcpy(answer.sha256.at, wanted()->facts.sha256, DIGEST_SIZE);
    answer.not_before_s = chance(20) ? 30 : 0;
    return answer;
}

/* What a host would have verified: everything is good here. */
static const struct accept_evidence *evidence(void)
{
    const struct firmware *firmware = wanted();
    bool back = rig.setup.flow == RIG_ROLLBACK;

    rig.evidence = (struct accept_evidence){
        .chain = ERR_OK,
        .facts = &firmware->facts,
        .target = SPAN_LITERAL("pump/fw"),
        .signature = ACCEPT_SIGNED,
        .mandate = {.device = SPAN_LITERAL("pump-1"),
                    .sequence =
                        rig.server.assignment, /* one a piece, however often it is offered */
                    .nonce_known = true,
                    .id = rig.server.assignment,
                    .action = back ? MANDATE_ROLLBACK : MANDATE_INSTALL,
                    .target = SPAN_LITERAL("pump/fw")},
        .nonce_known = true,
    };
    memcpy(rig.evidence.mandate.sha256, firmware->facts.sha256, DIGEST_SIZE);
    if (firmware->facts.sealed.used)
        rig.evidence.mandate.content_key = rig_seal_wrap();
    return &rig.evidence;
}

/* ---- the host: orders to events ---- */

static struct agent_event *new_event(enum agent_event_kind kind)
{
    CHECK(rig.event_count < EVENTS_MAX);
    rig.events[rig.event_count] = (struct agent_event){.kind = kind};
    return &rig.events[rig.event_count++];
}

static void fail_order(enum agent_order_kind order)
{
    struct agent_event *event = new_event(AGENT_EV_FAILED);

    event->failed.order = order;
    event->failed.err = ERR_LINK;
}

static bool link_breaks(void)
{
    return (rig.setup.flow == RIG_RESUME || rig.setup.flow == RIG_SEALED) && chance(25);
}

static void do_poll(void)
{
    if (link_breaks()) {
        fail_order(AGENT_DO_POLL);
        return;
    }
    rig.answer = poll_answer();
    if (link_breaks()) /* the answer is lost, the server does not know */
        fail_order(AGENT_DO_POLL);
    else
        new_event(AGENT_EV_ANSWER)->answer = &rig.answer;
}

static void do_report(const struct agent_report *report)
{
    struct agent_event *event;
    enum native_verdict_kind kind;

    if (link_breaks()) {
        fail_order(AGENT_DO_REPORT);
        return;
    }
    kind = verdict_on(report);
    if (link_breaks()) {
        fail_order(AGENT_DO_REPORT);
        return;
    }
    event = new_event(AGENT_EV_VERDICT);
    event->verdict.report_id = report->id;
    event->verdict.is.kind = kind;
    event->verdict.is.retry_s = kind == NATIVE_HOLD ? 5 : 0;
}

static void do_fetch(const struct agent_order *order)
{
    rig.transfer.open = true;
    rig.transfer.stream = order->fetch.stream;
    rig.transfer.at = order->fetch.from;
    rig.transfer.length = order->fetch.length;
    rig.transfer.spoil = rig.setup.flow == RIG_SPOILED && chance(30);
    if (order->fetch.stream == AGENT_IMAGE && rig.setup.flow == RIG_ROLLBACK)
        stop(RIG_DOWNLOAD);
}

static struct agent_event health_event(void)
{
    bool sick = rig.setup.flow == RIG_REVERT && holds(rig.agent.boot.running, 2);

    rig.health_due.ms = INT64_MAX;
    return (struct agent_event){.kind = AGENT_EV_HEALTH, .health = sick ? ERR_UNHEALTHY : ERR_OK};
}

/* The next piece of the open transfer, of any size the network likes. */
static struct agent_event transfer_event(void)
{
    struct agent_event event = {.kind = AGENT_EV_BYTES};
    const struct firmware *firmware = wanted();
    const uint8_t *image = firmware->facts.sealed.used ? firmware->sent : firmware->bytes;
    const uint8_t *from = rig.transfer.stream == AGENT_LIST ? firmware->list : image;
    uint64_t left = rig.transfer.length - rig.transfer.at;
    uint32_t size = 1 + (uint32_t)prng_below(&rig.prng, sizeof rig.piece);

    if (size > left)
        size = (uint32_t)left;
    memcpy(rig.piece, from + rig.transfer.at, size);
    if (rig.transfer.spoil && chance(20))
        rig.piece[size / 2] ^= 0x40;
    event.bytes.stream = rig.transfer.stream;
    event.bytes.at = rig.transfer.at;
    event.bytes.piece = (struct span){rig.piece, size};
    if (rig.transfer.stream == AGENT_IMAGE)
        rig.result.image_bytes += size;
    rig.transfer.at += size;
    rig.transfer.open = rig.transfer.at < rig.transfer.length;
    if (rig.transfer.open && link_breaks()) {
        rig.transfer.open = false;
        fail_order(AGENT_DO_FETCH);
    }
    return event;
}

/* Carry out one order. True when it is the reset. */
static bool carry_out(const struct agent_order *order)
{
    struct agent_event *event;

    switch (order->kind) {
    case AGENT_DO_WAKE:
        rig.due = order->due;
        break;
    case AGENT_DO_POLL:
        do_poll();
        break;
    case AGENT_DO_RESOLVE:
        if (link_breaks())
            fail_order(AGENT_DO_RESOLVE);
        else
            new_event(AGENT_EV_FACTS)->evidence = evidence();
        break;
    case AGENT_DO_CHECK:
        event = new_event(AGENT_EV_READY);
        event->ready = chance(20) ? ERR_AGAIN : ERR_OK;
        break;
    case AGENT_DO_FETCH:
        do_fetch(order);
        break;
    case AGENT_DO_STOP:
        rig.transfer.open = false;
        break;
    case AGENT_DO_REPORT:
        do_report(&order->report);
        break;
    case AGENT_DO_HEALTH:
        rig.health_due.ms = rig.now.ms + (int64_t)prng_below(&rig.prng, 40);
        break;
    case AGENT_DO_RESET:
        return true;
    }
    return false;
}

static struct agent_event next_event(void)
{
    struct agent_event event = {.kind = AGENT_EV_WAKE};

    if (rig.event_count > 0) {
        event = rig.events[0];
        rig.event_count--;
        memmove(rig.events, rig.events + 1, rig.event_count * sizeof rig.events[0]);
    } else if (rig.health_due.ms <= rig.now.ms) {
        event = health_event();
    } else if (rig.transfer.open) {
        event = transfer_event();
    } else if (rig.due.ms > rig.now.ms) {
        rig.now.ms = rig.due.ms < rig.health_due.ms ? rig.due.ms : rig.health_due.ms;
    }
    rig.now.ms++;
    event.now = rig.now;
    return event;
}

/* ---- a life between two boots ---- */

static void wire_up(void)
{
    struct agent_world world;

    rig.config = (struct agent_config){
        .name = "pump-1",
        .product = "pump",
        .hardware = "rev-b",
        .factory = {.known = true, .length = RIG_IMAGE_SIZE, .security_version = 1, .version = "1"},
        .slice_size = rig.setup.erase_size > 2048 ? rig.setup.erase_size : 2048,
        .attempts_max = 20,
        .trial_s = 300,
        .trial_starts_max = 100,
        .poll_s = 60,
        .retry_s_min = 1,
        .retry_s_max = 60,
        .seed = prng_next(&rig.prng),
    };
    memcpy(rig.config.factory.sha256, rig.firmware[0].facts.sha256, DIGEST_SIZE);
    rig.bank_ports[0] = flash_bank(&rig.banks[0]);
    rig.bank_ports[1] = flash_bank(&rig.banks[1]);
    rig.boot_port = loader_boot_ops(&rig.loader);
    rig.slot_port = (struct record_slots){&slot_ops, rig.slots};
    rig.keep_port = (struct keep){&keep_ops, &rig.floor_kept};
    world = (struct agent_world){
        .banks = {&rig.bank_ports[0], &rig.bank_ports[1]},
        .boot = &rig.boot_port,
        .slots = &rig.slot_port,
        .keep = &rig.keep_port,
        .sealer = rig_sealer(),
        .room = {rig.list_room, sizeof rig.list_room, rig.chunk_room, sizeof rig.chunk_room},
        .config = &rig.config,
    };
    rig.agent.world = world;
}

static void wipe_memory(void)
{
    size_t from = offsetof(struct rig, agent);

    memset((uint8_t *)&rig + from, 0xA5, sizeof rig - from);
    rig_sealer_forget();
    rig.event_count = 0;
    rig.transfer.open = false;
    rig.now = rig.due = (struct instant){0};
    rig.health_due.ms = INT64_MAX;
}

/* The floor never falls, never passes what the boot loader would fall back to, and the keep never
 * knows more than the record. */
static void check_floor(void)
{
    struct record_slots slots = {&slot_ops, rig.slots};
    struct record record;
    uint32_t sequence, bootable = holds(rig.loader.confirmed, 2) ? 2 : 1;

    if (record_load(&slots, &record, &sequence) != ERR_OK)
        return;
    if (record.security_floor < rig.floor_seen || record.security_floor > bootable ||
        rig.floor_kept > record.security_floor)
        stop(RIG_FLOOR);
    rig.floor_seen = record.security_floor;
}

/* Whether the server has heard the end of it and the device is back to rest. */
static bool at_rest(void)
{
    return rig.server.settled && agent_state(&rig.agent) == AGENT_IDLE && !rig.loader.on_trial &&
           !rig.loader.armed;
}

static const char *event_name(const struct agent_event *event)
{
    static const char *const names[AGENT_EV_COUNT] = {"wake",  "answer",  "facts",  "ready",
                                                      "bytes", "verdict", "health", "failed"};

    return names[event->kind];
}

static void trace_step(const char *what, const struct agent_orders *orders)
{
    static const char *const names[] = {"wake", "poll",   "resolve", "check", "fetch",
                                        "stop", "report", "health",  "reset"};
    FILE *to = rig.setup.trace;

    if (!to)
        return;
    (void)fprintf(to, "[%8lld] %8llu %-8s -> %-10s", (long long)rig.now.ms,
                  (unsigned long long)rig.power.spent, what,
                  agent_state_name(agent_state(&rig.agent)));
    for (uint32_t i = 0; i < orders->count; i++) {
        const struct agent_order *order = &orders->list[i];

        if (order->kind == AGENT_DO_WAKE)
            continue;
        (void)fprintf(to, " %s", names[order->kind]);
        if (order->kind == AGENT_DO_REPORT)
            (void)fprintf(to, "(%llu %s)", (unsigned long long)order->report.assignment,
                          native_phase_name(order->report.phase));
    }
    (void)fputc('\n', to);
}

/* From reset to the next one. */
static void live(void)
{
    struct agent_orders orders;
    struct agent_world world;
    uint8_t bank = loader_boot(&rig.loader);
    bool reset = false;

    if (!holds(bank, 1) && !holds(bank, 2)) {
        stop(RIG_BRICK);
        return;
    }
    note_owed();
    check_floor();
    wipe_memory();
    wire_up();
    world = rig.agent.world;
    CHECK(agent_start(&rig.agent, &world, rig.now, &orders) == ERR_OK);
    trace_step("boot", &orders);
    while (!reset && !rig.halted) {
        struct agent_event event;
        enum err err;

        for (uint32_t i = 0; i < orders.count && !reset; i++)
            reset = carry_out(&orders.list[i]);
        if (reset || rig.halted)
            break;
        if (at_rest()) {
            stop(RIG_CONVERGED);
            break;
        }
        if (++rig.steps > STEPS_MAX) {
            stop(RIG_STUCK);
            break;
        }
        event = next_event();
        err = agent_step(&rig.agent, &event, &orders);
        CHECK(err == ERR_OK || err == ERR_INVALID); /* late answers are refused, that is all */
        trace_step(event_name(&event), &orders);
    }
}

/* ---- a run ---- */

static void put_image(uint8_t bank, uint32_t version)
{
    memcpy(rig.banks[bank].cells, rig.firmware[version - 1].bytes, RIG_IMAGE_SIZE);
    memset(rig.banks[bank].programmed, 1, RIG_IMAGE_SIZE);
}

/* Version 2 was installed and confirmed some time ago; version 1 is still in the other bank. */
static void settle_on_version_2(void)
{
    struct record record = {.report_next = 100, .security_floor = 1, .floor_wanted = 2};
    struct record_slots slots = {&slot_ops, rig.slots};
    uint32_t sequence = 0;

    put_image(1, 2);
    rig.loader.confirmed = 1;
    for (uint32_t i = 0; i < 2; i++) {
        record.banks[i] = (struct record_image){.known = true, .length = RIG_IMAGE_SIZE};
        record.banks[i].security_version = i + 1;
        record.banks[i].version[0] = (char)('1' + i);
        memcpy(record.banks[i].sha256, rig.firmware[i].facts.sha256, DIGEST_SIZE);
    }
    CHECK(record_save(&slots, &record, &sequence) == ERR_OK);
}

static void begin(const struct rig_setup *setup)
{
    memset(&rig, 0, sizeof rig);
    rig.setup = *setup;
    rig.prng = prng_seeded(setup->seed);
    rig.power.prng = &rig.prng;
    for (uint32_t i = 0; i < 2; i++) {
        make_firmware(&rig.firmware[i], i + 1);
        flash_init(&rig.banks[i], RIG_BANK_SIZE, setup->erase_size, 8, &rig.power);
        flash_init(&rig.slots[i], RECORD_AREA_SIZE, RECORD_AREA_SIZE, 1, &rig.power);
        rig.banks[i].weak_percent = setup->flow == RIG_WEAK ? 8 : 0;
    }
    rig.loader = (struct loader){.tries_max = setup->loader_tries, .power = &rig.power};
    put_image(0, 1);
    if (setup->flow == RIG_ROLLBACK)
        settle_on_version_2();
    rig.power.spent = 0;
    rig.power.op_count = 0;
    memcpy(rig.power.cuts, setup->cuts, sizeof rig.power.cuts);
    rig.power.cut_count = setup->cut_count;
}

/* The device runs what the server believes. */
static void judge(void)
{
    bool flipped = rig.result.outcome == PHASE_SUCCEEDED;
    uint32_t expected = flipped ? wanted_version() : 3 - wanted_version();

    if (rig.result.end != RIG_CONVERGED)
        return;
    if (!present_is_final() || !all_owed_arrived())
        rig.result.end = RIG_LOST;
    else if (!holds(rig.loader.confirmed, expected))
        rig.result.end = RIG_WRONG;
    else if (rig.setup.flow == RIG_REVERT && flipped)
        rig.result.end = RIG_WRONG;
    else if (rig.setup.flow < RIG_REVERT && !flipped)
        rig.result.end = RIG_WRONG;
    else if (rig.floor_kept != (flipped || rig.setup.flow == RIG_ROLLBACK ? 1u : 0u))
        rig.result.end = RIG_FLOOR; /* one image of version 1 is there and can be booted */
}

struct rig_result rig_run(const struct rig_setup *setup)
{
    begin(setup);
    (void)setjmp(rig.power.off); /* power loss lands here, with storage as it was left */
    while (!rig.halted) {
        if (++rig.result.boots > BOOTS_MAX)
            stop(RIG_STUCK);
        else
            live();
    }
    judge();
    rig.result.units = rig.power.spent;
    rig.result.cuts_taken = rig.power.cuts_taken;
    return rig.result;
}

uint32_t rig_operations(uint64_t *out, uint32_t count_max)
{
    uint32_t count = rig.power.op_count < count_max ? rig.power.op_count : count_max;

    memcpy(out, rig.power.ops, count * sizeof *out);
    return count;
}
