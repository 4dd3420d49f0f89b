/* Heads and bodies as bytes: what is accepted, and everything that two parsers could read in two
 * ways is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_request.h"

/* Parse one head given as text; its status. */
static uint16_t parse(const char *text, struct http_head *head)
{
    struct http_parser parser;
    const char *sentence = NULL;
    struct span bytes = span_of(text);
    uint16_t status;

    assert_int_equal(http_head_size(bytes), bytes.size);
    status = http_head_parse(&parser, bytes, head, &sentence);
    assert_true((status == 0) == (sentence == NULL));
    return status;
}

static void parses_a_plain_request(void **state)
{
    struct http_head head;

    (void)state;
    assert_int_equal(parse("POST /device/v1/poll?x=1&y HTTP/1.1\r\nHost: a\r\n"
                           "Content-Length: 12\r\nX-Empty:\r\nAccept:  text/plain \r\n\r\n",
                           &head),
                     0);
    assert_int_equal(head.method, HTTP_METHOD_POST);
    assert_true(span_is(head.path, "/device/v1/poll"));
    assert_true(span_is(head.query, "x=1&y"));
    assert_int_equal(head.framing, HTTP_LENGTH);
    assert_int_equal(head.length, 12);
    assert_true(head.keep_alive);
    assert_true(span_is(http_head_value(&head, "host"), "a"));
    assert_true(span_is(http_head_value(&head, "accept"), "text/plain"));
    assert_int_equal(http_head_value(&head, "x-empty").size, 0);
    assert_int_equal(http_head_value(&head, "missing").size, 0);
}

static void knows_when_the_connection_ends(void **state)
{
    struct http_head head;

    (void)state;
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &head), 0);
    assert_false(head.keep_alive);
    assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &head), 0);
    assert_false(head.keep_alive);
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                           "\r\n",
                           &head),
                     0);
    assert_true(head.keep_alive);
    assert_int_equal(head.framing, HTTP_NO_BODY);
}

static void takes_targets_in_both_forms(void **state)
{
    struct http_head head;

    (void)state;
    assert_int_equal(parse("GET https://host:8443/a/b?c HTTP/1.1\r\nHost: host\r\n\r\n", &head), 0);
    assert_true(span_is(head.path, "/a/b"));
    assert_true(span_is(head.query, "c"));
    assert_int_equal(parse("GET * HTTP/1.1\r\nHost: a\r\n\r\n", &head), 400);
    assert_int_equal(parse("GET http://host HTTP/1.1\r\nHost: a\r\n\r\n", &head), 400);
    assert_int_equal(parse("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", &head), 400);
    assert_int_equal(parse("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", &head), 400);
}

struct bad {
    uint16_t status;
    const char *text;
};

