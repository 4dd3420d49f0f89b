#include <openssl/err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/hex.h"
#include "crypto/key.h"

static const enum key_kind kinds[] = {KEY_ED25519, KEY_ECDSA_P256};

struct folder {
    char path[64];
    char file[96];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);

    assert_non_null(folder);
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/key_test.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%s/key", folder->path);
    *state = folder;
    return 0;
}

static int drop_folder(void **state)
{
    struct folder *folder = *state;

    (void)unlink(folder->file);
    (void)rmdir(folder->path);
    free(folder);
    return 0;
}

static void test_kind_names(void **state)
{
    enum key_kind kind;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_true(key_kind_parse(span_of(key_kind_name(kinds[i])), &kind));
        assert_int_equal(kind, kinds[i]);
    }
    assert_false(key_kind_parse(span_of("rsa"), &kind));
    assert_false(key_kind_parse(span_of(""), &kind));
}

static void test_sign_and_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
        struct buf signature = buf_over(bytes, sizeof bytes);
        struct key *key, *other;
        struct span written;

        assert_int_equal(key_generate(kinds[i], &key, NULL), ERR_OK);
        assert_int_equal(key_generate(kinds[i], &other, NULL), ERR_OK);
        assert_int_equal(key_sign(key, span_of("message"), &signature, NULL), ERR_OK);
        written = buf_written(&signature);
        assert_true(key_verify(key, span_of("message"), written));
        assert_false(key_verify(key, span_of("Message"), written));
        assert_false(key_verify(other, span_of("message"), written));
        assert_false(key_verify(key, span_of("message"), (struct span){bytes, written.size - 1}));
        assert_false(key_verify(key, span_of("message"), (struct span){NULL, 0}));
        for (size_t at = 0; at < written.size; at++) {
            bytes[at] ^= 1;
            assert_false(key_verify(key, span_of("message"), written));
            bytes[at] ^= 1;
        }
        key_close(key);
        key_close(other);
    }
}

