#include "net/http_request.h"

#include <string.h>

#include "base/check.h"

/* Chunk framing may not exceed this, or a few bytes of body could cost any amount of input:
 * a fixed allowance for extensions and trailers, and 8 bytes for each byte of content. */
#define FRAMING_ALLOWANCE 4096u

static char lower(uint8_t byte)
{
    return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

static bool equals_ignoring_case(struct span text, const char *want)
{
    size_t i = 0;

    for (; i < text.size && want[i] != '\0'; i++) {
        if (lower(text.at[i]) != want[i])
            return false;
    }
    return i == text.size && want[i] == '\0';
}

size_t http_head_size(struct span bytes)
{
    const uint8_t *end = memmem(bytes.at, bytes.size, "\r\n\r\n", 4);

    return end ? (size_t)(end - bytes.at) + 4 : 0;
}

uint16_t http_head_too_long(struct span bytes)
{
    if (bytes.size <= HTTP_HEAD_SIZE_MAX)
        return 0;
    return memchr(bytes.at, '\n', HTTP_HEAD_SIZE_MAX) ? 431 : 414;
}

/* ---- What llhttp tells us ---- */

static int on_url(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;

    parser->head->path = (struct span){(const uint8_t *)at, size};
    return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;
    struct http_head *head = parser->head;

    if (!head)
        return 0; /* a trailer: not used */
    if (head->headers_count == HTTP_HEADERS_MAX)
        return HPE_USER;
    head->headers[head->headers_count++] =
        (struct http_header){.name = {(const uint8_t *)at, size}};
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;
    struct http_head *head = parser->head;

    if (head && head->headers_count > 0)
        head->headers[head->headers_count - 1].value = (struct span){(const uint8_t *)at, size};
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    llhttp->upgrade = 0; /* no protocol to switch to is spoken here */
    return HPE_PAUSED;
}

/* Every line feed in chunk framing must follow a carriage return. */
static bool framing_is_clean(struct http_parser *parser, const uint8_t *from, const uint8_t *to)
{
    for (; from < to; from++) {
        if (*from == '\n' && parser->last_framing_byte != '\r')
            return false;
        parser->last_framing_byte = *from;
        parser->body_framed++;
    }
    return true;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t size)
{
    struct http_parser *parser = llhttp->data;
    const uint8_t *piece = (const uint8_t *)at;

    if (!framing_is_clean(parser, parser->sink.framing_from, piece)) {
        parser->sink.err = ERR_CORRUPT;
        return HPE_USER;
    }
    parser->last_framing_byte = 0;
    parser->sink.framing_from = piece + size;
    parser->body_seen += size;
    parser->sink.err = parser->sink.take(parser->sink.self, (struct span){piece, size});
    return parser->sink.err == ERR_OK ? 0 : HPE_USER;
}

static int on_message_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = llhttp->data;

    parser->complete = true;
    return HPE_PAUSED; /* what follows is the next request */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- Our own rules ---- */

static uint16_t refuse(struct http_parser *parser, uint16_t status, const char *sentence)
{
    parser->sentence = sentence;
    return status;
}

/* Bytes that must not be anywhere in a head, and lines that continue the one before. */
static uint16_t check_bytes(struct http_parser *parser, struct span head)
{
    for (size_t i = 0; i < head.size; i++) {
        uint8_t byte = head.at[i];

        if (byte == '\n' && (i == 0 || head.at[i - 1] != '\r'))
            return refuse(parser, 400, "a line ends without carriage return");
        if (byte == '\r' && (i + 1 == head.size || head.at[i + 1] != '\n'))
            return refuse(parser, 400, "a carriage return stands alone");
        if (byte == '\n' && i + 1 < head.size && (head.at[i + 1] == ' ' || head.at[i + 1] == '\t'))
            return refuse(parser, 400, "a header line is folded");
        if ((byte < 0x20 && byte != '\r' && byte != '\n' && byte != '\t') || byte == 0x7f)
            return refuse(parser, 400, "there is a control character in the head");
    }
    return 0;
}

/* "METHOD target HTTP/1.x": exactly two blanks, so that no parser in front of us can have read
 * another target. */
static uint16_t check_request_line(struct http_parser *parser, struct span head)
{
    const uint8_t *end = memchr(head.at, '\r', head.size), *first, *second;
    struct span line, version;

    CHECK(end);
    line = (struct span){head.at, (size_t)(end - head.at)};
    if (memchr(line.at, '\t', line.size))
        return refuse(parser, 400, "the request line is malformed");
    first = memchr(line.at, ' ', line.size);
    if (!first || first == line.at)
        return refuse(parser, 400, "the request line is malformed");
    second = memchr(first + 1, ' ', line.size - (size_t)(first + 1 - line.at));
    if (!second)
        return refuse(parser, 400, "HTTP/0.9 is not spoken here");
    version = (struct span){second + 1, line.size - (size_t)(second + 1 - line.at)};
    if (second - first - 1 > (ptrdiff_t)HTTP_TARGET_MAX)
        return refuse(parser, 414, "the target is too long");
    if (version.size != 8 || memcmp(version.at, "HTTP/", 5) != 0)
        return refuse(parser, 400, "the request line is malformed");
    if (!span_is(version, "HTTP/1.1") && !span_is(version, "HTTP/1.0"))
        return refuse(parser, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return 0;
}

/* Split the target; "https://host/path" is as good as "/path" (RFC 9112 3.2.2). */
static uint16_t check_target(struct http_parser *parser, struct http_head *head)
{
    struct span target = head->path;
    const uint8_t *mark;

    if (target.size > 0 && target.at[0] != '/') {
        const uint8_t *authority = memmem(target.at, target.size, "://", 3), *slash;
        size_t skipped = authority ? (size_t)(authority - target.at) + 3 : 0;

        slash = authority ? memchr(target.at + skipped, '/', target.size - skipped) : NULL;
        if (!slash)
            return refuse(parser, 400, "the target is not a path");
        target.size -= (size_t)(slash - target.at);
        target.at = slash;
    }
    if (target.size == 0)
        return refuse(parser, 400, "the target is not a path");
    if (memchr(target.at, '#', target.size))
        return refuse(parser, 400, "the target has a fragment");
    mark = memchr(target.at, '?', target.size);
    head->path = target;
    head->query = (struct span){target.at + target.size, 0};
    if (mark) {
        head->path.size = (size_t)(mark - target.at);
        head->query = (struct span){mark + 1, target.size - head->path.size - 1};
    }
    return 0;
}

static bool parse_length(struct span text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *out = value;
    return true;
}

struct counts {
    unsigned host, length, coding;
};

static uint16_t check_header(struct http_parser *parser, struct http_head *head,
                             struct http_header *header, struct counts *counts)
{
    struct span *value = &header->value;

    while (value->size > 0 &&
           (value->at[value->size - 1] == ' ' || value->at[value->size - 1] == '\t'))
        value->size--; /* llhttp cuts the blanks in front only */
    if (header->name.size == 0)
        return refuse(parser, 400, "a header has no name");
    if (equals_ignoring_case(header->name, "host")) {
        counts->host++;
    } else if (equals_ignoring_case(header->name, "content-length")) {
        counts->length++;
        if (!parse_length(header->value, &head->length))
            return refuse(parser, 400, "Content-Length is not a number");
        head->framing = HTTP_LENGTH;
    } else if (equals_ignoring_case(header->name, "transfer-encoding")) {
        counts->coding++;
        if (!equals_ignoring_case(header->value, "chunked"))
            return refuse(parser, 501, "the only transfer coding known here is chunked");
        head->framing = HTTP_CHUNKED;
    } else if (equals_ignoring_case(header->name, "expect")) {
        if (!equals_ignoring_case(header->value, "100-continue"))
            return refuse(parser, 417, "the only expectation known here is 100-continue");
        head->expect_continue = true;
    }
    return 0;
}

static uint16_t check_headers(struct http_parser *parser, struct http_head *head)
{
    bool old = parser->llhttp.http_minor == 0;
    struct counts counts = {0};
    bool chunked;

    for (size_t i = 0; i < head->headers_count; i++) {
        uint16_t status = check_header(parser, head, &head->headers[i], &counts);

        if (status != 0)
            return status;
    }
    if (counts.host > 1 || (counts.host == 0 && !old))
        return refuse(parser, 400, "there must be exactly one Host header");
    if (counts.length > 1 || counts.coding > 1)
        return refuse(parser, 400, "the length of the body is given twice");
    if (counts.length + counts.coding > 1)
        return refuse(parser, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (counts.coding > 0 && old)
        return refuse(parser, 400, "HTTP/1.0 has no transfer codings");
    /* The second opinion: both parsers must see the same body. */
    chunked = (parser->llhttp.flags & F_CHUNKED) != 0;
    if (chunked != (head->framing == HTTP_CHUNKED) ||
        (!chunked && parser->llhttp.content_length != head->length))
        return refuse(parser, 400, "the length of the body is ambiguous");
    return 0;
}

static enum http_method method_of(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    default:
        return HTTP_METHOD_OTHER;
    }
}

static uint16_t run_llhttp(struct http_parser *parser, struct span head)
{
    enum llhttp_errno result = llhttp_execute(&parser->llhttp, (const char *)head.at, head.size);

    if (result == HPE_USER)
        return refuse(parser, 431, "there are too many header lines");
    if (result == HPE_INVALID_METHOD)
        return refuse(parser, 501, "the method is unknown");
    if (result != HPE_PAUSED)
        return refuse(parser, 400, "the head is malformed");
    return 0;
}

/* The parser stays paused at the end of the head; http_body_feed() goes on. */
static uint16_t parse(struct http_parser *parser, struct span head, struct http_head *out)
{
    uint16_t status = check_bytes(parser, head);

    if (status == 0)
        status = check_request_line(parser, head);
    if (status == 0)
        status = run_llhttp(parser, head);
    if (status == 0)
        status = check_target(parser, out);
    if (status == 0)
        status = check_headers(parser, out);
    return status;
}

uint16_t http_head_parse(struct http_parser *parser, struct span head, struct http_head *out,
                         const char **sentence)
{
    uint16_t status;

    *parser = (struct http_parser){.head = out};
    out->headers_count = 0;
    out->framing = HTTP_NO_BODY;
    out->length = 0;
    out->expect_continue = false;
    llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
    parser->llhttp.data = parser;
    status = parse(parser, head, out);
    parser->head = NULL;
    if (status != 0) {
        *sentence = parser->sentence;
        return status;
    }
    out->method = method_of(parser->llhttp.method);
    out->keep_alive =
        parser->llhttp.http_minor == 1 && (parser->llhttp.flags & F_CONNECTION_CLOSE) == 0;
    parser->framing = out->framing;
    parser->body_left = out->length;
    return 0;
}

struct span http_head_value(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->headers_count; i++) {
        if (equals_ignoring_case(head->headers[i].name, name))
            return head->headers[i].value;
    }
    return (struct span){0};
}

static void rebase(struct span *span, const uint8_t *from, const uint8_t *to)
{
    if (span->at)
        span->at = to + (span->at - from);
}

void http_head_rebase(struct http_head *head, const uint8_t *from, const uint8_t *to)
{
    rebase(&head->path, from, to);
    rebase(&head->query, from, to);
    for (size_t i = 0; i < head->headers_count; i++) {
        rebase(&head->headers[i].name, from, to);
        rebase(&head->headers[i].value, from, to);
    }
}

static enum err feed_length(struct http_parser *parser, struct span bytes,
                            enum err (*take)(void *self, struct span piece), void *self,
                            size_t *used, bool *complete)
{
    size_t size = bytes.size < parser->body_left ? bytes.size : (size_t)parser->body_left;

    if (size > 0)
        TRY(take(self, (struct span){bytes.at, size}));
    parser->body_left -= size;
    *used = size;
    *complete = parser->body_left == 0;
    return ERR_OK;
}

static enum err feed_chunked(struct http_parser *parser, struct span bytes, size_t *used)
{
    enum llhttp_errno result;
    const uint8_t *end = bytes.at + bytes.size;

    parser->llhttp.data = parser; /* the connection may have moved */
    if (llhttp_get_errno(&parser->llhttp) == HPE_PAUSED)
        llhttp_resume(&parser->llhttp);
    result = llhttp_execute(&parser->llhttp, (const char *)bytes.at, bytes.size);
    if (parser->sink.err != ERR_OK)
        return parser->sink.err;
    if (result == HPE_PAUSED && parser->complete)
        end = (const uint8_t *)llhttp_get_error_pos(&parser->llhttp);
    else if (result != HPE_OK)
        return ERR_CORRUPT;
    if (!framing_is_clean(parser, parser->sink.framing_from, end) ||
        parser->body_framed > FRAMING_ALLOWANCE + 8 * parser->body_seen)
        return ERR_CORRUPT;
    *used = (size_t)(end - bytes.at);
    return ERR_OK;
}

enum err http_body_feed(struct http_parser *parser, struct span bytes,
                        enum err (*take)(void *self, struct span piece), void *self, size_t *used,
                        bool *complete)
{
    if (parser->framing != HTTP_CHUNKED)
        return feed_length(parser, bytes, take, self, used, complete);
    parser->sink.take = take;
    parser->sink.self = self;
    parser->sink.err = ERR_OK;
    parser->sink.framing_from = bytes.at;
    TRY(feed_chunked(parser, bytes, used));
    *complete = parser->complete;
    return ERR_OK;
}
