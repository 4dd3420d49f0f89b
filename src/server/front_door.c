/* What the head of a request decides: whether its body may come, and out of whose memory.
 *
 *   device, no certificate      enrolment: small body, few of them, so many failures per address
 *                               anything else: 403
 *   device with a certificate   body, unless it is large and the engine sure to say no
 *   token in force, role allows it                body
 *   token in force, role does not, or no route    body if small; the engine says no
 *   any other token, or none    so many failures per address: the engine says no, or 429
 *   other people's protocols    small body, few of them, so many failures per address
 *
 * Of those who are known small bodies are read even in vain: that costs less than the new
 * connection which an unread body makes necessary. */
#include "base/check.h"
#include "os/clock.h"
#include "server/api.h"
#include "server/foreign_api.h"
#include "server/front_inside.h"

static bool is_enrolment(struct span path)
{
    return span_is(path, "/device/v1/enroll");
}

/* Refused by the engine, which records it. Without a body there is nothing to leave unread, and
 * the request is one like others. */
static void refuse_by_engine(struct front *front, struct http_call *call,
                             const struct http_head *head)
{
    front_ask(front, call, head, head->framing == HTTP_NO_BODY ? EXCHANGE_HTTP : EXCHANGE_AT_DOOR,
              (struct span){0}, NULL);
}

/* The same of somebody who is known. */
static void refuse_known(struct front *front, struct http_call *call, const struct http_head *head)
{
    if (head->framing == HTTP_LENGTH && head->length <= MESSAGE_SIZE_MAX)
        http_call_collect(call, MESSAGE_SIZE_MAX, &front->bodies);
    else
        refuse_by_engine(front, call, head);
}

/* One failure of the address; without any left it is told to come back. */
static bool may_fail(struct front *front, struct http_call *call, const struct http_head *head)
{
    char address[HTTP_ADDRESS_SIZE];
    uint32_t retry_s;

    if (foreign_api_of(head->path))
        front_blamed_address(front, call, head, address);
    else
        http_call_address(call, address);
    if (attempts_take(front->config.attempts, address, clock_utc(), &retry_s))
        return true;
    STATS_ADD(front->config.stats, attempts_limited_total, 1);
    front_retry(call, head, 429, ERR_AGAIN, "too many failed attempts from this address", retry_s);
    return false;
}

/* ---- Devices ---- */

/* Whether the certificate is certain to be refused. A device that presence does not know, or knows
 * with another certificate, is for the engine to judge. */
static bool is_shut_out(struct front *front, const struct tls_peer *peer)
{
    struct presence_facts facts;

    if (clock_utc().ms > peer->not_after.ms)
        return true;
    return presence_get(front->config.presence, span_of(peer->organization),
                        span_of(peer->common_name), &facts) &&
           facts.status == PRESENCE_REVOKED;
}

static void device_at_door(struct front *front, struct http_call *call,
                           const struct http_head *head)
{
    const struct tls_peer *peer = http_call_peer(call);

    if (is_enrolment(head->path)) {
        if (may_fail(front, call, head))
            http_call_collect(call, MESSAGE_SIZE_MAX, &front->strangers);
    } else if (!peer) {
        front_problem(call, head, 403, ERR_UNTRUSTED, "a client certificate is required");
    } else if (!span_is(head->path, "/device/v1/logs")) {
        http_call_collect(call, MESSAGE_SIZE_MAX, &front->bodies);
    } else if (is_shut_out(front, peer)) {
        refuse_known(front, call, head);
    } else {
        http_call_collect(call, LOG_UPLOAD_SIZE_MAX, &front->bodies);
    }
}

/* ---- Other people's devices and programs ---- */

/* Without a body the attempt is only lent: it is taken when the answer turns out to be a refusal,
 * so that many devices behind one address do not wait for each other. */
static void foreign_at_door(struct front *front, struct http_call *call,
                            const struct http_head *head, const struct foreign_api *api)
{
    enum exchange_method method = front_method(head->method);
    char address[HTTP_ADDRESS_SIZE];

    if (!may_fail(front, call, head))
        return;
    front_blamed_address(front, call, head, address);
    if (method == METHOD_GET)
        attempts_give(front->config.attempts, address);
    if (api->uploads && api->uploads(method, head->path))
        front_ask(front, call, head, EXCHANGE_UPLOAD_BEGIN, (struct span){0}, NULL);
    else
        http_call_collect(call, api->body_max(method, head->path), &front->strangers);
}

static void note_foreign(struct front *front, const struct exchange *exchange)
{
    bool refused = exchange->reply.status == 401 || exchange->reply.status == 403;
    const char *address = exchange->peer.address;
    uint32_t ignored;

    if (exchange->kind == EXCHANGE_UPLOAD_BEGIN && exchange->reply.status == 100)
        return; /* its end decides */
    if (exchange->request.method != METHOD_GET && !refused)
        attempts_give(front->config.attempts, address);
    else if (exchange->request.method == METHOD_GET && refused &&
             !attempts_take(front->config.attempts, address, exchange->now, &ignored))
        STATS_ADD(front->config.stats, attempts_limited_total, 1);
}

void front_note_outcome(struct front *front, const struct exchange *exchange)
{
    uint16_t status = exchange->reply.status;

    if (foreign_api_of(exchange->request.path)) {
        note_foreign(front, exchange);
        return;
    }
    if (is_enrolment(exchange->request.path) && (status < 400 || status >= 500))
        attempts_give(front->config.attempts, exchange->peer.address);
}

/* ---- People and programs ---- */

/* The metadata is for whoever may look at anything. */
static struct api_door door_of(const struct http_head *head)
{
    if (span_begins(head->path, "/tuf/"))
        return (struct api_door){.found = true, .permission = PERMISSION_READ};
    return api_door(front_method(head->method), head->path);
}

static struct span bearer(const struct http_head *head)
{
    return exchange_bearer(http_head_value(head, "authorization"));
}

static void let_in(struct front *front, struct http_call *call, const struct http_head *head,
                   size_t body_max)
{
    if (head->method == HTTP_METHOD_PUT && span_begins(head->path, "/api/v1/blobs/"))
        front_ask(front, call, head, EXCHANGE_UPLOAD_BEGIN, (struct span){0}, NULL);
    else
        http_call_collect(call, body_max, &front->bodies);
}

void front_at_door(struct front *front, struct http_call *call, const struct http_head *head)
{
    const struct foreign_api *foreign = foreign_api_of(head->path);
    struct api_door door;
    struct pass pass;

    if (foreign) {
        foreign_at_door(front, call, head, foreign);
        return;
    }
    if (path_of_devices(head->path)) {
        device_at_door(front, call, head);
        return;
    }
    door = door_of(head);
    if (door.open)
        http_call_collect(call, 0, &front->strangers);
    else if (!passes_find(front->config.passes, bearer(head), clock_utc(), &pass)) {
        if (may_fail(front, call, head))
            refuse_by_engine(front, call, head);
    } else if (!door.found || !access_allows(pass.role, door.permission)) {
        refuse_known(front, call, head);
    } else {
        let_in(front, call, head, door.body_max);
    }
}
