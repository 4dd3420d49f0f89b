/* Signing keys in a token (smart card, HSM, SoftHSM), named by a URI of RFC 7512:
 *
 *   pkcs11:token=release;object=anna
 *   pkcs11:token=release;id=%01?pin-source=/run/pin&module-path=/usr/lib/softhsm/libsofthsm2.so
 *
 * The URI must name one private key, Ed25519 or ECDSA P-256, in one token. Its public half is the
 * token's public key or certificate of the same id. The PIN is the URI's pin-value, the first line
 * of its pin-source, or asked for; a token with a keypad of its own asks itself. Without
 * module-path every module that p11-kit knows is looked at.
 *
 * A library of its own, so that only the command line depends on p11-kit. */
#pragma once

#include "crypto/key.h"

/* Whether a name of a key is such a URI. */
bool pkcs11_is_uri(const char *name);

/* Log in and find the key; key_close() logs out. ERR_INVALID: not such a URI; ERR_NOT_FOUND: no
 * such token or key; ERR_CONFLICT: several; ERR_DENIED: the PIN is wrong or missing; ERR_CORRUPT:
 * not of our kinds; ERR_LINK: the module or token fails. */
enum err pkcs11_open(const char *uri, const struct key_ask *ask, struct key **out,
                     struct why *why) MUST_USE;
