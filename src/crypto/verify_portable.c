#include "crypto/verify_portable.h"

#include "crypto/ed25519.h"
#include "crypto/p256.h"

static bool good(void *self, const struct verify_key *key, struct span message,
                 struct span signature)
{
    (void)self;
    return key->alg == VERIFY_ED25519 ? ed25519_verify(key->public, message, signature.at)
                                      : p256_verify(key->public, message, signature.at);
}

struct verify verify_portable(void)
{
    return (struct verify){.good = good};
}
