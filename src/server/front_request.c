/* Where requests go: answered here, or handed to the engine. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "format/native.h"
#include "net/http_query.h"
#include "os/clock.h"
#include "server/foreign_api.h"
#include "server/front_inside.h"
#include "server/problem.h"

#define OVERLOAD_RETRY_S 5u /* seconds; with as much jitter on top */

static struct span sub(struct span text, size_t from)
{
    return (struct span){text.at + from, text.size - from};
}

static struct span peer_tenant(const struct tls_peer *peer)
{
    return span_of(peer->organization);
}

static struct span peer_device(const struct tls_peer *peer)
{
    return span_of(peer->common_name);
}

/* ---- Errors of our own ---- */

static enum err err_of_status(uint16_t status)
{
    switch (status) {
    case 404:
        return ERR_NOT_FOUND;
    case 408:
    case 503:
        return ERR_AGAIN;
    case 413:
    case 414:
    case 431:
        return ERR_TOO_BIG;
    case 507:
        return ERR_STORAGE;
    default:
        return ERR_INVALID;
    }
}

static void write_problem(const struct http_head *head, const struct problem *problem,
                          struct buf *out)
{
    const struct native_error message = {.err = span_of(err_name(problem->err)),
                                         .detail = span_of(problem->sentence)};

    if (head && path_of_devices(head->path))
        CHECK(native_error_encode(&message, out) == ERR_OK);
    else
        problem_print(problem, out);
    CHECK(!out->overflow);
}

void front_retry(struct http_call *call, const struct http_head *head, uint16_t status,
                 enum err err, const char *sentence, unsigned retry_s)
{
    const struct problem problem = {.status = status, .err = err, .sentence = sentence};
    bool device = head && path_of_devices(head->path);
    char body[PROBLEM_SIZE_MAX], retry[16];
    struct buf buf = buf_over(body, sizeof body);
    struct http_field fields[] = {{"Retry-After", retry}};
    struct http_reply reply = {
        .status = status,
        .content_type = device ? "application/cbor" : "application/problem+json",
        .fields = fields,
        .fields_count = retry_s > 0 ? 1 : 0,
    };

    (void)snprintf(retry, sizeof retry, "%u", retry_s);
    write_problem(head, &problem, &buf);
    reply.body = buf_written(&buf);
    http_call_reply(call, &reply);
}

void front_problem(struct http_call *call, const struct http_head *head, uint16_t status,
                   enum err err, const char *sentence)
{
    front_retry(call, head, status, err, sentence, 0);
}

/* ---- To the engine ---- */

enum exchange_method front_method(enum http_method method)
{
    switch (method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        return METHOD_GET;
    case HTTP_METHOD_POST:
        return METHOD_POST;
    case HTTP_METHOD_PUT:
        return METHOD_PUT;
    case HTTP_METHOD_PATCH:
        return METHOD_PATCH;
    case HTTP_METHOD_DELETE:
        return METHOD_DELETE;
    case HTTP_METHOD_OTHER:
    default:
        return METHOD_OTHER;
    }
}

void front_peer(const struct http_call *call, struct utc now, struct peer *out)
{
    const struct tls_peer *peer = http_call_peer(call);

    *out = (struct peer){.certificate = PEER_NO_CERTIFICATE};
    CHECK_STATIC(sizeof out->address >= HTTP_ADDRESS_SIZE);
    http_call_address(call, out->address);
    if (!peer)
        return;
    out->certificate =
        now.ms > peer->not_after.ms ? PEER_CERTIFICATE_EXPIRED : PEER_CERTIFICATE_VALID;
    memcpy(out->tenant, peer->organization, sizeof out->tenant);
    memcpy(out->device, peer->common_name, sizeof out->device);
    memcpy(out->fingerprint, peer->fingerprint, sizeof out->fingerprint);
}

