#include "agent/agent_case_host.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* ---- the world ---- */

static enum err bank_read(void *self, uint64_t at, void *to, uint32_t size)
{
    const struct case_bank *bank = self;

    memcpy(to, bank->cells + at, size);
    return ERR_OK;
}

static enum err bank_erase(void *self, uint64_t at, uint64_t size)
{
    struct case_bank *bank = self;

    memset(bank->cells + at, 0xFF, size);
    bank->erases++;
    return ERR_OK;
}

static enum err bank_write(void *self, uint64_t at, const void *from, uint32_t size)
{
    struct case_bank *bank = self;

    if (bank->broken)
        return ERR_STORAGE;
    memcpy(bank->cells + at, from, size);
    bank->writes++;
    return ERR_OK;
}

static enum err slot_read(void *self, uint32_t slot, void *to, uint32_t size)
{
    const struct agent_case *bench = self;

    if (!bench->slot_written[slot])
        return ERR_NOT_FOUND;
    memcpy(to, bench->slots[slot], size);
    return ERR_OK;
}

static enum err slot_write(void *self, uint32_t slot, const void *from, uint32_t size)
{
    struct agent_case *bench = self;

    if (bench->slots_broken)
        return ERR_STORAGE;
    memset(bench->slots[slot], 0xFF, RECORD_SLOT_SIZE);
    memcpy(bench->slots[slot], from, size);
    bench->slot_written[slot] = true;
    bench->saves++;
    return ERR_OK;
}

static enum err boot_look(void *self, struct boot_view *out)
{
    const struct agent_case *bench = self;

    *out = bench->view;
    return ERR_OK;
}

static enum err boot_try_once(void *self, uint8_t bank)
{
    struct agent_case *bench = self;

    bench->armed = bank;
    return bench->boot_broken ? ERR_STORAGE : ERR_OK;
}

static enum err boot_confirm(void *self)
{
    struct agent_case *bench = self;

    bench->view.verdict = BOOT_NORMAL;
    bench->armed = 0xFF;
    bench->confirms++;
    return ERR_OK;
}

static enum err keep_read(void *self, uint32_t *floor_out)
{
    const struct agent_case *bench = self;

    if (bench->floor_kept == 0)
        return ERR_NOT_FOUND;
    *floor_out = bench->floor_kept;
    return ERR_OK;
}

static enum err keep_write(void *self, uint32_t floor)
{
    struct agent_case *bench = self;

    if (bench->keep_broken)
        return ERR_STORAGE;
    CHECK(floor > bench->floor_kept);
    bench->floor_kept = floor;
    return ERR_OK;
}

static const struct keep_ops keep_ops = {keep_read, keep_write};
static const struct bank_ops bank_ops = {bank_read, bank_erase, bank_write};
static const struct record_slot_ops slot_ops = {slot_read, slot_write};
static const struct boot_ops boot_ops = {boot_look, boot_try_once, boot_confirm};

static void make_firmware(struct case_firmware *firmware, uint32_t version)
{
    struct release_facts *facts = &firmware->facts;
    struct chunks chunks = {.length = CASE_IMAGE_SIZE, .size = CASE_CHUNK_SIZE};

    for (uint32_t i = 0; i < CASE_IMAGE_SIZE; i++)
        firmware->bytes[i] = (uint8_t)(i * 7 + version * 31 + i / 251);
    *facts = (struct release_facts){.product = "pump",
                                    .version = {(char)('0' + version)},
                                    .hardware = {"rev-b"},
                                    .hardware_count = 1,
                                    .security_version = version,
                                    .security_floor = version,
                                    .length = CASE_IMAGE_SIZE,
                                    .chunk_size = CASE_CHUNK_SIZE};
    for (uint32_t i = 0; i < CASE_CHUNKS; i++)
        sha256_of(
            (struct span){firmware->bytes + chunks_at(&chunks, i), chunks_size_of(&chunks, i)},
            firmware->list + (size_t)i * DIGEST_SIZE);
    sha256_of((struct span){firmware->list, sizeof firmware->list}, facts->chunks_sha256);
    sha256_of((struct span){firmware->bytes, CASE_IMAGE_SIZE}, facts->sha256);
}

