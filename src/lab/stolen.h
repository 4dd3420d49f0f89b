/* The stolen server: an attacker with all of the server's key material (assignment key, online
 * metadata keys, TLS identity) answers every question of a device as he likes, and chance decides
 * what he likes. What the device runs is the shipped core behind the shipped checks: the door for
 * manifests and trust stores, the accept rule, the state machine, the keeper of time.
 *
 * The signers' offline keys are not his. After every boot, before every flip and after every
 * accepted assignment an oracle looks whether he got further than that allows. */
#pragma once

#include "agent/agent.h"

struct stolen_plan {
    uint64_t seed;
    uint64_t steps; /* answers of the attacker */
    uint64_t life;  /* steps of one device; the next one has other releases */
};

struct stolen_figures {
    uint64_t steps, devices;
    uint64_t offers;                      /* answers with something to do */
    uint64_t honest;                      /* of them, such as an honest server may give */
    uint64_t refused[AGENT_REASON_COUNT]; /* final reports that refuse */
    uint64_t ended[PHASE_COUNT];          /* final reports by phase */
    uint64_t accepted, armed, confirmed;  /* assignments, trials, images */
    uint64_t went_back;                   /* confirmed images older than the one before */
    uint64_t boots, records_lost;

    /* What must not happen. */
    uint64_t unsigned_run;  /* booted or about to: bytes that nobody has signed */
    uint64_t foreign_run;   /* ... for another product or other hardware */
    uint64_t below_floor;   /* ... below the floor */
    uint64_t blocked_run;   /* about to be booted although blocked */
    uint64_t floor_fell;    /* the floor of the record went down */
    uint64_t wrongly_taken; /* an assignment was accepted that is not good */
    uint64_t worst_step;    /* of the first such thing */
};

void stolen_run(const struct stolen_plan *plan, struct stolen_figures *out);

/* How many things happened that must not. */
uint64_t stolen_harm(const struct stolen_figures *figures);