static struct exchange *make_exchange(const struct front *front, const struct http_call *call,
                                      const struct http_head *head, enum exchange_kind kind,
                                      struct span body)
{
    char authorities[FRONT_AUTHORITIES_SIZE];
    struct exchange *exchange;
    struct exchange_parts parts = {
        .kind = kind,
        .now = clock_utc(),
        .request = {.method = front_method(head->method),
                    .path = head->path,
                    .query = head->query,
                    .authorization = http_head_value(head, "authorization"),
                    .content_type = http_head_value(head, "content-type"),
                    .idempotency_key = http_head_value(head, "idempotency-key"),
                    .if_match = http_head_value(head, "if-match"),
                    .last_event_id = http_head_value(head, "last-event-id"),
                    .body = body},
    };

    front_peer(call, parts.now, &parts.peer);
    if (foreign_api_of(head->path)) {
        front_foreign_view(front, call, head, authorities, &parts.request);
        front_blamed_address(front, call, head, parts.peer.address);
    }
    exchange = exchange_open(&parts);
    if (exchange)
        exchange->secure = front->config.tls != NULL;
    return exchange;
}

void front_overloaded(struct front *front, struct http_call *call, const struct http_head *head,
                      const char *sentence)
{
    unsigned retry_s = OVERLOAD_RETRY_S + (unsigned)prng_below(&front->prng, OVERLOAD_RETRY_S + 1);

    STATS_ADD(front->config.stats, overload_total, 1);
    front_retry(call, head, 503, ERR_AGAIN, sentence, retry_s);
}

void front_ask(struct front *front, struct http_call *call, const struct http_head *head,
               enum exchange_kind kind, struct span body, struct front_user *upload)
{
    struct exchange *exchange = make_exchange(front, call, head, kind, body);

    CHECK(exchange);
    exchange->front = front;
    exchange->call = call;
    if (upload && front_finish_upload(upload, &exchange->upload) != ERR_OK) {
        exchange_close(exchange);
        front_problem(call, head, 507, ERR_STORAGE, "the upload cannot be stored");
        return;
    }
    if (!engine_submit(front->engine, exchange)) {
        exchange_close(exchange);
        front_overloaded(front, call, head, "the server is busy; try again later");
    }
}

/* ---- From memory ---- */

/* An active device with its current certificate: what it asks of us needs no engine. */
static bool is_active(struct front *front, const struct tls_peer *peer, struct utc now)
{
    struct presence_facts facts;

    return peer && now.ms <= peer->not_after.ms &&
           presence_get(front->config.presence, peer_tenant(peer), peer_device(peer), &facts) &&
           facts.status == PRESENCE_ACTIVE &&
           memcmp(facts.fingerprint, peer->fingerprint, DIGEST_SIZE) == 0;
}

/* The interval with jitter: a fleet that was switched on at once must not poll at once. */
static uint32_t next_poll_s(struct front *front, uint32_t poll_s)
{
    uint64_t base = poll_s != 0 ? poll_s : front->config.poll_interval_s;
    uint64_t width = base * front->config.poll_jitter_percent / 100;
    uint64_t jittered = base - width + prng_below(&front->prng, 2 * width + 1);

    return jittered > 0 ? (uint32_t)jittered : 1u;
}

static void answer_nothing(struct front *front, struct http_call *call, uint32_t poll_s,
                           struct utc now)
{
    struct native_answer answer = {.kind = NATIVE_NOTHING,
                                   .next_poll_s = next_poll_s(front, poll_s),
                                   .server_s = (uint64_t)(now.ms / 1000)};
    uint8_t bytes[128];
    struct buf buf = buf_over(bytes, sizeof bytes);
    struct http_reply reply = {.status = 200, .content_type = "application/cbor"};

    CHECK(native_answer_encode(&answer, &buf) == ERR_OK);
    reply.body = buf_written(&buf);
    STATS_ADD(front->config.stats, polls_quiet, 1);
    http_call_reply(call, &reply);
}

