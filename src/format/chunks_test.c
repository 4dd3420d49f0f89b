/* How an image is cut into chunks, at the edges of every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/sha256.h"
#include "format/chunks.h"

static void test_cut(void **state)
{
    const struct chunks odd = {.length = 2500, .size = 1024}, even = {.length = 2048, .size = 1024},
                        one = {.length = 1, .size = 1024};

    (void)state;
    assert_int_equal(chunks_check(&odd), ERR_OK);
    assert_int_equal(chunks_count(&odd), 3);
    assert_int_equal(chunks_list_size(&odd), 96);
    assert_int_equal(chunks_at(&odd, 2), 2048);
    assert_int_equal(chunks_size_of(&odd, 0), 1024);
    assert_int_equal(chunks_size_of(&odd, 2), 452);
    assert_int_equal(chunks_count(&even), 2);
    assert_int_equal(chunks_size_of(&even, 1), 1024);
    assert_int_equal(chunks_count(&one), 1);
    assert_int_equal(chunks_size_of(&one, 0), 1);
}

static void test_refused_geometry(void **state)
{
    static const struct {
        struct chunks chunks;
        enum err err;
    } cases[] = {
        {{0, 1024, 0}, ERR_INVALID},
        {{1, 0, 0}, ERR_INVALID},
        {{1, CHUNK_SIZE_MIN / 2, 0}, ERR_INVALID},
        {{1, CHUNK_SIZE_MIN + 1, 0}, ERR_INVALID},
        {{1, CHUNK_SIZE_MAX * 2, 0}, ERR_INVALID},
        {{(uint64_t)CHUNKS_MAX * 1024, 1024, 0}, ERR_OK},
        {{(uint64_t)CHUNKS_MAX * 1024 + 1, 1024, 0}, ERR_TOO_BIG},
        {{UINT64_MAX, CHUNK_SIZE_MAX, 0}, ERR_TOO_BIG},
        {{1, 1024, 16}, ERR_OK},
        {{1, 1024, CHUNK_TAG_MAX + 1}, ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(chunks_check(&cases[i].chunks), cases[i].err);
}

static void test_match(void **state)
{
    const struct chunks chunks = {.length = 1500, .size = 1024};
    uint8_t image[1500], list[2 * DIGEST_SIZE];
    struct span whole = {list, sizeof list}, second = {image + 1024, 476};

    (void)state;
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i * 7);
    sha256_of((struct span){image, 1024}, list);
    sha256_of(second, list + DIGEST_SIZE);
    assert_true(chunks_match(&chunks, whole, 0, (struct span){image, 1024}));
    assert_true(chunks_match(&chunks, whole, 1, second));
    assert_false(chunks_match(&chunks, whole, 0, second));
    assert_false(chunks_match(&chunks, whole, 1, (struct span){image + 1024, 475}));
    image[1499] ^= 1;
    assert_false(chunks_match(&chunks, whole, 1, second));
}

static void test_sent(void **state)
{
    const struct chunks chunks = {.length = 2500, .size = 1024, .tag = 16};
    uint8_t sent[3 * (1024 + 16)] = {0}, list[3 * DIGEST_SIZE];
    struct span whole = {list, sizeof list}, last = {sent + 2 * 1040, 452 + 16};

    (void)state;
    assert_int_equal(chunks_at(&chunks, 2), 2048);
    assert_int_equal(chunks_size_of(&chunks, 2), 452);
    assert_int_equal(chunks_sent_at(&chunks, 2), 2 * 1040);
    assert_int_equal(chunks_sent_size_of(&chunks, 0), 1040);
    assert_int_equal(chunks_sent_size_of(&chunks, 2), 468);
    assert_int_equal(chunks_sent_length(&chunks), 2500 + 3 * 16);
    assert_false(chunks_last(&chunks, 1));
    assert_true(chunks_last(&chunks, 2));
    sha256_of(last, list + 2 * DIGEST_SIZE);
    assert_true(chunks_match(&chunks, whole, 2, last));
    last.size -= 16;
    assert_false(chunks_match(&chunks, whole, 2, last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refused_geometry),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
