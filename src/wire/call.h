/* What every device protocol boils down to: a few questions and their answers.
 *
 * A wire turns its own messages into these and back. Everything behind this header is the same
 * for every protocol a device may speak. Spans borrow from the request's bytes or from the
 * answer's owner, and live until the reply has been written. */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "format/native.h"

enum call_kind {
    CALL_ENROL,     /* here is my key and my claim; `enrol` */
    CALL_RENEW,     /* a new certificate, please; `renew` */
    CALL_POLL,      /* is there anything for me? `poll` */
    CALL_DETAILS,   /* describe `assignment` */
    CALL_REPORT,    /* this is how far I am, or how it ended; `report` */
    CALL_INVENTORY, /* this is what I am; `inventory` */
    CALL_LOG,       /* these are my own words; `text`, of `assignment` */
    CALL_METADATA,  /* give me the signed metadata file `name` */
    CALL_FETCH,     /* give me bytes of the blob `sha256` */
    CALL_COUNT
};

struct call {
    enum call_kind kind;
    uint64_t assignment; /* CALL_DETAILS, CALL_LOG */
    union {
        struct native_enroll enrol;
        struct native_renew renew;
        struct native_poll poll;
        struct native_report report;
        struct native_inventory inventory;
        struct span text;
        struct span name;
        struct {
            uint8_t sha256[DIGEST_SIZE];
            bool head_only; /* HEAD */
        } fetch;
    };
};

enum answer_kind {
    ANSWER_ENROLLED, /* `enrolled` */
    ANSWER_PENDING,  /* `pending`: an operator must accept the device first */
    ANSWER_POLL,     /* `poll` */
    ANSWER_DETAILS,  /* `details` */
    ANSWER_VERDICT,  /* `verdict` */
    ANSWER_NOTED,    /* nothing to say but that it is durable */
    ANSWER_BYTES,    /* `bytes`: metadata as signed */
    ANSWER_REFUSED,  /* `refused` */
    ANSWER_COUNT
};

struct answer {
    enum answer_kind kind;
    union {
        struct native_enrolled enrolled;
        struct native_pending pending;
        struct native_answer poll;
        struct native_details details;
        struct native_verdict verdict;
        struct span bytes;
        struct {
            enum err err;
            struct span detail; /* a sentence for people */
            uint32_t retry_s;   /* 0 = do not say */
        } refused;
    };
};

/* "poll", as in logs and metrics; never NULL. */
const char *call_name(enum call_kind kind);
