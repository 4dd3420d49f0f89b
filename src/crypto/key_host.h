/* The inside of struct key, for the files that implement crypto/key.h. */
#pragma once

#include <openssl/evp.h>

#include "crypto/key.h"

struct key {
    EVP_PKEY *pkey; /* with the private half, unless it lies in `signer` */
    enum key_kind kind;
    bool is_private;
    struct key_signer *signer; /* who signs instead of OpenSSL; NULL: OpenSSL. Shared, counted. */
};

/* Takes `pkey`, which may be NULL, whatever comes of it. ERR_CORRUPT: none of our kinds. */
enum err key_wrap(EVP_PKEY *pkey, bool is_private, struct key **out, struct why *why) MUST_USE;

/* OpenSSL notes every failure in a list per thread, which its TLS code reads, too. What fails here
 * has nothing to say there: each failing call is framed by these two. */
void key_quiet_begin(void);
void key_quiet_end(void);

/* Signers that several copies of a key share (not for copies in different threads). */
enum err key_signer_sign(const struct key *key, struct span message, struct buf *signature,
                         struct why *why) MUST_USE;
void key_signer_share(struct key_signer *signer); /* NULL-safe, as the next */
void key_signer_close(struct key_signer *signer);

/* PKCS#8 in PEM, encrypted. */
void key_private_pem_sealed(const struct key *key, const char *passphrase, struct buf *out);
