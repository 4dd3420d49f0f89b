#include "lab/load_request.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/sha256.h"
#include "os/say.h"

#define WARM_ANSWERS 3u /* inventory, a poll that brings news; from then on polls are quiet */

struct native_attributes load_attributes(void)
{
    return (struct native_attributes){
        .list = {{SPAN_LITERAL("product"), SPAN_LITERAL("load")},
                 {SPAN_LITERAL("hardware"), SPAN_LITERAL("load")}},
        .count = 2,
    };
}

/* Header and body of a POST into the request's bytes. */
static enum err write_post(struct load_request *request, const char *path, struct span body,
                           struct why *why)
{
    int header = snprintf(request->bytes, sizeof request->bytes,
                          "POST %s HTTP/1.1\r\nHost: load\r\nContent-Type: " NATIVE_MIME
                          "\r\nContent-Length: %zu\r\n\r\n",
                          path, body.size);

    if (header < 0 || (size_t)header + body.size > sizeof request->bytes)
        return say(why, ERR_TOO_BIG, NULL, "a request has more than %zu bytes",
                   sizeof request->bytes);
    memcpy(request->bytes + header, body.at, body.size);
    request->size = (size_t)header + body.size;
    return ERR_OK;
}

static enum err write_poll(struct load_request *request, struct why *why)
{
    struct native_poll poll = {.version = SPAN_LITERAL("1.0"), .boot_count = 1};
    uint8_t room[256];
    struct buf body = buf_over(room, sizeof room);

    poll.running.known = true;
    sha256_of(SPAN_LITERAL("the image that load devices run"), poll.running.at);
    poll.inventory_known = true;
    memcpy(poll.inventory, request->inventory, sizeof poll.inventory);
    poll.assignment = request->assignment;
    TRY(native_poll_encode(&poll, &body));
    return write_post(request, "/device/v1/poll", buf_written(&body), why);
}

static enum err write_report(struct load_request *request, struct why *why)
{
    struct native_report report = {
        .id = request->report_id,
        .assignment = request->assignment,
        .phase = PHASE_DOWNLOADING,
        .percent = (uint32_t)(request->report_id % 100),
        .boot_count = 1,
    };
    uint8_t room[256];
    struct buf body = buf_over(room, sizeof room);

    request->report_id++;
    TRY(native_report_encode(&report, &body));
    return write_post(request, "/device/v1/report", buf_written(&body), why);
}

enum err load_request_init(struct load_request *request, enum load_kind kind, const char *path,
                           struct why *why)
{
    struct native_inventory inventory = {.attributes = load_attributes()};
    uint8_t room[256], digest[DIGEST_SIZE];
    struct buf message = buf_over(room, sizeof room);
    int size;

    *request = (struct load_request){.kind = kind};
    /* Report ids must grow from run to run: seconds leave room for a million reports each. */
    request->report_id = (uint64_t)time(NULL) << 20;
    TRY(native_inventory_encode(&inventory, &message));
    sha256_of(buf_written(&message), digest);
    memcpy(request->inventory, digest, sizeof request->inventory);
    if (kind != LOAD_GET)
        return write_post(request, "/device/v1/inventory", buf_written(&message), why);

    size = snprintf(request->bytes, sizeof request->bytes, "GET %s HTTP/1.1\r\nHost: load\r\n\r\n",
                    path);
    if (size < 0 || (size_t)size >= sizeof request->bytes)
        return say(why, ERR_TOO_BIG, "path", "the path is too long");
    request->size = (size_t)size;
    return ERR_OK;
}

enum err load_request_next(struct load_request *request, struct span *out, struct why *why)
{
    if (request->answers == 1 && request->kind != LOAD_GET)
        TRY(write_poll(request, why));
    if (request->kind == LOAD_REPORT && request->assignment != 0)
        TRY(write_report(request, why));
    *out = (struct span){(const uint8_t *)request->bytes, request->size};
    return ERR_OK;
}

bool load_request_learn(struct load_request *request, struct span answer)
{
    const uint8_t *body = memmem(answer.at, answer.size, "\r\n\r\n", 4);
    struct native_answer decoded;
    struct span bytes;

    request->answers++;
    if (request->kind != LOAD_REPORT)
        return request->answers >= WARM_ANSWERS;
    if (request->assignment != 0)
        return true;
    if (body) {
        bytes = (struct span){body + 4, answer.size - (size_t)(body + 4 - answer.at)};
        if (native_answer_decode(bytes, &decoded) == ERR_OK)
            request->assignment = decoded.assignment;
    }
    return false;
}
