#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "trust/json_canon.h"
#include "trust/release_json.h"

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char full[] =
    "{\"slipway\":{\"product\":\"camera\",\"version\":\"2.0\",\"hardware\":[\"a\",\"b\"],"
    "\"security_version\":7,\"security_floor\":5,\"kind\":\"security\","
    "\"plain\":{\"length\":100000,\"sha256\":\"" HEX64 "\"},"
    "\"chunks\":{\"size\":65536,\"sha256\":\"" HEX64 "\"},"
    "\"from\":[\"1.9\",\"sha256:" HEX64 "\"],\"release_counter\":12,\"issued_s\":1795600954}}";

static json_t *read_json(const char *text)
{
    json_t *json = NULL;

    assert_int_equal(json_read(span_of(text), &json, NULL), ERR_OK);
    return json;
}

static void test_round_trip(void **state)
{
    json_t *json = read_json(full), *back;
    struct release_facts facts;

    (void)state;
    assert_int_equal(release_from_custom(json, &facts, NULL), ERR_OK);
    assert_string_equal(facts.product, "camera");
    assert_string_equal(facts.hardware[1], "b");
    assert_int_equal(facts.security_version, 7);
    assert_int_equal(facts.kind, RELEASE_SECURITY);
    assert_int_equal(facts.length, 100000);
    assert_int_equal(facts.sha256[1], 0x11);
    assert_int_equal(facts.bases_count, 2);
    assert_int_equal(facts.release_counter, 12);
    assert_int_equal(facts.issued_s, 1795600954);
    assert_false(facts.bases[0].by_digest);
    assert_true(facts.bases[1].by_digest);
    back = release_to_custom(&facts);
    assert_true(json_equal(json, back));
    json_decref(back);
    json_decref(json);
}

/* Two chunks of 65536 and 34464 bytes, each with a tag of 16. */
static const char sealed[] = "{\"alg\":\"aes-256-gcm\",\"length\":100032,\"sha256\":\"" HEX64
                             "\",\"key_check\":\"" HEX64 "\"}";

static void test_sealed(void **state)
{
    json_t *json = read_json(full), *back;
    struct release_facts facts;

    (void)state;
    assert_int_equal(release_from_custom(json, &facts, NULL), ERR_OK);
    assert_false(facts.sealed.used);
    assert_int_equal(release_sent_length(&facts), 100000);
    assert_ptr_equal(release_sent_sha256(&facts), facts.sha256);
    json_object_set_new(json_object_get(json, RELEASE_JSON_KEY), "sealed", read_json(sealed));
    assert_int_equal(release_from_custom(json, &facts, NULL), ERR_OK);
    assert_true(facts.sealed.used);
    assert_int_equal(facts.sealed.alg, AEAD_AES_256_GCM);
    assert_int_equal(facts.sealed.key_check[1], 0x11);
    assert_int_equal(release_sent_length(&facts), 100032);
    assert_ptr_equal(release_sent_sha256(&facts), facts.sealed.sha256);
    back = release_to_custom(&facts);
    assert_true(json_equal(json, back));
    json_decref(back);
    json_decref(json);
}

