/* The device's side of Slipway's own protocol (docs/spec/native.md): one function per request.
 *
 * It encodes, calls, decodes, and turns statuses into our words; it decides nothing and repeats
 * nothing. ERR_AGAIN comes with link_retry_s(): the server asked to be left alone that long. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/why.h"
#include "format/native.h"
#include "net/http_client.h"

#define LINK_URL_SIZE 512u /* bytes of a URL with NUL */

struct link {
    struct http_client *client;     /* borrowed */
    const char *server;             /* "https://host:port", borrowed */
    struct http_watch watch;        /* of every call; `go_on` may be NULL */
    uint32_t retry_s;               /* of the last call; 0: the server did not say */
    uint8_t kept[MESSAGE_SIZE_MAX]; /* the last answer's bytes; decoded spans point in here */
};

/* Both borrowed until the link is no longer used. */
struct link link_over(struct http_client *client, const char *server);

/* Seconds the server wants us to wait, from the last call; 0: it did not say. */
uint32_t link_retry_s(const struct link *link);

/* All: ERR_LINK cannot be reached; ERR_UNTRUSTED by its certificate; ERR_AGAIN overloaded or
 * stopped by the watch; ERR_DENIED refused us; ERR_NOT_FOUND; ERR_CONFLICT; ERR_INVALID any other
 * refusal; ERR_CORRUPT an answer that is none. Decoded spans live until the next call. */

/* ERR_AGAIN with link_retry_s() while an operator has yet to accept the device. */
enum err link_enroll(struct link *link, const struct native_enroll *enroll,
                     struct native_enrolled *out, struct why *why) MUST_USE;
enum err link_renew(struct link *link, const struct native_renew *renew,
                    struct native_enrolled *out, struct why *why) MUST_USE;
enum err link_poll(struct link *link, const struct native_poll *poll, struct native_answer *out,
                   struct why *why) MUST_USE;
enum err link_details(struct link *link, uint64_t assignment, struct native_details *out,
                      struct why *why) MUST_USE;
enum err link_report(struct link *link, const struct native_report *report,
                     struct native_verdict *out, struct why *why) MUST_USE;
enum err link_inventory(struct link *link, const struct native_inventory *inventory,
                        struct why *why) MUST_USE;
enum err link_logs(struct link *link, uint64_t assignment, struct span text,
                   struct why *why) MUST_USE;

/* One file of the release authority, "timestamp.json" for instance; `out` borrows until the next
 * call. ERR_TOO_BIG past `size_max`. */
enum err link_metadata(struct link *link, const char *name, size_t size_max, struct span *out,
                       struct why *why) MUST_USE;

/* `size` bytes (at least 1) of the blob with this digest from byte `at` on, into `sink`.
 * ERR_CORRUPT when the server sends another part than asked for. */
enum err link_blob(struct link *link, const uint8_t sha256[DIGEST_SIZE], uint64_t at, uint64_t size,
                   struct http_sink sink, struct why *why) MUST_USE;