void case_begin(struct agent_case *bench)
{
    memset(bench, 0, sizeof *bench);
    make_firmware(&bench->firmware[0], 1);
    make_firmware(&bench->firmware[1], 2);
    memcpy(bench->banks[0].cells, bench->firmware[0].bytes, CASE_IMAGE_SIZE);
    bench->armed = 0xFF;
    for (int i = 0; i < 2; i++)
        bench->bank_ports[i] = (struct bank){&bank_ops, &bench->banks[i], CASE_BANK_SIZE, 1024, 16};
    bench->boot_port = (struct boot){&boot_ops, bench};
    bench->slot_port = (struct record_slots){&slot_ops, bench};
    bench->keep_port = (struct keep){&keep_ops, bench};
    bench->config = (struct agent_config){
        .name = "pump-17",
        .product = "pump",
        .hardware = "rev-b",
        .factory = {.known = true, .length = CASE_IMAGE_SIZE, .security_version = 1},
        .slice_size = CASE_BANK_SIZE,
        .attempts_max = 3,
        .trial_s = 300,
        .trial_starts_max = 4,
        .poll_s = 60,
        .retry_s_min = 2,
        .retry_s_max = 64,
        .seed = 5,
    };
    bench->config.factory.version[0] = '1';
    memcpy(bench->config.factory.sha256, bench->firmware[0].facts.sha256, DIGEST_SIZE);
    bench->world = (struct agent_world){.banks = {&bench->bank_ports[0], &bench->bank_ports[1]},
                                        .boot = &bench->boot_port,
                                        .slots = &bench->slot_port,
                                        .keep = &bench->keep_port,
                                        .room = {bench->list_room, sizeof bench->list_room,
                                                 bench->chunk_room, sizeof bench->chunk_room},
                                        .config = &bench->config};
}

/* ---- the trace ---- */

static void say(struct agent_case *bench, const char *text)
{
    size_t at = strlen(bench->trace);

    CHECK(at + strlen(text) < CASE_TRACE_MAX);
    memcpy(bench->trace + at, text, strlen(text) + 1);
}

static void say_order(struct agent_case *bench, const struct agent_order *order)
{
    char text[160] = "";

    switch (order->kind) {
    case AGENT_DO_WAKE:
        return;
    case AGENT_DO_POLL:
        (void)snprintf(text, sizeof text, " poll");
        break;
    case AGENT_DO_RESOLVE:
        (void)snprintf(text, sizeof text, " resolve(%s)", order->resolve.target);
        break;
    case AGENT_DO_CHECK:
        (void)snprintf(text, sizeof text, " check(%s)",
                       order->check.what == AGENT_CHECK_ERASE ? "erase" : "flip");
        break;
    case AGENT_DO_FETCH:
        (void)snprintf(text, sizeof text, " fetch(%s %llu)",
                       order->fetch.stream == AGENT_LIST ? "list" : "image",
                       (unsigned long long)order->fetch.from);
        break;
    case AGENT_DO_STOP:
        (void)snprintf(text, sizeof text, " stop");
        break;
    case AGENT_DO_REPORT:
        (void)snprintf(text, sizeof text, " report(%s %s%s%s)",
                       native_phase_name(order->report.phase), err_name(order->report.err),
                       order->report.reason ? ": " : "", agent_reason_text(order->report.reason));
        break;
    case AGENT_DO_HEALTH:
        (void)snprintf(text, sizeof text, " health");
        break;
    case AGENT_DO_RESET:
        (void)snprintf(text, sizeof text, " reset");
        break;
    }
    say(bench, text);
}

static void say_step(struct agent_case *bench, const char *event)
{
    say(bench, event);
    say(bench, bench->err == ERR_INVALID ? " refused" : "");
    say(bench, bench->err == ERR_STORAGE ? " not saved" : "");
    say(bench, " -> ");
    say(bench, agent_state_name(agent_state(&bench->agent)));
    say(bench, ":");
    for (uint32_t i = 0; i < bench->orders.count; i++)
        say_order(bench, &bench->orders.list[i]);
    say(bench, "\n");
}

void case_forget_trace(struct agent_case *bench)
{
    bench->trace[0] = '\0';
}

