/* The private CA: what it makes, what it keeps, what it refuses to certify. */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/clock.h"
#include "os/file.h"
#include "server/pki.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const char *const names[] = {"localhost", "127.0.0.1", "fw.example.org"};

struct place {
    char directory[64];
    struct pki *pki;
    struct utc now;
};

static struct pki_config config_of(const struct place *place)
{
    return (struct pki_config){.directory = place->directory,
                               .server_names = names,
                               .server_names_count = COUNT_OF(names),
                               .device_days = 90};
}

static int open_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct pki_config config;
    struct why why = {0};
    bool fresh = false;

    (void)snprintf(place->directory, sizeof place->directory, "%s", "/tmp/slipway-pki-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    place->now = clock_utc();
    config = config_of(place);
    assert_int_equal(pki_open(&config, place->now, &place->pki, &fresh, &why), ERR_OK);
    assert_true(fresh);
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;
    char command[128];

    pki_close(place->pki);
    (void)snprintf(command, sizeof command, "rm -rf %s", place->directory);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

/* A signing request for `key`, signed by `signer`. */
static struct span make_request(EVP_PKEY *key, EVP_PKEY *signer, uint8_t **der)
{
    X509_REQ *request = X509_REQ_new();
    bool edwards = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;
    int size;

    assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN",
                                                MBSTRING_ASC, (const unsigned char *)"root", -1, -1,
                                                0),
                     1);
    assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
    assert_true(X509_REQ_sign(request, signer, edwards ? NULL : EVP_sha256()) > 0);
    *der = NULL;
    size = i2d_X509_REQ(request, der);
    X509_REQ_free(request);
    assert_true(size > 0);
    return (struct span){*der, (size_t)size};
}

static X509 *read_der(const uint8_t *der, size_t size)
{
    X509 *certificate = d2i_X509(NULL, &der, (long)size);

    assert_non_null(certificate);
    return certificate;
}

static void keys_are_private_and_kept(void **state)
{
    struct place *place = *state;
    struct pki_config config = config_of(place);
    struct file_bytes before = {0}, after = {0};
    struct why why = {0};
    struct pki *again;
    struct stat facts;
    char path[128];
    bool fresh = true;

    (void)snprintf(path, sizeof path, "%s/ca.key", place->directory);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    (void)snprintf(path, sizeof path, "%s/server.key", place->directory);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(file_read(pki_ca_file(place->pki), 10000, &before, &why), ERR_OK);
    assert_int_equal(pki_open(&config, place->now, &again, &fresh, &why), ERR_OK);
    assert_false(fresh);
    assert_int_equal(file_read(pki_ca_file(again), 10000, &after, &why), ERR_OK);
    assert_string_equal((const char *)before.at, (const char *)after.at);
    file_bytes_free(&before);
    file_bytes_free(&after);
    pki_close(again);
}

static X509 *server_certificate(const struct pki *pki)
{
    FILE *file = fopen(pki_server_certificate_file(pki), "r");
    X509 *certificate;

    assert_non_null(file);
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    (void)fclose(file);
    assert_non_null(certificate);
    return certificate;
}

static void server_certificate_has_its_names(void **state)
{
    struct place *place = *state;
    X509 *certificate = server_certificate(place->pki);
    X509 *ca = read_der(pki_ca(place->pki).at, pki_ca(place->pki).size);

    assert_int_equal(X509_check_host(certificate, "fw.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_host(certificate, "evil.example.org", 0, 0, NULL), 0);
    assert_int_equal(X509_verify(certificate, X509_get0_pubkey(ca)), 1);
    assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0), 0);
    assert_true(X509_check_ca(ca) > 0);
    X509_free(certificate);
    X509_free(ca);
}

static long serial_hash(const struct pki *pki)
{
    X509 *certificate = server_certificate(pki);
    unsigned long hash = X509_issuer_and_serial_hash(certificate);

    X509_free(certificate);
    return (long)hash;
}

static long reopened_serial(struct place *place, const struct pki_config *config, int64_t days)
{
    struct why why = {0};
    struct pki *again;
    long serial;

    assert_int_equal(
        pki_open(config, (struct utc){place->now.ms + days * DAY_MS}, &again, NULL, &why), ERR_OK);
    serial = serial_hash(again);
    pki_close(again);
    return serial;
}

static void server_certificate_is_renewed_in_time(void **state)
{
    static const char *const others[] = {"localhost", "new.example.org"};
    struct place *place = *state;
    struct pki_config config = config_of(place);
    long first = serial_hash(place->pki), second, third;

    assert_int_equal(reopened_serial(place, &config, 200), first);
    second = reopened_serial(place, &config, 250); /* less than a third of 365 days is left */
    assert_int_not_equal(second, first);
    config.server_names = others;
    config.server_names_count = COUNT_OF(others);
    third = reopened_serial(place, &config, 250);
    assert_int_not_equal(third, second);
    assert_int_equal(reopened_serial(place, &config, 250), third);
}

