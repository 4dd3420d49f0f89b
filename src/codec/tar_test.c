/* Tar archives: what is written is read again in pieces of any size, and what is not of the subset
 * is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/tar.h"

#define ARCHIVE_SIZE (6u * TAR_BLOCK_SIZE)

static void make(uint8_t archive[ARCHIVE_SIZE])
{
    struct tar_file a = {.name = SPAN_LITERAL("a.txt"), .size = 5, .mode = 0644, .mtime_s = 7};
    struct tar_file b = {.name = SPAN_LITERAL("data/b"), .size = 0, .mode = 0600};

    memset(archive, 0, ARCHIVE_SIZE);
    assert_int_equal(tar_header(&a, archive), ERR_OK);
    memcpy(archive + TAR_BLOCK_SIZE, "hello", 5);
    assert_int_equal(tar_header(&b, archive + 2 * (size_t)TAR_BLOCK_SIZE), ERR_OK);
}

static void add(char *trace, const char *text, size_t size)
{
    size_t at = strlen(trace);

    memcpy(trace + at, text, size);
    trace[at + size] = '\0';
}

/* "a.txt=hello;data/b=;" */
static enum err read_all(const uint8_t *archive, size_t size, size_t piece, char *trace,
                         bool *complete)
{
    struct tar tar;

    tar_init(&tar);
    trace[0] = '\0';
    for (size_t from = 0; from < size; from += piece) {
        struct span in = {archive + from, size - from < piece ? size - from : piece};
        enum tar_event event = TAR_ENTRY;
        struct span data;

        while (event != TAR_MORE) {
            TRY(tar_step(&tar, &in, &event, &data));
            if (event == TAR_ENTRY) {
                add(trace, tar.name, strlen(tar.name));
                add(trace, "=", 1);
            }
            if (event == TAR_DATA)
                add(trace, (const char *)data.at, data.size);
            if (event == TAR_DONE)
                add(trace, ";", 1);
        }
    }
    *complete = tar_is_complete(&tar);
    return ERR_OK;
}

static void test_pieces_do_not_matter(void **state)
{
    uint8_t archive[ARCHIVE_SIZE];
    char trace[256];
    bool complete;

    (void)state;
    make(archive);
    for (size_t piece = 1; piece <= ARCHIVE_SIZE; piece = piece * 3 + 1) {
        assert_int_equal(read_all(archive, ARCHIVE_SIZE - TAR_BLOCK_SIZE, piece, trace, &complete),
                         ERR_OK);
        assert_string_equal(trace, "a.txt=hello;data/b=;");
        assert_true(complete);
    }
}

static void test_an_early_end_is_not_complete(void **state)
{
    uint8_t archive[ARCHIVE_SIZE];
    char trace[256];
    bool complete;

    (void)state;
    make(archive);
    for (size_t size = 0; size < 5 * (size_t)TAR_BLOCK_SIZE; size += 100) {
        assert_int_equal(read_all(archive, size, 64, trace, &complete), ERR_OK);
        assert_false(complete);
    }
}

static void refuse(size_t at, uint8_t byte)
{
    uint8_t archive[ARCHIVE_SIZE];
    char trace[256];
    bool complete;

    make(archive);
    archive[at] = byte;
    assert_int_equal(read_all(archive, ARCHIVE_SIZE, 512, trace, &complete), ERR_CORRUPT);
}

static void test_what_is_wrong_is_refused(void **state)
{
    (void)state;
    refuse(0, 'b');                        /* the checksum is of another name */
    refuse(TAR_BLOCK_SIZE + 5, 'x');       /* padding */
    refuse(4 * (size_t)TAR_BLOCK_SIZE, 1); /* no header, no zeros */
    refuse(ARCHIVE_SIZE - 1, 1);           /* something behind the end */
    refuse(257, 'U');                      /* not ustar */
}

/* With a checksum that is right. */
static void refuse_header(size_t at, const char *bytes)
{
    uint8_t archive[ARCHIVE_SIZE];
    char trace[256];
    unsigned sum = 0;
    bool complete;

    make(archive);
    memcpy(archive + at, bytes, strlen(bytes));
    memset(archive + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
        sum += archive[i];
    for (size_t i = 154; i-- > 148; sum >>= 3)
        archive[i] = (uint8_t)('0' + (sum & 7));
    archive[154] = '\0';
    assert_int_equal(read_all(archive, ARCHIVE_SIZE, 512, trace, &complete), ERR_CORRUPT);
}

static void test_only_plain_files(void **state)
{
    static const char *const types[] = {"1", "2", "3", "5", "x", "g", "L", "S"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        refuse_header(156, types[i]);
    refuse_header(124, "9");            /* no octal digit */
    refuse_header(124, "\x80");         /* a size in base 256 */
    refuse_header(124, "            "); /* none */
}

static void test_limits_of_a_header(void **state)
{
    static const char long_name[] = "01234567890123456789012345678901234567890123456789012345678901"
                                    "23456789012345678901234567890"
                                    "1234567890";
    struct tar_file file = {.name = SPAN_LITERAL(long_name), .size = 1};
    uint8_t block[TAR_BLOCK_SIZE];

    (void)state;
    assert_int_equal(tar_header(&file, block), ERR_TOO_BIG);
    file.name.size = 100;
    assert_int_equal(tar_header(&file, block), ERR_OK);
    file.size = UINT64_C(1) << 33;
    assert_int_equal(tar_header(&file, block), ERR_TOO_BIG);
    file.name.size = 0;
    assert_int_equal(tar_header(&file, block), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_do_not_matter),
        cmocka_unit_test(test_an_early_end_is_not_complete),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_only_plain_files),
        cmocka_unit_test(test_limits_of_a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
