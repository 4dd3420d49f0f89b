/* Content keys of sealed releases in a repository: DIR/content-keys/SHA256 of the plain image, 64
 * hex digits, mode 0600. They never leave the folder but for the server, on publishing; whoever
 * has one can read the image. */
#pragma once

#include "crypto/sealing.h"
#include "os/file.h"

/* ERR_NOT_FOUND; ERR_CORRUPT: the file is not 64 hex digits. Wipe what you get. */
enum err content_key_load(const char *dir, const uint8_t sha256[DIGEST_SIZE],
                          uint8_t out[CONTENT_KEY_SIZE], struct why *why) MUST_USE;

/* The key that is there, or a fresh one, which is on disk when this returns: an image that is
 * sealed again has the same key and therefore the same bytes. */
enum err content_key_make(const char *dir, const uint8_t sha256[DIGEST_SIZE],
                          uint8_t out[CONTENT_KEY_SIZE], struct why *why) MUST_USE;
