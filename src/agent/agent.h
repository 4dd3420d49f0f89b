/* The device side of an update, as a state machine.
 *
 * The core owns no memory, no clock and no socket. Its host (a Linux daemon, a Cortex-M main
 * loop or the lab) feeds it events through agent_step() and carries out the orders that come
 * back. Storage is the one thing it touches itself: two banks, the boot loader and its own
 * record, each through a small struct of functions. Signatures are checked by the host; what
 * follows from them is decided here, by the accept rule (agent/accept.h), and every byte is checked
 * against what was signed.
 *
 *     IDLE --offer--> RESOLVING --facts--> CHECKING --room--> LISTING --list--> SCANNING
 *                         |                                                        |
 *                         | the other bank holds it                             ERASING
 *                         v                                                        |
 *     ASKING <--ready-- STAGED <--whole-- VERIFYING <----------all chunks---- FETCHING
 *       |  ^--- hold ----' ^
 *       | proceed                                     +--healthy, measured, server reached--+
 *       v                                             |                                     v
 *     SWITCHING --reset--> (boot loader) ---------> TRIAL --anything wrong--> REVERTING  REPORTING
 *                                                                                |          |
 *                                                     (reset, old bank) ---------+--------->+
 *     IDLE <--acknowledged-------------------------------------------------- REPORTING <----'
 *
 * Every way out before the flip (refused, failed, recalled) goes to REPORTING as well. What
 * power loss makes of each state stands in the same table as everything else (agent/table.c,
 * columns BOOTED, BOOTED_TRIAL, BOOTED_REVERTED). */
#pragma once

#include "agent/accept.h"
#include "agent/bank.h"
#include "agent/boot.h"
#include "agent/keep.h"
#include "agent/sealer.h"
#include "base/prng.h"
#include "base/span.h"
#include "base/time.h"
#include "crypto/sha256.h"
#include "format/chunks.h"
#include "format/native.h"
#include "format/record.h"
#include "format/release.h"

#define AGENT_ORDERS_MAX 6u /* orders one step can give */
#define AGENT_PATIENCE_MAX_S \
    (7u * 24 * 3600) /* seconds a server can ask a device to wait at most */
#define AGENT_BANKS 2u

/* Kept in the record and shown by the server: only ever append. */
enum agent_state {
    AGENT_IDLE,      /* nothing in hand */
    AGENT_RESOLVING, /* the host looks the target up in the signed metadata */
    AGENT_CHECKING,  /* the host is asked for leave and room to erase */
    AGENT_LISTING,   /* the chunk list is fetched and checked */
    AGENT_SCANNING,  /* chunks that are already in the bank are found */
    AGENT_ERASING,   /* the rest of the bank is erased */
    AGENT_FETCHING,  /* chunks are fetched, checked, written */
    AGENT_VERIFYING, /* the whole bank is read back */
    AGENT_STAGED,    /* waits for the maintenance window and an idle device */
    AGENT_ASKING,    /* asks the server for leave to flip */
    AGENT_SWITCHING, /* has leave; arms the trial and resets */
    AGENT_TRIAL,     /* runs the new image on probation */
    AGENT_REVERTING, /* gave the trial up; resets */
    AGENT_REPORTING, /* repeats the final report until the server has it */
    AGENT_MEASURING, /* finds out what the running bank holds */
    AGENT_STATE_COUNT
};

enum agent_stream {
    AGENT_LIST,  /* the chunk list */
    AGENT_IMAGE, /* the image itself */
};

enum agent_check {
    AGENT_CHECK_ERASE, /* may the other bank be erased, and is there room for `length` bytes? */
    AGENT_CHECK_FLIP,  /* may the device reset now? */
};

/* Orders; the host carries them out in the order given. Those marked (*) it answers with
 * exactly one event, sooner or later, AGENT_EV_FAILED if nothing else; the timeouts are its own.
 * They may be open side by side, and a poll is always allowed to be; a new order of the same
 * kind takes the place of an open one, whose answer is then no longer awaited. */
