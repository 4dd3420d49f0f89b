/* What is stated of artifacts: written, read back, and every way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trust/artifact_json.h"

static enum err read(const char *text, struct artifact_facts *out, struct why *why)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    enum err err;

    assert_non_null(json);
    err = artifact_from_custom(json, out, why);
    json_decref(json);
    return err;
}

#define LEAST                                                                            \
    "\"format\":\"swu\",\"product\":\"box\",\"version\":\"2.0\",\"security_version\":1," \
    "\"kind\":\"feature\""

static void test_round_trip(void **state)
{
    struct artifact_facts facts = {.format = "mender",
                                   .product = "box",
                                   .version = "2.0",
                                   .hardware = {"rev-a", "rev-b"},
                                   .hardware_count = 2,
                                   .security_version = 7,
                                   .kind = RELEASE_SECURITY,
                                   .part = "os",
                                   .runs_as = "release 2.0"};
    struct artifact_facts back;
    struct why why;
    json_t *json;

    (void)state;
    json = artifact_to_custom(&facts);
    assert_int_equal(artifact_from_custom(json, &back, &why), ERR_OK);
    assert_memory_equal(&back, &facts, sizeof facts);
    json_decref(json);
}

static void test_the_least(void **state)
{
    struct artifact_facts facts;
    struct why why;

    (void)state;
    assert_int_equal(read("{\"slipway-artifact\":{" LEAST ",\"new\":1}}", &facts, &why), ERR_OK);
    assert_int_equal(facts.hardware_count, 0);
    assert_string_equal(facts.runs_as, "");
    assert_int_equal(read("{\"slipway\":{}}", &facts, &why), ERR_NOT_FOUND);
}

static void test_every_way_to_be_wrong(void **state)
{
    static const char *const texts[] = {
        "{\"slipway-artifact\":[]}",
        "{\"slipway-artifact\":{}}",
        "{\"slipway-artifact\":{" LEAST ",\"hardware\":\"a\"}}",
        "{\"slipway-artifact\":{" LEAST ",\"hardware\":[1]}}",
        "{\"slipway-artifact\":{" LEAST ",\"hardware\":[\"a b\"]}}",
        "{\"slipway-artifact\":{" LEAST ",\"part\":\"a/b\"}}",
        "{\"slipway-artifact\":{" LEAST ",\"part\":7}}",
        "{\"slipway-artifact\":{" LEAST ",\"runs_as\":\"two\\nlines\"}}",
        "{\"slipway-artifact\":{\"format\":\"\",\"product\":\"b\",\"version\":\"1\","
        "\"security_version\":0,\"kind\":\"feature\"}}",
        "{\"slipway-artifact\":{\"format\":\"swu\",\"product\":\"..\",\"version\":\"1\","
        "\"security_version\":0,\"kind\":\"feature\"}}",
        "{\"slipway-artifact\":{\"format\":\"swu\",\"product\":\"b\",\"version\":\"1/2\","
        "\"security_version\":0,\"kind\":\"feature\"}}",
        "{\"slipway-artifact\":{\"format\":\"swu\",\"product\":\"b\",\"version\":\"1\","
        "\"security_version\":-1,\"kind\":\"feature\"}}",
        "{\"slipway-artifact\":{\"format\":\"swu\",\"product\":\"b\",\"version\":\"1\","
        "\"security_version\":4294967296,\"kind\":\"feature\"}}",
        "{\"slipway-artifact\":{\"format\":\"swu\",\"product\":\"b\",\"version\":\"1\","
        "\"security_version\":0,\"kind\":\"other\"}}",
    };
    struct artifact_facts facts = {.hardware_count = 9};
    struct why why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (read(texts[i], &facts, &why) != ERR_CORRUPT)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(facts.hardware_count, 9);
        assert_true(why.text[0] != '\0');
    }
}

static void test_target_names(void **state)
{
    struct artifact_facts facts = {.product = "box", .version = "2.0"};
    char name[TARGET_NAME_SIZE_MAX + 1];
    struct why why;

    (void)state;
    assert_int_equal(artifact_target_name(&facts, "box.swu", name, &why), ERR_OK);
    assert_string_equal(name, "box/2.0/box.swu");
    assert_int_equal(artifact_target_name(&facts, "a b", name, &why), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_the_least),
        cmocka_unit_test(test_every_way_to_be_wrong),
        cmocka_unit_test(test_target_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