static void refuses_strange_server_names(void **state)
{
    static const char *const bad[] = {"a,DNS:evil", "a b", "", "a\nb", "x:y", "email:a"};
    struct place *place = *state;
    struct pki_config config = config_of(place);

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct why why = {0};
        struct pki *pki;

        config.server_names = &bad[i];
        config.server_names_count = 1;
        assert_int_equal(pki_open(&config, place->now, &pki, NULL, &why), ERR_INVALID);
        assert_string_equal(why.field, "server_names");
    }
}

static void refuses_a_foreign_ca_key(void **state)
{
    struct place *place = *state;
    struct pki_config config = config_of(place);
    struct why why = {0};
    struct pki *again;
    char command[256];

    (void)snprintf(command, sizeof command, "cp %s/server.key %s/ca.key", place->directory,
                   place->directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(pki_open(&config, place->now, &again, NULL, &why), ERR_CORRUPT);
    (void)snprintf(command, sizeof command, "rm %s/ca.key", place->directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(pki_open(&config, place->now, &again, NULL, &why), ERR_NOT_FOUND);
}

static void certifies_devices(void **state)
{
    struct place *place = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct pki_certificate out;
    struct why why = {0};
    uint8_t *der, key_sha256[DIGEST_SIZE], fingerprint[DIGEST_SIZE];
    struct span csr = make_request(key, key, &der);
    GENERAL_NAMES *alternative;
    char text[80];
    X509 *certificate, *ca = read_der(pki_ca(place->pki).at, pki_ca(place->pki).size);

    assert_int_equal(pki_read_request(csr, key_sha256, &why), ERR_OK);
    assert_int_equal(pki_issue(place->pki, csr, "default", "gw-7", place->now, &out, &why), ERR_OK);
    certificate = read_der(out.der, out.size);
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text,
                                    sizeof text);
    assert_string_equal(text, "gw-7"); /* and not what the request said */
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_organizationName, text,
                                    sizeof text);
    assert_string_equal(text, "default");
    alternative = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(alternative), 1);
    assert_memory_equal(
        ASN1_STRING_get0_data(sk_GENERAL_NAME_value(alternative, 0)->d.uniformResourceIdentifier),
        "urn:slipway:default:gw-7", 24);
    GENERAL_NAMES_free(alternative);
    assert_int_equal(X509_verify(certificate, X509_get0_pubkey(ca)), 1);
    assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0), 1);
    assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0), 0);
    assert_int_equal(X509_check_ca(certificate), 0);
    assert_in_range(out.not_after.ms, place->now.ms + 89 * DAY_MS, place->now.ms + 91 * DAY_MS);
    assert_true(X509_cmp_time(X509_get0_notBefore(certificate), NULL) < 0);
    assert_int_equal(X509_digest(certificate, EVP_sha256(), fingerprint, NULL), 1);
    assert_memory_equal(fingerprint, out.fingerprint, DIGEST_SIZE);
    X509_free(certificate);
    X509_free(ca);
    EVP_PKEY_free(key);
    OPENSSL_free(der);
}

static enum err try_key(struct place *place, EVP_PKEY *key)
{
    struct pki_certificate out;
    struct why why = {0};
    uint8_t *der;
    struct span csr = make_request(key, key, &der);
    enum err err = pki_issue(place->pki, csr, "default", "d", place->now, &out, &why);

    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return err;
}

static void takes_strong_keys_only(void **state)
{
    assert_int_equal(try_key(*state, EVP_EC_gen("P-256")), ERR_OK);
    assert_int_equal(try_key(*state, EVP_EC_gen("P-384")), ERR_OK);
    assert_int_equal(try_key(*state, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), ERR_OK);
    assert_int_equal(try_key(*state, EVP_RSA_gen(2048)), ERR_OK);
    assert_int_equal(try_key(*state, EVP_RSA_gen(1024)), ERR_UNTRUSTED);
    assert_int_equal(try_key(*state, EVP_EC_gen("secp256k1")), ERR_UNTRUSTED);
    assert_int_equal(try_key(*state, EVP_EC_gen("P-224")), ERR_UNTRUSTED);
}

