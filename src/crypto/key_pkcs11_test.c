/* Keys in a token: SoftHSM is the token, and what it signs is checked with the file the key came
 * from. Skipped when SoftHSM is not installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/key_pkcs11.h"
#include "crypto/key_pkcs11_host.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define SKIP   77 /* what meson takes for "skipped" */

static char folder[] = "/tmp/key_pkcs11_test.XXXXXX";
static struct key *keys[2]; /* by enum key_kind, as they are in the token */

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static void import(enum key_kind kind, const char *label, const char *id)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s.pem", folder, label);
    assert_int_equal(key_generate(kind, &keys[kind], NULL), ERR_OK);
    assert_int_equal(key_save_private(keys[kind], path, NULL), ERR_OK);
    run("softhsm2-util --import %s --token release --label %s --id %s --pin 1234 >/dev/null", path,
        label, id);
}

static int make_token(void **state)
{
    char path[256];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/softhsm2.conf", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "directories.tokendir = %s\nlog.level = ERROR\n", folder);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(setenv("SOFTHSM2_CONF", path, 1), 0);
    run("softhsm2-util --init-token --free --label release --so-pin 5678 --pin 1234 >/dev/null");
    run("softhsm2-util --init-token --free --label other --so-pin 5678 --pin 1234 >/dev/null");
    import(KEY_ED25519, "anna", "01");
    import(KEY_ECDSA_P256, "ben", "02");
    return 0;
}

static int drop_token(void **state)
{
    (void)state;
    key_close(keys[0]);
    key_close(keys[1]);
    run("rm -r %s", folder);
    return 0;
}

static enum err open_uri(const char *attributes, const struct key_ask *ask, struct key **out,
                         struct why *why)
{
    char uri[1024];

    why_clear(why);
    (void)snprintf(uri, sizeof uri, "pkcs11:%s%smodule-path=" MODULE, attributes,
                   strchr(attributes, '?') ? "&" : "?");
    return pkcs11_open(uri, ask, out, why);
}

static void signs(void **state)
{
    static const char *const names[] = {
        [KEY_ED25519] = "token=release;object=anna?pin-value=1234",
        [KEY_ECDSA_P256] = "token=release;id=%02?pin-value=1234",
    };
    const struct span message = SPAN_LITERAL("what is signed");

    (void)state;
    for (size_t kind = 0; kind < COUNT_OF(names); kind++) {
        uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
        struct buf signature = buf_over(bytes, sizeof bytes);
        struct key *key, *copy;
        struct why why;

        if (open_uri(names[kind], NULL, &key, &why) != ERR_OK)
            fail_msg("%s: %s", names[kind], why.text);
        assert_true(key_same(key, keys[kind]));
        assert_true(key_is_private(key));
        copy = key_share(key);
        key_close(key);
        for (int i = 0; i < 3; i++) {
            signature = buf_over(bytes, sizeof bytes);
            assert_int_equal(key_sign(copy, message, &signature, &why), ERR_OK);
            assert_true(key_verify(keys[kind], message, buf_written(&signature)));
        }
        key_close(copy);
    }
}

static enum err say_pin(void *self, const char *what, char *to, struct why *why)
{
    (void)why;
    assert_string_equal(what, "the PIN of token release");
    (void)snprintf(to, KEY_SECRET_SIZE_MAX, "%s", (const char *)self);
    return ERR_OK;
}

