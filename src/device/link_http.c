#include "device/link_http.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/say.h"
#include "trust/metadata.h"

#define CALL_S 60u /* seconds for a request with a small answer */

struct link link_over(struct http_client *client, const char *server)
{
    return (struct link){.client = client, .server = server};
}

uint32_t link_retry_s(const struct link *link)
{
    return link->retry_s;
}

/* What the server said against us, put behind its status. */
static enum err refused(const struct http_answer *answer, enum err err, struct why *why)
{
    struct native_error error;

    if (strcmp(answer->content_type, NATIVE_MIME) == 0 &&
        native_error_decode(answer->body, &error) == ERR_OK)
        return say(why, err, NULL, "the server answers %u %.*s: %.*s", answer->status,
                   (int)error.err.size, (const char *)error.err.at, (int)error.detail.size,
                   (const char *)error.detail.at);
    return say(why, err, NULL, "the server answers with status %u", answer->status);
}

static enum err judge_status(struct link *link, const struct http_answer *answer, struct why *why)
{
    link->retry_s = answer->retry_after_s;
    if (answer->status / 100 == 2)
        return ERR_OK;
    switch (answer->status) {
    case 401:
    case 403:
        return refused(answer, ERR_DENIED, why);
    case 404:
        return refused(answer, ERR_NOT_FOUND, why);
    case 409:
        return refused(answer, ERR_CONFLICT, why);
    case 429:
        return refused(answer, ERR_AGAIN, why);
    default:
        return refused(answer, answer->status / 100 == 5 ? ERR_AGAIN : ERR_INVALID, why);
    }
}

static enum err call(struct link *link, const char *path, struct http_call *http,
                     struct http_answer *answer, struct why *why)
{
    char url[LINK_URL_SIZE];
    int size = snprintf(url, sizeof url, "%s/device/v1/%s", link->server, path);

    if (size < 0 || (size_t)size >= sizeof url)
        return say(why, ERR_TOO_BIG, NULL, "the URL of the server is too long");
    http->url = url;
    http->watch = link->watch;
    link->retry_s = 0;
    TRY(http_client_call(link->client, http, answer, why));
    return judge_status(link, answer, why);
}

/* POST a message; the answer's body is kept for as long as callers use what they decode. */
static enum err post(struct link *link, const char *path, struct span body,
                     struct http_answer *answer, struct why *why)
{
    struct http_call http = {
        .method = "POST", .content_type = NATIVE_MIME, .body = body, .total_s = CALL_S};

    TRY(call(link, path, &http, answer, why));
    CHECK(answer->body.size <= sizeof link->kept);
    memcpy(link->kept, answer->body.at ? answer->body.at : link->kept, answer->body.size);
    answer->body.at = link->kept;
    return ERR_OK;
}

static enum err understood(enum err err, const char *what, struct why *why)
{
    if (err != ERR_OK)
        return say(why, ERR_CORRUPT, NULL, "the server's answer to %s is malformed", what);
    return ERR_OK;
}

enum err link_enroll(struct link *link, const struct native_enroll *enroll,
                     struct native_enrolled *out, struct why *why)
{
    uint8_t bytes[MESSAGE_SIZE_MAX];
    struct buf body = buf_over(bytes, sizeof bytes);
    struct http_answer answer;
    struct native_pending pending;

    TRY(native_enroll_encode(enroll, &body));
    TRY(post(link, "enroll", buf_written(&body), &answer, why));
    if (answer.status == 202) {
        TRY(understood(native_pending_decode(answer.body, &pending), "enroll", why));
        link->retry_s = pending.retry_s;
        return say(why, ERR_AGAIN, NULL, "waiting for an operator to accept this device");
    }
    return understood(native_enrolled_decode(answer.body, out), "enroll", why);
}

enum err link_renew(struct link *link, const struct native_renew *renew,
                    struct native_enrolled *out, struct why *why)
{
    uint8_t bytes[MESSAGE_SIZE_MAX];
    struct buf body = buf_over(bytes, sizeof bytes);
    struct http_answer answer;

    TRY(native_renew_encode(renew, &body));
    TRY(post(link, "renew", buf_written(&body), &answer, why));
    return understood(native_enrolled_decode(answer.body, out), "renew", why);
}

enum err link_poll(struct link *link, const struct native_poll *poll, struct native_answer *out,
                   struct why *why)
{
    uint8_t bytes[MESSAGE_SIZE_MAX];
    struct buf body = buf_over(bytes, sizeof bytes);
    struct http_answer answer;

    TRY(native_poll_encode(poll, &body));
    TRY(post(link, "poll", buf_written(&body), &answer, why));
    return understood(native_answer_decode(answer.body, out), "poll", why);
}

enum err link_details(struct link *link, uint64_t assignment, struct native_details *out,
                      struct why *why)
{
    struct http_call http = {.total_s = CALL_S};
    struct http_answer answer;
    char path[64];

    (void)snprintf(path, sizeof path, "assignments/%llu", (unsigned long long)assignment);
    TRY(call(link, path, &http, &answer, why));
    CHECK(answer.body.size <= sizeof link->kept);
    memcpy(link->kept, answer.body.at ? answer.body.at : link->kept, answer.body.size);
    answer.body.at = link->kept;
    return understood(native_details_decode(answer.body, out), "details", why);
}

enum err link_report(struct link *link, const struct native_report *report,
                     struct native_verdict *out, struct why *why)
{
    uint8_t bytes[MESSAGE_SIZE_MAX];
    struct buf body = buf_over(bytes, sizeof bytes);
    struct http_answer answer;

    TRY(native_report_encode(report, &body));
    TRY(post(link, "report", buf_written(&body), &answer, why));
    return understood(native_verdict_decode(answer.body, out), "report", why);
}

enum err link_inventory(struct link *link, const struct native_inventory *inventory,
                        struct why *why)
{
    uint8_t bytes[MESSAGE_SIZE_MAX];
    struct buf body = buf_over(bytes, sizeof bytes);
    struct http_answer answer;

    TRY(native_inventory_encode(inventory, &body));
    return post(link, "inventory", buf_written(&body), &answer, why);
}

enum err link_logs(struct link *link, uint64_t assignment, struct span text, struct why *why)
{
    struct http_call http = {
        .method = "POST", .content_type = "text/plain", .body = text, .total_s = CALL_S};
    struct http_answer answer;
    char path[64];

    (void)snprintf(path, sizeof path, "logs?assignment=%llu", (unsigned long long)assignment);
    return call(link, path, &http, &answer, why);
}

enum err link_metadata(struct link *link, const char *name, size_t size_max, struct span *out,
                       struct why *why)
{
    struct http_call http = {.total_s = CALL_S, .size_max = size_max};
    struct http_answer answer;
    char path[sizeof "tuf/" + TUF_FILE_NAME_SIZE];

    (void)snprintf(path, sizeof path, "tuf/%s", name);
    TRY(call(link, path, &http, &answer, why));
    *out = answer.body;
    return ERR_OK;
}

enum err link_blob(struct link *link, const uint8_t sha256[DIGEST_SIZE], uint64_t at, uint64_t size,
                   struct http_sink sink, struct why *why)
{
    char hex[DIGEST_HEX_SIZE], path[128], range[48];
    struct http_call http = {.sink = sink, .range = range};
    struct http_answer answer;

    CHECK(size > 0);
    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    (void)snprintf(path, sizeof path, "blobs/%s", hex);
    (void)snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)at,
                   (unsigned long long)(at + size - 1));
    return call(link, path, &http, &answer, why); /* a blob never changes: no If-Range */
}
