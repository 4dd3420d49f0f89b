#include "server/certificate_life.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <time.h>

static bool utc_of(const ASN1_TIME *time, struct utc *out)
{
    struct tm parts;

    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return false;
    out->ms = (int64_t)timegm(&parts) * 1000;
    return true;
}

bool certificate_life(const char *path, struct utc *from, struct utc *until)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = NULL;
    bool good;

    if (!file)
        return false;
    (void)ERR_set_mark(); /* what fails here has nothing to say to TLS */
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    (void)ERR_pop_to_mark();
    (void)fclose(file); /* was only read */
    good = certificate && utc_of(X509_get0_notBefore(certificate), from) &&
           utc_of(X509_get0_notAfter(certificate), until);
    X509_free(certificate);
    return good;
}
