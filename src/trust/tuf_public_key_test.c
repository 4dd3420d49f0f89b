#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "trust/tuf_key.h"
#include "trust/tuf_public_key.h"

static json_t *fresh(enum key_kind kind)
{
    struct key *key = NULL;
    json_t *json;

    assert_int_equal(key_generate(kind, &key, NULL), ERR_OK);
    json = tuf_key_to_json(key);
    key_close(key);
    return json;
}

static enum err read_as(const json_t *json, const char *id)
{
    struct public_key *key = NULL;
    enum err err = tuf_public_key_read(json, id, &key, NULL);

    assert_int_equal(err == ERR_OK, key != NULL);
    public_key_close(key);
    return err;
}

static void test_ids(void **state)
{
    json_t *json = fresh(KEY_ED25519);
    char plain[DIGEST_HEX_SIZE], with_more[DIGEST_HEX_SIZE];

    (void)state;
    assert_int_equal(tuf_key_id_of_json(json, plain, NULL), ERR_OK);
    assert_int_equal(read_as(json, plain), ERR_OK);
    json_object_set_new(json, "x-owner", json_string("somebody"));
    assert_int_equal(tuf_key_id_of_json(json, with_more, NULL), ERR_OK);
    assert_string_not_equal(plain, with_more);
    assert_int_equal(read_as(json, with_more), ERR_OK);
    assert_int_equal(read_as(json, plain), ERR_OK); /* fields added after the id was made */
    with_more[0] = with_more[0] == '0' ? '1' : '0';
    assert_int_equal(read_as(json, with_more), ERR_CONFLICT);
    assert_int_equal(read_as(json, ""), ERR_CONFLICT);
    json_object_set_new(json_object_get(json, "keyval"), "x", json_integer(1));
    assert_int_equal(read_as(json, plain), ERR_CONFLICT); /* inside keyval everything counts */
    json_decref(json);
}

static void test_objects_that_are_no_keys(void **state)
{
    static const struct {
        const char *member, *value;
        enum err err;
    } rows[] = {
        {"keytype", NULL, ERR_CORRUPT},
        {"keytype", "1", ERR_CORRUPT},
        {"scheme", NULL, ERR_CORRUPT},
        {"keytype", "\"unheard-of\"", ERR_INVALID},
        {"scheme", "\"rsassa-pss-sha256\"", ERR_INVALID},
        {"keyval", NULL, ERR_CORRUPT},
        {"keyval", "{\"public\": 1}", ERR_CORRUPT},
        {"keyval", "{\"public\": \"\"}", ERR_CORRUPT},
        {"keyval", "{\"public\": \"zz\"}", ERR_CORRUPT},
        {"keyval", "{\"public\": \"-----BEGIN PUBLIC KEY-----\"}", ERR_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *json = fresh(KEY_ED25519);
        char id[DIGEST_HEX_SIZE];

        json_object_del(json, rows[i].member);
        if (rows[i].value)
            json_object_set_new(json, rows[i].member,
                                json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(tuf_key_id_of_json(json, id, NULL), ERR_OK);
        if (read_as(json, id) != rows[i].err)
            fail_msg("row %zu", i);
        json_decref(json);
    }
    assert_int_equal(read_as(NULL, ""), ERR_CORRUPT);
}

static void test_old_spelling(void **state)
{
    json_t *json = fresh(KEY_ECDSA_P256);
    char id[DIGEST_HEX_SIZE];

    (void)state;
    json_object_set_new(json, "keytype", json_string("ecdsa-sha2-nistp256"));
    assert_int_equal(tuf_key_id_of_json(json, id, NULL), ERR_OK);
    assert_int_equal(read_as(json, id), ERR_OK);
    json_object_set_new(json, "scheme", json_string("ecdsa-sha2-nistp384"));
    assert_int_equal(tuf_key_id_of_json(json, id, NULL), ERR_OK);
    assert_int_equal(read_as(json, id), ERR_INVALID);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_objects_that_are_no_keys),
        cmocka_unit_test(test_old_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
