/* The trust store of a device across power loss: two slots, written in turn.
 *
 *     slot   | "SLT1" | size | signed trust store, `size` bytes | CRC-32 | unused |
 *              4        4 LE                                      4 LE
 *
 * The version in the store itself says which slot is newer, so a slot has no number of its own.
 * A torn write leaves the other slot, and that is the version before. The slots are read and
 * written by the port as those of format/record.h, in another place and TRUST_SLOT_SIZE each. */
#pragma once

#include "format/record.h"
#include "format/trust_store.h"

#define TRUST_SLOT_SIZE (TRUST_STORE_SIZE_MAX + 12u) /* bytes: 3.5 KiB fit a page of 4 */

struct trust_loaded {
    struct trust_store store; /* borrows from `bytes` */
    struct span message;      /* the signed bytes, within `bytes` */
    uint32_t slot;            /* where it was */
    uint8_t bytes[TRUST_SLOT_SIZE];
};

/* The store with the highest version that is whole and signed by its own root. ERR_NOT_FOUND:
 * neither slot holds one; ERR_STORAGE: a slot cannot be read and the other does not help. `out`
 * is all zero on failure. */
enum err trust_slots_load(const struct record_slots *slots, const struct trust_check *check,
                          struct trust_loaded *out) MUST_USE;

/* Write `message`, a signed store that was verified, into the slot that is not `keep` (where the
 * store in hand lies). `room` has TRUST_SLOT_SIZE bytes and does
 * not hold the message. Durable on ERR_OK. */
enum err trust_slots_save(const struct record_slots *slots, struct span message, uint32_t keep,
                          void *room) MUST_USE;
