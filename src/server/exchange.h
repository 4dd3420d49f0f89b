/* One request on its way from a front thread through the engine and back: one heap block.
 *
 *   front: exchange_open --> mailbox --> engine: handler fills `reply` --> commit
 *     ^                                                                      |
 *     '--------- writes the reply, exchange_close <-- return mailbox <-------'
 *
 * Everything a handler needs is inside: who asks (`peer`), what (`request`), a finished upload
 * (`upload`), and room for the answer (`reply`). Handlers run in the engine thread, inside an
 * open savepoint. A handler that does not return ERR_OK has its savepoint rolled back; the
 * reply it has written is sent all the same. All spans live as long as the exchange. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"
#include "base/time.h"
#include "base/why.h"
#include "os/mailbox.h"

struct problem;
struct stats;

enum exchange_kind {
    EXCHANGE_HTTP, /* a whole request with its body */

    /* PUT /api/v1/blobs/SHA256 whose body has not been read yet: may it come? The handler replies
     * with status 100 to let it in (the front then reads the body and sends EXCHANGE_HTTP with
     * `upload` filled), or with a final status (401, 403, 204 "have it already" ...). */
    EXCHANGE_UPLOAD_BEGIN,

    /* A request that will be refused, whose body has not been read and never will be: the handler
     * says why, and records it. If it would let it in after all, the answer is 503. */
    EXCHANGE_AT_DOOR,

    /* Not a request: something to tell the event streams; see stream.h. Fronts only. */
    EXCHANGE_EVENT,
};

enum exchange_method {
    METHOD_GET, /* HEAD arrives as GET: the front leaves the body out */
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OTHER, /* known to HTTP but not to us: 405 */
};

enum peer_certificate {
    PEER_NO_CERTIFICATE,
    PEER_CERTIFICATE_VALID,
    PEER_CERTIFICATE_EXPIRED, /* ours and genuine, but past its end: reaches only renewal */
};

/* Who is at the other end of the connection, as TLS proved it. */
struct peer {
    enum peer_certificate certificate;
    char tenant[NAME_SIZE_MAX + 1];   /* organisation in the certificate; "" without one */
    char device[NAME_SIZE_MAX + 1];   /* common name in the certificate; "" without one */
    uint8_t fingerprint[DIGEST_SIZE]; /* SHA-256 of the certificate's DER */
    char address[48];                 /* of the other end, without port; for the audit */
};

/* Absent headers are empty spans. */
struct request_view {
    enum exchange_method method;
    struct span path;          /* as sent, still percent-encoded, without '?' and query */
    struct span query;         /* behind the '?', still encoded; see net/http_query.h */
    struct span authorization; /* the whole header value */
    struct span bearer;        /* the token of "Authorization: Bearer TOKEN" */
    struct span content_type;
    struct span idempotency_key;
    struct span if_match;
    struct span last_event_id;
    struct span body;

    /* Of requests in other people's protocols (foreign_api.h); absent in all others. */
    struct span host, accept, if_none_match, range, if_range;
    struct span signature; /* X-MEN-Signature */
    /* Only from an address that is configured as a trusted proxy; see front_proxy.c. */
    struct span forwarded_host, forwarded_proto;
    struct span proxied_device;      /* name in the certificate that the proxy has checked */
    struct span proxied_authorities; /* hashes of who issued it, with ';' between */
    bool head_only;                  /* HEAD */
};

/* A request body that was streamed to a temporary file. The file is durable (fsync) and stays
 * the exchange's, which removes it at its end unless a handler renamed it away. */
struct upload {
    bool present;
    uint8_t sha256[DIGEST_SIZE];
    uint64_t size; /* bytes */
    char path[256];
};

#define REPLY_HEADERS_MAX      6u
#define REPLY_HEADER_VALUE_MAX 160u /* bytes with NUL */
#define TOPIC_SIZE_MAX         96u  /* bytes of a stream's topic, without NUL */

struct reply_header {
    const char *name; /* literal */
    char value[REPLY_HEADER_VALUE_MAX];
};

/* What goes back. Written only through the functions below. */
struct reply {
    uint16_t status;          /* 0 = nothing written yet */
    const char *content_type; /* literal; NULL without a body */
    struct reply_header headers[REPLY_HEADERS_MAX];
    size_t headers_count;
    uint8_t *body; /* heap */
    size_t body_size, body_room;
    bool has_blob;
    uint8_t blob[DIGEST_SIZE]; /* the front streams this file, with ranges */
    bool blob_shared;          /* and every active device of the tenant may have it */
    bool has_stream;
    char tenant[NAME_SIZE_MAX + 1]; /* whose events */
    char topic[TOPIC_SIZE_MAX + 1];
};

