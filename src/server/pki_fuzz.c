/* Any bytes as a signing request. What is accepted must be certifiable, and the certificate must
 * say what the server decided and nothing that the request asked for. */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/clock.h"
#include "server/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once: the directory is not needed any more when it is open. */
static struct pki *open_pki(void)
{
    static const char *const names[] = {"localhost"};
    char directory[] = "/tmp/slipway-pki-fuzz-XXXXXX", command[64];
    const struct pki_config config = {.directory = directory,
                                      .server_names = names,
                                      .server_names_count = COUNT_OF(names),
                                      .device_days = 90};
    struct pki *pki;
    struct why why = {0};

    CHECK(mkdtemp(directory));
    CHECK(pki_open(&config, clock_utc(), &pki, NULL, &why) == ERR_OK);
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    CHECK(system(command) == 0);
    return pki;
}

static void check_text(X509_NAME *subject, int nid, const char *want)
{
    char text[80];

    CHECK(X509_NAME_get_text_by_NID(subject, nid, text, sizeof text) >= 0);
    CHECK(strcmp(text, want) == 0);
}

static void check_certificate(const struct pki_certificate *made)
{
    const uint8_t *at = made->der;
    X509 *certificate = d2i_X509(NULL, &at, (long)made->size);

    CHECK(certificate && made->size <= PKI_DER_SIZE_MAX && at == made->der + made->size);
    CHECK(X509_NAME_entry_count(X509_get_subject_name(certificate)) == 2);
    check_text(X509_get_subject_name(certificate), NID_organizationName, "default");
    check_text(X509_get_subject_name(certificate), NID_commonName, "pump-01");
    CHECK(X509_check_ca(certificate) == 0);
    CHECK(X509_get_ext_count(certificate) == 6);
    CHECK(X509_check_host(certificate, "evil.example", 0, 0, NULL) != 1);
    X509_free(certificate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pki *pki;
    struct span csr = {data, size};
    struct pki_certificate made;
    uint8_t key_sha256[DIGEST_SIZE];
    struct why why = {0};
    enum err err = pki_read_request(csr, key_sha256, &why);

    if (err != ERR_OK) {
        CHECK(why.text[0] != '\0');
        CHECK(err == ERR_CORRUPT || err == ERR_UNTRUSTED || err == ERR_TOO_BIG);
        return 0;
    }
    if (!pki)
        pki = open_pki();
    CHECK(pki_issue(pki, csr, "default", "pump-01", clock_utc(), &made, &why) == ERR_OK);
    check_certificate(&made);
    return 0;
}
