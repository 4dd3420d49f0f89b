#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "crypto/equal.h"
#include "crypto/hpke.h"
#include "crypto/pem_openssl.h"
#include "crypto/wipe.h"
#include "crypto/wrap.h"

#define AGREED_SIZE     32u
#define RAW_SIZE_MAX    65u
#define INFO_SIZE_MAX   128u
#define POINT_PLAIN     0x04u /* SEC 1, section 2.3.3: an uncompressed point */
#define PEM_INPUT_MAX   8192u
#define SEALED_KEY_SIZE (AEAD_KEY_SIZE + AEAD_TAG_SIZE)

struct wrap_key {
    EVP_PKEY *pkey;
    enum wrap_kind kind;
};

/* A public key as it is sent, taken apart. */
struct public_key {
    enum wrap_kind kind;
    struct span raw;
};

/* What fails in OpenSSL here has nothing to say to its TLS code, which reads the same list. */
static void quiet_begin(void)
{
    (void)ERR_set_mark();
}

static void quiet_end(void)
{
    (void)ERR_pop_to_mark();
}

static enum err bad(struct why *why, enum err err, const char *text)
{
    why_say(why, NULL, text);
    return err;
}

static size_t raw_size(enum wrap_kind kind)
{
    return kind == WRAP_X25519 ? 32 : RAW_SIZE_MAX;
}

static enum hpke_kem kem_of(enum wrap_kind kind)
{
    return kind == WRAP_X25519 ? HPKE_X25519 : HPKE_P256;
}

/* Kind and key off the front of `in`; what follows stays in it. */
static bool take_public(struct span *in, struct public_key *out)
{
    enum wrap_kind kind;

    if (in->size == 0 || (in->at[0] != WRAP_X25519 && in->at[0] != WRAP_P256))
        return false;
    kind = (enum wrap_kind)in->at[0];
    if (in->size - 1 < raw_size(kind))
        return false;
    *out = (struct public_key){kind, {in->at + 1, raw_size(kind)}};
    in->at += 1 + out->raw.size;
    in->size -= 1 + out->raw.size;
    return true;
}

static bool read_public(struct span in, struct public_key *out)
{
    return take_public(&in, out) && in.size == 0;
}

/* ---- keys ---- */

static bool kind_of(const EVP_PKEY *pkey, enum wrap_kind *out)
{
    char group[32];

    if (EVP_PKEY_get_id(pkey) == EVP_PKEY_X25519) {
        *out = WRAP_X25519;
        return true;
    }
    *out = WRAP_P256;
    return EVP_PKEY_get_id(pkey) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
           strcmp(group, SN_X9_62_prime256v1) == 0;
}

static EVP_PKEY *generate(enum wrap_kind kind)
{
    return kind == WRAP_X25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "X25519")
                               : EVP_EC_gen(SN_X9_62_prime256v1);
}

/* Takes `pkey`, whatever comes of it. */
static enum err own(EVP_PKEY *pkey, struct wrap_key **out, struct why *why)
{
    enum wrap_kind kind;
    struct wrap_key *key;

    if (!pkey || !kind_of(pkey, &kind)) {
        EVP_PKEY_free(pkey);
        return bad(why, ERR_CORRUPT, "holds no private X25519 or P-256 key in PEM form");
    }
    key = calloc(1, sizeof *key);
    CHECK(key);
    *key = (struct wrap_key){pkey, kind};
    *out = key;
    return ERR_OK;
}

enum err wrap_key_generate(enum wrap_kind kind, struct wrap_key **out, struct why *why)
{
    EVP_PKEY *pkey = generate(kind);

    if (!pkey)
        return bad(why, ERR_AGAIN, "the system gave no randomness for a key");
    return own(pkey, out, why);
}

enum err wrap_key_from_pem(struct span pem, struct wrap_key **out, struct why *why)
{
    EVP_PKEY *pkey;
    BIO *bio;

    if (pem.size == 0 || pem.size > PEM_INPUT_MAX)
        return own(NULL, out, why);
    bio = BIO_new_mem_buf(pem.at, (int)pem.size);
    CHECK(bio);
    quiet_begin();
    pkey = PEM_read_bio_PrivateKey(bio, NULL, pem_ask_nobody, NULL);
    quiet_end();
    BIO_free(bio);
    return own(pkey, out, why);
}

void wrap_key_pem(const struct wrap_key *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text;
    long size;

    CHECK(bio);
    CHECK(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1);
    size = BIO_get_mem_data(bio, &text);
    buf_put(out, text, (size_t)size);
    BIO_free(bio);
}

void wrap_key_close(struct wrap_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

static void put_public(EVP_PKEY *pkey, enum wrap_kind kind, struct buf *out)
{
    uint8_t raw[RAW_SIZE_MAX];
    size_t size = 0;

    CHECK(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, raw, sizeof raw,
                                          &size) == 1);
    CHECK(size == raw_size(kind));
    buf_byte(out, (uint8_t)kind);
    buf_put(out, raw, size);
}

void wrap_key_public(const struct wrap_key *key, struct buf *out)
{
    put_public(key->pkey, key->kind, out);
}

/* ---- key agreement ---- */

static EVP_PKEY *import_p256(struct span raw)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    char group[] = SN_X9_62_prime256v1;
    uint8_t point[RAW_SIZE_MAX];
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };

    CHECK(context);
    memcpy(point, raw.at, sizeof point);
    if (point[0] != POINT_PLAIN || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    return pkey;
}

/* NULL: not a point of the curve. */
static EVP_PKEY *import(const struct public_key *key)
{
    EVP_PKEY *pkey;

    quiet_begin();
    pkey = key->kind == WRAP_X25519
               ? EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, key->raw.at, key->raw.size)
               : import_p256(key->raw);
    quiet_end();
    return pkey;
}

