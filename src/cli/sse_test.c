/* Event streams: whole, in single bytes, with every kind of line end, and past the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/sse.h"

static char seen[4096];
static struct sse sse;

static enum err note(void *self, const char *name, const char *data)
{
    (void)self;
    (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s<%.100s>\n", name, data);
    return strcmp(name, "stop") == 0 ? ERR_AGAIN : ERR_OK;
}

static void begin(void)
{
    seen[0] = '\0';
    sse_init(&sse, note, NULL);
}

static void test_stream(void **state)
{
    static const char stream[] = ": hello\n\nevent: rollout.state\nid: 4\ndata: {\"a\":1}\n\n"
                                 "data: one\r\ndata:two\r\n\r\ndata\r\revent: empty\n\n"
                                 "retry: 3\nfoo: bar\ndata:  spaced\n\ndata: cut off";

    (void)state;
    begin();
    assert_int_equal(sse_feed(&sse, SPAN_LITERAL(stream)), ERR_OK);
    assert_string_equal(seen, "rollout.state<{\"a\":1}>\nmessage<one\ntwo>\nmessage<>\n"
                              "message< spaced>\n");
    begin();
    for (size_t i = 0; i < sizeof stream - 1; i++)
        assert_int_equal(sse_feed(&sse, (struct span){(const uint8_t *)stream + i, 1}), ERR_OK);
    assert_string_equal(seen, "rollout.state<{\"a\":1}>\nmessage<one\ntwo>\nmessage<>\n"
                              "message< spaced>\n");
}

static void test_receiver_stops_it(void **state)
{
    (void)state;
    begin();
    assert_int_equal(sse_feed(&sse, SPAN_LITERAL("event: stop\ndata: x\n\ndata: y\n\n")),
                     ERR_AGAIN);
    assert_string_equal(seen, "stop<x>\n");
}

static void test_too_long_is_dropped(void **state)
{
    static char stream[2 * SSE_DATA_SIZE];

    (void)state;
    begin();
    memset(stream, 'x', sizeof stream);
    memcpy(stream, "data: ", 6);
    assert_int_equal(sse_feed(&sse, (struct span){(uint8_t *)stream, sizeof stream}), ERR_OK);
    assert_int_equal(sse_feed(&sse, SPAN_LITERAL("\n\ndata: next\n\n")), ERR_OK);
    assert_string_equal(seen, "message<next>\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_receiver_stops_it),
        cmocka_unit_test(test_too_long_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
