#include "server/pki.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "crypto/pem_openssl.h"
#include "net/tls.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/say.h"
#include "server/pki_make.h"

#define PATH_MAX_SIZE 512u   /* bytes of a path with NUL */
#define PEM_SIZE_MAX  65536u /* bytes of a key or certificate file */
#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  8192 /* checking a larger one costs more than it is worth */
#define SAN_SIZE_MAX  4096u

/* 2025-01-01: a CA made by a clock that was never set would be expired when it is. */
#define CLOCK_LEAST_MS INT64_C(1735689600000)

struct pki {
    struct pki_config config;
    X509 *ca;
    EVP_PKEY *ca_key;
    uint8_t ca_der[PKI_DER_SIZE_MAX];
    size_t ca_der_size;
    char ca_file[PATH_MAX_SIZE], ca_key_file[PATH_MAX_SIZE];
    char server_file[PATH_MAX_SIZE], server_key_file[PATH_MAX_SIZE];
};

/* ---- Files ---- */

static enum err write_bio(BIO *bio, const char *path, mode_t mode, struct why *why)
{
    char *at = NULL;
    long size = BIO_get_mem_data(bio, &at);

    CHECK(size > 0);
    return file_replace(path, (struct span){(const uint8_t *)at, (size_t)size}, mode, why);
}

static enum err save_key(EVP_PKEY *key, const char *path, struct why *why)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    enum err err;

    CHECK(bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    err = write_bio(bio, path, 0600, why);
    BIO_free(bio); /* wipes it */
    return err;
}

static enum err save_certificate(X509 *certificate, const char *path, struct why *why)
{
    BIO *bio = BIO_new(BIO_s_mem());
    enum err err;

    CHECK(bio && PEM_write_bio_X509(bio, certificate) == 1);
    err = write_bio(bio, path, 0644, why);
    BIO_free(bio);
    return err;
}

/* A file as a BIO; `bytes` must be kept until the BIO is freed. */
static enum err open_pem(const char *path, struct file_bytes *bytes, BIO **bio, struct why *why)
{
    TRY(file_read(path, PEM_SIZE_MAX, bytes, why));
    *bio = BIO_new_mem_buf(bytes->at, (int)bytes->size);
    CHECK(*bio);
    return ERR_OK;
}

static enum err load_key(const char *path, EVP_PKEY **out, struct why *why)
{
    struct file_bytes bytes = {0};
    BIO *bio;

    TRY(open_pem(path, &bytes, &bio, why));
    ERR_clear_error();
    *out = PEM_read_bio_PrivateKey(bio, NULL, pem_ask_nobody, NULL);
    BIO_free(bio);
    OPENSSL_cleanse(bytes.at, bytes.size);
    file_bytes_free(&bytes);
    return *out ? ERR_OK : tls_failed(why, ERR_CORRUPT, path);
}

static enum err load_certificate(const char *path, X509 **out, struct why *why)
{
    struct file_bytes bytes = {0};
    BIO *bio;

    TRY(open_pem(path, &bytes, &bio, why));
    ERR_clear_error();
    *out = PEM_read_bio_X509(bio, NULL, pem_ask_nobody, NULL);
    BIO_free(bio);
    file_bytes_free(&bytes);
    return *out ? ERR_OK : tls_failed(why, ERR_CORRUPT, path);
}

/* ---- The CA ---- */

static enum err make_ca(struct pki *pki, struct utc now, struct why *why)
{
    char text[UTC_TEXT_SIZE];

    static const struct pki_extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
    };
    uint8_t random[4];
    char name[NAME_SIZE_MAX];
    struct pki_text subject = {"CN", name};
    struct pki_order order = {.subject = &subject,
                              .subject_count = 1,
                              .extensions = extensions,
                              .extensions_count = COUNT_OF(extensions),
                              .now = now,
                              .days = PKI_CA_DAYS};

    if (now.ms < CLOCK_LEAST_MS) {
        utc_format(now.ms > 0 ? now : (struct utc){0}, text);
        return say(why, ERR_INVALID, NULL,
                   "the clock of this machine says %s; set it before the CA is made", text);
    }
    entropy_fill(random, sizeof random);
    (void)snprintf(name, sizeof name, "Slipway device CA %02x%02x%02x%02x", random[0], random[1],
                   random[2], random[3]);
    pki->ca_key = EVP_EC_gen("P-256");
    CHECK(pki->ca_key);
    order.key = pki->ca_key;
    order.issuer_key = pki->ca_key;
    pki->ca = pki_make(&order, why);
    if (!pki->ca)
        return ERR_STORAGE;
    /* The key first: a key without certificate is made anew, a certificate without key is not. */
    TRY(save_key(pki->ca_key, pki->ca_key_file, why));
    return save_certificate(pki->ca, pki->ca_file, why);
}

