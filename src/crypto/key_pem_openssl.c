/* Keys from and to PEM, in the clear and encrypted. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "crypto/key_host.h"

/* scrypt's cost: N 2^14, r 8, p 5 needs 16 MiB five times over. A larger N is refused by OpenSSL's
 * own reader (32 MiB), which must be able to open the file without us. */
#define SCRYPT_N 16384u
#define SCRYPT_R 8u
#define SCRYPT_P 5u

/* ---- Reading ---- */

/* Instead of asking the terminal: the passphrase that is known, or none. */
static int give_passphrase(char *to, int size, int writing, void *self)
{
    const char *passphrase = self;
    size_t length = passphrase ? strlen(passphrase) : 0;

    (void)writing;
    if (!passphrase || length > (size_t)size)
        return -1;
    memcpy(to, passphrase, length);
    return (int)length;
}

static BIO *reader(struct span pem)
{
    BIO *bio;

    CHECK(pem.size <= KEY_FILE_SIZE_MAX);
    bio = BIO_new_mem_buf(pem.at, (int)pem.size);
    CHECK(bio);
    return bio;
}

static EVP_PKEY *read_private(struct span pem, char *passphrase)
{
    BIO *bio = reader(pem);
    EVP_PKEY *pkey;

    key_quiet_begin();
    pkey = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, passphrase);
    key_quiet_end();
    BIO_free(bio);
    return pkey;
}

static EVP_PKEY *read_public(struct span pem)
{
    BIO *bio = reader(pem);
    EVP_PKEY *pkey;

    key_quiet_begin();
    pkey = PEM_read_bio_PUBKEY(bio, NULL, give_passphrase, NULL);
    key_quiet_end();
    BIO_free(bio);
    return pkey;
}

static bool holds(struct span text, const char *part)
{
    size_t size = strlen(part);

    for (size_t at = 0; at + size <= text.size; at++) {
        if (memcmp(text.at + at, part, size) == 0)
            return true;
    }
    return false;
}

/* PKCS#8, and the older form that encrypts the body of a "SECTION PRIVATE KEY". */
bool key_is_sealed(struct span pem)
{
    return holds(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----") ||
           holds(pem, "Proc-Type: 4,ENCRYPTED");
}

static enum err open_sealed(struct span pem, const struct key_ask *ask, const char *what,
                            struct key **out, struct why *why)
{
    char passphrase[KEY_SECRET_SIZE_MAX] = "", question[KEY_SECRET_SIZE_MAX];
    EVP_PKEY *pkey;
    enum err err;

    if (!ask) {
        why_say(why, NULL, "is encrypted, and nobody gave its passphrase");
        return ERR_DENIED;
    }
    (void)snprintf(question, sizeof question, "the passphrase of %.200s", what);
    err = ask->secret(ask->self, question, passphrase, why);
    if (err != ERR_OK)
        return err;
    pkey = read_private(pem, passphrase);
    OPENSSL_cleanse(passphrase, sizeof passphrase);
    if (!pkey) {
        why_say(why, NULL, "the passphrase is wrong, or the file is damaged");
        return ERR_DENIED;
    }
    return key_wrap(pkey, true, out, why);
}

enum err key_from_pem_asking(struct span pem, const struct key_ask *ask, const char *what,
                             struct key **out, struct why *why)
{
    EVP_PKEY *pkey;

    if (pem.size == 0 || pem.size > KEY_FILE_SIZE_MAX) {
        why_say(why, NULL, "holds no key in PEM form");
        return ERR_CORRUPT;
    }
    if (key_is_sealed(pem))
        return open_sealed(pem, ask, what, out, why);
    pkey = read_private(pem, NULL);
    if (pkey)
        return key_wrap(pkey, true, out, why);
    return key_wrap(read_public(pem), false, out, why);
}

enum err key_from_pem(struct span pem, struct key **out, struct why *why)
{
    return key_from_pem_asking(pem, NULL, "the key", out, why);
}

/* ---- Writing ---- */

/* The PKCS#8 structure under a passphrase; never NULL. */
static X509_SIG *seal(const struct key *key, const char *passphrase)
{
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key->pkey);
    X509_ALGOR *how =
        PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
    X509_SIG *sealed;

    CHECK(plain && how);
    sealed = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how);
    CHECK(sealed); /* which now owns `how` */
    PKCS8_PRIV_KEY_INFO_free(plain);
    return sealed;
}

void key_private_pem_sealed(const struct key *key, const char *passphrase, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509_SIG *sealed;
    char *text;
    long size;

    CHECK(bio);
    CHECK(key->is_private && !key->signer);
    sealed = seal(key, passphrase);
    CHECK(PEM_write_bio_PKCS8(bio, sealed) == 1);
    X509_SIG_free(sealed);
    size = BIO_get_mem_data(bio, &text);
    buf_put(out, text, (size_t)size);
    BIO_free(bio);
}
