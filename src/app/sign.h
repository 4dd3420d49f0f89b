/* Signing mandates: "you, now, this image". */
#pragma once

#include "base/buf.h"
#include "base/why.h"
#include "format/mandate.h"

struct key; /* crypto/key.h */

/* Append the signed mandate, at most MANDATE_SIZE_MAX bytes. ERR_INVALID, ERR_TOO_BIG: a device
 * would not read it; else as key_sign(). */
enum err sign_mandate(const struct key *key, const struct mandate *mandate, struct buf *out,
                      struct why *why) MUST_USE;
