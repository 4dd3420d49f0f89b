/* The agent's Linux host: carries out what the core orders (agent/agent.h) and tells it what came
 * of it, one thing at a time, in one thread.
 *
 *     orders of a step --> queue --> carried out in order --> the event that answers --> a step
 *          DO_WAKE     --> when it is due, before any download goes on
 *          DO_FETCH    --> one range request after the other while nothing else is to do
 *
 * It decides nothing about updates. What it remembers is what the queue holds; everything that
 * must survive is in the core's record, so the process may be killed at any moment. */
#pragma once

#include "agent/agent.h"
#include "device/bank_file.h"
#include "device/boot_file.h"
#include "device/boot_uboot.h"
#include "device/config.h"
#include "device/identity.h"
#include "device/link_http.h"
#include "device/lock.h"
#include "device/ring.h"
#include "device/sealing_key.h"
#include "device/timekeeper.h"
#include "trust/client.h"
#include "trust/policy.h"

#define HOST_QUEUE_MAX   8u /* orders waiting: at most one of each kind that waits */
#define HOST_DETAIL_SIZE (DETAIL_SIZE_MAX + 1u)

/* The transfer that is open, if any. */
struct host_fetch {
    bool open;
    enum agent_stream stream;
    uint8_t sha256[DIGEST_SIZE];
    uint64_t at, length; /* bytes: the next one wanted, and the end */
};

/* The signed assignment that came last, and the nonce of the poll it answers. */
struct host_mandate {
    uint8_t bytes[MANDATE_SIZE_MAX];
    size_t size; /* 0: none */
    uint8_t nonce[NATIVE_NONCE_SIZE];
};

/* Something to do for the server besides updates, from the flags of an answer. */
struct host_chores {
    bool inventory, log, renewal;
    uint64_t log_assignment;
};

struct host {
    const struct config *config;
    struct ring ring;
    int signals;   /* os/signals.h */
    bool stopping; /* a signal asked us to end */
    bool reset;    /* the core ordered a reset and this process shall end for it */
    bool polled;   /* a poll was answered in this run */
    bool poll_failed;
    struct lock alone;  /* one agent per state directory */
    struct lock update; /* "busy, not now" */

    struct record_file record;
    struct record_slots slots;
    struct bank_file bank_files[AGENT_BANKS];
    struct bank banks[AGENT_BANKS];
    struct boot_file boot_file;
    struct boot_uboot boot_uboot;
    struct boot boot;
    struct keep keep;

    struct identity identity;
    struct sealing_key sealing;
    struct http_client *client; /* NULL: to be opened, with the certificate we have by then */
    struct link link;
    struct tuf_client *tuf;
    struct policy policy; /* what signers state, as of the last resolving */
    struct host_mandate mandate;
    struct timekeeper keeper;
    struct utc time_stored; /* the time floor on disk */
    struct instant started;

    struct agent_config core_config;
    struct agent_world world;
    struct agent agent;

    struct agent_order queue[HOST_QUEUE_MAX];
    uint32_t queued;
    char target[TARGET_NAME_SIZE_MAX + 1]; /* of a queued DO_RESOLVE */
    struct instant wake_due;
    struct host_fetch fetch;
    struct host_chores chores;
    struct agent_report told;      /* the report being sent */
    char detail[HOST_DETAIL_SIZE]; /* what went wrong last, for the final report */
};

/* Open everything and start the core. On failure everything is closed again and `why` says what
 * is wrong. `config` outlives the host, which must not move. */
enum err host_open(struct host *host, const struct config *config, struct why *why) MUST_USE;
void host_close(struct host *host);

/* Work until told to stop. The program's exit code; CONFIG_EXIT_REBOOT when the device is to be
 * reset by ending or starting over this process. */
int host_run(struct host *host) MUST_USE;

/* What is inside host_*.c: */

/* One event into the core; its orders go to the queue. */
void host_step(struct host *host, struct agent_event *event);
void host_failed(struct host *host, enum agent_order_kind order, enum err err, uint32_t retry_s);

/* Carry out one order, except DO_WAKE, DO_STOP and DO_FETCH. */
void host_carry_out(struct host *host, const struct agent_order *order);

/* Find the target that is queued in signed metadata, read what signers and server say about it,
 * and let the core judge. */
void host_resolve(struct host *host);

/* After a loss of the record: what the signed metadata on disk says of the image with this
 * digest. ERR_NOT_FOUND: nothing. */
enum err host_recall_facts(struct host *host, const uint8_t sha256[DIGEST_SIZE],
                           struct release_facts *out) MUST_USE;

/* One range request of the open transfer. */
void host_fetch_on(struct host *host);

/* The link, with the certificate if there is one. NULL with `why` when a file is missing. */
struct link *host_link(struct host *host, struct why *why);
struct utc host_now(const struct host *host);

/* Log what failed, and keep the sentence for the final report, on disk too: a reset may come
 * first. */
void host_remember(struct host *host, const char *what, enum err err, const struct why *why);
