#include "device/identity.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "crypto/key.h"
#include "crypto/pem_openssl.h"
#include "os/file.h"
#include "os/say.h"

#define CERTIFICATE_SIZE_MAX 16384u /* bytes of PEM */

static enum err make_key(const char *path, struct why *why)
{
    struct key *key;
    enum err err;

    TRY(key_generate(KEY_ECDSA_P256, &key, why));
    err = key_save_private(key, path, why);
    key_close(key);
    return err;
}

enum err identity_open(struct identity *identity, const char *directory, struct why *why)
{
    *identity = (struct identity){0};
    if (file_join(directory, "device.key", identity->key_path, sizeof identity->key_path) !=
            ERR_OK ||
        file_join(directory, "device.crt", identity->certificate_path,
                  sizeof identity->certificate_path) != ERR_OK)
        return say(why, ERR_TOO_BIG, NULL, "%s: the path is too long", directory);
    if (file_exists(identity->key_path))
        return ERR_OK;
    return make_key(identity->key_path, why);
}

bool identity_enrolled(const struct identity *identity)
{
    return file_exists(identity->certificate_path);
}

static EVP_PKEY *load_key(const struct identity *identity, struct why *why)
{
    struct file_bytes bytes = {0};
    EVP_PKEY *key = NULL;
    BIO *bio;

    if (file_read(identity->key_path, KEY_FILE_SIZE_MAX, &bytes, why) != ERR_OK)
        return NULL;
    bio = BIO_new_mem_buf(bytes.at, (int)bytes.size);
    CHECK(bio);
    key = PEM_read_bio_PrivateKey(bio, NULL, pem_ask_nobody, NULL);
    BIO_free(bio);
    file_bytes_free(&bytes);
    if (!key)
        (void)say(why, ERR_CORRUPT, NULL, "%s is not a private key", identity->key_path);
    return key;
}

/* Out of memory is the only way these can fail. */
static X509_REQ *make_request(EVP_PKEY *key, const char *name)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME *subject;

    CHECK(request);
    subject = X509_REQ_get_subject_name(request);
    CHECK(X509_REQ_set_version(request, 0) == 1);
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                     -1, 0) == 1);
    CHECK(X509_REQ_set_pubkey(request, key) == 1);
    CHECK(X509_REQ_sign(request, key, EVP_sha256()) > 0);
    return request;
}

enum err identity_request(const struct identity *identity, const char *name, struct buf *out,
                          struct why *why)
{
    EVP_PKEY *key = load_key(identity, why);
    unsigned char *der = NULL;
    X509_REQ *request;
    int size;

    if (!key)
        return ERR_CORRUPT;
    request = make_request(key, name);
    size = i2d_X509_REQ(request, &der);
    CHECK(size > 0);
    buf_put(out, der, (size_t)size);
    OPENSSL_free(der);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

static enum err check_certificate(X509 *certificate, EVP_PKEY *key, const char *name,
                                  struct why *why)
{
    char common[65] = "";

    if (X509_check_private_key(certificate, key) != 1)
        return say(why, ERR_UNTRUSTED, NULL, "the certificate from the server is not for our key");
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common,
                                    sizeof common);
    if (strcmp(common, name) != 0)
        return say(why, ERR_UNTRUSTED, NULL,
                   "the certificate from the server is for \"%s\", not for %s", common, name);
    return ERR_OK;
}

static enum err save_certificate(X509 *certificate, const char *path, struct why *why)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size;
    enum err err;

    CHECK(bio && PEM_write_bio_X509(bio, certificate) == 1);
    size = BIO_get_mem_data(bio, &text);
    err = file_replace(path, (struct span){(const uint8_t *)text, (size_t)size}, 0644, why);
    BIO_free(bio);
    return err;
}

enum err identity_keep(const struct identity *identity, struct span der, const char *name,
                       struct why *why)
{
    const unsigned char *at = der.at;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
    EVP_PKEY *key;
    enum err err;

    if (!certificate || at != der.at + der.size) {
        X509_free(certificate);
        return say(why, ERR_CORRUPT, NULL, "the server sent something that is no certificate");
    }
    key = load_key(identity, why);
    err = key ? check_certificate(certificate, key, name, why) : ERR_CORRUPT;
    if (err == ERR_OK)
        err = save_certificate(certificate, identity->certificate_path, why);
    EVP_PKEY_free(key);
    X509_free(certificate);
    return err;
}

static bool time_of(const ASN1_TIME *time, struct utc *out)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    out->ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

enum err identity_validity(const struct identity *identity, struct identity_validity *out,
                           struct why *why)
{
    struct file_bytes bytes = {0};
    struct identity_validity validity;
    X509 *certificate;
    bool good;
    BIO *bio;

    TRY(file_read(identity->certificate_path, CERTIFICATE_SIZE_MAX, &bytes, why));
    bio = BIO_new_mem_buf(bytes.at, (int)bytes.size);
    CHECK(bio);
    certificate = PEM_read_bio_X509(bio, NULL, pem_ask_nobody, NULL);
    BIO_free(bio);
    file_bytes_free(&bytes);
    good = certificate && time_of(X509_get0_notBefore(certificate), &validity.begin) &&
           time_of(X509_get0_notAfter(certificate), &validity.end);
    X509_free(certificate);
    if (!good)
        return say(why, ERR_CORRUPT, NULL, "%s is not a certificate", identity->certificate_path);
    *out = validity;
    return ERR_OK;
}

bool identity_renewal_due(const struct identity_validity *validity, struct utc now)
{
    int64_t life_ms = validity->end.ms - validity->begin.ms;

    return now.ms >= validity->begin.ms + life_ms / 3 * 2;
}
