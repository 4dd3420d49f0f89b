#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "format/release.h"

static struct release_facts good(void)
{
    struct release_facts facts = {
        .product = "camera",
        .version = "1.2.0",
        .hardware = {"cam-a", "cam-b"},
        .hardware_count = 2,
        .security_version = 7,
        .security_floor = 5,
        .kind = RELEASE_SECURITY,
        .length = 100000,
        .chunk_size = CHUNK_SIZE_DEFAULT,
    };

    return facts;
}

static void assert_refused(struct release_facts facts, enum err err, const char *field)
{
    const char *said = NULL;

    assert_int_equal(release_facts_check(&facts, &said), err);
    assert_string_equal(said, field);
    assert_int_equal(release_facts_check(&facts, NULL), err);
}

static void test_good_facts(void **state)
{
    struct release_facts facts = good();

    (void)state;
    assert_int_equal(release_facts_check(&facts, NULL), ERR_OK);
    facts.bases[facts.bases_count++] = (struct release_base){.version = "1.1.0"};
    facts.bases[facts.bases_count++] = (struct release_base){.by_digest = true};
    facts.security_floor = facts.security_version;
    assert_int_equal(release_facts_check(&facts, NULL), ERR_OK);
}

static void test_each_bad_fact_is_named(void **state)
{
    struct release_facts facts;

    (void)state;
#define WITH(change, err, field)           \
    do {                                   \
        facts = good();                    \
        change;                            \
        assert_refused(facts, err, field); \
    } while (0)
    WITH(facts.product[0] = '\0', ERR_CORRUPT, "product");
    WITH(memcpy(facts.product, "..", sizeof ".."), ERR_CORRUPT, "product");
    WITH(memcpy(facts.product, "a/b", sizeof "a/b"), ERR_CORRUPT, "product");
    WITH(memcpy(facts.version, "1 0", sizeof "1 0"), ERR_CORRUPT, "version");
    WITH(facts.hardware_count = 0, ERR_CORRUPT, "hardware");
    WITH(facts.hardware_count = 3, ERR_CORRUPT, "hardware"); /* an empty name */
    WITH(facts.hardware_count = HARDWARE_MAX + 1, ERR_TOO_BIG, "hardware");
    WITH(facts.security_floor = 8, ERR_CORRUPT, "security_floor");
    WITH(facts.kind = (enum release_kind)2, ERR_CORRUPT, "kind");
    WITH(facts.length = 0, ERR_CORRUPT, "length");
    WITH(facts.chunk_size = 0, ERR_CORRUPT, "chunks");
    WITH(facts.chunk_size = CHUNK_SIZE_MIN - 1, ERR_CORRUPT, "chunks");
    WITH(facts.chunk_size = CHUNK_SIZE_MAX + 1, ERR_TOO_BIG, "chunks");
    WITH(facts.length = UINT64_MAX, ERR_TOO_BIG, "chunks");
    WITH(facts.bases_count = 1, ERR_CORRUPT, "from"); /* an empty version */
    WITH(facts.bases_count = BASES_MAX + 1, ERR_TOO_BIG, "from");
#undef WITH
}

static void test_words(void **state)
{
    char word[80];

    (void)state;
    memset(word, 'a', sizeof word);
    word[NAME_SIZE_MAX] = '\0';
    assert_true(release_name_ok(word));
    word[NAME_SIZE_MAX] = 'a';
    word[NAME_SIZE_MAX + 1] = '\0';
    assert_false(release_name_ok(word));
    assert_true(release_name_ok("A.b_c-9"));
    assert_true(release_name_ok("...a"));
    assert_false(release_name_ok("a+b"));
    assert_false(release_name_ok("..."));
    assert_true(release_version_ok("1.0~rc1+deb12u1"));
    word[VERSION_SIZE_MAX + 1] = '\0';
    assert_false(release_version_ok(word));
    word[VERSION_SIZE_MAX] = '\0';
    assert_true(release_version_ok(word));
}

static void test_whose_product_a_target_is_listed_for(void **state)
{
    (void)state;
    assert_true(release_listed_for(SPAN_LITERAL("cam/1/image"), "cam"));
    assert_false(release_listed_for(SPAN_LITERAL("camera/1/image"), "cam"));
    assert_false(release_listed_for(SPAN_LITERAL("ca/1/image"), "cam"));
    assert_false(release_listed_for(SPAN_LITERAL("tap/cam/image"), "cam"));
    assert_false(release_listed_for(SPAN_LITERAL("cam"), "cam"));
    assert_false(release_listed_for((struct span){0}, "cam"));
}

static void test_chunk_count(void **state)
{
    (void)state;
    assert_int_equal(release_chunk_count(0, 10), 0);
    assert_int_equal(release_chunk_count(1, 10), 1);
    assert_int_equal(release_chunk_count(10, 10), 1);
    assert_int_equal(release_chunk_count(11, 10), 2);
    assert_true(release_chunk_count(UINT64_MAX, 1) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_facts),
        cmocka_unit_test(test_each_bad_fact_is_named),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_chunk_count),
        cmocka_unit_test(test_whose_product_a_target_is_listed_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
