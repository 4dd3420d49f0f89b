#include "crypto/hkdf.h"

#include "base/check.h"
#include "crypto/wipe.h"

#define INNER 0x36u /* RFC 2104, section 2: ipad, opad */
#define OUTER 0x5Cu

void hmac_init(struct hmac *hmac, struct span key)
{
    uint8_t block[SHA256_BLOCK_SIZE] = {0};

    if (key.size > sizeof block)
        sha256_of(key, block);
    else if (key.size > 0)
        memcpy(block, key.at, key.size);
    for (size_t i = 0; i < sizeof block; i++) {
        hmac->outer_pad[i] = block[i] ^ OUTER;
        block[i] ^= INNER;
    }
    sha256_init(&hmac->inner);
    sha256_update(&hmac->inner, (struct span){block, sizeof block});
    wipe(block, sizeof block);
}

void hmac_update(struct hmac *hmac, struct span bytes)
{
    sha256_update(&hmac->inner, bytes);
}

void hmac_done(struct hmac *hmac, uint8_t out[DIGEST_SIZE])
{
    uint8_t inner[DIGEST_SIZE];

    sha256_done(&hmac->inner, inner);
    sha256_init(&hmac->inner);
    sha256_update(&hmac->inner, (struct span){hmac->outer_pad, sizeof hmac->outer_pad});
    sha256_update(&hmac->inner, (struct span){inner, sizeof inner});
    sha256_done(&hmac->inner, out);
    wipe(inner, sizeof inner);
    wipe(hmac, sizeof *hmac);
}

void hkdf_extract(struct span salt, struct span secret, uint8_t out[DIGEST_SIZE])
{
    struct hmac hmac;

    hmac_init(&hmac, salt);
    hmac_update(&hmac, secret);
    hmac_done(&hmac, out);
}

void hkdf_expand(const uint8_t key[DIGEST_SIZE], struct span info, uint8_t *out, size_t size)
{
    static const uint8_t first = 1;
    uint8_t block[DIGEST_SIZE];
    struct hmac hmac;

    CHECK(size <= sizeof block);
    hmac_init(&hmac, (struct span){key, DIGEST_SIZE});
    hmac_update(&hmac, info);
    hmac_update(&hmac, (struct span){&first, 1});
    hmac_done(&hmac, block);
    memcpy(out, block, size);
    wipe(block, sizeof block);
}