enum agent_order_kind {
    AGENT_DO_WAKE,    /* send AGENT_EV_WAKE at `due`; replaces the former one; last in the list */
    AGENT_DO_POLL,    /* (*) ask the server, see agent_poll(); AGENT_EV_ANSWER */
    AGENT_DO_RESOLVE, /* (*) find `resolve` in verified metadata; AGENT_EV_FACTS */
    AGENT_DO_CHECK,   /* (*) `check`; AGENT_EV_READY */
    AGENT_DO_FETCH,   /* (*) bytes of `fetch`; AGENT_EV_BYTES until told otherwise */
    AGENT_DO_STOP,    /* stop fetching */
    AGENT_DO_REPORT,  /* (*) send `report`, see agent_report(); AGENT_EV_VERDICT */
    AGENT_DO_HEALTH,  /* (*) run the health check; AGENT_EV_HEALTH */
    AGENT_DO_RESET,   /* restart the device; DO_WAKE follows, for when no reset comes */
};

struct agent_report {
    uint64_t id;
    uint64_t assignment;
    enum native_phase phase;
    enum err err;
    enum agent_reason reason;
    uint32_t percent;
};

struct agent_order {
    enum agent_order_kind kind;
    union {
        struct instant due;
        struct {
            uint64_t assignment;
            const char *target; /* borrowed from the agent until the next step */
        } resolve;
        struct {
            enum agent_check what;
            uint64_t length; /* bytes */
        } check;
        struct {
            enum agent_stream stream;
            const uint8_t *sha256; /* DIGEST_SIZE bytes: name of the blob; borrowed likewise */
            uint64_t from, length; /* bytes; of [from, length) */
        } fetch;
        struct agent_report report;
    };
};

struct agent_orders {
    struct agent_order list[AGENT_ORDERS_MAX];
    uint32_t count;
};

enum agent_event_kind {
    AGENT_EV_WAKE,    /* the time asked for has come; early or repeated ones do no harm */
    AGENT_EV_ANSWER,  /* to a poll: `answer` */
    AGENT_EV_FACTS,   /* verified facts of the target and who wants it: `evidence` */
    AGENT_EV_READY,   /* to a check: `ready`: ERR_OK, ERR_AGAIN busy, ERR_TOO_BIG no room; with
                         `hindrance`, if it is not the usual one: AGENT_REASON_POWER */
    AGENT_EV_BYTES,   /* the next piece of the transfer: `bytes` */
    AGENT_EV_VERDICT, /* to a report: `verdict` */
    AGENT_EV_HEALTH,  /* the health check ended: `health` */
    AGENT_EV_FAILED,  /* an order could not be carried out: `failed` */
    AGENT_EV_COUNT
};

/* Pointers and spans are borrowed for the length of the step. */
struct agent_event {
    enum agent_event_kind kind;
    struct instant now;
    union {
        const struct native_answer *answer;
        const struct accept_evidence *evidence;
        struct {
            enum err ready;
            enum agent_reason hindrance;
        };
        struct {
            enum agent_stream stream;
            uint64_t at; /* offset; pieces that are not the next ones are ignored */
            struct span piece;
        } bytes;
        struct {
            uint64_t report_id;
            struct native_verdict is;
        } verdict;
        enum err health;
        struct {
            enum agent_order_kind order;
            enum err err;     /* ERR_LINK and ERR_AGAIN are tried again, others end the work */
            uint32_t retry_s; /* not before, as the server said; 0 = it did not */
        } failed;
    };
};

/* Where the agent may keep what does not survive power loss. */
struct agent_room {
    uint8_t *list; /* the chunk list: 32 bytes a chunk */
    uint32_t list_size;
    uint8_t *chunk; /* one chunk, with its tag when it is sealed, and the window for reading back:
                       at least CHUNK_SIZE_MIN */
    uint32_t chunk_size;
};

