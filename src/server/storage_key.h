/* The key under which the server keeps content keys in its database: 32 random bytes in a file of
 * 64 hex digits, mode 0600, made at the first start. A copy of the database alone opens nothing. */
#pragma once

#include "base/err.h"
#include "base/why.h"
#include "crypto/aead.h"

/* ERR_CORRUPT: the file is there and is no such key; it is never written over. */
enum err storage_key_open(const char *path, uint8_t out[AEAD_KEY_SIZE], struct why *why) MUST_USE;
