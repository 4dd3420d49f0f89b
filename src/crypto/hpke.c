#include "crypto/hpke.h"

#include "base/buf.h"
#include "base/check.h"
#include "crypto/hkdf.h"
#include "crypto/wipe.h"

#define SUITE_SIZE_MAX 10u
#define TEXT_SIZE_MAX  192u /* bytes that go into one expansion */

/* "KEM" kem, or "HPKE" kem kdf aead. */
struct suite {
    uint8_t id[SUITE_SIZE_MAX];
    size_t size;
};

static struct suite suite_of(enum hpke_kem kem, bool whole)
{
    struct suite suite;
    struct buf id = buf_over(suite.id, sizeof suite.id);

    buf_text(&id, whole ? "HPKE" : "KEM");
    buf_byte(&id, (uint8_t)((unsigned)kem >> 8));
    buf_byte(&id, (uint8_t)kem);
    if (whole)
        buf_put(&id, "\x00\x01\x00\x03", 4); /* HKDF-SHA256, ChaCha20-Poly1305 */
    suite.size = buf_written(&id).size;
    return suite;
}

/* RFC 9180, section 4: LabeledExtract(salt, label, secret). */
static void extract(const struct suite *suite, struct span salt, const char *label,
                    struct span secret, uint8_t out[DIGEST_SIZE])
{
    struct hmac hmac;

    hmac_init(&hmac, salt);
    hmac_update(&hmac, SPAN_LITERAL("HPKE-v1"));
    hmac_update(&hmac, (struct span){suite->id, suite->size});
    hmac_update(&hmac, span_of(label));
    hmac_update(&hmac, secret);
    hmac_done(&hmac, out);
}

struct expansion {
    const char *label;
    struct span info;
    uint8_t *out;
    size_t size;
};

/* LabeledExpand(key, label, info, size). */
static void expand(const struct suite *suite, const uint8_t key[DIGEST_SIZE],
                   const struct expansion *to)
{
    uint8_t bytes[TEXT_SIZE_MAX];
    struct buf text = buf_over(bytes, sizeof bytes);

    buf_byte(&text, 0);
    buf_byte(&text, (uint8_t)to->size);
    buf_text(&text, "HPKE-v1");
    buf_put(&text, suite->id, suite->size);
    buf_text(&text, to->label);
    buf_span(&text, to->info);
    CHECK(!text.overflow);
    hkdf_expand(key, buf_written(&text), to->out, to->size);
}

/* Section 4.1: ExtractAndExpand. */
static void shared_secret(const struct hpke_input *input, uint8_t out[DIGEST_SIZE])
{
    struct suite suite = suite_of(input->kem, false);
    uint8_t key[DIGEST_SIZE], bytes[HPKE_CONTEXT_MAX];
    struct buf context = buf_over(bytes, sizeof bytes);

    buf_span(&context, input->enc);
    buf_span(&context, input->recipient);
    CHECK(!context.overflow);
    extract(&suite, (struct span){0}, "eae_prk", input->agreed, key);
    expand(&suite, key,
           &(struct expansion){"shared_secret", buf_written(&context), out, DIGEST_SIZE});
    wipe(key, sizeof key);
}

/* Section 5.1: KeySchedule, with mode 0 and neither a pre-shared key nor its name. */
void hpke_schedule(const struct hpke_input *input, struct hpke_keys *out)
{
    struct suite suite = suite_of(input->kem, true);
    uint8_t shared[DIGEST_SIZE], secret[DIGEST_SIZE], context[1 + 2 * DIGEST_SIZE] = {0};

    shared_secret(input, shared);
    extract(&suite, (struct span){0}, "psk_id_hash", (struct span){0}, context + 1);
    extract(&suite, (struct span){0}, "info_hash", input->info, context + 1 + DIGEST_SIZE);
    extract(&suite, (struct span){shared, sizeof shared}, "secret", (struct span){0}, secret);
    expand(&suite, secret,
           &(struct expansion){"key", {context, sizeof context}, out->key, sizeof out->key});
    expand(&suite, secret,
           &(struct expansion){
               "base_nonce", {context, sizeof context}, out->nonce, sizeof out->nonce});
    wipe(shared, sizeof shared);
    wipe(secret, sizeof secret);
}
