#include <openssl/evp.h>
#include <stdlib.h>

#include "base/check.h"
#include "crypto/legacy_digest.h"

struct legacy_digest {
    EVP_MD_CTX *sha1, *md5;
};

static EVP_MD_CTX *begin(const EVP_MD *algorithm)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    CHECK(context);
    CHECK(EVP_DigestInit_ex(context, algorithm, NULL) == 1);
    return context;
}

struct legacy_digest *legacy_digest_open(void)
{
    struct legacy_digest *digest = calloc(1, sizeof *digest);

    CHECK(digest);
    digest->sha1 = begin(EVP_sha1());
    digest->md5 = begin(EVP_md5());
    return digest;
}

void legacy_digest_update(struct legacy_digest *digest, struct span bytes)
{
    CHECK(EVP_DigestUpdate(digest->sha1, bytes.at, bytes.size) == 1);
    CHECK(EVP_DigestUpdate(digest->md5, bytes.at, bytes.size) == 1);
}

void legacy_digest_done(struct legacy_digest *digest, uint8_t sha1[LEGACY_SHA1_SIZE],
                        uint8_t md5[LEGACY_MD5_SIZE])
{
    CHECK(EVP_DigestFinal_ex(digest->sha1, sha1, NULL) == 1);
    CHECK(EVP_DigestFinal_ex(digest->md5, md5, NULL) == 1);
    EVP_MD_CTX_free(digest->sha1);
    EVP_MD_CTX_free(digest->md5);
    free(digest);
}