static void demands_proof_of_possession(void **state)
{
    struct place *place = *state;
    EVP_PKEY *victim = EVP_EC_gen("P-256"), *thief = EVP_EC_gen("P-256");
    struct pki_certificate out;
    struct why why = {0};
    uint8_t *der, key_sha256[DIGEST_SIZE];
    struct span csr = make_request(victim, thief, &der);

    assert_int_equal(pki_read_request(csr, key_sha256, &why), ERR_UNTRUSTED);
    assert_int_equal(pki_issue(place->pki, csr, "default", "d", place->now, &out, &why),
                     ERR_UNTRUSTED);
    EVP_PKEY_free(victim);
    EVP_PKEY_free(thief);
    OPENSSL_free(der);
}

static void refuses_what_is_no_request(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t *der, key_sha256[DIGEST_SIZE], *longer;
    struct span csr = make_request(key, key, &der);
    struct why why = {0};

    (void)state;
    assert_int_equal(pki_read_request((struct span){0}, key_sha256, &why), ERR_CORRUPT);
    for (size_t i = 0; i < csr.size; i++)
        assert_int_not_equal(pki_read_request((struct span){csr.at, i}, key_sha256, &why), ERR_OK);
    for (size_t i = 0; i < csr.size; i++) { /* every byte counts */
        der[i] ^= 1;
        assert_int_not_equal(pki_read_request(csr, key_sha256, &why), ERR_OK);
        der[i] ^= 1;
    }
    longer = calloc(1, csr.size + 1);
    memcpy(longer, csr.at, csr.size);
    assert_int_equal(pki_read_request((struct span){longer, csr.size + 1}, key_sha256, &why),
                     ERR_CORRUPT);
    free(longer);
    EVP_PKEY_free(key);
    OPENSSL_free(der);
}

static void refuses_strange_device_names(void **state)
{
    static const char *const bad[] = {"",
                                      "a b",
                                      "a,URI:x",
                                      "a\nb",
                                      "a/b",
                                      "ä",
                                      "12345678901234567890123456789012345678901234567890123456789"
                                      "012345"};
    struct place *place = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct pki_certificate out;
    uint8_t *der;
    struct span csr = make_request(key, key, &der);

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(pki_issue(place->pki, csr, "default", bad[i], place->now, &out, NULL),
                         ERR_INVALID);
        assert_int_equal(pki_issue(place->pki, csr, bad[i], "d", place->now, &out, NULL),
                         ERR_INVALID);
    }
    EVP_PKEY_free(key);
    OPENSSL_free(der);
}

/* A clock at 1970 or ten years ahead makes odd certificates, but never crashes or outlives the CA.
 */
static void survives_odd_clocks(void **state)
{
    struct place *place = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct pki_certificate out;
    struct why why = {0};
    uint8_t *der;
    struct span csr = make_request(key, key, &der);
    X509 *ca = read_der(pki_ca(place->pki).at, pki_ca(place->pki).size);

    struct pki_config config = config_of(place);
    long serial = serial_hash(place->pki);
    struct pki *again;
    char command[128];

    assert_int_equal(pki_issue(place->pki, csr, "default", "d", (struct utc){0}, &out, &why),
                     ERR_OK);
    /* The server keeps its certificate while the clock is wrong, and remakes one from the future.
     */
    assert_int_equal(pki_open(&config, (struct utc){0}, &again, NULL, &why), ERR_OK);
    assert_int_equal(serial_hash(again), serial);
    pki_close(again);
    assert_int_not_equal(reopened_serial(place, &config, 3650), serial);
    serial = serial_hash(place->pki);
    assert_int_not_equal(reopened_serial(place, &config, 0), serial);
    assert_int_equal(pki_issue(place->pki, csr, "default", "d",
                               (struct utc){place->now.ms + 7295 * DAY_MS}, &out, &why),
                     ERR_OK);
    assert_true(out.not_after.ms <= place->now.ms + PKI_CA_DAYS * DAY_MS);
    (void)snprintf(command, sizeof command, "rm %s/ca.*", place->directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(pki_open(&config, (struct utc){0}, &again, NULL, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "1970-01-01"));
    X509_free(ca);
    EVP_PKEY_free(key);
    OPENSSL_free(der);
}

int main(void)
{
#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)
    const struct CMUnitTest tests[] = {
        PLACE_TEST(keys_are_private_and_kept),
        PLACE_TEST(server_certificate_has_its_names),
        PLACE_TEST(server_certificate_is_renewed_in_time),
        PLACE_TEST(refuses_strange_server_names),
        PLACE_TEST(refuses_a_foreign_ca_key),
        PLACE_TEST(certifies_devices),
        PLACE_TEST(takes_strong_keys_only),
        PLACE_TEST(demands_proof_of_possession),
        PLACE_TEST(refuses_what_is_no_request),
        PLACE_TEST(refuses_strange_device_names),
        PLACE_TEST(survives_odd_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
