#include "crypto/key_host.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const char *const kind_names[] = {
    [KEY_ED25519] = "ed25519",
    [KEY_ECDSA_P256] = "ecdsa-p256",
};

const char *key_kind_name(enum key_kind kind)
{
    CHECK((size_t)kind < COUNT_OF(kind_names));
    return kind_names[kind];
}

bool key_kind_parse(struct span name, enum key_kind *out)
{
    for (size_t i = 0; i < COUNT_OF(kind_names); i++) {
        if (span_is(name, kind_names[i])) {
            *out = (enum key_kind)i;
            return true;
        }
    }
    return false;
}

static bool kind_of(const EVP_PKEY *pkey, enum key_kind *out)
{
    char group[32];

    if (EVP_PKEY_get_id(pkey) == EVP_PKEY_ED25519) {
        *out = KEY_ED25519;
        return true;
    }
    if (EVP_PKEY_get_id(pkey) == EVP_PKEY_EC &&
        EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
        strcmp(group, SN_X9_62_prime256v1) == 0) {
        *out = KEY_ECDSA_P256;
        return true;
    }
    return false;
}

void key_quiet_begin(void)
{
    (void)ERR_set_mark();
}

void key_quiet_end(void)
{
    (void)ERR_pop_to_mark();
}

enum err key_wrap(EVP_PKEY *pkey, bool is_private, struct key **out, struct why *why)
{
    enum key_kind kind;
    struct key *key;

    if (!pkey || !kind_of(pkey, &kind)) {
        why_say(why, NULL,
                pkey ? "is neither an Ed25519 nor an ECDSA P-256 key" : "holds no key in PEM form");
        EVP_PKEY_free(pkey);
        return ERR_CORRUPT;
    }
    key = calloc(1, sizeof *key);
    CHECK(key);
    *key = (struct key){.pkey = pkey, .kind = kind, .is_private = is_private};
    *out = key;
    return ERR_OK;
}

enum err key_generate(enum key_kind kind, struct key **out, struct why *why)
{
    EVP_PKEY *pkey = kind == KEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                         : EVP_EC_gen(SN_X9_62_prime256v1);

    if (!pkey) {
        why_say(why, NULL, "the system gave no randomness for a key");
        return ERR_AGAIN;
    }
    return key_wrap(pkey, true, out, why);
}

enum err key_from_raw(struct span ed25519, struct key **out, struct why *why)
{
    EVP_PKEY *pkey;

    if (ed25519.size != KEY_RAW_SIZE) {
        why_say(why, NULL, "an Ed25519 public key has 32 bytes");
        return ERR_CORRUPT;
    }
    pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, ed25519.at, ed25519.size);
    return key_wrap(pkey, false, out, why);
}

void key_public_pem(const struct key *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long size;

    CHECK(bio);
    CHECK(PEM_write_bio_PUBKEY(bio, key->pkey) == 1);
    size = BIO_get_mem_data(bio, &text);
    buf_put(out, text, (size_t)size);
    BIO_free(bio);
}

void key_private_pem(const struct key *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text;
    long size;

    CHECK(bio);
    CHECK(key->is_private && !key->signer);
    CHECK(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1);
    size = BIO_get_mem_data(bio, &text);
    buf_put(out, text, (size_t)size);
    BIO_free(bio);
}

void key_public_raw(const struct key *key, uint8_t out[KEY_RAW_SIZE])
{
    size_t size = KEY_RAW_SIZE;

    CHECK(key->kind == KEY_ED25519);
    CHECK(EVP_PKEY_get_raw_public_key(key->pkey, out, &size) == 1);
    CHECK(size == KEY_RAW_SIZE);
}

enum key_kind key_kind(const struct key *key)
{
    return key->kind;
}

bool key_is_private(const struct key *key)
{
    return key->is_private;
}

bool key_same(const struct key *a, const struct key *b)
{
    bool same;

    key_quiet_begin();
    same = a->kind == b->kind && EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    key_quiet_end();
    return same;
}

struct key *key_share(const struct key *key)
{
    struct key *copy = calloc(1, sizeof *copy);

    CHECK(copy);
    *copy = *key;
    CHECK(EVP_PKEY_up_ref(copy->pkey) == 1);
    key_signer_share(copy->signer);
    return copy;
}

void key_close(struct key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    key_signer_close(key->signer);
    free(key);
}

/* Ed25519 hashes by itself. */
static const EVP_MD *digest_for(const struct key *key)
{
    return key->kind == KEY_ED25519 ? NULL : EVP_sha256();
}

enum err key_sign(const struct key *key, struct span message, struct buf *signature,
                  struct why *why)
{
    uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
    size_t size = sizeof bytes;
    EVP_MD_CTX *context;
    bool good;

    if (!key->is_private) {
        why_say(why, NULL, "a public key cannot sign");
        return ERR_INVALID;
    }
    if (key->signer)
        return key_signer_sign(key, message, signature, why);
    context = EVP_MD_CTX_new();
    CHECK(context);
    good = EVP_DigestSignInit(context, NULL, digest_for(key), NULL, key->pkey) == 1 &&
           EVP_DigestSign(context, bytes, &size, message.at, message.size) == 1;
    EVP_MD_CTX_free(context);
    CHECK(good);
    buf_put(signature, bytes, size);
    return ERR_OK;
}

bool key_verify(const struct key *key, struct span message, struct span signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good;

    CHECK(context);
    key_quiet_begin();
    good = EVP_DigestVerifyInit(context, NULL, digest_for(key), NULL, key->pkey) == 1 &&
           EVP_DigestVerify(context, signature.at, signature.size, message.at, message.size) == 1;
    key_quiet_end();
    EVP_MD_CTX_free(context);
    return good;
}
