#include "server/pki_make.h"

#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "net/tls.h"
#include "os/entropy.h"

#define SERIAL_SIZE 16u /* bytes of randomness: RFC 5280 allows 20, CAs must use at least 8 */
#define DAY_MS      (INT64_C(24) * 3600 * 1000)

static struct utc to_utc(const ASN1_TIME *time)
{
    struct tm parts;

    CHECK(ASN1_TIME_to_tm(time, &parts) == 1);
    return (struct utc){(int64_t)timegm(&parts) * 1000};
}

struct utc pki_not_after(const X509 *certificate)
{
    return to_utc(X509_get0_notAfter(certificate));
}

struct utc pki_not_before(const X509 *certificate)
{
    return to_utc(X509_get0_notBefore(certificate));
}

static bool set_serial(X509 *certificate)
{
    unsigned char random[SERIAL_SIZE];
    BIGNUM *number;
    bool good;

    entropy_fill(random, sizeof random);
    random[0] = (unsigned char)((random[0] & 0x7f) | 0x40); /* positive, always as long */
    number = BN_bin2bn(random, sizeof random, NULL);
    good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return good;
}

static bool set_life(X509 *certificate, const struct pki_order *order)
{
    int64_t from = order->now.ms - PKI_BACKDATE_MS;
    int64_t until = order->now.ms + order->days * DAY_MS;

    if (from < 0)
        from = 0;
    if (order->issuer) {
        int64_t issuer_until = pki_not_after(order->issuer).ms;
        int64_t issuer_from = pki_not_before(order->issuer).ms;

        until = until < issuer_until ? until : issuer_until;
        from = from > issuer_from ? from : issuer_from;
    }
    return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(from / 1000)) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(until / 1000)) != NULL;
}

static bool set_names(X509 *certificate, const struct pki_order *order)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    for (size_t i = 0; i < order->subject_count; i++) {
        const struct pki_text *text = &order->subject[i];

        if (X509_NAME_add_entry_by_txt(name, text->field, MBSTRING_UTF8,
                                       (const unsigned char *)text->value, -1, -1, 0) != 1)
            return false;
    }
    return X509_set_issuer_name(certificate,
                                order->issuer ? X509_get_subject_name(order->issuer) : name) == 1;
}

static bool add_extensions(X509 *certificate, const struct pki_order *order)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, order->issuer ? order->issuer : certificate, certificate, NULL, NULL,
                   0);
    for (size_t i = 0; i < order->extensions_count; i++) {
        const struct pki_extension *wanted = &order->extensions[i];
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, wanted->nid, wanted->value);
        bool good = extension && X509_add_ext(certificate, extension, -1) == 1;

        X509_EXTENSION_free(extension);
        if (!good)
            return false;
    }
    return true;
}

X509 *pki_make(const struct pki_order *order, struct why *why)
{
    X509 *certificate = X509_new();

    CHECK(certificate);
    if (X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
        set_life(certificate, order) && set_names(certificate, order) &&
        X509_set_pubkey(certificate, order->key) == 1 && add_extensions(certificate, order) &&
        X509_sign(certificate, order->issuer_key, EVP_sha256()) > 0)
        return certificate;
    (void)tls_failed(why, ERR_INVALID, "the certificate cannot be made");
    X509_free(certificate);
    return NULL;
}
