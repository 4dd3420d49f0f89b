/* Inside the CA: building certificates with OpenSSL. Only server/pki*.c include this. */
#pragma once

#include <openssl/x509.h>

#include "base/err.h"
#include "base/time.h"
#include "base/why.h"

#define PKI_BACKDATE_MS (INT64_C(3600) * 1000) /* clocks differ: valid since an hour ago */

struct pki_text {
    const char *field; /* "CN", "O" */
    const char *value;
};

struct pki_extension {
    int nid;
    const char *value; /* in the language of x509v3_config(5) */
};

struct pki_order {
    const struct pki_text *subject;
    size_t subject_count;
    const struct pki_extension *extensions;
    size_t extensions_count;
    EVP_PKEY *key; /* to be certified; borrowed */
    X509 *issuer;  /* NULL: itself */
    EVP_PKEY *issuer_key;
    struct utc now;
    int64_t days;
};

/* NULL with `why` on failure. The life is cut to that of the issuer. */
X509 *pki_make(const struct pki_order *order, struct why *why);

/* The end of a certificate's life. */
struct utc pki_not_after(const X509 *certificate);
struct utc pki_not_before(const X509 *certificate);
