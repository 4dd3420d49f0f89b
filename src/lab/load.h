/* Load on an HTTPS server: many keep-alive connections, each with a device's own certificate,
 * each sending its next request as soon as the answer to the last one is in.
 *
 * One thread, so that its own share of the machine is known. It measures and judges nothing: the
 * same requests in the same way go to slipwayd and to the peer it is compared with. It trusts
 * the answers' framing (status line, Content-Length) and is no general HTTP client. */
#pragma once

#include "base/err.h"
#include "base/why.h"

#define LOAD_CONNECTIONS_MAX 4096u

enum load_kind {
    LOAD_GET,    /* GET `path` */
    LOAD_POLL,   /* a quiet poll */
    LOAD_REPORT, /* progress of the assignment that a poll named, with a new report id each */
};

struct load_setup {
    const char *host; /* dotted IPv4 address */
    uint16_t port;
    const char *ca_file;
    const char *identities; /* directory of NAME.crt and NAME.key, one pair a connection */
    enum load_kind kind;
    const char *path; /* for LOAD_GET */
    uint32_t connections;
    uint32_t seconds; /* of measuring, after every connection has had one answer */
};

struct load_result {
    uint64_t answers; /* 2xx within the measured time */
    uint64_t refused; /* any other status */
    double seconds;
    uint32_t p50_us, p99_us, max_us; /* from sending a request to its whole answer */
    uint64_t answer_bytes;           /* of one answer with its header, the last one seen */
};

/* ERR_LINK when a connection breaks or cannot be made; ERR_NOT_FOUND when there are fewer
 * identities than connections. */
enum err load_run(const struct load_setup *setup, struct load_result *out,
                  struct why *why) MUST_USE;
