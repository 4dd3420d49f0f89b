/* The head of an HTTP/1.1 request, and the framing of its body. Bytes in, facts out; no I/O.
 *
 * llhttp parses; around it stand the rules that keep two parsers from ever disagreeing about
 * where a request ends: the whole head is there before it is parsed, every line ends with CR LF,
 * no line is folded, there is exactly one Host, at most one Content-Length, and never together
 * with Transfer-Encoding, which may only be "chunked". HTTP/0.9 and HTTP/1.0 with a
 * Transfer-Encoding are refused.
 *
 * Source: RFC 9112 (2.2 line ends, 3.2 target and Host, 5.2 folding, 6.1 and 6.3 framing). */
#pragma once

#include <llhttp.h>

#include "base/err.h"
#include "base/span.h"

#define HTTP_HEAD_SIZE_MAX 16384u /* bytes of request line and headers; past it 431 */
#define HTTP_HEADERS_MAX   64u    /* header lines; past it 431 */
#define HTTP_TARGET_MAX    4096u  /* bytes of the request target; past it 414 */

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OTHER
};

enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH, /* `length` bytes, maybe 0 */
    HTTP_CHUNKED
};

struct http_header {
    struct span name, value; /* as sent, the value without surrounding blanks */
};

/* Spans point into the bytes that were parsed. */
struct http_head {
    enum http_method method;
    struct span path, query; /* still encoded */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t headers_count;
    enum http_framing framing;
    uint64_t length; /* HTTP_LENGTH */
    bool keep_alive;
    bool expect_continue;
};

/* The parser of one connection. */
struct http_parser {
    llhttp_t llhttp;
    struct http_head *head; /* while a head is parsed */
    const char *sentence;
    uint64_t body_left;              /* HTTP_LENGTH */
    uint64_t body_seen, body_framed; /* bytes of content and of chunk framing so far */
    enum http_framing framing;
    struct {
        enum err (*take)(void *self, struct span piece);
        void *self;
        enum err err;
        const uint8_t *framing_from; /* where the framing behind the last piece begins */
    } sink;
    uint8_t last_framing_byte;
    bool complete;
};

/* The size of the head at the start of `bytes`, 0 while its end has not been seen. */
size_t http_head_size(struct span bytes);

/* Parse one whole head (http_head_size() bytes). 0 when it is good, otherwise the HTTP status to
 * refuse it with, and *sentence says why. After a failure the connection must be closed. */
uint16_t http_head_parse(struct http_parser *parser, struct span head, struct http_head *out,
                         const char **sentence) MUST_USE;

/* The status that an unfinished head of `bytes` deserves already: 0, 431 or 414. */
uint16_t http_head_too_long(struct span bytes);

/* The value of a header, empty when absent; `name` in lower case. When it is there several times
 * the first one counts. */
struct span http_head_value(const struct http_head *head, const char *name);

/* Make a head's spans point to `to`, a copy of the bytes at `from`. */
void http_head_rebase(struct http_head *head, const uint8_t *from, const uint8_t *to);

/* Feed body bytes, after http_head_parse(). Pieces of content go to `take`; *used is how many
 * bytes belonged to the body; *complete says that it has ended. ERR_CORRUPT: the framing is
 * broken; anything else comes from `take`. */
enum err http_body_feed(struct http_parser *parser, struct span bytes,
                        enum err (*take)(void *self, struct span piece), void *self, size_t *used,
                        bool *complete) MUST_USE;
