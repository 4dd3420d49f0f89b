/* Keys for tests that are the same in every run, so that golden files can be signed. Their secret
 * halves are as public as this line. */
#pragma once

#include "crypto/key.h"

/* Ed25519, its seed being the SHA-256 of the one byte `number`. */
struct key *test_key(uint8_t number);
