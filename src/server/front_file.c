/* Files that a front hands out by itself: TUF metadata from memory, blobs from the disk. */
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "net/http_range.h"
#include "server/front_inside.h"

#define ETAG_SIZE (DIGEST_HEX_SIZE + 2u) /* bytes with quotes and NUL */

static void format_etag(const uint8_t sha256[DIGEST_SIZE], char to[ETAG_SIZE])
{
    struct buf buf = buf_over(to, ETAG_SIZE);

    buf_text(&buf, "\"");
    buf_hex(&buf, (struct span){sha256, DIGEST_SIZE});
    buf_text(&buf, "\"");
    (void)buf_finish_text(&buf);
    CHECK(!buf.overflow);
}

static struct http_condition condition_of(const struct http_head *head)
{
    return (struct http_condition){
        .range = http_head_value(head, "range"),
        .if_range = http_head_value(head, "if-range"),
        .if_match = http_head_value(head, "if-match"),
        .if_none_match = http_head_value(head, "if-none-match"),
    };
}

static void release_file(void *owner)
{
    shelf_release(owner);
}

void front_send_shelf(struct front *front, struct http_call *call, const struct http_head *head,
                      struct span tenant, struct span name)
{
    const struct shelf_file *file = shelf_get(front->config.shelf, tenant, name);
    struct http_condition condition = condition_of(head);
    struct http_range ignored;
    char etag[ETAG_SIZE];
    struct http_field fields[] = {{"ETag", etag}, {"Cache-Control", "no-cache"}};
    struct http_reply reply = {
        .content_type = "application/json", .fields = fields, .fields_count = COUNT_OF(fields)};

    if (!file) {
        front_problem(call, head, 404, ERR_NOT_FOUND, "there is no such metadata file");
        return;
    }
    format_etag(file->sha256, etag);
    condition.range = (struct span){0}; /* metadata is small, and must be read as one */
    reply.status = http_condition_status(&condition, span_of(etag), file->bytes.size, &ignored);
    if (reply.status == 200) {
        /* Only the reference count behind it is ever written. */
        union {
            const struct shelf_file *in;
            void *out;
        } owner = {.in = file};

        reply.body = file->bytes;
        reply.release = release_file;
        reply.owner = owner.out;
        http_call_reply(call, &reply);
    } else {
        shelf_release(file);
        http_call_reply(call, &reply);
    }
}

/* The reply for an opened blob. Takes the descriptor. */
static void send_opened(struct http_call *call, const struct http_head *head, const char *etag,
                        int fd, uint64_t whole)
{
    struct http_condition condition = condition_of(head);
    struct http_range range = {.from = 0, .size = whole};
    char content_range[64];
    struct http_field fields[] = {{"ETag", etag},
                                  {"Accept-Ranges", "bytes"},
                                  {"Cache-Control", "private, max-age=31536000, immutable"},
                                  {"Content-Range", content_range}};
    struct http_reply reply = {.content_type = "application/octet-stream", .fields = fields};
    unsigned long long from, size = whole;

    reply.status = http_condition_status(&condition, span_of(etag), whole, &range);
    from = range.from;
    if (reply.status == 206)
        (void)snprintf(content_range, sizeof content_range, "bytes %llu-%llu/%llu", from,
                       from + range.size - 1, size);
    else
        (void)snprintf(content_range, sizeof content_range, "bytes */%llu", size);
    reply.fields_count = COUNT_OF(fields) - (reply.status == 206 || reply.status == 416 ? 0 : 1);
    reply.has_file = reply.status == 200 || reply.status == 206;
    if (reply.has_file) {
        reply.file = fd;
        reply.from = range.from;
        reply.size = range.size;
    } else {
        (void)close(fd);
        reply.content_type = NULL;
    }
    http_call_reply(call, &reply);
}

void front_send_blob(struct front *front, struct http_call *call, const struct http_head *head,
                     const uint8_t sha256[DIGEST_SIZE])
{
    const struct front_blobs *blobs = &front->config.blobs;
    char etag[ETAG_SIZE];
    uint64_t size = 0;
    int fd = -1;

    if (!blobs->open || blobs->open(blobs->self, sha256, &fd, &size) != ERR_OK) {
        front_problem(call, head, 404, ERR_NOT_FOUND, "there is no such blob");
        return;
    }
    format_etag(sha256, etag);
    send_opened(call, head, etag, fd, size);
}
