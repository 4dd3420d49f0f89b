/* Host keys (crypto/key.h) in the raw forms that COSE and crypto/verify.h use. */
#pragma once

#include "crypto/key.h"
#include "crypto/verify.h"

/* The public half. ERR_INVALID: a kind of key that verify.h does not know. */
enum err key_to_verify(const struct key *key, struct verify_key *out, struct why *why) MUST_USE;

/* A signature of VERIFY_SIGNATURE_SIZE bytes: Ed25519 as it is, ECDSA as r and s of 32 bytes
 * each. ERR_INVALID: `key` is not private or of another kind; else as key_sign(). */
enum err key_sign_raw(const struct key *key, struct span message,
                      uint8_t out[VERIFY_SIGNATURE_SIZE], struct why *why) MUST_USE;