/* ---- events ---- */

static void step(struct agent_case *bench, struct agent_event event)
{
    bench->now.ms++;
    event.now = bench->now;
    bench->err = agent_step(&bench->agent, &event, &bench->orders);
}

void case_boot(struct agent_case *bench)
{
    memset(bench->list_room, 0xA5, sizeof bench->list_room);
    memset(bench->chunk_room, 0xA5, sizeof bench->chunk_room);
    bench->now.ms = 0;
    bench->err = agent_start(&bench->agent, &bench->world, bench->now, &bench->orders);
    say_step(bench, "boot");
}

void case_reset(struct agent_case *bench)
{
    if (bench->armed != 0xFF) {
        bench->view = (struct boot_view){BOOT_TRIAL, bench->armed};
        bench->armed = 0xFF;
    } else if (bench->view.verdict == BOOT_TRIAL) {
        bench->view = (struct boot_view){BOOT_REVERTED, (uint8_t)(1 - bench->view.running)};
    }
}

static void wake_at_due(struct agent_case *bench)
{
    const struct agent_order *wake = case_order(bench, AGENT_DO_WAKE);

    if (wake && wake->due.ms > bench->now.ms && wake->due.ms != INT64_MAX)
        bench->now = wake->due;
    step(bench, (struct agent_event){.kind = AGENT_EV_WAKE});
}

void case_wake(struct agent_case *bench)
{
    wake_at_due(bench);
    say_step(bench, "wake");
}

void case_work(struct agent_case *bench, uint32_t steps_max)
{
    enum agent_state before = agent_state(&bench->agent);

    for (uint32_t i = 0; i < steps_max && agent_state(&bench->agent) == before; i++)
        wake_at_due(bench);
    say_step(bench, "work");
}

void case_answer(struct agent_case *bench, enum native_answer_kind kind, uint64_t assignment,
                 uint32_t version, uint32_t not_before_s)
{
    static const char *const names[] = {"answer nothing", "answer install", "answer cancel",
                                        "answer rollback"};
    struct native_answer answer = {.kind = kind,
                                   .next_poll_s = 3600,
                                   .assignment = assignment,
                                   .target = SPAN_LITERAL("pump/fw"),
                                   .not_before_s = not_before_s};

    if (version != 0) {
        answer.sha256.known = true;
        memcpy(answer.sha256.at, bench->firmware[version - 1].facts.sha256, DIGEST_SIZE);
    }
    bench->asked = kind;
    step(bench, (struct agent_event){.kind = AGENT_EV_ANSWER, .answer = &answer});
    say_step(bench, names[kind]);
}

struct accept_evidence *case_evidence(struct agent_case *bench, const struct release_facts *facts)
{
    bool back = bench->asked == NATIVE_ROLLBACK;

    bench->evidence = (struct accept_evidence){
        .chain = ERR_OK,
        .facts = facts,
        .target = SPAN_LITERAL("pump/fw"),
        .root_version = 1,
        .signature = ACCEPT_SIGNED,
        .mandate = {.device = SPAN_LITERAL("pump-17"),
                    .sequence = ++bench->sequence,
                    .nonce_known = true,
                    .issued_s = 1795600954,
                    .id = bench->agent.record.work.assignment,
                    .action = back ? MANDATE_ROLLBACK : MANDATE_INSTALL,
                    .target = SPAN_LITERAL("pump/fw")},
        .key_id = {1, 2, 3, 4, 5, 6, 7, 8},
        .nonce_known = true,
        .now = {1795600960000},
    };
    memcpy(bench->evidence.mandate.sha256, facts->sha256, DIGEST_SIZE);
    return &bench->evidence;
}

void case_judge(struct agent_case *bench)
{
    step(bench, (struct agent_event){.kind = AGENT_EV_FACTS, .evidence = &bench->evidence});
    say_step(bench, "facts");
}

void case_facts(struct agent_case *bench, const struct release_facts *facts)
{
    (void)case_evidence(bench, facts);
    case_judge(bench);
}

void case_ready(struct agent_case *bench, enum err err)
{
    step(bench, (struct agent_event){.kind = AGENT_EV_READY, .ready = err});
    say_step(bench, err == ERR_OK ? "ready" : err == ERR_AGAIN ? "busy" : "no room");
}