static void refuses_what_is_ambiguous(void **state)
{
    static const struct bad bad[] = {
        /* two lengths, in every way they can be said */
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
              "Transfer-Encoding: chunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
              "Content-Length: 5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
              "Transfer-Encoding: chunked\r\n\r\n"},
        {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        /* lengths that are no numbers to everybody */
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"},
        /* codings we do not speak */
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\vchunked\r\n\r\n"},
        /* lines that end or go on in other ways */
        {400, "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX\x01Y: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
        /* request lines */
        {400, "GET /\r\nHost: a\r\n\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET / a HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        {505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
        {505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
        {400, "GET / ICE/1.0\r\nHost: a\r\n\r\n"},
        {505, "PRI * HTTP/2.0\r\n\r\n"},
        {501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
        /* hosts and expectations */
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct http_head head;
        uint16_t status = parse(bad[i].text, &head);
        bool refused = status >= 400; /* 400 and 501 are both a refusal of an odd method */

        if (status != bad[i].status && !(refused && bad[i].status == 400))
            fail_msg("got %u for %s", status, bad[i].text);
    }
}

static void refuses_nul_bytes(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    struct http_parser parser;
    struct http_head head;
    const char *sentence;

    (void)state;
    assert_int_equal(http_head_parse(&parser, SPAN_LITERAL(text), &head, &sentence), 400);
}

static void limits_the_head(void **state)
{
    size_t size = HTTP_HEAD_SIZE_MAX + 10;
    char *text = malloc(size + 64);
    struct http_head head;
    int at;

    (void)state;
    memset(text, 'a', size);
    assert_int_equal(http_head_too_long((struct span){(uint8_t *)text, size}), 414);
    text[10] = '\n';
    assert_int_equal(http_head_too_long((struct span){(uint8_t *)text, size}), 431);
    assert_int_equal(http_head_too_long((struct span){(uint8_t *)text, HTTP_HEAD_SIZE_MAX}), 0);

    memset(text, 'a', size);
    memcpy(text, "GET /", 5);
    (void)snprintf(text + 5 + HTTP_TARGET_MAX, size + 59 - HTTP_TARGET_MAX,
                   " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(parse(text, &head), 414);

    at = snprintf(text, size, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 1; i < HTTP_HEADERS_MAX; i++)
        at += snprintf(text + at, size - (size_t)at, "X-%u: y\r\n", i);
    memcpy(text + at, "\r\n", 3);
    assert_int_equal(parse(text, &head), 0);
    assert_int_equal(head.headers_count, HTTP_HEADERS_MAX);
    memcpy(text + at, "Y: z\r\n\r\n", 9);
    assert_int_equal(parse(text, &head), 431);
    free(text);
}

/* ---- Bodies ---- */

struct sink {
    char text[256];
    size_t size;
    enum err err;
};

static enum err take(void *self, struct span piece)
{
    struct sink *sink = self;

    if (sink->err != ERR_OK)
        return sink->err;
    assert_true(sink->size + piece.size < sizeof sink->text);
    memcpy(sink->text + sink->size, piece.at, piece.size);
    sink->size += piece.size;
    sink->text[sink->size] = '\0';
    return ERR_OK;
}

#define CHUNKED_HEAD "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

/* Feed `text` in steps of `step` bytes; returns what is left behind the body. */
static size_t feed(const char *text, size_t step, struct sink *sink, enum err *err)
{
    struct http_parser parser;
    struct http_head head;
    const char *sentence;
    size_t size = strlen(text), at = 0;
    bool complete = false;

    assert_int_equal(http_head_parse(&parser, SPAN_LITERAL(CHUNKED_HEAD), &head, &sentence), 0);
    *err = ERR_OK;
    while (at < size && !complete && *err == ERR_OK) {
        /* Each piece in a block of its own: a parser that keeps pointers is found out. */
        size_t piece = size - at < step ? size - at : step, used = 0;
        uint8_t *copy = malloc(piece);

        memcpy(copy, text + at, piece);
        *err = http_body_feed(&parser, (struct span){copy, piece}, take, sink, &used, &complete);
        assert_true(*err != ERR_OK || complete || used == piece);
        free(copy);
        at += used;
    }
    if (*err == ERR_OK && !complete)
        *err = ERR_AGAIN;
    return size - at;
}

static void decodes_chunks_however_they_are_cut(void **state)
{
    static const char text[] = "5\r\nhello\r\n1;name=value\r\n \r\n5\r\nworld\r\n"
                               "0\r\nTrailer: x\r\n\r\nGET /next";

    (void)state;
    for (size_t step = 1; step <= sizeof text; step++) {
        struct sink sink = {0};
        enum err err;

        assert_int_equal(feed(text, step, &sink, &err), 9);
        assert_int_equal(err, ERR_OK);
        assert_string_equal(sink.text, "hello world");
    }
}

static void refuses_broken_chunks(void **state)
{
    static const char *const bad[] = {
        "5\nhello\n0\n\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFFF\r\nhello",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nTrailer: x\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (size_t step = 1; step < 40; step += 13) {
            struct sink sink = {0};
            enum err err;

            (void)feed(bad[i], step, &sink, &err);
            if (err != ERR_CORRUPT)
                fail_msg("err %d for %s in steps of %zu", (int)err, bad[i], step);
        }
    }
}

/* Extensions and trailers cost input without giving body: there is a limit. */
static void limits_chunk_framing(void **state)
{
    size_t room = 100000;
    char *text = malloc(room);
    struct sink sink = {0};
    enum err err;

    (void)state;
    memset(text, 'x', room);
    memcpy(text, "1;", 2);
    memcpy(text + 9000, "\r\na\r\n0\r\n\r\n", 11);
    (void)feed(text, 1000, &sink, &err);
    assert_int_equal(err, ERR_CORRUPT);
    free(text);
}

static void passes_on_what_the_taker_says(void **state)
{
    struct sink sink = {.err = ERR_TOO_BIG};
    enum err err;

    (void)state;
    (void)feed("5\r\nhello\r\n0\r\n\r\n", 100, &sink, &err);
    assert_int_equal(err, ERR_TOO_BIG);
}

static void ends_a_body_with_its_length(void **state)
{
    struct http_parser parser;
    struct http_head head;
    const char *sentence;
    struct sink sink = {0};
    size_t used = 0;
    bool complete = false;

    (void)state;
    assert_int_equal(
        http_head_parse(&parser,
                        SPAN_LITERAL("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
                        &head, &sentence),
        0);
    assert_int_equal(http_body_feed(&parser, SPAN_LITERAL("hel"), take, &sink, &used, &complete),
                     ERR_OK);
    assert_int_equal(used, 3);
    assert_false(complete);
    assert_int_equal(http_body_feed(&parser, SPAN_LITERAL("loGET"), take, &sink, &used, &complete),
                     ERR_OK);
    assert_int_equal(used, 2);
    assert_true(complete);
    assert_string_equal(sink.text, "hello");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_a_plain_request),
        cmocka_unit_test(knows_when_the_connection_ends),
        cmocka_unit_test(takes_targets_in_both_forms),
        cmocka_unit_test(refuses_what_is_ambiguous),
        cmocka_unit_test(refuses_nul_bytes),
        cmocka_unit_test(limits_the_head),
        cmocka_unit_test(decodes_chunks_however_they_are_cut),
        cmocka_unit_test(refuses_broken_chunks),
        cmocka_unit_test(limits_chunk_framing),
        cmocka_unit_test(passes_on_what_the_taker_says),
        cmocka_unit_test(ends_a_body_with_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