static void test_bad_sealed(void **state)
{
    static const struct {
        const char *field, *value, *said;
    } rows[] = {
        {"alg", "[\"rot13\"]", "sealed.alg"},
        {"alg", "[1]", "sealed.alg"},
        {"alg", NULL, "sealed.alg"},
        {"length", "[100031]", "sealed"},
        {"length", "[100000]", "sealed"},
        {"length", "[-1]", "sealed.length"},
        {"length", NULL, "sealed.length"},
        {"sha256", "[\"00\"]", "sealed.sha256"},
        {"sha256", NULL, "sealed.sha256"},
        {"key_check", "[1]", "sealed.key_check"},
        {"key_check", NULL, "sealed.key_check"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *json = read_json(full), *object = read_json(sealed), *value = NULL;
        struct release_facts facts;
        struct why why = {0};

        (void)json_object_del(object, rows[i].field);
        if (rows[i].value) {
            value = read_json(rows[i].value);
            json_object_set(object, rows[i].field, json_array_get(value, 0));
        }
        json_object_set_new(json_object_get(json, RELEASE_JSON_KEY), "sealed", object);
        assert_int_equal(release_from_custom(json, &facts, &why), ERR_CORRUPT);
        assert_string_equal(why.field, rows[i].said);
        json_decref(value);
        json_decref(json);
    }
}

static void test_no_facts(void **state)
{
    json_t *other = read_json("{\"other\":{}}");
    struct release_facts facts;

    (void)state;
    assert_int_equal(release_from_custom(NULL, &facts, NULL), ERR_NOT_FOUND);
    assert_int_equal(release_from_custom(other, &facts, NULL), ERR_NOT_FOUND);
    json_decref(other);
}

static void test_optional_and_unknown_fields(void **state)
{
    json_t *json = read_json(full);
    json_t *inner = json_object_get(json, RELEASE_JSON_KEY);
    struct release_facts facts;

    (void)state;
    assert_int_equal(json_object_del(inner, "from"), 0);
    assert_int_equal(json_object_del(inner, "release_counter"), 0);
    assert_int_equal(json_object_del(inner, "issued_s"), 0);
    assert_int_equal(json_object_set_new(inner, "x-new", json_null()), 0);
    assert_int_equal(release_from_custom(json, &facts, NULL), ERR_OK);
    assert_int_equal(facts.bases_count, 0);
    assert_int_equal(facts.release_counter, 0);
    assert_int_equal(facts.issued_s, 0);
    json_decref(json);
}

/* Each row puts `value` (JSON; NULL: nothing) into a field, or into a field of a field. */
static void test_each_bad_field_is_named(void **state)
{
    static const struct {
        const char *outer, *field, *value;
        enum err err;
        const char *said;
    } rows[] = {
        {NULL, "product", NULL, ERR_CORRUPT, "product"},
        {NULL, "product", "[1]", ERR_CORRUPT, "product"},
        {NULL, "product", "[\"a b\"]", ERR_CORRUPT, "product"},
        {NULL, "product", "[\"" HEX64 "0\"]", ERR_TOO_BIG, "product"},
        {NULL, "version", "[\"\"]", ERR_CORRUPT, "version"},
        {NULL, "version", "[\"123456789012345678901234567890123\"]", ERR_TOO_BIG, "version"},
        {NULL, "hardware", NULL, ERR_CORRUPT, "hardware"},
        {NULL, "hardware", "[[]]", ERR_CORRUPT, "hardware"},
        {NULL, "hardware", "[{\"a\":1}]", ERR_CORRUPT, "hardware"},
        {NULL, "hardware", "[[1]]", ERR_CORRUPT, "hardware"},
        {NULL, "hardware", "[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]]", ERR_TOO_BIG,
         "hardware"},
        {NULL, "security_version", "[-1]", ERR_CORRUPT, "security_version"},
        {NULL, "security_version", "[4294967296]", ERR_TOO_BIG, "security_version"},
        {NULL, "security_version", "[4]", ERR_CORRUPT, "security_floor"},
        {NULL, "security_floor", "[\"5\"]", ERR_CORRUPT, "security_floor"},
        {NULL, "release_counter", "[4294967296]", ERR_TOO_BIG, "release_counter"},
        {NULL, "release_counter", "[\"1\"]", ERR_CORRUPT, "release_counter"},
        {NULL, "issued_s", "[-1]", ERR_CORRUPT, "issued_s"},
        {NULL, "issued_s", "[32503680001]", ERR_TOO_BIG, "issued_s"},
        {NULL, "kind", "[\"urgent\"]", ERR_CORRUPT, "kind"},
        {NULL, "kind", "[0]", ERR_CORRUPT, "kind"},
        {NULL, "plain", NULL, ERR_CORRUPT, "plain.length"},
        {NULL, "plain", "[[]]", ERR_CORRUPT, "plain.length"},
        {"plain", "length", "[0]", ERR_CORRUPT, "length"},
        {"plain", "length", "[9223372036854775807]", ERR_TOO_BIG, "chunks"},
        {"plain", "sha256", "[\"00\"]", ERR_CORRUPT, "plain.sha256"},
        {"plain", "sha256", "[1]", ERR_CORRUPT, "plain.sha256"},
        {"chunks", "size", "[0]", ERR_CORRUPT, "chunks"},
        {"chunks", "size", "[1048577]", ERR_TOO_BIG, "chunks"},
        {"chunks", "sha256", NULL, ERR_CORRUPT, "chunks.sha256"},
        {NULL, "from", "[{}]", ERR_CORRUPT, "from"},
        {NULL, "from", "[[1]]", ERR_CORRUPT, "from"},
        {NULL, "from", "[[\"sha256:00\"]]", ERR_CORRUPT, "from"},
        {NULL, "from", "[[\"sha512:00\"]]", ERR_CORRUPT, "from"},
        {NULL, "from", "[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]]", ERR_TOO_BIG, "from"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *json = read_json(full), *object = json_object_get(json, RELEASE_JSON_KEY);
        struct release_facts facts;
        struct why why = {0};
        enum err err;

        if (rows[i].outer)
            object = json_object_get(object, rows[i].outer);
        (void)json_object_del(object, rows[i].field);
        if (rows[i].value) { /* in an array, since a text alone is no JSON to jansson */
            json_t *value = read_json(rows[i].value);

            json_object_set(object, rows[i].field, json_array_get(value, 0));
            json_decref(value);
        }
        err = release_from_custom(json, &facts, &why);
        if (err != rows[i].err || strcmp(why.field, rows[i].said) != 0)
            fail_msg("row %zu: %s, field \"%s\": %s", i, err_name(err), why.field, why.text);
        json_decref(json);
    }
}

static void test_target_name(void **state)
{
    struct release_facts facts = {.product = "camera", .version = "2.0"};
    char name[TARGET_NAME_SIZE_MAX + 1];

    (void)state;
    assert_int_equal(release_target_name(&facts, "image.bin", name, NULL), ERR_OK);
    assert_string_equal(name, "camera/2.0/image.bin");
    assert_int_equal(release_target_name(&facts, "..", name, NULL), ERR_CORRUPT);
    assert_int_equal(release_target_name(&facts, "a/b", name, NULL), ERR_CORRUPT);
    assert_int_equal(release_target_name(&facts, "", name, NULL), ERR_CORRUPT);
    memset(facts.product, 'p', NAME_SIZE_MAX);
    memset(facts.version, 'v', VERSION_SIZE_MAX);
    assert_int_equal(release_target_name(&facts, HEX64, name, NULL), ERR_TOO_BIG);
    assert_string_equal(name, "camera/2.0/image.bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_bad_sealed),
        cmocka_unit_test(test_no_facts),
        cmocka_unit_test(test_optional_and_unknown_fields),
        cmocka_unit_test(test_each_bad_field_is_named),
        cmocka_unit_test(test_target_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
