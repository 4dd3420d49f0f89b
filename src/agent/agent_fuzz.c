/* Any sequence of events, sensible or not, with resets in between: no check fails, the running
 * bank is never touched, no image is flipped to that was not verified, and an idle device owes no
 * report. Each input byte is one event, the next one its argument. */
#include "agent/agent_case_host.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 400u /* events of one input */

static void send_bytes(struct agent_case *bench, uint8_t argument)
{
    uint32_t version = 1 + argument % 2;
    uint64_t at = bench->agent.kept + bench->agent.chunk_filled;
    uint32_t size = 1u << argument % 12;

    if (argument % 7 == 0)
        at = argument * 16u;
    if (at >= CASE_IMAGE_SIZE)
        at = 0;
    if (size > CASE_IMAGE_SIZE - at)
        size = (uint32_t)(CASE_IMAGE_SIZE - at);
    case_bytes(bench, version, at, size);
}

static void spoil_evidence(struct accept_evidence *evidence, uint8_t argument)
{
    if (argument % 8 == 1)
        evidence->signature = ACCEPT_FORGED;
    if (argument % 8 == 2)
        evidence->mandate.sequence = argument;
    if (argument % 8 == 3)
        evidence->mandate.action = (enum mandate_action)(argument / 8 % MANDATE_ACTION_COUNT);
    if (argument % 8 == 4)
        evidence->mandate.sha256[0] ^= 1;
    if (argument % 8 == 5)
        evidence->mandate.sequence = UINT64_MAX;
}

static void send_facts(struct agent_case *bench, uint8_t argument)
{
    struct release_facts facts = bench->firmware[argument % 2].facts;

    if (argument % 5 == 1)
        facts.length += argument;
    if (argument % 5 == 2)
        facts.chunk_size = argument * 16u;
    if (argument % 5 == 3)
        facts.security_version = 0;
    spoil_evidence(case_evidence(bench, &facts), argument / 5);
    case_judge(bench);
}

static void send_verdict(struct agent_case *bench, uint8_t argument)
{
    uint64_t ids[] = {bench->agent.asked_id, bench->agent.told_id, argument, 0};

    case_verdict(bench, ids[argument / 4 % 4], (enum native_verdict_kind)(argument % 4), argument);
}

static void reset(struct agent_case *bench, uint8_t argument)
{
    if (argument % 3 == 0)
        case_reset(bench);
    if (argument % 5 == 0)
        bench->slot_written[argument % 2] = false; /* a slot is lost */
    case_boot(bench);
}

static void send(struct agent_case *bench, uint8_t what, uint8_t argument)
{
    static const enum err errs[] = {ERR_LINK, ERR_AGAIN, ERR_NOT_FOUND, ERR_DENIED, ERR_STORAGE};

    switch (what % 16) {
    case 0:
        case_answer(bench, (enum native_answer_kind)(argument % 4), argument / 16, argument / 4 % 3,
                    argument % 32);
        return;
    case 1:
        send_facts(bench, argument);
        return;
    case 2:
        case_ready(bench, argument % 3 ? ERR_OK : errs[argument % 5]);
        return;
    case 3:
        case_list(bench, 1 + argument % 2);
        return;
    case 4:
    case 5:
        send_bytes(bench, argument);
        return;
    case 6:
        send_verdict(bench, argument);
        return;
    case 7:
        case_health(bench, argument % 2 ? ERR_OK : ERR_CORRUPT);
        return;
    case 8:
        case_failed(bench, (enum agent_order_kind)(argument % 9), errs[argument % 5], argument);
        return;
    case 9:
        reset(bench, argument);
        return;
    case 10:
        bench->slots_broken = argument % 8 == 0;
        return;
    case 11:
        (void)case_try_go_to(bench, (enum agent_state)(argument % AGENT_SWITCHING)); /* or not */
        return;
    default:
        case_work(bench, 1 + argument % 8);
    }
}

static void check_device(const struct agent_case *bench, const struct agent *agent)
{
    if (bench->armed != 0xFF) {
        const uint8_t *cells = bench->banks[bench->armed].cells;

        CHECK(memcmp(cells, bench->firmware[0].bytes, CASE_IMAGE_SIZE) == 0 ||
              memcmp(cells, bench->firmware[1].bytes, CASE_IMAGE_SIZE) == 0);
    }
    if (agent_state(agent) == AGENT_IDLE)
        CHECK(agent->record.report.id == 0);
    CHECK(agent->record.security_floor <= agent->record.floor_wanted);
    CHECK(bench->floor_kept <= agent->record.security_floor);
    if (agent_state(agent) == AGENT_REPORTING)
        CHECK(agent->record.report.id != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct agent_case bench;

    case_begin(&bench);
    case_boot(&bench);
    for (size_t i = 0; i + 1 < size && i / 2 < STEPS_MAX; i += 2) {
        const struct case_bank *bank = &bench.banks[bench.view.running];
        uint32_t erases = bank->erases, writes = bank->writes;

        if (data[i] % 16 == 11 && (bench.slots_broken || bench.view.running != 0))
            continue; /* the good path leads from version 1 only */
        send(&bench, data[i], data[i + 1]);
        if (data[i] % 16 != 9 && data[i] % 16 != 11)
            CHECK(bank->erases == erases && bank->writes == writes);
        check_device(&bench, &bench.agent);
        case_forget_trace(&bench);
    }
    return 0;
}
