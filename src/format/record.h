/* What a device remembers of its update across power loss.
 *
 * Two slots are written in turn. A slot is whole or it is nothing: a torn write is found by the
 * CRC, and the other slot still holds the state before it. Bytes: docs/spec/record.md.
 *
 *     slot   | "SLR1" | sequence | size | record: CBOR map, `size` bytes | CRC-32 | unused |
 *              4        4 LE       4 LE                                    4 LE
 *
 * The record is a map with unknown keys ignored, because after a fall back an older agent reads
 * what a newer one wrote. The two meet on one device, so keys and numbers are only ever added. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

#define RECORD_SLOTS     2u
#define RECORD_SLOT_SIZE 768u /* bytes; the largest record takes 644 */
#define RECORD_FORM      2u   /* of what is written; absent in the first one */

#define RECORD_KEY_ID_SIZE 8u /* bytes of a key id, as crypto/verify.h */

#define RECORD_WRAP_SIZE_MAX 114u /* bytes of a wrapped content key, as crypto/wrap.h */

struct record_slot_ops {
    /* Read the whole slot, RECORD_SLOT_SIZE bytes, whatever is there. A slot that was never
     * written may be ERR_NOT_FOUND. */
    enum err (*read)(void *self, uint32_t slot, void *to, uint32_t size);

    /* Replace the slot; durable on ERR_OK. Power may fail inside: the slot then holds anything,
     * the other slot is untouched. `size` is at most RECORD_SLOT_SIZE. */
    enum err (*write)(void *self, uint32_t slot, const void *from, uint32_t size);
};

struct record_slots {
    const struct record_slot_ops *ops;
    void *self;
};

/* A whole image that was verified, or (`known` false) nothing that is known. */
struct record_image {
    bool known;
    uint8_t sha256[DIGEST_SIZE];
    uint64_t length; /* bytes */
    uint32_t security_version;
    uint32_t release_counter; /* as its signer counts; 0 = not stated */
    char version[VERSION_SIZE_MAX + 1];
};

/* The mandate (format/mandate.h) that was accepted last. */
struct record_mandate {
    uint64_t sequence; /* 0 = none yet */
    uint8_t key_id[RECORD_KEY_ID_SIZE];
    uint64_t assignment;
    bool open; /* the assignment is in hand: its mandate may come once more */
};

/* How a sealed image is fetched and opened (docs/spec/sealed.md). The content key is here as it
 * came, for the device's sealing key alone. */
struct record_sealed {
    bool used;
    uint32_t alg;                /* enum aead_kind */
    uint8_t sha256[DIGEST_SIZE]; /* of the sealed image */
    uint32_t wrap_size;
    uint8_t wrap[RECORD_WRAP_SIZE_MAX];
};

/* The work in hand; all of it from verified release facts but the assignment. */
struct record_work {
    uint64_t assignment; /* 0 = none */
    bool download_barred;
    struct record_image image;
    uint32_t chunk_size; /* bytes */
    uint8_t chunks_sha256[DIGEST_SIZE];
    uint32_t security_floor;
    struct record_sealed sealed;
};

/* The final report the server has not acknowledged yet. */
struct record_report {
    uint64_t id;
    uint32_t phase;  /* enum native_phase */
    uint32_t err;    /* enum err */
    uint32_t reason; /* enum agent_reason */
};

struct record {
    uint32_t state; /* enum agent_state */
    uint32_t boot_count;
    uint32_t security_floor; /* nothing below it is installed */
    uint32_t floor_wanted;   /* by confirmed images; the floor follows when the other bank may */
    uint32_t epoch;          /* of report ids, drawn when the record was made; 0 = form 1 */
    uint64_t report_next;    /* no report id from here on has ever been used */
    uint32_t poll_failures;  /* polls that failed in a row; drives their back-off */
    uint32_t work_failures;  /* tries of the work in hand, likewise */
    uint32_t attempts;       /* bad chunks or lists in a row; starts in a trial */
    struct record_image banks[2]; /* what is in them */
    struct record_work work;
    struct record_report report;
    struct record_mandate last;
};

/* The newest whole record. ERR_NOT_FOUND when neither slot holds one, then with `out` untouched;
 * ERR_STORAGE when a slot cannot be read and the other does not help. */
enum err record_load(const struct record_slots *slots, struct record *out,
                     uint32_t *sequence_out) MUST_USE;

/* Write `record` over the older slot. `sequence` is the one loaded or saved last (0 before the
 * first) and goes up by one on success only. */
enum err record_save(const struct record_slots *slots, const struct record *record,
                     uint32_t *sequence) MUST_USE;

/* One slot as bytes. */
enum err record_encode(const struct record *record, uint32_t sequence, struct buf *out) MUST_USE;
enum err record_decode(struct span slot, struct record *out, uint32_t *sequence_out) MUST_USE;