/* RFC 8032, 7.1, TEST 3. */
static void test_ed25519_known_answer(void **state)
{
    uint8_t raw[KEY_RAW_SIZE], back[KEY_RAW_SIZE], signature[64];
    static const uint8_t message[] = {0xaf, 0x82};
    struct key *key;

    (void)state;
    assert_true(hex_parse(
        span_of("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"), raw, 32));
    assert_true(
        hex_parse(span_of("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
                  signature, 64));
    assert_int_equal(key_from_raw((struct span){raw, 32}, &key, NULL), ERR_OK);
    assert_false(key_is_private(key));
    key_public_raw(key, back);
    assert_memory_equal(raw, back, sizeof raw);
    assert_true(key_verify(key, (struct span){message, 2}, (struct span){signature, 64}));
    /* s + L: the same signature in a form that RFC 8032 5.1.7 forbids. */
    signature[63] |= 0x10;
    assert_false(key_verify(key, (struct span){message, 2}, (struct span){signature, 64}));
    key_close(key);
    assert_int_equal(key_from_raw((struct span){raw, 31}, &key, NULL), ERR_CORRUPT);
}

/* r = s = 0, r = s = 1, and trailing bytes never verify. */
static void test_ecdsa_odd_signatures(void **state)
{
    static const uint8_t zero[] = {0x30, 6, 2, 1, 0, 2, 1, 0};
    static const uint8_t one[] = {0x30, 6, 2, 1, 1, 2, 1, 1};
    uint8_t bytes[KEY_SIGNATURE_SIZE_MAX + 1] = {0};
    struct buf signature = buf_over(bytes, KEY_SIGNATURE_SIZE_MAX);
    struct key *key;

    (void)state;
    assert_int_equal(key_generate(KEY_ECDSA_P256, &key, NULL), ERR_OK);
    assert_false(key_verify(key, span_of("m"), (struct span){zero, sizeof zero}));
    assert_false(key_verify(key, span_of("m"), (struct span){one, sizeof one}));
    assert_int_equal(key_sign(key, span_of("m"), &signature, NULL), ERR_OK);
    assert_true(key_verify(key, span_of("m"), (struct span){bytes, signature.size}));
    assert_false(key_verify(key, span_of("m"), (struct span){bytes, signature.size + 1}));
    key_close(key);
}

static void test_private_file(void **state)
{
    const struct folder *folder = *state;
    struct why why = {0};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct key *key, *back = NULL;
        struct stat info;

        assert_int_equal(key_generate(kinds[i], &key, NULL), ERR_OK);
        assert_int_equal(key_save_private(key, folder->file, &why), ERR_OK);
        assert_int_equal(stat(folder->file, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        assert_int_equal(key_load_private(folder->file, &back, &why), ERR_OK);
        assert_true(key_same(key, back) && key_is_private(back));
        assert_int_equal(key_kind(back), kinds[i]);
        key_close(back);
        assert_int_equal(key_save_private(key, folder->file, &why), ERR_CONFLICT);
        assert_non_null(strstr(why.text, "exists already"));
        assert_int_equal(key_load_public(folder->file, &back, &why), ERR_CORRUPT);
        key_close(key);
        assert_int_equal(unlink(folder->file), 0);
    }
}

/* Power is lost in the middle of writing: here the process dies of writing too much. */
static void test_death_while_saving_leaves_no_half_key(void **state)
{
    const struct folder *folder = *state;
    struct key *key = NULL;
    char command[160];
    int status;
    pid_t child;

    assert_int_equal(key_generate(KEY_ED25519, &key, NULL), ERR_OK);
    child = fork();
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0});
        _exit(key_save_private(key, folder->file, NULL) == ERR_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    assert_int_equal(access(folder->file, F_OK), -1);
    assert_int_equal(key_save_private(key, folder->file, NULL), ERR_OK);
    key_close(key);
    (void)snprintf(command, sizeof command, "rm -f %s/.tmp-*", folder->path);
    assert_int_equal(system(command), 0);
}

static void test_public_file(void **state)
{
    const struct folder *folder = *state;
    struct key *key, *other, *back = NULL;
    uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
    struct buf signature = buf_over(bytes, sizeof bytes);

    assert_int_equal(key_generate(KEY_ECDSA_P256, &key, NULL), ERR_OK);
    assert_int_equal(key_generate(KEY_ECDSA_P256, &other, NULL), ERR_OK);
    assert_int_equal(key_save_public(key, folder->file, NULL), ERR_OK);
    assert_int_equal(key_save_public(key, folder->file, NULL), ERR_OK);
    assert_int_equal(key_save_public(other, folder->file, NULL), ERR_CONFLICT);
    assert_int_equal(key_load_public(folder->file, &back, NULL), ERR_OK);
    assert_true(key_same(key, back) && !key_same(other, back) && !key_is_private(back));
    assert_int_equal(key_sign(back, span_of("m"), &signature, NULL), ERR_INVALID);
    key_close(back);
    assert_int_equal(key_load_private(folder->file, &back, NULL), ERR_CORRUPT);
    key_close(key);
    key_close(other);
}

static void test_shared_key_outlives_the_first(void **state)
{
    struct key *key, *share;

    (void)state;
    assert_int_equal(key_generate(KEY_ED25519, &key, NULL), ERR_OK);
    share = key_share(key);
    key_close(key);
    assert_true(key_is_private(share));
    assert_false(key_verify(share, span_of("m"), span_of("no signature")));
    key_close(share);
    key_close(NULL);
}

static void test_bad_files(void **state)
{
    static const char *const bad[] = {
        "", "rubbish", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        /* P-384, a curve we do not use. */
        "-----BEGIN PUBLIC KEY-----\n"
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqofKIr6LBTeOscce8yCtdG4dO2KLp5uY\n"
        "WfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3NhfeSpYmLG9dnpi/kpLcKfj0Hb0omhR8\n"
        "6doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f\n"
        "-----END PUBLIC KEY-----\n"};
    const struct folder *folder = *state;
    struct key *key = NULL;
    struct why why = {0};

    assert_int_equal(key_load(folder->file, &key, &why), ERR_NOT_FOUND);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        FILE *file = fopen(folder->file, "w");

        assert_non_null(file);
        fputs(bad[i], file);
        fclose(file);
        assert_int_equal(key_load(folder->file, &key, &why), ERR_CORRUPT);
        assert_non_null(strstr(why.text, folder->file));
        assert_null(key);
    }
}

