#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/hex.h"
#include "trust/json_canon.h"
#include "trust/tuf_file.h"
#include "trust/tuf_key.h"

/* The public key of RFC 8032 7.1 TEST 3, and the SHA-256 of its canonical object as computed by
 * sha256sum. */
#define ED25519_PUBLIC "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
#define ED25519_OBJECT                                                  \
    "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"" ED25519_PUBLIC \
    "\"},\"scheme\":\"ed25519\"}"
#define ED25519_ID "e45b8d1fab21a7a7550adbca559eade41e36a398f14a577f8766ec32bf237101"

static json_t *read_json(const char *text)
{
    json_t *json = NULL;

    assert_int_equal(json_read(span_of(text), &json, NULL), ERR_OK);
    return json;
}

static void test_known_id(void **state)
{
    json_t *json = read_json(ED25519_OBJECT), *back;
    char id[DIGEST_HEX_SIZE];
    struct key *key = NULL;

    (void)state;
    assert_int_equal(tuf_key_from_json(json, &key, NULL), ERR_OK);
    tuf_key_id(key, id);
    assert_string_equal(id, ED25519_ID);
    back = tuf_key_to_json(key);
    assert_true(json_equal(json, back));
    assert_int_equal(json_object_set_new(json, "x", json_integer(1)), 0);
    assert_int_equal(tuf_key_id_of_json(json, id, NULL), ERR_OK);
    assert_string_not_equal(id, ED25519_ID); /* unknown fields count */
    json_decref(back);
    json_decref(json);
    key_close(key);
}

static void test_both_kinds_round_trip(void **state)
{
    static const enum key_kind kinds[] = {KEY_ED25519, KEY_ECDSA_P256};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct key *key = NULL, *back = NULL;
        json_t *json;

        assert_int_equal(key_generate(kinds[i], &key, NULL), ERR_OK);
        json = tuf_key_to_json(key);
        assert_int_equal(tuf_key_from_json(json, &back, NULL), ERR_OK);
        assert_true(key_same(key, back));
        assert_false(key_is_private(back));
        key_close(back);
        if (kinds[i] == KEY_ECDSA_P256) { /* as repositories wrote it before */
            assert_int_equal(
                json_object_set_new(json, "keytype", json_string("ecdsa-sha2-nistp256")), 0);
            assert_int_equal(tuf_key_from_json(json, &back, NULL), ERR_OK);
            key_close(back);
        }
        json_decref(json);
        key_close(key);
    }
}

static void test_bad_objects(void **state)
{
    static const struct {
        const char *text;
        enum err err;
    } bad[] = {
        {"{}", ERR_CORRUPT},
        {"[]", ERR_CORRUPT},
        {"{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{}}", ERR_CORRUPT},
        {"{\"keytype\":1,\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"00\"}}", ERR_CORRUPT},
        {"{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"00\"}}",
         ERR_CORRUPT},
        {"{\"keytype\":\"ecdsa\",\"scheme\":\"ecdsa-sha2-nistp256\",\"keyval\":{\"public\":"
         "\"" ED25519_PUBLIC "\"}}",
         ERR_CORRUPT},
        {"{\"keytype\":\"rsa\",\"scheme\":\"rsassa-pss-sha256\",\"keyval\":{\"public\":\"x\"}}",
         ERR_INVALID},
        {"{\"keytype\":\"ed25519\",\"scheme\":\"ecdsa-sha2-nistp256\",\"keyval\":{\"public\":"
         "\"" ED25519_PUBLIC "\"}}",
         ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        json_t *json = read_json(bad[i].text);
        struct key *key = NULL;
        struct why why = {0};

        assert_int_equal(tuf_key_from_json(json, &key, &why), bad[i].err);
        assert_null(key);
        assert_true(why.text[0] != '\0');
        json_decref(json);
    }
}

/* An Ed25519 key dressed as ECDSA, or the other way round, is refused. */
static void test_pem_of_another_kind(void **state)
{
    char pem[KEY_PEM_SIZE_MAX];
    struct buf buf = buf_over(pem, sizeof pem);
    struct key *key = NULL, *out = NULL;
    json_t *json;

    (void)state;
    assert_int_equal(key_generate(KEY_ED25519, &key, NULL), ERR_OK);
    key_public_pem(key, &buf);
    json = json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ecdsa", "scheme", "ecdsa-sha2-nistp256",
                     "keyval", "public", buf_finish_text(&buf));
    assert_int_equal(tuf_key_from_json(json, &out, NULL), ERR_CORRUPT);
    json_decref(json);
    key_close(key);
}

static void test_load_takes_every_form(void **state)
{
    char dir[] = "/tmp/tuf_key_test.XXXXXX", path[64];
    struct key *key = NULL, *back = NULL;
    struct why why = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/key", dir);
    assert_int_equal(tuf_key_load(path, NULL, &back, &why), ERR_NOT_FOUND);
    assert_int_equal(tuf_file_replace(dir, "key", span_of("\n " ED25519_OBJECT "\n"), NULL),
                     ERR_OK);
    assert_int_equal(tuf_key_load(path, NULL, &back, &why), ERR_OK);
    key_close(back);
    back = NULL;
    assert_int_equal(tuf_file_replace(dir, "key", span_of("{\"keytype\":"), NULL), ERR_OK);
    assert_int_equal(tuf_key_load(path, NULL, &back, &why), ERR_CORRUPT);
    assert_non_null(strstr(why.text, path));
    assert_int_equal(unlink(path), 0);

    assert_int_equal(key_generate(KEY_ECDSA_P256, &key, NULL), ERR_OK);
    assert_int_equal(key_save_private(key, path, NULL), ERR_OK);
    assert_int_equal(tuf_key_load(path, NULL, &back, &why), ERR_OK);
    assert_true(key_is_private(back));
    key_close(back);
    key_close(key);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_id),
        cmocka_unit_test(test_both_kinds_round_trip),
        cmocka_unit_test(test_bad_objects),
        cmocka_unit_test(test_pem_of_another_kind),
        cmocka_unit_test(test_load_takes_every_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
