/* Signature keys on hosts: Ed25519 and ECDSA over P-256 with SHA-256 (OpenSSL 3).
 *
 * A key is public, or private with its public half. Private keys live in PEM files (PKCS#8, mode
 * 0600), encrypted under a passphrase or not, or in a token (crypto/key_pkcs11.h); public ones in
 * PEM (SPKI). How TUF names keys is trust/tuf_key.h. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"

enum key_kind {
    KEY_ED25519,
    KEY_ECDSA_P256
};

#define KEY_RAW_SIZE           32u   /* bytes of an Ed25519 public key */
#define KEY_PEM_SIZE_MAX       512u  /* bytes of the PEM of one of our keys, private or public */
#define KEY_FILE_SIZE_MAX      8192u /* bytes we read of a key file */
#define KEY_SECRET_SIZE_MAX    256u  /* bytes of a passphrase or PIN with NUL */
#define KEY_SIGNATURE_SIZE_MAX 80u   /* bytes: Ed25519 has 64, P-256 in DER at most 72 */

struct key;

/* "ed25519" or "ecdsa-p256": how people name the kinds on a command line. */
const char *key_kind_name(enum key_kind kind);
bool key_kind_parse(struct span name, enum key_kind *out) MUST_USE;

/* A fresh private key from the system's random source. */
enum err key_generate(enum key_kind kind, struct key **out, struct why *why) MUST_USE;

/* Who knows a passphrase or PIN. `what` says for what: "the passphrase of root.key". The answer
 * is text in `to`, which has KEY_SECRET_SIZE_MAX bytes; whoever asked wipes it. */
struct key_ask {
    void *self;
    enum err (*secret)(void *self, const char *what, char *to, struct why *why);
};

/* From files. key_load() takes either form of PEM, private or public.
 * ERR_NOT_FOUND, ERR_STORAGE: cannot be read; ERR_CORRUPT: is no key of the two kinds;
 * ERR_DENIED: is encrypted, and nobody was asked or the answer is wrong. */
enum err key_load_private(const char *path, struct key **out, struct why *why) MUST_USE;
enum err key_load_public(const char *path, struct key **out, struct why *why) MUST_USE;
enum err key_load(const char *path, struct key **out, struct why *why) MUST_USE;
enum err key_load_asking(const char *path, const struct key_ask *ask, struct key **out,
                         struct why *why) MUST_USE;

/* To files, on disk when they return. ERR_CONFLICT: the file exists; a private key is never
 * written over. A public file is replaced only by the same key. */
enum err key_save_private(const struct key *key, const char *path, struct why *why) MUST_USE;
enum err key_save_public(const struct key *key, const char *path, struct why *why) MUST_USE;

/* As key_save_private(), encrypted: AES-256 under scrypt (PKCS#5 PBES2, RFC 7914), so that a lost
 * file costs its finder 16 MiB and half a second a guess. ERR_INVALID: an empty passphrase. */
enum err key_save_private_sealed(const struct key *key, const char *path, const char *passphrase,
                                 struct why *why) MUST_USE;

/* A key whose private half is elsewhere: `sign` fills `signature` in the form key_sign() gives,
 * and the signature is checked before anybody sees it. `close`, which may be NULL, is called once.
 * `self` is taken on success; `public_half` is borrowed. */
struct key_signer_ops {
    void *self;
    enum err (*sign)(void *self, struct span message, struct buf *signature, struct why *why);
    void (*close)(void *self);
};
enum err key_from_signer(const struct key *public_half, const struct key_signer_ops *ops,
                         struct key **out, struct why *why) MUST_USE;

/* Whether the PEM is an encrypted private key. */
bool key_is_sealed(struct span pem);

/* From and to bytes. The PEM forms are text without NUL. key_private_pem() needs a private key
 * that is not elsewhere; whoever calls it wipes what it wrote. `what` names the key to `ask`. */
enum err key_from_pem(struct span pem, struct key **out, struct why *why) MUST_USE;
enum err key_from_pem_asking(struct span pem, const struct key_ask *ask, const char *what,
                             struct key **out, struct why *why) MUST_USE;
enum err key_from_raw(struct span ed25519, struct key **out, struct why *why) MUST_USE;
void key_public_pem(const struct key *key, struct buf *out);
void key_private_pem(const struct key *key, struct buf *out);
void key_public_raw(const struct key *key, uint8_t out[KEY_RAW_SIZE]); /* Ed25519 only */

enum key_kind key_kind(const struct key *key);
bool key_is_private(const struct key *key);

/* Whether both have the same public half. */
bool key_same(const struct key *a, const struct key *b);

/* A copy that shares the memory; each is closed by itself. */
struct key *key_share(const struct key *key);
void key_close(struct key *key); /* NULL-safe */

/* Ed25519: 64 bytes. ECDSA: DER. ERR_INVALID: `key` is not private; others: as its signer says. */
enum err key_sign(const struct key *key, struct span message, struct buf *signature,
                  struct why *why) MUST_USE;

/* Whether `signature` is by `key` over `message`; any malformed signature is simply false. */
bool key_verify(const struct key *key, struct span message, struct span signature) MUST_USE;
