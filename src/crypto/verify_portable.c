#include "crypto/verify_portable.h"

#include "crypto/ed25519.h"

static bool good(void *self, const struct verify_key *key, struct span message,
                 struct span signature)
{
    const struct verify *es256 = self;

    if (key->alg == VERIFY_ED25519)
        return ed25519_verify(key->public, message, signature.at);
    return es256 && es256->good(es256->self, key, message, signature);
}

struct verify verify_portable(struct verify *es256)
{
    return (struct verify){.self = es256, .good = good};
}
