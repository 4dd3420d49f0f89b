#include "lab/rig_seal.h"

#include <string.h>

#include "base/check.h"
#include "crypto/sealing.h"
#include "crypto/sha256.h"

#define WRAP SPAN_LITERAL("a content key for pump-1")

static const uint8_t content_key[CONTENT_KEY_SIZE] = {0x5E, 0xA1};

static struct sealing *in_hand;

static struct sealing *sealing_of(enum aead_kind alg, const uint8_t *sha256, uint32_t chunk_size)
{
    struct sealing_image image = {.alg = alg, .chunk_size = chunk_size};

    memcpy(image.sha256, sha256, DIGEST_SIZE);
    return sealing_open(&image, content_key);
}

void rig_seal_image(const uint8_t *image, struct release_facts *facts, uint8_t *sent, uint8_t *list)
{
    const struct chunks chunks = {facts->length, facts->chunk_size, AEAD_TAG_SIZE};
    struct sealing *sealing = sealing_of(AEAD_CHACHA20_POLY1305, facts->sha256, facts->chunk_size);

    for (uint32_t i = 0; i < chunks_count(&chunks); i++) {
        struct span plain = {image + chunks_at(&chunks, i), chunks_size_of(&chunks, i)};
        uint8_t *to = sent + chunks_sent_at(&chunks, i);

        sealing_seal(sealing, i, chunks_last(&chunks, i), plain, to);
        sha256_of((struct span){to, chunks_sent_size_of(&chunks, i)},
                  list + (size_t)i * DIGEST_SIZE);
    }
    sealing_close(sealing);
    facts->sealed = (struct release_sealed){
        .used = true, .alg = AEAD_CHACHA20_POLY1305, .length = chunks_sent_length(&chunks)};
    sha256_of((struct span){sent, (size_t)facts->sealed.length}, facts->sealed.sha256);
    sha256_of((struct span){list, chunks_list_size(&chunks)}, facts->chunks_sha256);
}

struct span rig_seal_wrap(void)
{
    return WRAP;
}

static enum err begin(void *self, const struct sealer_image *image, struct span wrap)
{
    (void)self;
    if (!span_equal(wrap, WRAP))
        return ERR_UNTRUSTED;
    rig_sealer_forget();
    in_hand = sealing_of(image->alg, image->sha256, image->chunk_size);
    return ERR_OK;
}

static bool unseal(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size)
{
    (void)self;
    CHECK(in_hand);
    return sealing_unseal(in_hand, index, last, (struct span){bytes, (size_t)size + AEAD_TAG_SIZE},
                          bytes);
}

static void seal(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size)
{
    (void)self;
    CHECK(in_hand);
    sealing_seal(in_hand, index, last, (struct span){bytes, size}, bytes);
}

const struct sealer *rig_sealer(void)
{
    static const struct sealer_ops ops = {begin, unseal, seal};
    static const struct sealer sealer = {&ops, NULL};

    return &sealer;
}

void rig_sealer_forget(void)
{
    sealing_close(in_hand);
    in_hand = NULL;
}
