#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/check.h"
#include "crypto/aead.h"

struct aead {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *context;
    uint8_t key[AEAD_KEY_SIZE];
};

struct aead *aead_open(enum aead_kind kind, const uint8_t key[AEAD_KEY_SIZE])
{
    static const char *const ciphers[AEAD_COUNT] = {
        [AEAD_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
        [AEAD_AES_256_GCM] = "AES-256-GCM",
    };
    struct aead *aead = calloc(1, sizeof *aead);

    CHECK(aead && (size_t)kind < COUNT_OF(ciphers));
    aead->cipher = EVP_CIPHER_fetch(NULL, ciphers[kind], NULL);
    aead->context = EVP_CIPHER_CTX_new();
    CHECK(aead->cipher && aead->context);
    memcpy(aead->key, key, sizeof aead->key);
    return aead;
}

void aead_close(struct aead *aead)
{
    if (!aead)
        return;
    EVP_CIPHER_CTX_free(aead->context);
    EVP_CIPHER_free(aead->cipher);
    OPENSSL_cleanse(aead, sizeof *aead);
    free(aead);
}

static void begin(struct aead *aead, const uint8_t *nonce, struct span bound, bool seal)
{
    int done;

    CHECK(EVP_CipherInit_ex(aead->context, aead->cipher, NULL, aead->key, nonce, seal) == 1);
    CHECK(bound.size <= INT_MAX);
    if (bound.size > 0)
        CHECK(EVP_CipherUpdate(aead->context, NULL, &done, bound.at, (int)bound.size) == 1);
}

/* Neither cipher holds bytes back: all of them come out here. */
static void run(struct aead *aead, struct span in, uint8_t *out)
{
    int done = 0;

    CHECK(in.size <= INT_MAX);
    if (in.size > 0)
        CHECK(EVP_CipherUpdate(aead->context, out, &done, in.at, (int)in.size) == 1);
    CHECK((size_t)done == in.size);
}

void aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct span bound,
               struct span plain, uint8_t *out)
{
    uint8_t *tag = out + plain.size;
    int done = 0;

    begin(aead, nonce, bound, true);
    run(aead, plain, out);
    CHECK(EVP_CipherFinal_ex(aead->context, tag, &done) == 1 && done == 0);
    CHECK(EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_GET_TAG, (int)AEAD_TAG_SIZE, tag) == 1);
}

bool aead_unseal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct span bound,
                 struct span sealed, uint8_t *out)
{
    uint8_t tag[AEAD_TAG_SIZE], nothing[AEAD_TAG_SIZE];
    int done = 0;
    bool good;

    if (sealed.size < sizeof tag)
        return false;
    sealed.size -= sizeof tag;
    memcpy(tag, sealed.at + sealed.size, sizeof tag);
    begin(aead, nonce, bound, false);
    CHECK(EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_SET_TAG, (int)sizeof tag, tag) == 1);
    run(aead, sealed, out);
    (void)ERR_set_mark();
    good = EVP_CipherFinal_ex(aead->context, nothing, &done) == 1;
    (void)ERR_pop_to_mark();
    if (!good)
        OPENSSL_cleanse(out, sealed.size);
    return good;
}