/* A reply of any size in bounded memory: its handler writes some of it and sets `more`; the front
 * puts that into a temporary file and asks again, until a page comes without. Each page is a
 * request of its own to the engine, so others have their turn in between. */
struct exchange_pages {
    bool more;
    uint32_t count; /* pages before this one */

    /* The handler's own, kept from page to page. */
    uint64_t after, until;
    uint8_t hash[DIGEST_SIZE];

    /* The front's. */
    bool spooled; /* there is a file */
    int fd;
    uint64_t size; /* bytes in it */
};

struct exchange {
    struct mailbox_item item; /* first: mailboxes carry exchanges */
    enum exchange_kind kind;
    struct front *front; /* where it goes back to */
    void *call;          /* the front's own handle of the waiting connection */
    struct utc now;      /* when it arrived: the time its handler works with */
    struct peer peer;
    struct request_view request;
    struct upload upload;
    struct reply reply;
    struct exchange_pages pages;
    struct stats *stats; /* counters of the whole process; NULL in tests */
    bool parked;         /* of the engine: it is to be handled again */
    bool secure;         /* it came over TLS */
    /* A handler's own, from turn to turn; closed with the exchange. */
    void *work;
    void (*work_close)(void *work);
    uint8_t text[]; /* what the request's spans point into */
};

/* A whole answer. Each replaces what an earlier call has written (headers stay). */
void reply_empty(struct exchange *exchange, uint16_t status);
void reply_bytes(struct exchange *exchange, uint16_t status, const char *content_type,
                 struct span body);

/* application/cbor: a native device message. */
void reply_cbor(struct exchange *exchange, uint16_t status, struct span message);

/* Whether a device asks, whose errors are native messages. */
bool path_of_devices(struct span path);

/* To devices an error of the native protocol; to everybody else application/problem+json, see
 * problem.h. `field` names the input at fault or is NULL; `sentence` is for people, without final
 * period. 429 and 503 also get Retry-After unless one was set. */
void reply_problem_at(struct exchange *exchange, const struct problem *problem);
void reply_problem(struct exchange *exchange, uint16_t status, enum err err, const char *field,
                   const char *sentence);

/* The same from an error that travelled up: status by reply_status_of(), text from `why`, or
 * the error's own sentence where that is empty. */
void reply_error(struct exchange *exchange, enum err err, const struct why *why);

/* The HTTP status that an error means unless the handler knows better. */
uint16_t reply_status_of(enum err err);

/* The blob with this digest, as application/octet-stream with ETag and ranges; 404 if missing. */
void reply_blob(struct exchange *exchange, const uint8_t sha256[DIGEST_SIZE]);

/* text/event-stream of a tenant's topic; see engine_publish(). Events after Last-Event-ID that are
 * still remembered come first. Topic "events" gets more than its own; see stream.h. It ends when
 * the token of the request does. */
void reply_stream(struct exchange *exchange, const char *tenant, const char *topic);

/* An additional header; `name` must be a literal, `value` is copied (and must fit, without CR and
 * LF: both are checked). */
void reply_header(struct exchange *exchange, const char *name, const char *value);

/* As if nothing had been answered. */
void reply_forget(struct exchange *exchange);

/* Build a body piece by piece: start, then append, in any size. */
void reply_start(struct exchange *exchange, uint16_t status, const char *content_type);
void reply_append(struct exchange *exchange, const void *bytes, size_t size);
void reply_printf(struct exchange *exchange, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The token in "Bearer TOKEN"; empty when it is nothing of the kind. */
struct span exchange_bearer(struct span authorization);

/* Whether the request's media type is `type` (parameters such as charset are ignored). */
bool exchange_content_is(const struct exchange *exchange, const char *type);

/* What a request is made from; everything is copied into the exchange. */
struct exchange_parts {
    enum exchange_kind kind;
    struct peer peer;
    struct request_view request;
    struct utc now;
};

/* NULL without memory. The rest (front, call, upload, stats) is the caller's to fill. */
struct exchange *exchange_open(const struct exchange_parts *parts) MUST_USE;

/* Forget the page that was written, for the next one. */
void exchange_turn_page(struct exchange *exchange);

/* Also removes temporary files that are still there. NULL-safe. */
void exchange_close(struct exchange *exchange);