/* False for a point of small order, whose secret everybody knows (RFC 7748, section 6.1). */
static bool agree(EVP_PKEY *mine, const struct public_key *other, uint8_t out[AGREED_SIZE])
{
    static const uint8_t zeros[AGREED_SIZE] = {0};
    EVP_PKEY *peer = import(other);
    EVP_PKEY_CTX *context;
    size_t size = AGREED_SIZE;
    bool good;

    if (!peer)
        return false;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
    CHECK(context);
    quiet_begin();
    good = EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
           EVP_PKEY_derive(context, out, &size) == 1;
    quiet_end();
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    return good && size == AGREED_SIZE && !equal_secret(out, zeros, sizeof zeros);
}

bool wrap_public_ok(struct span public_key)
{
    uint8_t agreed[AGREED_SIZE];
    struct public_key key;
    EVP_PKEY *mine;
    bool good;

    if (!read_public(public_key, &key))
        return false;
    mine = generate(key.kind);
    good = mine && agree(mine, &key, agreed);
    EVP_PKEY_free(mine);
    wipe(agreed, sizeof agreed);
    return good;
}

/* ---- wraps ---- */

/* What both sides know: enc and recipient without their kind bytes. */
struct exchange {
    EVP_PKEY *mine;
    const struct public_key *other;
    struct span enc, recipient;
};

static bool schedule(const struct exchange *exchange, const struct wrap_for *to,
                     struct hpke_keys *out)
{
    uint8_t agreed[AGREED_SIZE], bytes[INFO_SIZE_MAX];
    struct buf info = buf_over(bytes, sizeof bytes);
    bool good = agree(exchange->mine, exchange->other, agreed);

    buf_text(&info, "slipway content key 1");
    buf_byte(&info, 0);
    buf_text(&info, to->device);
    buf_byte(&info, 0);
    buf_put(&info, to->sha256, DIGEST_SIZE);
    CHECK(!info.overflow);
    if (good)
        hpke_schedule(&(struct hpke_input){.kem = kem_of(exchange->other->kind),
                                           .agreed = {agreed, sizeof agreed},
                                           .enc = exchange->enc,
                                           .recipient = exchange->recipient,
                                           .info = buf_written(&info)},
                      out);
    wipe(agreed, sizeof agreed);
    return good;
}

static void seal_key(struct hpke_keys *keys, const uint8_t *content_key,
                     uint8_t out[SEALED_KEY_SIZE])
{
    struct aead *aead = aead_open(AEAD_CHACHA20_POLY1305, keys->key);

    aead_seal(aead, keys->nonce, (struct span){0}, (struct span){content_key, AEAD_KEY_SIZE}, out);
    aead_close(aead);
    wipe(keys, sizeof *keys);
}

static bool unseal_key(struct hpke_keys *keys, struct span sealed, uint8_t out[AEAD_KEY_SIZE])
{
    struct aead *aead = aead_open(AEAD_CHACHA20_POLY1305, keys->key);
    uint8_t key[AEAD_KEY_SIZE];
    bool good = aead_unseal(aead, keys->nonce, (struct span){0}, sealed, key);

    if (good)
        memcpy(out, key, sizeof key);
    aead_close(aead);
    wipe(keys, sizeof *keys);
    wipe(key, sizeof key);
    return good;
}

enum err wrap_seal(struct span public_key, const struct wrap_for *to,
                   const uint8_t content_key[AEAD_KEY_SIZE], struct buf *out, struct why *why)
{
    uint8_t enc[WRAP_PUBLIC_SIZE_MAX], sealed[SEALED_KEY_SIZE];
    struct buf enc_buf = buf_over(enc, sizeof enc);
    struct public_key recipient;
    struct hpke_keys keys;
    EVP_PKEY *mine;
    bool good;

    if (!read_public(public_key, &recipient))
        return bad(why, ERR_CORRUPT, "it is not a sealing key");
    mine = generate(recipient.kind);
    if (!mine)
        return bad(why, ERR_AGAIN, "the system gave no randomness for a key");
    put_public(mine, recipient.kind, &enc_buf);
    good =
        schedule(&(struct exchange){mine, &recipient, {enc + 1, recipient.raw.size}, recipient.raw},
                 to, &keys);
    EVP_PKEY_free(mine);
    if (!good)
        return bad(why, ERR_CORRUPT, "the sealing key is not a point that can be used");
    seal_key(&keys, content_key, sealed);
    buf_span(out, buf_written(&enc_buf));
    buf_put(out, sealed, sizeof sealed);
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

enum err wrap_unseal(const struct wrap_key *key, const struct wrap_for *to, struct span wrap,
                     uint8_t content_key[AEAD_KEY_SIZE], struct why *why)
{
    uint8_t own_bytes[WRAP_PUBLIC_SIZE_MAX];
    struct buf own_public = buf_over(own_bytes, sizeof own_bytes);
    struct public_key sender;
    struct hpke_keys keys;

    if (!take_public(&wrap, &sender) || wrap.size != SEALED_KEY_SIZE)
        return bad(why, ERR_CORRUPT, "the wrapped content key is malformed");
    if (sender.kind != key->kind)
        return bad(why, ERR_CORRUPT,
                   "the content key is wrapped for a sealing key of another kind");
    wrap_key_public(key, &own_public);
    if (!schedule(
            &(struct exchange){
                key->pkey, &sender, sender.raw, {own_bytes + 1, raw_size(key->kind)}},
            to, &keys))
        return bad(why, ERR_CORRUPT, "the wrapped content key holds a point that cannot be used");
    if (!unseal_key(&keys, wrap, content_key))
        return bad(why, ERR_UNTRUSTED,
                   "the content key is not wrapped for this device, sealing key and image");
    return ERR_OK;
}
