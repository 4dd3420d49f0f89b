/* Ed25519 signatures checked in portable C, for cores that have no library for it. Hosts have
 * crypto/verify_openssl.h.
 *
 * It checks and cannot sign, so there are no secrets and its time may depend on its input. The
 * check is the one of RFC 8032 5.1.7 without the cofactor: the encoding of S*B - h*A must be R,
 * byte for byte. Integers of 32 bits with 64-bit products; no tables but three points. */
#pragma once

#include "base/span.h"

#define ED25519_KEY_SIZE       32u /* bytes */
#define ED25519_SIGNATURE_SIZE 64u /* bytes: R, S */

/* Whether `signature` is by `key` over `message`. False, too, for a key that is no point on the
 * curve and for S past the group order. Keys of small order are verify.h's business. */
bool ed25519_verify(const uint8_t key[ED25519_KEY_SIZE], struct span message,
                    const uint8_t signature[ED25519_SIGNATURE_SIZE]) MUST_USE;