static enum err load_ca(struct pki *pki, struct why *why)
{
    TRY(load_key(pki->ca_key_file, &pki->ca_key, why));
    TRY(load_certificate(pki->ca_file, &pki->ca, why));
    if (X509_check_private_key(pki->ca, pki->ca_key) != 1)
        return tls_failed(why, ERR_CORRUPT, "ca.key does not belong to ca.crt");
    return ERR_OK;
}

/* The DER of a certificate into `to`. */
static bool to_der(X509 *certificate, uint8_t to[PKI_DER_SIZE_MAX], size_t *size)
{
    int needed = i2d_X509(certificate, NULL);
    unsigned char *at = to;

    if (needed <= 0 || (size_t)needed > PKI_DER_SIZE_MAX)
        return false;
    CHECK(i2d_X509(certificate, &at) == needed);
    *size = (size_t)needed;
    return true;
}

/* ---- The server's own certificate ---- */

static bool is_address(const char *name)
{
    uint8_t ignored[16];

    return inet_pton(AF_INET, name, ignored) == 1 || inet_pton(AF_INET6, name, ignored) == 1;
}

/* What x509v3_config(5) could take for its own syntax must not be in a name. */
static bool is_clean(const char *name)
{
    size_t size = strlen(name);

    return size > 0 && size <= 253 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:*") ==
               size;
}

static enum err write_names(const struct pki_config *config, char to[SAN_SIZE_MAX], struct why *why)
{
    struct buf buf = buf_over(to, SAN_SIZE_MAX);

    for (size_t i = 0; i < config->server_names_count; i++) {
        const char *name = config->server_names[i];

        if (!is_clean(name) || (strchr(name, ':') && !is_address(name)))
            return say(why, ERR_INVALID, "server_names", "\"%s\" is neither a name nor an address",
                       name);
        buf_text(&buf, i > 0 ? "," : "");
        buf_text(&buf, is_address(name) ? "IP:" : "DNS:");
        buf_text(&buf, name);
    }
    (void)buf_finish_text(&buf);
    if (buf.overflow)
        return say(why, ERR_TOO_BIG, "server_names", "there are too many server names");
    return ERR_OK;
}

static enum err make_server(struct pki *pki, struct utc now, struct why *why)
{
    char names[SAN_SIZE_MAX], common_name[NAME_SIZE_MAX + 1];
    const struct pki_extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_alt_name, names},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    struct pki_text subject = {"CN", common_name};
    struct pki_order order = {.subject = &subject,
                              .subject_count = 1,
                              .extensions = extensions,
                              .extensions_count = COUNT_OF(extensions),
                              .issuer = pki->ca,
                              .issuer_key = pki->ca_key,
                              .now = now,
                              .days = PKI_SERVER_DAYS};
    X509 *certificate;
    enum err err;

    TRY(write_names(&pki->config, names, why));
    if (!span_to_text(span_of(pki->config.server_names[0]), common_name, sizeof common_name))
        (void)snprintf(common_name, sizeof common_name, "slipwayd");
    order.key = EVP_EC_gen("P-256");
    CHECK(order.key);
    certificate = pki_make(&order, why);
    err = certificate ? save_key(order.key, pki->server_key_file, why) : ERR_STORAGE;
    if (err == ERR_OK)
        err = save_certificate(certificate, pki->server_file, why);
    X509_free(certificate);
    EVP_PKEY_free(order.key);
    return err;
}