struct agent_config {
    const char *name; /* of the device, as assignments address it */
    const char *product;
    const char *hardware;
    struct record_image factory; /* what the running bank holds if the record does not know;
                                    believed only after measuring. `known` false = no idea */
    uint32_t security_floor;     /* what is certain without the record: the factory's, or proved by
                                    the signed facts of the image that is running */
    uint32_t slice_size;         /* bytes read back or erased in one step; at least erase_size */
    uint32_t attempts_max;       /* bad chunks or chunk lists in a row before giving up */
    uint32_t trial_s;            /* for health and the way to the server */
    uint32_t trial_starts_max;   /* of the agent in one trial, over all its boots: an image whose
                                    agent keeps dying is given up */
    uint32_t poll_s;             /* between polls if the server does not say */
    uint32_t retry_s_min;        /* back-off: first bound */
    uint32_t retry_s_max;        /* back-off: largest bound */
    uint64_t seed;               /* for jitter; differs from device to device and boot to boot */
};

/* Everything around the core. All borrowed, all outlive the agent. */
struct agent_world {
    const struct bank *banks[AGENT_BANKS];
    const struct boot *boot;
    const struct record_slots *slots;
    const struct keep *keep;     /* NULL: none */
    const struct sealer *sealer; /* NULL: it takes no sealed images */
    struct agent_room room;
    const struct agent_config *config;
};

/* Caller's memory; fields are the agent's business. */
struct agent {
    struct agent_world world;
    struct record record; /* record.state is the state */
    uint32_t sequence;    /* of the record saved last */
    bool dirty;           /* the record has changed since */
    bool unsaved;         /* ... and could not be saved: nothing goes on before it is */
    bool starting;        /* inside agent_start() */
    bool refusing;        /* runs an image on trial that nobody here has asked for */
    bool sealer_begun;    /* the sealer has the image in hand */

    struct boot_view boot;
    struct prng prng;
    char target[TARGET_NAME_SIZE_MAX + 1];
    struct native_digest expected; /* what the server says the target is; the facts decide */

    struct instant poll_due, work_due; /* the next poll; what the state waits for */
    struct instant window_due;         /* not to flip before */
    struct instant ask_due;            /* not to ask for leave before */
    struct instant trial_due;          /* the end of the trial */
    bool window_known;

    uint32_t floor_kept;   /* the floor in the keep */
    uint64_t report_next;  /* id of the next report; below record.report_next */
    uint64_t asked_id;     /* report whose verdict the state waits for; 0 = none */
    uint64_t told_id;      /* last report about progress; 0 = none */
    uint64_t kept;         /* bytes of the image that are in the bank and checked */
    uint64_t at;           /* bytes done of what the state does */
    uint32_t chunk_filled; /* bytes of the unfinished chunk in room.chunk */
    uint32_t percent_told;
    uint32_t flips;                  /* resets ordered with this leave */
    struct sha256 sha;               /* of what is read back, or of the chunk list */
    bool measured, healthy, reached; /* what a trial needs to be confirmed */
    bool asked;                      /* for leave to flip, at least once */
    bool held;                       /* ... and the server said: not yet */
};

/* Take up duty after power-on: load the record, look at the boot loader, go on from there.
 * The first orders come back. ERR_STORAGE if the boot loader or the record cannot be read: the
 * agent must not run then. A record that can be read but not written only delays everything.
 * ERR_INVALID if the geometry of banks, rooms or times makes no sense. */
enum err agent_start(struct agent *agent, const struct agent_world *world, struct instant now,
                     struct agent_orders *out) MUST_USE;

/* Handle one event. An event that the present state does not expect is refused with
 * ERR_INVALID and changes nothing. ERR_STORAGE: the record cannot be saved; the orders then
 * hold the time of the next attempt, and the event is lost. */
enum err agent_step(struct agent *agent, const struct agent_event *event,
                    struct agent_orders *out) MUST_USE;

/* Fill in what the agent knows of a poll; the inventory digest is the host's. Borrows. */
void agent_poll(const struct agent *agent, struct native_poll *out);

/* The message for AGENT_DO_REPORT; a host may put its own words into `detail`. Borrows. */
void agent_report(const struct agent *agent, const struct agent_report *report,
                  struct native_report *out);

enum agent_state agent_state(const struct agent *agent);

/* "fetching", as in logs; never NULL. */
const char *agent_state_name(enum agent_state state);
