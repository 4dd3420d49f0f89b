#include "crypto/sealing.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "crypto/hkdf.h"
#include "crypto/wipe.h"

#define INFO_SIZE_MAX 32u

struct sealing {
    struct aead *aead;
    uint32_t chunk_size;
};

static void derive(const struct sealing_image *image, const uint8_t *content_key,
                   const char *purpose, uint8_t out[DIGEST_SIZE])
{
    uint8_t bytes[INFO_SIZE_MAX], secret[DIGEST_SIZE];
    struct buf info = buf_over(bytes, sizeof bytes);

    buf_text(&info, purpose);
    buf_byte(&info, (uint8_t)image->alg);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_byte(&info, (uint8_t)(image->chunk_size >> shift));
    CHECK(!info.overflow);
    hkdf_extract((struct span){image->sha256, DIGEST_SIZE},
                 (struct span){content_key, CONTENT_KEY_SIZE}, secret);
    hkdf_expand(secret, buf_written(&info), out, DIGEST_SIZE);
    wipe(secret, sizeof secret);
}

struct sealing *sealing_open(const struct sealing_image *image,
                             const uint8_t content_key[CONTENT_KEY_SIZE])
{
    struct sealing *sealing = calloc(1, sizeof *sealing);
    uint8_t key[DIGEST_SIZE];

    CHECK(sealing);
    derive(image, content_key, "slipway sealed payload 1", key);
    sealing->aead = aead_open(image->alg, key);
    sealing->chunk_size = image->chunk_size;
    wipe(key, sizeof key);
    return sealing;
}

void sealing_close(struct sealing *sealing)
{
    if (!sealing)
        return;
    aead_close(sealing->aead);
    free(sealing);
}

static void nonce_of(uint32_t index, bool last, uint8_t out[AEAD_NONCE_SIZE])
{
    memset(out, 0, AEAD_NONCE_SIZE);
    for (size_t i = 0; i < sizeof index; i++)
        out[AEAD_NONCE_SIZE - 2 - i] = (uint8_t)(index >> (8 * i));
    out[AEAD_NONCE_SIZE - 1] = last;
}

void sealing_seal(struct sealing *sealing, uint32_t index, bool last, struct span plain,
                  uint8_t *out)
{
    uint8_t nonce[AEAD_NONCE_SIZE];

    CHECK(plain.size > 0 && plain.size <= sealing->chunk_size);
    CHECK(last || plain.size == sealing->chunk_size);
    nonce_of(index, last, nonce);
    aead_seal(sealing->aead, nonce, (struct span){0}, plain, out);
}

bool sealing_unseal(struct sealing *sealing, uint32_t index, bool last, struct span sealed,
                    uint8_t *out)
{
    uint8_t nonce[AEAD_NONCE_SIZE];

    nonce_of(index, last, nonce);
    return aead_unseal(sealing->aead, nonce, (struct span){0}, sealed, out);
}

void sealing_check(const struct sealing_image *image, const uint8_t content_key[CONTENT_KEY_SIZE],
                   uint8_t out[DIGEST_SIZE])
{
    derive(image, content_key, "slipway sealed check 1", out);
}
