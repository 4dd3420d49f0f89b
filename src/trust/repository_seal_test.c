#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "format/chunks.h"
#include "trust/content_key.h"
#include "trust/repository_seal.h"

#define IMAGE_SIZE 2500u
#define CHUNK_SIZE 1024u

static char dir[64], image[96], out[96];
static uint8_t plain[IMAGE_SIZE];

static void write_image(size_t size)
{
    assert_int_equal(file_replace(image, (struct span){plain, size}, 0644, NULL), ERR_OK);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/seal_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(image, sizeof image, "%s/image", dir);
    (void)snprintf(out, sizeof out, "%s/out", dir);
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 3);
    write_image(sizeof plain);
    return 0;
}

static int drop_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static struct release_facts facts_with(enum aead_kind alg, uint32_t chunk_size)
{
    return (struct release_facts){.chunk_size = chunk_size, .sealed = {.alg = alg}};
}

static enum err seal(struct release_facts *facts, struct tuf_bytes *list, struct why *why)
{
    return repository_seal_image(dir, image, out, facts, list, why);
}

static struct file_bytes read_out(void)
{
    struct file_bytes bytes;

    assert_int_equal(file_read(out, 1 << 20, &bytes, NULL), ERR_OK);
    return bytes;
}

static void assert_opens(const struct release_facts *facts, struct span sealed, struct span list)
{
    const struct chunks chunks = {IMAGE_SIZE, CHUNK_SIZE, AEAD_TAG_SIZE};
    struct sealing_image of = {.alg = facts->sealed.alg, .chunk_size = CHUNK_SIZE};
    uint8_t key[CONTENT_KEY_SIZE], room[CHUNK_SIZE], check[DIGEST_SIZE];
    struct sealing *sealing;

    memcpy(of.sha256, facts->sha256, DIGEST_SIZE);
    assert_int_equal(content_key_load(dir, facts->sha256, key, NULL), ERR_OK);
    sealing_check(&of, key, check);
    assert_memory_equal(check, facts->sealed.key_check, sizeof check);
    sealing = sealing_open(&of, key);
    for (uint32_t i = 0; i < chunks_count(&chunks); i++) {
        struct span chunk = {sealed.at + chunks_sent_at(&chunks, i),
                             chunks_sent_size_of(&chunks, i)};

        assert_true(chunks_match(&chunks, list, i, chunk));
        assert_true(sealing_unseal(sealing, i, chunks_last(&chunks, i), chunk, room));
        assert_memory_equal(room, plain + chunks_at(&chunks, i), chunks_size_of(&chunks, i));
    }
    sealing_close(sealing);
}

static void test_sealed_image(void **state)
{
    (void)state;
    for (size_t alg = 0; alg < AEAD_COUNT; alg++) {
        struct release_facts facts = facts_with((enum aead_kind)alg, CHUNK_SIZE);
        uint8_t digest[DIGEST_SIZE];
        struct tuf_bytes list = {0};
        struct file_bytes sealed;

        assert_int_equal(seal(&facts, &list, NULL), ERR_OK);
        sealed = read_out();
        assert_true(facts.sealed.used);
        assert_int_equal(facts.length, IMAGE_SIZE);
        assert_int_equal(facts.sealed.length, IMAGE_SIZE + 3 * AEAD_TAG_SIZE);
        assert_int_equal(sealed.size, facts.sealed.length);
        digest_of(DIGEST_SHA256, (struct span){sealed.at, sealed.size}, digest);
        assert_memory_equal(digest, facts.sealed.sha256, sizeof digest);
        digest_of(DIGEST_SHA256, (struct span){plain, sizeof plain}, digest);
        assert_memory_equal(digest, facts.sha256, sizeof digest);
        digest_of(DIGEST_SHA256, tuf_bytes_span(&list), digest);
        assert_memory_equal(digest, facts.chunks_sha256, sizeof digest);
        assert_opens(&facts, (struct span){sealed.at, sealed.size}, tuf_bytes_span(&list));
        file_bytes_free(&sealed);
        tuf_bytes_done(&list);
    }
}

/* Adding a release twice must not make another one of it. */
static void test_again_the_same(void **state)
{
    struct release_facts first = facts_with(AEAD_CHACHA20_POLY1305, CHUNK_SIZE), second = first;
    struct tuf_bytes list = {0};

    (void)state;
    assert_int_equal(seal(&first, &list, NULL), ERR_OK);
    tuf_bytes_done(&list);
    assert_int_equal(seal(&second, &list, NULL), ERR_OK);
    tuf_bytes_done(&list);
    assert_memory_equal(first.sealed.sha256, second.sealed.sha256, DIGEST_SIZE);
}

static void test_key_file(void **state)
{
    static const char *const bad[] = {"", "00\n", "zz", NULL};
    uint8_t sha256[DIGEST_SIZE] = {0xAB}, key[CONTENT_KEY_SIZE], again[CONTENT_KEY_SIZE];
    char path[256], hex[65];
    struct stat info;

    (void)state;
    assert_int_equal(content_key_load(dir, sha256, key, NULL), ERR_NOT_FOUND);
    assert_int_equal(content_key_make(dir, sha256, key, NULL), ERR_OK);
    assert_int_equal(content_key_make(dir, sha256, again, NULL), ERR_OK);
    assert_memory_equal(key, again, sizeof key);
    (void)snprintf(hex, sizeof hex, "ab%062d", 0);
    (void)snprintf(path, sizeof path, "%s/content-keys/%s", dir, hex);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    for (size_t i = 0; bad[i]; i++) {
        assert_int_equal(file_replace(path, span_of(bad[i]), 0600, NULL), ERR_OK);
        assert_int_equal(content_key_load(dir, sha256, key, NULL), ERR_CORRUPT);
        assert_int_equal(content_key_make(dir, sha256, key, NULL), ERR_CORRUPT);
    }
}

static void test_refused(void **state)
{
    struct release_facts facts = facts_with(AEAD_CHACHA20_POLY1305, CHUNK_SIZE);
    struct tuf_bytes list = {0};
    struct why why = {0};

    (void)state;
    write_image(0);
    assert_int_equal(seal(&facts, &list, &why), ERR_CORRUPT);
    assert_non_null(strstr(why.text, "is not a file with an image in it"));
    write_image(sizeof plain);
    facts.chunk_size = 1500;
    assert_int_equal(seal(&facts, &list, &why), ERR_INVALID);
    facts.chunk_size = CHUNK_SIZE;
    assert_int_equal(unlink(image), 0);
    assert_int_equal(seal(&facts, &list, &why), ERR_STORAGE);
    write_image(sizeof plain);
    assert_null(list.at);
    assert_false(facts.sealed.used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_image),
        cmocka_unit_test(test_again_the_same),
        cmocka_unit_test(test_key_file),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
