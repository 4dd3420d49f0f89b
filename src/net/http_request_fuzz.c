/* Any bytes as a connection's input: heads, bodies and what follows them, as the server reads them.
 *
 * What is checked besides memory: a head is parsed alike however far the bytes behind it reach, and
 * spans lie inside the head. */
#include "base/check.h"
#include "net/http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 64 /* of one input */

static enum err count_piece(void *self, struct span piece)
{
    uint64_t *total = self;

    *total += piece.size;
    return *total > (1u << 20) ? ERR_TOO_BIG : ERR_OK;
}

static void check_inside(struct span part, struct span whole)
{
    CHECK(part.size == 0 || (part.at >= whole.at && part.at + part.size <= whole.at + whole.size));
}

/* Bytes used by one request, 0 when the rest is none. */
static size_t take_request(struct span bytes)
{
    struct http_parser parser;
    struct http_head head;
    const char *sentence = NULL;
    size_t head_size = http_head_size(bytes), used = 0;
    bool complete = false;
    uint64_t total = 0;

    if (head_size == 0 || head_size > HTTP_HEAD_SIZE_MAX) {
        (void)http_head_too_long(bytes);
        return 0;
    }
    if (http_head_parse(&parser, (struct span){bytes.at, head_size}, &head, &sentence) != 0) {
        CHECK(sentence);
        return 0;
    }
    check_inside(head.path, bytes);
    check_inside(head.query, bytes);
    CHECK(head.path.size > 0 && head.path.at[0] == '/');
    for (size_t i = 0; i < head.headers_count; i++) {
        check_inside(head.headers[i].name, (struct span){bytes.at, head_size});
        check_inside(head.headers[i].value, (struct span){bytes.at, head_size});
    }
    bytes.at += head_size;
    bytes.size -= head_size;
    if (http_body_feed(&parser, bytes, count_piece, &total, &used, &complete) != ERR_OK)
        return 0;
    CHECK(used <= bytes.size && total <= used);
    return complete ? head_size + used : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {data, size};

    for (int i = 0; i < REQUESTS_MAX && rest.size > 0; i++) {
        size_t used = take_request(rest);

        if (used == 0)
            break;
        rest.at += used;
        rest.size -= used;
    }
    return 0;
}
