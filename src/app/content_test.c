/* Content keys on the server: which are taken, how they lie there, and for whom they come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/content.h"
#include "app/stage.h"
#include "format/cose.h"
#include "format/mandate.h"

static const uint16_t everybody[] = {1000, 0};
static const uint8_t storage_key[AEAD_KEY_SIZE] = {7}, content_key[CONTENT_KEY_SIZE] = {1, 2};

struct place {
    struct stage stage;
    struct wrap_key *key; /* of gw-1 */
    struct stage_device device;
    int64_t release;
};

static enum err tell_key(struct stage *stage, void *self)
{
    struct place *place = self;
    uint8_t bytes[WRAP_PUBLIC_SIZE_MAX];
    struct buf out = buf_over(bytes, sizeof bytes);
    struct device_call call = {.now = stage->now, .actor = "device:gw-1"};

    assert_int_equal(store_device_find(stage->db, 1, SPAN_LITERAL("gw-1"), &call.device), ERR_OK);
    wrap_key_public(place->key, &out);
    return content_take_sealing_key(&stage->app, &call, buf_written(&out), &stage->why);
}

/* 2.0 as a sealed release, as publishing would have written it. */
static int64_t sealed_release(struct stage *stage)
{
    struct sealing_image image = {.alg = AEAD_CHACHA20_POLY1305, .chunk_size = 65536};
    int64_t id = stage_release(stage, "2.0");
    struct release_row row;
    uint8_t check[DIGEST_SIZE];

    assert_int_equal(store_release_get(stage->db, 1, id, &row), ERR_OK);
    memcpy(image.sha256, row.plain_sha256, DIGEST_SIZE);
    image.chunk_size = row.chunk_size;
    sealing_check(&image, content_key, check);
    assert_int_equal(db_begin(stage->db), ERR_OK);
    db_query(stage->db, "UPDATE release SET seal = 1, key_check = $1 WHERE id = $2");
    db_bind_bytes(stage->db, check, sizeof check);
    db_bind_int(stage->db, id);
    assert_int_equal(db_run(stage->db), ERR_OK);
    assert_int_equal(db_commit(stage->db), ERR_OK);
    return id;
}

static int open_place(void **state)
{
    static struct place place;
    struct stage *stage = &place.stage;

    stage_open(stage, false);
    stage->app.config.content_storage_key = storage_key;
    assert_int_equal(wrap_key_generate(WRAP_X25519, &place.key, NULL), ERR_OK);
    stage_device(stage, "gw-1", "a", "1.0", &place.device);
    place.release = sealed_release(stage);
    *state = &place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;

    stage_check(&place->stage);
    stage_close(&place->stage);
    wrap_key_close(place->key);
    return 0;
}

struct upload {
    const char *release;
    const uint8_t *key;
};

static enum err take(struct stage *stage, void *self)
{
    const struct upload *upload = self;
    const struct content_upload content = {.tenant = 1,
                                           .actor = "token:ada",
                                           .release = span_of(upload->release),
                                           .key = upload->key,
                                           .now = stage->now};

    return content_take(&stage->app, &content, &stage->why);
}

static enum err bring(struct place *place, const char *release, const uint8_t *key)
{
    struct upload upload = {release, key};

    return stage_run(&place->stage, take, &upload);
}

static int64_t entries(struct place *place)
{
    return stage_number(&place->stage, "SELECT count(*) FROM audit WHERE CAST(line AS TEXT)"
                                       " LIKE '%release.content-key%'");
}

static void test_only_the_right_one(void **state)
{
    static const uint8_t other[CONTENT_KEY_SIZE] = {1, 3};
    struct place *place = *state;

    (void)stage_release(&place->stage, "3.0");
    assert_int_equal(bring(place, "box@2.0", other), ERR_UNTRUSTED);
    assert_int_equal(bring(place, "box@3.0", content_key), ERR_INVALID);
    assert_int_equal(bring(place, "box@4.0", content_key), ERR_NOT_FOUND);
    assert_int_equal(bring(place, "box", content_key), ERR_NOT_FOUND);
    assert_int_equal(entries(place), 4);
    assert_int_equal(bring(place, "box@2.0", content_key), ERR_OK);
    assert_int_equal(bring(place, "box@2.0", content_key), ERR_OK); /* changes nothing */
    assert_int_equal(entries(place), 5);
}

static void test_a_server_that_keeps_none(void **state)
{
    struct place *place = *state;

    place->stage.app.config.content_storage_key = NULL;
    assert_int_equal(bring(place, "box@2.0", content_key), ERR_UNSUITABLE);
}

static enum err wrap(struct place *place, struct buf *out)
{
    struct device_row device;
    struct release_row release;

    assert_int_equal(store_device_find(place->stage.db, 1, SPAN_LITERAL("gw-1"), &device), ERR_OK);
    assert_int_equal(store_release_get(place->stage.db, 1, place->release, &release), ERR_OK);
    return content_wrap(&place->stage.app, &device, &release, out, &place->stage.why);
}

static enum err ready(struct place *place)
{
    struct release_row release;

    assert_int_equal(store_release_get(place->stage.db, 1, place->release, &release), ERR_OK);
    return content_ready(&place->stage.app, &release, &place->stage.why);
}

