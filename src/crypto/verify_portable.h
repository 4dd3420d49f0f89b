/* crypto/verify.h in portable C, for cores without a library: crypto/ed25519.h and crypto/p256.h.
 * Needs no state. A port with an accelerator or a secure element supplies its own function, and
 * may call either of them for what its hardware does not know. */
#pragma once

#include "crypto/verify.h"

struct verify verify_portable(void);
