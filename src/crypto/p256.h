/* ECDSA over P-256 with SHA-256 checked in portable C, for cores that have neither a library nor
 * an accelerator for it. Hosts have crypto/verify_openssl.h.
 *
 * It checks and cannot sign, so there are no secrets and its time may depend on its input.
 * Sources: FIPS 186-5 6.4.2, the curve of SP 800-186 3.2.1.3. */
#pragma once

#include "base/span.h"

#define P256_KEY_SIZE       65u /* bytes: 4, x, y */
#define P256_SIGNATURE_SIZE 64u /* bytes: r, s */

/* Whether `signature` is by `key` over `message`. False, too, for a key that is no point on the
 * curve and for r or s out of range. */
bool p256_verify(const uint8_t key[P256_KEY_SIZE], struct span message,
                 const uint8_t signature[P256_SIGNATURE_SIZE]) MUST_USE;