static void test_what_is_stored_opens_in_its_place_only(void **state)
{
    static const uint8_t other_storage_key[AEAD_KEY_SIZE] = {8};
    struct place *place = *state;
    uint8_t bytes[WRAP_SIZE_MAX];
    struct buf out = buf_over(bytes, sizeof bytes);

    assert_int_equal(stage_run(&place->stage, tell_key, place), ERR_OK);
    assert_int_equal(wrap(place, &out), ERR_NOT_FOUND);
    assert_int_equal(bring(place, "box@2.0", content_key), ERR_OK);
    assert_int_equal(stage_number(&place->stage, "SELECT length(content_key) FROM release"
                                                 " WHERE seal > 0"),
                     60);
    assert_int_equal(wrap(place, &out), ERR_OK);
    assert_int_equal(out.size, 81);
    place->stage.app.config.content_storage_key = other_storage_key;
    assert_int_equal(wrap(place, &out), ERR_CORRUPT);
    assert_int_equal(ready(place), ERR_INVALID);
    assert_int_equal(bring(place, "box@2.0", content_key), ERR_OK); /* mends it */
    assert_int_equal(ready(place), ERR_OK);
    assert_int_equal(wrap(place, &out), ERR_TOO_BIG); /* behind the first one */
    out.size = 0, out.overflow = false;
    assert_int_equal(wrap(place, &out), ERR_OK);
    (void)stage_number(&place->stage, "UPDATE release SET plain_sha256 = zeroblob(32)"
                                      " WHERE seal > 0 RETURNING id");
    out.size = 0;
    assert_int_equal(wrap(place, &out), ERR_CORRUPT);
}

/* The content key of the last answer's mandate, opened with the device's key. */
static enum err open_mandate(struct place *place, uint8_t out[CONTENT_KEY_SIZE])
{
    struct span bytes = {place->device.mandate, place->device.mandate_size};
    struct cose_sign1 message;
    struct mandate mandate;

    assert_int_equal(cose_sign1_read(bytes, &message), ERR_OK);
    assert_int_equal(mandate_read(message.payload, &mandate), ERR_OK);
    return wrap_unseal(place->key, &(struct wrap_for){"gw-1", mandate.sha256}, mandate.content_key,
                       out, NULL);
}

static enum native_answer_kind poll(struct place *place)
{
    struct native_answer answer;

    place->stage.now.ms += 1000;
    assert_int_equal(stage_poll(&place->stage, &place->device, &answer), ERR_OK);
    return answer.kind;
}

static void test_a_mandate_brings_it(void **state)
{
    struct place *place = *state;
    uint8_t key[CONTENT_KEY_SIZE];

    assert_int_equal(stage_run(&place->stage, tell_key, place), ERR_OK);
    assert_int_equal(bring(place, "box@2.0", content_key), ERR_OK);
    (void)stage_rollout(&place->stage, "r", place->release, everybody);
    assert_int_equal(poll(place), NATIVE_INSTALL);
    assert_int_equal(open_mandate(place, key), ERR_OK);
    assert_memory_equal(key, content_key, sizeof key);
    /* Renewed with another key while the order is open: the next answer is for that one. */
    wrap_key_close(place->key);
    assert_int_equal(wrap_key_generate(WRAP_P256, &place->key, NULL), ERR_OK);
    assert_int_equal(stage_run(&place->stage, tell_key, place), ERR_OK);
    assert_int_equal(poll(place), NATIVE_INSTALL);
    assert_int_equal(open_mandate(place, key), ERR_OK);
    assert_int_equal(stage_number(&place->stage, "SELECT count(*) FROM audit WHERE CAST(line AS"
                                                 " TEXT) LIKE '%device.sealing-key%'"),
                     1);
}

static void test_nothing_is_offered_that_cannot_be_opened(void **state)
{
    static const uint8_t other_storage_key[AEAD_KEY_SIZE] = {8};
    struct place *place = *state;

    assert_int_equal(stage_run(&place->stage, tell_key, place), ERR_OK);
    assert_int_equal(bring(place, "box@2.0", content_key), ERR_OK);
    (void)stage_rollout(&place->stage, "r", place->release, everybody);
    place->stage.app.config.content_storage_key = other_storage_key;
    assert_int_equal(poll(place), NATIVE_NOTHING);
    place->stage.app.config.content_storage_key = storage_key;
    assert_int_equal(poll(place), NATIVE_INSTALL);
}

static void test_a_device_without_a_sealing_key(void **state)
{
    struct place *place = *state;

    assert_int_equal(bring(place, "box@2.0", content_key), ERR_OK);
    (void)stage_rollout(&place->stage, "r", place->release, everybody);
    assert_int_equal(poll(place), NATIVE_NOTHING);
    assert_int_equal(stage_number(&place->stage, "SELECT count(*) FROM assignment"), 0);
    assert_int_equal(stage_run(&place->stage, tell_key, place), ERR_OK);
    place->stage.now.ms += 60000;
    assert_int_equal(stage_tick(&place->stage), ERR_OK);
    assert_int_equal(poll(place), NATIVE_INSTALL);
}

static enum err tell_nonsense(struct stage *stage, void *self)
{
    struct device_call call = {.now = stage->now, .actor = "device:gw-1"};

    assert_int_equal(store_device_find(stage->db, 1, SPAN_LITERAL("gw-1"), &call.device), ERR_OK);
    return content_take_sealing_key(&stage->app, &call, span_of(self), &stage->why);
}

static void test_sealing_keys_that_are_none(void **state)
{
    static char nonsense[][40] = {"\x01", "\x03xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "pem"};
    struct place *place = *state;

    for (size_t i = 0; i < COUNT_OF(nonsense); i++)
        assert_int_equal(stage_run(&place->stage, tell_nonsense, nonsense[i]), ERR_CORRUPT);
    assert_int_equal(stage_number(&place->stage, "SELECT max(length(sealing_key)) FROM device"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_only_the_right_one),
        TEST(test_a_server_that_keeps_none),
        TEST(test_what_is_stored_opens_in_its_place_only),
        TEST(test_a_mandate_brings_it),
        TEST(test_nothing_is_offered_that_cannot_be_opened),
        TEST(test_a_device_without_a_sealing_key),
        TEST(test_sealing_keys_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
