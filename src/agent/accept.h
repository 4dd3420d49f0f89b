/* The accept rule: whether a device may install, or go back to, what somebody wants it to.
 *
 * Three parties must agree, and each is asked for what only it can know: the release authority
 * (offline keys) says what an image is and for what it is fit; the server (its assignment key)
 * selects, for one device, once; the device knows what it is, what it runs and what it has seen.
 *
 *     evidence  what signatures vouch for   ---.
 *     offer     what an answer asks, unsigned --+--> accept_judge() --> a reason, or NONE
 *     device    what the device remembers   ---'
 *
 * The rule is a conjunction, written as one table in a fixed order (accept.c). The first
 * condition that does not hold is the answer; each has a reason of its own. Agent, edge and
 * microcontroller use this code and no other. It is pure: signatures are checked before, by
 * accept_read_mandate() for the assignment, by trust/ or format/manifest.h for the facts. */
#pragma once

#include "agent/reason.h"
#include "base/time.h"
#include "crypto/verify.h"
#include "format/mandate.h"
#include "format/native.h"
#include "format/record.h"
#include "format/release.h"

/* How the signature on an assignment stands. */
enum accept_signature {
    ACCEPT_UNSIGNED, /* none there, or not in the form of one */
    ACCEPT_NO_KEY,   /* by a key that the release authority does not name */
    ACCEPT_FORGED,   /* not good */
    ACCEPT_SIGNED
};

/* What was found out, by signatures alone. Pointers are borrowed. */
struct accept_evidence {
    enum err chain; /* ERR_OK: every signature from the root to the facts is good */
    const struct release_facts *facts;
    struct span target;    /* the name under which the facts were found */
    uint32_t root_version; /* of the release authority */
    uint64_t stale_s;      /* since the first of the metadata expired; 0 = none has */

    enum accept_signature signature;
    struct mandate mandate; /* counts when it is ACCEPT_SIGNED */
    uint8_t key_id[VERIFY_KID_SIZE];

    bool nonce_known; /* our poll had one */
    uint8_t nonce[MANDATE_NONCE_SIZE];

    uint32_t security_floor; /* by signed policy, beside the device's own; 0 = none */
    uint32_t allow_stale_s;  /* by signed policy; 0 = not at all */
    const uint8_t *blocked;  /* by signed policy: digests of plain images, one after the other */
    uint32_t blocked_count;
    struct utc now; /* the time to judge by, see device/timekeeper.h */
};

/* What is asked for. Nobody has signed it: it only has to agree with what is signed. */
struct accept_offer {
    uint64_t assignment;
    struct span target;
    struct native_digest sha256; /* may be unknown */
    bool download_barred;        /* only the image in the other bank will do */
};

struct accept_device {
    const char *name, *product, *hardware;
    const struct record_image *running;
    const struct record_mandate *last; /* the mandate that was accepted last */
    uint32_t security_floor;
};

struct accept_question {
    const struct accept_evidence *evidence;
    struct accept_offer offer;
    struct accept_device device;
    enum agent_reason hindrance; /* of the moment: SIZE, SPACE, BUSY, POWER; NONE */
};

/* AGENT_REASON_NONE: accepted. Otherwise the first condition that does not hold. */
enum agent_reason accept_judge(const struct accept_question *question) MUST_USE;

/* The error that goes with a reason of the rule; ERR_OK for NONE. */
enum err accept_err(enum agent_reason reason);

/* The keys that may sign assignments and how to check with them. */
struct accept_keys {
    const struct verify_key *keys;
    uint32_t count;
    const struct verify *verify;
    void *room; /* MANDATE_SIZE_MAX bytes or more, for the time of the call */
    size_t room_size;
};

/* Read and check a signed assignment: fills in signature, mandate and key_id. Spans of the mandate
 * borrow from `message`. */
void accept_read_mandate(struct span message, const struct accept_keys *keys,
                         struct accept_evidence *out);

/* ---- the table, for tests and documentation ---- */

uint32_t accept_rule_count(void);
enum agent_reason accept_rule_reason(uint32_t index); /* the last one stands for every hindrance */
bool accept_rule_holds(uint32_t index, const struct accept_question *question);
