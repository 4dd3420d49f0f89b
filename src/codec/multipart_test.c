/* Forms: the same whatever the pieces, and refused when they are not of the form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/multipart.h"

#define TYPE "multipart/form-data; boundary=xyz"

static void add(char *trace, const char *text, size_t size)
{
    size_t at = strlen(trace);

    memcpy(trace + at, text, size);
    trace[at + size] = '\0';
}

/* "size=12;file=...;" and "." at the end when it was complete. */
static enum err trace(const char *type, const char *body, size_t piece, char *out)
{
    struct multipart multipart;
    size_t size = strlen(body);

    out[0] = '\0';
    if (!multipart_init(&multipart, span_of(type)))
        return ERR_INVALID;
    for (size_t from = 0; from < size; from += piece) {
        struct span in = {(const uint8_t *)body + from, size - from < piece ? size - from : piece};
        enum multipart_event event = MULTIPART_PART;
        struct span data;

        while (event != MULTIPART_MORE) {
            TRY(multipart_step(&multipart, &in, &event, &data));
            if (event == MULTIPART_PART) {
                add(out, multipart.name, strlen(multipart.name));
                add(out, "=", 1);
            }
            if (event == MULTIPART_DATA)
                add(out, (const char *)data.at, data.size);
            if (event == MULTIPART_DONE)
                add(out, ";", 1);
        }
    }
    add(out, ".", multipart_is_complete(&multipart));
    return ERR_OK;
}

static const char good[] =
    "--xyz\r\nContent-Disposition: form-data; name=\"size\"\r\n\r\n12\r\n"
    "--xyz\r\ncontent-disposition: form-data; filename=\"a;b\"; name=file\r\n"
    "Content-Type: application/octet-stream\r\n\r\n"
    "a\r\n--xy\r\r\n-\r\n--xyz--\r\nepilogue";

static void test_pieces_do_not_matter(void **state)
{
    char out[512];

    (void)state;
    for (size_t piece = 1; piece < sizeof good; piece++) {
        assert_int_equal(trace(TYPE, good, piece, out), ERR_OK);
        assert_string_equal(out, "size=12;file=a\r\n--xy\r\r\n-;.");
    }
}

static void test_types(void **state)
{
    static const char *const bad[] = {
        "multipart/mixed; boundary=xyz", "multipart/form-data",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a\rb\"",
        "multipart/form-data; boundary=\"open"};
    char out[512];

    (void)state;
    assert_int_equal(trace("Multipart/Form-Data; charset=x; Boundary=\"xyz\"", good, 7, out),
                     ERR_OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(trace(bad[i], good, 7, out), ERR_INVALID);
}

static void test_what_is_wrong_is_refused(void **state)
{
    static const char *const bad[] = {"preamble\r\n--xyz\r\n",
                                      "--xyz \r\n",
                                      "--xyzz\r\n",
                                      "--xyz\r\nContent-Type: x\r\n\r\n",
                                      "--xyz\r\nContent-Disposition: form-data\r\n\r\n",
                                      "--xyz\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n"};
    char out[512], longest[2048] = "--xyz\r\n";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(trace(TYPE, bad[i], 3, out), ERR_CORRUPT);
    memset(longest + 7, 'x', 1500);
    assert_int_equal(trace(TYPE, longest, 100, out), ERR_TOO_BIG);
}

static void test_an_early_end_is_not_complete(void **state)
{
    char out[512], cut[sizeof good];

    (void)state;
    for (size_t size = 0; size < sizeof good - 13; size++) {
        memcpy(cut, good, size);
        cut[size] = '\0';
        assert_int_equal(trace(TYPE, cut, 9, out), ERR_OK);
        assert_null(strchr(out, '.'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_do_not_matter),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_an_early_end_is_not_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
