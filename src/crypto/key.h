/* Signature keys on hosts: Ed25519 and ECDSA over P-256 with SHA-256 (OpenSSL 3).
 *
 * A key is public, or private with its public half. Private keys live in PEM files (PKCS#8,
 * mode 0600, not encrypted), public ones in PEM (SPKI). How TUF names keys is trust/tuf_key.h. */
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
#define KEY_SIGNATURE_SIZE_MAX 80u   /* bytes: Ed25519 has 64, P-256 in DER at most 72 */

struct key;

/* "ed25519" or "ecdsa-p256": how people name the kinds on a command line. */
const char *key_kind_name(enum key_kind kind);
bool key_kind_parse(struct span name, enum key_kind *out) MUST_USE;

/* A fresh private key from the system's random source. */
enum err key_generate(enum key_kind kind, struct key **out, struct why *why) MUST_USE;

/* From files. key_load() takes either form of PEM, private or public.
 * ERR_NOT_FOUND, ERR_STORAGE: cannot be read; ERR_CORRUPT: is no key of the two kinds. */
enum err key_load_private(const char *path, struct key **out, struct why *why) MUST_USE;
enum err key_load_public(const char *path, struct key **out, struct why *why) MUST_USE;
enum err key_load(const char *path, struct key **out, struct why *why) MUST_USE;

/* To files, on disk when they return. ERR_CONFLICT: the file exists; a private key is never
 * written over. A public file is replaced only by the same key. */
enum err key_save_private(const struct key *key, const char *path, struct why *why) MUST_USE;
enum err key_save_public(const struct key *key, const char *path, struct why *why) MUST_USE;

/* From and to bytes. The PEM forms are text without NUL. key_private_pem() needs a private key;
 * whoever calls it wipes what it wrote. */
enum err key_from_pem(struct span pem, struct key **out, struct why *why) MUST_USE;
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

/* Ed25519: 64 bytes. ECDSA: DER. ERR_INVALID: `key` is not private. */
enum err key_sign(const struct key *key, struct span message, struct buf *signature,
                  struct why *why) MUST_USE;

/* Whether `signature` is by `key` over `message`; any malformed signature is simply false. */
bool key_verify(const struct key *key, struct span message, struct span signature) MUST_USE;
