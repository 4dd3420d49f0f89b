#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/identity.h"

#define DAY_S 86400

static char directory[] = "/tmp/identity_test_XXXXXX";

static void begin(struct identity *identity)
{
    assert_int_equal(identity_open(identity, directory, NULL), ERR_OK);
    (void)unlink(identity->certificate_path);
}

static EVP_PKEY *key_of(const struct identity *identity)
{
    FILE *in = fopen(identity->key_path, "r");
    EVP_PKEY *key;

    assert_non_null(in);
    key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    (void)fclose(in);
    assert_non_null(key);
    return key;
}

/* A certificate for `key` as a server would make it, self-signed for brevity. */
static struct span certificate_for(EVP_PKEY *key, const char *name, int64_t begin_s, int64_t end_s)
{
    static uint8_t der[4096];
    unsigned char *at = der;
    X509 *certificate = X509_new();
    int size;

    (void)X509_set_version(certificate, 2);
    (void)ASN1_TIME_set(X509_getm_notBefore(certificate), begin_s);
    (void)ASN1_TIME_set(X509_getm_notAfter(certificate), end_s);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                     (const unsigned char *)name, -1, -1, 0);
    (void)X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    size = i2d_X509(certificate, &at);
    assert_true(size > 0 && size < (int)sizeof der);
    X509_free(certificate);
    return (struct span){der, (size_t)size};
}

static void the_key_is_made_once_and_for_us_only(void **state)
{
    struct identity identity;
    struct stat first, second;

    (void)state;
    begin(&identity);
    assert_int_equal(stat(identity.key_path, &first), 0);
    assert_int_equal(first.st_mode & 0777, 0600);
    begin(&identity);
    assert_int_equal(stat(identity.key_path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_false(identity_enrolled(&identity));
}

static void the_request_is_signed_and_names_the_device(void **state)
{
    uint8_t bytes[1024];
    struct buf out = buf_over(bytes, sizeof bytes);
    const unsigned char *at = bytes;
    char name[65] = "";
    struct identity identity;
    X509_REQ *request;

    (void)state;
    begin(&identity);
    assert_int_equal(identity_request(&identity, "cam-7", &out, NULL), ERR_OK);
    request = d2i_X509_REQ(NULL, &at, (long)out.size);
    assert_non_null(request);
    assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
    (void)X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request), NID_commonName, name,
                                    sizeof name);
    assert_string_equal(name, "cam-7");
    X509_REQ_free(request);
    out = buf_over(bytes, 10);
    assert_int_equal(identity_request(&identity, "cam-7", &out, NULL), ERR_TOO_BIG);
}

static void only_our_certificate_is_kept(void **state)
{
    struct identity identity;
    EVP_PKEY *other = EVP_EC_gen("P-256"), *ours;
    struct why why = {0};

    (void)state;
    begin(&identity);
    ours = key_of(&identity);
    assert_int_equal(
        identity_keep(&identity, certificate_for(other, "cam-7", 0, DAY_S), "cam-7", &why),
        ERR_UNTRUSTED);
    assert_non_null(strstr(why.text, "not for our key"));
    assert_int_equal(
        identity_keep(&identity, certificate_for(ours, "cam-8", 0, DAY_S), "cam-7", &why),
        ERR_UNTRUSTED);
    assert_non_null(strstr(why.text, "\"cam-8\""));
    assert_int_equal(identity_keep(&identity, SPAN_LITERAL("0\x03nonsense"), "cam-7", &why),
                     ERR_CORRUPT);
    assert_false(identity_enrolled(&identity));
    assert_int_equal(
        identity_keep(&identity, certificate_for(ours, "cam-7", 0, DAY_S), "cam-7", &why), ERR_OK);
    assert_true(identity_enrolled(&identity));
    EVP_PKEY_free(other);
    EVP_PKEY_free(ours);
}

static void renewal_is_due_after_two_thirds(void **state)
{
    struct identity identity;
    struct identity_validity validity;
    EVP_PKEY *key;

    (void)state;
    begin(&identity);
    assert_int_equal(identity_validity(&identity, &validity, NULL), ERR_NOT_FOUND);
    key = key_of(&identity);
    assert_int_equal(
        identity_keep(&identity, certificate_for(key, "c", DAY_S, 4 * DAY_S), "c", NULL), ERR_OK);
    assert_int_equal(identity_validity(&identity, &validity, NULL), ERR_OK);
    assert_int_equal(validity.begin.ms, 1000LL * DAY_S);
    assert_int_equal(validity.end.ms, 4000LL * DAY_S);
    assert_false(identity_renewal_due(&validity, (struct utc){3000LL * DAY_S - 1}));
    assert_true(identity_renewal_due(&validity, (struct utc){3000LL * DAY_S}));
    EVP_PKEY_free(key);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_made_once_and_for_us_only),
        cmocka_unit_test(the_request_is_signed_and_names_the_device),
        cmocka_unit_test(only_our_certificate_is_kept),
        cmocka_unit_test(renewal_is_due_after_two_thirds),
    };
    struct identity identity;
    int failed;

    if (!mkdtemp(directory))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    begin(&identity);
    (void)unlink(identity.key_path);
    (void)rmdir(directory);
    return failed;
}
