/* An HTTPS client for programs that make one call at a time: the agent and the command line.
 *
 * Thin over libcurl with OpenSSL. It keeps connections alive between calls, pins the server to
 * one CA file, can show a client certificate, and can judge certificates without a clock (devices
 * often wake up in 1970). A status such as 404 is an answer, not an error: the
 * caller reads it in the answer. It follows no redirects, keeps no cookies, never retries by
 * itself and reads neither proxies nor passwords from the environment.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "base/time.h"
#include "base/why.h"

struct http_client;

/* Strings are copied by http_client_open(); zeros and NULLs mean the default.
 *
 * With a time floor the machine's clock has no say: a certificate that ended before the floor is
 * refused; one that begins after it is taken, for the true time may well be later. */
struct http_client_setup {
    const char *ca_file;   /* PEM; the only CAs trusted; NULL: those of the system */
    const char *cert_file; /* PEM client certificate; NULL: none is shown */
    const char *key_file;  /* PEM private key of cert_file */
    const char *agent;     /* User-Agent; NULL: "slipway" */
    struct utc time_floor; /* a time known to be past; 0: believe the machine's clock */
    uint32_t connect_s;    /* seconds to connect and shake hands; 0: 15 */
    uint32_t stall_s;      /* seconds without a byte before a call is given up; 0: 30 */
    uint64_t bytes_per_s;  /* bandwidth cap for received bodies; 0: none */
    bool plain_allowed;    /* also speak http://, for tests on one machine */
};

/* Receives a body piece by piece. An error stops the transfer and is what the call returns. */
struct http_sink {
    enum err (*take)(void *self, struct span bytes); /* borrowed for the time of the call */
    void *self;
};

/* Asked at least once a second during a call; false stops it with ERR_AGAIN. `total` is 0 while
 * unknown; the counts are of the direction that carries the body. */
struct http_watch {
    bool (*go_on)(void *self, uint64_t done, uint64_t total);
    void *self;
};

#define HTTP_HEADERS_MAX 8u /* extra header lines of one call */

struct http_call {
    const char *method;                    /* "GET", "POST", ...; NULL: "GET" */
    const char *url;                       /* absolute */
    const char *content_type;              /* of the body; NULL: none is sent */
    const char *headers[HTTP_HEADERS_MAX]; /* whole lines, "Name: value"; the first NULL ends */
    struct span body;        /* sent when not empty or when the method is POST or PUT */
    int upload_fd;           /* when upload_size > 0: the body is read from here instead */
    uint64_t upload_size;    /* bytes */
    const char *range;       /* "first-last" or "first-"; NULL: the whole thing */
    uint32_t total_s;        /* seconds for the whole call; 0: no limit but the stall limit */
    size_t size_max;         /* bytes kept of the body without sink; 0: MESSAGE_SIZE_MAX */
    struct http_sink sink;   /* gets the body of 2xx answers when `take` is set */
    struct http_watch watch; /* may be left out */
};

#define HTTP_FIELD_SIZE 128u /* bytes of a kept header value with NUL; longer ones are cut */

/* Valid until the next call on the same client. */
struct http_answer {
    uint32_t status;                    /* 200, 404, ... */
    uint32_t retry_after_s;             /* Retry-After in seconds, 0 if none or a date */
    char content_type[HTTP_FIELD_SIZE]; /* "" if none */
    char etag[HTTP_FIELD_SIZE];         /* with its quotes, "" if none */
    char content_range[HTTP_FIELD_SIZE];
    struct span body; /* what the sink did not take: with a sink, bodies that are not 2xx */
};

/* NULL with `why` when a file cannot be used. http_client_close() takes NULL. */
struct http_client *http_client_open(const struct http_client_setup *setup,
                                     struct why *why) MUST_USE;
void http_client_close(struct http_client *client);

/* Make one call and wait for its answer. ERR_LINK: not connected, cut off or too slow, so try
 * later; ERR_UNTRUSTED: the server's certificate (or ours, in the handshake) was refused;
 * ERR_TOO_BIG: the body exceeds size_max; ERR_AGAIN: the watch stopped it; ERR_STORAGE: the
 * upload file cannot be read; otherwise what the sink returned. */
enum err http_client_call(struct http_client *client, const struct http_call *call,
                          struct http_answer *answer, struct why *why) MUST_USE;