static void bytes(struct agent_case *bench, enum agent_stream stream, uint64_t at,
                  struct span piece)
{
    step(bench, (struct agent_event){.kind = AGENT_EV_BYTES,
                                     .bytes = {.stream = stream, .at = at, .piece = piece}});
    say_step(bench, stream == AGENT_LIST ? "list" : "bytes");
}

void case_list(struct agent_case *bench, uint32_t version)
{
    struct case_firmware *firmware = &bench->firmware[version - 1];

    bytes(bench, AGENT_LIST, 0, (struct span){firmware->list, sizeof firmware->list});
}

void case_bytes(struct agent_case *bench, uint32_t version, uint64_t from, uint32_t size)
{
    bytes(bench, AGENT_IMAGE, from, (struct span){bench->firmware[version - 1].bytes + from, size});
}

void case_verdict(struct agent_case *bench, uint64_t id, enum native_verdict_kind kind,
                  uint32_t retry_s)
{
    static const char *const names[] = {"noted", "proceed", "hold", "drop"};

    step(bench, (struct agent_event){.kind = AGENT_EV_VERDICT,
                                     .verdict = {.report_id = id, .is = {kind, retry_s}}});
    say_step(bench, names[kind]);
}

void case_health(struct agent_case *bench, enum err err)
{
    step(bench, (struct agent_event){.kind = AGENT_EV_HEALTH, .health = err});
    say_step(bench, err == ERR_OK ? "healthy" : "sick");
}

void case_failed(struct agent_case *bench, enum agent_order_kind order, enum err err,
                 uint32_t retry_s)
{
    char text[64];

    step(bench, (struct agent_event){.kind = AGENT_EV_FAILED,
                                     .failed = {.order = order, .err = err, .retry_s = retry_s}});
    (void)snprintf(text, sizeof text, "failed(%s)", err_name(err));
    say_step(bench, text);
}

const struct agent_order *case_order(const struct agent_case *bench, enum agent_order_kind kind)
{
    for (uint32_t i = 0; i < bench->orders.count; i++) {
        if (bench->orders.list[i].kind == kind)
            return &bench->orders.list[i];
    }
    return NULL;
}

/* ---- the good path ---- */

/* One step on the good path, from whatever state we are in. */
static void step_on(struct agent_case *bench)
{
    switch (agent_state(&bench->agent)) {
    case AGENT_IDLE:
        case_answer(bench, NATIVE_INSTALL, 7, 2, 0);
        return;
    case AGENT_RESOLVING:
        case_facts(bench, &bench->firmware[1].facts);
        return;
    case AGENT_CHECKING:
        case_ready(bench, ERR_OK);
        return;
    case AGENT_LISTING:
        case_list(bench, 2);
        return;
    case AGENT_FETCHING:
        case_bytes(bench, 2, 0, CASE_IMAGE_SIZE);
        return;
    case AGENT_STAGED:
        case_wake(bench);
        case_ready(bench, ERR_OK);
        return;
    case AGENT_ASKING:
        case_verdict(bench, bench->agent.asked_id, NATIVE_PROCEED, 0);
        return;
    case AGENT_SWITCHING:
        case_wake(bench);
        case_reset(bench);
        case_boot(bench);
        return;
    case AGENT_TRIAL:
        case_wake(bench);
        case_health(bench, ERR_OK);
        case_answer(bench, NATIVE_NOTHING, 0, 0, 0);
        return;
    case AGENT_MEASURING:
    case AGENT_SCANNING:
    case AGENT_ERASING:
    case AGENT_VERIFYING:
    case AGENT_REVERTING:
    case AGENT_REPORTING:
    case AGENT_STATE_COUNT:
        case_work(bench, 20);
        return;
    }
}

bool case_try_go_to(struct agent_case *bench, enum agent_state state)
{
    for (int i = 0; i < 40 && agent_state(&bench->agent) != state; i++)
        step_on(bench);
    return agent_state(&bench->agent) == state;
}

void case_go_to(struct agent_case *bench, enum agent_state state)
{
    CHECK(case_try_go_to(bench, state));
}
