/* The journal of a rollout's risk engine: one entry per event, with the answer that was given and
 * every number it was taken by. Computing it again from the first entry must give the same answers
 * bit for bit; that is what `slipway rollout replay` does.
 *
 * An entry is a CBOR array of unsigned and negative integers in the order of struct risk_entry;
 * the answer's numbers follow only where the answer has some:
 *
 *     [1, event kind, at_s, device, silent | roll_call << 1, count, stratum, site, cohort,
 *      answer, cohort, channel, new holds,
 *      finding, exposed, bad, rung, revealed, price,     GRANT, WAIT
 *      events, background, log, goal]                    HELD, HALTED, HOLD, HALT
 *
 * The first number is the version. What a device is (cohorts, kind, deadlines) is not repeated:
 * the caller keeps it by number for the life of the rollout. */
#pragma once

#include "codec/cbor.h"
#include "fleet/risk.h"

#define RISK_ENTRY_SIZE_MAX 160u /* bytes of one entry, with room to spare */
#define RISK_NO_DEVICE      UINT32_MAX

struct risk_entry {
    struct risk_event event; /* `device` is NULL here; see `device` */
    uint32_t device;         /* the caller's number; RISK_NO_DEVICE = none */
    struct risk_decision decision;
};

void risk_entry_write(const struct risk_entry *entry, struct buf *out);

/* ERR_CORRUPT for anything but one well-formed entry. */
enum err risk_entry_read(struct span bytes, struct risk_entry *out) MUST_USE;

/* Take the entry's event again. `device` is the one it names, or NULL. ERR_CONFLICT when the answer
 * differs in any number; `why` says in which. */
enum err risk_replay(struct risk *risk, const struct risk_entry *entry, struct risk_device *device,
                     struct why *why) MUST_USE;