static bool names_match(const struct pki *pki, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool match = names && sk_GENERAL_NAME_num(names) == (int)pki->config.server_names_count;

    GENERAL_NAMES_free(names);
    for (size_t i = 0; match && i < pki->config.server_names_count; i++) {
        const char *name = pki->config.server_names[i];

        match = is_address(name) ? X509_check_ip_asc(certificate, name, 0) == 1
                                 : X509_check_host(certificate, name, 0, 0, NULL) == 1;
    }
    return match;
}

/* Good for at least another third of its life, for these names, by this CA, with its key. */
static bool server_is_good(const struct pki *pki, struct utc now)
{
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    bool good = load_certificate(pki->server_file, &certificate, NULL) == ERR_OK &&
                load_key(pki->server_key_file, &key, NULL) == ERR_OK &&
                X509_check_private_key(certificate, key) == 1 &&
                X509_verify(certificate, pki->ca_key) == 1 && names_match(pki, certificate);

    if (good) {
        int64_t from = pki_not_before(certificate).ms, until = pki_not_after(certificate).ms;

        good = now.ms >= from && until - now.ms >= (until - from) / 3;
        if (now.ms < pki_not_before(pki->ca).ms)
            good = true; /* a clock from before the CA: anything made by it would be worse */
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

/* ---- Open and close ---- */

static enum err make_paths(struct pki *pki, struct why *why)
{
    const char *directory = pki->config.directory;

    if (file_join(directory, "ca.crt", pki->ca_file, PATH_MAX_SIZE) != ERR_OK ||
        file_join(directory, "ca.key", pki->ca_key_file, PATH_MAX_SIZE) != ERR_OK ||
        file_join(directory, "server.crt", pki->server_file, PATH_MAX_SIZE) != ERR_OK ||
        file_join(directory, "server.key", pki->server_key_file, PATH_MAX_SIZE) != ERR_OK)
        return say(why, ERR_TOO_BIG, "data_dir", "the path %s is too long", directory);
    return ERR_OK;
}

static enum err open_all(struct pki *pki, struct utc now, bool *fresh, struct why *why)
{
    TRY(make_paths(pki, why));
    *fresh = !file_exists(pki->ca_file);
    TRY(*fresh ? make_ca(pki, now, why) : load_ca(pki, why));
    if (!to_der(pki->ca, pki->ca_der, &pki->ca_der_size))
        return say(why, ERR_CORRUPT, NULL, "the CA's certificate is too large");
    if (now.ms > pki_not_after(pki->ca).ms)
        return say(why, ERR_UNTRUSTED, NULL, "the CA's certificate %s has expired", pki->ca_file);
    return server_is_good(pki, now) ? ERR_OK : make_server(pki, now, why);
}

enum err pki_open(const struct pki_config *config, struct utc now, struct pki **out, bool *fresh,
                  struct why *why)
{
    struct pki *pki = calloc(1, sizeof *pki);
    bool made = false;
    enum err err;

    CHECK(pki && config->server_names_count > 0 && config->device_days > 0);
    pki->config = *config;
    err = open_all(pki, now, &made, why);
    if (err != ERR_OK) {
        pki_close(pki);
        return err;
    }
    if (fresh)
        *fresh = made;
    *out = pki;
    return ERR_OK;
}

void pki_close(struct pki *pki)
{
    if (!pki)
        return;
    X509_free(pki->ca);
    EVP_PKEY_free(pki->ca_key);
    free(pki);
}

const char *pki_ca_file(const struct pki *pki)
{
    return pki->ca_file;
}

const char *pki_server_certificate_file(const struct pki *pki)
{
    return pki->server_file;
}

const char *pki_server_key_file(const struct pki *pki)
{
    return pki->server_key_file;
}

struct span pki_ca(const struct pki *pki)
{
    return (struct span){pki->ca_der, pki->ca_der_size};
}

/* ---- Devices ---- */

static bool curve_is(EVP_PKEY *key, const char *want)
{
    char name[64];
    size_t size = 0;

    return EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1 && strcmp(name, want) == 0;
}

static bool key_is_strong(EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
        return curve_is(key, "prime256v1") || curve_is(key, "secp384r1");
    case EVP_PKEY_ED25519:
        return true;
    case EVP_PKEY_RSA:
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
    default:
        return false;
    }
}

/* NULL for anything that is not exactly one PKCS#10 request. */
static X509_REQ *parse_request(struct span csr)
{
    const unsigned char *at = csr.at;
    X509_REQ *request;

    if (csr.size == 0 || csr.size > PKI_DER_SIZE_MAX)
        return NULL;
    ERR_clear_error();
    request = d2i_X509_REQ(NULL, &at, (long)csr.size);
    ERR_clear_error();
    if (request && at == csr.at + csr.size)
        return request;
    X509_REQ_free(request);
    return NULL;
}

/* The checked request with its key; both to be freed by the caller on success. */
static enum err check_request(struct span csr, X509_REQ **out, struct why *why)
{
    X509_REQ *request = parse_request(csr);
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    enum err err = ERR_OK;

    if (!request)
        err = say(why, ERR_CORRUPT, "csr", "this is not a PKCS#10 request in DER");
    else if (!key || !key_is_strong(key))
        err = say(why, ERR_UNTRUSTED, "csr",
                  "the key must be P-256, P-384, Ed25519 or RSA with 2048 to 8192 bits");
    else if (X509_REQ_verify(request, key) != 1)
        err = say(why, ERR_UNTRUSTED, "csr", "the request is not signed with its own key");
    ERR_clear_error();
    if (err != ERR_OK)
        X509_REQ_free(request);
    else
        *out = request;
    return err;
}

enum err pki_read_request(struct span csr, uint8_t key_sha256[DIGEST_SIZE], struct why *why)
{
    X509_REQ *request;
    unsigned char *der = NULL;
    unsigned size = 0;
    int der_size;

    TRY(check_request(csr, &request, why));
    der_size = i2d_PUBKEY(X509_REQ_get0_pubkey(request), &der);
    CHECK(der_size > 0);
    CHECK(EVP_Digest(der, (size_t)der_size, key_sha256, &size, EVP_sha256(), NULL) == 1);
    OPENSSL_free(der);
    X509_REQ_free(request);
    return ERR_OK;
}

static bool name_is_clean(const char *name)
{
    size_t size = strlen(name);

    return size > 0 && size <= NAME_SIZE_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               size;
}

static X509 *make_device(const struct pki *pki, EVP_PKEY *key, const char *tenant,
                         const char *device, struct utc now, struct why *why)
{
    char uri[2 * NAME_SIZE_MAX + 32];
    const struct pki_extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "clientAuth"},
        {NID_subject_alt_name, uri},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    const struct pki_text subject[] = {{"O", tenant}, {"CN", device}};
    struct pki_order order = {.subject = subject,
                              .subject_count = COUNT_OF(subject),
                              .extensions = extensions,
                              .extensions_count = COUNT_OF(extensions),
                              .key = key,
                              .issuer = pki->ca,
                              .issuer_key = pki->ca_key,
                              .now = now,
                              .days = pki->config.device_days};

    (void)snprintf(uri, sizeof uri, "URI:urn:slipway:%s:%s", tenant, device);
    return pki_make(&order, why);
}

enum err pki_issue(const struct pki *pki, struct span csr, const char *tenant, const char *device,
                   struct utc now, struct pki_certificate *out, struct why *why)
{
    X509_REQ *request;
    X509 *certificate;
    unsigned size = 0;
    bool fits;

    if (!name_is_clean(tenant) || !name_is_clean(device))
        return say(why, ERR_INVALID, "name", "a name has 1 to 64 of A-Z a-z 0-9 . _ -");
    TRY(check_request(csr, &request, why));
    certificate = make_device(pki, X509_REQ_get0_pubkey(request), tenant, device, now, why);
    X509_REQ_free(request);
    if (!certificate)
        return ERR_STORAGE;
    fits = to_der(certificate, out->der, &out->size);
    out->not_after = pki_not_after(certificate);
    X509_free(certificate);
    if (!fits)
        return say(why, ERR_TOO_BIG, "csr", "the certificate would be too large");
    CHECK(EVP_Digest(out->der, out->size, out->fingerprint, &size, EVP_sha256(), NULL) == 1);
    return ERR_OK;
}
