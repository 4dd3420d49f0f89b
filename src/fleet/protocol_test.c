/* Protocols and formats: names, and who can use what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fleet/protocol.h"

static void test_names(void **state)
{
    enum artifact_format format;
    enum protocol protocol;

    (void)state;
    for (enum protocol i = 0; i < PROTOCOL_COUNT; i++) {
        assert_int_equal(protocol_parse(span_of(protocol_name(i)), &protocol), ERR_OK);
        assert_int_equal(protocol, i);
    }
    for (enum artifact_format i = 0; i < ARTIFACT_FORMAT_COUNT; i++) {
        assert_int_equal(artifact_format_parse(span_of(artifact_format_name(i)), &format), ERR_OK);
        assert_int_equal(format, i);
        assert_true(artifact_format_text(i)[0] != '\0');
    }
    assert_int_equal(protocol_parse(span_of("HAWKBIT"), &protocol), ERR_NOT_FOUND);
    assert_int_equal(protocol_parse(span_of(""), &protocol), ERR_NOT_FOUND);
    assert_int_equal(artifact_format_parse(span_of("swu "), &format), ERR_NOT_FOUND);
}

static void test_formats(void **state)
{
    char text[128];
    struct buf buf = buf_over(text, sizeof text);
    enum artifact_format format;

    (void)state;
    for (enum protocol i = 0; i < PROTOCOL_COUNT; i++) {
        buf_text(&buf, protocol_name(i));
        for (unsigned j = 0; protocol_format(i, j, &format); j++) {
            buf_byte(&buf, ' ');
            buf_text(&buf, artifact_format_name(format));
        }
        buf_byte(&buf, '\n');
    }
    assert_string_equal(buf_finish_text(&buf), "native image\n"
                                               "hawkbit swu raucb file\n"
                                               "mender mender\n");
    assert_true(protocol_proves(PROTOCOL_NATIVE) && protocol_asks(PROTOCOL_NATIVE));
    assert_false(protocol_proves(PROTOCOL_HAWKBIT) || protocol_asks(PROTOCOL_HAWKBIT));
    assert_false(protocol_proves(PROTOCOL_MENDER) || protocol_asks(PROTOCOL_MENDER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
