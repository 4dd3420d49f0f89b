/* Where a device core opens sealed images: behind it are the device's sealing key and a cipher.
 *
 * The core hands over one image and the content key wrapped for this device, then chunk after
 * chunk in its own buffer. It has checked each sealed chunk against the signed list before, and
 * writes nothing that unseal() has not accepted. Calls are synchronous and allocate nothing that
 * outlives the next begin(). Formats: docs/spec/sealed.md; on hosts: crypto/sealing.h. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"
#include "crypto/aead.h"

struct sealer_image {
    enum aead_kind alg;
    const uint8_t *sha256; /* of the plain image, DIGEST_SIZE bytes */
    uint32_t chunk_size;   /* bytes of a plain chunk */
};

struct sealer_ops {
    /* From now on chunks are those of `image`, under the content key in `wrap`.
     * ERR_UNTRUSTED, ERR_CORRUPT: it is not wrapped for this device and image; ERR_NOT_FOUND:
     * the device has no sealing key. */
    enum err (*begin)(void *self, const struct sealer_image *image, struct span wrap);

    /* Decrypt `size` plain bytes and the AEAD_TAG_SIZE bytes behind them in place. False: it is
     * not chunk `index` of the image; what is in `bytes` then must not be used. */
    bool (*unseal)(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size);

    /* Encrypt in place; the tag is put behind the `size` plain bytes. */
    void (*seal)(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size);
};

struct sealer {
    const struct sealer_ops *ops;
    void *self;
};
