#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/sealing.h"
#include "device/sealing_key.h"
#include "os/file.h"

static const uint8_t content_key[CONTENT_KEY_SIZE] = {1, 2, 3};
static const uint8_t sha256[DIGEST_SIZE] = {4, 5, 6};
static const struct sealer_image image = {
    .alg = AEAD_CHACHA20_POLY1305, .sha256 = sha256, .chunk_size = 1024};

struct place {
    char dir[64], key[96], told[96];
    struct sealing_key sealing;
};

static int make_place(void **state)
{
    static struct place place;

    (void)snprintf(place.dir, sizeof place.dir, "/tmp/sealing_key_test.XXXXXX");
    assert_non_null(mkdtemp(place.dir));
    (void)snprintf(place.key, sizeof place.key, "%s/sealing.key", place.dir);
    (void)snprintf(place.told, sizeof place.told, "%s/sealing.pub", place.dir);
    assert_int_equal(sealing_key_open(&place.sealing, place.dir, "pump-17", NULL), ERR_OK);
    *state = &place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;

    sealing_key_close(&place->sealing);
    (void)unlink(place->key);
    (void)unlink(place->told);
    return rmdir(place->dir);
}

static void open_again(struct place *place)
{
    sealing_key_close(&place->sealing);
    assert_int_equal(sealing_key_open(&place->sealing, place->dir, "pump-17", NULL), ERR_OK);
}

static size_t wrap_for_us(struct place *place, const char *device, uint8_t out[WRAP_SIZE_MAX])
{
    const struct wrap_for to = {device, sha256};
    struct buf buf = buf_over(out, WRAP_SIZE_MAX);

    assert_int_equal(wrap_seal(sealing_key_public(&place->sealing), &to, content_key, &buf, NULL),
                     ERR_OK);
    return buf_written(&buf).size;
}

static enum err begin(struct place *place, const uint8_t *wrap, size_t size)
{
    const struct sealer *sealer = &place->sealing.sealer;

    return sealer->ops->begin(sealer->self, &image, (struct span){wrap, size});
}

static void test_made_once(void **state)
{
    struct place *place = *state;
    uint8_t before[WRAP_PUBLIC_SIZE_MAX];
    struct stat info;

    assert_int_equal(sealing_key_public(&place->sealing).size, 33);
    memcpy(before, sealing_key_public(&place->sealing).at, 33);
    assert_int_equal(stat(place->key, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_false(place->sealing.told);
    sealing_key_told(&place->sealing);
    open_again(place);
    assert_true(place->sealing.told);
    assert_memory_equal(before, sealing_key_public(&place->sealing).at, 33);
}

static void test_lost(void **state)
{
    static const char *const contents[] = {NULL, "", "no key"};
    struct place *place = *state;
    uint8_t before[WRAP_PUBLIC_SIZE_MAX];

    for (size_t i = 0; i < COUNT_OF(contents); i++) {
        sealing_key_told(&place->sealing);
        memcpy(before, sealing_key_public(&place->sealing).at, 33);
        assert_int_equal(unlink(place->key), 0);
        if (contents[i])
            assert_int_equal(file_replace(place->key, span_of(contents[i]), 0600, NULL), ERR_OK);
        open_again(place);
        assert_false(place->sealing.told);
        assert_memory_not_equal(before, sealing_key_public(&place->sealing).at, 33);
    }
}

static void test_opens_what_is_ours(void **state)
{
    struct place *place = *state;
    const struct sealer *sealer = &place->sealing.sealer;
    uint8_t wrap[WRAP_SIZE_MAX], bytes[1024 + AEAD_TAG_SIZE] = "plain";
    size_t size = wrap_for_us(place, "pump-17", wrap);

    sealing_key_told(&place->sealing);
    assert_int_equal(begin(place, wrap, size), ERR_OK);
    sealer->ops->seal(sealer->self, 0, true, bytes, 5);
    assert_memory_not_equal(bytes, "plain", 5);
    assert_true(sealer->ops->unseal(sealer->self, 0, true, bytes, 5));
    assert_memory_equal(bytes, "plain", 5);
    assert_false(sealer->ops->unseal(sealer->self, 0, true, bytes, 5));
    assert_int_equal(begin(place, wrap, size), ERR_OK); /* over again */
    assert_true(place->sealing.told);
}

/* A wrap that does not open: the server has another key of ours, and is to be told. */
static void test_wrapped_for_another(void **state)
{
    struct place *place = *state;
    uint8_t wrap[WRAP_SIZE_MAX];
    size_t size = wrap_for_us(place, "pump-18", wrap);

    sealing_key_told(&place->sealing);
    assert_int_equal(begin(place, wrap, size), ERR_UNTRUSTED);
    assert_false(place->sealing.told);
    assert_false(file_exists(place->told));
    assert_int_equal(begin(place, wrap, size - 1), ERR_CORRUPT);
    assert_int_equal(begin(place, wrap, 0), ERR_CORRUPT);
}

static void test_a_key_of_the_operator(void **state)
{
    struct place *place = *state;
    uint8_t pem[WRAP_PEM_SIZE_MAX], wrap[WRAP_SIZE_MAX];
    struct buf out = buf_over(pem, sizeof pem);
    struct wrap_key *key;

    assert_int_equal(wrap_key_generate(WRAP_P256, &key, NULL), ERR_OK);
    wrap_key_pem(key, &out);
    wrap_key_close(key);
    assert_int_equal(file_replace(place->key, buf_written(&out), 0600, NULL), ERR_OK);
    open_again(place);
    assert_int_equal(sealing_key_public(&place->sealing).size, 66);
    assert_int_equal(begin(place, wrap, wrap_for_us(place, "pump-17", wrap)), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_once, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_lost, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_opens_what_is_ours, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_wrapped_for_another, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_a_key_of_the_operator, make_place, drop_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
