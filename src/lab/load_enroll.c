#include "lab/load_enroll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "format/native.h"
#include "lab/load_request.h"
#include "net/http_client.h"
#include "os/file.h"
#include "os/say.h"

#define CLAIMS_SIZE_MAX (16u << 20) /* bytes of the file with claim tokens */

struct enrolment {
    struct http_client *client;
    const char *url, *identities;
    uint32_t number;
};

/* A signing request for CN=`name` in DER, from OpenSSL's allocator. */
static int make_request(EVP_PKEY *key, const char *name, uint8_t **der)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME *subject = request ? X509_REQ_get_subject_name(request) : NULL;
    int size = -1;

    if (subject &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0) &&
        X509_REQ_set_pubkey(request, key) && X509_REQ_sign(request, key, EVP_sha256()) > 0)
        size = i2d_X509_REQ(request, der);
    X509_REQ_free(request);
    return size;
}

static enum err keep(const struct enrolment *enrolment, EVP_PKEY *key, struct span der,
                     struct why *why)
{
    const uint8_t *at = der.at;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
    char path[4096];
    FILE *file;
    bool ok = certificate != NULL;

    (void)snprintf(path, sizeof path, "%s/load-%u.key", enrolment->identities, enrolment->number);
    file = ok ? fopen(path, "w") : NULL;
    ok = file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (file)
        ok = fclose(file) == 0 && ok;
    (void)snprintf(path, sizeof path, "%s/load-%u.crt", enrolment->identities, enrolment->number);
    file = ok ? fopen(path, "w") : NULL;
    ok = file && PEM_write_X509(file, certificate) == 1;
    if (file)
        ok = fclose(file) == 0 && ok;
    X509_free(certificate);
    return ok ? ERR_OK : say(why, ERR_STORAGE, "identities", "cannot write %s", path);
}

static enum err post(const struct enrolment *enrolment, struct span body, struct span *out,
                     struct why *why)
{
    char url[1024];
    struct http_call call = {.method = "POST", .content_type = NATIVE_MIME, .body = body};
    struct http_answer answer;

    (void)snprintf(url, sizeof url, "%s/device/v1/enroll", enrolment->url);
    call.url = url;
    TRY(http_client_call(enrolment->client, &call, &answer, why));
    if (answer.status != 201)
        return say(why, ERR_DENIED, "claims", "load-%u was answered with status %u",
                   enrolment->number, answer.status);
    *out = answer.body;
    return ERR_OK;
}

static enum err enroll_one(const struct enrolment *enrolment, struct span claim, struct why *why)
{
    char name[32];
    uint8_t room[MESSAGE_SIZE_MAX], *der = NULL;
    struct buf message = buf_over(room, sizeof room);
    struct native_enroll enroll = {.claim = claim, .attributes = load_attributes()};
    struct native_enrolled enrolled;
    struct span answer;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int size;
    enum err err;

    (void)snprintf(name, sizeof name, "load-%u", enrolment->number);
    size = key ? make_request(key, name, &der) : -1;
    if (size < 0) {
        EVP_PKEY_free(key);
        return say(why, ERR_STORAGE, NULL, "cannot make a key");
    }
    enroll.name = span_of(name);
    enroll.csr = (struct span){der, (size_t)size};
    err = native_enroll_encode(&enroll, &message);
    OPENSSL_free(der);
    if (err == ERR_OK)
        err = post(enrolment, buf_written(&message), &answer, why);
    if (err == ERR_OK)
        err = native_enrolled_decode(answer, &enrolled);
    if (err == ERR_OK)
        err = keep(enrolment, key, enrolled.certificate, why);
    EVP_PKEY_free(key);
    return err;
}

enum err load_enroll(const char *url, const char *ca_file, const char *claims_file,
                     const char *identities, uint32_t *enrolled, struct why *why)
{
    struct http_client_setup setup = {.ca_file = ca_file};
    struct enrolment enrolment = {.url = url, .identities = identities};
    struct file_bytes claims;
    char *rest = NULL;
    enum err err = ERR_OK;

    TRY(file_make_directory(identities, 0700, why));
    TRY(file_read(claims_file, CLAIMS_SIZE_MAX, &claims, why));
    enrolment.client = http_client_open(&setup, why);
    if (!enrolment.client)
        err = ERR_INVALID;
    for (char *line = strtok_r((char *)claims.at, "\n", &rest); line && err == ERR_OK;
         line = strtok_r(NULL, "\n", &rest)) {
        enrolment.number++;
        err = enroll_one(&enrolment, span_of(line), why);
    }
    http_client_close(enrolment.client);
    file_bytes_free(&claims);
    if (err == ERR_OK)
        *enrolled = enrolment.number;
    return err;
}
