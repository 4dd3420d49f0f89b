/* The server's side of writing: reply heads and the queue of a connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "net/http_connection.h"
#include "os/clock.h"

#define REPLY_HEAD_SIZE_MAX 4096u /* bytes; our own headers are few and short */
#define COPY_SIZE_MAX       8192u /* a body up to this goes out with its head, in one record */

const char *http_status_text(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i].status == status)
            return texts[i].text;
    }
    return "Status";
}

bool bytes_append(struct http_bytes *bytes, const void *from, size_t size)
{
    if (size > bytes->room - bytes->size) {
        size_t room = bytes->room ? bytes->room : 512;
        uint8_t *grown;

        while (room - bytes->size < size)
            room *= 2;
        grown = realloc(bytes->at, room);
        if (!grown)
            return false;
        bytes->at = grown;
        bytes->room = room;
    }
    if (size > 0)
        memcpy(bytes->at + bytes->size, from, size);
    bytes->size += size;
    return true;
}

void bytes_free(struct http_bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct http_bytes){0};
}

/* RFC 9110 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT", made once a second. */
static const char *date_now(struct http_server *server)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(clock_utc().ms / 1000);
    struct tm parts;

    if (server->date_s == now && server->date[0] != '\0')
        return server->date;
    CHECK(gmtime_r(&now, &parts));
    (void)snprintf(server->date, sizeof server->date, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                   days[parts.tm_wday], (unsigned)parts.tm_mday % 100u, months[parts.tm_mon],
                   (unsigned)(parts.tm_year + 1900) % 10000u, (unsigned)parts.tm_hour % 100u,
                   (unsigned)parts.tm_min % 100u, (unsigned)parts.tm_sec % 100u);
    server->date_s = now;
    return server->date;
}

static void put_field(struct buf *buf, const char *name, const char *value)
{
    buf_text(buf, name);
    buf_text(buf, ": ");
    buf_text(buf, value);
    buf_text(buf, "\r\n");
}

static bool without_body(uint16_t status)
{
    return status == 204 || status == 304 || status < 200;
}

static void write_head(struct http_call *call, const struct http_reply *reply, bool endless,
                       uint64_t size, struct buf *buf)
{
    buf_text(buf, "HTTP/1.1 ");
    buf_uint(buf, reply->status);
    buf_text(buf, " ");
    buf_text(buf, http_status_text(reply->status));
    buf_text(buf, "\r\n");
    put_field(buf, "Date", date_now(call->server));
    if (reply->content_type)
        put_field(buf, "Content-Type", reply->content_type);
    if (!endless && !without_body(reply->status)) {
        buf_text(buf, "Content-Length: ");
        buf_uint(buf, size);
        buf_text(buf, "\r\n");
    }
    for (size_t i = 0; i < reply->fields_count; i++)
        put_field(buf, reply->fields[i].name, reply->fields[i].value);
    if (call->close_after)
        put_field(buf, "Connection", "close");
    buf_text(buf, "\r\n");
}

/* Try to send at once without a copy; what does not go out is queued. */
static void send_or_queue(struct http_call *call, struct span bytes)
{
    ssize_t sent = 0;

    if (!output_pending(call)) {
        sent = transport_write(&call->transport, bytes.at, bytes.size);
        if (sent < 0)
            sent = 0; /* blocked or broken: the flush that follows finds out */
    }
    CHECK(bytes_append(&call->output.queued, bytes.at + sent, bytes.size - (size_t)sent));
}

/* Where the body comes from once the head is out. */
static void attach_body(struct http_call *call, const struct http_reply *reply)
{
    struct http_output *output = &call->output;

    if (reply->has_file) {
        output->file = reply->file;
        output->file_at = reply->from;
        output->file_left = reply->size;
    } else if (reply->release) {
        output->body = reply->body;
        output->release = reply->release;
        output->owner = reply->owner;
    } else {
        CHECK(bytes_append(&output->queued, reply->body.at, reply->body.size));
    }
}

static void discard_body(const struct http_reply *reply)
{
    if (reply->has_file)
        (void)close(reply->file);
    else if (reply->release)
        reply->release(reply->owner);
}

void reply_put_head(struct http_call *call, const struct http_reply *reply, bool endless)
{
    uint8_t *scratch = call->server->output;
    struct buf buf = buf_over(scratch, REPLY_HEAD_SIZE_MAX + COPY_SIZE_MAX);
    uint64_t size = reply->has_file ? reply->size : reply->body.size;
    bool bodiless = endless || call->is_head_method || without_body(reply->status);
    bool small = !reply->has_file && size <= COPY_SIZE_MAX;

    write_head(call, reply, endless, size, &buf);
    if (!bodiless && small)
        buf_span(&buf, reply->body);
    CHECK(!buf.overflow);
    count_up(call->server->config.counters.bytes_out, bodiless ? 0 : (int64_t)size);
    send_or_queue(call, buf_written(&buf));
    if (endless)
        CHECK(bytes_append(&call->output.queued, reply->body.at, reply->body.size));
    if (!bodiless && !small && size > 0)
        attach_body(call, reply);
    else
        discard_body(reply);
}

bool output_pending(const struct http_call *call)
{
    const struct http_output *output = &call->output;

    return output->queued.size > output->sent || output->body.size > 0 || output->file_left > 0;
}

/* Let go of what has been sent, or never will be. */
void output_drop(struct http_call *call)
{
    struct http_output *output = &call->output;

    bytes_free(&output->queued);
    if (output->release)
        output->release(output->owner);
    if (output->file >= 0)
        (void)close(output->file);
    *output = (struct http_output){.file = -1};
}

/* One write of whatever comes next. */
static ssize_t flush_once(struct http_call *call)
{
    struct http_output *output = &call->output;
    ssize_t sent;

    if (output->queued.size > output->sent) {
        sent = transport_write(&call->transport, output->queued.at + output->sent,
                               output->queued.size - output->sent);
        output->sent += sent > 0 ? (size_t)sent : 0;
        if (output->sent == output->queued.size) {
            output->queued.size = 0;
            output->sent = 0;
        }
    } else if (output->body.size > 0) {
        sent = transport_write(&call->transport, output->body.at, output->body.size);
        if (sent > 0) {
            output->body.at += sent;
            output->body.size -= (size_t)sent;
        }
    } else {
        sent = transport_send_file(&call->transport, output->file, output->file_at,
                                   output->file_left, call->server->output, OUTPUT_SIZE);
        if (sent > 0) {
            output->file_at += (uint64_t)sent;
            output->file_left -= (uint64_t)sent;
        }
    }
    return sent;
}

int output_flush(struct http_call *call)
{
    for (int i = 0; i < ROUNDS_MAX && output_pending(call); i++) {
        ssize_t sent = flush_once(call);

        if (sent == TRANSPORT_AGAIN)
            return TRANSPORT_AGAIN;
        if (sent <= 0)
            return TRANSPORT_BROKEN;
        if (call->state == HTTP_SEND || call->state == HTTP_STREAM)
            call->deadline = instant_after(loop_now(call->server->config.loop),
                                           call->server->config.limits.send_ms);
    }
    if (output_pending(call)) {
        call->transport.wants = LOOP_OUT; /* others first; the socket is writable anyway */
        return TRANSPORT_AGAIN;
    }
    output_drop(call);
    if (call->state == HTTP_STREAM)
        call->deadline = (struct instant){0}; /* it may be silent for as long as it likes */
    return 1;
}