/* True when the poll has been answered from memory. */
static bool poll_quietly(struct front *front, struct http_call *call, struct span body)
{
    const struct tls_peer *peer = http_call_peer(call);
    struct utc now = clock_utc();
    struct presence_poll facts = {.now = now, .gap_ms = front->config.gap_ms};
    struct native_poll poll;
    uint32_t poll_s = 0;

    if (!peer || now.ms > peer->not_after.ms || native_poll_decode(body, &poll) != ERR_OK)
        return false;
    if (poll.assignment != 0 || !poll.running.known || !poll.inventory_known)
        return false;
    facts.fingerprint = peer->fingerprint;
    facts.running = poll.running.at;
    facts.other = poll.other.known ? poll.other.at : NULL;
    facts.inventory = poll.inventory;
    facts.boot_count = poll.boot_count;
    if (!presence_quiet(front->config.presence, peer_tenant(peer), peer_device(peer), &facts,
                        &poll_s))
        return false;
    answer_nothing(front, call, poll_s, now);
    return true;
}

static bool is_allowed_blob(const struct front *front, const struct tls_peer *peer,
                            struct span name, uint8_t sha256[DIGEST_SIZE])
{
    return hex_parse(name, sha256, DIGEST_SIZE) &&
           shelf_allows(front->config.shelf, peer_tenant(peer), sha256);
}

/* GET of its tenant's metadata by an active device, or of a blob that all of the tenant's may have.
 * True when it has been answered; the engine knows of exceptions. */
static bool fetch_from_here(struct front *front, struct http_call *call,
                            const struct http_head *head)
{
    static const char device_metadata[] = "/device/v1/tuf/", metadata[] = "/tuf/";
    static const char blobs[] = "/device/v1/blobs/";
    const struct tls_peer *peer = http_call_peer(call);
    const char *prefix = span_begins(head->path, device_metadata) ? device_metadata
                         : span_begins(head->path, metadata)      ? metadata
                         : span_begins(head->path, blobs)         ? blobs
                                                                  : NULL;
    struct utc now = clock_utc();
    uint8_t sha256[DIGEST_SIZE];
    struct span name;

    if (!prefix || !is_active(front, peer, now))
        return false;
    name = sub(head->path, strlen(prefix));
    if (prefix == blobs && !is_allowed_blob(front, peer, name, sha256))
        return false;
    presence_touch(front->config.presence, peer_tenant(peer), peer_device(peer), now);
    if (prefix == blobs)
        front_send_blob(front, call, head, sha256);
    else
        front_send_shelf(front, call, head, peer_tenant(peer), name);
    return true;
}

/* ---- The handler ---- */

static bool is_poll(const struct http_head *head)
{
    return head->method == HTTP_METHOD_POST && span_is(head->path, "/device/v1/poll");
}

static void on_head(void *self, struct http_call *call, const struct http_head *head)
{
    struct front *front = self;
    bool reads = head->method == HTTP_METHOD_GET || head->method == HTTP_METHOD_HEAD;

    if (reads && head->framing == HTTP_NO_BODY && fetch_from_here(front, call, head))
        return;
    front_at_door(front, call, head);
}

static enum err on_piece(void *self, struct http_call *call, struct span piece)
{
    (void)self;
    return front_upload_piece(http_call_user(call), piece);
}

static void on_complete(void *self, struct http_call *call, const struct http_head *head,
                        struct span body)
{
    struct front *front = self;
    struct front_user *upload = http_call_user(call);

    http_call_set_user(call, NULL);
    if (!upload && is_poll(head) && poll_quietly(front, call, body))
        return;
    front_ask(front, call, head, EXCHANGE_HTTP, body, upload);
}

static void on_refuse(void *self, struct http_call *call, const struct http_head *head,
                      uint16_t status, const char *sentence)
{
    struct front *front = self;

    if (status == 503)
        front_overloaded(front, call, head, sentence);
    else
        front_problem(call, head, status, err_of_status(status), sentence);
}

static void on_gone(void *self, struct http_call *call)
{
    struct front_user *user = http_call_user(call);

    http_call_set_user(call, NULL);
    if (!user)
        return;
    if (user->kind == FRONT_UPLOAD)
        front_drop_upload(user);
    else
        front_drop_reader(self, user);
}

const struct http_handler front_handler = {
    .head = on_head,
    .piece = on_piece,
    .complete = on_complete,
    .refuse = on_refuse,
    .gone = on_gone,
};