static void asks_for_the_pin(void **state)
{
    char good[] = "1234", bad[] = "4321";
    const struct key_ask right = {good, say_pin}, wrong = {bad, say_pin};
    char source[512], path[256];
    struct key *key = NULL;
    struct why why;
    FILE *file;

    (void)state;
    assert_int_equal(open_uri("token=release;object=anna", NULL, &key, &why), ERR_DENIED);
    assert_int_equal(open_uri("token=release;object=anna", &wrong, &key, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "refuses the login"));
    assert_int_equal(open_uri("token=release;object=anna", &right, &key, &why), ERR_OK);
    key_close(key);
    (void)snprintf(path, sizeof path, "%s/pin", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("1234\n", file);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(source, sizeof source, "token=release;object=anna?pin-source=%s", path);
    assert_int_equal(open_uri(source, NULL, &key, &why), ERR_OK);
    key_close(key);
    (void)snprintf(source, sizeof source, "token=release;object=anna?pin-source=file:%s", path);
    assert_int_equal(open_uri(source, NULL, &key, &why), ERR_OK);
    key_close(key);
    assert_int_equal(open_uri("token=release;object=anna?pin-source=/absent", NULL, &key, &why),
                     ERR_DENIED);
}

static void names_must_lead_to_one_key(void **state)
{
    static const struct {
        const char *attributes;
        enum err err;
    } cases[] = {
        {"token=absent;object=anna?pin-value=1234", ERR_NOT_FOUND},
        {"token=release;object=absent?pin-value=1234", ERR_NOT_FOUND},
        {"token=other;object=anna?pin-value=1234", ERR_NOT_FOUND},
        {"token=release?pin-value=1234", ERR_CONFLICT}, /* two keys */
        {"object=anna?pin-value=1234", ERR_CONFLICT},   /* two tokens */
        {"token=release;object=anna;type=public?pin-value=1234", ERR_OK},
    };
    struct key *key;
    struct why why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        key = NULL;
        assert_int_equal(open_uri(cases[i].attributes, NULL, &key, &why), cases[i].err);
        key_close(key);
    }
}

static void malformed_names(void **state)
{
    static const char *const bad[] = {"",
                                      "pkcs11",
                                      "file:root.key",
                                      "pkcs11:token",
                                      "pkcs11:token=%zz",
                                      "pkcs11:nonsense=1;token=release"};
    struct key *key;
    struct why why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(pkcs11_open(bad[i], NULL, &key, &why), ERR_INVALID);
    assert_int_equal(pkcs11_open("pkcs11:token=x?module-path=/absent.so", NULL, &key, &why),
                     ERR_LINK);
    assert_true(pkcs11_is_uri("pkcs11:token=x"));
    assert_false(pkcs11_is_uri("root.key"));
}

static void points_of_tokens(void **state)
{
    uint8_t ed25519[34] = {4, 32}, p256[67] = {4, 65, 4};
    struct key *key = NULL;

    (void)state;
    key_public_raw(keys[KEY_ED25519], ed25519 + 2);
    assert_int_equal(token_key_of_point(KEY_ED25519, (struct span){ed25519, 34}, &key, NULL), 0);
    assert_true(key_same(key, keys[KEY_ED25519]));
    key_close(key);
    assert_int_equal(token_key_of_point(KEY_ED25519, (struct span){ed25519 + 2, 32}, &key, NULL),
                     0);
    key_close(key);
    assert_int_equal(token_key_of_point(KEY_ED25519, (struct span){ed25519, 33}, &key, NULL),
                     ERR_CORRUPT);
    assert_int_equal(token_key_of_point(KEY_ED25519, (struct span){ed25519, 0}, &key, NULL),
                     ERR_CORRUPT);
    assert_int_equal(token_key_of_point(KEY_ECDSA_P256, (struct span){p256, 67}, &key, NULL),
                     ERR_CORRUPT); /* (0, 0) is not on the curve */
    assert_int_equal(token_key_of_certificate((struct span){p256, 67}, &key, NULL), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs),
        cmocka_unit_test(asks_for_the_pin),
        cmocka_unit_test(names_must_lead_to_one_key),
        cmocka_unit_test(malformed_names),
        cmocka_unit_test(points_of_tokens),
    };

    if (access(MODULE, R_OK) != 0 || system("softhsm2-util --version >/dev/null 2>&1") != 0) {
        (void)fputs("SKIPPED: SoftHSM is not installed (Debian package softhsm2)\n", stderr);
        return SKIP;
    }
    return cmocka_run_group_tests(tests, make_token, drop_token);
}
