/* A device in memory for the tests of the agent core: two banks, a boot loader, two record slots,
 * and a trace of every step as text. A test plays host and server by hand; what comes out of each
 * step is one line "EVENT -> STATE: ORDERS". */
#pragma once

#include "agent/agent.h"

#define CASE_IMAGE_SIZE 2500u
#define CASE_CHUNK_SIZE 1024u
#define CASE_CHUNKS     3u
#define CASE_BANK_SIZE  4096u
#define CASE_TRACE_MAX  8192u

struct case_firmware {
    uint8_t bytes[CASE_IMAGE_SIZE];
    uint8_t list[CASE_CHUNKS * DIGEST_SIZE];
    struct release_facts facts;
};

struct case_bank {
    uint8_t cells[CASE_BANK_SIZE];
    uint32_t erases, writes;
    bool broken; /* every write fails */
};

struct agent_case {
    struct case_bank banks[2];
    uint8_t slots[RECORD_SLOTS][RECORD_SLOT_SIZE];
    bool slot_written[RECORD_SLOTS], slots_broken;
    uint32_t saves;
    struct boot_view view;
    uint8_t armed;    /* 0xFF = no bank */
    bool boot_broken; /* arming a trial fails, after it has had its effect */
    uint32_t confirms;
    struct case_firmware firmware[2]; /* version 1, version 2 */

    struct agent agent;
    struct bank bank_ports[2];
    struct boot boot_port;
    struct record_slots slot_port;
    struct agent_config config;
    struct agent_world world;
    uint8_t list_room[CASE_CHUNKS * DIGEST_SIZE], chunk_room[CASE_CHUNK_SIZE + AEAD_TAG_SIZE];

    enum native_answer_kind asked;   /* by the last answer */
    uint64_t sequence;               /* of the last mandate; grows with every one */
    struct accept_evidence evidence; /* of the last case_evidence() */
    uint32_t floor_kept;
    bool keep_broken;
    struct keep keep_port;

    struct instant now;
    struct agent_orders orders; /* of the last step */
    enum err err;               /* ... and what it returned */
    char trace[CASE_TRACE_MAX];
};

/* Version 1 in bank 0, known from the factory, nothing else. */
void case_begin(struct agent_case *bench);

/* Power on. */
void case_boot(struct agent_case *bench);

/* What a boot loader does at a reset: start an armed trial, or end one that runs. */
void case_reset(struct agent_case *bench);

/* One event each; the line of the trace begins with its words. */
void case_wake(struct agent_case *bench); /* at the time the agent asked for */
void case_answer(struct agent_case *bench, enum native_answer_kind kind, uint64_t assignment,
                 uint32_t version, uint32_t not_before_s);
void case_facts(struct agent_case *bench, const struct release_facts *facts);

/* What case_facts() makes: everything good, and signed for the assignment in hand. To be spoiled
 * and handed over with case_judge(). Borrows the facts. */
struct accept_evidence *case_evidence(struct agent_case *bench, const struct release_facts *facts);
void case_judge(struct agent_case *bench);
void case_ready(struct agent_case *bench, enum err err);
void case_list(struct agent_case *bench, uint32_t version);
void case_bytes(struct agent_case *bench, uint32_t version, uint64_t from, uint32_t size);
void case_verdict(struct agent_case *bench, uint64_t id, enum native_verdict_kind kind,
                  uint32_t retry_s);
void case_health(struct agent_case *bench, enum err err);
void case_failed(struct agent_case *bench, enum agent_order_kind order, enum err err,
                 uint32_t retry_s);

/* Wake until the state changes, at most `steps_max` times, without a line for each. */
void case_work(struct agent_case *bench, uint32_t steps_max);

/* The order of this kind in the last step, NULL if there was none. */
const struct agent_order *case_order(const struct agent_case *bench, enum agent_order_kind kind);

/* The whole way to a state on the good path of installing version 2 as assignment 7; false if the
 * device went another way. */
bool case_try_go_to(struct agent_case *bench, enum agent_state state);

/* The same where nothing can go wrong. */
void case_go_to(struct agent_case *bench, enum agent_state state);

/* Forget the trace so far. */
void case_forget_trace(struct agent_case *bench);
