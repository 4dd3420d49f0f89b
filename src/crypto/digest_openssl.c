#include "crypto/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/check.h"

struct digest {
    EVP_MD_CTX *context;
    enum digest_kind kind;
};

static const EVP_MD *algorithm(enum digest_kind kind)
{
    return kind == DIGEST_SHA256 ? EVP_sha256() : EVP_sha512();
}

struct digest *digest_open(enum digest_kind kind)
{
    struct digest *digest = calloc(1, sizeof *digest);

    CHECK(digest);
    digest->kind = kind;
    digest->context = EVP_MD_CTX_new();
    CHECK(digest->context);
    CHECK(EVP_DigestInit_ex(digest->context, algorithm(kind), NULL) == 1);
    return digest;
}

void digest_update(struct digest *digest, struct span bytes)
{
    CHECK(EVP_DigestUpdate(digest->context, bytes.at, bytes.size) == 1);
}

void digest_done(struct digest *digest, uint8_t *out)
{
    CHECK(EVP_DigestFinal_ex(digest->context, out, NULL) == 1);
    CHECK(EVP_DigestInit_ex(digest->context, algorithm(digest->kind), NULL) == 1);
}

void digest_close(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

size_t digest_size(enum digest_kind kind)
{
    return kind == DIGEST_SHA256 ? DIGEST_SIZE : SHA512_SIZE;
}

void digest_of(enum digest_kind kind, struct span bytes, uint8_t *out)
{
    CHECK(EVP_Digest(bytes.at, bytes.size, out, NULL, algorithm(kind), NULL) == 1);
}