/* TLS on the same thread reads OpenSSL's list of errors: none of ours may stay in it. */
static int no_error_left(void **state)
{
    (void)state;
    return ERR_peek_error() == 0 ? 0 : -1;
}

static int drop_folder_no_error_left(void **state)
{
    return drop_folder(state) == 0 ? no_error_left(state) : -1;
}

/* ---- Encrypted files and foreign signers ---- */

static enum err answer(void *self, const char *what, char *to, struct why *why)
{
    (void)why;
    assert_non_null(strstr(what, "the passphrase of "));
    (void)snprintf(to, KEY_SECRET_SIZE_MAX, "%s", (const char *)self);
    return ERR_OK;
}

static void test_encrypted_files(void **state)
{
    struct folder *folder = *state;
    char good[] = "correct horse", bad[] = "wrong";
    const struct key_ask right = {good, answer}, wrong = {bad, answer};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct key *key, *back = NULL;
        struct why why;

        why_clear(&why);
        assert_int_equal(key_generate(kinds[i], &key, NULL), ERR_OK);
        assert_int_equal(key_save_private_sealed(key, folder->file, "", &why), ERR_INVALID);
        assert_int_equal(key_save_private_sealed(key, folder->file, good, &why), ERR_OK);
        assert_int_equal(key_save_private_sealed(key, folder->file, good, &why), ERR_CONFLICT);
        assert_int_equal(key_load(folder->file, &back, &why), ERR_DENIED);
        assert_int_equal(key_load_asking(folder->file, &wrong, &back, &why), ERR_DENIED);
        assert_non_null(strstr(why.text, "passphrase is wrong"));
        assert_int_equal(key_load_asking(folder->file, &right, &back, &why), ERR_OK);
        assert_true(key_is_private(back) && key_same(key, back));
        assert_int_equal(ERR_peek_error(), 0);
        key_close(back);
        key_close(key);
        assert_int_equal(unlink(folder->file), 0);
    }
}

struct far_away {
    const struct key *key;
    bool spoil;
    int closed;
};

static enum err sign_far_away(void *self, struct span message, struct buf *signature,
                              struct why *why)
{
    struct far_away *there = self;

    return key_sign(there->key, there->spoil ? SPAN_LITERAL("another") : message, signature, why);
}

static void close_far_away(void *self)
{
    ((struct far_away *)self)->closed++;
}

static void test_keys_that_are_elsewhere(void **state)
{
    uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
    struct buf signature = buf_over(bytes, sizeof bytes);
    struct far_away there = {0};
    const struct key_signer_ops ops = {&there, sign_far_away, close_far_away};
    struct key *key, *outside, *copy;

    (void)state;
    assert_int_equal(key_generate(KEY_ECDSA_P256, &key, NULL), ERR_OK);
    there.key = key;
    assert_int_equal(key_from_signer(key, &ops, &outside, NULL), ERR_OK);
    assert_true(key_is_private(outside) && key_same(outside, key));
    copy = key_share(outside);
    key_close(outside);
    assert_int_equal(there.closed, 0);
    assert_int_equal(key_sign(copy, SPAN_LITERAL("text"), &signature, NULL), ERR_OK);
    assert_true(key_verify(key, SPAN_LITERAL("text"), buf_written(&signature)));
    there.spoil = true; /* a token that signs something else is caught here */
    assert_int_equal(key_sign(copy, SPAN_LITERAL("text"), &signature, NULL), ERR_CORRUPT);
    key_close(copy);
    assert_int_equal(there.closed, 1);
    key_close(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind_names),
        cmocka_unit_test_teardown(test_sign_and_verify, no_error_left),
        cmocka_unit_test_teardown(test_ed25519_known_answer, no_error_left),
        cmocka_unit_test_teardown(test_ecdsa_odd_signatures, no_error_left),
        cmocka_unit_test_setup_teardown(test_private_file, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_death_while_saving_leaves_no_half_key, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_public_file, make_folder, drop_folder_no_error_left),
        cmocka_unit_test(test_shared_key_outlives_the_first),
        cmocka_unit_test_setup_teardown(test_bad_files, make_folder, drop_folder_no_error_left),
        cmocka_unit_test_setup_teardown(test_encrypted_files, make_folder, drop_folder),
        cmocka_unit_test(test_keys_that_are_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
